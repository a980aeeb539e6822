"""The contents of a ledger as a file of JSON lines: an export, for a backup, or an archive of old records.

The first line says what it is, the last one how many lines there are and their SHA-256: a file that was cut
off or changed is noticed before anything of it is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from almajob.errors import Refused
from almajob.store.errors import UnsafeEntry
from almajob.store.json_rows import SIZE_LIMIT
from almajob.store.ledger.record import Record
from almajob.store.upkeep.contents import ANNOUNCEMENT, ARCHIVED, FACT, RECORD, Item
from almajob.system.atomic_write import AlreadyThere

FILE_FORMAT = 1
"""Of the lines; what a newer almajob wrote is refused."""
EXPORT, ARCHIVE = "export", "archive"
_TITLE = "almajob ledger"
_END = "end"
_KINDS = frozenset({RECORD, ARCHIVED, FACT, ANNOUNCEMENT})


class NotWhole(Refused):
    """A file is no export and no archive of a ledger, or not all of it."""


class Header(NamedTuple):
    """The first line of a file.

    Attributes:
        kind: EXPORT or ARCHIVE.
        made: when it was written, ISO 8601 in UTC.
        ledger: the name of the ledger's place.
    """

    kind: str
    made: str
    ledger: str


def write_lines(header: Header, items: Iterable[Item]) -> Iterator[bytes]:
    """Write the lines of a file, one after another."""
    digest, count = hashlib.sha256(), 0
    first = {"file": _TITLE, "format": FILE_FORMAT, **header._asdict()}
    for count, document in enumerate(_list_documents(first, items), 1):  # noqa: B007  # it is told at the end
        line = _encode(document)
        digest.update(line)
        yield line
    yield _encode({_END: {"lines": count, "sha256": digest.hexdigest()}})


def read_header(path: Path) -> Header:
    """Read what a file is.

    Raises:
        NotWhole: it is nothing of almajob's, or of a newer one.
        Refused: it cannot be read.
    """
    with explain_failure(path, "read"), path.open("rb") as file:
        return _read_header(path, file.readline(SIZE_LIMIT))


def read_items(path: Path) -> Iterator[Item]:
    """Read the contents of a file, some at a time.

    Nothing of it may be kept before the last one has been read: only then is it certain that it is whole.

    Raises:
        NotWhole: it was cut off or changed, or is of a newer almajob.
        Refused: it cannot be read.
    """
    with explain_failure(path, "read"), path.open("rb") as file:
        yield from _read_items(path, file)


@contextlib.contextmanager
def explain_failure(path: Path, what: str, hint: str = "Name another file.") -> Iterator[None]:
    """Refuse, where a file cannot be read or written; it would look like a failure of the ledger.

    Args:
        what: ``read`` or ``written``.
        hint: what to do where it is there already.
    """
    try:
        yield
    except UnsafeEntry:
        # Of a row of the ledger, which is read meanwhile.
        raise
    except AlreadyThere:
        raise Refused(f"{path} is there already.", hint=hint) from None
    except OSError as error:
        reason = f"{error.strerror or error}."
        raise Refused(f"{path} cannot be {what}.", reason=reason, hint="Name another file.") from None


def read_record(line: bytes) -> Record | None:
    """Read the record of a line; None where it has none."""
    try:
        document = json.loads(line)
        return Item(RECORD, document[RECORD]).record if RECORD in document else None
    except (ValueError, TypeError, RecursionError):
        return None


def _read_items(path: Path, file: IO[bytes]) -> Iterator[Item]:
    first = file.readline(SIZE_LIMIT)
    _read_header(path, first)
    digest, number = hashlib.sha256(first), 1
    while line := file.readline(SIZE_LIMIT):
        kind, value = _decode(path, line, number + 1)
        if kind == _END:
            if value != {"lines": number, "sha256": digest.hexdigest()} or file.read(1):
                raise _not_whole(path, "Its lines are not those that were written.")
            return
        if kind not in _KINDS:
            raise _not_whole(path, f"Line {number + 1} is of no kind that almajob writes.")
        digest.update(line)
        number += 1
        item = Item(kind, value)
        _check_item(path, item, number)
        yield item
    raise _not_whole(path, f"It ends after line {number}, without the line that says that it is whole.")


def _list_documents(first: Any, items: Iterable[Item]) -> Iterator[Any]:
    yield first
    for item in items:
        yield {item.kind: item.value}


def _encode(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _read_header(path: Path, line: bytes) -> Header:
    try:
        found = json.loads(line)
        if found["file"] != _TITLE:
            raise ValueError("it is something else")
        if found["format"] > FILE_FORMAT:
            raise NotWhole(f"{path} was written by a newer almajob.", hint="Use that one, or a newer one.")
        return Header(str(found["kind"]), str(found["made"]), str(found["ledger"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NotWhole(
            f"{path} is not an export of a ledger.",
            reason="Its first line is not the one with which almajob begins such a file.",
            hint="almajob ledger export --output FILE writes one.",
        ) from None


def _decode(path: Path, line: bytes, number: int) -> tuple[str, Any]:
    try:
        document = json.loads(line)
        ((kind, value),) = document.items()
    except (ValueError, AttributeError, RecursionError):
        raise _not_whole(path, f"Line {number} cannot be read.") from None
    return str(kind), value


def _check_item(path: Path, item: Item, number: int) -> None:
    """Refuse an item that is not what its kind says.

    Raises:
        NotWhole: it is something else.
    """
    try:
        if item.kind in (RECORD, ARCHIVED):
            _ = item.record, item.archive
        elif item.kind == FACT:
            name, _value = item.value
            _check(isinstance(name, str))
        else:
            event, observer, _message, calls, kept = item.announcement
            _check(isinstance(event, str) and isinstance(observer, str))
            _check(isinstance(calls, int) and isinstance(kept, int))
    except (ValueError, LookupError, TypeError):
        raise _not_whole(path, f"Line {number} is not the {item.kind} that it says it is.") from None


def _check(is_right: bool) -> None:
    if not is_right:
        raise ValueError("it is something else")


def _not_whole(path: Path, reason: str) -> NotWhole:
    return NotWhole(
        f"{path} is not as it was written; nothing of it was used.",
        reason=reason,
        hint="Take another copy of it, or an earlier one.",
    )
