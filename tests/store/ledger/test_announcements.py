"""What observers are called with is kept by the ledger: with the fact, in order, until it is removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from almajob.store.directory.directory_rows import DirectoryRows
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, State
from almajob.store.postgresql.postgres_place import PostgresRows
from tests.store.ledger.test_record import new
from tests.support.ledgers import list_records
from tests.support.places import DIRECTORY, Home


class _Announcer:
    """Announces each change to two observers."""

    def __init__(self) -> None:
        self.wakes = 0

    def list_news(self, before: Record | None, after: Record, details: Any) -> Iterable[Announcement]:
        name = f"{after.id}:{details or after.state}"
        return [Announcement(name, observer, {"was": before and before.state}) for observer in ("a", "b")]

    def list_other_news(self, details: Any) -> Iterable[Announcement]:
        return [Announcement(str(details), observer, {"other": details}) for observer in ("a", "b")]

    def wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def announcer() -> _Announcer:
    return _Announcer()


@pytest.fixture
def ledger(home: Home, announcer: _Announcer) -> Ledger:
    return Ledger(home.open(), announcer)


def _listed(ledger: Ledger) -> list[tuple[str, str]]:
    return [(each.event.partition(":")[2], each.observer) for each in ledger.announcements()]


def test_it_is_kept_with_the_record_in_order_and_somebody_is_woken(
    ledger: Ledger, announcer: _Announcer, home: Home
) -> None:
    """Also for another process, and also where no announcer is there any more."""
    record = new()
    ledger.write(record)
    record = record.advance(State.SENDING, record.created_at, "now")
    ledger.write(record)
    expected = [("PREPARED", "a"), ("PREPARED", "b"), ("SENDING", "a"), ("SENDING", "b")]
    assert _listed(ledger) == expected
    assert announcer.wakes == 2
    other = home.on_another_host("host2").open_ledger()
    assert (ledger.is_observed, other.is_observed) == (True, False)
    assert _listed(other) == expected
    assert list_records(other) == [record]
    # Nothing changes for who knows nothing of it.
    other.write(record.advance(State.UNKNOWN, record.created_at, "no answer"))
    assert _listed(other) == expected


def test_a_call_that_begins_is_counted_and_keeps_its_place(ledger: Ledger) -> None:
    """And what was called is removed alone."""
    ledger.write(new())
    first, second = ledger.announcements()
    ledger.note_call(first)
    begun, still = ledger.announcements()
    assert (begun, still) == (first._replace(calls=1), second)
    ledger.remove_announcement(begun)
    assert ledger.announcements() == [second]
    # Twice is once.
    ledger.remove_announcement(begun)
    assert ledger.announcements() == [second]


def test_what_is_announced_once_is_never_announced_again(ledger: Ledger) -> None:
    """Even after it was removed, and for a record that is not kept not at all."""
    record = new()
    ledger.write(record)
    for each in ledger.announcements():
        ledger.remove_announcement(each)
    for _again in range(2):
        ledger.announce_once(record, "late", "late")
    assert _listed(ledger) == [("late", "a"), ("late", "b")]
    for each in ledger.announcements():
        ledger.remove_announcement(each)
    ledger.announce_once(record, "late", "late")
    ledger.announce_once(replace(record, id="another"), "late", "late")
    assert ledger.announcements() == []


def test_what_cannot_be_kept_is_not_announced(
    ledger: Ledger, home: Home, announcer: _Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and announcements are one transaction: all of it is there, or nothing."""
    rows: Any = DirectoryRows if home.kind == DIRECTORY else PostgresRows
    keep = rows.put

    def fail_when_written(self: Any, *given: Any) -> None:
        keep(self, *given)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(rows, "put", fail_when_written)
        with pytest.raises(LedgerUnusable):
            ledger.write(new())
    assert (ledger.announcements(), list_records(ledger), announcer.wakes) == ([], [], 0)


def test_an_announcer_that_fails_is_no_failure_of_the_ledger(
    ledger: Ledger, announcer: _Announcer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The record is kept, and a warning says that nobody is called."""
    monkeypatch.setattr(announcer, "list_news", lambda *_given: 1 / 0)
    record = new()
    ledger.write(record)
    assert (list_records(ledger), ledger.announcements(), announcer.wakes) == ([record], [], 0)
    assert "because of a bug in almajob" in caplog.text


def test_of_many_only_the_next_of_each_observer_are_read(ledger: Ledger) -> None:
    """One that hangs keeps neither the ledger from starts nor the next observer from its calls."""
    for number in range(40):
        ledger.write(new(id=f"r{number:02}", run_key=f"k{number}"))
    listed = ledger.announcements()
    assert len(listed) < 80
    assert {each.observer for each in listed} == {"a", "b"}
    called = []
    while ledger.has_announcements():
        called += (listed := ledger.announcements())
        for each in listed:
            ledger.remove_announcement(each)
    created = [record.id for record in list_records(ledger)]
    for observer in ("a", "b"):
        of_one = [each.event.partition(":")[0] for each in called if each.observer == observer]
        assert of_one == created


def test_what_is_of_no_record_is_announced_once(ledger: Ledger, announcer: _Announcer) -> None:
    """By its name, of which the last few hundred are remembered; nothing else is kept of it."""
    for _again in range(2):
        ledger.announce_other("sandbox:77", "x:77")
    assert _listed(ledger) == [("77", "a"), ("77", "b")]
    assert (announcer.wakes, ledger.count_announcements(), list_records(ledger)) == (1, 2, [])
    for number in range(300):
        ledger.announce_other(f"sandbox:{number}", f"x:{number}")
    assert ledger.count_announcements() == 2 * 300
    ledger.announce_other("sandbox:299", "x:299")
    assert ledger.count_announcements() == 2 * 300
    unobserved = Ledger(ledger.place)
    unobserved.announce_other("sandbox:1000", "x:1000")
    assert ledger.count_announcements() == 2 * 300


def test_a_call_that_is_to_be_made_later_keeps_its_place(ledger: Ledger) -> None:
    """With what is to be known then, and as one that was not begun; the other observers' stay as they are."""
    ledger.write(new())
    ledger.write(new(id="r2", run_key="another"))
    first, second = ledger.list_all_announcements("a")
    ledger.note_call(first)
    ledger.postpone_call(first, {"failures": 1})
    later = ledger.list_all_announcements("a")
    assert [(each.event, each.calls, each.message) for each in later] == [
        (first.event, 0, {"failures": 1}),
        (second.event, 0, second.message),
    ]
    assert [each.observer for each in ledger.list_all_announcements("b")] == ["b", "b"]
    ledger.remove_announcement(first)
    assert ledger.list_all_announcements("a") == [second]
