"""A model check of two hosts that share a ledger: never twice, never the other one's, whatever breaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.runs.histories import PRODUCTION, World
from tests.runs.model import BEHAVIOURS, MANUAL, STRANGERS
from tests.runs.two_hosts import Pair, Trouble, figures, groups, histories, pairs, pairs_of, play
from tests.support.memory_place import MemoryPlace
from tests.support.thoroughness import IN_CI, sample

TESTED = (Path(__file__).parents[2] / "docs" / "how-it-is-tested.md").read_text("utf-8")


@pytest.mark.parametrize("group", groups())
def test_no_history_of_two_hosts_breaks_a_promise(group: str) -> None:
    """Nothing is started or claimed twice, no start is denied, nobody is told of another's run."""
    played = histories(sample(pairs_of(group))[: None if IN_CI else 1])
    assert [history for history in played if history.too_many] == []
    assert [history for history in played if history.claimed_twice] == []
    told = [(history, told) for history in played for told in history.told]
    assert [(history, each) for history, each in told if each.is_denial or each.is_anothers] == []
    assert [each.text for _history, each in told if each.text.startswith("a bug")] == []
    # Everything that can happen does.
    assert {"died", "unusable"} <= {each.text for _history, each in told}
    assert {history.trouble for history in played} == set(Trouble)
    assert min(history.moments for history in played if history.at == 0) >= 24
    assert min(history.statements for history in played if history.at == 0) >= 40
    assert not IN_CI or figures(group, played) in TESTED, (
        "run python -m tests.tools.generated_docs --measured"
    )


def test_the_model_of_two_hosts_is_large_enough() -> None:
    """Thousands of histories, as the docs list them; clocks that are right, ahead and behind."""
    table = re.search(r"<!-- two hosts: .*?<!-- end of", TESTED, re.DOTALL)
    assert table
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|", table[0], re.MULTILINE)
    assert [group for group, _count in rows] == groups()
    assert sum(int(count.replace(",", "")) for _group, count in rows) >= 2_400
    assert len({pair.skews for pair in pairs()}) == 4
    assert {pair.first for pair in pairs()} == {0, 1}


def test_the_check_of_two_hosts_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locks that were lost are not missed, and the other's records not seen, a run is made twice."""
    fine = World(BEHAVIOURS[0], STRANGERS[0], MANUAL, PRODUCTION, tags_known=True)
    pair = Pair(fine, ("nightly", "nightly"), (0.0, 0.0), 0)
    whole = play(pair, Trouble.NOTHING, 0)
    monkeypatch.setattr(MemoryPlace, "_refuse_lost_locks", lambda _place: None)
    played = [play(pair, Trouble.RESTART, at) for at in range(1, whole.moments + 1)]
    assert any(history.too_many or each.is_denial for history in played for each in history.told)
