"""The cache: kept for a day, private, and never in the way."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import stat
import subprocess
import sys
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


def _set_expiry(drawer: Path, seconds_from_now: float) -> None:
    with sqlite3.connect(drawer / "cache.db") as database:
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
    """SQLite removes it when the last process closes the drawer."""
    drawer = _filled(directory)
    whole = sum(path.lstat().st_size for path in drawer.iterdir())
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
    drawer = _filled(directory)
    for rest, used in ((1.0, True), (-1.0, False)):
        _set_expiry(drawer, rest)
        cache = Cache(directory)
        assert (cache.get(DRAWER, "key") is not None) is used
        cache.close()


def test_an_entry_from_the_future_is_not_believed(directory: Path) -> None:
    """It was kept while the clock was wrong, and would live for ever."""
    _set_expiry(_filled(directory), LIFETIME + 3600)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_is_private_under_any_umask(directory: Path, umask: int) -> None:
    """Directories 0700, files 0600, and a README that says whose it is."""
    before = os.umask(umask)
    try:
        cache = Cache(directory)
        cache.put(DRAWER, "key", ["ours"])
        drawer = directory / f".cache.{DRAWER}"
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, drawer, *drawer.iterdir())
        }
        cache.close()
    finally:
        os.umask(before)
    assert modes.pop("cache") == 0o700
    assert modes.pop(drawer.name) == 0o700
    assert {"cache.db", "README"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert "almajob cache clear" in (drawer / "README").read_text("utf-8")


def _garbage(drawer: Path) -> None:
    (drawer / "cache.db").write_bytes(b"garbage" * 1000)


def _truncate(drawer: Path) -> None:
    with (drawer / "cache.db").open("r+b") as file:
        file.truncate(5000)


def _overwrite_pages(drawer: Path) -> None:
    with (drawer / "cache.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)


def _empty(drawer: Path) -> None:
    (drawer / "cache.db").write_bytes(b"")


def _foreign(drawer: Path) -> None:
    (drawer / "cache.db").unlink()
    with sqlite3.connect(drawer / "cache.db") as database:
        database.execute("CREATE TABLE Cache (a)")
    database.close()


def _foreign_settings(drawer: Path) -> None:
    with sqlite3.connect(drawer / "cache.db") as database:
        database.execute("UPDATE Settings SET value = 'least-recently-used' WHERE key = 'eviction_policy'")
    database.close()


def _a_file(drawer: Path) -> None:
    for path in drawer.iterdir():
        path.unlink()
    drawer.rmdir()
    drawer.write_text("O:8:stdClass … what the predecessor left here", "utf-8")


@pytest.mark.parametrize(
    "damage", [_garbage, _truncate, _overwrite_pages, _empty, _foreign, _foreign_settings, _a_file]
)
def test_damage_is_a_miss_and_one_warning(
    directory: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    """What is there is moved away, not lost; after that the cache works again, without a word."""
    drawer = _filled(directory)
    damage(drawer)  # type: ignore[operator]
    cache = Cache(directory)
    with caplog.at_level(logging.DEBUG, "almajob"):
        assert cache.get(DRAWER, "key") is None
        cache.put(DRAWER, "key", ["new"])
        assert cache.get(DRAWER, "key") is not None
    cache.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "moved to .cache.jobs.sandbox.damaged-" in caplog.text
    assert len(list(directory.glob("*.damaged-*"))) == 1
    caplog.clear()
    again = Cache(directory)
    found = again.get(DRAWER, "key")
    again.close()
    assert found is not None
    assert not caplog.records


def test_a_planted_entry_is_a_miss_and_one_warning(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that almajob did not write."""
    drawer = _filled(directory)
    with sqlite3.connect(drawer / "cache.db") as database:
        database.execute("UPDATE Cache SET mode = 4, value = ?", (b"cos\nsystem\n",))
    database.close()
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    assert cache.get(DRAWER, "key") is None
    cache.close()
    assert caplog.text.count("did not write") == 1


@pytest.mark.parametrize(
    "column", ["expire_time = 'abc'", "expire_time = x'00'", "key = 7", "value = x'ff'", "store_time = 'x'"]
)
def test_columns_of_another_type_are_a_miss_or_harmless(directory: Path, column: str) -> None:
    """SQLite takes anything in any column."""
    drawer = _filled(directory)
    with sqlite3.connect(drawer / "cache.db") as database:
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
    drawer = _filled(directory)
    (drawer / "cache.db-wal").write_bytes(b"garbage" * 100)
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


@pytest.mark.parametrize("planted", ["link", "writable"])
def test_a_directory_that_others_could_change_is_not_used(
    directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, planted: str
) -> None:
    """A symbolic link at our place, or a directory that everybody can write to."""
    drawer = _filled(directory)
    if planted == "link":
        drawer.rename(tmp_path / "elsewhere")
        drawer.symlink_to(tmp_path / "elsewhere")
    else:
        drawer.chmod(0o777)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    cache.close()
    assert caplog.text.count("cannot be used") == 1
    assert drawer.exists()


