"""What is asked about a command of another distribution; see ``system.isolated_process``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from almajob.cli.app import AlmaJob
from almajob.cli.plugins.command_manager import load_class
from almajob.cli.plugins.completion_grammar import describe_options
from almajob.cli.plugins.conformance import find_violations
from almajob.entry_points import GROUP


@cache
def _app() -> AlmaJob:
    return AlmaJob()


def check_command(name: str, value: str) -> list[str]:
    """Import a command and return which rules it does not keep; its name is as it is typed."""
    claim, app = EntryPoint(name.replace(" ", "_"), value, GROUP), _app()
    # Its examples are parsed with it, wherever it was found.
    app.command_manager.take(claim)
    return find_violations(load_class(claim), name, app)


def describe_command(name: str, value: str) -> dict[str, Any]:
    """Import a command and describe what can be typed after its name."""
    return describe_options(load_class(EntryPoint(name, value, GROUP)), name, _app())
