"""Figures for docs/airflow.md, which the tests of deaths write down."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_PLACE = os.environ.get("ALMAJOB_FIGURES", "")


def write_figures(name: str, rows: list[dict[str, Any]]) -> None:
    """Keep what a test has measured, where the variable ALMAJOB_FIGURES names a directory for it."""
    if _PLACE:
        Path(_PLACE, f"{name}.json").write_text(json.dumps(rows, indent=1))
