"""A quick read of a cache directory: what is newest, and nothing of what somebody else put there."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from almajob.store import quick_read
from almajob.store.diskcache_directory import open_directory


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    """Three values: a small one, a large one, and one under another name."""
    with open_directory(tmp_path / "a ?#%41 cache_dir") as opened:
        for key, value in (("1:jobs:a", ["old"]), ("1:jobs:b", ["new" * 5000]), ("1:others", 7)):
            opened.set(key, value)
    return tmp_path / "a ?#%41 cache_dir"


def _sql(cache_dir: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
        database.execute(statement, values)


def test_the_last_come_first(cache_dir: Path) -> None:
    """In the order of their keys; packed or not; no more than were asked for."""
    assert quick_read.newest(str(cache_dir), "1:jobs:", limit=9) == [["new" * 5000], ["old"]]
    assert quick_read.newest(str(cache_dir), "1:jobs:", limit=1) == [["new" * 5000]]
    assert quick_read.newest(str(cache_dir), "", limit=1) == [7]
    assert quick_read.newest(str(cache_dir), "2:", limit=9) == []
    # A sign that means something to SQL is a sign here.
    assert quick_read.newest(str(cache_dir), "1:job%", limit=9) == []


def test_no_more_rows_are_looked_at_than_are_found(cache_dir: Path) -> None:
    """A ledger has a million: the index of the keys leads to the last of them."""
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {quick_read._QUERY}", ("a", "b", 1)).fetchall()
    assert [step[3] for step in plan] == ["SEARCH Cache USING INDEX Cache_key_raw (key>? AND key<?)"]


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _endless(cache_dir: Path) -> None:
    _sql(cache_dir, "ALTER TABLE Cache RENAME TO Hidden")
    _sql(
        cache_dir,
        "CREATE VIEW Cache AS WITH RECURSIVE endless(number) AS"
        " (SELECT 1 UNION ALL SELECT number + 1 FROM endless)"
        " SELECT number AS value, 1 AS raw, 1 AS mode, 'x' AS key, 0 AS store_time FROM endless",
    )


CHANGES: dict[str, Callable[[Path], object]] = {
    "writable by others": lambda cache_dir: cache_dir.chmod(0o770),
    "a link": _link,
    "its database is a link": lambda cache_dir: _link(cache_dir / "cache.db"),
    "no database": lambda cache_dir: (cache_dir / "cache.db").unlink(),
    "garbage": lambda cache_dir: (cache_dir / "cache.db").write_bytes(b"garbage" * 1000),
    "no text": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = CAST(x'ff' AS TEXT)"),
    "no JSON": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = '{'"),
    "no zlib": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = x'00'"),
    "deep": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = ?", "[" * 100_000),
    "a large text": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = ?", " " * 2**23 + "1"),
    "a bomb": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET value = ?", zlib.compress(b" " * 2**24)),
    "pickles": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET mode = 4"),
    "other keys": lambda cache_dir: _sql(cache_dir, "UPDATE Cache SET raw = 0"),
    "a view without an end": _endless,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_ours_is_not_there(cache_dir: Path, change: Callable[[Path], object]) -> None:
    """Nothing is read, nothing fails."""
    change(cache_dir)
    assert quick_read.newest(str(cache_dir), "", limit=9) == []


def test_all_together_are_bounded(cache_dir: Path) -> None:
    """Each of many values may be as large as one that is right; not all of them are read."""
    megabyte = zlib.compress(json.dumps("x" * 2**20).encode())
    for number in range(20):
        _sql(
            cache_dir,
            "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 1, 1, ?)",
            f"2:{number}",
            megabyte,
        )
    assert len(quick_read.newest(str(cache_dir), "2:", limit=20)) == 7


def test_nobody_is_waited_for(cache_dir: Path) -> None:
    """Another process has the database for itself; a completion has to be there at once."""
    with closing(sqlite3.connect(cache_dir / "cache.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("UPDATE Settings SET value = 0 WHERE key = 'hits'")
        begun = time.monotonic()
        assert quick_read.newest(str(cache_dir), "", limit=9) == []
        assert time.monotonic() - begun < 5


def test_nothing_is_written(cache_dir: Path) -> None:
    """Not to what is kept, and not where nothing is kept."""
    before = (cache_dir / "cache.db").read_bytes()
    assert len(quick_read.newest(str(cache_dir), "", limit=9)) == 3
    assert (cache_dir / "cache.db").read_bytes() == before
    nowhere = cache_dir.with_name("nowhere")
    assert quick_read.newest(str(nowhere), "", limit=9) == []
    assert not nowhere.exists()
