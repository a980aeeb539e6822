"""Saved runs, as they are read for one environment, and as ``almajob run --save NAME`` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from almajob.alma.models import Job, Parameter
from almajob.alma.request_body import to_plain_json
from almajob.config import environments, ini_reader, paths
from almajob.config import saved_runs as saved_settings
from almajob.config.delete_saved import Deleted, delete, find_heading, list_payloads, take_turn
from almajob.config.ini_reader import Setting, digest_of, refuse_open_file
from almajob.config.ini_sections import PARAM, RUN_HEADING, read_notify, read_runs, run_name_problem
from almajob.config.ini_text import quote_value, remove_settings
from almajob.config.saved_runs import WHAT_IS_STARTED, Saved
from almajob.config.settings import Settings
from almajob.config.trusted_files import UntrustedFile
from almajob.errors import ConfigurationError, Refused, UsageError
from almajob.jobs import condition_parser
from almajob.jobs.counter_conditions import Condition
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters, problem_with
from almajob.runs.saved_schedule import read_schedule
from almajob.runs.start_request import StartOptions
from almajob.store.ledger.run_key_forms import PERIODS
from almajob.system.atomic_write import AlreadyThere, new_file
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.runs.run_service import Runs

_CheckTrust = Callable[[Path, str], UntrustedFile | None]
"""Tells whether a file is trusted, by its path and what its content is."""
ID_AND_NAME = re.compile(r"([MSO][0-9]+)\s+(\S.*)")
"""A job as a saved run names it best: by its id, with the name that it must have."""
_VARIABLE = "{env:"
DELETE_SET = ("never", "good", "always")
"""When the set that is made for a run is deleted: not at all, after a good end, or after any end."""


class NotForHere(ConfigurationError):
    """A saved run says nothing for an environment."""


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a saved run means in one environment.

    Attributes:
        job: its id or exact name.
        job_name: the name that the job of that id had when it was saved; empty where nobody knows.
        parameters: of its file, with its own overrides.
        set_name: of the set to work on; empty where it names none.
        accept: statuses that pass besides; empty where the run says nothing.
        fail_if: conditions of which none may be true.
        nothing_if: conditions of which one means that there was nothing to do.
        once_per: hour, day, week or month; empty where it says nothing.
        needs_yes: whether a start in production must be confirmed.
        notify: who is notified besides.
        ids: the file of the ids that a set is made of; empty where none is made.
        id_type: what they are; empty for Alma's standard.
        column: of the file, with the ids in it; empty where it has one only.
        skip_invalid: leave out ids that Alma does not know.
        delete_set: never, good or always; empty where it says nothing.
    """

    job: str
    job_name: str = ""
    parameters: Parameters = field(default_factory=Parameters)
    set_name: str = ""
    accept: frozenset[str] = frozenset()
    fail_if: tuple[Condition, ...] = ()
    nothing_if: tuple[Condition, ...] = ()
    once_per: str = ""
    expands: bool = False
    as_xml: bool = False
    needs_yes: bool = True
    notify: tuple[str, ...] = ()
    ids: str = ""
    id_type: str = ""
    column: str = ""
    skip_invalid: bool = False
    delete_set: str = ""


def read(saved: Saved, environment: str, check_trust: _CheckTrust) -> SavedRun:
    """Read a saved run for an environment, and the file with its parameters.

    Raises:
        NotForHere: it says nothing for this environment.
        ConfigurationError: a setting is wrong, or is not to be trusted.
        Refused: the file with its parameters cannot be read.
    """
    here = saved.of(environment)
    # A wrong one is told before anything starts.
    read_schedule(saved, environment)
    if "set" in here and f"{PARAM}{SET_ID}" in here:
        raise ConfigurationError(
            f"{here['set'].source}: set and {PARAM}{SET_ID} both name a set.", hint="Keep one of them."
        )
    _refuse_odd_ids(here)
    if "job" not in here:
        raise NotForHere(
            f"The saved run {saved.name} names no job for {environment}.",
            reason=f"It is in {saved.path}.",
            hint="Ids differ between environments. Save it for this one, too, with its parameters:\n"
            f"almajob --env {environment} run --job JOB --params FILE --save {saved.name}",
        )
    job = here["job"].text
    both = ID_AND_NAME.fullmatch(job)
    return SavedRun(
        job=both[1] if both else job,
        job_name=both[2] if both else "",
        parameters=_read_parameters(saved, here, environment, check_trust),
        set_name=environments.text_of(here, "set"),
        accept=environments.read_accept(here),
        fail_if=_parse_conditions(here, "fail_if"),
        nothing_if=_parse_conditions(here, "nothing_if"),
        once_per=_parse_period(here["once_per"]) if "once_per" in here else "",
        expands=environments.is_yes(here, "expand", default=False),
        as_xml=environments.is_yes(here, "xml", default=False),
        needs_yes=environments.is_yes(here, "confirm", default=True),
        notify=tuple(read_notify(here)),
        ids=_find_ids(saved, here),
        id_type=environments.text_of(here, "id_type"),
        column=environments.text_of(here, "id_column"),
        skip_invalid=environments.is_yes(here, "skip_invalid", default=False),
        delete_set=environments.text_of(here, "delete_set"),
    )


