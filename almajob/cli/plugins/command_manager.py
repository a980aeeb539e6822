"""Which commands are installed: names without importing, one loaded when it is used, exact names only.

Stock cliff imports every plugin on every call, hides those that fail, and lets the last one found take a
name. Here a plugin that cannot be used is refused when its name is used, and takes nothing down with it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import Distribution, EntryPoint, distributions
from inspect import isabstract
from typing import Any

import cliff.command
from cliff.commandmanager import CommandManager

from almajob.cli.command import Command, Lister, ShowOne
from almajob.entry_points import GROUP, LIST, RESERVED, SHOW, distribution_of, is_core, origin
from almajob.errors import ConfigurationError, name_error
from almajob.system.signals import exception_of, notice_signals

LOG = logging.getLogger(__name__)

_REPAIR = "Repair, upgrade or uninstall that plugin; almajob plugin list shows all."


class Installed:
    """What is installed under one name: a command, or several that claim the name.

    Attributes:
        claims: those of equal right; a command can be loaded where it is one.
        refused: those that lost to a name of almajob's own.
    """

    def __init__(self, name: str, claims: list[EntryPoint], cores: Iterable[str]) -> None:
        self.name = name
        core = _one_of_ours([claim for claim in claims if is_core(claim)])
        # Core names cannot be taken; of others nobody has a better right.
        self.claims = core or claims
        self.refused = [claim for claim in claims if claim not in self.claims]
        # "show M44" would take over the core's "show" for this one job.
        self.shadowed = "" if core else next((own for own in cores if name.startswith(f"{own} ")), "")
        self.is_reserved = not core and (name.split(" ")[0] in RESERVED or name != " ".join(name.split()))

    @property
    def value(self) -> str:
        return self.claims[0].value

    @property
    def distribution(self) -> str:
        """The name of the distribution that the command comes from."""
        return distribution_of(self.claims[0])[0]

    @property
    def problem(self) -> str:
        """Why the name cannot be used, as far as that can be told without importing anything; else empty."""
        if self.is_reserved:
            what = "cannot be typed, or is almajob's own"
        elif len(self.claims) > 1:
            what = "is claimed by several plugins"
        elif self.shadowed:
            what = f"begins like almajob's own command {self.shadowed!r}"
        else:
            return ""
        return f"{what}; it is claimed by {'; '.join(map(origin, self.claims))}"

    def load(self) -> type[cliff.command.Command]:
        """Import the command.

        Raises:
            ConfigurationError: it cannot be imported, is none, or its name is not its own.
        """
        if self.problem:
            raise ConfigurationError(
                f"The command {self.name!r} cannot be used.",
                reason=f"Its name {self.problem}.",
                hint="Uninstall all but one of the plugins; almajob plugin list shows all.",
            )
        try:
            return load_class(self.claims[0])
        except ConfigurationError as error:
            raise ConfigurationError(
                f"The command {self.name!r} cannot be loaded, from {origin(self.claims[0])}.",
                reason=error.reason,
                hint=error.hint,
            ) from error


def load_class(claim: EntryPoint) -> type[cliff.command.Command]:
    """Import one claim.

    Raises:
        ConfigurationError: it cannot be imported, or is no command.
    """
    with notice_signals() as came:
        try:
            # What it prints meanwhile is no part of any result.
            with redirect_stdout(sys.stderr):
                found: type[cliff.command.Command] = claim.load()
        # A plugin may raise whatever there is, KeyboardInterrupt too.
        except BaseException as error:
            if came:
                raise exception_of(came[0]) from error
            raise ConfigurationError(
                f"{origin(claim)} cannot be loaded.", reason=name_error(error), hint=_REPAIR
            ) from error
    if not (isinstance(found, type) and issubclass(found, (Command, Lister, ShowOne))) or isabstract(found):
        raise ConfigurationError(
            f"{origin(claim)} is not a command.",
            reason="It is no subclass of Command, Lister, ShowOne or ShowSome of almajob.plugin, "
            "or has no take_action.",
            hint=_REPAIR,
        )
    return found


def entry_points_of(*groups: str) -> list[EntryPoint]:
    """List the entry points of some groups, each once, though two directories of sys.path may tell of it.

    ``importlib.metadata.entry_points`` parses what every distribution has to say, where few have anything
    for us.
    """
    found: dict[tuple[str, str, str], EntryPoint] = {}
    for distribution in distributions():
        for point in _entry_points_in(distribution, groups):
            found.setdefault((point.group, point.name, point.value), point)
    return list(found.values())


def _entry_points_in(distribution: Distribution, groups: tuple[str, ...]) -> list[EntryPoint]:
    """Read one distribution; one that cannot be read takes nothing down with it."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):
        # Not even text; nothing to do with almajob, as far as anybody can tell.
        return []
    if not any(f"[{group}]" in text for group in groups):
        return []
    try:
        return [point for point in distribution.entry_points if point.group in groups]
    except OSError:
        # It could be read a moment ago.
        return []
    except (TypeError, ValueError) as error:
        LOG.warning("The entry points of %s cannot be read: %s", distribution.metadata["Name"], error)
        return []


