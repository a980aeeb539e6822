"""Text from elsewhere, made safe to show: what steers a terminal or the reading order is spelled out."""

from __future__ import annotations

import re
from collections.abc import Callable

# C0 and C1 controls, the marks with which bidirectional text can make a name look like another one, and what
# has no ink: soft hyphen, zero-width space, fillers, invisible operators, interlinear marks, tags.
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
# A text: compiled when it is first needed, as re keeps what it compiled.
_UNSEEN = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\uffa0\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def is_simple(text: str) -> bool:
    """Whether a text has only letters, digits, signs and blanks of ASCII, as nearly all have."""
    return text.isascii() and text.isprintable()


def sanitize(text: str, *, keep: str = "") -> str:
    """Spell out control characters as ``\\x1b``, but for those to keep, such as a line break."""
    if text.isascii() and text.isprintable():
        return text
    return spell_invisible(text, lambda each: each.encode("unicode_escape").decode("ascii"), keep=keep)


def show_blanks(text: str) -> str:
    """Count blanks in a row that are more than two: nothing can be hidden behind them, nor mistaken."""
    return re.sub(r"\s{3,}", lambda found: f" ({len(found[0])} blanks) ", text)


def spell_invisible(text: str, spell: Callable[[str], str], *, keep: str = "") -> str:
    """Write what cannot be seen in a way that can, such as that of XML or JSON.

    Args:
        spell: writes one such character.
        keep: characters that stay as they are.
    """
    return re.sub(_UNSEEN, lambda found: found[0] if found[0] in keep else spell(found[0]), text)
