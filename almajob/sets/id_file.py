"""Files of ids as people have them: one a line, or a column of a table from a spreadsheet program."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from almajob.errors import Refused
from almajob.store.unique_texts import UniqueTexts, open_unique_texts
from almajob.system.atomic_write import new_file
from almajob.text.sanitize import sanitize
from almajob.text.suggestions import suggest

STDIN = "-"
_LONGEST_LINE = 10_000
_LONGEST_ID = 200
_ROUNDED = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
_FAILED_CELLS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"})
_BATCH = 1000


class IdList:
    """The ids of a file, each once; they can be read again and again.

    Attributes:
        count: how many they are.
        duplicates: how many came once more.
        digest: the SHA-256 of the ids in their order.
        lines: of the file.
    """

    def __init__(self, texts: UniqueTexts, found: int, lines: int) -> None:
        self._texts = texts
        self.count = texts.count()
        self.duplicates = found - self.count
        self.digest = texts.digest()
        self.lines = lines

    def chunks(self, size: int = 1000, start: int = 0) -> Iterator[tuple[str, ...]]:
        """Return them in pieces, beginning with the piece of a number."""
        return self._texts.chunks(size, start)


class _Line(NamedTuple):
    number: int
    text: str


@contextmanager
def read_ids(path: str, *, column: str = "", id_type: str = "") -> Iterator[IdList]:
    """Read the ids of a file, once, so that a pipe will do.

    Args:
        path: of the file; ``-`` for standard input.
        column: the heading of the column with the ids, where the file is a table.
        id_type: what they are; ids of Alma itself, which are numbers, where empty.

    Raises:
        Refused: it cannot be read, or a line is no id, with its number.
    """
    with open_unique_texts() as texts, _open(path) as file:
        name = "standard input" if path == STDIN else path
        found, last, batch = 0, 0, list[str]()
        lines = _read_lines(file, name)
        for number, text in _read_column(lines, column, name) if column else _read_plain(lines):
            _refuse_odd(number, text, name, id_type)
            found, last = found + 1, number
            batch.append(text)
            if len(batch) == _BATCH:
                texts.add(batch)
                batch.clear()
        texts.add(batch)
        if not found:
            raise Refused(f"There is no id in {name}; nothing was sent.", hint="Write one id a line.")
        yield IdList(texts, found, last)


@contextmanager
def open_rejected(path: str) -> Iterator[Callable[[Iterable[str]], None]]:
    """Open a file for the ids that Alma refuses, one a line; it is put there when the block ends well.

    Returns:
        What writes ids to it.

    Raises:
        Refused: it cannot be written; before the block, as a rule.
    """
    try:
        with new_file(Path(path), overwrite=True) as file:
            yield lambda ids: file.writelines(f"{each}\n".encode() for each in ids)
    except OSError as error:
        raise Refused(f"{path} cannot be written.", reason=f"{error.strerror}.") from None


@contextmanager
def list_ids(ids: Iterable[str], *, id_type: str = "") -> Iterator[IdList]:
    """Take the ids that a program has.

    Args:
        id_type: what they are; ids of Alma itself, which are numbers, where empty.

    Raises:
        Refused: there are none, or one of them is no id, with its place.
    """
    with open_unique_texts() as texts:
        found = 0
        for found, each in enumerate(ids, 1):
            _refuse_odd(found, each, "the ids", id_type)
            texts.add([each])
        if not found:
            raise Refused("There is no id to make a set of; nothing was sent.")
        yield IdList(texts, found, found)


@contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115  # closed below; only its opening is explained here
    except OSError as error:
        raise Refused(f"{path} cannot be read.", reason=f"{error.strerror}.") from None
    with file:
        yield file


def _read_lines(file: IO[bytes], name: str) -> Iterator[_Line]:
    number = 0
    while True:
        try:
            raw = file.readline(_LONGEST_LINE + 1)
        except OSError as error:
            raise Refused(f"{name} cannot be read.", reason=f"{error.strerror}.") from None
        if not raw:
            return
        number += 1
        where = f"{name}, line {number}"
        if len(raw) > _LONGEST_LINE:
            raise Refused(
                f"{where} has more than {_LONGEST_LINE:,} bytes; nothing was sent.",
                hint="Write one id a line.",
            )
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Refused(f"{name} is in UTF-16; nothing was sent.", hint="Save it as CSV UTF-8.")
        if b"\0" in raw:
            raise Refused(f"{where} is not text; nothing was sent.", hint="Save the file as CSV UTF-8.")
        try:
            yield _Line(number, raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError:
            raise Refused(
                f"{where} is not in UTF-8; nothing was sent.", hint="Save the file as CSV UTF-8."
            ) from None


def _read_plain(lines: Iterable[_Line]) -> Iterator[_Line]:
    """Read one id a line; blank lines and those that begin with # are none."""
    for number, line in lines:
        text = line.strip()
        if text.startswith("#") and text not in _FAILED_CELLS:
            continue
        if text := _unquote(text):
            yield _Line(number, text)


