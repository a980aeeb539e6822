"""``almajob sets prune``, killed at any call and any durable write, and given again."""

from __future__ import annotations

from pathlib import Path

import almajob
from almajob.sets.id_file import read_ids
from almajob.sets.made_sets import DELETED, list_made_sets
from almajob.sets.making import make_set
from almajob.sets.plan import SetPlan
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from tests.support.thoroughness import STRIDE
from tests.whole.mortal import Site

PRUNE = ("--env", "sandbox", "sets", "prune", "--older-than", "30d", "--all", "--yes", "-q", "-f", "json")


def make(argv: list[str]) -> int:
    """Make a set of each name, of the ids in a file."""
    path, *names = argv
    with almajob.connect("sandbox") as context, read_ids(path) as ids:
        for name in names:
            plan = SetPlan(name, "BIB_MMS", "", "", True, False, ids.digest, ids.count)
            make_set(plan, ids, context.workshop.sets())
    return 0


def count_known(_argv: list[str]) -> int:
    """Return how many sets the ledger has that are not deleted."""
    with almajob.connect("sandbox") as context:
        shop = context.workshop
        return sum(each.state != DELETED for each in list_made_sets(shop.ledger, shop.identity))


def test_killed_at_any_call_or_durable_write(tmp_path: Path) -> None:
    """The same command deletes the rest, and the ledger knows that all are gone."""
    ids = tmp_path / "ids.txt"
    ids.write_text("99700000000561\n")
    with Simulator(Institution(Clock(speed=0))) as simulator:
        institution = simulator.institution
        others = list(institution.sandbox.sets)

        def begin(place: str) -> Site:
            institution.reset()
            site = Site(tmp_path / place, simulator)
            assert site.run(str(ids), "One", "Two", work=make).code == 0
            institution.clock.advance(40 * 86400)
            return site

        whole = begin("whole").run(*PRUNE)
        assert (whole.code, whole.points) == (0, 2 * 3 * 2), whole.err
        for point in range(1, whole.points + 1, STRIDE):
            site = begin(str(point))
            assert site.run(*PRUNE, dies_at=point).code == -9
            again = site.run(*PRUNE)
            assert again.code == 0, again.err
            assert list(institution.sandbox.sets) == others
            assert site.run(work=count_known).code == 0
