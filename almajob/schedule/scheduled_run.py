"""A saved run with its schedule, and all that a service or a cron line must know to start it."""

from __future__ import annotations

import pwd
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from almajob.cli.context import Context
from almajob.config import paths
from almajob.config.environments import DEMO
from almajob.config.saved_runs import Saved
from almajob.errors import ConfigurationError, Refused
from almajob.runs.saved_schedule import Schedule
from almajob.text.calendar_times import CalendarTimes
from almajob.text.frozen import Frozen

SYSTEM_USER = "almajob"
"""Who runs a service of the machine's whose configuration file belongs to root."""
_HOURLY_LIMIT = 5
"""How many starts of one job Alma accepts in an hour."""
_FROM = datetime(2026, 1, 1, tzinfo=UTC)
"""Any day, but always the same: what is made of a schedule must not depend on when it is made."""
_ENOUGH, _DAYS = 2000, 800


class ScheduledRun(Frozen):
    """A saved run of an environment, and how it is started without a person.

    Attributes:
        name: of the saved run.
        job: as the saved run names it.
        program: the words with which almajob is called.
        state_dir: where the ledger is, if that is not the place where almajob looks by itself.
        key_file: from which systemd loads the API key; empty where the configuration file says where it is.
        is_system: whether the machine starts it, and not the user's own systemd or crontab.
        user: who runs it, where the machine starts it.
    """

    name: str
    environment: str
    job: str
    schedule: Schedule
    program: tuple[str, ...]
    ini: str
    state_dir: str = ""
    key_file: str = ""
    is_system: bool = False
    user: str = ""

    @property
    def title(self) -> str:
        """What tells it from others: an environment has no dot in its name."""
        return f"{self.environment}.{self.name}"

    def list_paths(self) -> list[str]:
        """List the files and directories that it needs."""
        return [*self.program[:1], self.ini, *filter(None, (self.state_dir, self.key_file))]


def describe_run(
    context: Context, saved: Saved, schedule: Schedule, *, is_system: bool, key_file: str = ""
) -> ScheduledRun:
    """Describe how a saved run is started in the environment of a context.

    Raises:
        ConfigurationError: no API key would be there, or there is no configuration file.
        Refused: it would be started too often, in the demo, or by a configuration file that nobody trusts.
    """
    settings, environment = context.settings, context.environment.name
    if settings.ini is None or environment == DEMO:
        raise Refused("Nothing can be scheduled in the demo: each command has one of its own.")
    untrusted = settings.untrusted_ini()
    if untrusted:
        untrusted.refuse(f"It would be used by a schedule of {saved.name}.")
    _refuse_often(schedule.times)
    state_dir = settings.state_dir
    found = ScheduledRun(
        name=saved.name,
        environment=environment,
        job=saved.of(environment)["job"].text if "job" in saved.of(environment) else "",
        schedule=schedule,
        program=find_program(),
        ini=str(settings.ini.path),
        state_dir=state_dir.text if state_dir and state_dir.source == "ALMAJOB_STATE_DIR" else "",
        key_file=str(paths.expand(key_file)) if key_file else "",
        is_system=is_system,
        user=name_user(settings.ini.path) if is_system else "",
    )
    for path in found.list_paths():
        if not path.isprintable():
            raise Refused(
                f"The path {path!r} has a character that no unit and no crontab can have.",
                hint="Rename the file or its directory.",
            )
    _refuse_without_key(context, found)
    return found


def _refuse_without_key(context: Context, run: ScheduledRun) -> None:
    source = context.key_source(run.environment)
    is_in_ini = source is not None and source.way not in ("variable", "systemd credential")
    if is_in_ini and run.key_file and source:
        raise ConfigurationError(
            f"{source.place} says where the API key of {run.environment} is ({source.way}); "
            "--key-file would not be used.",
            hint="Leave one of the two out.",
        )
    if not is_in_ini and not run.key_file:
        raise ConfigurationError(
            f"A scheduled start would have no API key of {run.environment}.",
            reason=f"Only this shell has it ({source.place})." if source else "",
            hint=f"Set api_key_file in [{run.environment}] of {run.ini}; "
            "or, for systemd, name the file: --key-file FILE",
        )


def find_program() -> tuple[str, ...]:
    """Return the words with which the almajob that runs now is called, from everywhere."""
    script = Path(sys.executable).with_name("almajob")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "almajob")


def name_user(ini: Path) -> str:
    """Name the user that the machine's services run as: the owner of the ini, who can read it.

    Root's is for everybody, and then it is the user ``almajob``.
    """
    try:
        owner = ini.stat().st_uid
        return pwd.getpwuid(owner).pw_name if owner else SYSTEM_USER
    except (OSError, KeyError):
        return SYSTEM_USER


def _refuse_often(times: CalendarTimes) -> None:
    if count_most(times, timedelta(hours=1)) > _HOURLY_LIMIT:
        raise Refused(
            f"Alma accepts {_HOURLY_LIMIT} starts of a job in an hour, and {times.text!r} has more.",
            hint="Choose fewer times, such as '*:0/15'.",
        )


def count_most(times: CalendarTimes, length: timedelta) -> int:
    """Return how many times there are at most within a length of time."""
    found = list(islice(times.list_between(_FROM, _FROM + timedelta(days=_DAYS)), _ENOUGH))
    return max(_count_windows(found, length), default=0)


def _count_windows(found: list[datetime], length: timedelta) -> Iterable[int]:
    first = 0
    for index, moment in enumerate(found):
        while found[first] <= moment - length:
            first += 1
        yield index - first + 1
