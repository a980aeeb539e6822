"""What the tests of whole commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.ledgers import directory_of, list_records, open_ledger
from tests.support.places import DIRECTORY
from tests.support.postgres import Database


@pytest.fixture(scope="session")
def _empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ledger = open_ledger(tmp_path_factory.mktemp("state") / "ledger")
    assert list_records(ledger) == []
    return directory_of(ledger)


@pytest.fixture
def ready_ledger(_empty_ledger: Path, _own_surroundings: None) -> None:
    """An empty ledger that is there already: to make one takes longer than all else that a command does."""
    shutil.copytree(_empty_ledger, Path.home() / ".local/state/almajob/ledger")


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Database | None:
    """The database with the ledger; None where that is in a directory."""
    if request.param == DIRECTORY:
        return None
    found: Database = request.getfixturevalue("ledger_database")
    return found
