"""How long one call of Alma may take, and how often Alma may be called."""

from __future__ import annotations

from typing import NamedTuple


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


class Pace(NamedTuple):
    """How often this installation may call an institution's Alma.

    Attributes:
        rate: calls a second, in the long run.
        burst: calls at once, after a pause.
        floor: calls left for the day below which the others wait for starts.
    """

    rate: float = 15.0
    burst: int = 5
    floor: int = 5000
