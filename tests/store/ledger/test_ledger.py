"""The ledger: nothing lost, nothing changed in silence, found by whatever it is looked for by."""

from __future__ import annotations

import sys
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.errors import Refused
from almajob.store.json_rows import SIZE_LIMIT
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import InstanceTaken, Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Candidate, Certainty, Record, State, Transition
from tests.store.crowd import write_many
from tests.store.ledger.everything import fill
from tests.store.ledger.test_record import new, records
from tests.support.ledgers import list_records, read_fact, write_steps
from tests.support.memory_place import MemoryPlace, Step
from tests.support.places import DIRECTORY, Home, read_rows, restore_rows
from tests.support.processes import PROCESSES, exit_codes
from tests.support.thoroughness import IN_CI


@pytest.fixture
def ledger(home: Home) -> Ledger:
    """The ledger of a host, in each of the places where one can be kept."""
    return home.open_ledger()


def _ids(found: list[Record]) -> list[str]:
    return [record.id for record in found]


def test_records_are_there_for_the_next_process(ledger: Ledger, home: Home) -> None:
    """Oldest first, each as it was written last; also for one of another host."""
    made = fill(ledger, 5)
    other = home.on_another_host("host2").open_ledger()
    assert list_records(other) == made
    assert read_fact(other, "place:x") == {"institution": "01X"}
    assert read_fact(ledger, "place:y") is None
    with other.read() as view:
        assert view.count() == 5
        assert [view.find(record.id) for record in made] == made
        assert view.find("no such") is None


def test_records_are_found_by_what_they_are_looked_for_by(ledger: Ledger) -> None:
    """Key, job, time, being open: the oldest first, and only those."""
    made = fill(ledger, 12)
    ledger.write(new(id="p", environment="production", job_id="M44", run_key="k1"))
    with ledger.read() as view:
        assert _ids(view.list_of_key("k1")) == ["p", "r002", "r003"]
        assert view.list_of_key("k7") == []
        assert _ids(view.list_of_job("M44")) == ["p"]
        assert view.list_of_job("S1", 3.0) == [made[4], made[6], made[8], made[10]]
        assert view.list_since(9.0) == made[9:]
        assert _ids(view.list_open()) == ["r000", "p", *_ids([each for each in made[1:] if each.is_open])]
        assert _ids(view.list_open("M44")) == ["p"]
        assert view.list_open("S2") == [made[1], made[5], made[9]]
        assert (view.knows("production", "M44"), view.knows("sandbox", "M44")) == (True, False)
        assert _ids(list(view.read_back(environment="production"))) == ["p", "r010", "r005", "r000"]
        assert _ids(list(view.read_back(job_id="M44"))) == ["p"]
        assert _ids(list(view.read_back(job_id="S1", environment="production"))) == ["r010", "r000"]
        assert _ids(list(view.read_back()))[:2] == ["p", "r011"]


def test_records_are_found_by_their_runs(ledger: Ledger) -> None:
    """By one that may be theirs, too, as long as it is nobody's; once it is known which, by that alone."""
    candidates = (Candidate("8", "x", "", ""), Candidate("9", "x", "", ""))
    one = new(State.AMBIGUOUS, id="one", candidates=candidates)
    other = new(State.AMBIGUOUS, id="other", candidates=candidates[:1])
    ledger.write(one)
    ledger.write(other)
    with ledger.read() as view:
        assert view.list_of_instance("8") == [one, other]
        assert view.list_of_instance("9") == [one]
        assert view.list_claims(["8", "9", "7"]) == []
    one = one.advance(State.ADOPTED, 2.0, "it is 8", instance_id="8", candidates=())
    ledger.write(one)
    with ledger.read() as view:
        assert view.list_of_instance("8") == [one]
        assert view.list_of_instance("9") == []
        assert view.list_claims(["8", "9", "7"]) == [one]
        assert view.list_open() == [other]


