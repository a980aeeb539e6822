"""Make a set of ids, once, and delete it: each step is on disk before it is sent, and goes on after any end.

A set's name is unique in Alma, and the mark in its description is known to the ledger alone: so a set whose
creation was not answered is found again, and one of the same name that somebody else has made is told from
it. Adding members twice changes nothing, as a set has each record once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from almajob.alma.client import Alma
from almajob.alma.http.error_responses import NO_SUCH_SET, PER_SECOND_THRESHOLD
from almajob.alma.sets import Set
from almajob.errors import AlmajobError, AlmaRefused, JobBusy, NotSent, OutcomeUnknown, Refused
from almajob.runs.parameters.set_check import list_like
from almajob.sets.id_file import IdList
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
from almajob.sets.plan import SetPlan
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.system import clock as clocks
from almajob.text.busy import Busy, show_nothing

LOG = logging.getLogger(__name__)

MEMBERS_A_CALL = 1000
_NAME_TAKEN = "402263"
_GONE = NO_SUCH_SET | {"402264"}
_NOT_VALID = frozenset({"60116", "60120"})
_OPERATIONS = {"add": "add_members", "remove": "delete_members", "replace": "replace_members"}
_TRIES = 5
_LOCK_WAIT = 60.0


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
        is_new: whether it was made by this call, and not gone on with.
    """

    id: str
    name: str
    count: int
    rejected: int = 0
    is_new: bool = True


def make_set(plan: SetPlan, ids: IdList, deps: SetDeps) -> MadeSet:
    """Make a set of ids, or go on where an earlier call for the same name and ids stopped.

    Raises:
        Refused: somebody else has made a set of this name, or it was made of other ids.
        OutcomeUnknown: it is unknown what became of a call; the same call goes on.
        AlmajobError: Alma refused, or could not be reached.
    """
    with _lock_name(plan.name, deps):
        kept = find_record(deps.ledger, deps.identity, plan.name)
        if kept is not None and kept.state == DELETING:
            # It may be gone already, and whoever began that wanted no set.
            kept = _delete_ours(kept, deps)
        if kept is not None and kept.source != plan.source and kept.state != DELETED:
            raise Refused(
                f"The set {plan.name!r} was made of other ids; it was not changed.",
                hint="Give the same ids again, or take another name.",
            )
        if kept is not None and kept.set_id and kept.state != DELETED:
            try:
                return _complete(plan, ids, kept, deps, is_new=False)
            except AlmaRefused as refused:
                if refused.code not in _GONE:
                    raise
                LOG.info("The set %s is not there any more. It is made again.", plan.name)
                kept = None
        is_new = kept is None or kept.state == DELETED
        record = new_record(plan.name, plan.source, deps.clock.now()) if kept is None or is_new else kept
        if is_new:
            keep_record(deps.ledger, deps.identity, record)
        set_id = _create(plan, record, deps, may_be_there=not is_new)
        record = _keep(record.replace(set_id=set_id, state=FILLING), deps)
        return _complete(plan, ids, record, deps, is_new=is_new)


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


def change_members(
    set_id: str, op: Literal["add", "remove", "replace"], ids: IdList, deps: SetDeps, id_type: str = ""
) -> int | None:
    """Add ids to a set, take them out, or let it have no others; return how many members Alma counts then.

    Ids that Alma does not know, that are there already, or that are not there, are passed over. Nothing
    is doubled by a call that is sent again: so after any end the same change is made again from its start.

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
    done = 0
    lock = _lock(f"members:{checksum(set_id)[:20]}", set_id, deps)
    with lock, deps.busy(lambda: f"Changing the set {set_id}: {done:,} of {ids.count:,} ids"):
        for number, chunk in enumerate(ids.chunks(MEMBERS_A_CALL)):
            # What follows the first thousand is added to it.
            named = "add" if op == "replace" and number else op
            params = {"set_id": set_id, "op": _OPERATIONS[named], "fail_on_invalid_id": "false"}
            if id_type:
                params["id_type"] = id_type
            body = {"members": {"member": [{"id": each} for each in chunk]}}
            _send("POST", "/conf/sets/{set_id}", params, body, deps)
            done += len(chunk)
    return deps.alma.set(set_id).members


def list_rejected(ids: IdList, made: MadeSet, deps: SetDeps) -> Iterator[str]:
    """Return those ids that are not in a set; of ids of Alma's own alone, as a set lists no others."""
    listed = deps.alma.pages("/conf/sets/{set_id}/members", {"set_id": made.id}, "member")
    members = {str(member.get("id")) for member in listed}
    for chunk in ids.chunks(MEMBERS_A_CALL):
        yield from (each for each in chunk if each not in members)


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


