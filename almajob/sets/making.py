"""Make a set of ids, once, and delete it: each step is on disk before it is sent, and goes on after any end.

A set's name is unique in Alma, and the mark in its description is known to the ledger alone: so a set whose
creation was not answered is found again, and one of the same name that somebody else has made is told from
it. Adding members twice changes nothing, as a set has each record once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from almajob.alma.client import Alma
from almajob.alma.http.error_responses import NO_SUCH_SET, PER_SECOND_THRESHOLD
from almajob.alma.sets import Set
from almajob.errors import (
    AlmajobError,
    AlmaRefused,
    CallsUsedUp,
    JobBusy,
    NotSent,
    OutcomeUnknown,
    QuotaUsedUp,
    Refused,
)
from almajob.runs.parameters.set_check import list_like
from almajob.runs.start.interruption import report_interruption
from almajob.sets.id_file import IdList
from almajob.sets.kept_changes import Change, find_change, keep_change
from almajob.sets.made_sets import (
    DELETED,
    DELETING,
    FILLED,
    FILLING,
    MakingRecord,
    find_record,
    keep_record,
    new_record,
)
from almajob.sets.origins import Origin
from almajob.sets.plan import SetPlan
from almajob.sets.sift import sift
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.store.unique_texts import open_unique_texts
from almajob.system import clock as clocks
from almajob.text.busy import Busy, show_nothing

LOG = logging.getLogger(__name__)

MEMBERS_A_CALL = 1000
MOST_SIFTING_CALLS = 500
"""How many calls more than needed are made to find the ids that Alma refuses."""
_NAME_TAKEN = "402263"
_GONE = NO_SUCH_SET | {"402264"}
_NOT_VALID = frozenset({"60116", "60120"})
_THERE_ALREADY = frozenset({"60115", "60119", "60176"})
_NOT_THERE = "60117"
_OPERATIONS = {"add": "add_members", "remove": "delete_members", "replace": "replace_members"}
_TRIES = 5
_LOCK_WAIT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_REST, _REST_OF_EMPTY, _REST_OF_PARTIAL = 60.0, 300.0, 600.0
"""For how many seconds no member has come to a set, so that no other is waited for."""


@dataclass(frozen=True, slots=True)
class SetDeps:
    """With what sets are made.

    Attributes:
        alma: the connection.
        ledger: keeps how far they are.
        identity: of the Alma that is called.
        clock: by which is waited before a call is tried again.
        busy: shows people how far it is.
    """

    alma: Alma
    ledger: Ledger
    identity: str
    clock: clocks.Clock
    busy: Busy = show_nothing


@dataclass(frozen=True, slots=True)
class MadeSet:
    """A set that is there, with all its ids.

    Attributes:
        id: its id.
        name: its name.
        count: the members that Alma counts.
        rejected: how many ids are not among them, where those that Alma does not know are left out.
        refused: those of them that are known, where they were looked for as the set was filled.
        is_new: whether it was made by this call, and not gone on with.
        missing: how many members it lacks that Alma itself should have added.
    """

    id: str
    name: str
    count: int
    rejected: int = 0
    is_new: bool = True
    refused: tuple[str, ...] = ()
    missing: int = 0


def make_set(plan: SetPlan, ids: IdList, deps: SetDeps) -> MadeSet:
    """Make a set of ids, or go on where an earlier call for the same name and ids stopped.

    Raises:
        Refused: somebody else has made a set of this name, or it was made of other ids.
        OutcomeUnknown: it is unknown what became of a call; the same call goes on.
        AlmajobError: Alma refused, or could not be reached.
    """

    def complete(record: MakingRecord, *, is_new: bool) -> MadeSet:
        return _complete(plan, ids, record, deps, is_new=is_new)

    return _make(plan, {}, complete, deps)


def make_set_from(plan: SetPlan, origin: Origin, deps: SetDeps) -> MadeSet:
    """Make a set that Alma fills from something else than ids, or go on as ``make_set``; it raises the same.

    Where members are missing in the end, Alma does not go on with it; the same call looks at it again.
    """

    def await_members(record: MakingRecord, *, is_new: bool) -> MadeSet:
        return _await_members(plan, origin, record, deps, is_new=is_new)

    return _make(plan, origin.query, await_members, deps)


def find_kept(plan: SetPlan, deps: SetDeps) -> MakingRecord | None:
    """Return what is known of the set of a plan's name; None where almajob has made none that is there.

    Raises:
        Refused: it was made of other ids, or from something else, and is there.
    """
    kept = find_record(deps.ledger, deps.identity, plan.name)
    if kept is None or kept.state in (DELETING, DELETED) or kept.source == plan.source:
        return kept
    if find_made_set(kept, deps) is None:
        return None
    raise Refused(
        f"The set {plan.name!r} was made of other ids, or from something else; it was not changed.",
        hint="Repeat the command that made it, or take another name.\n"
        "almajob sets replace gives it other members; almajob sets delete deletes it.",
    )


def _make(plan: SetPlan, query: Mapping[str, str], fill: Callable[..., MadeSet], deps: SetDeps) -> MadeSet:
    """Make a set, or go on with it.

    Args:
        query: of the call that creates it.
        fill: fills the set of a record, and counts its members.
    """
    with _lock_name(plan.name, deps):
        kept = find_kept(plan, deps)
        if kept is not None and kept.state == DELETING:
            # It may be gone already, and whoever began that wanted no set.
            kept = _delete_ours(kept, deps)
        if kept is not None and kept.set_id and kept.state != DELETED:
            try:
                return fill(kept, is_new=False)
            except AlmaRefused as refused:
                if refused.code not in _GONE:
                    raise
                LOG.info("The set %s is not there any more. It is made again.", plan.name)
                kept = None
        is_new = kept is None or kept.state == DELETED
        if kept is None or is_new:
            record = _keep(new_record(plan.name, plan.source, deps.clock.now(), plan.run_key), deps)
        else:
            record = kept
        set_id = _create(plan, query, record, deps, may_be_there=not is_new)
        record = _keep(record.replace(set_id=set_id, state=FILLING), deps)
        return fill(record, is_new=is_new)


def delete_set(made: MadeSet, deps: SetDeps) -> None:
    """Delete a set that almajob has made; that it is gone already is as good.

    Raises:
        Refused: almajob has not made it.
        OutcomeUnknown: it is unknown whether it was deleted.
        AlmajobError: it was not.
    """
    with _lock_name(made.name, deps):
        record = find_record(deps.ledger, deps.identity, made.name)
        if record is None or record.set_id != made.id:
            raise Refused(
                f"The set {made.name!r} ({made.id}) is not known to be almajob's; it was not deleted.",
                hint="Delete it in Alma, Admin > Manage Sets, if it is to go.",
            )
        _delete_ours(record, deps)


def delete_named_set(found: Set, deps: SetDeps) -> None:
    """Delete a set that a person has named, whoever has made it; that it is gone already is as good.

    Raises:
        OutcomeUnknown: it is unknown whether it was deleted.
        AlmajobError: it was not.
    """
    with _lock_name(found.name, deps):
        record = find_record(deps.ledger, deps.identity, found.name)
        if record is not None and record.set_id == found.id:
            _delete_ours(record, deps)
        else:
            _delete(found.id, deps)


def find_made_set(record: MakingRecord, deps: SetDeps) -> Set | None:
    """Return the set of a record as Alma has it now, whoever has changed it; None where it is gone."""
    set_id = record.set_id or _find_ours(record, deps)
    try:
        return deps.alma.set(set_id) if set_id else None
    except AlmaRefused as refused:
        if refused.code in _GONE:
            return None
        raise


def delete_made_set(name: str, find: Callable[[MakingRecord], Set | None], deps: SetDeps) -> bool:
    """Delete a set that almajob has made, once it was looked at while no other process works on it.

    Args:
        find: returns the set, or None where it is gone, which is noted. What it raises keeps the set.

    Returns:
        Whether it was deleted; False where it was gone.

    Raises:
        OutcomeUnknown: it is unknown whether it was deleted.
        AlmajobError: it was not.
    """
    with _lock_name(name, deps):
        record = find_record(deps.ledger, deps.identity, name)
        if record is None or record.state == DELETED:
            return False
        found = find(record)
        if found is None:
            _keep(record.replace(state=DELETED), deps)
            return False
        _delete_ours(record.replace(set_id=found.id), deps)
        return True


def note_gone(record: MakingRecord, deps: SetDeps) -> None:
    """Note that a set is gone, unless another process has gone on with it meanwhile."""
    with _lock_name(record.name, deps):
        if find_record(deps.ledger, deps.identity, record.name) == record:
            _keep(record.replace(state=DELETED), deps)


def change_members(
    set_id: str, op: Literal["add", "remove", "replace"], ids: IdList, deps: SetDeps, id_type: str = ""
) -> int | None:
    """Add ids to a set, take them out, or let it have no others; return how many members Alma counts then.

    Ids that Alma does not know, that are there already, or that are not there, are passed over. Nothing
    is doubled by a call that is sent again. So the same change goes on after any end, for a week, at the
    thousand that is not known to have been sent; one that was done, or that another change of the set came
    after, is made from its start.

    Args:
        op: what becomes of the ids.
        id_type: of the ids, as Alma names it; empty for the ids of Alma itself.

    Raises:
        Refused: a set is to be replaced by no ids.
        OutcomeUnknown: it is unknown what became of a call; the same change goes on.
        AlmajobError: Alma refused, or could not be reached.
    """
    if op == "replace" and not ids.count:
        raise Refused(
            "There are no ids to replace the members by; the set was not changed.",
            hint="Give at least one id, or delete the set.",
        )
    wanted = Change(set_id, op, ids.digest, id_type, at=deps.clock.now())
    with _lock(f"members:{checksum(set_id)[:20]}", set_id, deps):
        kept = find_change(deps.ledger, deps.identity, set_id)
        goes_on = kept is not None and kept.goes_on(wanted)
        change = wanted.replace(next_chunk=kept.next_chunk) if kept is not None and goes_on else wanted
        _send_change(change, ids, deps)
        members = deps.alma.set(set_id).members
        _keep_change(change.replace(is_done=True), deps)
    return members


def _send_change(change: Change, ids: IdList, deps: SetDeps) -> None:
    """Send those ids of a change that are not known to have been sent."""
    done = min(change.next_chunk * MEMBERS_A_CALL, ids.count)
    if done:
        LOG.info("Going on with the set %s after the first %s ids.", change.set_id, f"{done:,}")
    else:
        _keep_change(change, deps)
    shown = f"of {ids.count:,} ids"

    def describe() -> str:
        return f"The set {change.set_id} is changed in part, by {done:,} {shown}. The same command goes on."

    with (
        deps.busy(lambda: f"Changing the set {change.set_id}: {done:,} {shown}"),
        report_interruption(describe),
        _advise_to_go_on(describe),
    ):
        for number, chunk in enumerate(ids.chunks(MEMBERS_A_CALL, change.next_chunk), change.next_chunk):
            # What follows the first thousand is added to it.
            op = "add" if change.op == "replace" and number else change.op
            params, body = _word_members(change.id_type, change.set_id, op, chunk, is_strict=False)
            _send("POST", "/conf/sets/{set_id}", params, body, deps)
            _keep_change(change.replace(next_chunk=number + 1), deps)
            done += len(chunk)


@contextmanager
def _advise_to_go_on(describe: Callable[[], str]) -> Iterator[None]:
    """Add how far it is to an error that ends the block, and that the same command may not meet again."""
    try:
        yield
    except (CallsUsedUp, NotSent, QuotaUsedUp) as error:
        raise error.replace(hint=f"{error.hint}\n{describe()}".strip()) from error.__cause__


def _keep_change(change: Change, deps: SetDeps) -> None:
    keep_change(deps.ledger, deps.identity, change.replace(at=deps.clock.now()))


def list_rejected(ids: IdList, made: MadeSet, deps: SetDeps) -> Iterator[str]:
    """Return those ids that are not in a set; of ids of Alma's own alone, as a set lists no others."""
    listed = deps.alma.pages("/conf/sets/{set_id}/members", {"set_id": made.id}, "member")
    with open_unique_texts() as members:
        members.add(str(member.get("id")) for member in listed)
        for chunk in ids.chunks(MEMBERS_A_CALL):
            yield from members.find_missing(chunk)