def test_one_instance_is_never_the_run_of_two(ledger: Ledger) -> None:
    """The second is refused, and nothing of it is kept; another Alma may have a run of the same number."""
    first = new(State.ADOPTED, id="first", identity="a:alma:key", instance_id="7")
    ledger.write(first)
    second = new(id="second", identity="b:alma:key", run_key="another")
    ledger.write(second)
    second = second.advance(State.SENDING, 2.0, "x")
    ledger.write(second)
    with pytest.raises(InstanceTaken, match="Run 7 is the one of another start: first") as caught:
        ledger.write(second.advance(State.STARTED, 3.0, "x", instance_id="7"))
    assert caught.value.other == first
    assert isinstance(caught.value, Refused)
    assert list_records(ledger) == [first, second]
    elsewhere = new(State.ADOPTED, id="third", identity="a:elsewhere:key", instance_id="7")
    ledger.write(elsewhere)
    with ledger.read() as view:
        assert view.list_claims(["7"]) == [first, elsewhere]


def test_a_run_that_was_attached_to_may_be_that_of_many(ledger: Ledger) -> None:
    """Before or after it is known whose it is."""
    attached = {"instance_id": "7", "certainty": Certainty.INFERRED}
    for name in ("a", "b"):
        ledger.write(new(State.ADOPTED, id=name, run_key=name, **attached))
    ledger.write(new(State.ADOPTED, id="c", instance_id="7", certainty=Certainty.TAGGED))
    ledger.write(new(State.ADOPTED, id="d", **attached))
    with ledger.read() as view:
        assert _ids(view.list_claims(["7"])) == ["a", "b", "c", "d"]
    with pytest.raises(InstanceTaken):
        ledger.write(new(State.ADOPTED, id="e", instance_id="7", certainty=Certainty.TAGGED))


def test_a_record_cannot_be_written_over_by_another_story(ledger: Ledger) -> None:
    """Two processes that both go on from the same state: the second is refused."""
    record = new()
    ledger.write(record)
    ledger.write(record.advance(State.SENDING, 2.0, "x"))
    with pytest.raises(LedgerUnusable) as caught:
        ledger.write(record.advance(State.NOT_STARTED, 2.0, "x"))
    assert "device or resource busy" in caught.value.reason.lower() or "changed by" in caught.value.reason


def test_a_record_that_is_missing_is_not_begun_in_the_middle(ledger: Ledger) -> None:
    """It was there when its first step was written, so the ledger has lost it."""
    with pytest.raises(LedgerUnusable) as caught:
        ledger.write(new().advance(State.SENDING, 2.0, "x"))
    assert caught.value.reason.startswith("A record is missing. ")
    assert list_records(ledger) == []


def test_records_since_a_time_are_found_whatever_the_clock_was(ledger: Ledger) -> None:
    """It was a day ahead for one start, and a day behind for another; then it was put right."""
    for number, at in enumerate((1.0, 2.0, 9.0, 3.0, 4.0, 0.5, 5.0, 6.0)):
        ledger.write(new(id=f"r{number}", run_key=f"k{number}", trail=(Transition(State.PREPARED, at, "x"),)))
    with ledger.read() as view:
        assert _ids(view.list_since(4.0)) == ["r4", "r6", "r7", "r2"]
        assert _ids(view.list_of_job("S1", 5.5)) == ["r7", "r2"]
        assert len(view.list_since(0.0)) == 8
        assert view.list_since(9.5) == []


@given(st.lists(st.tuples(records(), st.sampled_from(["a", "b:c", "k ", "ä\n", "%_*?["])), max_size=8))
def test_whatever_is_written_is_found(written: list[tuple[Record, str]]) -> None:
    """Records with any text in them, keys and names that would mean something elsewhere."""
    ledger, kept = Ledger(MemoryPlace()), {}
    for number, (record, text) in enumerate(written):
        record = replace(record, id=f"{number}{text}", environment=text, job_id=text, instance_id="")
        kept[record.id] = write_steps(ledger, record)
    with ledger.read() as view:
        assert {record.id: record for record in view.read_back()} == kept
        for record in kept.values():
            assert view.find(record.id) == record
            assert record in view.list_of_key(record.run_key)
            assert record in view.list_of_job(record.job_id)
            assert (record in view.list_open(record.job_id)) is (record in view.list_open()) is record.is_open
            assert record in list(view.read_back(environment=record.environment))
            assert view.knows(record.environment, record.job_id)


