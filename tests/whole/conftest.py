"""What the tests of whole commands share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from almajob.store.ledger import Ledger


@pytest.fixture(scope="session")
def _empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ledger = Ledger(tmp_path_factory.mktemp("state") / "ledger")
    assert ledger.records() == []
    return ledger.directory


@pytest.fixture
def ready_ledger(_empty_ledger: Path, _own_surroundings: None) -> None:
    """An empty ledger that is there already: to make one takes longer than all else that a command does."""
    shutil.copytree(_empty_ledger, Path.home() / ".local/state/almajob/ledger")


@pytest.fixture
def fast_path() -> Iterator[Path]:
    """A directory in memory where there is a file system for that: for thousands of syncs."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)
