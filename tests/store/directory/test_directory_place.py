"""A ledger in a directory: unusable rather than wrong, whatever happens to it."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import diskcache
import pytest

from almajob.errors import Refused
from almajob.store.directory.directory_place import LEDGER, DirectoryPlace, MissingPlace
from almajob.store.diskcache_directory import JsonDisk
from almajob.store.ledger.ledger import TURN_SECONDS, Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.system.file_lock import lock_file
from tests.store.directory.format_1 import write_ledger
from tests.store.ledger.everything import ask, fill
from tests.store.ledger.test_record import new
from tests.support.ledgers import directory_of, list_records, open_ledger
from tests.support.processes import PROCESSES
from tests.support.thoroughness import sample

_NOBODY = 65534


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "state" / "ledger")


def _ask(ledger: Ledger, wait: float | None = None) -> list[Any]:
    with ledger.read(wait=wait) as view:
        return ask(view)


def test_a_ledger_that_somebody_keeps_is_not_damaged(ledger: Ledger) -> None:
    """After the time that there is, it is unusable for now; the cure names who has it."""
    assert LEDGER.lock_seconds == TURN_SECONDS == 30.0
    fill(ledger, 1)
    with (
        lock_file(directory_of(ledger).with_name("ledger.lock"), wait=0),
        pytest.raises(LedgerUnusable) as caught,
    ):
        _ask(ledger, wait=0)
    assert caught.value.is_retry_safe is False
    assert "Another process keeps it locked" in caught.value.reason
    assert "fuser -v" in caught.value.hint
    assert ".damaged" not in caught.value.hint


def test_a_ledger_that_is_a_link_is_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    """It is not said to be damaged."""
    fill(ledger, 1)
    directory_of(ledger).rename(tmp_path / "elsewhere")
    directory_of(ledger).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnusable) as caught:
        list_records(ledger)
    assert caught.value.reason.startswith("It is a symbolic link. ")
    assert ".damaged" not in caught.value.hint


def test_nothing_is_thrown_out_and_all_is_on_disk(ledger: Ledger) -> None:
    """No eviction, no culling, synchronous FULL on the connection that writes."""
    fill(ledger, 1)
    with diskcache.Cache(str(directory_of(ledger)), disk=JsonDisk, **LEDGER.all_settings) as opened:
        assert (opened.eviction_policy, opened.cull_limit, opened.sqlite_synchronous) == ("none", 0, 2)
        assert opened._sql("PRAGMA synchronous").fetchall() == [(2,)]
        assert opened._sql("PRAGMA journal_mode").fetchall() == [("truncate",)]


def test_the_ledger_is_private(ledger: Ledger) -> None:
    """Directories 0700, files 0600, whatever the umask; one that others can write to is refused."""
    before = os.umask(0)
    try:
        fill(ledger, 1)
    finally:
        os.umask(before)
    for path in [directory_of(ledger), directory_of(ledger).parent, *directory_of(ledger).iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    directory_of(ledger).chmod(0o770)
    with pytest.raises(LedgerUnusable, match="cannot be used") as caught:
        list_records(ledger)
    assert caught.value.reason.startswith("Other users can write to the directory")
    assert caught.value.hint == f"Type: chmod go-w {directory_of(ledger)}"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda database: database.write_bytes(b"no database at all" * 100),
    "cut off": lambda database: os.truncate(database, database.stat().st_size // 2),
    "empty": lambda database: os.truncate(database, 0),
    "gone": lambda database: database.unlink(),
    "a record deleted": lambda database: _sql(database, "DELETE FROM Cache WHERE key LIKE '%:r002:%'"),
    "heads deleted": lambda database: _sql(database, "DELETE FROM Cache WHERE key LIKE '2:series:%'"),
    "second copies deleted": lambda database: _sql(database, "DELETE FROM Cache WHERE key LIKE '2:~%'"),
    "no count": lambda database: _sql(database, "DELETE FROM Settings WHERE key = 'count'"),
    "a key of bytes": lambda database: _sql(database, "UPDATE Cache SET key = x'31' WHERE rowid = 1"),
    "a key of bytes at the end": lambda database: _sql(
        database, "UPDATE Cache SET key = x'ff' WHERE rowid = 1"
    ),
    "a key of another check": lambda database: _sql(
        database, "UPDATE Cache SET key = '3:record:r000:00000000' WHERE rowid = 1"
    ),
    "a key that is no number": lambda database: _sql(
        database, "UPDATE Cache SET key = replace(key, '2:', '2;')"
    ),
    "no text": lambda database: _sql(database, "UPDATE Cache SET value = CAST(x'ff' AS TEXT)"),
    "no JSON": lambda database: _sql(database, "UPDATE Cache SET value = '{'"),
    "a schema that is no text": lambda database: database.write_bytes(
        database.read_bytes().replace(b"TRIGGER Settings_size_update", b"TRIGGER Settings_\xc3ize_update")
    ),
    "a trigger": lambda database: _sql(
        database, "CREATE TRIGGER lost AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END"
    ),
    "values changed": lambda database: _sql(
        database, "UPDATE Cache SET value = replace(value, 'PREPARED', 'PREPAREd')"
    ),
    "keys changed": lambda database: _sql(
        database, "UPDATE Cache SET key = replace(key, 'record', 'recurd')"
    ),
    "values swapped": lambda database: _sql(
        database,
        "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key LIKE '%:r002:%')"
        " WHERE key LIKE '%:r000:%'",
    ),
    "pickles": lambda database: _sql(database, "UPDATE Cache SET mode = 4"),
    "files": lambda database: _sql(database, "UPDATE Cache SET filename = 'x'"),
    "other settings": lambda database: _sql(
        database, "UPDATE Settings SET value = 'least-recently-used' WHERE key = 'eviction_policy'"
    ),
}
HARMLESS: dict[str, Callable[[Path], object]] = {
    "a row twice": lambda database: _twice(database),
    "a row before the first": lambda database: _sql(
        database, "UPDATE Cache SET rowid = -1 WHERE key LIKE '%:r002:%'"
    ),
    "a count that is none": lambda database: _sql(
        database, "UPDATE Settings SET value = 'many' WHERE key = 'count'"
    ),
    "entries that expire": lambda database: _sql(database, "UPDATE Cache SET expire_time = 1"),
    "entries of a tag": lambda database: _sql(database, "UPDATE Cache SET tag = 1.0"),
    "what was analyzed": lambda database: _sql(database, "ANALYZE"),
}


def _sql(database: Path, *statements: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _twice(database: Path) -> None:
    """Put a row there twice, as a damaged index may let in."""
    _sql(
        database,
        "DROP INDEX Cache_key_raw",
        "INSERT INTO Cache (key, raw, mode, value) SELECT key, raw, mode, value FROM Cache WHERE rowid = 1",
        "CREATE INDEX Cache_key_raw ON Cache(key, raw)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE UNIQUE INDEX Cache_key_raw ON Cache(key, raw)'"
        " WHERE name = 'Cache_key_raw'",
    )


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_ledger_is_unusable(ledger: Ledger, damage: Callable[[Path], object]) -> None:
    """The cure is named, and nothing is moved away by itself."""
    fill(ledger)
    directory = directory_of(ledger)
    damage(directory / "cache.db")
    with pytest.raises(LedgerUnusable) as caught:
        _ask(ledger)
    assert caught.value.exit_code == 5
    assert "nothing is started" in caught.value.reason
    assert f"mv {directory} {directory}.damaged" in caught.value.hint
    assert directory.exists()


@pytest.mark.parametrize("damage", HARMLESS.values(), ids=HARMLESS)
def test_what_somebody_did_to_a_database_may_harm_nobody(
    ledger: Ledger, damage: Callable[[Path], object]
) -> None:
    """Then all that is read is right; or it is refused."""
    fill(ledger)
    answers = _ask(ledger)
    damage(directory_of(ledger) / "cache.db")
    try:
        assert _ask(ledger) == answers
    except LedgerUnusable as error:
        assert "nothing is started" in error.reason


@pytest.mark.parametrize("number", [3, 10, 99])
def test_a_ledger_of_a_newer_almajob_is_left_to_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is whole, and must not be moved away; also where rows of ours are beside it."""
    for _again in range(2):
        monkeypatch.setattr("almajob.store.ledger.sealed_rows.LEDGER_FORMAT", number)
        monkeypatch.setattr("almajob.store.directory.migration.LEDGER_FORMAT", number)
        ledger.write(new())
        monkeypatch.undo()
        with pytest.raises(LedgerUnusable, match="written by a newer almajob") as caught:
            list_records(ledger)
        assert ".damaged" not in caught.value.hint
        _sql(directory_of(ledger) / "cache.db", "DELETE FROM Cache")
        fill(ledger, 1)