def _lock_name(name: str, deps: SetDeps) -> AbstractContextManager[None]:
    """Keep others from making or deleting the set of a name, for the length of a block."""
    return _lock(f"set:{checksum([alma_of(deps.identity), name])[:20]}", name, deps)


@contextmanager
def _lock(lock: str, shown: str, deps: SetDeps) -> Iterator[None]:
    """Keep others away for the length of a block.

    Raises:
        Refused: another process takes long; nothing was sent by this one.
    """
    with ExitStack() as held:
        try:
            held.enter_context(deps.ledger.place.locks.lock(lock, _LOCK_WAIT, remove=True))
        except JobBusy as busy:
            raise Refused(
                f"Another almajob is at work on the set {shown}; nothing was sent.",
                reason=busy.reason,
                hint=busy.hint,
            ) from None
        yield


def _delete_ours(record: MakingRecord, deps: SetDeps) -> MakingRecord:
    _keep(record.replace(state=DELETING), deps)
    _delete(record.set_id, deps)
    return _keep(record.replace(state=DELETED), deps)


def _delete(set_id: str, deps: SetDeps) -> None:
    try:
        _send("DELETE", "/conf/sets/{set_id}", {"set_id": set_id}, None, deps)
    except AlmaRefused as refused:
        if refused.code not in _GONE:
            raise


