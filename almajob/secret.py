"""What may be shown nowhere: texts that hide themselves, and their removal from whatever is shown."""

from __future__ import annotations

import re
from typing import NoReturn

HIDDEN = "(hidden)"
# What Alma's keys look like (l7xx or l8xx and 32 hex digits), and what stands where a key does.
_KEY_SHAPE = r"(?i)l[78]xx[0-9a-z]{8,}"
_BEHIND_ITS_NAME = r"""(?i)(api[-_]?key(?:[=: "']|%20|%3d)+)[\w-]{12,}"""
SHORTEST = 8
"""From this many characters on, a secret is blanked out of texts."""
# In every spelling that redact() looks for.
_known: set[str] = set()


class Secret:
    """A text that shows itself nowhere: printed, formatted, in a traceback or in a file it is ``(hidden)``.

    From now on ``redact`` blanks it out of every text that this process shows. One of fewer than eight
    characters is hidden here as well, but not blanked out there: it is no key of Alma's (36 characters) but a
    word of a test server, such as "test", and every message that has the word would be spoilt.

    Args:
        text: any.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        if len(text) >= SHORTEST:
            _known.update(_spellings(text))

    def reveal(self) -> str:
        """Give the text itself; for the one place that needs it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        # Takes as long whether the first character differs or the last.
        return hmac.compare_digest(*(each._text.encode("utf-8", "surrogatepass") for each in (self, other)))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{HIDDEN}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object = None) -> NoReturn:
        raise TypeError("a secret is written nowhere")

    __getstate__ = __reduce__ = __reduce_ex__


def redact(text: str) -> str:
    """Blank out every secret known to this process, and whatever looks like a key."""
    # The longest first, as one may be a part of another. A list, as another thread may add to the set.
    for spelling in sorted(list(_known), key=len, reverse=True):  # noqa: C414  # atomic, unlike sorted()
        text = text.replace(spelling, HIDDEN)
    return re.sub(_BEHIND_ITS_NAME, rf"\1{HIDDEN}", re.sub(_KEY_SHAPE, HIDDEN, text))


def is_shown_in(text: str) -> bool:
    """Whether a text has a secret in it that this process knows, or what looks like a key of Alma's."""
    return any(spelling in text for spelling in list(_known)) or bool(re.search(_KEY_SHAPE, text))


def _spellings(text: str) -> set[str]:
    """List the ways in which a text may stand in a message: as it is, in quotes, in JSON, in an address.

    Nothing here writes base64 but what goes into the headers for a proxy, which are not shown.
    """
    if re.fullmatch(r"[\w.~-]+", text, re.ASCII):
        return {text}
    from urllib.parse import quote

    escaped = text.replace("\\", "\\\\")
    in_quotes = {escaped.replace(mark, f"\\{mark}") for mark in "'\""}
    in_address = {quote(text, safe, errors="replace") for safe in ("/", "")}
    return {text, escaped, *in_quotes, *in_address}
