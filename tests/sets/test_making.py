"""A set is made and deleted by one process at a time, and a deletion is ended before it is made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from almajob.errors import OutcomeUnknown, Refused
from almajob.sets.id_file import IdList, read_ids
from almajob.sets.made_sets import DELETING, find_record, keep_record
from almajob.sets.making import SetDeps, delete_set, make_set
from almajob.sets.plan import SetPlan
from almajob.store.ledger.record import alma_of, checksum
from almajob.testing import SimulatedAlma

NAME = "almajob of a test"


@pytest.fixture
def ids(tmp_path: Path) -> Iterator[IdList]:
    """Two ids."""
    path = tmp_path / "ids.txt"
    path.write_text("99700000000561\n99700010000561\n")
    with read_ids(str(path)) as read:
        yield read


def _plan(ids: IdList) -> SetPlan:
    return SetPlan(
        name=NAME,
        content="BIB_MMS",
        id_type="",
        description="A test's",
        is_public=True,
        skip_invalid=False,
        source=ids.digest,
        count=ids.count,
    )


def _change(simulated: SimulatedAlma, set_id: str, *members: str) -> None:
    event = {"kind": "members", "id": set_id, "members": members}
    simulated.institution.sandbox.happen(lambda: event)


def _list_ids(simulated: SimulatedAlma) -> list[str]:
    return [each.id for each in simulated.institution.worlds["SANDBOX"].sets if each.name == NAME]


def test_a_deletion_that_was_cut_short_is_ended_before_the_set_is_made_again(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList
) -> None:
    """Otherwise a set that somebody wanted to be gone would be used."""
    first = make_set(_plan(ids), ids, deps)
    record = find_record(deps.ledger, deps.identity, NAME)
    assert record is not None
    keep_record(deps.ledger, deps.identity, record.replace(state=DELETING))
    second = make_set(_plan(ids), ids, deps)
    assert (second.id != first.id, second.count, _list_ids(simulated)) == (True, 2, [second.id])


def test_nothing_is_sent_for_a_set_at_which_another_process_is_at_work(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits in vain is told so."""
    made = make_set(_plan(ids), ids, deps)
    monkeypatch.setattr("almajob.sets.making._LOCK_WAIT", 0.0)
    lock = f"set:{checksum([alma_of(deps.identity), NAME])[:20]}"
    before = simulated.log.count()
    with deps.ledger.place.locks.lock(lock, 0.0, remove=True):
        for work in (lambda: make_set(_plan(ids), ids, deps), lambda: delete_set(made, deps)):
            with pytest.raises(Refused, match="at work on the set"):
                work()
    assert (simulated.log.count(), _list_ids(simulated)) == (before, [made.id])


def test_a_deletion_whose_answer_is_lost_and_that_cannot_be_sent_again_is_unknown(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList
) -> None:
    """That the last try was not sent says nothing of the first."""
    made = make_set(_plan(ids), ids, deps)
    simulated.faults.add("reset-after", "DELETE /conf/sets/*")
    for _ in range(4):
        simulated.faults.add("503", "DELETE /conf/sets/*")
    with pytest.raises(OutcomeUnknown):
        delete_set(made, deps)


@pytest.mark.parametrize("skip_invalid", [False, True])
def test_a_set_that_somebody_has_changed_since_it_was_filled_is_not_gone_on_with(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList, skip_invalid: bool
) -> None:
    """Fewer members are not taken for ids that Alma does not know. Once it is deleted, it is made again."""
    plan = _plan(ids).replace(skip_invalid=skip_invalid)
    made = make_set(plan, ids, deps)
    assert make_set(plan, ids, deps) == replace(made, is_new=False)
    for members in (("1",), (), ("1", "2", "3")):
        _change(simulated, made.id, *members)
        with pytest.raises(Refused, match=f"had 2 members when it was filled, and has {len(members)} now"):
            make_set(plan, ids, deps)
    delete_set(made, deps)
    again = make_set(plan, ids, deps)
    assert (again.id != made.id, again.count) == (True, 2)


def test_a_set_that_was_counted_late_is_as_it_should_be(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList
) -> None:
    """All ids are in it: so nobody has taken anything away."""
    plan = _plan(ids).replace(skip_invalid=True)
    made = make_set(plan, ids, deps)
    record = find_record(deps.ledger, deps.identity, NAME)
    assert record is not None
    assert record.members == 2
    keep_record(deps.ledger, deps.identity, record.replace(members=1))
    assert make_set(plan, ids, deps) == replace(made, is_new=False)
