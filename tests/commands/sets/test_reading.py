"""``almajob sets list``, ``show`` and ``members``: what is there, by exact name or id."""

from __future__ import annotations

import json

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

SETS = ("--env", "sandbox", "sets")
LOST = "Lost items"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--name", "LOST"), {LOST}),
        (("--name", "*items"), {LOST}),
        (("--name", "items*"), set()),
        (("--content", "item"), {LOST}),
        (("--type", "logical"), {"All electronic theses"}),
    ],
)
def test_sets_are_listed_as_asked_for(
    simulated: SimulatedAlma, almajob: Run, options: tuple[str, ...], names: set[str]
) -> None:
    """By a part of the name or a pattern for all of it, by content, and by type."""
    done = almajob(*SETS, "list", *options, "-f", "json")
    assert done.code == 0, done.err
    assert {row["name"] for row in json.loads(done.out)} == names


def test_a_set_is_shown_by_name_and_by_id(simulated: SimulatedAlma, almajob: Run) -> None:
    """With the number of its members, which a list of Alma's leaves out."""
    by_name = almajob(*SETS, "show", LOST, "-f", "json").row
    assert almajob(*SETS, "show", by_name["id"], "-f", "json").row == by_name
    assert (by_name["members"], by_name["type"], by_name["public"]) == (40, "itemized", True)
    assert by_name["created"].endswith("Z")


def test_a_name_that_no_set_has(simulated: SimulatedAlma, almajob: Run) -> None:
    """Near names are suggested, and nothing is said of sending: it is only a look."""
    for command in ("show", "members"):
        refused = almajob(*SETS, command, "Lost itms")
        assert refused.code == 5
        assert LOST in refused.err
        assert "sent" not in refused.err


def test_all_members_are_listed(simulated: SimulatedAlma, almajob: Run) -> None:
    """All pages, each member once."""
    found = next(each for each in simulated.institution.sandbox.sets if len(each.members) == 300)
    done = almajob(*SETS, "members", found.name, "-f", "json")
    assert [row["id"] for row in json.loads(done.out)] == list(found.members)
