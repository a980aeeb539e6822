"""Bytes as a row of choices: which piece of a text comes next, what a document has where."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

NASTY = (
    *("", " ", "\t", "\n", "\r\n", "\0", "\x1b[31m", "\x85", "\xa0", "\u2028", "\u202e", "\ufeff"),
    *("\U0001f4da", "é", "ß", "İ", "٣", "²", "\U0001d7d7", "-", "--", "=", ":", ",", ".", "/", "..", "%"),
    *("%s", "{", "}", "{}", "\\", '"', "'", "`", "$(x)", "<", ">", "&", "&amp;", "]]>", "0", "-0", "1"),
    *("9" * 20, "9" * 5000, "1e999", "NaN", "null", "true", "None", "x" * 70, "a", "Ω", "\ud800", "\udc80"),
)
"""Pieces of text that programs stumble over."""


class Choices:
    """What comes next; when the bytes are used up, always the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> bytes:
        """What no choice was made of yet."""
        return self._data[self._at :]

    def below(self, end: int) -> int:
        """Choose a number from 0, below ``end``."""
        found = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return found % end if end <= 256 else (found << 8 | self.below(256)) % end

    def one_of(self, found: Sequence[T]) -> T:
        """Choose one of several."""
        return found[self.below(len(found))]

    def some_of(self, found: Sequence[T], most: int = 40) -> list[T]:
        """Choose several, in any order, some more than once."""
        return [self.one_of(found) for _ in range(self.below(most + 1))]

    def text(self, pieces: Sequence[str], most: int = 12) -> str:
        """Put a text together."""
        return "".join(self.some_of(pieces, most))

    def document(self, names: Sequence[str], scalars: Sequence[Any], depth: int = 4) -> Any:
        """Make any JSON document."""
        kind = self.below(8) if depth else 0
        if kind < 4:
            return self.one_of(scalars)
        if kind < 6:
            return [self.document(names, scalars, depth - 1) for _ in range(self.below(4))]
        return {self.one_of(names): self.document(names, scalars, depth - 1) for _ in range(self.below(5))}

    def changed(self, document: Any, names: Sequence[str], scalars: Sequence[Any]) -> Any:
        """Return a copy in which something is another, is missing, is there twice, or is a list."""
        found = copy.deepcopy(document)
        for _change in range(self.below(4)):
            home = found
            while isinstance(home, dict | list) and home:
                key: Any = self.one_of(list(home) if isinstance(home, dict) else range(len(home)))
                if not isinstance(home[key], dict | list) or not home[key] or self.below(3) == 0:
                    self._change(home, key, names, scalars)
                    break
                home = home[key]
        return found

    def _change(self, home: Any, key: Any, names: Sequence[str], scalars: Sequence[Any]) -> None:
        how = self.below(6)
        if how == 0:
            del home[key]
        elif how == 1:
            home[key] = [home[key]]
        elif how == 2:
            home[key] = [home[key], copy.deepcopy(home[key])]
        elif how == 3:
            home[key] = {self.one_of(names): home[key]}
        elif how == 4:
            home[key] = self.one_of(scalars)
        else:
            home[key] = self.document(names, scalars)

    def damaged(self, body: bytes) -> bytes:
        """Cut bytes off, put some in, or change one; as a rule leave them as they are."""
        how = self.below(8)
        at = self.below(65536) % (len(body) + 1)
        if how == 1:
            return body[:at]
        if how == 2:
            return body[:at] + self.rest[:8] + body[at:]
        if how == 3:
            return body[:at] + bytes([self.below(256)]) + body[at + 1 :]
        if how == 4:
            return body[at:] + body[:at]
        return body
