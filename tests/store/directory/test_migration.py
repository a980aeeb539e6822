"""A ledger of format 1 is brought into today's by whatever uses it first, whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.store.directory.directory_place import LEDGER, DirectoryPlace
from almajob.store.diskcache_directory import CacheDirectory, open_directory
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, State, Transition
from almajob.store.schema import LEDGER_FORMAT
from tests.store.directory.format_1 import key_of, write_ledger
from tests.store.ledger.everything import fill
from tests.store.ledger.test_record import new, records
from tests.support.ledgers import list_records, open_ledger, read_fact
from tests.support.memory_place import MemoryPlace
from tests.support.processes import exit_codes
from tests.support.thoroughness import sample

FORMATS = Path(__file__).parents[1] / "formats"
GAP = Gap(1.0, 9.0)
FACTS = {
    "tags:alma:M44": True,
    "gap": GAP._asdict(),
    "place:a:b": {"ä": [1, None]},
    "run keys that are not normal": [],
}
NEWS = [(f"event {number}", "ab"[number % 2], {"number": number}, number % 3) for number in (3, 1, 2, 7, 5)]


@pytest.fixture
def made() -> list[Record]:
    """Records of every state, more than one row of a series has."""
    return fill(Ledger(MemoryPlace()))


@pytest.fixture
def old(tmp_path: Path, made: list[Record]) -> Path:
    """The directory of a ledger of format 1 that has them, facts and announcements."""
    return write_ledger(tmp_path / "state" / "ledger", made, FACTS, NEWS)


def _assert_whole(directory: Path, made: list[Record]) -> None:
    """Make sure that a ledger is that of ``old``, in today's format."""
    ledger = open_ledger(directory)
    assert list_records(ledger) == made
    with ledger.read() as view:
        assert [record.id for record in view.read_back()] == [record.id for record in made[::-1]]
        assert view.count() == len(made)
        assert view.list_open() == [record for record in made if record.is_open]
        for record in made:
            assert record in view.list_of_key(record.run_key)
            assert record in view.list_of_job(record.job_id)
            assert view.knows(record.environment, record.job_id)
            assert not record.instance_id or view.list_claims([record.instance_id]) == [record]
            assert all(record in view.list_of_instance(each.id) for each in record.candidates)
        assert [view.fact(name) for name in FACTS] == [True, GAP._asdict(), {"ä": [1, None]}, None]
        assert view.find_gap(10.0) == GAP
    assert [each[:4] for each in ledger.announcements()] == NEWS
    with contextlib.closing(sqlite3.connect(directory / "cache.db")) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM Cache")]
        ((integrity,),) = database.execute("PRAGMA integrity_check")
    assert integrity == "ok"
    assert {key.partition(":")[0] for key in keys} == {str(LEDGER_FORMAT)}


@pytest.mark.parametrize("number", range(1, LEDGER_FORMAT + 1))
def test_what_every_released_format_wrote_is_read(number: int, tmp_path: Path) -> None:
    """A directory of each is kept here."""
    copy = tmp_path / "ledger"
    shutil.copytree(FORMATS / str(number), copy)
    copy.chmod(0o700)
    for path in copy.iterdir():
        path.chmod(0o600)
    ledger = open_ledger(copy)
    found = list_records(ledger)
    assert [(record.id, record.state.value) for record in found] == [
        ("20261122-aaaaaa", "STARTED"),
        ("20261122-bbbbbb", "AMBIGUOUS"),
        ("20261122-cccccc", "ADOPTED"),
    ]
    assert found[1].candidates[0].id == "9563643080000561"
    assert read_fact(ledger, "tags:sandbox:M44") is True
    with ledger.read() as view:
        assert view.list_open() == [found[1]]
        assert view.list_of_key(found[0].run_key) == [found[0]]


def test_the_first_one_that_uses_it_brings_it_into_todays_format(old: Path, made: list[Record]) -> None:
    """Nothing about it changes, and it goes on."""
    _assert_whole(old, made)
    ledger = open_ledger(old)
    ledger.write(new(id="next", trail=(Transition(State.PREPARED, 1e9, "x"),)))
    assert [record.id for record in list_records(ledger)][-2:] == [made[-1].id, "next"]
    with ledger.read() as view:
        assert next(view.read_back()).id == "next"


