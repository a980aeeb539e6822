"""``config check`` and ``config show`` in terminals that are narrow: what is copied from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run


@pytest.mark.parametrize("columns", [60, 80])
def test_the_address_of_the_page_is_broken_only_at_its_slashes(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path], columns: int
) -> None:
    """Where a fix names the page of keys, its host is in one piece, and nothing is left out."""
    write_ini(simulated.ini.replace("simulator-sandbox-key", "simulator-sandbox-readonly-key"))
    done = almajob("--env", "sandbox", "config", "check", "--max-width", str(columns))
    assert done.code == 7
    assert "| developers.exlibrisgroup.com/ |" in done.out
    assert {len(line) for line in done.out.splitlines()} <= set(range(columns + 1))
    assert "left out" not in done.err


def test_the_names_of_settings_are_in_one_piece(simulated: SimulatedAlma, almajob: Run) -> None:
    """At 80 columns, also the longest."""
    shown = almajob("config", "show", "--max-width", "80").out
    assert "| production.calls_per_second |" in shown