def _refuse_odd_ids(here: Mapping[str, Setting]) -> None:
    """Refuse what contradicts the ids of a saved run, or says how to read none."""
    other = next((here[name] for name in ("set", f"{PARAM}{SET_ID}") if name in here), None)
    if "ids" in here and other is not None:
        raise ConfigurationError(
            f"{other.source}: the run has ids, of which a set is made for it.", hint="Keep one of the two."
        )
    stray = [here[name] for name in ("id_type", "id_column", "skip_invalid", "delete_set") if name in here]
    if stray and "ids" not in here:
        raise ConfigurationError(f"{stray[0].source}: the run has no ids.", hint="Add ids = FILE.")
    delete = here.get("delete_set")
    if delete is not None and delete.text not in DELETE_SET:
        raise ConfigurationError(f"{delete.source}: delete_set is one of {', '.join(DELETE_SET)}.")


def _find_ids(saved: Saved, here: Mapping[str, Setting]) -> str:
    """Return the path of the file with the ids of a saved run; that is read when it is started."""
    if "ids" not in here:
        return ""
    path = paths.beside(saved.path, here["ids"].text)
    is_beside = paths.without_links(path).parent == paths.without_links(saved.path.parent)
    if saved.untrusted and not is_beside:
        saved.untrusted.refuse(f"It would send what is in {path} as ids ({here['ids'].source}).")
    return str(path)


def _read_parameters(
    saved: Saved, here: Mapping[str, Setting], environment: str, check_trust: _CheckTrust
) -> Parameters:
    found = Parameters()
    elsewhere = next((name for name in saved.section if name.startswith("params@")), None)
    if "params" not in here and elsewhere is not None:
        raise NotForHere(
            f"The saved run {saved.name} names no parameters for {environment}.",
            reason=f"It has {elsewhere}, in {saved.path}.",
            hint=f"Add params@{environment} = FILE there; without a file where it takes none.",
        )
    if "params" in here and here["params"].text:
        path = paths.beside(saved.path, here["params"].text)
        # That it cannot be read is told by whoever reads it.
        with suppress(OSError):
            refuse_open_file(path, path.stat(), holds_key=False, reason=WHAT_IS_STARTED)
        is_beside = paths.without_links(path).parent == paths.without_links(saved.path.parent)
        if saved.untrusted and not is_beside:
            saved.untrusted.refuse(
                f"It would send what is in {path} as parameters ({here['params'].source})."
            )
        raw = payload_file.read_bytes(str(path))
        found = payload_file.parse(raw, str(path))
        _refuse_variables(found.given, check_trust(path, digest_of(raw)))
    overrides = []
    for setting, given in here.items():
        if setting.startswith(PARAM):
            name = setting.removeprefix(PARAM)
            problem = problem_with(name, given.text)
            if problem:
                raise ConfigurationError(f"{given.source}: {problem}.")
            overrides.append(Given(name, given.text, given.source))
    _refuse_variables(overrides, saved.untrusted)
    return found.override(overrides)


def _refuse_variables(given: Iterable[Given], untrusted: UntrustedFile | None) -> None:
    """Refuse values with variables in them, which may hold secrets; whether or not they are expanded now."""
    for item in given if untrusted else ():
        if untrusted and _VARIABLE in item.value:
            untrusted.refuse(
                f"It would send a variable of yours as the parameter {item.name} ({item.source})."
            )


def _parse_conditions(here: Mapping[str, Setting], name: str) -> tuple[Condition, ...]:
    if name not in here:
        return ()
    try:
        return condition_parser.parse(here[name].text).alternatives
    except ValueError as error:
        raise ConfigurationError(
            f"{here[name].source}: {name}: {error}.",
            hint=f"Write, for example: {name} = asset_failed > 0 or invoices == 0",
        ) from None


def _parse_period(given: Setting) -> str:
    if given.text not in PERIODS:
        raise ConfigurationError(f"{given.source}: once_per is one of {', '.join(PERIODS)}.")
    return given.text


