"""A whole ledger goes to another place, into a file and back: all of it is there, or nothing is."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.errors import LedgersConflict, NotFound, Refused, UsageError
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable, Place
from almajob.store.ledger.record import Certainty, Record, State
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.upkeep.archive import archive, count_old, find_in_archive, list_archives
from almajob.store.upkeep.audit import audit
from almajob.store.upkeep.contents import Item, read_contents
from almajob.store.upkeep.export_file import NotWhole, read_items
from almajob.store.upkeep.overview import read_overview
from almajob.store.upkeep.transfer import copy_ledger, export_lines, import_file
from tests.store.ledger.everything import COUNT, ask, fill
from tests.store.ledger.test_record import new
from tests.support.ledgers import list_records, open_ledger, write_steps
from tests.support.memory_place import ConnectionLost, MemoryPlace, Step
from tests.support.places import Home, read_rows, restore_rows
from tests.support.processes import exit_codes
from tests.support.thoroughness import STRIDE

MADE = "2026-11-29T12:00:00.000Z"
LATER = 1e9


class _Announcer:
    """Announces each change to one observer."""

    def list_news(self, before: Record | None, after: Record, details: Any) -> Iterable[Announcement]:
        yield Announcement(f"{after.id}:{after.state}", "a", {"x": 1})

    def list_other_news(self, details: Any) -> Iterable[Announcement]:
        yield Announcement(str(details), "a", {"x": 1})

    def wake(self) -> None:
        """Call nobody."""


@pytest.fixture
def source(tmp_path: Path) -> Ledger:
    """A ledger with all that one can hold."""
    ledger = open_ledger(tmp_path / "source" / "ledger", _Announcer())
    fill(ledger)
    ledger.keep_gap(Gap(1.0, 2.0))
    return ledger


@pytest.fixture
def target(home: Home) -> Iterator[Place]:
    """An empty ledger, in each of the places."""
    place = home.open()
    yield place
    place.close()


def _contents(place: Place) -> list[Item]:
    with place.read(1) as rows:
        return list(read_contents(SealedRows(rows)))


def _ask(place: Place) -> list[Any]:
    with Ledger(place).read() as view:
        return ask(view)


def _export(place: Place, path: Path) -> Path:
    path.write_bytes(b"".join(export_lines(place, MADE)))
    return path


def _archive(place: Place, before: float, path: Path) -> int:
    return archive(place, before, path, made=MADE).records


def test_a_copy_is_the_same_ledger_and_twice_is_once(source: Ledger, target: Place) -> None:
    """Whatever is asked of it, in both places; what it has is counted."""
    tried = copy_ledger(source.place, target, is_trial=True)
    merged = copy_ledger(source.place, target)
    assert tried == merged
    assert (merged.added, merged.changed, merged.same, merged.kept_facts) == (COUNT, 0, 0, 0)
    assert _contents(target) == _contents(source.place)
    assert _ask(target) == _ask(source.place)
    assert audit(target).problems == []
    again = copy_ledger(source.place, target)
    assert (again.added, again.changed, again.same, again.announcements) == (0, 0, COUNT, 0)
    assert _contents(target) == _contents(source.place)


def test_a_copy_goes_on_where_the_source_has(source: Ledger, target: Place) -> None:
    """New records, further steps, what was learned of an end; what was announced there is not again."""
    copy_ledger(source.place, target)
    for each in (copied := Ledger(target)).announcements():
        copied.remove_announcement(each)
    old = _contents(target)
    with source.read() as view:
        opened = next(each for each in view.list_open() if each.state is State.AMBIGUOUS)
    done = opened.advance(State.NOT_STARTED, 99.0, "a person says so")
    source.write(done)
    source.amend(list_records(source)[2], end_status="COMPLETED_SUCCESS", lasted=7.0)
    write_steps(source, new(id="later", run_key="later"))
    merged = copy_ledger(source.place, target)
    assert (merged.added, merged.changed, merged.same) == (1, 2, COUNT - 2)
    assert list_records(copied) == list_records(source)
    assert _contents(target) != old
    assert audit(target).problems == []
    # And back: it has nothing new.
    assert copy_ledger(target, source.place).changed == 0


def test_what_contradicts_is_refused_before_anything_is_written(tmp_path: Path, target: Place) -> None:
    """One record that went two ways, one run of two starts, one key of two runs."""

    def started(record: Record, instance_id: str) -> Record:
        sent = record.advance(State.SENDING, 2.0, "now")
        known = {"instance_id": instance_id, "certainty": Certainty.CONFIRMED}
        return sent.advance(State.STARTED, 3.0, "Alma said so", **known)

    mine, other = Ledger(target), open_ledger(tmp_path / "other" / "ledger")
    write_steps(mine, started(new(id="both", identity="s:a:b"), "71"))
    write_steps(other, new(id="both", identity="s:a:b").advance(State.NOT_STARTED, 2.0, "refused"))
    write_steps(mine, started(new(id="m1", run_key="m", identity="s:a:b"), "72"))
    write_steps(other, started(new(id="o1", run_key="o", identity="s:a:b"), "72"))
    write_steps(mine, started(new(id="m2", run_key="same", identity="s:a:b"), "73"))
    write_steps(other, started(new(id="o2", run_key=" same ", identity="s:a:b"), "74"))
    # These agree: nothing was started under one of them.
    write_steps(mine, started(new(id="m3", run_key="again", identity="s:a:b"), "75"))
    write_steps(other, new(id="o3", run_key="again").advance(State.NOT_STARTED, 2.0, "refused"))
    before = _contents(target)
    with pytest.raises(LedgersConflict) as refused:
        copy_ledger(other.place, target)
    told = str(refused.value)
    assert "The record both has gone two ways." in told
    assert "Run 72 is that of two starts: m1 and o1." in told
    assert "The run key ' same ' is that of two starts: m2 and o2." in told
    assert _contents(target) == before
    with pytest.raises(LedgersConflict):
        import_file(target, _export(other.place, tmp_path / "export"))
    assert _contents(target) == before


def test_two_ledgers_become_one_in_the_order_of_time(tmp_path: Path, target: Place) -> None:
    """What came last is found first, whichever of them has it."""
    mine, other = Ledger(target), open_ledger(tmp_path / "other" / "ledger")
    for number in range(70):
        made = new(id=f"r{number:02}", run_key=f"k{number}", job_id=f"S{number % 3}")
        made = replace(made, trail=(replace(made.trail[0], at=float(number)),))
        (mine if number % 2 else other).write(made)
    copy_ledger(other.place, target)
    with mine.read() as view:
        assert [record.created_at for record in view.read_back()] == [
            float(each) for each in range(69, -1, -1)
        ]
        assert [record.id for record in view.list_since(60.0)] == [f"r{each}" for each in range(60, 70)]
    assert audit(target).problems == []


def test_a_ledger_is_not_copied_to_itself_nor_from_nowhere(source: Ledger, tmp_path: Path) -> None:
    """And nothing is made where nothing is."""
    with pytest.raises(UsageError):
        copy_ledger(source.place, open_ledger(tmp_path / "source" / "ledger").place)
    nowhere = open_ledger(tmp_path / "nowhere" / "ledger").place
    with pytest.raises(NotFound):
        copy_ledger(nowhere, source.place)
    assert copy_ledger(source.place, nowhere, is_trial=True).added == COUNT
    assert list(export_lines(nowhere, MADE))
    assert (audit(nowhere).rows, read_overview(nowhere).records) == (0, 0)
    assert not nowhere.is_there


def test_an_import_of_an_export_is_the_same_ledger(source: Ledger, target: Place, tmp_path: Path) -> None:
    """Also where it is done twice."""
    path = _export(source.place, tmp_path / "export")
    for _again in range(2):
        import_file(target, path)
        assert _contents(target) == _contents(source.place)
    assert audit(target).problems == []
    # But for the name of the place, and so the checksum.
    first, again = path.read_bytes(), _export(target, tmp_path / "again").read_bytes()
    assert again.splitlines()[1:-1] == first.splitlines()[1:-1]


def test_a_file_that_was_cut_or_changed_is_refused(source: Ledger, target: Place, tmp_path: Path) -> None:
    """At every line, and whatever bit is another."""
    whole = _export(source.place, tmp_path / "export").read_bytes()
    lines = whole.splitlines(keepends=True)
    broken = [b"".join(lines[:count]) for count in range(0, len(lines), 5)]
    broken += [
        whole[:-10],
        whole + b"{}\n",
        b"".join([*lines[:3], *lines[4:]]),
        b"\xff\x00",
        b"[]\n",
        b"{}\n",
    ]
    broken += [
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(90, 4000, 97)
    ]
    path = tmp_path / "broken"
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(NotWhole):
            import_file(target, path)
    assert _contents(target) == []
    with pytest.raises(Refused, match="cannot be read"):
        import_file(target, tmp_path / "nothing")
    with pytest.raises(Refused, match="cannot be read"):
        import_file(target, tmp_path)


def test_a_newer_file_is_left_to_a_newer_almajob(target: Place, tmp_path: Path) -> None:
    """And so it says."""
    path = tmp_path / "newer"
    first = {"file": "almajob ledger", "format": 99, "kind": "export", "made": MADE, "ledger": "x"}
    path.write_text(json.dumps(first) + "\n", "utf-8")
    with pytest.raises(NotWhole, match="newer almajob"):
        import_file(target, path)


def test_an_archive_takes_old_records_and_leaves_what_answers(
    source: Ledger, target: Place, tmp_path: Path
) -> None:
    """Keys, claims and ids find them still; lists do not; open ones and the newest stay."""
    copy_ledger(source.place, target)
    ledger, path = Ledger(target), tmp_path / "archive"
    before = {record.id: record for record in list_records(ledger)}
    counted = count_old(target, LATER)
    done = archive(target, LATER, path, made=MADE)
    assert (done.records, done.left) == (counted.records, counted.left)
    assert path.stat().st_mode & 0o777 == 0o600
    left = {record.id for record in list_records(ledger)}
    assert len(left) == COUNT - done.records == done.left
    assert {each for each, record in before.items() if record.is_open} < left
    assert f"r{COUNT - 1:03}" in left
    with ledger.read() as view:
        assert [(each.path, each.records) for each in list_archives(view)] == [(str(path), done.records)]
        for record_id in before.keys() - left:
            record = before[record_id]
            stub = view.find(record_id)
            assert stub is not None
            assert stub in view.list_of_key(record.run_key)
            assert not record.instance_id or view.list_claims([record.instance_id]) == [stub]
            assert (stub.state, stub.parameters, view.find_archive(record_id)) == (
                *(record.state, record.parameters),
                str(path),
            )
            assert find_in_archive(path, stub) == record
    found = audit(target)
    assert (found.problems, found.records, found.archived) == ([], len(left), done.records)
    # Again there is nothing to do, and the file is not touched.
    assert _archive(target, LATER, path) == 0
    # What is learned of it later is kept, too; and a copy has it.
    with_run = next(each for each in before.values() if each.instance_id and each.id not in left)
    ledger.amend(with_run, end_status="FAILED")
    other = open_ledger(tmp_path / "other" / "ledger")
    assert copy_ledger(target, other.place).archived == done.records
    assert _contents(other.place) == _contents(target)
    assert audit(other.place).problems == []
    # The archive itself brings nothing back.
    assert import_file(target, path).added == 0


def test_an_instance_of_an_archive_is_nobody_elses(source: Ledger, tmp_path: Path) -> None:
    """It is taken for good."""
    with source.read() as view:
        (old,) = view.list_claims(["92"])
    assert _archive(source.place, LATER, tmp_path / "archive")
    record = new(id="other", run_key="other", identity=old.identity)
    record = record.advance(State.SENDING, 2.0, "now").advance(
        *(State.STARTED, 3.0, "x"), instance_id="92", certainty=Certainty.CONFIRMED
    )
    with pytest.raises(Refused, match="Run 92 is the one of another start: r002"):
        write_steps(source, record)


def test_an_archive_that_was_begun_is_finished_and_no_other_file_is_touched(
    source: Ledger, tmp_path: Path
) -> None:
    """A file with something else in it is refused."""
    path, copy = tmp_path / "archive", tmp_path / "copy"
    shutil.copytree(tmp_path / "source", tmp_path / "before")
    count = _archive(source.place, LATER, path)
    written = path.read_bytes()
    # As it was before the records had left.
    old = open_ledger(tmp_path / "before" / "ledger").place
    done = archive(old, LATER, path, made=MADE)
    assert (done.records, done.is_resumed) == (count, True)
    assert path.read_bytes() == written
    assert _contents(old) == _contents(source.place)
    shutil.rmtree(tmp_path / "before")
    fill(open_ledger(tmp_path / "before" / "ledger"))
    for data in (b"", b"something else", written[:-20]):
        copy.write_bytes(data)
        with pytest.raises(Refused):
            archive(old, LATER, copy, made=MADE)
        assert copy.read_bytes() == data
    with pytest.raises(Refused, match="cannot be written"):
        archive(old, LATER, tmp_path / "no" / "such", made=MADE)
    assert read_overview(old).records == COUNT


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, COUNT), min_size=1, max_size=4), data=st.data())
def test_archives_in_any_order_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], data: st.DataObject
) -> None:
    """All records are found by their keys, and an export of it is the same ledger elsewhere."""
    directory, place = tmp_path_factory.mktemp("archives"), MemoryPlace()
    ledger = Ledger(place)
    records = fill(ledger)
    moved = sum(_archive(place, cut + 0.71, directory / str(number)) for number, cut in enumerate(cuts))
    files = list(directory.iterdir())
    kept = [item.record.id for path in files for item in read_items(path)]
    assert len(kept) == len(set(kept)) == moved
    with ledger.read() as view:
        keys = {record.run_key for record in records}
        found = [record.id for key in sorted(keys) for record in view.list_of_key(key)]
        assert sorted(found) == [record.id for record in records]
        assert view.count() == COUNT - moved
    assert audit(place).problems == []
    other = MemoryPlace(name="other")
    import_file(other, _export(place, directory / "export"))
    assert _contents(other) == _contents(place)
    # A place that is lost at any step has what it had, or all.
    steps = itertools.count()
    stop = data.draw(st.integers(0, 40))

    def lose(step: Step) -> None:
        if step is not Step.READ and next(steps) == stop:
            raise ConnectionLost

    third = MemoryPlace(name="third", on_step=lose)
    try:
        copy_ledger(place, third)
    except LedgerUnusable:
        third.on_step = lambda _step: None
        assert _contents(third) in ([], _contents(place))
    third.on_step = lambda _step: None
    copy_ledger(place, third)
    assert _contents(third) == _contents(place)


def _do(what: str, held: Place, target: Place, file: Path) -> Any:
    """Copy a ledger into another one, import a file into that, or archive what it has."""
    if what == "copy":
        return copy_ledger(held, target)
    if what == "import":
        return import_file(target, file)
    return archive(target, LATER, file, made=MADE)


def _die(what: str, state: str, home: Home, file: str, dies_at: int) -> None:
    """Do it in a process that is killed at a numbered moment: before, in or after one of its writes."""
    from almajob.store.directory.directory_rows import DirectoryRows
    from almajob.store.postgresql.connection import Connection
    from almajob.store.postgresql.postgres_place import PostgresRows
    from almajob.system import atomic_write

    points = itertools.count(1)
    under_way = 0

    def point() -> None:
        if next(points) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def between(owner: Any, name: str) -> None:
        work = getattr(owner, name)

        def working(*args: Any, **given: Any) -> Any:
            nonlocal under_way
            point()
            under_way += 1
            done = work(*args, **given)
            under_way -= 1
            point()
            return done

        setattr(owner, name, working)

    between(DirectoryRows, "put")
    between(DirectoryRows, "delete")
    between(PostgresRows, "put")
    between(PostgresRows, "delete")
    between(Connection, "commit_now")
    between(atomic_write, "_put")
    between(atomic_write, "reach_disk")
    poll = Connection._poll

    def polling(self: Connection, wanted: int) -> int:
        # The server has it, and goes on with it; its answer comes to nobody.
        if under_way:
            point()
        return poll(self, wanted)

    Connection._poll = polling  # type: ignore[method-assign]
    _do(what, Home(state).open(), home.open(), Path(file))


@pytest.mark.parametrize("what", ["copy", "import", "archive"])
def test_killed_at_any_write_and_repeated_it_ends_the_same(
    source: Ledger, tmp_path: Path, home: Home, what: str
) -> None:
    """Nothing is lost, nothing is there twice, and nothing is there by half: in both places.

    In a database also where the server is still busy with what the dead one has sent.
    """
    export = _export(source.place, tmp_path / "file")
    whole, backup = _contents(source.place), read_rows(source.place)
    for dies_at in itertools.count(1, STRIDE):
        host = tmp_path / str(dies_at)
        shutil.copytree(tmp_path / "source", host / "source")
        file = export if what == "import" else host / "file"
        there = home._replace(state=str(host / "target"))
        held, made = Home(str(host / "source")).open(), there.open()
        if what == "archive" or home.url:
            restore_rows(made, backup if what == "archive" else {})
            made.close()
        (code,) = exit_codes(_die, [(what, str(host / "source"), there, str(file), dies_at)])
        if what == "archive":
            assert audit(made).problems == []
        else:
            assert not made.is_there or _contents(made) in ([], whole)
        done = _do(what, held, made, file)
        assert audit(made).problems == []
        if what == "archive":
            archived = [item.record.id for item in read_items(file)]
            with Ledger(made).read() as view:
                left = [record.id for record in view.read_back()]
            assert sorted([*archived, *left]) == sorted(
                item.record.id for item in whole if item.kind == "record"
            )
            assert done.records in (0, len(archived))
        else:
            assert _contents(made) == whole
        made.close()
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert dies_at > 1
