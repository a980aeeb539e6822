"""What a set looks like: the names of its columns, and their values."""

from __future__ import annotations

from typing import Any

from almajob.alma.sets import Set
from almajob.output.columns import Identifier, Name, Text, Time, YesNo

SET_COLUMNS = ("id", "name", "content", "type", "public", "created", "created_by")
SET_BRIEF = ("id", "name", "content", "type")
"""Of SET_COLUMNS what a table shows."""
WHOLE_SET_COLUMNS = (*SET_COLUMNS, "members", "description")


def set_values(found: Set) -> tuple[Any, ...]:
    """Return what a set is, in the order of SET_COLUMNS."""
    return (
        *(Identifier(found.id), Name(found.name), Identifier(found.content.value)),
        *(
            Identifier(found.type.lower()),
            YesNo(found.is_public),
            Time(found.created),
            Text(found.created_by),
        ),
    )


def whole_set_values(found: Set) -> tuple[Any, ...]:
    """Return what a set is, in the order of WHOLE_SET_COLUMNS."""
    return (*set_values(found), found.members, Text(found.description))