def _keep(record: MakingRecord, deps: SetDeps) -> MakingRecord:
    return keep_record(deps.ledger, deps.identity, record)


def _create(
    plan: SetPlan, query: Mapping[str, str], record: MakingRecord, deps: SetDeps, *, may_be_there: bool
) -> str:
    """Create the set, without ids, and return its id; or find that it was created.

    Raises:
        Refused: somebody else has made a set of this name.
    """
    found = _find_ours(record, deps) if may_be_there else ""
    if found:
        return found
    body = {
        "name": plan.name,
        "description": f"{plan.description} {record.mark}",
        "type": {"value": "ITEMIZED"},
        "content": {"value": plan.content},
        "private": {"value": "false" if plan.is_public else "true"},
    }
    try:
        # A second one of this name cannot be made: so it may be asked for again.
        answer = _send("POST", "/conf/sets", dict(query), body, deps)
    except AlmaRefused as refused:
        if refused.code != _NAME_TAKEN:
            raise
        found = _find_ours(record, deps)
        if found:
            return found
        raise Refused(
            f"There is a set {plan.name!r} that almajob has not made; it was not changed.",
            hint="Take another name or run key. almajob sets delete NAME deletes a set, whoever has made it.",
            alma=refused.alma,
        ) from refused
    set_id = answer.get("id")
    if not isinstance(set_id, str) or answer.get("name") != plan.name:
        # What was made is found by its mark.
        set_id = _find_ours(record, deps)
    if not set_id:
        raise OutcomeUnknown(
            f"It is unknown whether the set {plan.name!r} was made: Alma's answer does not name it.",
            hint="The same command looks for it.",
        )
    return set_id


