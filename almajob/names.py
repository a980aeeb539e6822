"""Which names of commands are almajob's own; told without importing anything."""

from __future__ import annotations

GROUP = "almajob.commands"
"""The group of entry points whose names are commands."""
RESERVED = ("help", "env", "exit", "quit")
"""First words that no command of another distribution can have: help, and the shell's own."""


def is_core(name: str, value: str) -> bool:
    """Whether an entry point is one of our own commands: each is in the module of its name, with _ for -.

    Args:
        name: of the entry point.
        value: the class that it names, as ``module:Class``.
    """
    return value.startswith(f"{GROUP}.{name.replace('-', '_')}:")