@settings(max_examples=25)
@given(st.lists(records(), max_size=8), st.dictionaries(st.text("abc:ä", max_size=5), st.integers()))
def test_whatever_it_has_nothing_is_changed(written: list[Record], facts: dict[str, int]) -> None:
    """Records with any text in them, and facts of any name."""
    # An id with a colon was never made, and the keys of that time could not have had it.
    made = [
        replace(record, id=f"r{number}", instance_id=str(number)) for number, record in enumerate(written)
    ]
    facts = {name: fact for name, fact in facts.items() if not name.startswith("news:") and name != "gap"}
    with tempfile.TemporaryDirectory() as directory:
        ledger = open_ledger(write_ledger(Path(directory, "state", "ledger"), made, facts))
        expected = sorted(made, key=lambda record: (record.created_at, record.id))
        assert list_records(ledger) == expected
        with ledger.read() as view:
            assert all(view.fact(name) == fact for name, fact in facts.items())
            assert view.list_open() == [record for record in expected if record.is_open]


def test_an_empty_ledger_has_no_format(tmp_path: Path) -> None:
    """And can be written to."""
    ledger = open_ledger(write_ledger(tmp_path / "state" / "ledger", []))
    assert list_records(ledger) == []
    ledger.write(new())
    assert list_records(ledger) == [new()]


def _spoil(database: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(database)) as opened, opened:
        assert opened.execute(statement, values).rowcount != 0


def _lose_row(database: Path, record: Record) -> None:
    """Take a row away as a damaged page does: it is counted all the same."""
    _spoil(database, "DELETE FROM Cache WHERE key = ?", key_of(record))
    _spoil(database, "UPDATE Settings SET value = value + 1 WHERE key = 'count'")


def _copy_row(database: Path, record: Record) -> None:
    """Have a record twice: open, and with an outcome."""
    other = record.advance(State.NOT_STARTED, 99.0, "x")
    write_ledger(database.parent, [other])


DAMAGE: dict[str, Callable[[Path, list[Record]], object]] = {
    "a row is gone": lambda database, made: _lose_row(database, made[2]),
    "a value is another": lambda database, made: _spoil(
        database, "UPDATE Cache SET value = replace(value, 'PRE', 'PRe') WHERE key = ?", key_of(made[0])
    ),
    "a value is no text": lambda database, made: _spoil(
        database, "UPDATE Cache SET value = CAST(x'ff' AS TEXT) WHERE key = ?", key_of(made[0])
    ),
    "a key is another": lambda database, made: _spoil(
        database, "UPDATE Cache SET key = replace(key, 'S1', 'S2') WHERE key = ?", key_of(made[0])
    ),
    "a key is no text": lambda database, made: _spoil(
        database, "UPDATE Cache SET key = x'31' WHERE key = ?", key_of(made[0])
    ),
    "values are swapped": lambda database, made: _spoil(
        database,
        "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key = ?) WHERE key = ?",
        *(key_of(made[2]), key_of(made[0])),
    ),
    "a fact is another": lambda database, made: _spoil(
        database, "UPDATE Cache SET value = replace(value, 'true', 'null') WHERE key LIKE '1:fact:tags%'"
    ),
    "an announcement is another": lambda database, made: _spoil(
        database, "UPDATE Cache SET value = replace(value, 'event', 'evemt') WHERE key LIKE '1:fact:news%'"
    ),
    "a record is there twice": lambda database, made: _copy_row(database, made[0]),
    "a record is none": lambda database, made: write_ledger(database.parent, [_Nonsense()]),
    "an announcement is none": lambda database, made: write_ledger(
        database.parent, [], {"news:0:x": ["too", "few"][:1]}
    ),
    "rows of both formats": lambda database, made: _spoil(
        database, "UPDATE Cache SET key = '1;' || key WHERE key = ?", key_of(made[0])
    ),
    "a row of today's among them": lambda database, made: _add_row(database, "1:~"),
    "a row of a format before": lambda database, made: _add_row(database, "0:x"),
    "no count": lambda database, made: _spoil(
        database, "UPDATE Settings SET value = 'many' WHERE key = 'count'"
    ),
}


def _add_row(database: Path, text: str) -> None:
    """Add a row whose key has the right check."""
    with open_directory(database.parent, LEDGER) as opened:
        opened.set(f"{text}:{zlib.crc32(text.encode()):08x}", 1)


