"""What a cell of a result is for programs, and as the text of a line-based format."""

from __future__ import annotations

import json
from typing import Any

from cliff.columns import FormattableColumn

Number = int | float


def machine(value: Any) -> Any:
    """Return the value for programs: what JSON has a form for."""
    return value.machine_readable() if isinstance(value, FormattableColumn) else value


def human(value: Any) -> str:
    """Return the value as people see it in a table."""
    return value.human_readable() if isinstance(value, FormattableColumn) else str(value)


def text(value: Any) -> str:
    """Return the value as one text: empty for none, ``true`` and ``false``, JSON for what has parts."""
    plain = machine(value)
    if isinstance(plain, str):
        return plain
    return "" if plain is None else json.dumps(plain, ensure_ascii=False)


def is_number(value: Any) -> bool:
    """Whether it is a number, to which true and false do not belong."""
    return isinstance(value, Number) and not isinstance(value, bool)
