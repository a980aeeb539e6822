"""``almajob run --save NAME``: a command line kept under a name, for one environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from almajob.alma.models import Job, Parameter
from almajob.alma.request_body import to_plain_json
from almajob.config import ini_reader
from almajob.config import saved_runs as saved_settings
from almajob.config.ini_sections import RUN_HEADING, read_runs, run_name_problem
from almajob.config.ini_text import quote_value
from almajob.config.saved_runs import Saved
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError, Refused, UsageError
from almajob.runs import saved_run
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run_service import Runs
from almajob.runs.saved_run import ID_AND_NAME, SavedRun
from almajob.runs.start_request import StartOptions
from almajob.system.atomic_write import AlreadyThere, new_file
from almajob.system.file_lock import LockHeld, lock_file
from almajob.text.sanitize import sanitize

_TURN_SECONDS = 10.0


class SavedRuns:
    """The saved runs, as one environment's commands use them.

    Args:
        settings: say where they are.
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
            ConfigurationError: it is wrong, says no job for this environment, or is not to be trusted.
        """
        found = saved_settings.find_saved(self._settings, name)
        run = saved_run.read(found, self._environment(), self._settings.check_trust)
        if found.untrusted and not run.needs_yes and not self._may_skip_confirmation(found.path):
            found.untrusted.refuse(f"It would start {name} in production without asking (confirm = no).")
        return run

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
            (found, said_for)
            for found in saved_settings.read_all(self._settings).values()
            for said_for in found.environments()
            if environment in ("", said_for) or not said_for
        ]

    def check(self) -> int:
        """Read all of them, each for every environment that it says something for.

        Returns:
            How many there are.

        Raises:
            AlmajobError: one cannot be read.
        """
        found = self.list_all()
        for each, environment in found:
            saved_run.read(each, environment, self._settings.check_trust)
        return len({each.name for each, _environment in found})

    def save(
        self,
        name: str,
        job: str,
        parameters: Parameters,
        options: StartOptions,
        *,
        written: Parameters,
        said: Mapping[str, str],
    ) -> Saved:
        """Save a run for the environment, once it has been checked as a start is.

        Args:
            name: of the saved run.
            job, parameters, options: of the start.
            written: the parameters as they are kept, not expanded.
            said: its other settings.

        Raises:
            AlmajobError: it would be refused, or cannot be saved.
        """
        problem = run_name_problem(name)
        if problem:
            raise UsageError(f"The name of a saved run {problem}.")
        found = self._runs().check(job, parameters, options)
        directory = saved_settings.directory(self._settings)
        try:
            with lock_file(directory / ".lock", wait=_TURN_SECONDS):
                write(self._settings, name, self._environment(), found, parameters=written.sent, said=said)
        except LockHeld:
            raise Refused(
                f"Another process is saving in {directory} all the time.", hint="Try again."
            ) from None
        except OSError as error:
            raise Refused(f"{directory} cannot be written.", reason=f"{error.strerror}.") from None
        return saved_settings.find_saved(self._settings, name)


def write(
    settings: Settings,
    name: str,
    environment: str,
    job: Job,
    *,
    parameters: Sequence[Parameter],
    said: Mapping[str, str],
) -> Path:
    """Save a run for one environment, in ``runs.d``: its settings, and its parameters in a file beside them.

    Args:
        settings: say where.
        name: of the saved run.
        environment: for which; what is saved for others stays as it is.
        job: as Alma has it now.
        parameters: as they were written, not expanded.
        said: the other settings.

    Returns:
        The file.

    Raises:
        Refused: there is such a run for this environment, or it cannot be written.
    """
    path = saved_settings.directory(settings) / f"{name}.ini"
    payload_file = path.with_name(f"{name}.{environment}.json")
    # The file is named also where there is none: that of another environment is not meant.
    given = {"job": _name_job(job), "params": payload_file.name if parameters else "", **said}
    before = saved_settings.read_all(settings).get(name)
    if before is not None and (before.path != path or "job" in before.of(environment)):
        raise Refused(
            f"There is a saved run {name} for {environment}; nothing was changed.",
            hint=f"Change it in {before.path}, or take another name.",
        )
    try:
        text = _text_with(path, name, saved_settings.format_settings(name, environment, given))
        if parameters:
            _write_once(payload_file, to_plain_json(parameters) + "\n")
        _write(path, text, overwrite=before is not None)
    except AlreadyThere:
        raise Refused(
            f"In {path.parent} there is a file of this name that is no part of a saved run.",
            reason=f"{payload_file.name} or {path.name}.",
            hint="Move it away, or take another name.",
        ) from None
    except OSError as error:
        raise Refused(f"{path} cannot be written.", reason=f"{error.strerror}.") from None
    return path


def _text_with(path: Path, name: str, lines: str) -> str:
    """Return what the file will have in it, once it is certain that it can be read back.

    Raises:
        Refused: it could not, or the lines would be those of another run.
    """
    heading = f"; A saved run: almajob run {name}\n[{RUN_HEADING}{name}]\n"
    old = path.read_text("utf-8-sig") if path.is_file() else heading
    text = f"{old.rstrip()}\n{lines}"
    try:
        found = read_runs(ini_reader.parse(path, text))
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


def _write_once(path: Path, text: str) -> None:
    """Write a file; one that has just this in it already was left by a process that was killed."""
    if not path.is_file() or path.read_bytes() != text.encode():
        _write(path, text, overwrite=False)


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite, mode=0o600) as file:
        file.write(text.encode())
