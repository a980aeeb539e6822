"""Every way almajob can end on purpose: the exit code, what it means, and the error that says so.

An error says what happened, why, and what to do next, in at most six lines. What Alma itself said is
kept in brackets at the end, because Ex Libris Support asks for the tracking id.
"""

from __future__ import annotations

from typing import Any, Self

from almajob.text.redaction import redact
from almajob.text.sanitize import sanitize

_LONGEST_LINE = 600

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "a bug in almajob, or its result could not be written",
    2: "the command line is wrong",
    3: "the job ended, and not well",
    4: "Alma refused; nothing was started",
    5: "refused here, before anything was sent: no such job, ambiguous name, a guard, an overlap, "
    "a ledger that cannot be written",
    6: "Alma could not be reached; nothing was started, or nothing read",
    7: "configuration, key or an installed command that cannot be loaded",
    8: "the run had not ended when almajob stopped looking; it goes on",
    9: "unknown: it cannot be told whether the job was started; the same command again only looks",
    10: "Alma's daily API quota is used up",
    129: "the terminal was closed (SIGHUP)",
    130: "interrupted (Ctrl-C)",
    131: "quit (SIGQUIT)",
    141: "the reader of stdout went away (closed pipe)",
    143: "terminated (SIGTERM)",
}
"""What each exit code means to a script; the table in the documentation is generated from this."""


class AlmajobError(Exception):
    """An end that was foreseen.

    Args:
        message: one sentence, what happened.
        reason: what is known of the reason; may be empty.
        hint: what to do or to type next; may be empty.
        alma: what Alma itself said (code, text, tracking id), shown in brackets.

    Attributes:
        record: what is kept of the start that ended so, where there is something.
        is_retry_safe: whether it is certain that nothing was started, where there is no record.
    """

    exit_code: int = 1
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

    def __str__(self) -> str:
        alma = f"[Alma: {self.alma}]" if self.alma else ""
        lines = [one_line(self.message), one_line(self.reason), *self.hint.splitlines()[:3], one_line(alma)]
        return "\n  ".join(line for line in lines if line)


def one_line(text: str) -> str:
    """Fold and cut what may come from elsewhere, so that a message stays a message."""
    folded = sanitize(" ".join(text.split()))
    return folded if len(folded) <= _LONGEST_LINE else f"{folded[:_LONGEST_LINE]} …"


def name_error(error: BaseException) -> str:
    """Return an error's type and its text, also where a plugin's error has no text or cannot tell it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # whatever a plugin raises
        text = "it cannot say of what"
    return f"{type(error).__name__}: {one_line(redact(text))}" if text else type(error).__name__


class ResultLost(AlmajobError):
    """The command did its work; what it has to say cannot be written."""


class UsageError(AlmajobError):
    """The command line is wrong in a way that argparse cannot see."""

    exit_code = 2


class KeyOnCommandLine(UsageError):
    """An API key was typed where a word of the command line belongs."""

    def __init__(self) -> None:
        super().__init__(
            "A key does not stand on the command line.",
            reason="Others can see it there, and the shell's history keeps it.",
            hint="Type almajob config set-key sandbox, and enter it when asked.\n"
            "Consider making a new key: https://developers.exlibrisgroup.com/manage/keys/",
        )


class JobEndedBadly(AlmajobError):
    """The job ended with a status that does not count as success."""

    exit_code = 3


class Refused(AlmajobError):
    """Refused here, before anything was sent."""

    exit_code = 5


class ReadOnly(Refused):
    """A POST to an environment that takes none.

    Args:
        source: what forbids it: a line of the ini, or a variable.
    """

    def __init__(self, source: str) -> None:
        super().__init__(
            "This environment is read-only here; nothing was sent.",
            reason=f"It is made so by {source}.",
            hint="Take that away, or set it to no, to let something be sent.",
        )


class Unreachable(AlmajobError):
    """Alma could not be reached, or what answered was not Alma."""

    exit_code = 6


class NotSent(Unreachable):
    """The connection failed before the first byte of the request was sent."""


class OwnFault(NotSent):
    """The same, for something of this machine's: a setting, a certificate, no more threads."""


class CallsUsedUp(AlmajobError):
    """The institution's API calls for today are used up, as is known here; nothing was sent."""

    exit_code = 10


class BrokenOff(Unreachable):
    """The request was sent, at least in part; the answer never came or broke off."""


class NotAlma(Unreachable):
    """Something answered that is not Alma, or not in a form that Alma uses."""


class ConfigurationError(AlmajobError):
    """The ini file, the environment or the key needs attention."""

    exit_code = 7


class StillRunning(AlmajobError):
    """A run that was started, by whomever, had not ended when almajob stopped looking."""

    exit_code = 8


class OutcomeUnknown(AlmajobError):
    """A start was sent and it cannot be told whether Alma accepted it."""

    exit_code = 9
    is_retry_safe = False


class AlmaError(AlmajobError):
    """Alma answered, and the answer is an error.

    Args:
        code: Alma's error code (``402216``, ``UNAUTHORIZED``), or empty where it gave none.
        text: Alma's own message.
        tracking_id: for Ex Libris Support, or empty.
        http_status: the status of the HTTP answer.
        codes: those of all errors in the answer, where there are several.
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
        names_run: bool = False,
    ) -> None:
        named = " ".join(part for part in (code, text) if part) or "no text"
        tracking = f"; tracking id {tracking_id}" if tracking_id else ""
        super().__init__(message, reason=reason, hint=hint, alma=f"{named}; HTTP {http_status}{tracking}")
        self.code = code
        self.codes = codes or (code,)
        self.names_run = names_run
        self.text = text
        self.tracking_id = tracking_id
        self.http_status = http_status


class AlmaRefused(AlmaError):
    """Alma understood the request and said no."""

    exit_code = 4


class KeyRefused(AlmaError):
    """Alma does not accept the API key for this call."""

    exit_code = 7


class AlmaFailed(AlmaError):
    """Alma failed while it worked on the request (HTTP 5xx)."""

    exit_code = 6


class QuotaUsedUp(AlmaError):
    """The institution's API calls for today are used up."""

    exit_code = 10
