"""What every place of a ledger owes: rows of one moment, all or nothing, in turn; locks that die."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from almajob.errors import JobBusy
from almajob.store.errors import Damaged
from almajob.store.ledger.place import LedgerUnusable, Place, Rows
from almajob.store.schema import LEDGER_FORMAT
from tests.support.forks import fork
from tests.support.memory_place import MemoryPlace
from tests.support.places import DIRECTORY, POSTGRESQL, Home
from tests.support.processes import PROCESSES, exit_codes
from tests.support.thoroughness import STRIDE

PROCESS_COUNT, TIMES = 8, 48 // STRIDE
WAIT = 30.0
_FORMAT = f"{LEDGER_FORMAT}:"


@pytest.fixture(params=["memory", DIRECTORY, POSTGRESQL])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each place, with nothing in it."""
    if request.param == "memory":
        yield MemoryPlace()
        return
    home: Home = request.getfixturevalue(f"{request.param}_home")
    opened = home.open()
    yield opened
    opened.close()
    # What is large would be searched for keys.
    shutil.rmtree(home.state, ignore_errors=True)


class _Formatted:
    """Rows of which each key begins with the ledger's format, at which a place may look."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        found = self._rows.get(map(_formatted, keys))
        return {key.removeprefix(_FORMAT): value for key, value in found.items()}

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        after = _formatted(after) if after else ""
        found = self._rows.list(_formatted(prefix), limit=limit, after=after)
        assert all(key.startswith(_FORMAT) for key in found)
        return [key.removeprefix(_FORMAT) for key in found]

    def put(self, rows: Mapping[str, Any]) -> None:
        self._rows.put({_formatted(key): value for key, value in rows.items()})

    def delete(self, keys: Iterable[str]) -> None:
        self._rows.delete(map(_formatted, keys))


def _formatted(key: str) -> str:
    return f"{_FORMAT}{key}"


@contextlib.contextmanager
def _read(place: Place) -> Iterator[Rows]:
    with place.read(WAIT) as rows:
        yield _Formatted(rows)


@contextlib.contextmanager
def _change(place: Place, wait: float = WAIT, *, is_of_start: bool = False) -> Iterator[Rows]:
    with place.change(wait, is_of_start=is_of_start) as rows:
        yield _Formatted(rows)


def _put(place: Place, rows: dict[str, Any]) -> None:
    with _change(place) as there:
        there.put(rows)


def _get(place: Place, *keys: str) -> dict[str, Any]:
    with _read(place) as there:
        return there.get(keys)


def _list(place: Place, prefix: str, **options: Any) -> list[str]:
    with _read(place) as there:
        return there.list(prefix, **options)


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**53 + 1, 10**40, 0.1, -0.0, 1e308, 5e-324),
    *("", "x", "\0", "a\0b", "\u0001\u001f\u007f", "\\u0000", "\\", "%", "_", "'", '"', "$$", "{}", "NaN"),
    *("é", "e\u0301", "ß", "\u2028", "\ufffe", "\U0010ffff", "\ud800", "שלום", "日本", "👩‍👩‍👧"),
    *([], {}, [[[]]], {"": ""}, {"\0": "\0"}, {"a": [1, {"b": None}], "é": "x"}, ["\ud83d", "\ude00"]),
]


def test_every_value_is_kept_as_it_is(place: Place) -> None:
    """Whatever JSON can say, a lone NUL and half a character included; its kind, too."""
    _put(place, {f"value:{number}": value for number, value in enumerate(VALUES)})
    found = _get(place, *(f"value:{number}" for number in range(len(VALUES))))
    assert [repr(found[f"value:{number}"]) for number in range(len(VALUES))] == list(map(repr, VALUES))


KEYS = [
    *(
        "a",
        "A",
        "b",
        "B",
        "a:",
        "a:1",
        "a:10",
        "a:2",
        "a;",
        "ä",
        "z",
        "Z",
        "ß",
        "é",
        "e\u0301",
        "日本",
        "\U0010fffd",
    ),
    *(
        "%",
        "a%",
        "_",
        "a_",
        "\\",
        "a\\",
        "a\\%",
        "'",
        '"',
        "$1",
        "%s",
        "{}",
        "?",
        " ",
        "  ",
        " a",
        "a ",
        "\t",
        "\n",
    ),
    *("\u0001", "\u007f", "\u2028", "\ufffd", "\uffff", "NULL", "x" * 1000, "é" * 500),
]


def test_keys_are_told_apart_and_sorted_by_their_characters(place: Place) -> None:
    """Not by the rules of a language, nor is a pattern's character one."""
    shuffled = random.Random(20261129).sample(KEYS, len(KEYS))
    _put(place, {f"key:{key}": key for key in shuffled})
    _put(place, {"kex:": 1, "kez:": 2, "key;": 3, "ke": 4, "KEY:a": 5})
    assert _get(place, *(f"key:{key}" for key in KEYS)) == {f"key:{key}": key for key in KEYS}
    assert _list(place, "key:") == sorted(f"key:{key}" for key in KEYS)
    for prefix in KEYS:
        wanted = sorted(f"key:{key}" for key in KEYS if key.startswith(prefix))
        assert _list(place, f"key:{prefix}") == wanted


