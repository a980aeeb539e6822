"""A diskcache directory: nothing is changed that is not ours, and nobody dies of a file that shrinks.

One that somebody tampered with runs nothing, reads nothing and deletes nothing.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.store.directory.directory_place import LEDGER
from almajob.store.diskcache_directory import CACHE, CacheDirectory, JsonDisk, open_directory
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.json_rows import SIZE_LIMIT
from tests.support.forks import fork, list_open_below
from tests.support.processes import PROCESSES


def _foreign_application(path: Path) -> None:
    path.mkdir(mode=0o700)
    with closing(sqlite3.connect(path / "cache.db")) as database, database:
        database.execute("CREATE TABLE moz_places (id, url)")


def _foreign_diskcache(path: Path) -> None:
    diskcache.Cache(str(path), sqlite_journal_mode="delete").close()
    path.chmod(0o700)


@pytest.mark.parametrize("made", [_foreign_application, _foreign_diskcache])
def test_a_foreign_database_is_left_as_it_is(tmp_path: Path, made: Callable[[Path], None]) -> None:
    """Its journal mode, too: diskcache would change it before it has looked."""
    made(tmp_path / "x")
    before = (tmp_path / "x" / "cache.db").read_bytes()
    for options in (CACHE, LEDGER):
        with pytest.raises(Damaged, match="not one that almajob made"):
            open_directory(tmp_path / "x", options)
    assert (tmp_path / "x" / "cache.db").read_bytes() == before


def _read_while_it_shrinks(path: Path) -> None:
    with open_directory(path) as cache_dir:
        values = cache_dir._sql("SELECT value FROM Cache")
        next(values)
        # Not between two readings: before each, SQLite looks how long the file is.
        os.truncate(path / "cache.db", 4096)
        try:
            list(values)
        except sqlite3.Error:
            return
        os._exit(1)


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """And not the death of the process, as it would be if the file were mapped."""
    with open_directory(tmp_path / "x") as cache_dir:
        for key in range(20):
            cache_dir.set(str(key), os.urandom(20_000).hex())
    process = PROCESSES.Process(target=_read_while_it_shrinks, args=(tmp_path / "x",))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_child_connects_anew(tmp_path: Path) -> None:
    """SQLite connections must not be carried over a fork, not even those of idle threads."""
    with open_directory(tmp_path / "x") as cache_dir:
        cache_dir.set("key", 1)
        done, asked = threading.Event(), threading.Event()

        def use_and_idle() -> None:
            assert cache_dir.get("key") == 1
            done.set()
            asked.wait()
            assert cache_dir.get("key") == 2

        thread = threading.Thread(target=use_and_idle)
        thread.start()
        done.wait()

        def write() -> list[object]:
            inherited = list_open_below(tmp_path)
            cache_dir.set("key", 2)
            cache_dir.close()
            return [inherited, list_open_below(tmp_path)]

        assert fork(write)() == [[], []]
        assert cache_dir.get("key") == 2
        asked.set()
        thread.join()
    assert list_open_below(tmp_path) == []


FORK_WHILE_WRITING = """
import os, sys
from pathlib import Path
from almajob.store.diskcache_directory import open_directory
from almajob.store.directory.directory_place import LEDGER
with open_directory(Path(sys.argv[1]), LEDGER) as directory:
    directory.set("before", 1)
    with directory.transact():
        directory.set("during", 2)
        child = os.fork()
        if child == 0:
            # It ends as Python does, with all that is closed then; that it leaves these blocks is an error.
            sys.stderr = None
            sys.exit()
        os.waitpid(child, 0)
        directory.set("after", 3)