class SavedRuns:
    """The saved runs, as one environment's commands use them.

    Args:
        environment: gives its name; called only where one is needed.
        runs: of that environment; likewise.
        may_skip_confirmation: whether a file that is not trusted may say that no start is confirmed there.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Callable[[], str],
        runs: Callable[[], Runs],
        may_skip_confirmation: Callable[[Path], bool],
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._runs = runs
        self._may_skip_confirmation = may_skip_confirmation

    def read(self, name: str) -> SavedRun:
        """Read a saved run for the environment, and the file with its parameters.

        Raises:
            Refused: there is none, or its parameters cannot be read.
            ConfigurationError: it is wrong, names no job for this environment, or is not to be trusted.
        """
        found = saved_settings.find_saved(self._settings, name)
        run = read(found, self._environment(), self._settings.check_trust)
        if found.untrusted and not run.needs_yes and not self._may_skip_confirmation(found.path):
            found.untrusted.refuse(f"It would start {name} in production without asking (confirm = no).")
        return run

    def find_due(self, name: str, now: datetime) -> datetime:
        """Return the last time of a saved run's schedule that has come.

        Raises:
            Refused: there is no such saved run.
            NotForHere: it has no schedule, or its first time is still to come.
        """
        saved, environment = saved_settings.find_saved(self._settings, name), self._environment()
        schedule = read_schedule(saved, environment)
        due = schedule.times.find_last(now) if schedule else None
        if due is None:
            raise NotForHere(
                f"The saved run {name} has no schedule for {environment}."
                if schedule is None
                else f"No time of {name}'s schedule has come yet.",
                reason=f"It is in {saved.path}.",
                hint=f"almajob --env {environment} schedule install {name} --at 'Mon..Fri 05:15' makes one.",
            )
        return due

    def names(self) -> list[str]:
        """Name them all.

        Raises:
            ConfigurationError: one of them is wrong.
        """
        return list(saved_settings.read_all(self._settings))

    def list_all(self, environment: str = "") -> list[tuple[Saved, str]]:
        """List them, each once for every environment that it says something for.

        Args:
            environment: list only what counts there; all where not given.

        Returns:
            A saved run and the name of the environment; that is empty where it says the same for all.

        Raises:
            ConfigurationError: one of them is wrong.
        """
        return [
            (found, name)
            for found in saved_settings.read_all(self._settings).values()
            for name in found.environments()
            if environment in ("", name) or not name
        ]

    def find(self, name: str) -> Saved:
        """Find a saved run, as it is written.

        Raises:
            NotFound: there is none.
            ConfigurationError: one of them is wrong.
        """
        return saved_settings.find_saved(self._settings, name)

    def delete(self, name: str, environment: str = "") -> Deleted:
        """Delete a saved run, for one environment or for all; see ``delete_saved.delete``."""
        return delete(self._settings, name, environment)

    def check(self) -> int:
        """Read all of them, each for every environment that it says something for; return how many there are.

        Raises:
            AlmajobError: one cannot be read.
        """
        found = self.list_all()
        for each, environment in found:
            read(each, environment, self._settings.check_trust)
        return len({each.name for each, _environment in found})

    def save(
        self,
        name: str,
        job: str,
        parameters: Parameters,
        options: StartOptions,
        *,
        written: Parameters,
        others: Mapping[str, str],
        replaces: bool = False,
    ) -> Saved:
        """Save a run for the environment, once it has been checked as a start is.

        Args:
            job, parameters, options: of the start.
            written: the parameters as they are kept, not expanded.
            replaces: whether one of that name and environment may be replaced.

        Raises:
            AlmajobError: it would be refused, or cannot be saved.
        """
        problem = run_name_problem(name)
        if problem:
            raise UsageError(f"The name of a saved run {problem}.")
        found = self._runs().check(job, parameters, options)
        directory = saved_settings.directory(self._settings)
        request = Wanted(name, self._environment(), replaces)
        try:
            with take_turn(self._settings, directory / f"{name}.ini"):
                write(self._settings, request, found, written.sent, others)
        except OSError as error:
            raise Refused(f"{directory} cannot be written.", reason=f"{error.strerror}.") from None
        return saved_settings.find_saved(self._settings, name)


class Wanted(NamedTuple):
    """What a run is to be saved as.

    Attributes:
        environment: for which it is saved.
        replaces: whether what is saved there under this name may be replaced.
    """

    name: str
    environment: str
    replaces: bool = False


def write(
    settings: Settings,
    wanted: Wanted,
    job: Job,
    parameters: Sequence[Parameter],
    others: Mapping[str, str],
) -> Path:
    """Save a run for one environment, in ``runs.d``: its settings, and its parameters in a file beside them.

    What is saved for other environments stays. What is replaced counts until all of the new is there.

    Raises:
        Refused: there is such a run for this environment, or it cannot be written.
    """
    name, environment = wanted.name, wanted.environment
    path = saved_settings.directory(settings) / f"{name}.ini"
    before = saved_settings.read_all(settings).get(name)
    _refuse_taken(before, path, wanted)
    replaced = before if wanted.replaces else None
    gone = [each for each in replaced.section if each.endswith(f"@{environment}")] if replaced else []
    old_files = list_payloads(replaced, gone, settings) if replaced else ()
    payload = _choose_payload(path, environment, old_files)
    # The file is named also where there is none: that of another environment is not meant.
    given = {"job": _name_job(job), "params": payload.name if parameters else "", **others}
    try:
        text = _add_lines(path, name, gone, saved_settings.format_settings(name, environment, given))
        sent = to_plain_json(parameters) + "\n"
        # One that has just this in it already was left by a process that was killed.
        if parameters and not (payload.is_file() and payload.read_bytes() == sent.encode()):
            _write(payload, sent, overwrite=False)
        _write(path, text, overwrite=before is not None)
        for file in old_files:
            file.unlink(missing_ok=True)
    except AlreadyThere:
        raise Refused(
            f"In {path.parent} there is a file of this name that is not part of a saved run.",
            reason=f"{payload.name} or {path.name}.",
            hint="Move it away, or take another name.",
        ) from None
    except OSError as error:
        raise Refused(f"{path} cannot be written.", reason=f"{error.strerror}.") from None
    return path


def _refuse_taken(before: Saved | None, path: Path, wanted: Wanted) -> None:
    """Refuse to save a run under a name that stands for another one.

    Raises:
        Refused: it does, and is not to be replaced, or is in a file that people write.
    """
    name, environment = wanted.name, wanted.environment
    if before is not None and before.path != path:
        raise Refused(
            f"There is a saved run {name} in {before.path}; nothing was changed.",
            hint=f"Change it there, or take another name. To delete it: almajob saved delete {name}",
        )
    if before is not None and "job" in before.of(environment) and not wanted.replaces:
        raise Refused(
            f"There is a saved run {name} for {environment}; nothing was changed.",
            hint=f"--replace replaces it; almajob saved show {name} shows it.",
        )
    common = [setting for setting in before.section if "@" not in setting] if before else []
    if common:
        raise Refused(
            f"In {path} {', '.join(common)} of {name} counts for all environments; nothing was changed.",
            reason="It would count for what is saved now, too.",
            hint=f"Write there for which environment it is meant ({common[0]}@ENVIRONMENT), "
            f"or delete it all: almajob saved delete {name}",
        )


def _choose_payload(path: Path, environment: str, old: Collection[Path]) -> Path:
    """Name the file for the parameters: not that of a run that is replaced, which counts until the end."""
    names = (f"{path.stem}.{environment}{number}.json" for number in ("", *(f".{n}" for n in range(2, 99))))
    return next(found for name in names if (found := path.with_name(name)) not in old)


def _add_lines(path: Path, name: str, gone: Collection[str], lines: str) -> str:
    """Return what the file will have in it, once it is certain that it can be read back.

    Raises:
        Refused: it could not, or the lines would be those of another run.
    """
    heading = f"; A saved run: almajob run {name}\n[{RUN_HEADING}{name}]\n"
    old = path.read_text("utf-8-sig") if path.is_file() else heading
    if gone:
        old = remove_settings(old, find_heading(old, name), gone)
    text = f"{old.rstrip()}\n{lines}"
    try:
        found, _notes = read_runs(ini_reader.parse(path, text))
    except ConfigurationError as error:
        raise Refused(f"{path} cannot be added to; nothing was changed.", reason=error.message) from None
    if set(found) != {name}:
        raise Refused(
            f"{path} has more in it than the saved run {name}; nothing was changed.",
            hint="Add this environment there yourself, or take another name.",
        )
    return text


def _name_job(job: Job) -> str:
    """Name a job by its id, with its name where that can be read back as it is."""
    both = f"{job.id} {job.name}"
    found = ID_AND_NAME.fullmatch(both)
    can_stand = found is not None and found[2] == job.name and sanitize(both) == both
    return both if can_stand and quote_value(both) is not None else job.id


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite, mode=0o600) as file:
        file.write(text.encode())