def test_keys_are_listed_page_by_page(place: Place) -> None:
    keys = sorted(f"key:{key}" for key in KEYS)
    _put(place, dict.fromkeys([*keys, "kex:", "kez:"], 0))
    assert _list(place, "key:", limit=0) == []
    found: list[str] = []
    while page := _list(place, "key:", limit=7, after=found[-1] if found else ""):
        assert len(page) <= 7
        found += page
    assert found == keys
    assert _list(place, "key:", after="key:zz") == [key for key in keys if key > "key:zz"]
    assert _list(place, "key:", after="a", limit=1) == keys[:1]
    assert _list(place, "nothing:") == []


def test_a_key_with_a_nul_is_kept_or_refused(place: Place) -> None:
    """PostgreSQL has no such text. Then nothing of the change is kept."""
    try:
        _put(place, {"key:a\0b": 1, "key:c": 2})
    except LedgerUnusable:
        assert _list(place, "key:") == []
    else:
        assert _list(place, "key:") == ["key:a\0b", "key:c"]


def test_rows_are_replaced_and_deleted(place: Place) -> None:
    """One that is not there is not missed; of many at once, too."""
    many = {f"many:{number:05}": number for number in range(3000)}
    _put(place, {"a:1": 1, "a:2": 2, **many})
    with _change(place) as rows:
        rows.put({"a:1": "one", "a:3": 3})
        rows.delete(["a:2", "a:4"])
        rows.put({})
        rows.delete([])
        assert rows.get([]) == {}
        # Its own changes are seen at once.
        assert rows.list("a:") == ["a:1", "a:3"]
        assert rows.get(["a:1", "a:2", "a:3", "a:4"]) == {"a:1": "one", "a:3": 3}
    assert _get(place, "a:1", "a:2", "a:3") == {"a:1": "one", "a:3": 3}
    assert _get(place, *many) == many
    with _change(place) as rows:
        rows.delete(iter(many))
    assert _list(place, "many:") == []


@pytest.mark.parametrize(
    "failure", [Damaged("x"), ValueError("x"), KeyboardInterrupt(), OSError(5, "x")], ids=repr
)
def test_a_change_that_fails_has_changed_nothing(place: Place, failure: BaseException) -> None:
    """What the place cannot know of passes as it is; what is damage or a failure of its own is named."""
    _put(place, {"a:1": 1, "a:2": 2})
    wanted = LedgerUnusable if isinstance(failure, (Damaged, OSError)) else type(failure)
    with pytest.raises(wanted), _change(place) as rows:
        rows.put({"a:1": 10, "a:3": 3})
        rows.delete(["a:2"])
        raise failure
    assert _get(place, "a:1", "a:2", "a:3") == {"a:1": 1, "a:2": 2}
    _put(place, {"a:1": 100})
    assert _get(place, "a:1") == {"a:1": 100}


def test_damage_that_is_found_by_a_read_is_named(place: Place) -> None:
    with pytest.raises(LedgerUnusable) as caught, _read(place):
        raise Damaged("a row is missing")
    assert not caught.value.is_retry_safe
    with pytest.raises(ZeroDivisionError), _read(place):
        raise ZeroDivisionError
    assert _list(place, "a:") == []


