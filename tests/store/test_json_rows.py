"""A long list is kept whole or not at all: whatever becomes of its rows, it is read as it was, or not."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.store import json_rows, quick_read
from almajob.store.cache import Cache
from almajob.store.diskcache_directory import open_directory
from almajob.store.json_rows import NotWhole
from tests.support.thoroughness import IN_CI

NAME, KEY = "jobs.sandbox", "jobs:one:::"
PARTS = [{"names": [f"job {part}-{place}" for place in range(400)]} for part in range(3)]
TEXTS = list(map(json_rows.encode, PARTS))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def kept(cache: Cache, tmp_path: Path) -> Path:
    """A list of three parts, the first of them small."""
    cache.put_list(NAME, KEY, [PARTS[0], {"small": 1}, PARTS[1], PARTS[2]])
    cache.close()
    return tmp_path / "cache" / f".cache.{NAME}"


def _sql(cache_dir: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
        return database.execute(statement, values).fetchall()


def _read(cache: Cache) -> list[bytes] | None:
    found = cache.get_list(NAME, KEY)
    cache.close()
    return None if found is None else found.value


def test_a_list_is_read_as_it_was_kept(cache: Cache, tmp_path: Path) -> None:
    """By commands and by completions; in the cache it is one entry."""
    cache.put_list(NAME, KEY, PARTS)
    cache.put_list(NAME, "jobs:one:MANUAL::", PARTS[:1])
    assert _read(cache) == TEXTS
    assert quick_read.newest_list(str(tmp_path / "cache" / f".cache.{NAME}"), "1:jobs:%:::") == TEXTS
    assert quick_read.newest_list(str(tmp_path / "cache" / f".cache.{NAME}"), "1:other:%:::") == []
    assert [item.entries for item in cache.contents()] == [2]


@pytest.mark.parametrize("count", [3, 2, 1])
def test_a_list_that_shrinks_leaves_nothing_behind(cache: Cache, tmp_path: Path, count: int) -> None:
    """Of the longer one that was there before."""
    cache.put_list(NAME, KEY, PARTS)
    cache.put_list(NAME, KEY, PARTS[:count])
    assert _read(cache) == TEXTS[:count]
    assert _sql(tmp_path / "cache" / f".cache.{NAME}", "SELECT count(*) FROM Cache") == [(count,)]


def test_what_is_too_large_is_not_kept(
    cache: Cache, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it stays as it was."""
    cache.put_list(NAME, KEY, PARTS)
    monkeypatch.setattr("almajob.store.json_rows.LIST_LIMIT", 10_000)
    cache.put_list(NAME, KEY, PARTS)
    assert "a list is larger than" in caplog.text
    monkeypatch.undo()
    cache.close()
    assert _read(cache) == TEXTS


