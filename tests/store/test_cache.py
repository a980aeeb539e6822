"""The cache: kept for a day, private, and never in the way."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import diskcache
import pytest

from almajob.store.cache import LIFETIME, Cache
from almajob.store.diskcache_directory import CACHE, CacheDirectory, JsonDisk, open_directory
from almajob.store.errors import Damaged

DRAWER = "jobs.sandbox"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(directory: Path) -> Iterator[Cache]:
    made = Cache(directory)
    yield made
    made.close()


def _filled(directory: Path) -> Path:
    cache = Cache(directory)
    cache.put(DRAWER, "key", ["ours"])
    cache.close()
    return directory / f".cache.{DRAWER}"


def _set_expiry(cache_dir: Path, seconds_from_now: float) -> None:
    with sqlite3.connect(cache_dir / "cache.db") as database:
        database.execute("UPDATE Cache SET expire_time = ?", (time.time() + seconds_from_now,))
    database.close()


def test_an_entry_is_found_by_the_next_process(directory: Path) -> None:
    """With the time at which it was fetched."""
    _filled(directory)
    cache = Cache(directory)
    kept = cache.get(DRAWER, "key")
    cache.close()
    assert kept is not None
    assert kept.value == ["ours"]
    assert abs((datetime.now(UTC) - kept.since).total_seconds()) < 60


def test_nothing_is_made_before_it_is_needed(cache: Cache, directory: Path) -> None:
    """Looking at the cache, or emptying it, makes no directory."""
    assert cache.contents() == []
    assert cache.clear() == ([], [])
    assert not directory.exists()


def test_what_has_expired_is_not_counted(directory: Path, cache: Cache) -> None:
    """Its place on the disk is."""
    _set_expiry(_filled(directory), -1.0)
    (found,) = cache.contents()
    assert (found.entries, found.newest) == (0, None)
    assert found.size > 0


def test_a_journal_may_go_while_it_is_looked_at(
    directory: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite removes it when the last process closes the cache directory."""
    cache_dir = _filled(directory)
    whole = sum(path.lstat().st_size for path in cache_dir.iterdir())
    # Only as long as it is looked at: newer Pythons' own pytest asks with more arguments.
    with monkeypatch.context() as patched:
        patched.setattr(Path, "glob", lambda path, _pattern: [*path.iterdir(), path / "cache.db-wal"])
        (found,) = cache.contents()
    assert found.size == whole


def test_a_file_where_the_directory_should_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is in it, with a warning."""
    (tmp_path / "cache").write_text("", "utf-8")
    assert Cache(tmp_path / "cache").contents() == []
    assert "cannot be read (Not a directory)" in caplog.text


def test_an_entry_lives_a_day(directory: Path) -> None:
    """One second before the end it is used, after it is not."""
    cache_dir = _filled(directory)
    for rest, used in ((1.0, True), (-1.0, False)):
        _set_expiry(cache_dir, rest)
        cache = Cache(directory)
        assert (cache.get(DRAWER, "key") is not None) is used
        cache.close()


def test_an_entry_from_the_future_is_not_believed(directory: Path) -> None:
    """It was kept while the clock was wrong, and would live for ever."""
    _set_expiry(_filled(directory), LIFETIME + 3600)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.close()


@pytest.mark.parametrize(
    "column", ["expire_time = 'abc'", "expire_time = x'00'", "key = 7", "value = x'ff'", "store_time = 'x'"]
)
def test_columns_of_another_type_are_a_miss_or_harmless(directory: Path, column: str) -> None:
    """SQLite takes anything in any column."""
    cache_dir = _filled(directory)
    with sqlite3.connect(cache_dir / "cache.db") as database:
        database.execute(f"UPDATE Cache SET {column}")
    database.close()
    cache = Cache(directory)
    kept = cache.get(DRAWER, "key")
    assert kept is None or kept.value == ["ours"]
    cache.put(DRAWER, "key", ["new \ud800"])
    assert isinstance(cache.contents(), list)
    cache.close()


def test_a_false_write_ahead_log_is_passed_over(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite does so itself: the data is whole."""
    cache_dir = _filled(directory)
    (cache_dir / "cache.db-wal").write_bytes(b"garbage" * 100)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is not None
    cache.close()
    assert not caplog.records


