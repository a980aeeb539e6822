"""The schema of a cache directory: diskcache's own, and nothing besides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import diskcache
import pytest

from almajob.store import schema
from almajob.store.directory.directory_place import LEDGER
from almajob.store.diskcache_directory import CACHE, DirectoryOptions
from almajob.store.plugin_store import PluginStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    diskcache.Cache(str(tmp_path), **CACHE.all_settings).close()
    with closing(sqlite3.connect(tmp_path / "cache.db")) as connection:
        yield connection


@pytest.mark.parametrize("options", [CACHE, LEDGER])
def test_it_is_what_the_installed_diskcache_makes(tmp_path: Path, options: DirectoryOptions) -> None:
    """A diskcache with another schema needs a change here, and a way for the cache directories that exist."""
    diskcache.Cache(str(tmp_path), **options.all_settings).close()
    with closing(sqlite3.connect(tmp_path / "cache.db")) as connection:
        assert schema.is_ours(connection)


def test_a_plugins_store_has_it_too(tmp_path: Path) -> None:
    """All stores are made alike."""
    store = PluginStore(tmp_path, "almajob-good")
    store.set("x", 1)
    store.close()
    with closing(sqlite3.connect(store.path / "cache.db")) as connection:
        assert schema.is_ours(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE More (x)",
        "CREATE VIEW More AS SELECT 1",
        "CREATE INDEX More ON Cache (value)",
        "CREATE TRIGGER More AFTER DELETE ON Cache BEGIN DELETE FROM Settings; END",
        "DROP INDEX Cache_key_raw",
        "DROP TRIGGER Settings_size_delete",
        "ALTER TABLE Cache ADD COLUMN more GENERATED ALWAYS AS (zeroblob(999)) VIRTUAL",
        "DROP TABLE Settings",
    ],
)
def test_any_change_of_it_is_noticed(database: sqlite3.Connection, statement: str) -> None:
    """More, less, or something else under a name of ours."""
    database.execute(statement)
    assert not schema.is_ours(database)


def test_statistics_are_harmless(database: sqlite3.Connection) -> None:
    """Somebody may have let SQLite analyze it."""
    database.execute("INSERT INTO Cache (key, raw) VALUES ('x', 1)")
    database.execute("ANALYZE")
    assert schema.is_ours(database)
