"""What the tests of sets share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import almajob
from almajob.sets.making import SetDeps
from almajob.testing import SimulatedAlma


@pytest.fixture
def deps(simulated: SimulatedAlma, tmp_path: Path) -> Iterator[SetDeps]:
    """With what sets are made and changed in the sandbox."""
    with almajob.connect("sandbox", state_dir=str(tmp_path / "state")) as context:
        yield context.workshop.sets()
