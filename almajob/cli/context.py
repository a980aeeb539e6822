"""What the commands of one invocation share: settings, cache, Alma, catalogue, runs.

Each is made on first use, and who makes something registers its closing there and then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from almajob.cli.connections import Connections
from almajob.config import settings
from almajob.config.settings import Options, Settings
from almajob.errors import AlmajobError, UsageError
from almajob.jobs.job_lookup import Catalogue
from almajob.system import key_variables
from almajob.system.terminal import is_attended

# A command loads what it uses: the rest is imported where it is made.
if TYPE_CHECKING:
    from almajob.alma.client import Alma
    from almajob.alma.rate_limit.quota import Quota
    from almajob.config.environments import Environment
    from almajob.config.keys.api_keys import KeySource
    from almajob.config.keys.key_location import KeyRequest
    from almajob.config.keys.set_key import NewKey
    from almajob.config.trusted_files import TrustedFiles
    from almajob.jobs.counter_conditions import Condition
    from almajob.jobs.status_descriptions import StatusTable
    from almajob.jobs.success_policy import Policy
    from almajob.runs.parameters.parameters import Parameters
    from almajob.runs.run_service import Runs
    from almajob.runs.saved_run import SavedRuns
    from almajob.runs.start_request import Target
    from almajob.store.cache import Cache
    from almajob.store.ledger import Ledger
    from almajob.store.ledger_record import Record
    from almajob.store.plugin_store import PluginStore


class Context:
    """Everything a command needs, for the length of one command.

    Args:
        options: what the command line says of the settings.
        connections: what outlives this command; its own where not given, closed with it.
        owner: gives the name of the distribution that the command belongs to.
    """

    def __init__(
        self,
        options: Options | None = None,
        environ: Mapping[str, str] | None = None,
        connections: Connections | None = None,
        owner: Callable[[], str] = lambda: "almajob",
    ) -> None:
        self._options = options or Options()
        self._environ = key_variables.environ() if environ is None else environ
        self._closing = ExitStack()
        self._others: dict[str, Context] = {}
        self._owner = owner
        self._connections = connections or Connections(self._environ)
        if connections is None:
            self._closing.callback(self._connections.close)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def settings(self) -> Settings:
        """All settings, each with its source."""
        return self._load()

    def _load(self, *, may_be_new: bool = False) -> Settings:
        found = settings.load(self._options, self._environ, may_be_new=may_be_new)
        self._connections.name_ini(found)
        return found

    @property
    def trusted_files(self) -> TrustedFiles:
        """The files found in current directories that the user trusts."""
        return settings.trusted_files(self._environ)

    @cached_property
    def environment(self) -> Environment:
        """The chosen environment."""
        return self.settings.environment()

    @cached_property
    def cache(self) -> Cache:
        """What can be fetched again."""
        return self._connections.cache(self.settings.cache_dir.text)

    @cached_property
    def store(self) -> PluginStore:
        """What a plugin keeps between invocations; each distribution has its own."""
        return self._connections.plugin_store(self.settings.state_dir.text, self._owner())

    @cached_property
    def alma(self) -> Alma:
        """The chosen environment's Alma; the first call connects."""
        return self.connect(self.environment)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The chosen environment's jobs."""
        return Catalogue(
            lambda: self.alma,
            self.cache,
            environment=self.environment.name,
            identity=self._identity,
            refresh=self.settings.refresh,
        )

    @cached_property
    def ledger(self) -> Ledger:
        """What was started from here, in all environments."""
        from almajob.store.ledger import Ledger

        return Ledger(Path(self.settings.state_dir.text) / "ledger")

    def check_locks(self) -> str:
        """Make sure that starts keep each other out, and return the directory of their locks.

        Raises:
            Refused: they do not.
        """
        from almajob.runs.job_lock import Locks

        directory = Path(self.settings.state_dir.text) / "locks"
        Locks(directory).check()
        return str(directory)

    def note_result(self, *, is_lost: bool = False) -> None:
        """Note that the result has been written to where stdout goes, or is lost."""
        if "runs" in self.__dict__:
            unreported = self.runs.unreported
            (unreported.name if is_lost else unreported.note_shown)()

    @cached_property
    def runs(self) -> Runs:
        """The chosen environment's runs."""
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
        )
        self._closing.callback(runs.close)
        return runs

    @cached_property
    def _status_table(self) -> StatusTable:
        from almajob.jobs.status_descriptions import StatusTable

        return StatusTable(
            lambda: self.alma, self.cache, identity=self._identity, refresh=self.settings.refresh
        )

    def policy(self, accept: Collection[str] = (), fail_if: Sequence[Condition] = ()) -> Policy:
        """Return what counts as a good end of a run in the chosen environment.

        Statuses that pass besides are those of the ini where none are named; of the conditions on counters
        none may be true.
        """
        from almajob.jobs.success_policy import Policy

        if accept:
            return Policy(frozenset(accept), fail_if=tuple(fail_if))
        accept_of = self.settings.accept_of_jobs()
        return Policy(self.environment.accept, accept_of, tuple(fail_if), is_of_ini=True)

    def program(self, environment: str) -> str:
        """Return how almajob is called for an environment, with the ini that the command line names."""
        import shlex

        ini = ["--ini-file", self._options.ini_file] if self._options.ini_file else []
        return shlex.join(["almajob", *ini, "--env", environment])

    def _target(self) -> Target:
        from almajob.runs.start_request import Target

        environment = self.environment
        return Target(
            environment.name,
            environment.kind.text,
            self._identity,
            has_tags=environment.has_tags,
            may_infer=environment.is_sole_starter or environment.kind.text != "production",
            # In the demo Alma's limits do not hold.
            has_limits=environment.base_url is not None,
            command=self.program(self.environment.name),
            policy=self.policy(),
            read_only=self.read_only_by(environment),
            institution=environment.institution,
        )

    def read_only_by(self, environment: Environment) -> str:
        """Return what forbids every POST to an environment; empty where nothing does."""
        return self.settings.read_only or (environment.read_only.source if environment.read_only else "")

    @cached_property
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
        if self.environment.kind.text != "production":
            return True
        source, ini = self.key_source(self.environment), self.settings.ini
        return source is not None and source.way == "api_key" and ini is not None and ini.path == path

    def expand(self, parameters: Parameters) -> Parameters:
        """Fill in what stands in braces in the values: days, times, variables.

        Raises:
            Refused: there is something else in braces, or a variable is not set.
        """
        from almajob.runs.parameters.placeholders import expand
        from almajob.system import clock as clocks
        from almajob.text import time_format

        return expand(parameters, time_format.to_local(clocks.system().now()), self._environ)

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

    def of(self, environment: str) -> Context:
        """Return the context of another environment, closed with this one."""
        env = self.settings.env
        if env is not None and env.text == environment:
            return self
        if environment not in self._others:
            options = self._options._replace(env=environment)
            other = Context(options, self._environ, self._connections, self._owner)
            self._others[environment] = self._closing.enter_context(other)
        return self._others[environment]

    def called_for(self, record: Record) -> Context:
        """Return the context of the Alma in which a start was made, though its section was renamed since."""
        from almajob.store.ledger_record import alma_of

        sections = [] if record.environment in self.settings.environment_names() else self.settings.sections
        for name in sections:
            with suppress(AlmajobError):
                environment = self.settings.environment(name)
                if alma_of(self._connections.identity(environment)) == alma_of(record.identity):
                    return self.of(name)
        return self.of(record.environment)

    def quotas(self) -> list[Quota]:
        """Return what is known of the calls of every institution, or of the named environment's."""
        named = self.named_environment
        environments = [
            self.settings.environment(name) for name in ([named] if named else self.settings.sections)
        ]
        return self._connections.quotas(environments, self.settings.state_dir.text)

    def recall(self, error: AlmajobError, run_key: str) -> AlmajobError:
        """Return an error with what the ledger knows of a run key; that needs no API key and no good ini."""
        from almajob.runs.ledger_queries import recall
        from almajob.store.ledger import Ledger

        ledger = Ledger(Path(settings.state_dir(self._environ).text) / "ledger")
        return recall(error, run_key, self._options.env or self.environment_name, ledger)

    def key_source(self, environment: Environment) -> KeySource | None:
        """Return where an environment's key will come from, without fetching it; None where there is none."""
        from almajob.config.keys import api_keys

        return api_keys.source(environment, self._environ)

    def new_key(self, request: KeyRequest) -> NewKey:
        """Return what puts a new key of an environment where it belongs."""
        from almajob.config.keys.set_key import NewKey

        return NewKey(partial(self._load, may_be_new=True), self._environ, request)

    def connect(self, environment: Environment) -> Alma:
        """Return the session with an environment.

        Raises:
            ConfigurationError: it has no key, or none that can be had.
            UsageError: nobody is there to ignore the quota.
        """
        alma = self._connections.alma(
            environment, read_only=self.read_only_by(environment), state_dir=self.settings.state_dir.text
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
        return self._connections.identity(self.environment)