def _find_ours(record: MakingRecord, deps: SetDeps) -> str:
    """Return the id of the set that was created with the mark of a record; empty where there is none."""
    for each in list_like(deps.alma, record.name):
        if each.name == record.name:
            whole = deps.alma.call("GET", "/conf/sets/{set_id}", {"set_id": each.id})
            if record.mark in str(whole.get("description")):
                return each.id
    return ""


def _complete(plan: SetPlan, ids: IdList, record: MakingRecord, deps: SetDeps, *, is_new: bool) -> MadeSet:
    """Add those ids that are not known to be in the set, and count its members."""
    done = min(record.next_chunk * MEMBERS_A_CALL, plan.count)
    shown = f"of {plan.count:,} ids"
    with (
        deps.busy(lambda: f"Making the set {plan.name}: {done:,} {shown}"),
        _advise_to_go_on(
            lambda: f"The set {plan.name} is filled in part, by {done:,} {shown}. The same command goes on."
        ),
    ):
        if record.state != FILLED:
            # After a break the next thousand may be there already.
            is_sure = is_new
            add = _add_sifted if plan.finds_refused else _add
            for chunk in ids.chunks(MEMBERS_A_CALL, record.next_chunk):
                record = add(plan, record, chunk, deps, is_sure=is_sure)
                is_sure = True
                record = _keep(record.replace(next_chunk=record.next_chunk + 1), deps)
                done = min(done + len(chunk), plan.count)
    count = deps.alma.set(record.set_id).members or 0
    if record.state == FILLED:
        _refuse_changed(plan, record, count)
    else:
        record = _keep(record.replace(state=FILLED, members=count), deps)
    LOG.info("The set %s (%s) has %s members.", plan.name, record.set_id, f"{count:,}")
    rejected = max(plan.count - count, 0) if plan.skip_invalid else 0
    return MadeSet(record.set_id, plan.name, count, rejected, is_new, record.refused)


