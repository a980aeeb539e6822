"""What set is to be made: its name, what it is of, and how ids that Alma does not know are met."""

from __future__ import annotations

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
