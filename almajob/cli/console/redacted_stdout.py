"""Standard output for what a plugin prints itself: without keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO, cast

from almajob.text.redaction import redact_lines


class _Redacted:
    """A stream that blanks out the keys in what is written to it as text; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact_lines(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_stream(stream: TextIO) -> TextIO:
    """Return a stream that writes to another, without the keys in the texts."""
    return cast("TextIO", _Redacted(stream))