def _await_members(
    plan: SetPlan, origin: Origin, record: MakingRecord, deps: SetDeps, *, is_new: bool
) -> MadeSet:
    """Wait until Alma has filled a set, which it does after its answer, and count its members.

    It is filled once it has as many as it can have; or once it has as many as it must have, and their number
    has not changed for a minute, or for five where there are none. Once nothing has come for ten minutes, it
    is not waited for any longer.
    """
    count, quiet, pause = deps.alma.set(record.set_id).members or 0, 0.0, _FIRST_PAUSE
    with deps.busy(lambda: f"Alma fills the set {plan.name}: {count:,} members so far"):
        while record.state != FILLED and (origin.most is None or count < origin.most):
            rest = _REST if count else _REST_OF_EMPTY
            if quiet >= (rest if count >= origin.fewest else _REST_OF_PARTIAL):
                break
            deps.clock.sleep(pause)
            before, count = count, deps.alma.set(record.set_id).members or 0
            quiet = quiet + pause if count == before else 0.0
            pause = min(2 * pause, _LONGEST_PAUSE)
    missing = 0 if record.state == FILLED else max(origin.fewest - count, 0)
    if record.state != FILLED and not missing:
        _keep(record.replace(state=FILLED, members=count), deps)
    LOG.info("The set %s (%s) has %s members.", plan.name, record.set_id, f"{count:,}")
    return MadeSet(record.set_id, plan.name, count, is_new=is_new, missing=missing)


def _refuse_changed(plan: SetPlan, record: MakingRecord, count: int) -> None:
    """Refuse a set that has more or fewer members than when it was filled.

    Alma may have counted late: a set with all ids is as it should be in any case.

    Raises:
        Refused: somebody has changed it.
    """
    if record.members is not None and count not in (record.members, plan.count):
        raise Refused(
            f"The set {plan.name!r} ({record.set_id}) had {record.members:,} members when it was filled, and "
            f"has {count:,} now.",
            reason="Somebody or something has changed it since. It was left as it is.",
            hint=f"To have it made again: almajob sets delete {record.set_id}, and then the same command.\n"
            f"To use it as it is: almajob run JOB --param set_id={record.set_id}",
        )


def _add(
    plan: SetPlan, record: MakingRecord, chunk: Sequence[str], deps: SetDeps, *, is_sure: bool
) -> MakingRecord:
    """Add members, up to a thousand.

    Args:
        is_sure: none of them is in the set yet. Those that may be there must be passed over; whether an id
            was not known is found out by the count then.
    """
    is_strict = is_sure and not plan.skip_invalid
    set_id = record.set_id
    params, body = _word_members(plan.id_type, set_id, "add", chunk, is_strict=is_strict)
    tolerant = {**params, "fail_on_invalid_id": "false"}
    try:
        _send("POST", "/conf/sets/{set_id}", params, body, deps, again=tolerant)
    except AlmaRefused as refused:
        if refused.code not in _NOT_VALID:
            raise
        raise refused.replace(
            reason="An id is not one of Alma's, or not of the kind that --id-type says.",
            hint="Correct the ids, or leave those out with --skip-invalid.\n"
            f"The set {set_id} is not complete. To delete it: almajob sets delete {set_id}",
        ) from refused
    return record