def _read_column(lines: Iterator[_Line], column: str, name: str) -> Iterator[_Line]:
    """Read a column of a table, whose first line has the headings."""
    number, heading = next(lines, _Line(1, ""))
    delimiter = max("\t;,", key=heading.count)
    headings = [each.strip() for each in next(csv.reader([heading], delimiter=delimiter), [])]
    if column not in headings:
        shown = ", ".join(map(sanitize, filter(None, headings[:20])))
        raise Refused(
            f"{name} has no column {column!r}; nothing was sent.",
            reason=f"Its first line has: {shown}." if shown else "Its first line is blank.",
            hint=suggest(column, headings) or "The headings of the table must be in the first line.",
        )
    if headings.count(column) > 1:
        raise Refused(
            f"{name} has several columns {column!r}; nothing was sent.",
            hint="Give the one with the ids another heading.",
        )
    place = headings.index(column)
    for number, line in lines:
        try:
            cells = next(csv.reader(io.StringIO(line), delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise Refused(
                f"{name}, line {number} cannot be read as a line of the table; nothing was sent.",
                reason=f"{error}. A cell with several lines is not read.",
                hint="Close the quotes of the cell, or take the line break out of it.",
            ) from None
        text = _unquote(cells[place].strip()) if place < len(cells) else ""
        if text:
            yield _Line(number, text)


def _unquote(text: str) -> str:
    """Take away what keeps a spreadsheet program from making a number of an id: quotes, ="…", and '."""
    if text.startswith('="'):
        text = text[1:]
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.removeprefix("'").strip()


def _refuse_odd(number: int, text: str, name: str, id_type: str) -> None:
    """Refuse what is no id.

    Raises:
        Refused: with the line.
    """
    where, shown = f"{name}, line {number}", sanitize(text[:40])
    if _ROUNDED.fullmatch(text):
        raise Refused(
            f"{where}: {shown} is a rounded number, and no id; nothing was sent.",
            reason="A spreadsheet program has taken the ids for numbers; their last digits are lost.",
            hint="Export the ids again, and give the column the format Text before the file is opened.",
        )
    if text in _FAILED_CELLS or text.startswith("="):
        what = "a formula" if text.startswith("=") else "what is shown of a formula that failed"
        raise Refused(
            f"{where}: {shown} is {what}, and no id; nothing was sent.",
            hint="Put the ids themselves in its place, and export them again.",
        )
    is_number = text.isascii() and text.isdigit()
    if len(text) > _LONGEST_ID or not text.isprintable() or not (id_type or is_number):
        raise Refused(
            f"{where}: '{shown}' is not an id of Alma's, which is a number; nothing was sent.",
            hint="--id-column names the column of a table with the ids; --id-type says what else they are.",
        )
