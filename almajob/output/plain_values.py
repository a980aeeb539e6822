"""The plain form of whatever a command returns: what JSON has a form for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from cliff.columns import FormattableColumn

from almajob.text import time_format
from almajob.text.frozen import Frozen
from almajob.text.redaction import Sealed

PLAIN_TYPES = frozenset({str, int, bool, type(None)})
"""The types whose values every format can print as they are."""


class ByClass(dict[type, bool]):
    """Whether something is so for the values of a class: found out once, as there may be many values.

    Args:
        find: finds it out.
    """

    def __init__(self, find: Callable[[type], bool]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, kind: type) -> bool:
        self[kind] = found = self._find(kind)
        return found


IS_COLUMN = ByClass(lambda kind: issubclass(kind, FormattableColumn))
"""Whether a value is one of cliff's columns."""


def refuse_sealed(value: Any) -> None:
    """Refuse a value that may hold a secret.

    Raises:
        TypeError: it may.
    """
    if isinstance(value, Sealed):
        raise TypeError(f"{type(value).__name__} may hold secrets, and is not printed")


def has_sealed(value: Any) -> bool:
    """Whether a value has one in it that may hold a secret."""
    if type(value) in PLAIN_TYPES:
        return False
    if isinstance(value, Sealed):
        return True
    if isinstance(value, dict):
        return any(map(has_sealed, (*value, *value.values())))
    if isinstance(value, list | tuple | Set):
        return any(map(has_sealed, value))
    return any(has_sealed(getattr(value, name)) for name in _list_fields(value) or ())


def to_plain(value: Any) -> Any:
    """Return the plain form of a value.

    An enum is its value, and a set is sorted. A dataclass or named tuple becomes a dictionary, without the
    fields that its repr leaves out. A time is in UTC (one without a zone counts as local), and a length of
    time is in seconds. Anything else is its ``str()``.

    Raises:
        TypeError: it may hold a secret, or something in it may.
    """
    if type(value) in PLAIN_TYPES:
        return value
    refuse_sealed(value)
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, FormattableColumn):
        return to_plain(value.machine_readable())
    if isinstance(value, str | int | float | date | timedelta | bytes | bytearray):
        return _plain_scalar(value)
    if isinstance(value, Mapping):
        return {_name_member(name): to_plain(item) for name, item in value.items()}
    fields = _list_fields(value)
    if fields is not None:
        return {name: to_plain(getattr(value, name)) for name in fields}
    if isinstance(value, Set):
        return sorted(map(to_plain, value), key=json.dumps)
    if isinstance(value, Collection | Iterator):
        return list(map(to_plain, value))
    return str(value)


def _plain_scalar(value: Any) -> Any:
    """Return the plain form of what is a text, a number or a time, or of a class that comes from these."""
    match value:
        # What the classes themselves would answer may be overridden.
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value) if math.isfinite(value) else None
        case datetime():
            return time_format.format_utc(value)
        case date():
            return value.isoformat()
        case timedelta():
            seconds = value.total_seconds()
            return int(seconds) if seconds.is_integer() else seconds
    return value.decode("utf-8", "backslashreplace")


def _name_member(name: Any) -> str:
    """Return the name of a dictionary's member, which is a text in JSON."""
    plain = to_plain(name)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _list_fields(value: Any) -> list[str] | None:
    """Name the fields of a dataclass or a named tuple; None where it is neither."""
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return [field.name for field in value.__dataclass_fields__.values() if field.repr]
    if isinstance(value, tuple | Frozen) and hasattr(value, "_fields"):
        return list(value._fields)
    return None