class _Nonsense(Record):
    """Something that is no record, under a record's key."""

    def __init__(self) -> None:
        for name, value in new(id="z").to_json().items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "trail", new().trail)

    def to_json(self) -> dict[str, Any]:
        return {"no": "record"}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_refused_and_left_as_it_is(
    old: Path, made: list[Record], damage: Callable[[Path, list[Record]], object]
) -> None:
    """Byte for byte, however often it is tried."""
    damage(old / "cache.db", made)
    before = (old / "cache.db").read_bytes()
    for _again in range(2):
        with pytest.raises(LedgerUnusable) as caught:
            list_records(open_ledger(old))
        assert f"mv {old} {old}.damaged" in caught.value.hint
        assert (old / "cache.db").read_bytes() == before
    with pytest.raises(LedgerUnusable):
        open_ledger(old).write(new(id="another"))
    assert (old / "cache.db").read_bytes() == before


class _Killer:
    """Counts the statements of one process that write, and kills it before one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*given, **named)

        return stepped


def _migrate_and_die(directory: Path, at: int) -> None:
    killer = _Killer(at)
    for name in ("write_rows", "delete_rows", "read_rows"):
        setattr(CacheDirectory, name, killer.step(getattr(CacheDirectory, name)))
    connect = CacheDirectory._connect

    def traced(self: CacheDirectory) -> Any:
        connection = connect(self)
        connection.set_trace_callback(lambda sql: killer.step(lambda: None)() if sql == "COMMIT" else None)
        return connection

    CacheDirectory._connect = traced  # type: ignore[method-assign]
    list_records(open_ledger(directory))
    os._exit(7)


def test_whenever_it_is_killed_the_next_one_begins_anew(old: Path, made: list[Record]) -> None:
    """Before each of its steps, and before its commit; what comes of it is always the same."""
    whole = shutil.copytree(old, old.with_name("whole"))
    deaths = 0
    for moment in itertools.count(1):
        shutil.rmtree(old)
        shutil.copytree(whole, old)
        (code,) = exit_codes(_migrate_and_die, [(old, moment)])
        if code == 7:
            break
        assert code == -signal.SIGKILL
        deaths += 1
        if moment in sample(range(1, 99)):
            _assert_whole(old, made)
    assert deaths > 5
    _assert_whole(old, made)


@contextlib.contextmanager
def _limited(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: it stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_one(old: Path, made: list[Record]) -> None:
    """Whatever has no room, the journal or the database; with more room it goes on."""
    before, size = (old / "cache.db").read_bytes(), (old / "cache.db").stat().st_size
    for room in (1000, size // 2, size - 4096, size + 4096):
        with _limited(room), pytest.raises(LedgerUnusable) as caught:
            list_records(open_ledger(old))
        assert "ALMAJOB_STATE_DIR" in caught.value.hint
        assert ".damaged" not in caught.value.hint
        # What SQLite has written of it, it takes back when it is opened next.
        with contextlib.closing(sqlite3.connect(old / "cache.db")) as database:
            database.execute("SELECT count(*) FROM Cache").fetchone()
        assert (old / "cache.db").read_bytes() == before
    _assert_whole(old, made)


def _migrate(directory: Path) -> None:
    assert len(list_records(open_ledger(directory))) > 0


def test_two_processes_at_once_do_it_once(old: Path, made: list[Record]) -> None:
    """The others wait for the first."""
    assert exit_codes(_migrate, [(old,)] * 4) == [0] * 4
    _assert_whole(old, made)


def test_people_see_how_far_it_is(old: Path, made: list[Record]) -> None:
    """Once, as long as it takes; and nothing where nothing is done."""
    shown: list[str] = []

    @contextlib.contextmanager
    def show(describe: Callable[[], str], /, **_more: bool) -> Iterator[None]:
        shown.append(describe())
        yield
        shown.append(describe())

    for _again in range(2):
        list_records(Ledger(DirectoryPlace(old, show)))
    total = len(made) + len(FACTS) + len(NEWS)
    assert shown == [
        "Bringing the ledger into the form of this almajob, once",
        f"Bringing the ledger into the form of this almajob, once: {total} of {total} rows",
    ]
