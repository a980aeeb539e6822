"""What the tests of whole commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

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