def _one_of_ours(core: list[EntryPoint]) -> list[EntryPoint]:
    """Settle who is meant where another distribution, or an older almajob, names a module of ours, too."""
    if len(core) < 2:
        return core
    return [claim for claim in core if distribution_of(claim)[0] == "almajob"][:1] or core[:1]


class Commands(CommandManager):
    """The installed commands, by name.

    Args:
        installed: entry points of the group; those of this Python where not given.
    """

    commands: dict[str, Any]

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        self._given = installed
        super().__init__(GROUP)

    def load_commands(self, namespace: str) -> None:
        """List the entry points of the group; nothing is imported."""
        self.group_list.append(namespace)
        found = entry_points_of(namespace, LIST, SHOW)
        self.formatters = [point for point in found if point.group != namespace]
        installed = [point for point in found if point.group == namespace]
        if self._given is not None:
            installed = list(self._given)
        claims: dict[str, list[EntryPoint]] = {}
        for entry_point in installed:
            claims.setdefault(entry_point.name.replace("_", " "), []).append(entry_point)
        cores = [name for name, claimed in claims.items() if any(map(is_core, claimed))]
        found_here = [Installed(name, claimed, cores) for name, claimed in claims.items()]
        self.installed = sorted(found_here, key=lambda each: each.name)
        # "show M44" shows the job M44, whoever claims that name.
        usable = [each for each in found_here if not each.shadowed and not each.is_reserved]
        self.commands.update((each.name, each) for each in usable)

    def add_command(self, name: str, command_class: type[cliff.command.Command]) -> None:
        """Take none of those that cliff adds, ``help`` and ``complete``: the application has its own."""

    def find_command(self, argv: list[str]) -> tuple[type[cliff.command.Command], str, list[str]]:
        """Find the command with the longest name that the words begin with; names are exact.

        Raises:
            ValueError: there is none.
            ConfigurationError: it cannot be used, or nobody can tell which commands there are.
        """
        try:
            name = self.name_in(argv)
        except ValueError:
            if any(is_core(each.claims[0]) for each in self.installed):
                raise
            raise ConfigurationError(
                "almajob's own commands cannot be found.",
                reason="What this Python tells of installed packages cannot be read.",
                hint="Try again; if it stays, install almajob again.",
            ) from None
        return self.commands[name].load(), name, argv[len(name.split()) :]

    def name_in(self, argv: list[str]) -> str:
        """Return the longest name that the words begin with, without importing its command.

        Raises:
            ValueError: there is none.
        """
        words = argv[: self._get_last_possible_command_index(argv)]
        names = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
        for name in names:
            if name in self.commands:
                return name
        raise ValueError(f"there is no command {' '.join(words) or argv[:1]!r}")

    def __iter__(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]
        return iter(sorted(self.commands.items()))
