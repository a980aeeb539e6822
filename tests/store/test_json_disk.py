"""A diskcache directory that somebody tampered with runs nothing, reads nothing and deletes nothing."""

from __future__ import annotations

import pickle
import sqlite3
import zlib
from pathlib import Path

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.store.errors import UnsafeEntry
from almajob.store.json_disk import JsonDisk

MODE_TEXT, MODE_PICKLE = 3, 4


class Exploit:
    """Unpickled, it makes a file."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.flag), "w")


@pytest.fixture
def cache(tmp_path: Path) -> diskcache.Cache:
    made = diskcache.Cache(str(tmp_path / "cache"), disk=JsonDisk, eviction_policy="none")
    made.set("key", {"ours": True})
    return made


def _tamper(cache: diskcache.Cache, **columns: object) -> None:
    with sqlite3.connect(Path(cache.directory, "cache.db")) as database:
        for column, value in columns.items():
            database.execute(f"UPDATE Cache SET {column} = ?", (value,))
    database.close()


def test_what_goes_in_comes_out(cache: diskcache.Cache) -> None:
    """Small and large, in any script."""
    for value in ({"a": [1, None, "é\u202e"]}, ["x" * 10_000], 7, "text", True):
        cache.set("key", value)
        assert cache.get("key") == value


def test_a_pickled_value_is_a_miss(cache: diskcache.Cache, tmp_path: Path) -> None:
    """In the row itself."""
    flag = tmp_path / "ran"
    _tamper(cache, mode=MODE_PICKLE, value=pickle.dumps(Exploit(flag)))
    assert cache.get("key", "miss") == "miss"
    assert not flag.exists()
    assert cache.disk.refused == 1


def test_a_pickled_file_is_a_miss(cache: diskcache.Cache, tmp_path: Path) -> None:
    """In a file beside the database."""
    flag = tmp_path / "ran"
    Path(cache.directory, "x.val").write_bytes(pickle.dumps(Exploit(flag)))
    _tamper(cache, mode=MODE_PICKLE, filename="x.val", value=None)
    assert cache.get("key", "miss") == "miss"
    assert not flag.exists()


def test_a_pickled_key_is_refused(cache: diskcache.Cache, tmp_path: Path) -> None:
    """When the keys are listed."""
    flag = tmp_path / "ran"
    _tamper(cache, raw=0, key=pickle.dumps(Exploit(flag)))
    with pytest.raises(UnsafeEntry):
        list(cache)
    assert not flag.exists()


def test_a_file_elsewhere_is_not_read(cache: diskcache.Cache, tmp_path: Path) -> None:
    """Whatever path the row names."""
    secret = tmp_path / "secret.txt"
    secret.write_text('"secret"', "utf-8")
    _tamper(cache, mode=MODE_TEXT, filename=str(secret), value=None)
    assert cache.get("key", "miss") == "miss"


def test_a_file_elsewhere_is_not_deleted(cache: diskcache.Cache, tmp_path: Path) -> None:
    """When its row is replaced or removed."""
    victim = tmp_path / "victim.txt"
    victim.write_text("precious", "utf-8")
    _tamper(cache, filename="../victim.txt")
    cache.set("key", 1)
    _tamper(cache, filename="../victim.txt")
    cache.delete("key")
    assert victim.read_text("utf-8") == "precious"


@pytest.mark.parametrize(
    "value",
    [b"not zlib", zlib.compress(b"not json"), "{", "[" * 100_000, 7.5, zlib.compress(b" " * (65 * 2**20))],
    ids=["damaged", "no json", "cut off", "deep", "a number", "a bomb"],
)
def test_a_damaged_value_is_a_miss_or_harmless(cache: diskcache.Cache, value: object) -> None:
    """Nothing of it reaches the caller as something else than JSON."""
    _tamper(cache, value=value)
    assert cache.get("key", "miss") in ("miss", 7.5)


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
