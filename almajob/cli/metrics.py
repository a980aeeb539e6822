"""Collects what ``almajob metrics`` and the webhook listener show: ledger, quota, listeners."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from almajob import __version__
from almajob.cli.context import Context
from almajob.errors import AlmajobError
from almajob.jobs.success_policy import Policy
from almajob.output.metrics import (
    End,
    Listening,
    Sample,
    end_of_record,
    end_of_report,
    format_metrics,
    list_job_samples,
    list_listener_samples,
    list_quota_samples,
    list_start_samples,
)
from almajob.runs.wait.end_messages import list_directories
from almajob.store.ledger.record import Record
from almajob.system import clock as clocks

_LONGEST = 92 * 86400.0
_MOST_RECORDS = 10_000


def write_metrics(context: Context, counters: Sequence[str] = ()) -> str:
    """Return the metrics of the named environment, or of all, as Prometheus reads them.

    Args:
        counters: of reports, by the names that ``--fail-if`` takes.

    Raises:
        AlmajobError: the configuration file or the ledger cannot be read.
    """
    return format_metrics(_list_samples(context, counters))


def _list_samples(context: Context, counters: Sequence[str]) -> Iterator[Sample]:
    yield Sample("almajob_build_info", {"version": __version__}, 1)
    named = context.named_environment
    if named:
        # Refuses a name that is not there.
        context.settings.environment(named)
    ended, open_records = _read_ledger(context)
    listeners = {each.environment: each for each in _list_listeners(context)}
    names = dict.fromkeys([*context.settings.sections, *ended, *open_records, *listeners])
    for name in [named] if named else names:
        policy, listener = _policy_of(context, name), listeners.get(name)
        of_records = (end_of_record(record, policy) for record in ended.get(name, ()))
        of_reports = (end_of_report(report, policy) for report in (listener.ends if listener else ()))
        ends: list[End] = [end for end in itertools.chain(of_records, of_reports) if end is not None]
        yield from list_job_samples(name, ends, counters)
        yield from list_start_samples(name, open_records.get(name, ()))
        if listener is not None:
            yield from list_listener_samples(listener)
    yield from list_quota_samples(context.quotas())
    yield Sample("almajob_observer_calls_pending", {}, _count_pending(context))


def _read_ledger(context: Context) -> tuple[dict[str, list[Record]], dict[str, list[Record]]]:
    """Return the records of the last months, and those without an outcome, by environment."""
    ended: dict[str, list[Record]] = {}
    unknown: dict[str, list[Record]] = {}
    oldest = clocks.system().now() - _LONGEST
    if not context.ledger.place.is_there:
        return ended, unknown
    with context.ledger.read() as view:
        for record in view.list_open():
            unknown.setdefault(record.environment, []).append(record)
        for record in itertools.islice(view.read_back(), _MOST_RECORDS):
            if record.created_at < oldest:
                break
            ended.setdefault(record.environment, []).append(record)
    return ended, unknown


def _count_pending(context: Context) -> int:
    return context.ledger.count_announcements() if context.ledger.place.is_there else 0


def _list_listeners(context: Context) -> Iterator[Listening]:
    state_dir = context.settings.state_dir
    for environment, messages in list_directories(state_dir.text) if state_dir else ():
        yield Listening(
            environment,
            messages.is_listening,
            messages.heard_at,
            messages.count_pending(),
            messages.list_ends(),
        )


def _policy_of(context: Context, environment: str) -> Policy:
    """Return what counts as a good end in an environment, which may be configured no longer."""
    try:
        return context.of(environment).policy()
    except AlmajobError:
        return Policy()
