"""The API key: carried to the one header that needs it, and shown nowhere."""

from __future__ import annotations

import re

from almajob.secret import HIDDEN, SHORTEST, Secret

_JSON_ESCAPE = r'\\(?:u([0-9a-fA-F]{4})|([\\/"]))'


class Key(Secret):
    """An Alma API key; ``reveal`` is for the Authorization header only.

    Args:
        text: the key itself, one line of printable ASCII without blanks.

    Raises:
        ValueError: the text cannot be sent as a header; the message does not quote it.
    """

    __slots__ = ()

    def __init__(self, text: str) -> None:
        # Hidden from now on, also where it is none: it may be a key and a bit.
        super().__init__(text)
        if not text:
            raise ValueError("is empty")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("has a blank, a line break or a character that no key has")

    def hidden_in(self, body: bytes) -> bytes:
        """Give bytes from elsewhere without the key in them."""
        if len(self._text) < SHORTEST:
            return body
        plain = body.replace(self._text.encode(), HIDDEN.encode())
        # Nobody who answers in good faith spells a key in escapes.
        return HIDDEN.encode() if self._text in _unescaped(plain) else plain

    @property
    def fingerprint(self) -> str:
        """Tell keys apart without giving them away: 12 hex digits of a SHA-256."""
        import hashlib

        return hashlib.sha256(b"almajob key\0" + self._text.encode()).hexdigest()[:12]


def _unescaped(body: bytes) -> str:
    """Undo the escapes of JSON and XML, where there are any."""
    text = body.decode("utf-8", "replace")
    if "\\" in text:
        text = re.sub(_JSON_ESCAPE, lambda found: found[2] or chr(int(found[1], 16)), text)
    if "&" not in text:
        return text
    import html

    # Python may refuse to read numbers of so many digits, and there are no such characters.
    return html.unescape(re.sub("&#[0-9]{640,}", "", text))