def _create(plan: SetPlan, record: MakingRecord, deps: SetDeps, *, may_be_there: bool) -> str:
    """Create the set, empty, and return its id; or find that it was created.

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
        answer = _send("POST", "/conf/sets", {}, body, deps)
    except AlmaRefused as refused:
        if refused.code != _NAME_TAKEN:
            raise
        found = _find_ours(record, deps)
        if found:
            return found
        raise Refused(
            f"There is a set {plan.name!r} that almajob has not made; it was not changed.",
            hint="Rename or delete it in Alma, or take another name or run key.",
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
    with deps.busy(lambda: f"Making the set {plan.name}: {done:,} of {plan.count:,} ids"):
        if record.state != FILLED:
            # After a break the next thousand may be there already.
            is_sure = is_new
            for chunk in ids.chunks(MEMBERS_A_CALL, record.next_chunk):
                _add(plan, record.set_id, chunk, deps, is_sure=is_sure)
                is_sure = True
                record = _keep(record.replace(next_chunk=record.next_chunk + 1), deps)
                done = min(done + len(chunk), plan.count)
            record = _keep(record.replace(state=FILLED), deps)
    count = deps.alma.set(record.set_id).members or 0
    LOG.info("The set %s (%s) has %s members.", plan.name, record.set_id, f"{count:,}")
    rejected = max(plan.count - count, 0) if plan.skip_invalid else 0
    return MadeSet(record.set_id, plan.name, count, rejected, is_new)


def _add(plan: SetPlan, set_id: str, chunk: tuple[str, ...], deps: SetDeps, *, is_sure: bool) -> None:
    """Add members, up to a thousand.

    Args:
        is_sure: none of them is in the set yet. Those that may be there must be passed over; whether an id
            was not known is found out by the count then.
    """
    params: dict[str, str] = {"set_id": set_id, "op": "add_members"}
    if plan.id_type:
        params["id_type"] = plan.id_type
    if plan.skip_invalid or not is_sure:
        params["fail_on_invalid_id"] = "false"
    body = {"members": {"member": [{"id": each} for each in chunk]}}
    tolerant = {**params, "fail_on_invalid_id": "false"}
    try:
        _send("POST", "/conf/sets/{set_id}", params, body, deps, again=tolerant)
    except AlmaRefused as refused:
        if refused.code not in _NOT_VALID:
            raise
        raise refused.replace(
            reason="An id is not one of Alma's, or not of the kind that --id-type says.",
            hint="Correct the ids, or leave those out with --skip-invalid.\n"
            f"The set {set_id} is not complete; it can be deleted in Alma, Admin > Manage Sets.",
        ) from refused


def _send(
    method: str,
    path: str,
    params: dict[str, str],
    body: dict[str, Any] | None,
    deps: SetDeps,
    again: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Send what may be sent again: it is, where it certainly or perhaps did not arrive.

    Args:
        again: the parameters with which it is sent once it may have arrived.

    Raises:
        OutcomeUnknown: it is unknown whether it arrived, after all tries.
    """
    problem: AlmajobError | None = None
    for number in range(_TRIES):
        if problem is not None:
            LOG.info("%s It is tried again.", problem.message)
            deps.clock.sleep(2.0**number)
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
    raise problem
