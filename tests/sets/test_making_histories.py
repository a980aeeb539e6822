"""Any history of sets that are made, changed, killed and deleted, while others do as they like."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import almajob
from almajob.alma.http.session import Session
from almajob.errors import AlmajobError
from almajob.sets import making
from almajob.sets.id_file import IdList
from almajob.sets.making import MadeSet, change_members, delete_set, make_set, make_set_from
from almajob.sets.origins import from_logical_set
from almajob.sets.plan import SetPlan
from almajob.sets.prune import delete_old_sets, find_old_sets
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.sets import SimulatedSet
from almajob.store.ledger.ledger import Ledger
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from tests.support.thoroughness import IN_CI

IDS = tuple(str(10**12 + number) for number in range(8))
OTHER_IDS = (*IDS[5:], *(str(2 * 10**12 + number) for number in range(5)))
UNKNOWN = ("B-1", "B-2", "B-3")
NAMES = ("almajob first", "almajob second")
LOGICAL = "All electronic theses"
FAULTS = ("reset-after", "reset-before", "accepted-500", "503", "accepted-truncated", "per-second")
CALLS = ("POST /conf/sets", "POST /conf/sets/*", "GET /conf/sets*", "DELETE /conf/sets/*")
Op = Literal["add", "remove", "replace"]
name = st.sampled_from(NAMES)


class Killed(BaseException):
    """The process ends here."""


class Ids(IdList):
    """Ids without a file."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.ids = ids
        self.count, self.duplicates, self.lines = len(ids), 0, len(ids)
        self.digest = hashlib.sha256("".join(ids).encode()).hexdigest()

    def chunks(self, size: int = 1000, start: int = 0) -> Iterator[tuple[str, ...]]:
        """Return them in pieces."""
        return (self.ids[begin : begin + size] for begin in range(start * size, len(self.ids), size))


def plan_set(wanted: str) -> tuple[SetPlan, Ids]:
    """Return what a set is made of; the second has ids that Alma refuses, which are to be found."""
    sifts = wanted == NAMES[1]
    ids = Ids((UNKNOWN[0], *IDS, *UNKNOWN[1:]) if sifts else IDS)
    id_type = "BARCODE" if sifts else ""
    plan = SetPlan(wanted, "BIB_MMS", id_type, "of a test", True, sifts, ids.digest, ids.count)
    return plan.replace(finds_refused=sifts), ids


def _change(op: Op, members: set[str], ids: set[str]) -> set[str]:
    """Return the members of a set after a change."""
    return {"add": members | ids, "remove": members - ids, "replace": ids}[op]


