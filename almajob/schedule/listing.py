"""The schedules that there are: those that saved runs have, and those that systemd and cron have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from almajob.cli.context import Context
from almajob.config import saved_runs as saved_settings
from almajob.config.saved_runs import Saved
from almajob.errors import AlmajobError
from almajob.runs.run_key import make_schedule_key
from almajob.runs.saved_schedule import Schedule, list_scheduled, read_schedule
from almajob.schedule import units
from almajob.schedule.changes import list_readable
from almajob.schedule.places import WAYS, Way, find_key_file, list_texts, read_installed
from almajob.schedule.scheduled_run import describe_run
from almajob.schedule.systemctl import CommandFailed, call, is_systemd_running, systemctl
from almajob.store.ledger.place import LedgerUnusable

_NOT_INSTALLED, _NOT_SAVED = "not installed", "the saved run has no schedule"
_ASKED = ("Result", "ExecMainStatus", "ExecMainExitTimestamp", "ActiveState")


class Scheduled(NamedTuple):
    """A schedule.

    Attributes:
        by: what starts the run: ``systemd``, ``systemd --user``, ``cron.d`` or ``crontab``; empty where
            nothing does.
        schedule: what the saved run says; None where it says nothing.
        next_time: when it is started next; None where it is not any more.
        last_time: when it was last due.
        last_result: of the last start, in words.
        drift: how what is installed differs from what the saved run says; empty where it does not.
    """

    name: str
    environment: str
    by: str
    schedule: Schedule | None
    next_time: datetime | None
    last_time: datetime | None
    last_result: str
    drift: str


def list_schedules(context: Context, environment: str = "") -> Iterator[Scheduled]:
    """List the schedules, in the order of their environments and names.

    Args:
        environment: list only what is of it; all where not given.

    Raises:
        ConfigurationError: the configuration file or a saved run is wrong.
    """
    settings = context.settings
    saved = saved_settings.read_all(settings)
    found: dict[tuple[str, str], list[Way]] = {}
    for each, named, _schedule in list_scheduled(settings, environment):
        found[named, each.name] = []
    for each_way in WAYS:
        for title in list_readable(each_way):
            named, _dot, name = title.partition(".")
            if environment in ("", named):
                found.setdefault((named, name), []).append(each_way)
    for (named, name), ways in sorted(found.items(), key=lambda item: item[0]):
        listed: list[Way | None] = [*ways] or [None]
        for way in listed:
            yield _describe(context, saved.get(name), name, named, way)


def _describe(
    context: Context, saved: Saved | None, name: str, environment: str, way: Way | None
) -> Scheduled:
    is_known = environment in context.settings.sections
    schedule = read_schedule(saved, environment) if saved and is_known else None
    now = datetime.fromtimestamp(context.now().timestamp(), UTC)
    last = schedule.times.find_last(now) if schedule else None
    return Scheduled(
        name=name,
        environment=environment,
        by=way.name if way else "",
        schedule=schedule,
        next_time=schedule.times.find_next(now) if schedule and way else None,
        last_time=last,
        last_result=_find_result(context, name, environment, way, last),
        drift=_find_drift(context, saved, schedule, environment, way) if saved and schedule else _NOT_SAVED,
    )


def _find_drift(context: Context, saved: Saved, schedule: Schedule, environment: str, way: Way | None) -> str:
    """Describe how what is installed differs from what would be."""
    if way is None:
        return _NOT_INSTALLED
    title = f"{environment}.{saved.name}"
    installed = read_installed(title, way)
    try:
        key_file = find_key_file(title, way)
        run = describe_run(
            *(context.of(environment), saved, schedule), is_system=way.is_system, key_file=key_file
        )
        wanted = list_texts(run, way)
    except AlmajobError as error:
        return f"it could not be installed again: {error.message}"
    missing = [path for path in wanted if path not in installed]
    changed = [path for path, text in installed.items() if path in wanted and text != wanted[path]]
    words = [f"{path} is missing" for path in missing] + [f"{path} differs" for path in changed]
    return "; ".join(words)


def _find_result(
    context: Context, name: str, environment: str, way: Way | None, last: datetime | None
) -> str:
    """Return how the last start ended, as far as somebody knows."""
    if way is not None and not way.is_cron and is_systemd_running(is_system=way.is_system):
        with suppress(CommandFailed):
            return _ask_systemd(f"{environment}.{name}", way)
    if last is None:
        return ""
    with suppress(AlmajobError, LedgerUnusable):
        with context.ledger.read() as view:
            records = view.list_of_key(make_schedule_key(name, last))
        for record in reversed([each for each in records if each.environment == environment]):
            return record.end_status or record.state.value
    return ""


def _ask_systemd(title: str, way: Way) -> str:
    names = ",".join(_ASKED)
    words = systemctl("show", f"--property={names}", units.name_service(title), is_system=way.is_system)
    found = dict(re.findall(r"(?m)^(\w+)=(.*)$", call(words)))
    if found.get("ActiveState") in ("activating", "active"):
        return "goes on"
    if not found.get("ExecMainExitTimestamp"):
        return ""
    code = found.get("ExecMainStatus", "")
    result = found.get("Result", "")
    return "done" if result == "success" else f"{result} ({code})" if code not in ("", "0") else result
