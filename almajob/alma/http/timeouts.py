"""How long one call of Alma may take, and how many may be under way."""

from __future__ import annotations

from typing import NamedTuple

AT_ONCE = 8
"""Connections that are kept, and calls that may be under way at once."""


class TimeLimits(NamedTuple):
    """How long a call may take, in seconds.

    Attributes:
        connect: until the connection stands.
        read: between two packets of the answer.
        total: for the whole call, its retries included.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