def test_a_start_asks_a_place_as_little_as_possible(tmp_path: Path) -> None:
    """It may be far away: a step reads once and writes once, whatever it is."""
    steps: list[Step] = []
    ledger = Ledger(MemoryPlace(on_step=steps.append, newest=tmp_path / "newest"))
    write_steps(ledger, new(id="earlier", run_key="earlier"))
    record = new()
    for step in (
        record,
        record := record.advance(State.SENDING, 2.0, "x"),
        record.advance(State.STARTED, 3.0, "x", instance_id="7"),
    ):
        steps.clear()
        ledger.write(step)
        assert steps == [Step.CHANGE, Step.GET, Step.PUT, Step.COMMIT, Step.COMMITTED]


def test_many_open_records_are_no_burden() -> None:
    """A start reads those of its own job alone."""
    ledger = Ledger(MemoryPlace())
    for number in range(300):
        ledger.write(new(id=f"r{number}", run_key=f"k{number}", job_id=f"S{number}"))
    with ledger.read() as view:
        assert len(view.list_open()) == 300
        assert _ids(view.list_open("S7")) == ["r7"]


def test_a_fact_that_is_too_large_is_no_damage(ledger: Ledger) -> None:
    """It is not kept, as it could not be read again."""
    fill(ledger, 5)
    with pytest.raises(LedgerUnusable) as caught:
        ledger.keep_fact("large", "x" * SIZE_LIMIT)
    assert "larger than 16 MiB" in caught.value.reason
    assert ".damaged" not in caught.value.hint
    assert len(list_records(ledger)) == 5


def _claim(home: Home, number: int, all_ready: Barrier) -> None:
    """Claim an instance, as all the others do at the same moment; exit with 3 where it is another's."""
    ledger = home.on_another_host(f"host{number % 3}").open_ledger()
    record = new(id=f"r{number}", run_key=f"k{number}", identity="a:alma:key")
    ledger.write(record)
    record = record.advance(State.SENDING, 2.0, "x")
    ledger.write(record)
    all_ready.wait()
    try:
        ledger.write(record.advance(State.STARTED, 3.0, "x", instance_id="7"))
    except InstanceTaken:
        sys.exit(3)


def test_of_many_who_claim_an_instance_at_once_one_has_it(ledger: Ledger, home: Home) -> None:
    """And nothing of what the others wrote is kept."""
    all_ready = PROCESSES.Barrier(8)
    codes = exit_codes(_claim, [(home, number, all_ready) for number in range(8)])
    assert sorted(codes, key=str) == [0, *[3] * 7]
    with ledger.read() as view:
        (owner,) = view.list_claims(["7"])
        assert owner.id == f"r{codes.index(0)}"
        assert len(view.list_open()) == 7


def test_fifty_processes_share_one_ledger(ledger: Ledger, home: Home) -> None:
    """Every record of every process is there; none was told that the ledger is locked."""
    count = 50 if IN_CI or home.kind == DIRECTORY else 15
    each = [(home.on_another_host(f"host{number % 5}"), new(), number, 2) for number in range(count)]
    assert exit_codes(write_many, each) == [0] * count
    found = list_records(ledger)
    assert len(found) == 2 * count
    assert all(record.state is State.STARTED for record in found)
    with ledger.read() as view:
        assert (view.count(), view.list_open()) == (2 * count, [])
        assert all(view.list_of_key(record.run_key) == [record] for record in found)


def test_a_told_run_is_remembered(ledger: Ledger) -> None:
    """A change without a step."""
    ledger.write(new())
    ledger.write(replace(new(), is_told=True))
    assert [item.is_told for item in list_records(ledger)] == [True]


