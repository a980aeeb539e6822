"""When saved runs are to be started: their settings ``at``, ``timezone`` and ``splay``, read and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from almajob.config import environments
from almajob.config import saved_runs as saved_settings
from almajob.config.delete_saved import find_heading, refuse_foreign, take_turn
from almajob.config.ini_reader import Setting, digest_of
from almajob.config.ini_sections import RUN_HEADING
from almajob.config.ini_text import change_setting, remove_settings
from almajob.config.saved_runs import Saved
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError, NotFound, Refused
from almajob.system.atomic_write import new_file
from almajob.text.calendar_times import CalendarTimes, parse_calendar
from almajob.text.frozen import Frozen
from almajob.text.time_format import format_utc
from almajob.text.time_parsing import parse_duration

SETTINGS = ("at", "timezone", "splay", "at_since")
"""What a saved run says of its times."""


class Schedule(Frozen):
    """When a saved run is to be started.

    Attributes:
        at: the calendar expression, as it was written.
        timezone: as it was written; empty where that of the machine counts, or ``at`` names one.
        times: what both of them mean.
        splay: over how many seconds starts are spread.
        since: when it was set; None where nobody knows.
    """

    at: str
    timezone: str
    times: CalendarTimes
    splay: float = 0.0
    since: datetime | None = None


def make_schedule(at: str, timezone: str = "", splay: float = 0.0, *, source: str = "--at") -> Schedule:
    """Make a schedule.

    Raises:
        ConfigurationError: the expression or the time zone is none; ``source`` says where it is written.
    """
    try:
        return Schedule(at=at, timezone=timezone, times=parse_calendar(at, timezone), splay=splay)
    except ValueError as error:
        raise ConfigurationError(
            f"{source}: {at!r}: {error}.",
            hint="Write, for example, 05:15, 'Mon..Fri 05:15', '*-*-01 06:00' or '*:0/15'.",
        ) from None


def read_schedule(saved: Saved, environment: str) -> Schedule | None:
    """Read when a saved run is to be started in an environment; None where it does not say.

    Raises:
        ConfigurationError: it is said wrongly.
    """
    here = saved.of(environment)
    if "at" not in here:
        return None
    found = make_schedule(
        *(here["at"].text, environments.text_of(here, "timezone"), _read_splay(here)),
        source=here["at"].source,
    )
    return found.replace(since=_read_since(here))


def _read_splay(here: Mapping[str, Setting]) -> float:
    if "splay" not in here:
        return 0.0
    seconds = parse_duration(here["splay"].text, ("", "s", "m", "h"))
    if seconds is None:
        raise ConfigurationError(
            f"{here['splay'].source}: splay is not a length of time.", hint="Write, for example, splay = 5m."
        )
    return seconds


def _read_since(here: Mapping[str, Setting]) -> datetime | None:
    if "at_since" not in here:
        return None
    try:
        found = datetime.fromisoformat(here["at_since"].text)
    except ValueError:
        raise ConfigurationError(
            f"{here['at_since'].source}: at_since is not a time.",
            hint="Write, for example, at_since = 2026-11-30T08:00Z, or remove the line.",
        ) from None
    return found if found.tzinfo else found.astimezone()


def list_scheduled(settings: Settings, environment: str = "") -> Iterator[tuple[Saved, str, Schedule]]:
    """List the saved runs that have a schedule, each with its environments and the schedule there.

    What is said for all environments counts in those in which the run names a job.

    Args:
        environment: list only what counts there; all where not given.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    for saved in saved_settings.read_all(settings).values():
        for name in [environment] if environment else settings.sections:
            if "job" in saved.of(name) and (schedule := read_schedule(saved, name)):
                yield saved, name, schedule


def expected_times(saved: Saved, environment: str, since: datetime, until: datetime) -> list[datetime]:
    """Return when a saved run should have been started in an environment: from one time until before another.

    Nothing is expected of it before it had its schedule.

    Raises:
        ConfigurationError: its schedule is wrong.
    """
    schedule = read_schedule(saved, environment)
    if schedule is None:
        return []
    return list(schedule.times.list_between(max(since, schedule.since or since), until))


def keep_schedule(
    settings: Settings, name: str, environment: str, schedule: Schedule, now: float, *, is_dry: bool = False
) -> Path | None:
    """Keep a schedule with its saved run; every other line of the file stays as it is.

    Args:
        now: seconds since the epoch.
        is_dry: only find out whether something would change.

    Returns:
        The file that was changed; None where it says all of this already.

    Raises:
        Refused: the file is not this user's own, or cannot be written.
        ConfigurationError: the saved runs cannot be read.
    """
    before = read_schedule(saved_settings.find_saved(settings, name), environment)
    if before is not None and before.replace(since=None) == schedule.replace(since=None):
        return None
    texts = {
        "at": schedule.at,
        "timezone": schedule.timezone,
        "splay": f"{schedule.splay:g}s" if schedule.splay else "",
        "at_since": format_utc(datetime.fromtimestamp(int(now), UTC)),
    }
    # Nothing behind the sign says that what counts elsewhere does not count here.
    return _change(settings, name, {f"{setting}@{environment}": texts[setting] for setting in texts}, is_dry)


def drop_schedule(settings: Settings, name: str, environment: str, *, is_dry: bool = False) -> Path | None:
    """Remove what a saved run says of its times in one environment.

    Returns:
        The file that was changed; None where it says nothing of them, or there is no such run.

    Raises:
        Refused: the file is not this user's own, or cannot be written.
        ConfigurationError: the saved runs cannot be read.
    """
    try:
        saved = saved_settings.find_saved(settings, name)
    except NotFound:
        return None
    gone = [f"{setting}@{environment}" for setting in SETTINGS]
    if not any(each in saved.section for each in gone):
        return None
    return _change(settings, name, dict.fromkeys(gone), is_dry)


def _change(settings: Settings, name: str, changes: Mapping[str, str | None], is_dry: bool) -> Path:
    """Set some settings of a saved run; None removes one."""
    path = saved_settings.find_saved(settings, name).path
    lines = ", ".join(f"{each} = {value}" for each, value in changes.items() if value)
    wanted = f"add to its section [{RUN_HEADING}{name}]: {lines}" if lines else f"remove {', '.join(changes)}"
    try:
        refuse_foreign(path, "changed", wanted)
        if is_dry:
            return path
        with take_turn(settings, path):
            raw = path.read_bytes()
            if settings.ini and path == settings.ini.path and digest_of(raw) != settings.ini.digest:
                raise Refused(f"{path} has changed in the meantime. Nothing was changed.", hint="Try again.")
            mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
            text = raw.decode("utf-8-sig")
            heading = find_heading(text, name)
            section = saved_settings.find_saved(settings, name).section
            text = remove_settings(
                *(text, heading, [each for each, value in changes.items() if not value and each in section])
            )
            for setting, value in changes.items():
                if value:
                    text = change_setting(text, heading, setting, value)
            changed = mark + text.encode()
            with new_file(path, overwrite=True) as file:
                file.write(changed)
            settings.keep_trust(path, raw, changed, time.time())
    except OSError as error:
        raise Refused(f"{path} cannot be written.", reason=f"{error.strerror}.") from None
    return path
