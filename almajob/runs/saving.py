"""``almajob run --save NAME``: a command line kept under a name, for one environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from almajob.alma.models import Job, Parameter
from almajob.alma.payloads import to_plain_json
from almajob.config import saved as saved_settings
from almajob.config.ini import quoted
from almajob.config.saved import Saved
from almajob.config.sections import RUN_HEADING, run_name_problem
from almajob.config.settings import Settings
from almajob.errors import Refused, UsageError
from almajob.newfile import AlreadyThere, new_file
from almajob.runs import saved
from almajob.runs.intention import StartOptions
from almajob.runs.parameters import Parameters
from almajob.runs.saved import ID_AND_NAME, SavedRun
from almajob.runs.starts import Starts
from almajob.store.drawers import make_private
from almajob.visible import visible


class SavedRuns:
    """The saved runs, as one environment's commands use them.

    Args:
        settings: say where they are.
        environment: gives its name; called only where one is needed.
        starts: of that environment; likewise.
    """

    def __init__(
        self, settings: Settings, environment: Callable[[], str], starts: Callable[[], Starts]
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._starts = starts

    def read(self, name: str) -> SavedRun:
        """Read a saved run for the environment, and the file with its parameters.

        Raises:
            Refused: there is none, or its parameters cannot be read.
            ConfigurationError: it is wrong, or says no job for this environment.
        """
        return saved.read(saved_settings.named(self._settings, name), self._environment())

    def listed(self, environment: str = "") -> list[tuple[Saved, str]]:
        """List them: each with an environment that it says something for; empty for all of them.

        Args:
            environment: list only what counts there; all where not given.

        Raises:
            ConfigurationError: one of them is wrong.
        """
        return [
            (found, said_for)
            for found in saved_settings.every(self._settings).values()
            for said_for in found.environments()
            if environment in ("", said_for) or not said_for
        ]

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
        found = self._starts().checked(job, parameters, options)
        write(self._settings, name, self._environment(), found, parameters=written.sent, said=said)
        return saved_settings.named(self._settings, name)


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
    before = saved_settings.every(settings).get(name)
    if before is not None and (before.path != path or "job" in before.of(environment)):
        raise Refused(
            f"There is a saved run {name} for {environment}; nothing was changed.",
            cure=f"Change it in {before.path}, or take another name.",
        )
    payload_file = path.with_name(f"{name}.{environment}.json")
    given = {"job": _named(job)}
    if parameters:
        given["params"] = payload_file.name
    text = saved_settings.lines(name, environment, {**given, **said})
    try:
        make_private(path.parent)
        if parameters:
            _write(payload_file, to_plain_json(parameters) + "\n", overwrite=False)
        heading = "" if before else f"; A saved run: almajob run {name}\n[{RUN_HEADING}{name}]\n"
        old = path.read_text("utf-8") if before else heading
        _write(path, f"{old.rstrip()}\n{text}", overwrite=before is not None)
    except AlreadyThere:
        raise Refused(
            f"In {path.parent} there is a file of this name that is no part of a saved run.",
            why=f"{payload_file.name} or {path.name}.",
            cure="Move it away, or take another name.",
        ) from None
    except OSError as error:
        raise Refused(f"{path} cannot be written.", why=f"{error.strerror}.") from None
    return path


def _named(job: Job) -> str:
    """Name a job by its id, with its name where that can be read back as it is."""
    both = f"{job.id} {job.name}"
    found = ID_AND_NAME.fullmatch(both)
    can_stand = found is not None and found[2] == job.name and visible(both) == both
    return both if can_stand and quoted(both) is not None else job.id


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite, mode=0o600) as file:
        file.write(text.encode())
