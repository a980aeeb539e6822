"""The figures of docs/airflow.md, which the tests of deaths write down.

``python -m tests.airflow.figures`` puts into the page what they wrote to the directory ALMAJOB_FIGURES, where
each version has one of its own.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.support.environments import ROOT

_PLACE = os.environ.get("ALMAJOB_FIGURES", "")
_PAGE = ROOT / "docs" / "airflow.md"
_NAMES = {
    "waiting_default": "almajob, ledger in PostgreSQL",
    "waiting_own": "almajob, the task's own store",
    "resumable": "`ResumableJobMixin`",
}
_BLOCK = re.compile(r"(<!-- deaths: .*? -->\n).*?(<!-- end of deaths -->)", re.DOTALL)


def write_figures(name: str, rows: list[dict[str, Any]]) -> None:
    """Keep what a test has measured, where the variable ALMAJOB_FIGURES names a directory for it."""
    if _PLACE:
        Path(_PLACE, f"{name}.json").write_text(json.dumps(rows, indent=1))


def _table() -> str:
    lines = [
        "| Airflow | what starts which job | deaths | accepted starts, one each | started twice | "
        "task succeeded | retries | a person was asked |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for version in sorted(Path(_PLACE).iterdir(), reverse=True):
        for name, shown in _NAMES.items():
            for kind in ("MANUAL", "SCHEDULED"):
                file = version / f"{name} {kind}.json"
                # Not each version has all of them.
                if file.exists():
                    counts = _count(json.loads(file.read_text()))
                    cells = (version.name, f"{shown}, {kind.lower()} job", *counts)
                    lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _count(cases: list[dict[str, Any]]) -> tuple[int, ...]:
    dead = [case for case in cases if case["died"]]
    return (
        len(dead),
        sum(case["posts"] == 1 for case in dead),
        sum(case["posts"] > 1 for case in dead),
        sum(case["state"] == "success" for case in dead),
        sum(case["tries"] - 1 for case in dead),
        sum(case["asked"] for case in dead),
    )


if __name__ == "__main__":
    page = _PAGE.read_text("utf-8")
    _PAGE.write_text(_BLOCK.sub(lambda found: f"{found[1]}{_table()}\n{found[2]}", page), "utf-8")