def _add_sifted(
    plan: SetPlan, record: MakingRecord, chunk: Sequence[str], deps: SetDeps, *, is_sure: bool
) -> MakingRecord:
    """Add members, up to a thousand, and find those that Alma refuses, as long as that is not dear.

    Whatever may be in the set already is taken out before: what is there is refused as well.
    """

    if record.sifting_calls >= MOST_SIFTING_CALLS:
        return _add(plan, record, chunk, deps, is_sure=is_sure)

    def take_out(ids: Sequence[str]) -> None:
        params, body = _word_members(plan.id_type, record.set_id, "remove", ids, is_strict=False)
        try:
            _send("POST", "/conf/sets/{set_id}", params, body, deps)
        except AlmaRefused as refused:
            if refused.code != _NOT_THERE:
                raise

    def take(ids: Sequence[str]) -> bool:
        params, body = _word_members(plan.id_type, record.set_id, "add", ids, is_strict=True)
        try:
            _send("POST", "/conf/sets/{set_id}", params, body, deps, undo=lambda: take_out(ids))
        except AlmaRefused as refused:
            if refused.code not in _NOT_VALID | _THERE_ALREADY:
                raise
            # Another id may name the same record.
            return len(ids) == 1 and refused.code in _THERE_ALREADY
        return True

    if not is_sure:
        take_out(chunk)
    sifted = sift(chunk, take, MOST_SIFTING_CALLS - record.sifting_calls)
    if sifted.left:
        _add(plan, record, sifted.left, deps, is_sure=True)
    return record.replace(
        refused=(*record.refused, *sifted.refused),
        # One call would be needed in any case.
        sifting_calls=record.sifting_calls + sifted.calls - 1 + bool(sifted.left),
    )


def _word_members(
    id_type: str, set_id: str, op: str, ids: Sequence[str], *, is_strict: bool
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parameters and the body of a call that changes members."""
    params = {"set_id": set_id, "op": _OPERATIONS[op]}
    if id_type:
        params["id_type"] = id_type
    if not is_strict:
        params["fail_on_invalid_id"] = "false"
    return params, {"members": {"member": [{"id": each} for each in ids]}}


def _send(
    method: str,
    path: str,
    params: dict[str, str],
    body: dict[str, Any] | None,
    deps: SetDeps,
    again: dict[str, str] | None = None,
    undo: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Send what may be sent again: it is, where it certainly or perhaps did not arrive.

    Args:
        again: the parameters with which it is sent once it may have arrived.
        undo: undoes before that what it may have done.

    Raises:
        OutcomeUnknown: it is unknown whether it arrived, after all tries.
    """
    problem: AlmajobError | None = None
    for number in range(_TRIES):
        if problem is not None:
            LOG.info("%s It is tried again.", problem.message)
            deps.clock.sleep(2.0**number)
            if undo is not None and isinstance(problem, OutcomeUnknown):
                undo()
        try:
            return deps.alma.call(method, path, params, body, is_confirmed=True)
        except OutcomeUnknown as unknown:
            problem, params = unknown, again or params
        except (NotSent, AlmaRefused) as failed:
            if isinstance(failed, AlmaRefused) and failed.code != PER_SECOND_THRESHOLD:
                raise
            # An earlier try may have arrived all the same.
            problem = problem if isinstance(problem, OutcomeUnknown) else failed
    assert problem is not None
    if isinstance(problem, OutcomeUnknown):
        # All that is sent here may be sent again.
        raise problem.replace(hint="The same command finds out.")
    raise problem
