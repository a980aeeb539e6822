"""``AlmaJobRunSensor``: wait for a run that somebody else has started, such as Alma's own schedule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout, AirflowSkipException

from almajob.airflow.hook import AlmaHook
from almajob.airflow.outcome import describe, fail, make_policy, word
from almajob.airflow.task_ledger import open_task_ledger
from almajob.airflow.trigger import AlmaJobRunTrigger, find_first
from almajob.plugin import AlmajobError, Unreachable, UsageError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from almajob.plugin import Context as Alma
    from almajob.plugin import Run


class AlmaJobRunSensor(BaseSensorOperator):
    """Waits for the end of a run, and fails if that is not a good one.

    Args:
        process_id: of the run; empty for the first run of ``job`` that was submitted ``since``.
        job: the exact name or the id of the job.
        since: a time in ISO 8601, with its offset; by default, when the DAG run was due.
        accept: statuses that count as a good end, besides those that always do.
        fail_if: conditions on counters, of which none may be true.
        nothing_if: conditions of which one means that there was nothing to do.
        alma_conn_id: the id of the connection.
        deferrable: wait in the triggerer, without a worker.
        interval: seconds between two looks of the triggerer; None for a time that grows.
    """

    template_fields: Sequence[str] = (
        *("process_id", "job", "since", "alma_conn_id", "accept", "fail_if", "nothing_if"),
    )
    ui_color = "#e6f0f5"

    def __init__(
        self,
        *,
        process_id: str = "",
        job: str = "",
        since: str = "{{ dag_run.run_after.isoformat() }}",
        accept: str | Sequence[str] = (),
        fail_if: str | Sequence[str] = (),
        nothing_if: str | Sequence[str] = (),
        alma_conn_id: str = AlmaHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.process_id = process_id
        self.job = job
        self.since = since
        self.accept = accept
        self.fail_if = fail_if
        self.nothing_if = nothing_if
        self.alma_conn_id = alma_conn_id
        self.deferrable = deferrable
        self.interval = interval

    def execute(self, context: Context) -> Any:
        """Wait here, or in the triggerer."""
        try:
            self._check_arguments(context)
        except AlmajobError as error:
            raise fail(error) from error
        if not self.deferrable:
            return super().execute(context)
        try:
            found = self.poke(context)
        except AirflowException as error:
            # As Airflow does at the other looks.
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if found:
            return found.xcom_value
        return self._defer(time.time() + self.timeout)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; that Alma cannot be reached now ends no wait."""
        try:
            return self._look_once(context)
        except Unreachable as error:
            self.log.warning("Alma cannot be asked at the moment: %s", word(error))
            return PokeReturnValue(is_done=False)
        except AlmajobError as error:
            raise fail(error) from error

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Look once more, also where the time is over."""
        deadline = event["deadline"]
        is_over = deadline is None or time.time() >= deadline
        try:
            found = self._look_once(context)
        except AlmajobError as error:
            if is_over or not isinstance(error, Unreachable):
                raise fail(error) from error
            self.log.warning("Alma cannot be asked at the moment: %s", word(error))
            return self._defer(deadline)
        if found:
            return found.xcom_value
        if not is_over:
            return self._defer(deadline)
        raise AirflowSensorTimeout(
            f"{f'Run {self.process_id}' if self.process_id else f'The next run of {self.job}'} had not ended "
            "when the time was over."
        )

    def _check_arguments(self, context: Context) -> None:
        if not (self.process_id or self.job):
            raise UsageError("Name a run by its process_id, or a job.")
        if self.interval is not None and self.interval <= 0:
            raise UsageError("interval is a number of seconds, more than 0.")
        try:
            has_offset = datetime.fromisoformat(self.since).tzinfo is not None
        except ValueError:
            has_offset = False
        if not self.process_id and not has_offset:
            raise UsageError(
                f"since is a time in ISO 8601 with its offset, and not {self.since!r}.",
                hint="For example: 2026-11-30T05:00:00+01:00",
            )
        with AlmaHook(self.alma_conn_id).open(open_task_ledger(context)) as alma:
            make_policy(alma, self.accept, self.fail_if, self.nothing_if)

    def _defer(self, deadline: float | None) -> Any:
        return self.defer(
            trigger=AlmaJobRunTrigger(
                *(self.alma_conn_id, self.process_id, self.job, self.since),
                deadline=deadline,
                interval=self.interval,
            ),
            method_name="execute_complete",
        )

    def _look_once(self, context: Context) -> PokeReturnValue:
        with AlmaHook(self.alma_conn_id).open(open_task_ledger(context)) as alma:
            run = self._look(alma)
            if run is None or not run.instance.has_ended:
                return PokeReturnValue(is_done=False)
            return PokeReturnValue(is_done=True, xcom_value=self._judge(context, alma, run))

    def _look(self, alma: Alma) -> Run | None:
        if self.process_id:
            return alma.runs.look(self.process_id)
        return find_first(alma, self.job, datetime.fromisoformat(self.since))

    def _judge(self, context: Context, alma: Alma, run: Run) -> dict[str, Any]:
        policy = make_policy(alma, self.accept, self.fail_if, self.nothing_if)
        run = alma.runs.follow(run, policy=policy)
        context["ti"].xcom_push("alma_run", describe(run))
        if run.verdict is not None:
            raise fail(run.verdict)
        return describe(run)
