"""Every way almajob can end on purpose: the exit code, what it means, and the error that says so.

An error says what happened, why, and what to do next, in at most six lines. What Alma itself said is
kept in brackets at the end, because Ex Libris Support asks for the tracking id.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

from almajob.text.redaction import redact
from almajob.text.sanitize import sanitize, show_blanks

_LONGEST_LINE = 600
# An answer may have several errors in it.
_LONGEST_OF_ALMA = 2 * _LONGEST_LINE

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "a bug in almajob, or its result could not be written",
    2: "the command line is wrong",
    3: "the job ended, and not well; of quota --fail-below: too few API calls are left; of a command that "
    "does several things: some are done, and others are not",
    4: "Alma refused; nothing was started",
    5: "refused here, before anything was sent: no such job, ambiguous name, a guard, an overlap, "
    "a ledger that cannot be written",
    6: "Alma could not be reached; nothing was started, or nothing read",
    7: "configuration, key or an installed command that cannot be loaded",
    8: "the run had not ended when almajob stopped looking, and goes on; of wait --next: it had not begun",
    9: "unknown whether the job was started: the same command again only looks for it; "
    "of a plugin's own call: whether Alma accepted it",
    10: "Alma's daily API quota is used up",
    129: "the terminal was closed (SIGHUP)",
    130: "interrupted (Ctrl-C)",
    131: "quit (SIGQUIT)",
    141: "the reader of stdout went away (closed pipe)",
    143: "terminated (SIGTERM)",
}
"""What each exit code means to a script; the table in the documentation is generated from this."""

WORST_FIRST = (1, 2, 3, 7, 10, 4, 5, 6, 9, 8)
"""Of several ends the first of these exit codes is that of all: what became of some matters more than that
others go on."""
NOTHING_STARTED = frozenset({2, 4, 5, 6, 7, 10})
"""The exit codes of a command that has started nothing."""

ERROR_CODES: dict[str, str] = {
    "error": "an error of a plugin's own",
    "result_lost": "the result could not be written",
    "usage_error": "the command line is wrong",
    "job_failed": "the run ended, and not well",
    "too_few_calls": "fewer of the day's API calls are left than --fail-below allows",
    "listener_failed": "a webhook listener did not answer as Alma needs it",
    "partly_done": "some of what the command does is done, and the rest is not",
    "left_out": "nothing was done in this environment, because of what happened in others",
    "alma_refused": "Alma refused the call",
    "refused": "refused before anything was sent, for a reason that has no code of its own",
    "not_found": "no such job, run, set or saved run",
    "ambiguous_name": "several jobs, runs or sets have this name",
    "parameters_refused": "the parameters or the set cannot be sent as they are",
    "not_confirmed": "a start, or another change, in production was not confirmed",
    "read_only": "the environment is read-only",
    "already_running": "a run of the job has not ended",
    "no_slot": "one of Alma's limits on starts is reached",
    "run_key_taken": "the run key stands for another job, or for other parameters",
    "busy": "another almajob works on the same job or run key",
    "earlier_start_unknown": "it cannot be told whether an earlier start of the job was made",
    "instance_taken": "a run in Alma is that of another start",
    "ledgers_conflict": "two ledgers contradict each other, and are not brought together",
    "ledger_unusable": "the ledger cannot be read or written",
    "unreachable": "Alma could not be reached, or the connection broke",
    "local_fault": "a setting, a certificate or a limit of this machine kept the request from being sent",
    "not_alma": "what answered is not Alma",
    "alma_failed": "Alma answered with a server error (HTTP 5xx)",
    "configuration_error": "the configuration, the environment or an installed command needs attention",
    "key_refused": "Alma does not accept the API key for this call",
    "still_running": "the run had not ended when almajob stopped looking",
    "outcome_unknown": "it cannot be told whether the job was started, or another change made",
    "quota_used_up": "Alma's daily API quota is used up",
}
"""What each ``code`` of an error means to a program; the exit code says what follows from it."""


KEY_PAGE = "https://developers.exlibrisgroup.com/manage/keys/"
"""Where API keys are made."""
CHECK_KEY = (
    f"Check the key at {KEY_PAGE}: area Configuration, the right environment,\n"
    "and this machine's address if the key is restricted to some."
)
"""What to do about a key that Alma does not accept."""
NO_HOME = "HOME is not set, and this user has no home directory, as is usual in containers."
"""Why there is no place for the state or the cache."""
NAME_STATE_DIR = "Set ALMAJOB_STATE_DIR to a directory that is kept, such as a volume of the container."
"""What to do about it."""


def rank(error: AlmajobError) -> int:
    """Return how bad an end is, the worst first."""
    return WORST_FIRST.index(error.exit_code) if error.exit_code in WORST_FIRST else len(WORST_FIRST)


class AlmajobError(Exception):
    """An end that was foreseen.

    Args:
        message: one sentence, what happened.
        reason: what is known of the reason; may be empty.
        hint: what to do or to type next; may be empty.
        alma: what Alma itself said (code, text, tracking id), shown in brackets.

    Attributes:
        message: what happened; likewise ``reason``, ``hint`` and ``alma``.
        exit_code: with which the process ends.
        kind: its ``code`` in JSON, for programs; docs/json.md lists them.
        record: what is kept of the start that ended so, where there is something.
        is_retry_safe: whether it is certain that nothing was started, where there is no record.
    """

    message: str
    reason: str
    hint: str
    exit_code: int = 1
    kind: ClassVar[str] = "error"
    is_retry_safe: bool = True
    record: Any = None

    def __init__(self, message: str, *, reason: str = "", hint: str = "", alma: str = "") -> None:
        # Here, before anything is cut: half a key would not be known as one.
        self.message, self.reason, self.hint, self.alma = map(redact, (message, reason, hint, alma))
        super().__init__(self.message)

    def replace(self, **parts: Any) -> Self:
        """Return the same error with other parts, from the same place: one on its way is not changed.

        Args:
            parts: ``message``, ``reason``, ``hint``, ``alma``, ``record`` or ``is_retry_safe``.
        """
        other = type(self).__new__(type(self))
        harmless = {name: redact(part) if isinstance(part, str) else part for name, part in parts.items()}
        other.__dict__.update({**self.__dict__, **harmless})
        other.args = (other.message,)
        other.__cause__ = self.__cause__
        return other.with_traceback(self.__traceback__)

    def to_json(self) -> dict[str, str | None]:
        """Return the error as programs get it; None where there is nothing to say."""
        parts = {"message": self.message, "reason": self.reason, "hint": self.hint}
        return {
            "code": self.kind,
            **{name: text or None for name, text in parts.items()},
            **self._alma_json(),
        }

    def _alma_json(self) -> dict[str, str | None]:
        return {"alma_code": None, "tracking_id": None}

    def __str__(self) -> str:
        return "\n  ".join(line for line in self._lines() if line)

    def _lines(self) -> list[str]:
        """Return what is printed of it; the lines that are empty are not."""
        alma = f"[Alma: {self.alma}]" if self.alma else ""
        return [
            one_line(self.message),
            one_line(self.reason),
            *self.hint.splitlines()[:3],
            one_line(alma, _LONGEST_OF_ALMA),
        ]


def one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    """Fold and cut what may come from elsewhere, so that a message stays a message."""
    folded = sanitize(show_blanks(re.sub(r"\s*[^\S ]\s*", " ", text).strip()))
    return folded if len(folded) <= longest else f"{folded[:longest]} …"


def name_error(error: BaseException) -> str:
    """Return an error's type and its text, also where a plugin's error has no text or cannot tell it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # whatever a plugin raises
        text = "it cannot say of what"
    return f"{type(error).__name__}: {one_line(redact(text))}" if text else type(error).__name__