@pytest.mark.parametrize("size", [2**12, 2**20, 2**24 - 2**10])
def test_large_values_are_kept(place: Place, size: int) -> None:
    """Up to 16 MiB: whether it can be made smaller or not."""
    noise = random.Random(size).randbytes(size // 2).hex()
    _put(place, {"a:noise": noise, "a:plain": "x" * size})
    assert _get(place, "a:noise") == {"a:noise": noise}
    assert _get(place, "a:plain") == {"a:plain": "x" * size}


def test_a_value_that_is_too_large_is_refused(place: Place) -> None:
    """As it could not be read again; nothing of the change is kept."""
    if isinstance(place, MemoryPlace):
        pytest.skip("memory is as large as it is")
    with pytest.raises(LedgerUnusable, match="cannot be used") as caught:
        _put(place, {"a:1": 1, "a:large": "x" * 2**24})
    assert "larger than 16 MiB" in caught.value.reason
    assert ".damaged" not in caught.value.hint
    assert _list(place, "a:") == []


def test_a_read_is_of_one_moment(home: Home) -> None:
    """A change meanwhile waits, or is not seen before the read is over."""
    ours, theirs = home.open(), home.open()
    _put(ours, {"a:1": 1})
    with _read(ours) as rows:
        assert rows.list("a:") == ["a:1"]
        try:
            with _change(theirs, 0.05) as others:
                others.put({"a:1": 2, "a:2": 2})
        except LedgerUnusable:
            assert home.kind == DIRECTORY
        assert rows.list("a:") == ["a:1"]
        assert rows.get(["a:1", "a:2"]) == {"a:1": 1}


def test_a_change_is_alone(home: Home) -> None:
    """Others wait for it, for as long as they say; then the message says that it is in use, not damaged."""
    ours, theirs = home.open(), home.open()
    with _change(ours) as rows:
        rows.put({"a:1": 1})
        with pytest.raises(LedgerUnusable) as caught, _change(theirs, 0.05):
            raise AssertionError("two change it")
        assert ".damaged" not in caught.value.hint
    assert _get(theirs, "a:1") == {"a:1": 1}
    _put(theirs, {"a:1": 2})
    assert _get(ours, "a:1") == {"a:1": 2}


def _count_up(home: Home, number: int, all_ready: Barrier, times: int) -> None:
    place = home.on_another_host(f"host{number % 3}").open()
    all_ready.wait()
    for turn in range(times):
        with _change(place) as rows:
            count = rows.get(["count"]).get("count", 0)
            rows.put({"count": count + 1, f"turn:{count:05}": [number, turn]})
            rows.delete([f"turn:{count - 5:05}"])


def test_many_processes_take_turns(home: Home) -> None:
    """No change is lost, and none is made twice."""
    all_ready = PROCESSES.Barrier(PROCESS_COUNT)
    each = [(home, number, all_ready, TIMES) for number in range(PROCESS_COUNT)]
    assert exit_codes(_count_up, each) == [0] * PROCESS_COUNT
    place, whole = home.open(), PROCESS_COUNT * TIMES
    assert _get(place, "count") == {"count": whole}
    assert _list(place, "turn:") == [f"turn:{count:05}" for count in range(whole - 5, whole)]


def _die_in_a_change(home: Home, moment: str) -> None:
    place = home.open()
    with _change(place) as rows:
        rows.put({"a:1": 2})
        if moment == "within":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("moment", "kept"), [("within", 1), ("after", 2)])
def test_a_process_that_dies_in_a_change_has_changed_nothing(home: Home, moment: str, kept: int) -> None:
    """And is in nobody's way; directly after it, all is kept."""
    place = home.open()
    _put(place, {"a:1": 1})
    assert exit_codes(_die_in_a_change, [(home, moment)]) == [-signal.SIGKILL]
    assert _get(place, "a:1") == {"a:1": kept}
    _put(place, {"a:1": 3})


def test_a_forked_child_uses_it_as_its_parent_does(home: Home) -> None:
    """What the parent has open stays the parent's, also when the child ends."""
    place = home.open()
    _put(place, {"a:1": 1})

    def use() -> list[Any]:
        found = _get(place, "a:1")["a:1"]
        _put(place, {"a:2": found + 1})
        return _list(place, "a:")

    assert fork(use)() == ["a:1", "a:2"]
    assert _get(place, "a:1", "a:2") == {"a:1": 1, "a:2": 2}
    # In the middle of a change, too: the child neither ends it nor is part of it.
    with _change(place) as rows:
        rows.put({"a:3": 3})
        assert fork(lambda: 0)() == 0
        assert rows.list("a:") == ["a:1", "a:2", "a:3"]
    assert _list(place, "a:") == ["a:1", "a:2", "a:3"]


