"""Where in a payload something is wrong."""

from __future__ import annotations


class Wrong(ValueError):
    """A payload that cannot be read.

    Args:
        line: from 1.
        what: is wrong, without a full stop.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what