class ResultLost(AlmajobError):
    """The command did its work; what it has to say cannot be written."""

    kind = "result_lost"


class UsageError(AlmajobError):
    """The command line is wrong in a way that argparse cannot see."""

    exit_code = 2
    kind = "usage_error"


class KeyOnCommandLine(UsageError):
    """An API key was typed where a word of the command line belongs."""

    def __init__(self) -> None:
        super().__init__(
            "Do not pass an API key on the command line.",
            reason="Others can see it there, and the shell's history keeps it.",
            hint="Type almajob config set-key sandbox, and enter the key when you are asked for it.\n"
            f"Consider making a new key: {KEY_PAGE}",
        )


class JobEndedBadly(AlmajobError):
    """The job ended with a status that does not count as success.

    This may be the only text that cron mails: it has up to eight lines, of which the reason may have several.
    """

    exit_code = 3
    kind = "job_failed"
    _most_lines = 8

    def _lines(self) -> list[str]:
        hint = [line for line in self.hint.splitlines() if line]
        reason = [one_line(line) for line in self.reason.splitlines() if line]
        alma = one_line(f"[Alma: {self.alma}]", _LONGEST_OF_ALMA) if self.alma else ""
        room = self._most_lines - 1 - bool(alma)
        # What to type next is never left out for want of room.
        shown = reason[: max(room - len(hint), 0)]
        return [one_line(self.message), *shown, *hint[:room], alma]


class TooFewCalls(AlmajobError):
    """Fewer of the day's API calls are left than somebody wants to have."""

    exit_code = 3
    kind = "too_few_calls"


class ListenerFailed(AlmajobError):
    """A webhook listener does not answer as Alma needs it."""

    exit_code = 3
    kind = "listener_failed"


class PartlyDone(AlmajobError):
    """A command that does several things has done some of them, and not the others."""

    exit_code = 3
    kind = "partly_done"
    is_retry_safe = False


class LeftOut(AlmajobError):
    """An environment in which a command has done nothing, because of what happened in others."""

    exit_code = 5
    kind = "left_out"


class Refused(AlmajobError):
    """Refused here, before anything was sent."""

    exit_code = 5
    kind = "refused"


class NotFound(Refused):
    """There is no such job, run, set or saved run."""

    kind = "not_found"


class AmbiguousName(Refused):
    """Several have the name."""

    kind = "ambiguous_name"