def test_threads_take_turns(home: Home) -> None:
    """Of one process with one place, as in a program that uses the library."""
    place, counted = home.open(), []

    def count_up() -> None:
        for _ in range(TIMES):
            with _change(place) as rows:
                rows.put({"count": rows.get(["count"]).get("count", 0) + 1})
            counted.append(1)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 4 * TIMES
    assert _get(place, "count") == {"count": 4 * TIMES}


# Locks.

NAMES = [
    "sandbox:M44",
    "key:01X:nightly",
    "key:01X:a%b_c\\'\"",
    "key:é日本👩‍👩‍👧",
    "x" * 5000,
    " ",
    "a\0b",
    "\ud800",
]


@pytest.mark.parametrize("remove", [False, True])
def test_a_lock_keeps_everybody_else_out(place: Place, remove: bool) -> None:
    """Of whatever name, this process included; then it is free."""
    for name in NAMES:
        with place.locks.lock(name, 0, remove=remove):
            with pytest.raises(JobBusy) as caught, place.locks.lock(name, 0, "Go away."):
                raise AssertionError("two have it")
            assert caught.value.hint == "Go away."
            with place.locks.lock(f"{name}2", 0, remove=remove):
                pass
        with place.locks.lock(name, 0, remove=remove):
            pass


def test_a_block_that_fails_gives_its_lock_back(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.locks.lock("a", 0):
        raise ZeroDivisionError
    with place.locks.lock("a", 0):
        pass


def test_a_lock_and_a_change_get_along(place: Place) -> None:
    """Whoever has locks changes rows; a change that fails does not cost the lock."""
    with place.locks.lock("a", 0), place.locks.lock("b", 0):
        with _change(place, is_of_start=True) as rows:
            rows.put({"a:1": 1})
        with pytest.raises(ZeroDivisionError), _change(place, is_of_start=True):
            raise ZeroDivisionError
        with pytest.raises(JobBusy), place.locks.lock("a", 0):
            pass
        with _change(place, is_of_start=True) as rows:
            rows.put({"a:2": 1})
    with _change(place, is_of_start=True) as rows:
        rows.put({"a:3": 1})
    assert _list(place, "a:") == ["a:1", "a:2", "a:3"]


def test_a_lock_is_checked(place: Place) -> None:
    """What is returned is for people."""
    assert place.locks.check()
    with place.locks.lock("a", 0):
        assert place.locks.check()


def _hold(home: Home, name: str, connection: Connection) -> None:
    """Hold a lock until told to give it back, or killed; then say so."""
    place = home.open()
    with place.locks.lock(name, WAIT, remove=True):
        connection.send(os.getpid())
        connection.recv()
    connection.send("gave it back")
    connection.recv()


class Holder:
    """Another process, perhaps of another host, which has a lock."""

    def __init__(self, home: Home, name: str, work: Callable[..., None] = _hold) -> None:
        self.connection, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=work, args=(home, name, theirs))
        self.process.start()
        theirs.close()
        self.pid = self.connection.recv()

    def give_back(self) -> None:
        self.connection.send("")
        assert self.connection.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    """Those who hold something, until the test ends."""
    made: list[Holder] = []
    yield made
    for holder in made:
        holder.kill()


def test_another_process_is_kept_out_and_told_who_has_it(home: Home, holders: list[Holder]) -> None:
    place = home.open()
    holders.append(Holder(home.on_another_host("host2"), "a"))
    with pytest.raises(JobBusy) as caught, place.locks.lock("a", 0):
        pass
    assert f"process {holders[0].pid} on {os.uname().nodename}, which began at 2" in caught.value.reason
    with pytest.raises(JobBusy), place.locks.lock("a", 0.05):
        pass
    holders[0].give_back()
    with place.locks.lock("a", 0):
        pass


def test_whoever_waits_has_it_when_it_is_given_back(home: Home, holders: list[Holder]) -> None:
    place = home.open()
    holders.append(Holder(home, "a"))
    giving = threading.Timer(0.05, holders[0].connection.send, ("",))
    giving.start()
    with place.locks.lock("a", WAIT):
        pass
    giving.join()