@pytest.mark.parametrize("number", [3, 10])
def test_a_flipped_bit_is_not_taken_for_a_newer_almajob(ledger: Ledger, number: int) -> None:
    """The key's own check tells."""
    fill(ledger, 3)
    _sql(
        directory_of(ledger) / "cache.db",
        f"UPDATE Cache SET key = '{number}' || substr(key, 2) WHERE key = (SELECT max(key) FROM Cache)",
    )
    with pytest.raises(LedgerUnusable, match="cannot be used") as caught:
        list_records(ledger)
    assert ".damaged" in caught.value.hint


def _damaged_copy(ledger: Ledger, tmp_path: Path) -> Ledger:
    copy = tmp_path / "copy" / "ledger"
    shutil.copytree(directory_of(ledger), copy)
    copy.parent.chmod(0o700)
    return open_ledger(copy)


def test_flipped_bytes_are_never_read_as_something_else(ledger: Ledger, tmp_path: Path) -> None:
    """In many trials: an error, or exactly what was written."""
    fill(ledger, 12)
    answers = _ask(ledger)
    whole = (directory_of(ledger) / "cache.db").read_bytes()
    chance = random.Random(20261122)
    copy = _damaged_copy(ledger, tmp_path)
    trials = sample(range(1000))
    noticed = 0
    for _trial in trials:
        damaged = bytearray(whole)
        for _flip in range(chance.choice((1, 1, 1, 3, 16))):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (directory_of(copy) / "cache.db").write_bytes(damaged)
        (directory_of(copy) / "cache.db-journal").unlink(missing_ok=True)
        try:
            assert _ask(copy) == answers
        except LedgerUnusable:
            noticed += 1
    # Most bytes of a page are free; but the trials must meet some that are not.
    assert 0.02 < noticed / len(trials) < 1


