"""The starts of this process whose result is not shown yet: they are named, whatever ends the command."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from almajob.alma.changes import Change
from almajob.errors import NOTHING_STARTED, AlmajobError, OutcomeUnknown, PartlyDone
from almajob.runs.invocation import Invocation
from almajob.runs.run import End, Run
from almajob.runs.run_reference import SHORT_WAIT
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record
from almajob.system.sharing.forks import forget_in_children

LOG = logging.getLogger(__name__)

_MOST_NAMED = 3


def keep_end(ledger: Ledger, record: Record, end: End, *, wait: float | None = None) -> None:
    """Remember how a run ended, and how long it took.

    Args:
        end: as it was seen.

    Raises:
        LedgerUnusable: it cannot be kept.
    """
    instance = end.run.instance
    if record.end_status == instance.status.value:
        return
    begun, ended = instance.submit_time, instance.end_time
    took = None
    if isinstance(begun, datetime) and isinstance(ended, datetime) and ended >= begun:
        took = (ended - begun).total_seconds()
    ledger.amend(record, wait=wait, details=end, end_status=instance.status.value, lasted=took)


class UnreportedStarts:
    """The starts of this process that nobody has been told of.

    The ledger remembers which have been: one that has not is found again by the same command.

    Attributes:
        asked_for: the runs of all starts of this command, those that were there already included.
        started: those of them that this command has started; what is shown meanwhile changes nothing.
        unknown: by their ids, the starts of which it is unknown whether they were made.
        waiting: how the command waits for them, in words of ``almajob wait``; empty where it does not.
    """

    def __init__(self, ledger: Ledger, program: str, invocation: Invocation) -> None:
        self._ledger = ledger
        self._program = program
        self._invocation = invocation
        self._records: list[Record] = []
        self.asked_for: list[Record] = []
        self.started: list[Record] = []
        self.unknown: dict[str, Record] = {}
        self.waiting = ""
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Leave what a parent process has started to the parent, in a child that was forked."""
        for records in (self._records, self.asked_for, self.started):
            records.clear()
        self.unknown.clear()

    def note_start(self, record: Record, *, is_earlier: bool = False) -> None:
        """Note what a start came to: a run that was started now, or one that was there already."""
        self.add(record)
        self.asked_for.append(record)
        # One whose outcome was unknown a moment ago is of this command.
        is_earlier &= self.unknown.pop(record.id, None) is None
        if not is_earlier:
            self.started.append(record)

    def note_interrupted(self, record: Record) -> None:
        """Note a start that a signal has interrupted, by what the ledger has of it."""
        (self.note_start if record.has_run else self.note_unknown)(record)

    def note_unknown(self, record: Record | None) -> None:
        """Note a start of which it is unknown whether it was made, or that was made twice."""
        if record is not None and record.has_run:
            self.started.append(record)
        elif record is not None and not record.is_retry_safe:
            self.unknown[record.id] = record

    def note_settled(self, record: Record) -> None:
        """Note what has become of a start, where it was unknown."""
        if self.unknown.pop(record.id, None) is not None:
            self.note_unknown(record)

    def word_resume(self, waiting: str) -> str:
        """Return the line that says how to go on, where ``waiting`` waits for the runs and does no more."""
        return self._invocation.word_resume(waiting, self.asked_for)

    def word_resume_of(self, record: Record) -> str:
        """Return the line that says how to go on with a run that was started."""
        return self.word_resume(f"{self._program} wait {record.instance_id}")

    def add(self, record: Record) -> None:
        """Add what was started, or found to be the run that was asked for."""
        if all(unreported.id != record.id for unreported in self._records):
            self._records.append(record)

    def note_end(self, record: Record, run: Run, usual: float | None = None) -> None:
        """Remember how a run ended, and how long it took; no failure here is one of the run.

        Once that has been shown, the start has been, too.

        Args:
            run: as it was seen to have ended, with its verdict.
            usual: how long runs of its job take, in seconds; None where nobody knows.
        """
        self.add(record)
        with suppress(LedgerUnusable):
            keep_end(self._ledger, record, End(run, usual), wait=SHORT_WAIT)

    def keep_end(self, record: Record, run: Run, usual: float | None = None) -> None:
        """Remember how a run ended that nobody asked for; else as ``note_end``."""
        with suppress(LedgerUnusable):
            keep_end(self._ledger, record, End(run, usual), wait=SHORT_WAIT)

    def note_shown(self) -> None:
        """Remember that what was started has been shown; for when it has."""
        for record in self._records:
            if not record.is_told:
                with suppress(LedgerUnusable):
                    self._ledger.amend(record, is_told=True)
        self._records.clear()

    def clear(self) -> None:
        """Forget them: they have been named, though their result was not shown."""
        self._records.clear()

    def name(self) -> None:
        """Name them where their result is not shown: it cannot be written, or a signal came."""
        for record in self._records:
            if not record.is_told:
                LOG.warning(
                    "%s was started all the same: run %s (%s). %s",
                    *(record.job_name or "The job", record.instance_id, record.run_key),
                    self.word_resume_of(record),
                )
        self.clear()


