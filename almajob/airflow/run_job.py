"""``AlmaRunJobOperator``: start a job once, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from inspect import unwrap
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from almajob.airflow.hook import AlmaHook
from almajob.airflow.link import LINK_KEY, AlmaMonitorJobsLink, fill_in
from almajob.airflow.outcome import describe, fail, list_ids, list_parameters, make_policy, word
from almajob.airflow.task_ledger import forget_when_over, make_run_key, open_task_ledger
from almajob.airflow.trigger import AlmaJobRunTrigger
from almajob.plugin import (
    AlmajobError,
    OutcomeUnknown,
    Parameter,
    StartOptions,
    StillRunning,
    Unreachable,
    UsageError,
    WaitOptions,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from almajob.plugin import Context as Alma
    from almajob.plugin import Policy, Run

_WAITS = frozenset({"busy", "earlier_start_unknown"})
"""The kinds of refusals that pass by themselves: another start of the job is being made, or looked for."""
_NOT_STARTED = "It was not started"
_LOOK_AGAIN = "Look again"
# A deadline is met by almajob itself, before Airflow ends the task.
_MARGIN = 5.0


class AlmaRunJobOperator(BaseOperator):
    """Starts a job of Alma's, once, and waits until it has ended well.

    A retry of the task is the same run: it finds the run that an earlier try has started. A task that is
    cleared starts the job again. Where it is unknown whether a start was made, the task is deferred until
    that is certain, which costs no retry and no worker; where only a person can tell, one is asked in
    Airflow.

    Alma cannot cancel a job. A task that is killed, or whose ``execution_timeout`` is over, stops waiting.

    Args:
        job: the exact name or the id of the job.
        parameters: names and values; or pairs of them, where a name comes twice.
        set_id: the id of the set that a manual job works on.
        set_name: its exact name, instead.
        ids: instead, of what a set is made for this run alone.
        id_type: of the ids, as Alma names it; empty for ids of Alma itself.
        skip_invalid: leave out ids that Alma does not know.
        delete_set: when the set of the ids is deleted: never, good or always.
        run_key: a name of your own for the run, instead of one that is made of DAG, run, task and map index.
        once_per: hour, day, week or month: one run in that time, whatever the DAG run.
        accept: statuses that count as a good end, besides those that always do.
        fail_if: conditions on counters, such as ``invoices == 0``, of which none may be true.
        nothing_if: conditions of which one means that there was nothing to do.
        if_running: refuse, attach or start, where a run of the job goes on.
        rerun_failed: another try starts the job again if its run ended badly.
        is_confirmed: the start in production is agreed to.
        allow_unknown: send parameters that the last payload of the job had not.
        alma_conn_id: the id of the connection.
        wait_for_end: end when the run has ended, and not when it was started.
        deferrable: wait in the triggerer, without a worker.
        interval: seconds between two looks; None for a time that grows.
        doubt_interval: seconds until the next look for a start whose outcome is unknown.
    """

    template_fields: Sequence[str] = (
        *("job", "parameters", "set_id", "set_name", "ids", "run_key", "accept", "fail_if", "nothing_if"),
        "alma_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "ids": "json"}
    operator_extra_links = (AlmaMonitorJobsLink(),)
    ui_color = "#e6f0f5"

    def __init__(
        self,
        *,
        job: str,
        parameters: Mapping[str, Any] | Sequence[Sequence[Any]] = (),
        set_id: str = "",
        set_name: str = "",
        ids: Sequence[str] = (),
        id_type: str = "",
        skip_invalid: bool = False,
        delete_set: str = "never",
        run_key: str = "",
        once_per: str = "",
        accept: str | Sequence[str] = (),
        fail_if: str | Sequence[str] = (),
        nothing_if: str | Sequence[str] = (),
        if_running: str = "refuse",
        rerun_failed: bool = False,
        is_confirmed: bool = False,
        allow_unknown: bool = False,
        alma_conn_id: str = AlmaHook.default_conn_name,
        wait_for_end: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        interval: float | None = None,
        doubt_interval: float = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        forget_when_over(self)
        self.job = job
        self.parameters = parameters
        self.set_id = set_id
        self.set_name = set_name
        self.ids = ids
        self.id_type = id_type
        self.skip_invalid = skip_invalid
        self.delete_set = delete_set
        self.run_key = run_key
        self.once_per = once_per
        self.accept = accept
        self.fail_if = fail_if
        self.nothing_if = nothing_if
        self.if_running = if_running
        self.rerun_failed = rerun_failed
        self.is_confirmed = is_confirmed
        self.allow_unknown = allow_unknown
        self.alma_conn_id = alma_conn_id
        self.wait_for_end = wait_for_end
        self.deferrable = deferrable
        self.interval = interval
        self.doubt_interval = doubt_interval

    def execute(self, context: Context) -> Any:
        """Start the job, or find its run, and wait for its end."""
        return self._go_on(context, self._find_deadline())

    def look_again(
        self, context: Context, event: dict[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """Go on where it was unknown whether the job was started."""
        return self._go_on(context, deadline)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on when a person has answered, or the trigger has fired."""
        if "error" in event:
            raise AirflowException(f"Nobody could be asked: {event['error']}")
        if "chosen_options" in event:
            return self._take_answer(context, event)
        process_id, deadline = event["process_id"], event["deadline"]
        # The trigger gives up after an hour without Alma, too.
        is_over = deadline is not None and time.time() >= deadline
        try:
            with self._open(context) as alma:
                run = alma.runs.look(process_id)
                if run.instance.has_ended or is_over:
                    return self._finish(context, alma, run, is_over=is_over)
        except Unreachable as error:
            if is_over:
                raise fail(error) from error
            self.log.warning("%s", word(error))
        except AlmajobError as error:
            raise fail(error, is_tried_again=self.rerun_failed) from error
        # The event is a hint: what it tells of cannot be seen from here yet.
        return self._defer(process_id, deadline)

    def on_kill(self) -> None:
        """Leave the run to itself."""
        self.log.warning("Alma cannot cancel a job. If it was started, it goes on: see Admin > Monitor Jobs.")

    def _find_deadline(self) -> float | None:
        timeout = self.execution_timeout
        return None if timeout is None else time.time() + timeout.total_seconds() - _MARGIN

    def _open(self, context: Context) -> Alma:
        return AlmaHook(self.alma_conn_id).open(open_task_ledger(context))

    def _go_on(self, context: Context, deadline: float | None) -> Any:
        try:
            self._check_arguments()
            with self._open(context) as alma:
                run = self._start(context, alma)
                self._push_link(context, run)
                if not self.wait_for_end:
                    return describe(run)
                if self.deferrable and not run.instance.has_ended:
                    return self._defer(run.instance.id, deadline)
                if not run.instance.has_ended:
                    timeout = None if deadline is None else max(deadline - time.time(), 0.0)
                    options = WaitOptions(timeout, self.interval)
                    run = alma.runs.follow(run, options, policy=self._policy(alma))
                is_over = deadline is not None and time.time() >= deadline
                return self._finish(context, alma, run, is_over=is_over)
        except OutcomeUnknown as unknown:
            if unknown.copies:
                raise AirflowFailException(word(unknown)) from unknown
            if unknown.candidates:
                return self._ask(context, unknown)
            return self._defer_doubt(unknown, deadline)
        except AlmajobError as error:
            if error.kind in _WAITS:
                return self._defer_doubt(error, deadline)
            raise fail(error, is_tried_again=self.rerun_failed) from error

    def _check_arguments(self) -> None:
        """Refuse what can only be a mistake.

        Raises:
            UsageError: it is one.
        """
        if self.interval is not None and self.interval <= 0:
            raise UsageError("interval is a number of seconds, more than 0.")
        if self.set_id in (None, "None") or self.set_name in (None, "None"):
            raise UsageError(
                "The set has no id or name.", hint="The task that should say it has given nothing."
            )
        if not self.wait_for_end and self._has_ids and self.delete_set != "never":
            raise UsageError("delete_set needs wait_for_end: only then is it known when the run has ended.")
        if self.once_per and not AlmaHook(self.alma_conn_id).has_ledger:
            raise UsageError(
                "once_per needs a connection with a ledger in PostgreSQL.",
                reason="Without it each task knows of its own starts only.",
            )

    @property
    def _has_ids(self) -> bool:
        # An empty list is one that was given.
        return self.ids != ()

    def _start(self, context: Context, alma: Alma) -> Run:
        parameters = list_parameters(self.parameters)
        if self.set_id:
            parameters.append(Parameter("set_id", self.set_id))
        options = StartOptions(
            run_key="" if self.once_per else self._run_key(context),
            once_per=self.once_per,
            if_running=self.if_running,
            rerun_failed=self.rerun_failed,
            policy=self._policy(alma),
            set_name=self.set_name,
            allow_unknown=self.allow_unknown,
            is_confirmed=self.is_confirmed,
        )
        if not self._has_ids:
            return alma.runs.start(self.job, parameters, options)
        return alma.start_on_ids(
            self.job,
            list_ids(self.ids),
            parameters,
            options,
            id_type=self.id_type,
            skip_invalid=self.skip_invalid,
            delete_set=self.delete_set,
        )

    def _run_key(self, context: Context) -> str:
        return self.run_key or make_run_key(context)

    def _policy(self, alma: Alma) -> Policy:
        return make_policy(alma, self.accept, self.fail_if, self.nothing_if)

    def _push_link(self, context: Context, run: Run) -> None:
        address = fill_in(AlmaHook(self.alma_conn_id).monitor_jobs, run.instance.id)
        for key in (LINK_KEY, self.operator_extra_links[0].xcom_key) if address else ():
            context["ti"].xcom_push(key, address)

    def _finish(self, context: Context, alma: Alma, run: Run, *, is_over: bool) -> dict[str, Any]:
        """Judge a run, once more, and end the task.

        Args:
            is_over: whether the time for it is over.
        """
        if run.instance.has_ended:
            # It has ended: this looks no more.
            run = alma.runs.follow(run, policy=self._policy(alma))
        if self._has_ids:
            alma.settle_set(run)
        found = describe(run)
        context["ti"].xcom_push("alma_run", found)
        if not run.instance.has_ended:
            over = StillRunning(
                f"{run.label} had not ended when execution_timeout was over.",
                hint="The job goes on in Alma. Another try of the task waits for the same run.",
            )
            # Where it could not be seen, that is what counts.
            is_unseen = run.verdict is not None and not (is_over and isinstance(run.verdict, StillRunning))
            raise fail(run.verdict if run.verdict is not None and is_unseen else over)
        if run.verdict is not None:
            raise fail(run.verdict, is_tried_again=self.rerun_failed) from run.verdict
        self.log.info("%s has ended: %s", run.label, found)
        return found

    def _defer(self, process_id: str, deadline: float | None) -> Any:
        return self.defer(
            trigger=AlmaJobRunTrigger(
                self.alma_conn_id, process_id, deadline=deadline, interval=self.interval
            ),
            method_name="execute_complete",
        )

    def _defer_doubt(self, error: AlmajobError, deadline: float | None) -> Any:
        """Look again later: what is not known is no failure, and costs neither a retry nor a worker."""
        if deadline is not None and time.time() >= deadline:
            raise fail(error) from error
        self.log.warning("%s", word(error))
        self.log.info("The task looks again in %.0f seconds. It starts nothing before.", self.doubt_interval)
        return self.defer(
            trigger=TimeDeltaTrigger(timedelta(seconds=self.doubt_interval)),
            method_name="look_again",
            kwargs={"deadline": deadline},
        )

    def _ask(self, context: Context, unknown: OutcomeUnknown) -> Any:
        """Ask a person in Airflow which run it is, with what the standard provider has for that.

        The task waits for the answer, which Airflow does by an exception of its own.
        """
        self.log.warning("%s", word(unknown))
        question = HITLOperator(
            task_id="ask",
            subject=f"Was the job {self.job} started?",
            body=f"{unknown.message} {unknown.reason}\n\nLook in Alma, *Admin > Monitor Jobs*. "
            "Which of these runs was started by this task?",
            options=[*unknown.candidates, _NOT_STARTED, _LOOK_AGAIN],
        )
        # Airflow warns of an operator in another one, as its XComs and links would be lost. It has none.
        return unwrap(HITLOperator.execute)(question, context)

    def _take_answer(self, context: Context, event: dict[str, Any]) -> Any:
        (chosen,) = event["chosen_options"]
        who = (event.get("responded_by_user") or {}).get("name") or "a person"
        if chosen != _LOOK_AGAIN:
            process_id = "" if chosen == _NOT_STARTED else chosen
            try:
                with self._open(context) as alma:
                    self._resolve(context, alma, process_id, f"{who}, in Airflow,")
            except AlmajobError as error:
                if error.kind not in _WAITS and not isinstance(error, Unreachable):
                    raise fail(error) from error
                # What a person has said is not asked twice.
                self.log.warning("%s", word(error))
                answer = {"chosen_options": [chosen], "responded_by_user": {"name": who}}
                return self.defer(
                    trigger=TimeDeltaTrigger(timedelta(seconds=self.doubt_interval)),
                    method_name="take_answer",
                    kwargs={"answer": answer},
                )
        return self._go_on(context, self._find_deadline())

    def take_answer(
        self, context: Context, event: dict[str, Any] | None = None, *, answer: dict[str, Any]
    ) -> Any:
        """Go on with a person's answer that could not be written down at first."""
        return self._take_answer(context, answer)

    def _resolve(self, context: Context, alma: Alma, process_id: str, who: str) -> None:
        """Write down what a person knows, unless it was found out meanwhile."""
        try:
            self._start(context, alma)
        except OutcomeUnknown as unknown:
            alma.runs.resolve_start(unknown.run_key, process_id, by=who)
