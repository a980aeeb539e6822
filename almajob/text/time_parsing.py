"""Lengths of time, read as people write them."""

from __future__ import annotations

import re

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(text: str, units: tuple[str, ...]) -> float | None:
    """Read a length of time such as ``90``, ``15m``, ``24h`` or ``7d`` in seconds; None where it is none.

    Args:
        units: which of s, m, h, d and w may follow the number; an empty one where none need follow.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]?)", text.strip(), re.ASCII)
    return float(found[1]) * _SECONDS[found[2]] if found and found[2] in units else None