class ParametersRefused(Refused):
    """The parameters of a start, or its set, cannot be sent as they are."""

    kind = "parameters_refused"


class NotConfirmed(Refused):
    """A start, or another change, in production that nobody has confirmed."""

    kind = "not_confirmed"


class AlreadyRunning(Refused):
    """A run of the job has not ended."""

    kind = "already_running"


class RunKeyTaken(Refused):
    """The run key stands for another start."""

    kind = "run_key_taken"


class LedgersConflict(Refused):
    """Two ledgers contradict each other, so that one was not brought into the other."""

    kind = "ledgers_conflict"


class JobBusy(Refused):
    """Another almajob works on the same job or run key."""

    kind = "busy"


class EarlierStartUnknown(Refused):
    """It cannot be told whether an earlier start of the job was made, so no other is sent."""

    kind = "earlier_start_unknown"


class ReadOnly(Refused):
    """A change of an environment that is only read.

    Args:
        source: what forbids it: a line of the ini, or a variable.
    """

    kind = "read_only"

    def __init__(self, source: str) -> None:
        super().__init__(
            "This environment is read-only here; nothing was sent.",
            reason=f"It is made so by {source}.",
            hint="Take that away, or set it to no, to let something be sent.",
        )


class Unreachable(AlmajobError):
    """Alma could not be reached, or what answered was not Alma."""

    exit_code = 6
    kind = "unreachable"


class NotSent(Unreachable):
    """The connection failed before the first byte of the request was sent."""


class OwnFault(NotSent):
    """The same, for something of this machine's: a setting, a certificate, no more threads."""

    kind = "local_fault"


class CallsUsedUp(AlmajobError):
    """The institution's API calls for today are used up, as is known here; nothing was sent."""

    exit_code = 10
    kind = "quota_used_up"


class BrokenOff(Unreachable):
    """The request was sent, at least in part; the answer never came or broke off."""


class NotAlma(Unreachable):
    """Something answered that is not Alma, or not in a form that Alma uses."""

    kind = "not_alma"


class ConfigurationError(AlmajobError):
    """The configuration file, the environment or the key needs attention."""

    exit_code = 7
    kind = "configuration_error"


class StillRunning(AlmajobError):
    """A run, no matter who started it, had not ended when almajob stopped looking."""

    exit_code = 8
    kind = "still_running"


class OutcomeUnknown(AlmajobError):
    """A start, or another change, was sent, and it is unknown whether Alma accepted it."""

    exit_code = 9
    kind = "outcome_unknown"
    is_retry_safe = False

    @property
    def run_key(self) -> str:
        """The run key of the start; empty where it is another change."""
        return "" if self.record is None else str(self.record.run_key)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The Process IDs of the runs of which one may be the start; empty where none fits.

        Where there are some, looking again does not help: a person has to decide.
        """
        return () if self._has_run else self._others

    @property
    def copies(self) -> tuple[str, ...]:
        """The Process IDs of the runs that Alma has made of one start; empty where it has not."""
        return self._others if self._has_run else ()

    @property
    def _has_run(self) -> bool:
        return self.record is not None and bool(self.record.has_run)

    @property
    def _others(self) -> tuple[str, ...]:
        return () if self.record is None else tuple(str(each.id) for each in self.record.candidates)


class AlmaError(AlmajobError):
    """Alma answered, and the answer is an error.

    Args:
        code: Alma's error code (``402216``, ``UNAUTHORIZED``), or empty where it gave none.
        text: Alma's own message.
        tracking_id: for Ex Libris Support, or empty.
        http_status: the status of the HTTP answer.
        codes: those of all errors in the answer, where there are several.
        others: code and text of each error but the first, where there are several.
        names_run: whether the answer names a run all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        text: str,
        tracking_id: str,
        http_status: int,
        reason: str = "",
        hint: str = "",
        codes: tuple[str, ...] = (),
        others: tuple[str, ...] = (),
        names_run: bool = False,
    ) -> None:
        named = " ".join(part for part in (code, text) if part) or "no text"
        tracking = f"; tracking id {tracking_id}" if tracking_id else ""
        more = "".join(f"; and {other}" for other in others)
        alma = f"{named}; HTTP {http_status}{tracking}{more}"
        super().__init__(message, reason=reason, hint=hint, alma=alma)
        self.code = code
        self.codes = codes or (code,)
        self.names_run = names_run
        self.text = text
        self.tracking_id = tracking_id
        self.http_status = http_status

    def _alma_json(self) -> dict[str, str | None]:
        return {"alma_code": redact(self.code) or None, "tracking_id": redact(self.tracking_id) or None}


class AlmaRefused(AlmaError):
    """Alma understood the request and said no."""

    exit_code = 4
    kind = "alma_refused"


class KeyRefused(AlmaError):
    """Alma does not accept the API key for this call."""

    exit_code = 7
    kind = "key_refused"


class AlmaFailed(AlmaError):
    """Alma failed while it worked on the request (HTTP 5xx)."""

    exit_code = 6
    kind = "alma_failed"


class QuotaUsedUp(AlmaError):
    """The institution's API calls for today are used up."""

    exit_code = 10
    kind = "quota_used_up"
