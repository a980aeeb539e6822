"""The scripts for the shells; they ask almajob itself, so they need not change when commands do."""

from __future__ import annotations

import os

SHELLS = ("bash", "fish", "zsh")
_DIRECTORY = os.path.join(os.path.dirname(__file__), "scripts")


def completion_script(shell: str) -> str:
    """Return the script of one of SHELLS."""
    with open(os.path.join(_DIRECTORY, f"almajob.{shell}"), encoding="utf-8") as file:
        return file.read()
