"""How much is tried: everything in CI, elsewhere the share that everybody has the time for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
STRIDE = 1 if IN_CI else 4
"""Of many cases alike, each so manyeth is tried."""


def sample(cases: Sequence[T]) -> Sequence[T]:
    """Return all cases in CI, elsewhere the first of each few; always the same ones."""
    return cases[::STRIDE]