def test_a_lock_dies_with_its_process(home: Home, holders: list[Holder]) -> None:
    """By SIGKILL; also if somebody waits for it already."""
    place = home.open()
    holders.append(Holder(home, "a"))
    holders[0].kill()
    with place.locks.lock("a", WAIT):
        pass
    holders.append(Holder(home, "a"))
    killing = threading.Timer(0.05, holders[1].kill)
    killing.start()
    with place.locks.lock("a", WAIT):
        pass
    killing.join()


def test_a_thread_that_waits_keeps_no_other_from_the_ledger(home: Home, holders: list[Holder]) -> None:
    """Of one process with one place: one waits for a lock, the other one works, and has locks of its own."""
    place, got = home.open(), threading.Event()
    holders.append(Holder(home, "a"))

    def wait() -> None:
        with place.locks.lock("a", WAIT):
            got.set()

    waiting = threading.Thread(target=wait)
    with place.locks.lock("b", 0):
        waiting.start()
        _put(place, {"a:1": 1})
        assert _get(place, "a:1") == {"a:1": 1}
        with place.locks.lock("c", WAIT):
            pass
        assert not got.is_set()
        holders[0].give_back()
        assert got.wait(WAIT)
        with _change(place, is_of_start=True) as rows:
            rows.put({"a:1": 2})
    waiting.join()


def test_a_lock_of_one_thread_keeps_out_another(home: Home) -> None:
    place, told = home.open(), []

    def try_it() -> None:
        try:
            with place.locks.lock("a", 0):
                told.append("had it")
        except JobBusy:
            told.append("busy")

    with place.locks.lock("a", 0):
        trying = threading.Thread(target=try_it)
        trying.start()
        trying.join()
    assert told == ["busy"]


def test_a_forked_child_has_no_part_in_its_parents_lock(home: Home) -> None:
    """It is kept out itself, and gives nothing back when it ends."""
    place = home.open()

    def try_it() -> str:
        try:
            with place.locks.lock("a", 0):
                return "had it"
        except JobBusy:
            return "busy"

    with place.locks.lock("a", 0):
        assert fork(try_it)() == "busy"
        assert fork(place.locks.release)() is None
        with pytest.raises(JobBusy), home.open().locks.lock("a", 0):
            pass
        with _change(place, is_of_start=True) as rows:
            rows.put({"a:1": 1})
    assert fork(try_it)() == "had it"


def _be_busy(home: Home, name: str, connection: Connection) -> None:
    place = home.open()
    place.locks.hold(name)
    connection.send(os.getpid())
    connection.recv()
    place.locks.release()
    connection.send("released")
    connection.recv()


def test_who_lives_and_is_busy_is_seen(home: Home, holders: list[Holder]) -> None:
    """From everywhere, until it says so, or dies; a place of its own may ask as well."""
    place = home.open()
    assert not place.locks.is_held("r1")
    holders.append(Holder(home.on_another_host("host2"), "r1", _be_busy))
    holders.append(Holder(home.on_another_host("host3"), "r2", _be_busy))
    for _ in range(3):
        assert [place.locks.is_held(f"r{number}") for number in (1, 2, 3)] == [True, True, False]
    holders[0].give_back()
    assert [place.locks.is_held(f"r{number}") for number in (1, 2)] == [False, True]
    holders[1].kill()
    while place.locks.is_held("r2"):
        pass
    place.locks.hold("r3")
    assert home.open().locks.is_held("r3")
    assert fork(lambda: place.locks.is_held("r3"))()
    place.locks.release()
    assert not home.open().locks.is_held("r3")


def test_nobody_is_busy_who_has_closed(home: Home) -> None:
    """As a command does at its end, or the shell between two of them."""
    place = home.open()
    place.locks.hold("r1")
    place.locks.release()
    place.close()
    assert not place.locks.is_held("r1")
    place.close()
    place.close()
    _put(place, {"a:1": 1})


def test_the_newest_record_is_named_by_a_file_of_this_machine(home: Home) -> None:
    place, other = home.open(), home.on_another_host("host2").open()
    assert place.newest.is_relative_to(home.state)
    assert isinstance(place.newest, Path)
    assert (place.newest == other.newest) == (home.kind == DIRECTORY)
    place.need()


def test_its_bytes_are_counted(home: Home) -> None:
    place = home.open()
    _put(place, {"a:1": "x"})
    before = place.count_bytes()
    _put(place, {"a:2": random.Random(1).randbytes(2**16).hex()})
    assert place.is_there
    assert 0 < before < place.count_bytes()