def test_a_page_of_another_time_is_noticed(ledger: Ledger, tmp_path: Path) -> None:
    """Each page in turn is as it was a few starts before, as a disk leaves it that lost a write."""
    fill(ledger, 33)
    before = (directory_of(ledger) / "cache.db").read_bytes()
    fill_more = [new(id=f"late{number}", run_key=f"k{number}") for number in range(3)]
    for record in fill_more:
        ledger.write(record)
    answers = _ask(ledger)
    whole = (directory_of(ledger) / "cache.db").read_bytes()
    copy = _damaged_copy(ledger, tmp_path)
    size = 4096
    noticed = 0
    for start in range(0, len(before), size):
        if whole[start : start + size] == before[start : start + size]:
            continue
        damaged = whole[:start] + before[start : start + size] + whole[start + size :]
        (directory_of(copy) / "cache.db").write_bytes(damaged)
        try:
            assert _ask(copy) == answers
        except LedgerUnusable:
            noticed += 1
    assert noticed


def test_a_full_disk_is_no_damage(ledger: Ledger) -> None:
    """A limit on file sizes stands for it; the cure is room, not to move the ledger away."""
    fill(ledger, 5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (directory_of(ledger) / "cache.db").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(LedgerUnusable) as caught:
            ledger.write(new(id="large", job_name="x" * size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "ALMAJOB_STATE_DIR" in caught.value.hint
    assert ".damaged" not in caught.value.hint
    assert len(list_records(ledger)) == 5


def _write_another(ledger: Ledger) -> None:
    ledger.write(new(id="another"))


def _use_where_nobody_writes(
    directory: Path, answer: Connection, number: int, use: Callable[[Ledger], object]
) -> None:
    ledger = open_ledger(directory)
    if number == 1:
        write_ledger(directory, [new()])
    else:
        fill(ledger, 2)
    if os.geteuid() == 0:
        # No mode keeps root from writing.
        for path in [directory.parent.parent, directory.parent, directory, *directory.parent.rglob("*")]:
            os.chown(path, _NOBODY, _NOBODY)
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    for path in [*directory.iterdir(), directory]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        use(ledger)
    except LedgerUnusable as error:
        answer.send((error.reason, error.hint))
    else:
        answer.send(None)


@pytest.mark.parametrize(("number", "use"), [(2, _write_another), (1, list_records)])
def test_a_read_only_ledger_is_unusable(number: int, use: Callable[[Ledger], object]) -> None:
    """Without being damaged; whoever is root becomes nobody for this. An older one cannot even be read."""
    place = Path(tempfile.mkdtemp())
    ours, theirs = PROCESSES.Pipe()
    given = (place / "state" / "ledger", theirs, number, use)
    process = PROCESSES.Process(target=_use_where_nobody_writes, args=given)
    process.start()
    try:
        why, cure = ours.recv()
    finally:
        process.join()
        for directory, _names, _files in os.walk(place):
            Path(directory).chmod(0o700)
        shutil.rmtree(place)
    assert "ermission denied" in why or "readonly" in why
    assert ".damaged" not in cure
    assert "ALMAJOB_STATE_DIR" in cure


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """Because a file is in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnusable, match="cannot be used"):
        list_records(open_ledger(tmp_path / "file" / "ledger"))


@pytest.mark.parametrize(
    "use",
    [
        lambda ledger: ledger.place.need(),
        lambda ledger: ledger.place.initialize(),
        list_records,
        lambda ledger: ledger.write(new()),
        lambda ledger: ledger.keep_fact("name", "value"),
        lambda ledger: ledger.has_announcements(),
    ],
)
def test_without_a_place_nothing_is_read_or_written(use: Callable[[Ledger], object]) -> None:
    """Whatever is asked of it is refused, with the variable that names a place."""
    ledger = Ledger(MissingPlace())
    assert not ledger.place.is_there
    with pytest.raises(LedgerUnusable, match="There is no place for the ledger") as caught:
        use(ledger)
    assert "ALMAJOB_STATE_DIR" in caught.value.hint
    assert not caught.value.is_retry_safe


def test_a_place_is_enough_for_a_start_to_begin(ledger: Ledger) -> None:
    """Nothing is made, nor opened, before something is written."""
    place = ledger.place
    place.need()
    assert "is made when it is first used" in place.initialize()
    assert (place.is_there, place.count_bytes()) == (False, 0)
    assert not directory_of(ledger).parent.exists()
    ledger.write(new())
    place.close()
    assert place.is_there
    assert place.count_bytes() > 4096
    assert isinstance(place, DirectoryPlace)
    assert place.name == str(directory_of(ledger))
    with pytest.raises(Refused, match="no database role can use"):
        place.initialize("role")
