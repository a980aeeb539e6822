"""Errors for a start whose outcome is unknown: what is known of it, and what to type."""

from __future__ import annotations

from almajob.errors import EarlierStartUnknown, OutcomeUnknown
from almajob.runs.evidence.match_instance import ABSENT_FOR_GOOD
from almajob.store.ledger.record import Record, State
from almajob.text import time_format

_SHOWN = 5


def outcome_unknown(record: Record, program: str = "") -> OutcomeUnknown:
    """Return the error for a start of which nobody knows whether it was made, or that was made twice.

    Args:
        record: of the start.
        program: how almajob is called for its environment, where more than its name is needed.
    """
    if record.has_run:
        return _report_twice(record).replace(record=record)
    report = _report_candidates if record.candidates else _report_unseen
    return report(record, program or f"almajob --env {record.environment}").replace(record=record)


def earlier_outcome_unknown(record: Record, program: str = "") -> EarlierStartUnknown:
    """Return the error where another start has an unknown outcome, so that this one was not sent."""
    error = outcome_unknown(record, program)
    return EarlierStartUnknown(
        f"Nothing was sent: the outcome of an earlier start of {_name_job(record)} is unknown.",
        reason=f"Its run key is {record.run_key!r}. {error.reason}",
        hint=error.hint.replace("Repeat the same command", "Repeat its command"),
    )


def describe_ongoing(count: int = 1) -> str:
    """Return the sentence that nothing has stopped in Alma."""
    return "The job goes on in Alma." if count == 1 else f"The {count} jobs go on in Alma."


def is_twice(record: Record) -> bool:
    """Whether Alma made more than one run of a start."""
    return record.has_run and len(record.candidates) > 1


def _name_job(record: Record) -> str:
    return f"{record.job_name!r} ({record.job_id})"


def _report_twice(record: Record) -> OutcomeUnknown:
    runs = ", ".join(candidate.id for candidate in record.candidates)
    return OutcomeUnknown(
        f"Alma started {_name_job(record)} more than once from one request: runs {runs}.",
        reason=f"Run {record.instance_id} is taken for this one.",
        hint="Look at both in Alma, Admin > Monitor Jobs; the second may have to be undone there.",
    )


def _report_candidates(record: Record, program: str) -> OutcomeUnknown:
    resolve = f"{program} runs resolve {record.id}"
    fit = ", ".join(f"{item.id} (submitted {item.submit_time})" for item in record.candidates[:_SHOWN])
    more = f", and {len(record.candidates) - _SHOWN} more" if len(record.candidates) > _SHOWN else ""
    return OutcomeUnknown(
        f"It is unknown whether {_name_job(record)} was started.",
        reason=f"{_describe_history(record)} Candidates: {fit}{more}.",
        hint="Look at them in Alma, Admin > Monitor Jobs. If one of them is it:\n"
        f"{resolve} --adopt PROCESS_ID\n"
        f"If none is: {resolve} --not-started",
    )


def _report_unseen(record: Record, program: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It is unknown whether {_name_job(record)} was started.",
        reason=f"{_describe_history(record)} {_describe_deadline(record)}".strip(),
        hint="Repeat the same command: it looks for the run, and starts nothing until that is settled.\n"
        f"So does: {program} runs settle {record.id}\n"
        f"If you know it from Alma: {program} runs resolve {record.id} --adopt PROCESS_ID, or --not-started",
    )


def _describe_history(record: Record) -> str:
    """Return how it came about, and what was found out since."""
    reasons = [past.reason for past in record.trail if past.state not in {State.PREPARED, State.SENDING}]
    story = [make_sentence(reason) for reason in reasons] or ["What happened then is not known."]
    # One whose record was lost with others is only meant now.
    sent = ["It was sent."] if record.trail[0].state is State.PREPARED else []
    return " ".join([*sent, *story])


def make_sentence(reason: str) -> str:
    """Write a reason as a sentence; a host's name, which may come first, keeps its small letter."""
    first = reason.partition(" ")[0]
    return (
        f"{reason if '.' in first else reason[:1].upper() + reason[1:]}{'' if reason.endswith('.') else '.'}"
    )


def _describe_deadline(record: Record) -> str:
    """Return when a start that Alma does not show will count as not made."""
    if record.state is not State.ABSENT or record.missing_at is None:
        return ""
    at = time_format.to_local(record.missing_at + ABSENT_FOR_GOOD + 60)
    return f"If it still does not at {at:%H:%M %z}, the run counts as not started."
