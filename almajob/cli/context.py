"""What the commands of one invocation share: settings, cache, Alma, catalogue, runs.

Each is made on first use, and who makes something registers its closing there and then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from almajob.cli.connections import Connections
from almajob.config import settings
from almajob.config.environments import names_several
from almajob.config.ini_reader import Setting
from almajob.config.settings import Options, Settings
from almajob.errors import AlmajobError, NotConfirmed, UsageError
from almajob.jobs.job_lookup import Catalogue
from almajob.system import key_variables
from almajob.system.sharing.made_once import Making, made_once
from almajob.system.terminal import is_attended
from almajob.text.redaction import Sealed

# A command loads what it uses: the rest is imported where it is made.
if TYPE_CHECKING:
    from datetime import datetime
    from importlib.metadata import EntryPoint

    from almajob.alma.api_key import Key
    from almajob.alma.changes import Change
    from almajob.alma.client import Alma
    from almajob.alma.models import General, Parameter
    from almajob.alma.rate_limit.quota import Quota
    from almajob.config.environments import Access, Environment, LateAfter
    from almajob.config.keys.key_location import KeyRequest
    from almajob.config.keys.secret_source import KeySource
    from almajob.config.keys.set_key import NewKey
    from almajob.config.trusted_files import TrustedFiles
    from almajob.jobs.counter_conditions import Condition
    from almajob.jobs.kept_runs import KeptRuns
    from almajob.jobs.status_descriptions import StatusTable
    from almajob.jobs.success_policy import Policy
    from almajob.runs.invocation import Invocation
    from almajob.runs.observers.announcer import Announcer
    from almajob.runs.parameters.parameters import Parameters
    from almajob.runs.run import Run
    from almajob.runs.run_service import Runs
    from almajob.runs.saved_run import SavedRuns
    from almajob.runs.start_request import StartOptions, Target
    from almajob.sets.making import MadeSet
    from almajob.sets.run_with_ids import Workshop
    from almajob.store.cache import Cache
    from almajob.store.ledger.ledger import Ledger
    from almajob.store.ledger.place import Place
    from almajob.store.ledger.record import Record
    from almajob.store.plugin_store import PluginStore
    from almajob.text.redaction import Secret

LOG = logging.getLogger(__name__)

T = TypeVar("T")
_CHECK_SECONDS = 5.0


class Context(Sealed):
    """Everything a command needs, for the length of one command.

    Args:
        options: what the command line says of the settings.
        connections: what outlives this command; its own where not given, closed with it.
        owner: gives the name of the distribution that the command belongs to.
        invocation: gives the command line; not given in a script, which has none.
        find_observers: returns the entry points of those observers of starts and ends that are wanted; of
            those that are installed where not given.
        afterwards: what is done once the result is shown; when this closes where not given.
    """

    def __init__(
        self,
        options: Options | None = None,
        environ: Mapping[str, str] | None = None,
        connections: Connections | None = None,
        owner: Callable[[], str] = lambda: "almajob",
        invocation: Callable[[], Invocation] | None = None,
        find_observers: Callable[[Callable[[EntryPoint], bool]], Sequence[EntryPoint]] | None = None,
        afterwards: ExitStack | None = None,
    ) -> None:
        self._options = options or Options()
        self._environ = key_variables.environ() if environ is None else key_variables.hide_keys(environ)
        self._closing = ExitStack()
        self._begun = time.monotonic()
        self._making = Making()
        self._others: dict[str, Context] = {}
        self._owner = owner
        self._invocation = invocation
        self._find_observers = find_observers or self._find_installed_observers
        self._afterwards = self._closing if afterwards is None else afterwards
        self._connections = connections or Connections(self._environ, is_quiet=invocation is None)
        if connections is None:
            self._closing.callback(self._connections.close)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened, as the end of a ``with`` block does."""
        self._closing.close()

    @made_once
    def settings(self) -> Settings:
        """All settings, each with its source."""
        return self._load()

    def _load(self, *, may_be_new: bool = False) -> Settings:
        found = settings.load(
            self._options, self._environ, may_be_new=may_be_new, warn=self._connections.warn
        )
        self._connections.name_ini(found)
        return found

    @property
    def trusted_files(self) -> TrustedFiles:
        """The files found in current directories that the user trusts."""
        return settings.trusted_files(self._environ)

    @made_once
    def _access(self) -> Access:
        return self.settings.access()

    @property
    def environment(self) -> Environment:
        """The chosen environment."""
        return self._access.environment

    @made_once
    def cache(self) -> Cache:
        """What can be fetched again."""
        named = self.settings.cache_dir
        return self._connections.cache(named.text if named else None)

    @made_once
    def store(self) -> PluginStore:
        """What a plugin keeps between invocations, for all environments; each distribution has its own."""
        return self._open_store("")

    @made_once
    def environment_store(self) -> PluginStore:
        """The same for the chosen environment alone."""
        return self._open_store(self.environment.name)

    def _open_store(self, environment: str) -> PluginStore:
        state_dir = self.settings.need_state_dir("what a plugin keeps")
        return self._connections.plugin_store(state_dir, self._owner(), environment)

    def options(self, defaults: T) -> T:
        """Return the plugin's own settings, from the section [plugin:PLUGIN] of the configuration file.

        PLUGIN is the name of its distribution, or of its file; in a script it is almajob. A setting that is
        not a field is ignored with a warning.

        A secret ``token`` comes from the first of ``token_command``, ``token_file``, ``token_keyring = yes``,
        systemd's credential ``almajob_plugin_PLUGIN_token``, the variable ``ALMAJOB_PLUGIN_<PLUGIN>__TOKEN``
        and ``token``; where there is none, the default stays.

        Args:
            defaults: an instance of a frozen dataclass of the plugin's. Its fields name the settings. Their
                types are str, int, float, bool, Path (relative to the file), ``tuple[str, ...]`` (with commas
                in between) or Secret, or one of these or None.

        Returns:
            Another instance, with the values of the configuration file.

        Raises:
            ConfigurationError: a value is wrong, a secret cannot be read, or the file was found in the
                current directory and is not trusted.
            TypeError: ``defaults`` is something else.
        """
        from almajob.config.plugin_options import read_options
        from almajob.entry_points import normalize_name

        plugin = normalize_name(self._owner())
        return read_options(defaults, plugin, self.settings, self._environ, self._connections.secret)

    @made_once
    def alma(self) -> Alma:
        """The chosen environment's Alma; the first call connects."""
        return self.connect()

    @made_once
    def catalogue(self) -> Catalogue:
        """The chosen environment's jobs."""
        return Catalogue(
            lambda: self.alma,
            self.cache,
            environment=self.environment.name,
            identity=self._identity,
            refresh=self.settings.refresh,
        )

    @made_once
    def kept_runs(self) -> KeptRuns:
        """The chosen environment's runs that have ended, as far as they are kept."""
        from almajob.jobs.kept_runs import KeptRuns

        return KeptRuns(
            self.cache,
            environment=self.environment.name,
            identity=self._identity,
            refresh=self.settings.refresh,
        )

    @made_once
    def ledger(self) -> Ledger:
        """What was started from here, in all environments."""
        from almajob.store.ledger.ledger import Ledger

        return Ledger(self._ledger_place, self._announcer)

    @property
    def _ledger_place(self) -> Place:
        return self._connections.ledger_place(self.settings)

    def ledger_password_source(self) -> KeySource | None:
        """Return where the password of the ledger's database will come from; None where libpq finds it."""
        from almajob.config.ledger_address import find_password_source

        return find_password_source(self.settings.general, self._environ)

    @made_once
    def _announcer(self) -> Announcer | None:
        """Announces to observers; None where there are none."""
        found, state_dir = self._find_observers(self._is_observer_wanted), self._state_dir
        if not found or state_dir is None:
            return None
        announcer = self._connections.announcer(
            *(found, state_dir, self._ini_file_of_observers, self._find_place), finish_with=self._afterwards
        )
        # A shell goes on for long after it.
        self._closing.callback(announcer.show_messages)
        return announcer

    def _is_observer_wanted(self, point: EntryPoint) -> bool:
        """Whether an observer is called at all: some are only where the configuration file speaks of them."""
        from almajob.entry_points import CONFIGURED, normalize_name, plugin_of

        if CONFIGURED not in point.extras:
            return True
        plugin = normalize_name(plugin_of(point))
        return bool(self.settings.notifications if plugin == "almajob" else self.settings.plugins.get(plugin))

    @property
    def _ini_file_of_observers(self) -> str:
        """The configuration file, as a later command finds it from anywhere; as named where not trusted."""
        ini = self.settings.ini
        if ini is None or self.settings.untrusted_ini() is not None or not ini.path.is_file():
            return self._options.ini_file or ""
        return str(ini.path.absolute())

    def _find_installed_observers(self, is_wanted: Callable[[EntryPoint], bool]) -> Sequence[EntryPoint]:
        """Find the observers that are installed, wanted and not disabled."""
        from almajob.cli.plugins.distributions import entry_points_of
        from almajob.entry_points import OBSERVERS, plugin_of

        found = list(filter(is_wanted, entry_points_of(OBSERVERS)))
        if not found:
            return []
        from almajob.config.plugin_choice import read_choice

        choice = read_choice(self._options.ini_file or "", self._environ)
        return [point for point in found if not choice.find_reason((point.name, plugin_of(point)))]

    def check_ledger(self) -> str:
        """Make sure that the ledger can be read, and return where it is; a directory is made by a start.

        Raises:
            ConfigurationError: there is no place for it.
            Refused: it cannot be read.
        """
        if self.settings.database is None:
            self.settings.need_state_dir("the ledger and its locks")
        place = self.ledger.place
        if place.is_there:
            with self.ledger.read(wait=_CHECK_SECONDS):
                pass
        return place.name

    def check_locks(self) -> str:
        """Make sure that starts keep each other out, and return where their locks are.

        Raises:
            ConfigurationError: there is no place for them.
            Refused: they do not.
        """
        return self.ledger.place.locks.check()

    def note_result(self, *, is_lost: bool = False) -> None:
        """Note that the result has been written to where stdout goes, or is lost."""
        for runs in self._list_runs():
            (runs.unreported.name if is_lost else runs.unreported.note_shown)()
        if is_lost and (changes := self._list_changes()):
            from almajob.runs.unreported_starts import name_changes

            name_changes(changes)

    def name_starts(self) -> bool:
        """Name what was started in several environments, in one message; return whether there was something.

        For whatever ends the command before its result is shown.
        """
        found = {other.environment_name: other.runs.unreported for other in self.each() if other._list_runs()}
        from almajob.runs.unreported_starts import word_together

        words = word_together(found, self.program)
        if words:
            LOG.warning("%s", words)
        for unreported in found.values():
            unreported.clear()
        return bool(words)

    def word_resume(self, others: Sequence[Context]) -> str:
        """Return the command line that waits for what was started in several environments; empty for none."""
        from almajob.runs.unreported_starts import word_resume_together

        found = {each.environment_name: each.runs.unreported for each in others if each._list_runs()}
        runs = {name: each.asked_for for name, each in found.items() if each.asked_for}
        return word_resume_together(runs, {name: found[name].waiting for name in runs}, self.program)

    def admit_starts(self, error: AlmajobError, *, is_shown: bool) -> AlmajobError:
        """Return the error that ends the command: another in place of one that denies what was done.

        Args:
            is_shown: whether the command's result has been shown.
        """
        unreported, changes = [runs.unreported for runs in self._list_runs()], self._list_changes()
        if not unreported and not changes:
            return error
        from almajob.runs.unreported_starts import admit_starts

        return admit_starts(error, unreported, changes, is_shown=is_shown)

    def admit_code(self, code: int) -> int:
        """Return the exit code that a command has set; another in place of one that denies what was done."""
        unreported, changes = [runs.unreported for runs in self._list_runs()], self._list_changes()
        if not unreported and not changes:
            return code
        from almajob.runs.unreported_starts import admit_code

        return admit_code(code, unreported, changes)

    def _list_runs(self) -> list[Runs]:
        """List what was used to start and follow runs, here and in other environments."""
        others = [runs for other in self._others.values() for runs in other._list_runs()]
        return [self.runs, *others] if "runs" in self.__dict__ else others

    def _list_changes(self) -> list[Change]:
        """List what this command has sent to change something, here and in other environments."""
        changes = [change for other in self._others.values() for change in other._list_changes()]
        if "alma" in self.__dict__:
            # A shell's commands share it.
            changes += self.alma.changes.list_since(self._begun)
        return list(dict.fromkeys(changes))

    @made_once
    def runs(self) -> Runs:
        """The chosen environment's runs."""
        from almajob.runs.invocation import Invocation
        from almajob.runs.run_service import Runs

        runs = Runs(
            lambda: self.alma,
            lambda: self.catalogue,
            self.ledger,
            self._target,
            lambda status: self._status_table.description(status),
            environment=self.environment.name,
            policy=self.policy(),
            program=self.program(self.environment.name),
            busy=self._connections.busy,
            invocation=self._invocation() if self._invocation else Invocation(is_script=True),
            state_dir=self._state_dir,
            late_after=self._find_late_after,
        )
        self._closing.callback(runs.close)
        return runs

    @made_once
    def workshop(self) -> Workshop:
        """With what sets are made for runs of the chosen environment, and deleted after them."""
        from almajob.sets.making import SetDeps
        from almajob.sets.run_with_ids import Workshop
        from almajob.system import clock as clocks

        return Workshop(
            self.runs,
            self.ledger,
            lambda: SetDeps(self.alma, self.ledger, self._identity, clocks.system(), self._connections.busy),
            self.environment.name,
            self._identity,
            self._count_calls_left,
        )

    def start_on_ids(
        self,
        job: str,
        ids: Iterable[str],
        parameters: Parameters | Sequence[Parameter] = (),
        options: StartOptions | None = None,
        *,
        id_type: str = "",
        skip_invalid: bool = False,
        delete_set: str = "never",
    ) -> Run:
        """Start a manual job, once, on a set that is made of ids for it alone; see docs/sets.md.

        The run key stands for all of it: the same call goes on where an earlier one stopped.

        Args:
            job: its exact name, or its id.
            ids: of what the job works on.
            parameters: in the order in which they are sent, without a set.
            options: as for ``Runs.start``.
            id_type: of the ids, as Alma names it; empty for ids of Alma itself, which are numbers.
            skip_invalid: leave out ids that Alma does not know, instead of starting nothing.
            delete_set: when ``settle_set`` deletes it: never, good or always.

        Raises:
            OutcomeUnknown: it is unknown whether the job was started, or what became of the set.
            AlmajobError: nothing was started.
        """
        from almajob.runs.start_request import StartOptions
        from almajob.sets.id_file import list_ids
        from almajob.sets.run_with_ids import OwnSetOptions, start_on_ids

        own = OwnSetOptions(id_type, skip_invalid, delete_set, "the ids")
        with list_ids(ids, id_type=id_type) as found:
            return start_on_ids(job, parameters, options or StartOptions(), found, own, self.workshop)

    def settle_set(self, run: Run) -> None:
        """Delete the set that was made for a run, if that was asked for and the run was seen to have ended.

        A failure is a warning, and the same call tries again.

        Args:
            run: as it was followed or looked at, with its verdict.
        """
        from almajob.sets.run_with_ids import settle_set

        settle_set(run, self.workshop)

    def make_set(
        self,
        name: str,
        ids: Iterable[str],
        content: str,
        *,
        id_type: str = "",
        description: str = "",
        is_public: bool = False,
        skip_invalid: bool = False,
        is_confirmed: bool = False,
    ) -> MadeSet:
        """Make a set of ids; or go on where an earlier call for the same name and ids stopped.

        Args:
            name: which no other set has.
            ids: of its members.
            content: the code of what they are, such as ``BIB_MMS`` or ``ITEM``.
            id_type: of the ids, as Alma names it; empty for ids of Alma itself, which are numbers.
            description: for people who find it in Alma.
            is_public: whether others than its maker see it there.
            skip_invalid: leave out ids that Alma does not know.
            is_confirmed: somebody has agreed to the change; in production, nothing is sent without.

        Raises:
            Refused: somebody else has made a set of this name, or it was made of other ids.
            OutcomeUnknown: it is unknown what became of a call; the same call goes on.
            AlmajobError: Alma refused, or could not be reached.
        """
        from almajob.sets.id_file import list_ids
        from almajob.sets.making import make_set
        from almajob.sets.plan import plan_set_of_ids

        if self.environment.is_production and not is_confirmed:
            raise NotConfirmed(
                f"A change in production ({self.environment.name}) must be confirmed; nothing was sent.",
                hint="In a program: is_confirmed=True.",
            )

        with list_ids(ids, id_type=id_type) as found:
            plan = plan_set_of_ids(
                name,
                found,
                content,
                id_type=id_type,
                description=description,
                is_public=is_public,
                skip_invalid=skip_invalid,
            )
            return make_set(plan, found, self.workshop.sets())

    def _count_calls_left(self) -> int | None:
        found = self._connections.quotas([self.environment], self.settings)
        return found[0].calls_left if found else None

    def _find_late_after(self, job_id: str, job_name: str) -> LateAfter:
        of_jobs = self._late_after_of_jobs
        return of_jobs.get(job_id) or of_jobs.get(job_name) or self.environment.late_after

    @made_once
    def _late_after_of_jobs(self) -> dict[str, LateAfter]:
        return self.settings.late_after_of_jobs()

    @made_once
    def _status_table(self) -> StatusTable:
        from almajob.jobs.status_descriptions import StatusTable

        return StatusTable(
            lambda: self.alma, self.cache, identity=self._identity, refresh=self.settings.refresh
        )

    def policy(
        self,
        accept: Collection[str] = (),
        fail_if: Sequence[Condition] = (),
        nothing_if: Sequence[Condition] = (),
    ) -> Policy:
        """Return what counts as a good end of a run in the chosen environment.

        Args:
            accept: statuses that pass besides those that always do; where none are named, those that the
                configuration file accepts.
            fail_if: conditions on counters, of which none may be true.
            nothing_if: conditions of which one means that there was nothing to do.
        """
        from almajob.jobs.success_policy import Policy

        if accept:
            return Policy(frozenset(accept), fail_if=tuple(fail_if), nothing_if=tuple(nothing_if))
        accept_of = self.settings.accept_of_jobs()
        return Policy(
            self.environment.accept,
            accept_of,
            tuple(fail_if),
            is_of_ini=True,
            nothing_if=tuple(nothing_if),
        )

    def program(self, environment: str) -> str:
        """Return how almajob is called for an environment, empty for none, with the command line's ini."""
        import shlex

        ini = ["--ini-file", self._options.ini_file] if self._options.ini_file else []
        return shlex.join(["almajob", *ini, *(["--env", environment] if environment else [])])

    def _target(self) -> Target:
        from almajob.runs.start_request import Target

        environment = self.environment
        return Target(
            environment.name,
            environment.kind,
            self._identity,
            has_tags=environment.has_tags,
            may_infer=environment.is_sole_starter or not environment.is_production,
            # In the demo Alma's limits do not hold.
            has_limits=environment.base_url is not None,
            command=self.program(self.environment.name),
            policy=self.policy(),
            read_only=self.read_only_by(environment),
            institution=environment.institution,
        )

    def read_only_by(self, environment: Environment) -> str:
        """Return what forbids everything but reads of an environment; empty where nothing does."""
        return self.settings.read_only or (
            environment.source_of("read_only") if environment.is_read_only else ""
        )

    @made_once
    def saved_runs(self) -> SavedRuns:
        """The saved runs: what ``almajob run NAME`` stands for."""
        from almajob.runs.saved_run import SavedRuns

        return SavedRuns(
            self.settings, lambda: self.environment.name, lambda: self.runs, self._may_skip_confirmation
        )

    def _may_skip_confirmation(self, path: Path) -> bool:
        """Whether a file that is not trusted may say that a start is not confirmed.

        It may where none is confirmed, and the ini may where the key is its own.
        """
        if not self.environment.is_production:
            return True
        source, ini = self.key_source(self.environment.name), self.settings.ini
        return source is not None and source.way == "api_key" and ini is not None and ini.path == path

    def now(self) -> datetime:
        """Return the local time with its offset, by almajob's clock: in tests, that of the simulated Alma."""
        from almajob.system import clock as clocks
        from almajob.text import time_format

        return time_format.to_local(clocks.system().now())

    def expand(self, parameters: Parameters) -> Parameters:
        """Fill in what stands in braces in the values: days, times, variables.

        Raises:
            Refused: there is something else in braces, or a variable is not set.
        """
        from almajob.runs.parameters.placeholders import expand

        return expand(parameters, self.now(), self._environ)

    @property
    def environment_name(self) -> str:
        """The name of the chosen environment; empty where none is chosen, or the ini cannot be read."""
        try:
            return self.settings.env.text if self.settings.env is not None else ""
        except AlmajobError:
            return ""

    @property
    def named_environment(self) -> str:
        """The environment that the command line names; empty where it names none."""
        return self._options.env or ""

    @property
    def named_ini_file(self) -> str:
        """The configuration file that the command line names; empty where it names none."""
        return self._options.ini_file or ""

    def of(self, environment: str) -> Context:
        """Return the context of another environment, closed with this one.

        Args:
            environment: what ``--env`` takes.

        Raises:
            ConfigurationError: it is not configured; raised when it is first used.
        """
        found = self.settings
        if found.env is not None and found.env.text == environment:
            return self
        with self._making.lock:
            if environment not in self._others:
                options = self._options.replace(env=environment)
                other = Context(
                    *(options, self._environ, self._connections, self._owner, self._invocation),
                    find_observers=self._find_observers,
                    afterwards=self._afterwards,
                )
                # Forty of them need not read one file forty times.
                other.__dict__["settings"] = found.replace(env=Setting(environment, "--env"))
                self._others[environment] = self._closing.enter_context(other)
            return self._others[environment]

    @made_once
    def several(self) -> tuple[str, ...]:
        """The environments that ``--env`` or ALMAJOB_ENV names where it names several; else none.

        Raises:
            ConfigurationError: there is no such environment or group.
        """
        text = self._options.env or self._environ.get("ALMAJOB_ENV") or ""
        return tuple(self.settings.list_environments(text)) if names_several(text) else ()

    def each(self) -> list[Context]:
        """Return the context of each environment that is named: of several in their order, or this one."""
        return list(map(self.of, self.several)) or [self]

    def called_for(self, record: Record) -> Context:
        """Return the context of the Alma in which a start was made, though its section was renamed since."""
        from almajob.store.ledger.record import alma_of

        sections = [] if record.environment in self.settings.environment_names() else self.settings.sections
        for name in sections:
            with suppress(AlmajobError):
                identity = self._connections.identity(self.settings.access(name))
                if alma_of(identity) == alma_of(record.identity):
                    return self.of(name)
        return self.of(record.environment)

    def quotas(self) -> list[Quota]:
        """Return what is known of the calls of every institution, or of the named environment's."""
        named = self.named_environment
        environments = [
            self.settings.environment(name) for name in ([named] if named else self.settings.sections)
        ]
        return self._connections.quotas(environments, self.settings)

    def recall(self, error: AlmajobError, run_key: str) -> AlmajobError:
        """Return an error with what the ledger knows of a run key; that needs no API key and no good ini."""
        from almajob.runs.ledger_queries import recall
        from almajob.store.ledger.ledger import Ledger

        ledger = Ledger(self._find_place())
        return recall(error, run_key, self._options.env or self.environment_name, ledger)

    def ledger_place_named(self, text: str) -> Place:
        """Return the place of another ledger.

        Args:
            text: the address of a database, or a directory.

        Raises:
            UsageError: it is neither.
        """
        return self._connections.ledger_place_named(text, self.settings)

    def _find_place(self) -> Place:
        """Return the place of the ledger; where the ini cannot be read, it is taken to name none."""
        from almajob.runs.ledger_place import choose_place

        try:
            return self._ledger_place
        except AlmajobError:
            state_dir = settings.state_dir(self._environ)
            return choose_place(state_dir.text if state_dir else None)

    def webhook_secrets(self) -> tuple[Secret, ...]:
        """Return what signs the webhook messages of the chosen environment, the current secret first.

        Raises:
            ConfigurationError: it has none, or none that can be had.
        """
        from almajob.config.keys.webhook_secrets import read_secrets

        name = self.environment.name
        return read_secrets(self.settings, name, self._environ, self._connections.secret)

    def webhook_secret_sources(self, environment: str) -> dict[str, KeySource]:
        """Return where an environment's webhook secrets will come from, without fetching them."""
        from almajob.config.keys.webhook_secrets import list_sources

        found = list_sources(self.settings, environment, self._environ)
        return {setting: source for setting, (_names, source) in found.items()}

    def key_source(self, environment: str) -> KeySource | None:
        """Return where an environment's key will come from, without fetching it; None where there is none."""
        from almajob.config.keys import api_keys

        return api_keys.source(self.settings.access(environment), self._environ)

    def new_key(self, request: KeyRequest) -> NewKey:
        """Return what puts a new key of an environment where it belongs."""
        from almajob.config.keys.set_key import NewKey

        return NewKey(partial(self._load, may_be_new=True), self._environ, request)

    def try_key(self, environment: Environment, key: Key) -> General:
        """Ask Alma where a key leads that is not kept yet.

        Raises:
            AlmajobError: Alma does not take it, or cannot be asked.
        """
        return self._connections.try_key(environment, key, self.settings)

    def connect(self) -> Alma:
        """Return the session with the chosen environment.

        Raises:
            ConfigurationError: it has no key, or none that can be had.
            UsageError: nobody is there to ignore the quota.
        """
        alma = self._connections.alma(
            self._access, self.settings, read_only=self.read_only_by(self.environment)
        )
        if self.settings.ignores_quota and not is_attended():
            raise UsageError(
                "--ignore-quota is for a person at a terminal.",
                hint="Leave it out: almajob itself tries one call an hour.",
            )
        alma.ignore_quota_once(is_wanted=self.settings.ignores_quota)
        return alma

    @property
    def _identity(self) -> str:
        return self._connections.identity(self._access)

    @property
    def _state_dir(self) -> str | None:
        return self.settings.state_dir.text if self.settings.state_dir else None
