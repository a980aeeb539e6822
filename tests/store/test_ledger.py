"""The ledger: nothing lost, nothing changed in silence, and unusable rather than wrong."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import diskcache
import pytest

from almajob.store.diskcache_directory import SIZE_LIMIT, CacheDirectory, JsonDisk, open_directory
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.ledger import (
    LEDGER,
    TURN_SECONDS,
    Gap,
    Ledger,
    LedgerUnusable,
    NewerFormat,
    RowKey,
    checked_key,
    find_record,
    key_hash,
    keys_of,
    list_keys,
    parse_key,
    read_record,
    seal,
    unseal,
)
from almajob.store.ledger_record import Record, State, Transition, checksum
from almajob.store.schema import LEDGER_FORMAT
from almajob.system.file_lock import lock_file
from tests.store.crowd import write_many
from tests.store.test_ledger_record import new
from tests.support.processes import PROCESSES, exit_codes

FORMATS = Path(__file__).parent / "formats"
_NOBODY = 65534


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "ledger")


def _filled(ledger: Ledger, count: int = 5) -> list[Record]:
    made = []
    for number in range(count):
        record = new(
            id=f"r{number}", run_key=f"k{number}", trail=(Transition(State.PREPARED, float(number), "x"),)
        )
        ledger.write(record)
        if number % 2:
            record = record.advance(State.SENDING, number + 0.5, "about to be sent", sent_at=float(number))
            ledger.write(record)
            record = record.advance(State.STARTED, number + 0.7, "Alma named it", instance_id=str(number))
            ledger.write(record)
        made.append(record)
    ledger.keep_fact("place:x", {"institution": "01X"})
    return made


def test_records_are_there_for_the_next_process(ledger: Ledger) -> None:
    """Oldest first, each as it was written last."""
    made = _filled(ledger)
    assert Ledger(ledger.directory).records() == made
    assert Ledger(ledger.directory).fact("place:x") == {"institution": "01X"}
    assert ledger.fact("place:y") is None


def test_records_are_chosen_by_their_keys(ledger: Ledger) -> None:
    """Open or not, environment, job, run key, time: without reading the others."""
    made = _filled(ledger)
    ledger.write(new(id="p", environment="production", job_id="M44"))
    assert [record.id for record in ledger.records(lambda row: row.environment == "production")] == ["p"]
    assert [record.id for record in ledger.records(lambda row: row.job_id == "M44")] == ["p"]
    assert ledger.records(lambda row: row.key_hash == key_hash("k3")) == [made[3]]
    assert [record.id for record in ledger.records(lambda row: not row.is_open)] == ["r1", "r3"]
    assert [record.id for record in ledger.records(lambda row: row.created >= 4000)] == ["r4"]


def test_whether_there_is_a_record_is_told_by_its_key(ledger: Ledger) -> None:
    """A fact is none."""
    assert not ledger.has(lambda _row: True)
    ledger.keep_fact("place:x", 1)
    assert not ledger.has(lambda _row: True)
    _filled(ledger)
    assert ledger.has(lambda row: row.key_hash == key_hash("k3"))
    assert not ledger.has(lambda row: row.job_id == "M44")


def test_a_ledger_that_somebody_keeps_is_not_damaged(ledger: Ledger) -> None:
    """After the time that there is, it is unusable for now; the cure names who has it."""
    assert LEDGER.lock_seconds == TURN_SECONDS == 30.0
    _filled(ledger, 1)
    with (
        lock_file(ledger.directory.with_name("ledger.lock"), wait=0),
        pytest.raises(LedgerUnusable) as caught,
    ):
        ledger.records(wait=0)
    assert caught.value.is_retry_safe is False
    assert "Another process has kept it locked" in caught.value.reason
    assert "fuser -v" in caught.value.hint
    assert ".damaged" not in caught.value.hint


def test_a_ledger_that_is_a_link_is_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    """It is not said to be damaged."""
    _filled(ledger, 1)
    ledger.directory.rename(tmp_path / "elsewhere")
    ledger.directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnusable) as caught:
        ledger.records()
    assert caught.value.reason.startswith("It is a symbolic link. ")
    assert ".damaged" not in caught.value.hint


def test_a_record_cannot_be_written_over_by_another_story(ledger: Ledger) -> None:
    """Two processes that both go on from the same state: the second is refused."""
    record = new()
    ledger.write(record)
    ledger.write(record.advance(State.SENDING, 2.0, "x"))
    with pytest.raises(LedgerUnusable, match="changed by another process"):
        ledger.write(record.advance(State.NOT_STARTED, 2.0, "x"))


def test_nothing_is_thrown_out_and_all_is_on_disk(ledger: Ledger) -> None:
    """No eviction, no culling, synchronous FULL on the connection that writes."""
    _filled(ledger, 1)
    with diskcache.Cache(str(ledger.directory), disk=JsonDisk, **LEDGER.all_settings) as opened:
        assert (opened.eviction_policy, opened.cull_limit, opened.sqlite_synchronous) == ("none", 0, 2)
        assert opened._sql("PRAGMA synchronous").fetchall() == [(2,)]
        assert opened._sql("PRAGMA journal_mode").fetchall() == [("truncate",)]


def test_the_ledger_is_private(ledger: Ledger) -> None:
    """Directories 0700, files 0600, whatever the umask; one that others can write to is refused."""
    before = os.umask(0)
    try:
        _filled(ledger, 1)
    finally:
        os.umask(before)
    for path in [ledger.directory, ledger.directory.parent, *ledger.directory.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    ledger.directory.chmod(0o770)
    with pytest.raises(LedgerUnusable, match="cannot be used") as caught:
        ledger.records()
    assert caught.value.reason.startswith("Other users can write to the directory")
    assert caught.value.hint == f"Type: chmod go-w {ledger.directory}"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda database: database.write_bytes(b"no database at all" * 100),
    "cut off": lambda database: os.truncate(database, database.stat().st_size // 2),
    "empty": lambda database: os.truncate(database, 0),
    "gone": lambda database: database.unlink(),
    "a row deleted": lambda database: _sql(
        database,
        "DELETE FROM Cache WHERE key LIKE '%:r2:%'",
        "UPDATE Settings SET value = value + 1 WHERE key = 'count'",
    ),
    "a row twice": lambda database: _twice(database),
    "a row before the first": lambda database: _sql(
        database, "UPDATE Cache SET rowid = -1 WHERE key LIKE '%:r2:%'"
    ),
    "a count that is none": lambda database: _sql(
        database, "UPDATE Settings SET value = 'many' WHERE key = 'count'"
    ),
    "no count": lambda database: _sql(database, "DELETE FROM Settings WHERE key = 'count'"),
    "a key of bytes": lambda database: _sql(database, "UPDATE Cache SET key = x'31' WHERE rowid = 1"),
    "a key with too few parts": lambda database: _sql(
        database, "UPDATE Cache SET key = :key WHERE rowid = 1", key=checked_key("open", "1")
    ),
    "a key with a time that is none": lambda database: _sql(
        database, "UPDATE Cache SET key = :key WHERE rowid = 1", key=checked_key("open", *"abcde")
    ),
    "no record": lambda database: _replace_first(database.parent, {"no": "record"}),
    "no text": lambda database: _sql(database, "UPDATE Cache SET value = CAST(x'ff' AS TEXT)"),
    "a schema that is no text": lambda database: database.write_bytes(
        database.read_bytes().replace(b"TRIGGER Settings_size_update", b"TRIGGER Settings_\xc3ize_update")
    ),
    "a trigger": lambda database: _sql(
        database, "CREATE TRIGGER lost AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END"
    ),
    "a value changed": lambda database: _sql(
        database, "UPDATE Cache SET value = replace(value, 'PREPARED', 'PREPAREd') WHERE rowid = 1"
    ),
    "a key changed": lambda database: _sql(
        database, "UPDATE Cache SET key = replace(key, 'sandbox', 'sandbux') WHERE rowid = 1"
    ),
    "values swapped": lambda database: _sql(
        database,
        "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key LIKE '%:r2:%') WHERE key LIKE '%:r0:%'",
    ),
    "an entry that expires": lambda database: _sql(database, "UPDATE Cache SET expire_time = 1"),
    "a pickle": lambda database: _sql(database, "UPDATE Cache SET mode = 4 WHERE rowid = 1"),
    "other settings": lambda database: _sql(
        database, "UPDATE Settings SET value = 'least-recently-used' WHERE key = 'eviction_policy'"
    ),
}


def _sql(database: Path, *statements: str, **values: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement, values if ":key" in statement else {})
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


def _replace_first(directory: Path, value: object) -> None:
    """Put something else, with the right check, in the place of a record."""
    with open_directory(directory, LEDGER) as cache_dir:
        key = next(iter(cache_dir))
        cache_dir.set(key, seal(key, value))


def test_a_fact_that_is_too_large_is_no_damage(ledger: Ledger) -> None:
    """It is not kept, as it could not be read again."""
    _filled(ledger)
    with pytest.raises(LedgerUnusable) as caught:
        ledger.keep_fact("large", "x" * SIZE_LIMIT)
    assert "larger than 16 MiB" in caught.value.reason
    assert ".damaged" not in caught.value.hint
    assert len(ledger.records()) == 5


def test_another_process_may_have_the_ledger(ledger: Ledger) -> None:
    """It is waited for; then the message says how to find it. Once it is gone, all is well."""
    _filled(ledger)
    with lock_file(ledger.directory.with_name("ledger.lock"), wait=0):
        with pytest.raises(LedgerUnusable) as caught:
            ledger.has(lambda row: row.is_open, wait=0.05)
        assert "Another process has kept it locked all the time" in caught.value.reason
        assert "fuser -v" in caught.value.hint
    assert ledger.has(lambda row: row.is_open)
    assert not ledger.has(lambda row: row.environment == "production")
    assert not ledger.has(lambda row: row.id == "no such")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_ledger_is_unusable(ledger: Ledger, damage: Callable[[Path], object]) -> None:
    """The cure is named, and nothing is moved away by itself."""
    _filled(ledger)
    damage(ledger.directory / "cache.db")
    with pytest.raises(LedgerUnusable) as caught:
        ledger.records()
    assert caught.value.exit_code == 5
    assert "nothing is started" in caught.value.reason
    assert f"mv {ledger.directory} {ledger.directory}.damaged" in caught.value.hint
    assert ledger.directory.exists()


def test_a_ledger_of_a_newer_almajob_is_left_to_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole, and must not be moved away."""
    monkeypatch.setattr("almajob.store.ledger.LEDGER_FORMAT", LEDGER_FORMAT + 1)
    _filled(ledger)
    monkeypatch.undo()
    with pytest.raises(LedgerUnusable, match="written by a newer almajob") as caught:
        ledger.records()
    assert ".damaged" not in caught.value.hint


