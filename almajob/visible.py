"""Text from elsewhere, made safe to show: what steers a terminal or the reading order is spelled out."""

from __future__ import annotations

import re

# C0 and C1 controls, and the marks with which bidirectional text can make a name look like another one.
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str, *, keep: str = "") -> str:
    """Spell out control characters as ``\\x1b``.

    Args:
        text: from Alma, a file or the command line.
        keep: characters that stay as they are, such as a line break.
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _spelled(found[0]), text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