def test_a_record_is_amended_as_it_is_kept_now(ledger: Ledger) -> None:
    """What another process wrote meanwhile stays; what is not kept is not made."""
    ledger.amend(new(), end_status="FAILED")
    assert list_records(ledger) == []
    stale = new()
    ledger.write(stale)
    ledger.write(stale.advance(State.SENDING, 2.0, "about to be sent", sent_at=2.0))
    ledger.amend(stale, end_status="FAILED", lasted=3.5)
    ledger.amend(stale, is_told=True)
    (found,) = list_records(ledger)
    assert (found.state, found.end_status, found.lasted, found.is_told) == (
        State.SENDING,
        "FAILED",
        3.5,
        True,
    )


DAY = 86_400.0


def _gap(ledger: Ledger, now: float) -> Gap:
    with ledger.read() as view:
        return view.gap(now)


def _written(ledger: Ledger, *days: float) -> None:
    """Write a start for each of these days."""
    for day in days:
        ledger.write(new(id=f"r{day}", trail=(Transition(State.PREPARED, day * DAY, "x"),)))


def test_a_ledger_knows_since_when_it_may_lack_records(ledger: Ledger) -> None:
    """Since it began, or since it was idle for more than a day, for a month; not from one day to the next."""
    assert (_gap(ledger, 99 * DAY).since, _gap(ledger, 99 * DAY).until) == (0, 99 * DAY)
    _written(ledger, *range(100, 140))
    assert _gap(ledger, 140 * DAY) == Gap(140 * DAY, 140 * DAY)
    assert _gap(ledger, 145 * DAY) == Gap(139 * DAY, 145 * DAY)
    _written(ledger, *range(145, 160))
    assert _gap(ledger, 160 * DAY) == Gap(139 * DAY, 145 * DAY)
    _written(ledger, *range(160, 177))
    assert _gap(ledger, 177 * DAY) == Gap(177 * DAY, 177 * DAY)


def test_a_ledger_that_was_restored_notices_it(ledger: Ledger) -> None:
    """Also when it has been written to since; a clock that is put back is no loss."""
    _written(ledger, *range(100, 140))
    backup = read_rows(ledger.place)
    _written(ledger, 140.0, 141.0)
    assert _gap(ledger, 135 * DAY).lost_since is None
    restore_rows(ledger.place, backup)
    lost = Gap(139 * DAY, 142 * DAY, 139 * DAY, 142 * DAY)
    assert _gap(ledger, 142 * DAY) == lost
    _written(ledger, 142.0, 143.0)
    assert _gap(ledger, 143.5 * DAY) == lost
    assert _gap(ledger, 150 * DAY) == Gap(139 * DAY, 150 * DAY, 139 * DAY, 142 * DAY)


def test_what_is_certainly_missing_is_kept(ledger: Ledger, home: Home) -> None:
    """Another ledger has it: that is joined to what was known before."""
    _written(ledger, *range(100, 140))
    ledger.keep_gap(Gap(110 * DAY, 139.5 * DAY))
    ledger.keep_gap(Gap(120 * DAY, 139.6 * DAY))
    assert _gap(ledger, 140 * DAY) == Gap(110 * DAY, 139.6 * DAY)
    assert _gap(home.open_ledger(), 140 * DAY) == Gap(110 * DAY, 139.6 * DAY)


def test_a_newest_record_that_cannot_be_noted_harms_nobody(ledger: Ledger) -> None:
    """A directory, or text that is none, is where its name should be: the start is kept all the same."""
    name = ledger.place.newest
    name.parent.mkdir(mode=0o700)
    name.mkdir()
    _written(ledger, 1.0)
    assert _gap(ledger, 1.5 * DAY).lost_since is None
    name.rmdir()
    name.write_bytes(b"\xff\xfe")
    assert _gap(ledger, 1.5 * DAY).lost_since is None
    assert len(list_records(ledger)) == 1


def test_facts_are_listed_by_how_their_names_begin(ledger: Ledger) -> None:
    """Each with its whole name; one whose name only has that in it is none."""
    for name in ("set:a", "set:b", "sets", "a set:c"):
        ledger.keep_fact(name, {"name": name})
    with ledger.read() as view:
        assert view.list_facts("set:") == {name: {"name": name} for name in ("set:a", "set:b")}
        assert view.list_facts("other:") == {}
