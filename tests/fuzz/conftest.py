"""What the trials log is of no interest, and may hold what no report can carry between processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _silent() -> Iterator[None]:
    """Log nothing: pytest-xdist cannot send a report with half a character in it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