def test_flipped_bytes_are_never_read_as_something_else(ledger: Ledger, tmp_path: Path) -> None:
    """In a thousand trials: an error, or exactly what was written."""
    made = _filled(ledger)
    fact = ledger.fact("place:x")
    whole = (ledger.directory / "cache.db").read_bytes()
    chance = random.Random(20261122)
    copy = Ledger(tmp_path / "copy" / "ledger")
    shutil.copytree(ledger.directory, copy.directory)
    copy.directory.parent.chmod(0o700)
    noticed = 0
    for _trial in range(1000):
        damaged = bytearray(whole)
        for _flip in range(chance.choice((1, 1, 1, 3, 16))):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (copy.directory / "cache.db").write_bytes(damaged)
        (copy.directory / "cache.db-journal").unlink(missing_ok=True)
        try:
            assert copy.records() == made
            assert copy.fact("place:x") == fact
        except LedgerUnusable:
            noticed += 1
    # Most bytes of a page are free; but the trials must meet some that are not.
    assert 20 < noticed < 1000


def test_a_full_disk_is_no_damage(ledger: Ledger) -> None:
    """A limit on file sizes stands for it; the cure is room, not to move the ledger away."""
    _filled(ledger)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (ledger.directory / "cache.db").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(LedgerUnusable) as caught:
            ledger.write(new(id="large", job_name="x" * size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "ALMAJOB_STATE_DIR" in caught.value.hint
    assert ".damaged" not in caught.value.hint
    assert len(ledger.records()) == 5


def _write_where_nobody_may(directory: Path, answer: Connection) -> None:
    ledger = Ledger(directory)
    _filled(ledger)
    if os.geteuid() == 0:
        # No mode keeps root from writing.
        for path in [directory.parent.parent, directory.parent, directory, *directory.parent.rglob("*")]:
            os.chown(path, _NOBODY, _NOBODY)
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    for path in [*directory.iterdir(), directory]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        ledger.write(new(id="another"))
    except LedgerUnusable as error:
        answer.send((error.reason, error.hint))
    else:
        answer.send(None)


def test_a_read_only_ledger_is_unusable() -> None:
    """Without being damaged; whoever is root becomes nobody for this."""
    place = Path(tempfile.mkdtemp())
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_write_where_nobody_may, args=(place / "state" / "ledger", theirs))
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
        Ledger(tmp_path / "file" / "ledger").records()


@pytest.mark.parametrize("number", range(1, LEDGER_FORMAT + 1))
def test_what_every_released_format_wrote_is_read(number: int, tmp_path: Path) -> None:
    """A directory of each is kept here."""
    copy = tmp_path / "ledger"
    shutil.copytree(FORMATS / str(number), copy)
    copy.chmod(0o700)
    for path in copy.iterdir():
        path.chmod(0o600)
    records = Ledger(copy).records()
    assert [(record.id, record.state.value) for record in records] == [
        ("20261122-aaaaaa", "STARTED"),
        ("20261122-bbbbbb", "AMBIGUOUS"),
        ("20261122-cccccc", "ADOPTED"),
    ]
    assert records[1].candidates[0].id == "9563643080000561"
    assert Ledger(copy).fact("tags:sandbox:M44") is True


def test_fifty_processes_share_one_ledger(ledger: Ledger) -> None:
    """Every record of every process is there; none was told that the ledger is locked."""
    each = [(ledger.directory, new(), number, 2) for number in range(50)]
    assert exit_codes(write_many, each) == [0] * 50
    records = ledger.records()
    assert len(records) == 100
    assert all(record.state is State.STARTED for record in records)


def test_a_told_run_is_remembered(ledger: Ledger) -> None:
    """A change without a step."""
    (record,) = _filled(ledger, 1)
    ledger.write(replace(record, is_told=True))
    assert [item.is_told for item in ledger.records()] == [True]


def test_a_record_is_amended_as_it_is_kept_now(ledger: Ledger) -> None:
    """What another process wrote meanwhile stays; what is not kept is not made."""
    ledger.amend(new(), end_status="FAILED")
    assert ledger.records() == []
    stale = new()
    ledger.write(stale)
    ledger.write(stale.advance(State.SENDING, 2.0, "about to be sent", sent_at=2.0))
    ledger.amend(stale, end_status="FAILED", lasted=3.5)
    ledger.amend(stale, is_told=True)
    (found,) = ledger.records()
    assert (found.state, found.end_status, found.lasted, found.is_told) == (
        State.SENDING,
        "FAILED",
        3.5,
        True,
    )


DAY = 86_400.0


def _written(ledger: Ledger, *days: float) -> None:
    """Write a start for each of these days."""
    for day in days:
        ledger.write(new(id=f"r{day}", trail=(Transition(State.PREPARED, day * DAY, "x"),)))


def test_a_ledger_knows_since_when_it_may_lack_records(ledger: Ledger) -> None:
    """Since it began, or since it was idle for more than a day, for a month; not from one day to the next."""
    assert (ledger.gap(99 * DAY).since, ledger.gap(99 * DAY).until) == (0, 99 * DAY)
    _written(ledger, *range(100, 140))
    assert ledger.gap(140 * DAY) == Gap(140 * DAY, 140 * DAY)
    assert ledger.gap(145 * DAY) == Gap(139 * DAY, 145 * DAY)
    _written(ledger, *range(145, 160))
    assert ledger.gap(160 * DAY) == Gap(139 * DAY, 145 * DAY)
    _written(ledger, *range(160, 177))
    assert ledger.gap(177 * DAY) == Gap(177 * DAY, 177 * DAY)


def test_a_ledger_that_was_restored_notices_it(ledger: Ledger) -> None:
    """Also when it has been written to since; a clock that is put back is no loss."""
    _written(ledger, *range(100, 140))
    backup = shutil.copytree(ledger.directory, ledger.directory.with_name("backup"))
    _written(ledger, 140.0, 141.0)
    assert ledger.gap(135 * DAY).lost_since is None
    shutil.rmtree(ledger.directory)
    backup.rename(ledger.directory)
    lost = Gap(139 * DAY, 142 * DAY, 139 * DAY, 142 * DAY)
    assert ledger.gap(142 * DAY) == lost
    _written(ledger, 142.0, 143.0)
    assert ledger.gap(143.5 * DAY) == lost
    assert ledger.gap(150 * DAY) == Gap(139 * DAY, 150 * DAY, 139 * DAY, 142 * DAY)


def test_what_is_certainly_missing_is_kept(ledger: Ledger) -> None:
    """Another ledger has it: that is joined to what was known before."""
    _written(ledger, *range(100, 140))
    ledger.keep_gap(Gap(110 * DAY, 139.5 * DAY))
    ledger.keep_gap(Gap(120 * DAY, 139.6 * DAY))
    assert ledger.gap(140 * DAY) == Gap(110 * DAY, 139.6 * DAY)
    assert Ledger(ledger.directory).gap(140 * DAY) == Gap(110 * DAY, 139.6 * DAY)


def test_a_newest_record_that_cannot_be_noted_harms_nobody(ledger: Ledger) -> None:
    """A directory, or text that is none, is where its name should be: the start is kept all the same."""
    name = ledger.directory.with_name("ledger.newest")
    name.parent.mkdir(mode=0o700)
    name.mkdir()
    _written(ledger, 1.0)
    assert ledger.gap(1.5 * DAY).lost_since is None
    name.rmdir()
    name.write_bytes(b"\xff\xfe")
    assert ledger.gap(1.5 * DAY).lost_since is None
    assert len(ledger.records()) == 1


RECORD = new(id="r7", trail=(Transition(State.PREPARED, 2.5, "meant"),))
KEY_HASH = checksum("k")[:16]


class _Rows(dict[str, Any]):
    """What a directory holds; with an error, what reading it raises."""

    def __init__(
        self, *found: tuple[str, Any], error: Exception | None = None, count: int | None = None
    ) -> None:
        super().__init__(found)
        self._error = error
        self._count = count

    def __iter__(self) -> Iterator[str]:
        if self._error:
            raise self._error
        return super().__iter__()

    def __len__(self) -> int:
        return super().__len__() if self._count is None else self._count

    def get(self, key: str, default: Any = None) -> Any:
        if self._error:
            raise self._error
        return super().get(key, default)


def _directory(*found: tuple[str, Any], **more: Any) -> CacheDirectory:
    return cast(CacheDirectory, _Rows(*found, **more))


def test_the_key_of_a_row_says_what_its_record_is() -> None:
    """Format, group, milliseconds, environment, job, run key and id; as released almajobs wrote it."""
    key, other = keys_of(RECORD)
    text, _, check = key.rpartition(":")
    assert text == f"1:open:0000000002500:sandbox:S1:{KEY_HASH}:r7"
    assert (len(check), other.split(":")[1]) == (8, "done")
    assert parse_key(key) == RowKey("open", 2500, "sandbox", "S1", KEY_HASH, "r7")
    ended = RECORD.advance(State.NOT_STARTED, 3.0, "no")
    assert keys_of(ended) == (other, key)


@pytest.mark.parametrize(
    ("group", "is_open"), [("open", True), ("done", False), ("zzz", False), ("a", False)]
)
def test_only_what_is_called_open_is_open(group: str, is_open: bool) -> None:
    """By its key."""
    row = parse_key(checked_key(group, "1", "sandbox", "S1", "k", "r1"))
    assert row is not None
    assert row.is_open is is_open


def test_a_fact_is_no_record() -> None:
    """Whatever it is called."""
    assert parse_key(checked_key("fact", "place:a:b")) is None


@pytest.mark.parametrize(
    "parts", [["open"], ["open", "x", "e", "j", "k", "r"], ["open", *"1234"], ["done", *"123456"]]
)
def test_a_key_of_other_parts_is_damage(parts: list[str]) -> None:
    """Too few, too many, or no number."""
    with pytest.raises(Damaged, match="one of its keys is not as it was written"):
        parse_key(checked_key(*parts))


def test_all_keys_are_listed() -> None:
    """Three hundred, and none."""
    found = [checked_key("fact", str(number)) for number in range(300)]
    assert list_keys(_directory(*((key, 1) for key in found))) == found
    assert list_keys(_directory()) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_count_that_is_another_is_damage(count: int) -> None:
    """More or fewer than there are."""
    with pytest.raises(Damaged, match="rows are missing, or there twice"):
        list_keys(_directory((checked_key("fact", "a"), 1), count=count))


def test_a_key_that_is_there_twice_is_damage() -> None:
    """SQLite keeps that from happening, as long as its index is whole."""
    key = checked_key("fact", "a")
    twice: Any = [key, key]
    with pytest.raises(Damaged, match="there twice"):
        list_keys(twice)


@pytest.mark.parametrize("check", ["00000000", "ffffffff", ""])
def test_a_key_with_another_check_is_damage(check: str) -> None:
    """Whether it is less or more; and nobody takes it for a newer format."""
    with pytest.raises(Damaged, match="one of its keys") as caught:
        list_keys(_directory((f"1:fact:a:{check}", 1)))
    assert not isinstance(caught.value, NewerFormat)


def test_a_key_of_another_format_is_that_of_a_newer_almajob(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its check is right."""
    monkeypatch.setattr("almajob.store.ledger.LEDGER_FORMAT", 2)
    key = checked_key("fact", "a")
    monkeypatch.undo()
    with pytest.raises(NewerFormat):
        list_keys(_directory((key, 1)))


@pytest.mark.parametrize("error", [UnsafeEntry("x"), TypeError(), ValueError(), AttributeError(), KeyError()])
def test_what_cannot_be_listed_is_damage(error: Exception) -> None:
    """Whatever diskcache falls over."""
    with pytest.raises(Damaged, match="it cannot be listed"):
        list_keys(_directory(error=error))


def test_a_value_is_read_as_it_was_sealed() -> None:
    """Under its own key."""
    key = checked_key("fact", "a")
    assert unseal(_directory((key, seal(key, {"x": 1}))), key) == {"x": 1}
    assert unseal(_directory((key, seal(key, None))), key) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        ["value"],
        {},
        {"value": 1},
        {"value": 1, "sum": "0" * 64},
        {"value": 1, "sum": "f" * 64},
        seal(checked_key("fact", "b"), 1),
        {**seal(checked_key("fact", "a"), 1), "value": 2},
    ],
)
def test_a_value_that_is_not_as_it_was_sealed_is_damage(value: Any) -> None:
    """Another value, another check, or that of another key."""
    key = checked_key("fact", "a")
    with pytest.raises(Damaged, match="a record is not as it was written"):
        unseal(_directory((key, value)), key)


def test_a_record_is_found_whether_it_is_open_or_not() -> None:
    """And is none where it is not there, or nothing that was one."""
    key, other = keys_of(RECORD)
    ended = RECORD.advance(State.NOT_STARTED, 3.0, "no")
    assert find_record(_directory(), RECORD) is None
    assert find_record(_directory((key, seal(key, RECORD.to_json()))), ended) == RECORD
    assert find_record(_directory((other, seal(other, ended.to_json()))), RECORD) == ended
    with pytest.raises(Damaged, match="a record cannot be read: it is no record"):
        read_record(_directory((key, seal(key, {}))), key)
