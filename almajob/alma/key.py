"""The API key: carried to the one header that needs it, and shown nowhere."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"
# What Alma's keys look like (l7xx or l8xx and 32 hex digits), and the two ways a key travels.
_KEY_SHAPES = r"(?i)\bl[78]xx[0-9a-z]{8,}|(?<=apikey[= ])[\w-]{12,}"
# Shorter ones are no keys of Alma's (36 characters) but words of a test server, such as "test": blanking
# them out would spoil every message that has the word.
_SHORTEST_SECRET = 8
_JSON_ESCAPE = r"\\u([0-9a-fA-F]{4})"
# Every key of this process, so that redact() also knows keys of an unusual shape.
_known: set[str] = set()


class Key:
    """An Alma API key.

    Args:
        text: the key itself, one line of printable ASCII without blanks.

    Raises:
        ValueError: the text cannot be sent as a header; the message does not quote it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("is empty")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("has a blank, a line break or a character that no key has")
        self._text = text
        if len(text) >= _SHORTEST_SECRET:
            _known.add(text)

    def reveal(self) -> str:
        """Give the key itself; for the Authorization header only."""
        return self._text

    def hidden_in(self, body: bytes) -> bytes:
        """Give bytes from elsewhere without the key in them."""
        if len(self._text) < _SHORTEST_SECRET:
            return body
        plain = body.replace(self._text.encode(), HIDDEN.encode())
        # Nobody who answers in good faith spells a key in escapes.
        return HIDDEN.encode() if self._text in _unescaped(plain) else plain

    @property
    def fingerprint(self) -> str:
        """Tell keys apart without giving them away: 12 hex digits of a SHA-256."""
        import hashlib

        return hashlib.sha256(b"almajob key\0" + self._text.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"Key{HIDDEN}"

    __str__ = __repr__


def _unescaped(body: bytes) -> str:
    """Undo the escapes of JSON and XML, where there are any."""
    text = body.decode("utf-8", "replace")
    if "\\u" in text:
        text = re.sub(_JSON_ESCAPE, lambda found: chr(int(found[1], 16)), text)
    if "&#" not in text:
        return text
    import html

    return html.unescape(text)


def redact(text: str) -> str:
    """Blank out every key known to this process, and whatever looks like one."""
    for key in sorted(_known, key=len, reverse=True):
        text = text.replace(key, HIDDEN)
    return re.sub(_KEY_SHAPES, HIDDEN, text)
