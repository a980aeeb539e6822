"""Text in the cells of a terminal: how wide it is there, and how it is cut and wrapped to a width.

The tables are those of Python's unicodedata, which are there at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

ELLIPSIS = "\u2026"
# What joins characters or keeps them apart; others of their kind have ink, or are spelled out by sanitize.
_JOINERS = "\u200c\u200d"


def measure_width(text: str) -> int:
    """Return how many cells of a terminal a line takes."""
    return len(text) if text.isascii() else sum(map(count_cells, text))


def count_cells(character: str) -> int:
    """Return how many cells a character takes: two for a wide one, none for one that is put upon another."""
    if unicodedata.category(character) in ("Mn", "Me") or character in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten_text(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """Cut a line to a width, and mark that something is missing."""
    if measure_width(text) <= width:
        return text
    head = _cut_head(text, width - measure_width(ellipsis))
    return f"{head.rstrip()}{ellipsis}"


def wrap_text(text: str, width: int) -> list[str]:
    """Break lines between words, so that none is wider; only a word that is wider itself is broken within.

    The blanks within a line stay as they are.
    """
    return [piece for line in text.split("\n") for piece in _wrap_line(line, max(width, 1))]


def _wrap_line(line: str, width: int) -> Iterator[str]:
    if measure_width(line) <= width:
        yield line
        return
    margin = " " * min(len(line) - len(line.lstrip(" ")), width // 2)
    current = ""
    for token in re.findall(r" *[^ ]+", line):
        if measure_width(current) + measure_width(token) <= width:
            current += token
            continue
        if current:
            yield current
        current = margin + token.lstrip(" ")
        while measure_width(current) > width:
            # At least one character, also where a wide one has no room.
            head = _cut_head(current, width)
            # Paths and addresses are long, and best read in their parts.
            count = max(head.rfind("/") + 1 or len(head), len(margin) + 1)
            yield current[:count]
            current = margin + current[count:]
    if current.strip(" "):
        yield current


def _cut_head(text: str, width: int) -> str:
    """Return the longest beginning of a text that is no wider."""
    if text.isascii():
        return text[: max(width, 0)]
    used = 0
    for index, character in enumerate(text):
        used += count_cells(character)
        if used > width:
            return text[:index]
    return text
