"""The API key: carried to the one header that needs it, and shown nowhere."""

from __future__ import annotations

from almajob.text.redaction import Secret


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

    @property
    def fingerprint(self) -> str:
        """Return what tells keys apart without revealing them: 12 hex digits of a SHA-256."""
        import hashlib

        return hashlib.sha256(b"almajob key\0" + self._text.encode()).hexdigest()[:12]
