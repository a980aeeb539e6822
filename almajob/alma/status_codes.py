"""What the words of Alma's code table ``systemJobStatus`` mean for a run.

Alma documents a status only as "see the code table"; the meanings below follow Ex Libris' texts and what
public clients rely on. A word that is not here counts as still running until the instance has an end time.
"""

from __future__ import annotations

import enum
import string
from collections.abc import Collection
from typing import NamedTuple

from almajob.text.suggestions import find_near


class Meaning(enum.Enum):
    """What a status says about the run."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCESS = "success"
    WARNING = "warning"
    NOTHING_TO_DO = "nothing to do"
    ERRORS = "errors"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_A_PERSON = "needs a person"
    UNKNOWN = "unknown"


class Status(NamedTuple):
    """One row: Alma's own description, and what it means here."""

    description: str
    meaning: Meaning


STATUSES: dict[str, Status] = {
    "QUEUED": Status("Queued", Meaning.WAITING),
    "PENDING": Status("Pending", Meaning.WAITING),
    "INITIALIZING": Status("Initializing", Meaning.RUNNING),
    "RUNNING": Status("Running", Meaning.RUNNING),
    # FINALIZING may already carry an end time; it is not the end.
    "FINALIZING": Status("Finalizing", Meaning.RUNNING),
    "COMPLETED_SUCCESS": Status("Completed Successfully", Meaning.SUCCESS),
    "COMPLETED_WARNING": Status("Completed with Warnings", Meaning.WARNING),
    "COMPLETED_NO_BULKS": Status("Completed with no Bulks", Meaning.NOTHING_TO_DO),
    # The code says FAILED; Alma's own description says what it is.
    "COMPLETED_FAILED": Status("Completed with Errors", Meaning.ERRORS),
    "FAILED": Status("Failed", Meaning.FAILED),
    "SKIPPED": Status("Skipped", Meaning.CANCELLED),
    "SYSTEM_ABORTED": Status("Aborted by System", Meaning.FAILED),
    "USER_ABORTED": Status("Aborted by User", Meaning.CANCELLED),
    "MANUAL_HANDLING_REQUIRED": Status("Manual Handling Required", Meaning.NEEDS_A_PERSON),
}

# Not str.upper, which makes an S of a long s and an I of one without its dot: those are no code of Alma's.
_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_GOING_ON = {Meaning.WAITING, Meaning.RUNNING}
_GOOD = {Meaning.SUCCESS, Meaning.WARNING, Meaning.NOTHING_TO_DO}

GOING_ON = frozenset(code for code, status in STATUSES.items() if status.meaning in _GOING_ON)
"""The statuses of a run that is not over."""


def in_capitals(text: str) -> str:
    """Write a code in capital letters, of which only those of ASCII have small ones."""
    return text.translate(_CAPITALS)


def meaning(code: str) -> Meaning:
    """Return what a status code means; UNKNOWN for a word that is not in the table."""
    status = STATUSES.get(in_capitals(code))
    return status.meaning if status else Meaning.UNKNOWN


def has_ended(code: str, *, has_end_time: bool) -> bool:
    """Decide by the status whether a run is over; by its end time only for an unknown word.

    An answer without a status says nothing.
    """
    if not code:
        return False
    found = meaning(code)
    return has_end_time if found is Meaning.UNKNOWN else found not in _GOING_ON


def is_good(code: str) -> bool:
    """Whether a run that ended so counts as a success, where nobody says otherwise."""
    return meaning(code) in _GOOD


def parse_code(text: str) -> str:
    """Read a status, as its code or in Alma's own words, whatever the case.

    Raises:
        ValueError: it is none; with what may be meant, and all there are.
    """
    return _parse(text.strip(), STATUSES)


def parse_ends(text: str) -> list[str]:
    """Read statuses of ends, separated by commas, each as ``parse_code`` does.

    Raises:
        ValueError: one of them is none, or a run with it goes on.
    """
    words = [word.strip() for word in text.split(",")]
    ends = [code for code in STATUSES if code not in GOING_ON]
    return [_parse(word, ends) for word in words if word]


def _parse(word: str, known: Collection[str]) -> str:
    by_description = {in_capitals(status.description): code for code, status in STATUSES.items()}
    code = in_capitals(word)
    code = by_description.get(code, code)
    if code in known:
        return code
    if code in STATUSES:
        raise ValueError(f"{code} is not the status of an end: the run goes on")
    descriptions = {STATUSES[each].description: each for each in known}
    near = find_near(word, [*known, *descriptions], count=1)
    meant = f"Did you mean {descriptions.get(near[0], near[0])}? " if near else ""
    raise ValueError(f"{word!r} is not a status. {meant}Known statuses: {', '.join(known)}")
