"""Which names of commands are almajob's own, and whose the others are; told without importing anything."""

from __future__ import annotations

# Who completes a word must not wait for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

GROUP = "almajob.commands"
"""The group of entry points whose names are commands."""
LIST, SHOW = "cliff.formatter.list", "cliff.formatter.show"
"""cliff's two groups, whose names are formats: for several things, and for one."""
RESERVED = ("help", "env", "exit", "quit")
"""First words that no command of another distribution can have: help, and the shell's own."""


def is_core(claim: EntryPoint) -> bool:
    """Whether a claim is one of our own commands': each is in the module of its name, a folder a word."""
    return claim.value.startswith(f"{GROUP}.{claim.name.replace('_', '.').replace('-', '_')}:")


def distribution_of(claim: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution that a claim comes from; empty where there is none."""
    try:
        found = (claim.dist.name, claim.dist.version) if claim.dist else ("", "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # What it tells of itself cannot be read.
        return "", ""
    return found[0] or "", found[1] or ""


def origin(claim: EntryPoint) -> str:
    """Return where a claim comes from: distribution, version, module."""
    named = " ".join(distribution_of(claim)).strip() or "unknown distribution"
    return f"{named} ({claim.value})"


def is_contested(claims: Iterable[EntryPoint]) -> bool:
    """Whether several distributions claim a name of which nobody has a better right."""
    return len({distribution_of(claim)[0] for claim in claims}) > 1
