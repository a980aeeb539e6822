"""The one form of all run keys that are the same key."""

from __future__ import annotations

import re
import unicodedata

PERIODS = ("hour", "day", "week", "month")
_PERIOD_KEY = re.compile(rf"(once-per-(?:{'|'.join(PERIODS)}):).*(:\w+:[0-9a-f]{{10}}:[^:]+)", re.DOTALL)


def normalize_key(text: str) -> str:
    """Write a run key in the one form of all that look alike: NFC, single blanks, none at its ends."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def move_key(run_key: str, environment: str) -> str:
    """Return the key that a period's run has in a section of another name; any other key as it is.

    Two sections may lead to one Alma, and a section may be renamed.
    """
    found = _PERIOD_KEY.fullmatch(run_key)
    return f"{found[1]}{environment}{found[2]}" if found else run_key


def shared_form(run_key: str) -> str:
    """Return what all forms of a run key have in common, however it was typed and in whatever section."""
    return normalize_key(move_key(normalize_key(run_key), ""))