CHANGES: dict[str, str] = {
    "the first is gone": "DELETE FROM Cache WHERE rowid = 1",
    "one is gone": "DELETE FROM Cache WHERE rowid = 2",
    "the last is gone": "DELETE FROM Cache WHERE rowid = 4",
    "two have changed places": "UPDATE Cache SET value ="
    " (SELECT value FROM Cache c WHERE c.rowid = 5 - Cache.rowid) WHERE rowid IN (2, 3)",
    "one is there twice": "UPDATE Cache SET value ="
    " (SELECT value FROM Cache WHERE rowid = 1) WHERE rowid = 3",
    "a small one is another": "UPDATE Cache SET value = '{\"small\":2}' WHERE rowid = 2",
    "one is a pickle": "UPDATE Cache SET mode = 4 WHERE rowid = 2",
    "one is in a file": "UPDATE Cache SET filename = 'x.val' WHERE rowid = 2",
    "one is a number": "UPDATE Cache SET value = 7 WHERE rowid = 2",
    "one is cut off": "UPDATE Cache SET value = substr(value, 1, length(value) - 20) WHERE rowid = 3",
    "one is nothing": "UPDATE Cache SET value = NULL WHERE rowid = 3",
    "one is of another list": "UPDATE Cache SET tag = '4:00000000' WHERE rowid = 4",
    "one more": "INSERT INTO Cache (key, raw, mode, tag, expire_time, value)"
    " SELECT '1:jobs:one:::#0004', 1, 1, tag, expire_time, '{}' FROM Cache WHERE rowid = 1",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_half_a_list_is_a_miss_and_one_warning(
    cache: Cache, kept: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    """Told once; completions say nothing; the next list takes its place."""
    _sql(kept, change)
    assert quick_read.newest_list(str(kept), "1:jobs:%:::") == []
    assert cache.get_list(NAME, KEY) is cache.get_list(NAME, KEY) is None
    assert [record.getMessage().count("Alma is asked instead") for record in caplog.records] == [1]
    cache.put_list(NAME, KEY, PARTS)
    assert _read(cache) == TEXTS


@pytest.mark.parametrize("rest", ["1.0", "'x'", "NULL", "9e99"])
def test_a_list_of_which_a_part_has_expired_is_not_used(cache: Cache, kept: Path, rest: str) -> None:
    """Nor one whose time is none; nobody is warned of what is old."""
    _sql(kept, f"UPDATE Cache SET expire_time = {rest} WHERE rowid = 3")
    assert cache.get_list(NAME, KEY) is None


@settings(max_examples=400 if IN_CI else 60, deadline=None)
@given(st.data())
def test_any_damage_is_a_miss_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any bytes of any rows, or of the database itself: what is read is the whole list, or none."""
    directory = tmp_path_factory.mktemp("damaged")
    with open_directory(directory / "list") as opened:
        opened.put_list("1:jobs:one:::", PARTS, expire=1000.0)
    database = directory / "list" / "cache.db"
    raw = bytearray(database.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        length = data.draw(st.sampled_from((1, 1, 4, 4096)))
        raw[at : at + length] = data.draw(st.binary(min_size=1, max_size=4)) * (length // 4 or 1)
    database.write_bytes(raw[: data.draw(st.sampled_from((len(raw), len(raw), len(raw) // 2)))])
    assert quick_read.newest_list(str(directory / "list"), "1:jobs:%:::") in (TEXTS, [])
    cache = Cache(directory)
    (directory / "list").rename(directory / f".cache.{NAME}")
    assert _read(cache) in (TEXTS, None)
    cache.put_list(NAME, KEY, PARTS[:2])
    assert _read(cache) in (TEXTS[:2], None)


@given(st.lists(st.text(max_size=9), max_size=5), st.data())
def test_rows_that_are_left_out_or_moved_are_noticed(texts: list[str], data: st.DataObject) -> None:
    """By the number of the parts, their order and their bytes."""
    parts = [text.encode() for text in texts]
    moved = data.draw(st.permutations(texts))[: data.draw(st.integers(0, len(texts)))]
    found = [(json_rows.sign(parts), 1, 1.0, text) for text in moved]
    try:
        assert json_rows.read_list(lambda *_: found, "key")[0] in (parts, [])
    except NotWhole:
        assert moved != texts


def _put_many(directory: Path, mine: int, ready: Callable[[], object]) -> None:
    cache = Cache(directory)
    ready()
    for turn in range(20):
        cache.put_list(NAME, KEY, [[mine, turn]] * (mine + turn % 3))
    cache.close()


def test_two_processes_that_write_at_once_mix_nothing(tmp_path: Path) -> None:
    """What is read meanwhile is a list of one of them, whole."""
    directory = tmp_path / "cache"
    Cache(directory).put_list(NAME, KEY, [[0, 0]])
    barrier = multiprocessing.get_context("spawn").Barrier(3)
    processes = [
        multiprocessing.get_context("spawn").Process(target=_put_many, args=(directory, mine, barrier.wait))
        for mine in (2, 5)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    reader = Cache(directory)
    while any(process.is_alive() for process in processes):
        found = reader.get_list(NAME, KEY)
        assert found is not None
        assert len(set(found.value)) == 1
        quick = quick_read.newest_list(str(directory / f".cache.{NAME}"), "1:jobs:%:::")
        assert len(set(quick)) <= 1
    reader.close()
    assert [process.exitcode for process in processes] == [0, 0]
