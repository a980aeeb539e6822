"""Which commands are installed: names without importing, one loaded when it is used, exact names only.

Stock cliff imports every plugin on every call, hides those that fail, and lets the last one found take a
name. Here a plugin that cannot be used is refused when its name is used, and takes nothing down with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract

import cliff.command
from cliff.commandmanager import CommandManager, EntryPointWrapper
from stevedore import ExtensionManager

from almajob.errors import ConfigurationError

GROUP = "almajob.commands"
CORE = "almajob"
# Its output, given to eval as it is meant to be, runs commands that stand in a remote text.
_UNSAFE_FORMATTERS = {"cliff.formatters.shell:ShellFormatter"}
_FORMATTERS = ("cliff.formatter.list", "cliff.formatter.show")


def _spare_stevedores_cache(groups: set[str]) -> None:
    """Tell stevedore what is installed, before it asks its cache on disk.

    That cache cannot see a plugin that was reinstalled within two minutes: it keeps a file's time in 32 bits.
    """
    installed = entry_points()
    for group in groups:
        found = [item for item in installed.select(group=group) if item.value not in _UNSAFE_FORMATTERS]
        ExtensionManager.ENTRY_POINT_CACHE[group] = found


class Installed:
    """One command's entry point, or several that claim the same name."""

    def __init__(self, name: str, claims: list[EntryPoint]) -> None:
        self.name = name
        core = [claim for claim in claims if _distribution(claim) == CORE]
        # Core names cannot be taken; of others nobody has a better right.
        self.claims = core or claims

    def __repr__(self) -> str:
        return f"{self.name!r}, from {'; '.join(_origin(claim) for claim in self.claims)}"

    @property
    def value(self) -> str:
        return self.claims[0].value

    def load(self) -> type[cliff.command.Command]:
        """Import the command.

        Raises:
            ConfigurationError: it cannot be imported, or two distributions claim its name.
        """
        if len(self.claims) > 1:
            raise ConfigurationError(
                f"The command {self.name!r} is claimed by several plugins.",
                why="; ".join(_origin(claim) for claim in self.claims),
                cure="Uninstall all but one of them.",
            )
        try:
            loaded: type[cliff.command.Command] = self.claims[0].load()
        # A plugin may even end the process while it is imported.
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"The command {self.name!r} cannot be loaded.",
                why=f"{_origin(self.claims[0])}: {type(error).__name__}: {error}",
                cure="Repair, upgrade or uninstall that plugin.",
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, cliff.command.Command)) or isabstract(loaded):
            raise ConfigurationError(
                f"The command {self.name!r} is not a command.",
                why=f"{_origin(self.claims[0])} is no class, no subclass of Command, or has no take_action.",
                cure="Repair, upgrade or uninstall that plugin.",
            )
        return loaded


def _has_core(claims: list[EntryPoint]) -> bool:
    return any(_distribution(claim) == CORE for claim in claims)


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else ""


def _origin(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    named = f"{distribution.name} {distribution.version}" if distribution else "unknown distribution"
    return f"{named} ({entry_point.value})"


class Commands(CommandManager):
    """The installed commands, by name."""

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        self._installed = entry_points(group=GROUP) if installed is None else installed
        super().__init__(GROUP)

    def load_commands(self, namespace: str) -> None:
        """List the entry points of the group; nothing is imported."""
        self.group_list.append(namespace)
        claims: dict[str, list[EntryPoint]] = {}
        for entry_point in self._installed:
            claims.setdefault(entry_point.name.replace("_", " "), []).append(entry_point)
        core = [name for name, claimed in claims.items() if _has_core(claimed)]
        for name, claimed in claims.items():
            if not _has_core(claimed) and name.startswith(tuple(f"{own} " for own in core)):
                # "show M44" would take over the core's "show" for this one job.
                continue
            self.commands[name] = Installed(name, claimed)  # type: ignore[assignment]
        hooks = {f"{namespace}.{name.replace(' ', '_')}" for name in (*claims, "help")}
        _spare_stevedores_cache({*_FORMATTERS, *hooks})

    def add_command(self, name: str, command_class: type[cliff.command.Command]) -> None:
        """Take cliff's ``help``; its ``complete`` is not offered."""
        if name != "complete":
            self.commands[name] = EntryPointWrapper(name, command_class)

    def find_command(self, argv: list[str]) -> tuple[type[cliff.command.Command], str, list[str]]:
        """Find the command with the longest name that the words begin with; names are exact.

        Raises:
            ValueError: there is none.
        """
        words = argv[: self._get_last_possible_command_index(argv)]
        for length in range(len(words), 0, -1):
            name = " ".join(words[:length])
            if name in self.commands:
                return self.commands[name].load(), name, argv[length:]
        raise ValueError(f"there is no command {' '.join(words) or argv[:1]!r}")

    def __iter__(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]
        return iter(sorted(self.commands.items()))
