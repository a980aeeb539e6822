"""What set is to be made: its name, what it is of, and how ids that Alma does not know are met."""

from __future__ import annotations

from almajob.sets.id_file import IdList
from almajob.store.ledger.record import checksum
from almajob.text.frozen import Frozen


class SetPlan(Frozen):
    """A set that is to be made.

    Attributes:
        name: which no other set has.
        content: the code of what it is of, such as ITEM.
        id_type: of the ids, as Alma names it; empty for the ids of Alma itself.
        description: for people who find it in Alma.
        is_public: whether others than its maker see it there.
        skip_invalid: leave out ids that Alma does not know.
        finds_refused: with that, find out which they are as the set is filled; it takes more calls.
        source: the digest of the ids, or of what else it is made from.
        count: how many ids there are; 0 where Alma fills it from something else.
        run_key: of the run that it is made for; empty where it is made to stay.
    """

    name: str
    content: str
    id_type: str
    description: str
    is_public: bool
    skip_invalid: bool
    source: str
    count: int
    run_key: str = ""
    finds_refused: bool = False


def plan_set_of_ids(
    name: str,
    ids: IdList,
    content: str,
    *,
    id_type: str,
    description: str,
    is_public: bool,
    skip_invalid: bool,
    finds_refused: bool = False,
) -> SetPlan:
    """Plan a set of ids that is made to stay; whoever names it anew with the same ids means the same set.

    The arguments are those of ``SetPlan``.
    """
    return SetPlan(
        name=name,
        content=content,
        id_type=id_type,
        description=description,
        is_public=is_public,
        skip_invalid=skip_invalid,
        source=checksum([ids.digest, content, id_type]),
        count=ids.count,
        finds_refused=finds_refused,
    )
