"""How often Alma may be called, and what that is where the ini does not say."""

from __future__ import annotations

from typing import NamedTuple


class Rates(NamedTuple):
    """How often this installation may call an institution's Alma.

    Attributes:
        rate: calls a second, in the long run.
        burst: calls at once, after a pause.
        floor: calls left for the day below which the others wait for starts.
    """

    rate: float = 15.0
    burst: int = 5
    floor: int = 5000


def standard_rates(kind: str) -> Rates:
    """Return the rates of a sandbox or of production where the ini does not say.

    A sandbox takes 10 calls a second of all programs together, burst included: some room is left for others.
    """
    return Rates(rate=6.0, burst=3) if kind == "sandbox" else Rates()