@pytest.mark.parametrize("where", ["/dev/null/cache", "/proc/almajob"])
def test_a_place_where_nothing_can_be_kept_is_no_failure(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A miss, one warning, and on."""
    cache = Cache(Path(where))
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["x"])
    cache.close()
    assert len(caplog.records) == 1


def test_a_dollar_in_the_path_is_no_variable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """diskcache would expand it, and keep things elsewhere."""
    cache = Cache(tmp_path / "$HOME")
    cache.put(DRAWER, "key", ["x"])
    cache.close()
    assert "cannot be used" in caplog.text
    assert not list(Path.home().iterdir())


def test_a_full_disk_is_a_warning(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be kept is fetched again next time."""
    cache.put(DRAWER, "key", ["x"])
    opened = cache._open_entry(DRAWER)
    assert opened is not None
    (pages,) = opened._sql("PRAGMA page_count").fetchone()
    opened._sql(f"PRAGMA max_page_count = {pages}")
    cache.put(DRAWER, "other", [os.urandom(100_000).hex()])
    assert "full" in caplog.text
    assert cache.get(DRAWER, "key") is None


def test_text_that_is_none_is_damage(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Python's sqlite3 refuses to read it, each time; so the drawer is made anew."""
    drawer = _filled(directory)
    with sqlite3.connect(drawer / "cache.db") as database:
        database.execute("UPDATE Cache SET value = CAST(x'ff' AS TEXT)")
    database.close()
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    assert cache.get(DRAWER, "key") is not None
    cache.close()
    assert caplog.text.count("moved to .cache.jobs.sandbox.damaged-") == 1


def test_what_cannot_be_moved_away_is_left(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what another file system, or something else of that name, holds in its place."""
    drawer = _filled(directory)
    _garbage(drawer)
    (directory / f"{drawer.name}.damaged-7" / "x").mkdir(parents=True)
    monkeypatch.setattr("time.time_ns", lambda: 7)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    cache.close()
    assert caplog.text.count("cannot be moved away (Directory not empty)") == len(caplog.records) == 1
    assert drawer.exists()


def test_a_place_that_another_process_has_cleared_is_free(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two find the same damage, and one of them is quicker."""
    drawer = _filled(directory)
    _garbage(drawer)

    def quicker() -> int:
        drawer.rename(directory / "away")
        return 7

    monkeypatch.setattr("time.time_ns", quicker)
    cache = Cache(directory)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    assert cache.get(DRAWER, "key") is not None
    cache.close()
    assert not caplog.records


def test_a_drawer_that_cannot_be_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was in its place is told of once; nothing is kept."""
    place = tmp_path / "$HOME"
    place.mkdir(mode=0o700)
    (place / f".cache.{DRAWER}").write_text("what the older script left", "utf-8")
    cache = Cache(place)
    assert cache.get(DRAWER, "key") is None
    cache.put(DRAWER, "key", ["new"])
    cache.close()
    assert len(caplog.records) == 1


def test_a_full_disk_leaves_nothing_half_made(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where not even the first drawer can be written; a limit on the size of files stands for it."""
    directory.mkdir(mode=0o700)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    cache = Cache(directory)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        cache.put(DRAWER, "key", ["x"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    cache.close()
    assert caplog.text.count("cannot be used (File too large)") == 1
    assert not list(directory.iterdir())


def test_the_lock_of_another_process_does_not_hang_a_reader(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the write lock: reading goes on at once, writing gives up within a few seconds."""
    monkeypatch.setattr("almajob.store.cache._TURNS", 1)
    drawer = _filled(directory)
    other = sqlite3.connect(drawer / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache = Cache(directory)
    begun = time.monotonic()
    kept = cache.get(DRAWER, "key")
    assert kept is not None
    assert time.monotonic() - begun < 1
    cache.put(DRAWER, "other", ["x"])
    assert time.monotonic() - begun < 10
    other.close()
    # It was given up for good: the next process tries again.
    assert cache.get(DRAWER, "key") is None
    cache.close()


def test_a_short_lock_is_waited_for(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Longer than reading waits: many processes may keep the same list at once."""
    drawer = _filled(directory)
    other = sqlite3.connect(drawer / "cache.db", isolation_level=None, check_same_thread=False)
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
    drawer = _filled(directory)
    before = (drawer / "cache.db").read_bytes()
    opened = open_directory(drawer)
    assert opened.get("1:key") == ["ours"]
    opened.close()
    assert (drawer / "cache.db").read_bytes() == before


def test_a_drawer_has_all_that_a_cache_has(directory: Path) -> None:
    """The shortcut sets every variable that diskcache's own constructor sets."""
    drawer = _filled(directory)
    quick = CacheDirectory(drawer, CACHE)
    slow = diskcache.Cache(str(drawer), disk=JsonDisk, timeout=CACHE.lock_seconds, **CACHE.all_settings)
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


def test_one_drawer_can_be_cleared_alone(directory: Path, cache: Cache) -> None:
    """The others stay."""
    _filled(directory)
    cache.put("jobs.lab", "key", ["x"])
    assert [path.name for path in cache.clear("jobs.lab")[0]] == [".cache.jobs.lab"]
    assert [item.name for item in cache.contents()] == [DRAWER]


def test_looking_changes_nothing(directory: Path, cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged drawer is told, and left as it is."""
    drawer = _filled(directory)
    (drawer / "cache.db").write_bytes(b"garbage")
    (found,) = cache.contents()
    assert found.entries == 0
    assert "cannot be read" in caplog.text
    assert (drawer / "cache.db").read_bytes() == b"garbage"


PROGRAM = """
import sys
from pathlib import Path
from almajob.store.cache import Cache
cache = Cache(Path(sys.argv[1]))
for turn in range(20):
    cache.put("jobs.sandbox", f"{sys.argv[2]}-{turn}", [turn])
    assert cache.get("jobs.sandbox", f"{sys.argv[2]}-{turn}") is not None
cache.close()
"""


def test_many_processes_share_a_cache(directory: Path) -> None:
    """Twelve at once, from a directory that none of them has made yet: no error, no warning, nothing torn."""
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(directory), str(number)], stderr=subprocess.PIPE)
        for number in range(12)
    ]
    assert [process.communicate(timeout=60)[1] for process in running] == [b""] * 12
    assert [process.returncode for process in running] == [0] * 12
    assert {path.name for path in directory.iterdir()} == {f".cache.{DRAWER}", "README"}
