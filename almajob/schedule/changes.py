"""What a command line asks of a schedule: the saved run that is meant, and the steps that do it."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from almajob.cli.context import Context
from almajob.config.saved_runs import Saved
from almajob.errors import AlmajobError, Refused, UsageError
from almajob.runs.saved_schedule import (
    Schedule,
    drop_schedule,
    keep_schedule,
    make_schedule,
    read_schedule,
)
from almajob.schedule.places import WAYS, Step, Way, list_titles, plan_install, plan_remove
from almajob.schedule.scheduled_run import SYSTEM_USER, ScheduledRun, describe_run
from almajob.system import clock as clocks

SAVE = "save"


class Asked(NamedTuple):
    """What a command line says of a schedule; None where it does not.

    Attributes:
        saved: the name of the saved run.
        splay: in seconds.
    """

    saved: str
    at: str | None = None
    timezone: str | None = None
    splay: float | None = None
    key_file: str | None = None


def find_way(*, is_user: bool, is_system: bool, is_cron: bool) -> Way:
    """Return the way that is meant: root means the machine, where nothing is said, and others themselves."""
    return Way(is_system=is_system or (not is_user and os.geteuid() == 0), is_cron=is_cron)


def read_run(asked: Asked, context: Context, way: Way) -> ScheduledRun:
    """Describe the scheduled run that a command line means.

    Raises:
        AlmajobError: it cannot be scheduled.
    """
    saved = context.saved_runs.find(asked.saved)
    schedule = _combine(asked, context, saved)
    return describe_run(context, saved, schedule, is_system=way.is_system, key_file=asked.key_file or "")


def _combine(asked: Asked, context: Context, saved: Saved) -> Schedule:
    """Return what the command line says of the times, and else what the saved run says."""
    # It must be one that can be started there.
    context.saved_runs.read(saved.name)
    kept = read_schedule(saved, context.environment.name)
    at, timezone, splay = asked.at, asked.timezone, asked.splay
    if at is None and kept is None:
        raise UsageError(
            f"When is {saved.name} to be started?", hint="Add, for example: --at 'Mon..Fri 05:15'"
        )
    if at is None and kept is not None:
        at, timezone = kept.at, kept.timezone if timezone is None else timezone
    # A new time is one of the machine's time zone, where nothing else is said with it.
    spread = kept.splay if kept and splay is None else splay or 0.0
    return make_schedule(at or "", timezone or "", spread)


def plan_whole_install(context: Context, run: ScheduledRun, way: Way) -> list[Step]:
    """Plan what installs a scheduled run, and keeps its times with the saved run.

    Raises:
        Refused: it is installed in another way, its user does not exist, or files cannot be read or written.
    """
    for other in WAYS:
        if other != way and run.title in list_readable(other):
            raise Refused(
                f"{run.name} is scheduled already, in {other.name}; nothing was changed.",
                hint=f"First: {context.program(run.environment)} schedule remove {run.name}",
            )
    if way.is_system and run.user == SYSTEM_USER and not _is_user(SYSTEM_USER):
        raise Refused(
            f"There is no user {SYSTEM_USER}, as whom the service would run; nothing was changed.",
            reason=f"{run.ini} belongs to root.",
            hint=f"adduser --system --group {SYSTEM_USER}\nOr let another user own the configuration file.",
        )
    now, change = clocks.system().now(), (context.settings, run.name, run.environment, run.schedule)
    path = keep_schedule(*change, now, is_dry=True)
    kept = [Step(SAVE, str(path), lambda: keep_schedule(*change, now))] if path else []
    return [*kept, *plan_install(run, way)]


def plan_whole_remove(context: Context, name: str, environment: str) -> list[Step]:
    """Plan what removes a schedule, in whatever way it is installed, and its times of the saved run.

    Raises:
        Refused: something cannot be read or changed.
    """
    title = f"{environment}.{name}"
    steps = [step for way in WAYS if title in list_readable(way) for step in plan_remove(title, way)]
    settings = context.settings
    path = drop_schedule(settings, name, environment, is_dry=True)
    dropped = Step(SAVE, str(path), lambda: drop_schedule(settings, name, environment))
    return [*steps, *([dropped] if path else [])]


def list_readable(way: Way) -> list[str]:
    """List the scheduled runs that are installed in a way; none where that cannot be read."""
    try:
        return list(list_titles(way))
    except AlmajobError:
        return []


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
