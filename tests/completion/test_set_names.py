"""The names of sets are completed from what ``almajob sets list`` has read; Alma is not asked."""

from __future__ import annotations

from almajob.testing import SimulatedAlma
from tests.completion.conftest import Complete
from tests.conftest import Run

SETS = ("--env", "sandbox", "sets")
LOST = "Lost items"


def test_names_that_were_listed_are_completed(
    simulated: SimulatedAlma, almajob: Run, complete: Complete
) -> None:
    """Wherever a set is named, in the environment of the line; a list of some sets does not count."""
    assert almajob(*SETS, "list", "--content", "ITEM", "-f", "value").code == 0
    assert complete(*SETS, "show", "Lo") == []
    assert almajob(*SETS, "list", "--name", "nothing", "-f", "value").code == 0
    calls = simulated.log.count()
    for words in (
        (*SETS, "show", "Lo"),
        (*SETS, "members", "Lo"),
        (*SETS, "delete", "An empty set", "Lo"),
        (*SETS, "add", "Lo"),
        (*SETS, "create", "New", "--from-logical", "Lo"),
        ("--env", "sandbox", "run", "M44", "--set", "Lo"),
    ):
        assert complete(*words) == [LOST], words
    assert complete("--env", "production", "sets", "show", "Lo") == []
    assert len(complete(*SETS, "show", "95632112")) == 5
    assert simulated.log.count() == calls
    assert almajob("--env", "sandbox", "cache", "clear").code == 0
    assert complete(*SETS, "show", "Lo") == []