"""


def test_a_child_does_not_roll_back_what_its_parent_is_writing(tmp_path: Path) -> None:
    """SQLite would, where a child that inherits the transaction closes its connection."""
    done = subprocess.run(
        [sys.executable, "-c", FORK_WHILE_WRITING, str(tmp_path / "x")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with open_directory(tmp_path / "x", LEDGER) as directory:
        assert {key: directory.get(key) for key in directory} == {"before": 1, "during": 2, "after": 3}


def test_all_connections_are_closed_at_the_end(tmp_path: Path) -> None:
    """Those of other threads, too, which live on."""
    done, ended = threading.Event(), threading.Event()
    with open_directory(tmp_path / "x") as cache_dir:

        def use() -> None:
            cache_dir.set("key", 1)
            done.set()
            ended.wait()

        thread = threading.Thread(target=use)
        thread.start()
        done.wait()
    assert list_open_below(tmp_path) == []
    ended.set()
    thread.join()


def test_a_value_that_is_too_large_is_not_kept(tmp_path: Path) -> None:
    """It could not be read again."""
    with open_directory(tmp_path / "x") as cache_dir:
        with pytest.raises(OSError, match="larger than 16 MiB"):
            cache_dir.set("key", "x" * SIZE_LIMIT)
        cache_dir.set("key", "x" * (SIZE_LIMIT - 2))
        assert len(cache_dir.get("key")) == SIZE_LIMIT - 2


def test_another_process_may_make_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cache directory is as good, and nothing of ours is left beside it."""
    make = tempfile.mkdtemp

    def quicker(prefix: str, dir: Path) -> str:  # noqa: A002  # as tempfile calls it
        monkeypatch.undo()
        with open_directory(tmp_path / "x") as cache_dir:
            cache_dir.set("key", "theirs")
        return make(prefix=prefix, dir=dir)

    monkeypatch.setattr("tempfile.mkdtemp", quicker)
    before = {path.name for path in tmp_path.iterdir()}
    with open_directory(tmp_path / "x") as cache_dir:
        assert cache_dir.get("key") == "theirs"
    assert {path.name for path in tmp_path.iterdir()} - before == {"x"}


@pytest.mark.parametrize("name", ["cache.db", "cache.db-wal", "cache.db-journal"])
def test_a_directory_in_a_databases_place_is_damage(tmp_path: Path, name: str) -> None:
    """As is a link; other things in the directory are none of ours, and do not matter."""
    open_directory(tmp_path / "x").close()
    (tmp_path / "x" / "lost+found").mkdir()
    CacheDirectory(tmp_path / "x", CACHE).close()
    (tmp_path / "x" / name).unlink(missing_ok=True)
    (tmp_path / "x" / name).mkdir()
    with pytest.raises(Damaged, match=f"{name} in it is no file"):
        CacheDirectory(tmp_path / "x", CACHE)


@pytest.fixture
def cache(tmp_path: Path) -> diskcache.Cache:
    made = diskcache.Cache(str(tmp_path / "cache"), disk=JsonDisk, eviction_policy="none")
    made.set("key", {"ours": True})
    return made


def test_what_goes_in_comes_out(cache: diskcache.Cache) -> None:
    """Small and large, in any script."""
    for value in ({"a": [1, None, "é\u202e"]}, ["x" * 10_000], 7, "text", True):
        cache.set("key", value)
        assert cache.get("key") == value


def test_only_text_keys_and_whole_values_are_taken(cache: diskcache.Cache) -> None:
    """Anything else would be pickled, or kept in a file."""
    with pytest.raises(TypeError):
        cache.set(("a", "tuple"), 1)
    with pytest.raises(TypeError):
        cache.set("key", "value", read=True)


@given(
    st.integers(0, 6),
    st.none() | st.text(max_size=8),
    st.none() | st.binary(max_size=40) | st.text(max_size=20),
)
def test_no_row_makes_reading_fail_in_another_way(mode: int, filename: str | None, value: object) -> None:
    """Whatever stands in the columns."""
    disk = JsonDisk.__new__(JsonDisk)
    try:
        disk.fetch(mode, filename, value, False)
    except UnsafeEntry:
        assert disk.refused == 1
