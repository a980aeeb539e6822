"""``AlmaJobRunTrigger``: waits for the end of a run, or for the next run of a job, without a worker."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from almajob.airflow.hook import AlmaHook
from almajob.plugin import AlmajobError

if TYPE_CHECKING:
    from almajob.plugin import Context, Run

_SHORTEST = 5.0
_LONGEST = 300.0
_SHARE = 0.1
_OUTAGE = 3600.0
# Looks take as long as Alma does: the loop's own threads, which look up addresses too, are left to others.
_LOOKS = ThreadPoolExecutor(8, "alma")


class AlmaJobRunTrigger(BaseTrigger):
    """Fires when a run has ended; the event is a hint, and whoever gets it looks for itself.

    Args:
        alma_conn_id: the id of the connection.
        process_id: of the run; empty for the first run of ``job`` that was submitted ``since``.
        job: the exact name or the id of the job.
        since: a time in ISO 8601, with its offset.
        deadline: seconds since the epoch, when to stop waiting; None for never.
        interval: seconds between two looks; None for a time that grows with that gone by.
    """

    def __init__(
        self,
        alma_conn_id: str,
        process_id: str = "",
        job: str = "",
        since: str = "",
        deadline: float | None = None,
        interval: float | None = None,
    ) -> None:
        super().__init__()
        self.alma_conn_id = alma_conn_id
        self.process_id = process_id
        self.job = job
        self.since = since
        self.deadline = deadline
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("alma_conn_id", "process_id", "job", "since", "deadline", "interval")
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        context = await AlmaHook(self.alma_conn_id).aopen()
        try:
            begun = answered = time.monotonic()
            # Who deferred has just looked. And where a task goes on before the scheduler has heard that it
            # was deferred, the scheduler takes it for lost, and begins another try.
            await asyncio.sleep(self._pause(0.0, _SHORTEST))
            while True:
                is_over = self.deadline is not None and time.time() >= self.deadline
                try:
                    run = await asyncio.get_running_loop().run_in_executor(_LOOKS, self._look, context)
                    answered = time.monotonic()
                except AlmajobError as error:
                    self.log.warning("Alma cannot be asked at the moment: %s", error.message)
                    run = None
                    # Whoever gets the event sees for itself what is wrong.
                    is_over |= time.monotonic() - answered > _OUTAGE
                if is_over or (run is not None and run.instance.has_ended):
                    process_id = self.process_id if run is None else run.instance.id
                    yield TriggerEvent(
                        {"process_id": process_id, "deadline": self.deadline, "is_over": is_over}
                    )
                    return
                await asyncio.sleep(self._pause(time.monotonic() - begun))
        finally:
            await asyncio.to_thread(context.close)

    async def on_kill(self) -> None:
        """Leave the run to itself."""
        self.log.warning("Alma cannot cancel a job. If it was started, it goes on: see Admin > Monitor Jobs.")

    def _look(self, context: Context) -> Run | None:
        if self.process_id:
            return context.runs.look(self.process_id)
        return find_first(context, self.job, datetime.fromisoformat(self.since))

    def _pause(self, waited: float, least: float = 0.0) -> float:
        # Tasks that were deferred together do not all look at the same moment.
        growing = min(max(waited * _SHARE, _SHORTEST), _LONGEST) * random.SystemRandom().uniform(0.9, 1.1)
        usual = growing if self.interval is None else max(self.interval, least)
        return usual if self.deadline is None else max(min(usual, self.deadline - time.time()), 0.0)


def find_first(context: Context, job: str, since: datetime) -> Run | None:
    """Find the first run of a job that was submitted at a time or after it; None where there is none yet."""
    found = context.runs.read_history(context.catalogue.find(job), since=since)
    dated = [(run.instance.submit_time, run) for run in found]
    later = [(at, run) for at, run in dated if isinstance(at, datetime) and at >= since]
    return min(later, key=lambda pair: (pair[0], pair[1].instance.id))[1] if later else None
