"""What almajob knows, as metrics for Prometheus; see docs/monitoring.md. Nothing is asked of Alma for it.

The text form: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Code, Job
from almajob.alma.rate_limit.quota import Quota
from almajob.jobs.counters import Counters
from almajob.jobs.success_policy import Policy
from almajob.store.ledger.record import Record
from almajob.text.redaction import redact

GOOD, WARNING, BAD = CLASSES = ("good", "warning", "bad")
"""How a run can have ended."""
_MEANINGS = {
    "almajob_build_info": "The version of almajob.",
    "almajob_job_last_end_timestamp_seconds": "When the last run of the job ended.",
    "almajob_job_last_success_timestamp_seconds": "When the last run of the job that was a success ended.",
    "almajob_job_last_end_state": "How the last run of the job ended: 1 for its class, 0 for the others.",
    "almajob_job_last_duration_seconds": "How long the last run of the job took, from submission to end.",
    "almajob_job_last_counter": "A counter of the report of the last run of the job.",
    "almajob_starts_open": "Starts that are being made, or whose outcome is unknown.",
    "almajob_starts_unknown": "Starts of which it is unknown whether they were made.",
    "almajob_quota_calls_left": "API calls that are left for the day, as Alma said last.",
    "almajob_quota_calls_per_day": "API calls that the institution has for a day.",
    "almajob_quota_used_up": "Whether the API calls of the day are used up.",
    "almajob_observer_calls_pending": "Calls of observers that are still to be made.",
    "almajob_webhook_listening": "Whether a webhook listener runs.",
    "almajob_webhook_last_heard_timestamp_seconds": "When the webhook listener last heard from Alma.",
    "almajob_webhook_messages_pending": "Webhook messages that are kept and not decided yet.",
}
_Labels = Mapping[str, str]


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    labels: _Labels
    value: float


class End(NamedTuple):
    """How a run of a job ended.

    Attributes:
        at: when, in seconds since the epoch.
        seconds: how long it took; None where that is not known.
        report: with its counters; None where these are not known.
    """

    job: Job
    at: float
    status_class: str
    seconds: float | None
    report: Instance | None = None


class Listening(NamedTuple):
    """A webhook listener of an environment.

    Attributes:
        heard_at: when it last heard from Alma, in seconds since the epoch; None for never.
        pending: messages that are not decided yet.
        ends: the runs of which messages have told, the last one first.
    """

    environment: str
    is_running: bool
    heard_at: float | None
    pending: int
    ends: Iterable[Instance]


def end_of_record(record: Record, policy: Policy) -> End | None:
    """Return how the run of a record ended; None where that is not known."""
    if not record.end_status:
        return None
    job = Job(record.job_id, record.job_name)
    submitted = parse_time(record.submit_time)
    begun = submitted.timestamp() if isinstance(submitted, datetime) else record.created_at
    instance = Instance(record.instance_id, status=Code(record.end_status), job=job)
    return End(job, begun + (record.lasted or 0.0), _classify(instance, policy), record.lasted)


def end_of_report(report: Instance, policy: Policy) -> End | None:
    """Return how a run ended, by its report; None where it does not say when, or of which job it is."""
    begun, end = report.submit_time, report.end_time
    if report.job is None or not isinstance(end, datetime):
        return None
    seconds = (end - begun).total_seconds() if isinstance(begun, datetime) and end >= begun else None
    return End(report.job, end.timestamp(), _classify(report, policy), seconds, report)


def _classify(instance: Instance, policy: Policy) -> str:
    judgement = policy.judge(instance)
    return BAD if judgement.error else WARNING if judgement.remark else GOOD


def list_job_samples(environment: str, ends: Iterable[End], counters: Sequence[str]) -> Iterator[Sample]:
    """Return the metrics of the jobs of an environment.

    Args:
        ends: of runs of any of its jobs, in any order.
        counters: those that are wanted, by the names that ``--fail-if`` takes.
    """
    of_jobs: dict[str, list[End]] = {}
    for end in ends:
        of_jobs.setdefault(end.job.id, []).append(end)
    for job_id, found in sorted(of_jobs.items()):
        # Of one run the report knows more than the record.
        found.sort(key=lambda end: (end.at, end.report is not None))
        last = found[-1]
        labels = {"environment": environment, "job_id": job_id, "job": last.job.name}
        yield Sample("almajob_job_last_end_timestamp_seconds", labels, last.at)
        successes = [end.at for end in found if end.status_class != BAD]
        if successes:
            yield Sample("almajob_job_last_success_timestamp_seconds", labels, successes[-1])
        for name in CLASSES:
            state = {**labels, "class": name}
            yield Sample("almajob_job_last_end_state", state, float(last.status_class == name))
        if last.seconds is not None:
            yield Sample("almajob_job_last_duration_seconds", labels, last.seconds)
        for name in counters if last.report else ():
            value = _read_counter(last.report, name) if last.report else None
            if value is not None:
                yield Sample("almajob_job_last_counter", {**labels, "counter": name}, value)


def _read_counter(report: Instance, name: str) -> float | None:
    try:
        value = Counters(report)[name]
    except KeyError:
        return None
    return None if isinstance(value, str) else float(value)


def list_start_samples(environment: str, open_records: Sequence[Record]) -> Iterator[Sample]:
    """Return the metrics of the starts of an environment without an outcome."""
    labels = {"environment": environment}
    in_doubt = [record for record in open_records if not record.is_retry_safe]
    yield Sample("almajob_starts_open", labels, len(open_records))
    yield Sample("almajob_starts_unknown", labels, len(in_doubt))


def list_quota_samples(quotas: Iterable[Quota]) -> Iterator[Sample]:
    """Return the metrics of the API calls that are left; environments of one institution share them."""
    for quota in quotas:
        labels = {"environments": ",".join(quota.environments)}
        if quota.calls_left is not None:
            yield Sample("almajob_quota_calls_left", labels, quota.calls_left)
        if quota.calls_a_day:
            yield Sample("almajob_quota_calls_per_day", labels, quota.calls_a_day)
        yield Sample("almajob_quota_used_up", labels, float(quota.state == "used up"))


def list_listener_samples(listening: Listening) -> Iterator[Sample]:
    """Return the metrics of a webhook listener."""
    labels = {"environment": listening.environment}
    yield Sample("almajob_webhook_listening", labels, float(listening.is_running))
    yield Sample("almajob_webhook_messages_pending", labels, listening.pending)
    if listening.heard_at is not None:
        yield Sample("almajob_webhook_last_heard_timestamp_seconds", labels, listening.heard_at)


def format_metrics(samples: Iterable[Sample]) -> str:
    """Write metrics in Prometheus' text form, all values of one metric together."""
    grouped: dict[str, dict[str, float]] = {name: {} for name in _MEANINGS}
    for sample in samples:
        labels = ",".join(f'{name}="{_escape(value)}"' for name, value in sample.labels.items())
        # One value for a set of labels: a name with a secret in it may not be the only one.
        grouped[sample.name][redact(f"{{{labels}}}" if labels else "")] = sample.value
    lines = []
    for name, values in grouped.items():
        if values:
            lines += [f"# HELP {name} {_MEANINGS[name]}", f"# TYPE {name} gauge"]
            lines += [f"{name}{labels} {_format(value)}" for labels, value in values.items()]
    return "".join(f"{line}\n" for line in lines)


def _escape(value: str) -> str:
    clean = value.encode("utf-8", "replace").decode("utf-8")
    return clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _format(value: float) -> str:
    if not math.isfinite(value):
        return "NaN"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