class Histories(RuleBasedStateMachine):
    """One Alma, one ledger, and somebody else."""

    @initialize()
    def begin(self) -> None:
        """Begin with an Alma as it comes, and an empty ledger."""
        self.closing = ExitStack()
        patched = self.closing.enter_context(pytest.MonkeyPatch.context())
        directory = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        simulator = self.closing.enter_context(Simulator(Institution(Clock(speed=0))))
        self.alma = SimulatedAlma(simulator)
        clock = self.alma.clock
        passing = clocks.Clock(clock, clock, lambda seconds: clock.advance(max(seconds, 0)), clock)
        patched.setattr(clocks, "SYSTEM", passing)
        patched.setattr(making, "MEMBERS_A_CALL", 3)
        self.left = 0
        for owner, step in ((Ledger, "keep_fact"), (Session, "write")):
            patched.setattr(owner, step, self._mortal(getattr(owner, step)))
        ini = directory / "almajob.ini"
        ini.touch(mode=0o600)
        ini.write_text(self.alma.ini)
        context = almajob.connect("sandbox", ini_file=str(ini), state_dir=str(directory / "state"))
        self.shop = self.closing.enter_context(context).workshop
        self.deps = self.shop.sets()
        self.foreign = {each.id: each for each in self.sets()}
        self.made: dict[str, MadeSet] = {}
        self.changed: set[str] = set()
        self.broken_off: dict[str, tuple[Op, tuple[str, ...]]] = {}
        self.disturbed: set[str] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "closing"):
            self.closing.close()

    def sets(self) -> list[SimulatedSet]:
        """Return all sets that there are."""
        return list(self.alma.institution.worlds["SANDBOX"].sets)

    def find(self, wanted: str) -> SimulatedSet | None:
        """Return the set of a name."""
        return next((each for each in self.sets() if each.name == wanted), None)

    def find_members(self, wanted: str) -> tuple[str, ...]:
        """Return the members of the set of a name."""
        found = self.find(wanted)
        return found.members if found is not None else ()

    def _happen(self, **event: Any) -> None:
        self.alma.institution.worlds["SANDBOX"].happen(lambda: event)

    def _mortal(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Let the process end before or after a step, when it is its turn."""

        def working(*args: Any, **kwargs: Any) -> Any:
            self._count_down()
            done = work(*args, **kwargs)
            self._count_down()
            return done

        return working

    def _count_down(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def _check(self, wanted: str, made: MadeSet, members: tuple[str, ...]) -> None:
        """Make sure that what is said of a set is so, and that it is ours."""
        found = self.find(wanted)
        assert found is not None
        assert (made.id, made.count) == (found.id, len(found.members))
        assert found.id not in self.foreign
        if found.id not in self.changed:
            assert found.members == members
        self.made[wanted] = made

    @rule(wanted=name, dies_at=st.just(0) | st.integers(1, 20))
    def make(self, wanted: str, dies_at: int) -> None:
        """Make a set, or go on with it; what is said of it is so."""
        plan, ids = plan_set(wanted)
        self.left = dies_at
        try:
            made = make_set(plan, ids, self.deps)
        except (Killed, AlmajobError):
            return
        finally:
            self.left = 0
        self._check(wanted, made, IDS)
        if made.id not in self.changed:
            assert made.refused == (UNKNOWN if plan.finds_refused else ())

    @rule(wanted=name, dies_at=st.just(0) | st.integers(1, 12))
    def make_from(self, wanted: str, dies_at: int) -> None:
        """Make a set that Alma fills, or go on with it; it has its members when that has ended well."""
        self.left = dies_at
        try:
            origin = from_logical_set(self.deps.alma, LOGICAL)
            plan = SetPlan(wanted, origin.content, "", "of a test", True, False, origin.digest, 0)
            made = make_set_from(plan, origin, self.deps)
        except (Killed, AlmajobError):
            return
        finally:
            self.left = 0
        self._check(wanted, made, self.find_members(LOGICAL))

    @rule(
        wanted=name,
        op=st.sampled_from(get_args(Op)),
        ids=st.sampled_from((IDS, OTHER_IDS)),
        dies_at=st.just(0) | st.integers(1, 20),
    )
    def change(self, wanted: str, op: Op, ids: tuple[str, ...], dies_at: int) -> None:
        """Change the members of a set that was made, or go on with that."""
        if wanted not in self.made:
            return
        set_id = self.made[wanted].id
        self.changed.add(set_id)
        if self.broken_off.get(set_id) != (op, ids):
            self.disturbed.discard(set_id)
        before = next((each.members for each in self.sets() if each.id == set_id), ())
        is_new = set_id not in self.broken_off
        self.broken_off[set_id] = (op, ids)
        self.left = dies_at
        try:
            count = change_members(set_id, op, Ids(ids), self.deps)
        except (Killed, AlmajobError):
            return
        finally:
            self.left = 0
        del self.broken_off[set_id]
        members = next(each.members for each in self.sets() if each.id == set_id)
        assert count == len(members)
        if is_new:
            assert set(members) == _change(op, set(before), set(ids))
        elif set_id not in self.disturbed:
            # Whatever of it was done before, it is done now.
            assert _change(op, set(members), set(ids)) == set(members)

    @rule(dies_at=st.just(0) | st.integers(1, 12))
    def prune(self, dies_at: int) -> None:
        """Delete all sets that almajob has made."""
        before = self.alma.clock() + 1
        problems: list[AlmajobError] = []
        self.left = dies_at
        try:
            old = find_old_sets(before, self.shop, also_lasting=True)
            list(delete_old_sets(old, before, self.shop, problems))
        except (Killed, AlmajobError):
            return
        finally:
            self.left = 0
        if not problems:
            assert {each.id for each in self.sets()} == self.foreign.keys()

    @rule(wanted=name, dies_at=st.integers(0, 8))
    def delete(self, wanted: str, dies_at: int) -> None:
        """Delete a set that was made."""
        if wanted not in self.made:
            return
        self.left = dies_at
        try:
            delete_set(self.made[wanted], self.deps)
        except (Killed, AlmajobError):
            return
        finally:
            self.left = 0
        assert all(each.id != self.made[wanted].id for each in self.sets())

    @rule(fault=st.sampled_from(FAULTS), on=st.sampled_from(CALLS))
    def fail(self, fault: str, on: str) -> None:
        """Let the next call of a kind fail."""
        self.alma.faults.add(fault, on)

    @rule(wanted=name)
    def somebody_makes_one(self, wanted: str) -> None:
        """Somebody else makes a set of the name, if there is none."""
        if self.find(wanted) is None:
            members = list(IDS[:2])
            set_id = str(70_000 + len(self.foreign))
            about = {"content": "BIB_MMS", "description": "mine", "members": members}
            self._happen(kind="set", id=set_id, at=self.alma.clock(), name=wanted, **about)
            self.foreign[set_id] = next(each for each in self.sets() if each.id == set_id)

    @rule(wanted=name)
    def somebody_deletes_ours(self, wanted: str) -> None:
        """Somebody deletes the set that almajob has made, however far it is."""
        found = self.find(wanted)
        if found is not None and found.id not in self.foreign:
            self._happen(kind="drop set", id=found.id)

    @rule(wanted=name)
    def somebody_changes_ours(self, wanted: str) -> None:
        """Somebody takes a member out of it, and puts another in."""
        found = self.find(wanted)
        if found is not None and found.id not in self.foreign:
            self._happen(kind="members", id=found.id, members=[*found.members[1:], "99"])
            self.changed.add(found.id)
            self.disturbed.add(found.id)

    @rule(wanted=name)
    def somebody_deletes_theirs(self, wanted: str) -> None:
        """Somebody deletes a set of their own."""
        found = self.find(wanted)
        if found is not None and self.foreign.pop(found.id, None) is not None:
            self._happen(kind="drop set", id=found.id)

    @invariant()
    def others_have_what_they_had(self) -> None:
        """No set of others was changed or deleted, and there is one set of each name at most."""
        if not hasattr(self, "closing"):
            return
        there = {each.id: each for each in self.sets()}
        assert {set_id: there.get(set_id) for set_id in self.foreign} == self.foreign
        names = [each.name for each in there.values() if each.name in NAMES]
        assert len(names) == len(set(names))


Histories.TestCase.settings = settings(
    max_examples=120 if IN_CI else 12, stateful_step_count=25, deadline=None
)
TestHistories = Histories.TestCase
