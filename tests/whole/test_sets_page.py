"""docs/sets.md is true: its commands work one after the other, as somebody who reads it would type them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.tools.generated_docs import ROOT

PAGE = (ROOT / "docs" / "sets.md").read_text("utf-8")
IDS = ("99700000000561", "99700010000561", "99700020000561")


def test_the_commands_of_the_page(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its files; what makes a set or starts a run under a key does so once, given twice."""
    monkeypatch.chdir(tmp_path)
    Path("mms-ids.txt").write_text("\n".join(IDS))
    Path("theses.csv").write_text("\n".join(["MMS Id,Title", *(f'{each},"A, or B"' for each in IDS)]))
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("almajob ")]
    assert len(lines) >= 15
    for line in lines:
        words = shlex.split(line)[1:]
        done = almajob(*words)
        assert done.code == 0, (line, done.err)
        if words[2:4] == ["sets", "create"] or "--run-key" in words:
            assert almajob(*words).code == 0, line
        simulated.clock.advance(1800)
    names = [each.name for each in simulated.institution.sandbox.sets]
    assert {"E-theses of today", "Printed theses"} <= set(names)
    assert "Theses of May" not in names
    assert len(names) == len(set(names))
