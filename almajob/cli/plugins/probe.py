"""What is asked about a command of another distribution, in a process of its own; see ``isolated``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from almajob.cli.app import AlmaJob
from almajob.cli.plugins.command_manager import load_class
from almajob.cli.plugins.completion_grammar import describe_options
from almajob.cli.plugins.conformance import find_violations
from almajob.cli.plugins.plugin_status import summary_of
from almajob.entry_points import GROUP
from almajob.errors import ConfigurationError


@cache
def _app() -> AlmaJob:
    return AlmaJob()


def load_command(name: str, value: str) -> tuple[str, str]:
    """Import a command.

    Args:
        value: the class, as ``module:Class``.

    Returns:
        Why it cannot be used, empty where it can; and the first line of its description.
    """
    try:
        return "", summary_of(EntryPoint(name, value, GROUP))
    except ConfigurationError as error:
        return error.reason, ""


def check_command(name: str, value: str) -> list[str]:
    """Import a command and return which rules it does not keep; its name is as it is typed."""
    return find_violations(load_class(EntryPoint(name, value, GROUP)), name, _app())


def describe_command(name: str, value: str) -> dict[str, Any]:
    """Import a command and describe what can be typed after its name."""
    return describe_options(load_class(EntryPoint(name, value, GROUP)), name, _app())