def word_together(starts: Mapping[str, UnreportedStarts], program: Callable[[str], str]) -> str:
    """Name the starts in several environments, and the one command that waits for all; empty for none.

    Args:
        starts: by environment; those where nothing was started included.
        program: returns how almajob is called for environments.
    """
    runs = {name: each.asked_for for name, each in starts.items() if each.asked_for}
    unknown = [name for name, each in starts.items() if each.unknown]
    if not runs and not unknown:
        return ""
    named = [f"{name} run {each.instance_id}" for name, found in runs.items() for each in found]
    rest = [name for name in starts if name not in runs and name not in unknown]
    lines = {
        "Started or found: {}.": ", ".join(named),
        "Unknown whether it was started: {}. The same command looks for it.": ", ".join(unknown),
        "Not started: {}.": ", ".join(rest),
        "Resume: {}": word_resume_together(
            runs, {name: each.waiting for name, each in starts.items()}, program
        ),
    }
    return "\n  ".join(line.format(words) for line, words in lines.items() if words)


def word_resume_together(
    runs: Mapping[str, Sequence[Record]], waiting: Mapping[str, str], program: Callable[[str], str]
) -> str:
    """Return the command lines that wait for runs in several environments; empty where there are none.

    There is one line, unless they are waited for in different ways.
    """
    ways: dict[str, dict[str, Sequence[Record]]] = {}
    for name, found in runs.items():
        ways.setdefault(waiting[name], {})[name] = found
    lines = (" ".join(filter(None, (_word_wait(found, program), words))) for words, found in ways.items())
    return "\n  ".join(lines)


def _word_wait(runs: Mapping[str, Sequence[Record]], program: Callable[[str], str]) -> str:
    """Return the command line that waits for runs.

    Where all have one run key that was given, it names them; else their Process IDs do.
    """
    records = [record for found in runs.values() for record in found]
    keys = {record.run_key if record.is_named else "" for record in records}
    key = keys.pop() if len(keys) == 1 else ""
    # Two institutions may use one id; each is asked for its own.
    names = [key] if key else list(dict.fromkeys(record.instance_id for record in records))
    return f"{program(','.join(runs))} wait {shlex.join(names)}"


def admit_starts(
    error: AlmajobError,
    starts: Sequence[UnreportedStarts],
    changes: Sequence[Change] = (),
    *,
    is_shown: bool = False,
) -> AlmajobError:
    """Return the error that ends a command: another in place of one that denies what was, or may be, done.

    Args:
        starts: those of the command, by environment.
        changes: what else the command has sent to change something.
        is_shown: whether its result was shown before, so that only a run key finds the runs again.
    """
    if error.exit_code not in NOTHING_STARTED:
        return error
    done, unknown = _word_done(starts, changes), _word_unknown(starts, changes)
    then = f"Then: {error.message} {error.reason}".strip()
    if unknown:
        hint = "Check in Alma whether it was done before you try again."
        return OutcomeUnknown(unknown, reason=f"{done} {then}".strip(), hint=hint, alma=error.alma)
    if not done:
        return error
    begun = next((each for each in starts if each.started), None)
    hint = error.hint
    if begun is not None and not is_shown:
        resume = begun.word_resume_of(begun.started[0])
        hint = f"{resume}\n{hint}".strip()
    return PartlyDone(f"This was only partly done. {done}", reason=then, hint=hint, alma=error.alma)


def admit_code(code: int, starts: Sequence[UnreportedStarts], changes: Sequence[Change] = ()) -> int:
    """Return the exit code that a command has set; another, and a warning, where it denies what was done."""
    if code not in NOTHING_STARTED:
        return code
    done, unknown = _word_done(starts, changes), _word_unknown(starts, changes)
    if not done and not unknown:
        return code
    partly = "" if unknown else "This was only partly done."
    words = " ".join(filter(None, (partly, unknown, done)))
    LOG.warning("%s Exit code %d would mean that nothing was done.", words, code)
    return OutcomeUnknown.exit_code if unknown else PartlyDone.exit_code


def name_changes(changes: Sequence[Change]) -> None:
    """Name what Alma has accepted where the result of the command is not shown."""
    if words := _word_changes(changes):
        LOG.warning("%s", words)


def _word_done(starts: Sequence[UnreportedStarts], changes: Sequence[Change]) -> str:
    started = [record for each in starts for record in each.started]
    runs = [f"run {each.instance_id} of {each.job_name!r} in {each.environment}" for each in started]
    words = f"Started: {', '.join(runs)}." if runs else ""
    return " ".join(filter(None, (words, _word_changes(changes))))


def _word_changes(changes: Sequence[Change]) -> str:
    accepted = [each.name for each in changes if each.is_accepted]
    return f"Alma has accepted {_list_some(accepted)}." if accepted else ""


def _word_unknown(starts: Sequence[UnreportedStarts], changes: Sequence[Change]) -> str:
    calls = [each.name for each in changes if each.is_accepted is None]
    records = [record for each in starts for record in each.unknown.values()]
    unknown = [f"the start of {each.job_name!r} in {each.environment}" for each in records] + calls
    return f"It is unknown whether Alma accepted {_list_some(unknown)}." if unknown else ""


def _list_some(names: Sequence[str]) -> str:
    """List names; of many the first ones, and how many there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"
