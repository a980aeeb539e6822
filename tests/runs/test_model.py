"""A model check of the real code of a start: every behaviour, other starters, a death at every moment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from almajob.store.ledger.record import Certainty
from tests.runs.histories import (
    PRODUCTION,
    Change,
    World,
    figures,
    groups,
    histories,
    play,
    worlds,
    worlds_of,
)
from tests.runs.model import BEHAVIOURS, DAY, MANUAL, STRANGERS
from tests.support.thoroughness import IN_CI, STRIDE, sample

TESTED = (Path(__file__).parents[2] / "docs" / "how-it-is-tested.md").read_text("utf-8")


@pytest.mark.parametrize("group", groups())
def test_no_history_breaks_a_promise(group: str) -> None:
    """Nothing is started twice, no start is denied, no stranger's run is taken: the docs count them."""
    played = histories(sample(worlds_of(group)))
    # Except by Alma itself.
    assert [history for history in played if history.too_many] == []
    assert [history.told for history in played if history.denials] == []
    for history in played:
        if history.strangers:
            assert history.world.target.kind != "production"
            # A ledger that was restored does not have that record any more.
            if history.world.change is not Change.OLDER_LEDGER:
                assert history.last is not None
                assert history.last.certainty is Certainty.INFERRED
    if group.endswith("tags seen before"):
        # Hardly any is left for a person.
        assert sum(history.is_open for history in played) <= 0.03 * len(played)
    # A death at every durable write and every call.
    assert min(history.moments for history in played if history.told[0][0].startswith("started")) >= 14
    assert not IN_CI or figures(group, played) in TESTED, (
        "run python -m tests.tools.generated_docs --measured"
    )


def test_the_model_is_large_enough() -> None:
    """Tens of thousands of histories, as the docs list them."""
    table = re.search(r"<!-- model check: .*?<!-- end of", TESTED, re.DOTALL)
    assert table
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|", table[0], re.MULTILINE)
    assert [group for group, _count in rows] == groups()
    assert sum(int(count.replace(",", "")) for _group, count in rows) >= 20_000
    assert {world.change for world in worlds()} == set(Change)


@pytest.mark.parametrize("group", [group for group in groups() if "then another Alma" not in group])
def test_a_command_without_a_key_finds_out_what_the_dead_one_did(group: str) -> None:
    """Half a minute after a death the same command starts nothing beside what was started."""
    played = 0
    for world in sample(worlds_of(group)):
        # Of starts that were given no key the ledger reads three days.
        is_played = world.change is Change.NOTHING and world.behaviour.stopped < 2 * DAY
        for at in range(1, 40 if is_played else 1):
            history = play(world, at, key="", later=(30.0,))
            if history.told[0][0] != "died":
                break
            played += 1
            assert not history.too_many, history.told
            assert not history.denials, history.told
    assert played > 400 / STRIDE


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that counts as not made too early is made twice, and the model sees it."""
    monkeypatch.setattr("almajob.runs.start.recover.ABSENT_FOR_GOOD", 60.0)
    late = next(item for item in BEHAVIOURS if item.name == "accepted, dropped, listed after 10 min")
    history = play(World(late, STRANGERS[0], MANUAL, PRODUCTION, tags_known=True), None)
    assert history.too_many == 1
    history.told += [("not started", 2), ("started 1", 2)]
    assert history.denials
    assert history.strangers == ["1"]