def test_what_cannot_be_removed_is_named(
    directory: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a directory that belongs to somebody else."""
    _filled(directory)

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("shutil.rmtree", refuse)
    gone, left = cache.clear()
    assert gone == []
    assert [path.name for path in left] == [f".cache.{DRAWER}"]


def test_a_dollar_in_the_path_is_no_variable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """diskcache would expand it, and keep things elsewhere."""
    cache = Cache(tmp_path / "$HOME")
    cache.put(DRAWER, "key", ["x"])
    cache.close()
    assert "cannot be used" in caplog.text
    assert not list(Path.home().iterdir())


def test_what_cannot_be_moved_away_is_left(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what another file system, or something else of that name, holds in its place."""
    cache_dir = _filled(directory)
    (cache_dir / "cache.db").write_bytes(b"garbage" * 1000)
    (directory / f"{cache_dir.name}.damaged-7" / "x").mkdir(parents=True)
    monkeypatch.setattr("time.time_ns", lambda: 7)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    cache.close()
    assert caplog.text.count("cannot be moved away (Directory not empty)") == len(caplog.records) == 1
    assert cache_dir.exists()


def test_a_place_that_another_process_has_cleared_is_free(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two find the same damage, and one of them is quicker."""
    cache_dir = _filled(directory)
    (cache_dir / "cache.db").write_bytes(b"garbage" * 1000)

    def quicker() -> int:
        cache_dir.rename(directory / "away")
        return 7

    monkeypatch.setattr("time.time_ns", quicker)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    assert cache.get(DRAWER, "key") is not None
    cache.close()
    assert not caplog.records


def test_a_cache_directory_that_cannot_be_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was in its place is told of once; nothing is kept."""
    place = tmp_path / "$HOME"
    place.mkdir(mode=0o700)
    (place / f".cache.{DRAWER}").write_text("what the older script left", "utf-8")
    cache = Cache(place)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    cache.close()
    assert len(caplog.records) == 1


def test_a_short_lock_is_waited_for(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Longer than reading waits: many processes may keep the same list at once."""
    cache_dir = _filled(directory)
    other = sqlite3.connect(cache_dir / "cache.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(CACHE.lock_seconds + 0.3, other.close)
    release.start()
    cache = Cache(directory)
    cache.put(DRAWER, "other", ["x"])
    release.join()
    assert cache.get(DRAWER, "other") is not None
    cache.close()
    assert not caplog.records


def test_opening_again_writes_nothing(directory: Path) -> None:
    """diskcache alone would write some sixty statements."""
    cache_dir = _filled(directory)
    before = (cache_dir / "cache.db").read_bytes()
    opened = open_directory(cache_dir)
    assert opened.get("1:key") == ["ours"]
    opened.close()
    assert (cache_dir / "cache.db").read_bytes() == before


def test_a_cache_directory_has_all_that_a_cache_has(directory: Path) -> None:
    """The shortcut sets every variable that diskcache's own constructor sets."""
    cache_dir = _filled(directory)
    quick = CacheDirectory(cache_dir, CACHE)
    slow = diskcache.Cache(str(cache_dir), disk=JsonDisk, timeout=CACHE.lock_seconds, **CACHE.all_settings)
    assert set(vars(slow)) <= set(vars(quick))
    quick.close()
    slow.close()


def test_a_directory_without_a_database_is_damaged(tmp_path: Path) -> None:
    """It is not filled with one on the way."""
    tmp_path.joinpath("x").mkdir(mode=0o700)
    with pytest.raises(Damaged):
        open_directory(tmp_path / "x")
    assert not list(tmp_path.joinpath("x").iterdir())


def test_contents_and_clear(directory: Path, cache: Cache) -> None:
    """What is kept is told; what is removed is ours, and nothing else in the directory."""
    _filled(directory)
    (directory / "precious.txt").write_text("not ours", "utf-8")
    strange = directory / ".cache.strange"
    strange.mkdir()
    (strange / "letter.txt").write_text("not ours", "utf-8")
    (found,) = [item for item in cache.contents() if item.name == DRAWER]
    assert (found.entries, found.newest is not None, found.size > 0) == (1, True, True)
    old = directory / ".cache.jobs.sandbox.damaged-1"
    old.write_text("what the older script left", "utf-8")
    gone, left = cache.clear()
    assert [path.name for path in gone] == [f".cache.{DRAWER}", old.name]
    assert left == []
    assert (directory / "precious.txt").exists()
    assert (strange / "letter.txt").exists()


BAD_NAMES = ("x/../../../outside", "/tmp/x", "..", ".", "", "a b", "x\0", "\u00fc", "x" * 101, "x\n")


@pytest.mark.parametrize("name", [*BAD_NAMES, "completion", "x.damaged-1"])
def test_a_name_does_not_lead_elsewhere(cache: Cache, tmp_path: Path, name: str) -> None:
    """The author of the plugin is told, and nothing is made."""
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match=r"cannot be the name of a directory|in the cache"):
        cache.put(name, "key", 1)
    with pytest.raises(ValueError, match=r"cannot be the name of a directory|in the cache"):
        cache.get(name, "key")
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_what_a_plugin_keeps_is_shown_and_cleared(cache: Cache, directory: Path) -> None:
    """And a directory of somebody else's is passed over by both."""
    cache.put("hello.names", "key", 1)
    (directory / ".cache.others").mkdir()
    (directory / ".cache.others" / "file").touch()
    assert [(item.name, item.entries) for item in cache.contents()] == [("hello.names", 1)]
    assert cache.clear() == ([directory / ".cache.hello.names"], [])
    assert (directory / ".cache.others" / "file").exists()


def test_one_cache_directory_can_be_cleared_alone(directory: Path, cache: Cache) -> None:
    """The others stay."""
    _filled(directory)
    cache.put("jobs.lab", "key", ["x"])
    assert [path.name for path in cache.clear("jobs.lab")[0]] == [".cache.jobs.lab"]
    assert [item.name for item in cache.contents()] == [DRAWER]


def test_looking_changes_nothing(directory: Path, cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged cache directory is told, and left as it is."""
    cache_dir = _filled(directory)
    (cache_dir / "cache.db").write_bytes(b"garbage")
    (found,) = cache.contents()
    assert found.entries == 0
    assert "cannot be read" in caplog.text
    assert (cache_dir / "cache.db").read_bytes() == b"garbage"


def test_runs_that_have_ended_are_kept_for_longer(cache: Cache, directory: Path) -> None:
    """They do not change; what else is in the cache is used for a day."""
    for name in ("runs.lab", "jobs.lab"):
        cache.put_list(name, "key", ["ours"])
        cache.close()
        _set_expiry(directory / f".cache.{name}", 50 * LIFETIME)
    assert cache.get_list("jobs.lab", "key") is None
    kept = cache.get_list("runs.lab", "key")
    assert kept is not None
    assert kept.value == [b'"ours"']
    assert abs((datetime.now(UTC) - kept.since).total_seconds() - 50 * LIFETIME) < 60
    assert [(each.name, each.entries) for each in cache.contents()] == [("jobs.lab", 0), ("runs.lab", 1)]
    assert [path.name for path in cache.clear("jobs.lab", "runs.lab")[0]] == [
        ".cache.jobs.lab",
        ".cache.runs.lab",
    ]
