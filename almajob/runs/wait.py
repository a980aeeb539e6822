"""Follow a run to its end, and say how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable

from almajob.alma import statuses
from almajob.alma.models import Instance
from almajob.errors import AlmajobError, JobEndedBadly, StillRunning
from almajob.runs import clock as clocks
from almajob.runs.clock import Clock

LOG = logging.getLogger(__name__)

FAILING_SECONDS = 600.0
"""How long looks may fail, one after the other, before almajob stops looking."""
_SHORTEST_LOOK = 1.0


def pause(elapsed: float) -> float:
    """Say how long to wait before the next look: a tenth of the time gone by, 1 to 60 seconds."""
    return min(max(elapsed / 10, 1.0), 60.0)


def follow(
    look: Callable[[float | None], Instance],
    instance_id: str,
    *,
    environment: str,
    timeout: float | None = None,
    clock: Clock | None = None,
) -> Instance:
    """Look at a run until it has ended. A look that fails is tried again for ten minutes.

    Args:
        look: reads the run from Alma; is told how many seconds it may take, or None.
        instance_id: for the messages.
        environment: its name, for the messages.
        timeout: seconds after which to stop looking; None for never.

    Raises:
        StillRunning: the time is over, or nothing but failures came for ten minutes; the job goes on.
    """
    clock = clock or clocks.system()
    begun = last_answer = clock.elapsed()
    shown = ""
    while True:
        error = None
        rest = None if timeout is None else max(timeout - (clock.elapsed() - begun), _SHORTEST_LOOK)
        try:
            instance = look(rest)
        except AlmajobError as failed:
            error = failed
            LOG.warning("Run %s cannot be seen just now: %s", instance_id, failed.what)
        else:
            last_answer = clock.elapsed()
            if instance.status.value != shown:
                shown = instance.status.value
                LOG.info("Run %s: %s", instance_id, shown or "no status yet")
            if statuses.has_ended(instance.status.value, has_end_time=bool(instance.end_time)):
                return instance
        elapsed = clock.elapsed() - begun
        if error is not None and clock.elapsed() - last_answer >= FAILING_SECONDS:
            raise _still_running(instance_id, environment, "was started and cannot be seen any more", error)
        if timeout is not None and elapsed >= timeout:
            raise _still_running(instance_id, environment, f"had not ended after {timeout:g} s", error)
        clock.sleep(min(pause(elapsed), float("inf") if timeout is None else timeout - elapsed))


def goes_on(instance_id: str, environment: str) -> str:
    """Say that nothing has stopped, and what to type to look again."""
    return f"The job goes on in Alma. To look again: almajob --env {environment} status --id {instance_id}"


def _still_running(instance_id: str, environment: str, what: str, last: AlmajobError | None) -> StillRunning:
    return StillRunning(
        f"Run {instance_id} {what}.",
        why=f"The last look failed: {last.what}" if last else "",
        cure=goes_on(instance_id, environment),
        alma=last.alma if last else "",
    )


def verdict(instance: Instance, description: str) -> JobEndedBadly | None:
    """Judge an ended run by its status alone; None where it went well."""
    code = instance.status.value
    if statuses.is_good(code):
        if statuses.meaning(code) is statuses.Meaning.WARNING:
            LOG.warning("Run %s ended with warnings: see its report in Alma.", instance.id)
        return None
    alerts = " ".join(alert.desc or alert.value for alert in instance.alerts)
    return JobEndedBadly(
        f"Run {instance.id} ended with {code}{f' ({description})' if description else ''}.",
        why=alerts,
        cure="Its report is in Alma, Admin > Monitor Jobs, History.",
    )
