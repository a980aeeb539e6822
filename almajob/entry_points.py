"""What other distributions add: which names are theirs, and which plugin API they were made for.

Nothing is imported to tell whose a name is.
"""

from __future__ import annotations

# Who completes a word must not wait for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

GROUP = "almajob.commands"
"""The group of entry points whose names are commands."""
COMMAND_GROUPS = "almajob.command_groups"
"""The group of entry points whose names are first words of commands, and whose docstrings describe these."""
LIST, SHOW = "cliff.formatter.list", "cliff.formatter.show"
"""cliff's two groups, whose names are formats: for several things, and for one."""
API_VERSION = (1, 0)
"""The version of ``almajob.plugin``, major and minor.

The minor number grows when a name is added, the major one when a name is taken away or changes its meaning.

Example:
    ``almajob_api = (1, 0)`` in the class of a command, an observer or a formatter: the version that it needs.
"""
OBSERVERS = "almajob.observers"
"""The group of observers, which are called when jobs start and end."""
NOTIFIERS = "almajob.notifiers"
"""The group of notifiers, whose names are what a section [notify:NAME] has as its type."""
CONFIGURED = "configured"
"""What stands in brackets behind an observer that is called only where the ini has its section."""
RESERVED = ("help", "env", "exit", "quit")
"""First words that no command of another distribution can have: help, and the shell's own."""


def normalize_name(name: str) -> str:
    """Return the name of a distribution as PyPI compares it, with one spelling for all that mean the same.

    https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def is_core(claim: EntryPoint) -> bool:
    """Whether a claim is one of our own commands': each is in the module of its name, a folder a word."""
    return claim.value.startswith(f"{GROUP}.{claim.name.replace('_', '.').replace('-', '_')}:")


def is_core_notifier(claim: EntryPoint) -> bool:
    """Whether a claim is one of our own notifiers'."""
    return claim.value.startswith("almajob.notify.")


def is_file(claim: EntryPoint) -> bool:
    """Whether a claim is that of a plugin that is one file: its value is the file's path."""
    return claim.value.startswith("/")


def plugin_of(claim: EntryPoint) -> str:
    """Return the name of the plugin that a claim comes from: of its distribution, or of its file."""
    return claim.name if is_file(claim) else distribution_of(claim)[0]


def distribution_of(claim: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution that a claim comes from; empty where there is none.

    Of a plugin that is one file, the name is the file's path.
    """
    if is_file(claim):
        return claim.value, ""
    try:
        found = (claim.dist.name, claim.dist.version) if claim.dist else ("", "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # What it tells of itself cannot be read.
        return "", ""
    return found[0] or "", found[1] or ""


def origin(claim: EntryPoint) -> str:
    """Return where a claim comes from: distribution, version, module."""
    named = " ".join(distribution_of(claim)).strip() or "unknown distribution"
    if named == claim.value:
        return named
    return f"{named} ({claim.value})"


def is_contested(claims: Iterable[EntryPoint]) -> bool:
    """Whether several distributions claim a name of which nobody has a better right."""
    return len({distribution_of(claim)[0] for claim in claims}) > 1


def describe_api(found: object) -> str:
    """Return the version of the plugin API that a class of a plugin needs; empty where it does not say."""
    return ".".join(map(str, getattr(found, "almajob_api", None) or ()))


def find_api_problem(found: object) -> tuple[str, str]:
    """Return why the class of a plugin does not fit this almajob, and what to do; both empty where it does.

    Args:
        found: the class of a command, an observer or a formatter.
    """
    needed = getattr(found, "almajob_api", None)
    if needed is None:
        return "", ""
    if not (isinstance(needed, tuple) and [type(number) for number in needed] == [int, int]):
        return "its almajob_api is not two numbers, such as (1, 0)", "Tell its authors."
    if needed[0] == API_VERSION[0] and needed <= API_VERSION:
        return "", ""
    own = ".".join(map(str, API_VERSION))
    problem = f"it needs version {describe_api(found)} of almajob's plugin API, and this almajob has {own}"
    return problem, "Upgrade almajob." if needed > API_VERSION else "Upgrade or uninstall that plugin."


def require_api(found: object) -> None:
    """Refuse the class of a plugin that does not fit this almajob.

    Raises:
        ValueError: it needs another version of the plugin API.
    """
    problem, hint = find_api_problem(found)
    if problem:
        raise ValueError(f"{problem}. {hint}")
