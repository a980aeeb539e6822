"""Which commands there are: names without importing, one loaded when it is used, exact names only.

Stock cliff imports every plugin on every call, hides those that fail, and lets the last one found take a
name. Here a plugin that cannot be used is refused when its name is used, and takes nothing down with it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cliff.command
from cliff.commandmanager import CommandManager

from almajob.cli.command import Command, Lister, ShowOne
from almajob.cli.plugins.distributions import entry_points_of
from almajob.entry_points import (
    API_VERSION,
    COMMAND_GROUPS,
    GROUP,
    LIST,
    NOTIFIERS,
    OBSERVERS,
    RESERVED,
    SHOW,
    distribution_of,
    find_api_problem,
    is_core,
    is_file,
    normalize_name,
    origin,
    plugin_of,
)
from almajob.errors import ConfigurationError, name_error
from almajob.system.signals import exception_of, notice_signals

if TYPE_CHECKING:
    from almajob.config.plugin_choice import PluginChoice

LOG = logging.getLogger(__name__)

_REPAIR = """\
Repair, upgrade or uninstall that plugin; see almajob plugin list.
To see where the error arises, put --debug before the command's name."""

_CHOOSE = """\
Disable or uninstall all but one of the plugins. To disable one, add to [almajob] of the
configuration file: disable_plugins = NAME"""

_NEWER = f"""\
This almajob has version {API_VERSION[0]}.{API_VERSION[1]} of the plugin API.
If the plugin needs a newer one, upgrade almajob. Otherwise tell its authors."""


class Installed:
    """What is installed under one name: a command, or several that claim the name.

    Args:
        namesake: which plugin has the name of the file that the command is; empty where none has.

    Attributes:
        claims: those of equal right; a command can be loaded where it is one.
        refused: those that lost to a name of almajob's own.
    """

    def __init__(self, name: str, claims: list[EntryPoint], cores: Iterable[str], namesake: str = "") -> None:
        self.name = name
        self.namesake = namesake
        core = _one_of_ours([claim for claim in claims if is_core(claim)])
        # Core names cannot be taken; of others nobody has a better right.
        self.claims = core or claims
        self.refused = [claim for claim in claims if claim not in self.claims]
        # "show M44" would take over the core's "show" for this one job.
        self.shadowed = "" if core else next((own for own in cores if name.startswith(f"{own} ")), "")
        cannot_be_typed = name != " ".join(name.split()) or name.startswith("-") or " -" in name
        self.is_reserved = not core and (name.split(" ")[0] in RESERVED or cannot_be_typed)

    @property
    def value(self) -> str:
        return self.claims[0].value

    @property
    def plugin(self) -> str:
        """The name of the plugin that the command comes from: of its distribution, or of its file."""
        return plugin_of(self.claims[0])

    @property
    def problem(self) -> str:
        """Why the name cannot be used, as far as that can be told without importing anything; else empty."""
        if self.is_reserved:
            return "is almajob's own" if self.name.split(" ")[0] in RESERVED else "cannot be typed"
        if len(self.claims) > 1:
            return f"is claimed by several plugins: {'; '.join(map(origin, self.claims))}"
        if self.namesake:
            return f"is also that of {self.namesake}, whose settings and store it would share"
        if self.shadowed:
            return f"begins like almajob's own command {self.shadowed!r}"
        return ""

    def _advise(self) -> str:
        if len(self.claims) > 1:
            return _CHOOSE
        return "Rename the file." if self.namesake else "See almajob plugin list."

    def load(self) -> type[cliff.command.Command]:
        """Import the command.

        Raises:
            ConfigurationError: it cannot be imported, is none, or its name is not its own.
        """
        if self.problem:
            raise ConfigurationError(
                f"The command {self.name!r} cannot be used.",
                reason=f"Its name {self.problem}.",
                hint=self._advise(),
            )
        try:
            return load_class(self.claims[0])
        except ConfigurationError as error:
            raise ConfigurationError(
                f"The command {self.name!r} from {origin(self.claims[0])} cannot be loaded.",
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
                found: Any = _load_file(claim) if is_file(claim) else claim.load()
        # A plugin may raise whatever there is, KeyboardInterrupt too.
        except BaseException as error:
            if came:
                raise exception_of(came[0]) from error
            if isinstance(error, ConfigurationError):
                reason = f"{error.message} {error.reason}".rstrip()
                raise ConfigurationError(
                    f"{origin(claim)} cannot be loaded.", reason=reason, hint=error.hint
                ) from error
            raise ConfigurationError(
                f"{origin(claim)} cannot be loaded.",
                reason=name_error(error),
                hint=_advise_on_import(claim, error),
            ) from error
    if not (isinstance(found, type) and issubclass(found, (Command, Lister, ShowOne))) or isabstract(found):
        raise ConfigurationError(
            f"{origin(claim)} is not a command.",
            reason="It is not a subclass of Command, Lister, ShowOne or ShowSome of almajob.plugin, "
            "or has no take_action.",
            hint=_REPAIR,
        )
    problem, hint = find_api_problem(found)
    if problem:
        raise ConfigurationError(
            f"{origin(claim)} cannot be used.", reason=f"{problem[0].upper()}{problem[1:]}.", hint=hint
        )
    return found


def _advise_on_import(claim: EntryPoint, error: BaseException) -> str:
    if getattr(error, "name", "") == "almajob.plugin":
        return _NEWER
    return (
        _REPAIR.replace("upgrade or uninstall that plugin", "or remove that file")
        if is_file(claim)
        else _REPAIR
    )


def _load_file(claim: EntryPoint) -> object:
    # Most have none.
    from almajob.cli.plugins.plugin_file import load_file

    return load_file(Path(claim.value))


def _find_files(directory: Path | None) -> list[EntryPoint]:
    if directory is None:
        return []
    from almajob.cli.plugins.plugin_file import find_files

    return find_files(directory)


def _one_of_ours(core: list[EntryPoint]) -> list[EntryPoint]:
    """Settle who is meant where another distribution, or an older almajob, names a module of ours, too."""
    if len(core) < 2:
        return core
    return [claim for claim in core if distribution_of(claim)[0] == "almajob"][:1] or core[:1]


class Commands(CommandManager):
    """The commands that can be used, by name.

    Which plugins are disabled, and which are a file in a directory, is known once the configuration file
    is read. So that is done where it matters: for a name that is not one of almajob's own, and for lists.

    Args:
        installed: entry points of the group; those of this Python where not given.

    Attributes:
        choose: reads which plugins are used; its ConfigurationError is raised where one is.
    """

    commands: dict[str, Any]

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        self._given = installed
        self._is_chosen = False
        self._is_warned = False
        self._problem: ConfigurationError | None = None
        self.choose: Callable[[], PluginChoice] | None = None
        self._disabled: list[tuple[EntryPoint, str]] = []
        super().__init__(GROUP)

    def load_commands(self, namespace: str) -> None:
        """List the entry points of the group; nothing is imported."""
        self.group_list.append(namespace)
        found = entry_points_of(namespace, COMMAND_GROUPS, LIST, SHOW, OBSERVERS, NOTIFIERS)
        # cliff's own formatters are not offered.
        self._others = [
            point for point in found if point.group != namespace and not point.value.startswith("cliff.")
        ]
        installed = [point for point in found if point.group == namespace]
        self._points = installed if self._given is None else list(self._given)
        self._arrange()

    def _arrange(self) -> None:
        claims: dict[str, list[EntryPoint]] = {}
        for entry_point in self._points:
            claims.setdefault(entry_point.name.replace("_", " "), []).append(entry_point)
        cores = [name for name, claimed in claims.items() if any(map(is_core, claimed))]
        namesakes = self._find_namesakes()
        found_here = [
            Installed(name, claimed, cores, namesakes.get(claimed[0].value, ""))
            for name, claimed in claims.items()
        ]
        self._installed = sorted(found_here, key=lambda each: each.name)
        # "show M44" shows the job M44, whoever claims that name.
        usable = [each for each in found_here if not each.shadowed and not each.is_reserved]
        others = {name: each for name, each in self.commands.items() if not isinstance(each, Installed)}
        self.commands.clear()
        self.commands.update({**others, **{each.name: each for each in usable}})

    def _find_namesakes(self) -> dict[str, str]:
        """Return the files that are called like another plugin, by path, each with that plugin."""
        files = [point for point in self._points if is_file(point)]
        if not files:
            return {}
        plugins = {
            normalize_name(plugin_of(point)): plugin_of(point)
            for point in (*self._points, *self._others)
            if not is_file(point)
        }
        found = {}
        for point in files:
            name = normalize_name(point.name)
            others = (each.value for each in files if each is not point and normalize_name(each.name) == name)
            found[point.value] = plugins.get(name) or next(others, "")
        return found

    @property
    def installed(self) -> list[Installed]:
        """What is installed under each name, and not disabled."""
        self._choose_listed()
        return self._installed

    @property
    def formatters(self) -> list[EntryPoint]:
        """The formatters of other distributions that are not disabled."""
        return self._list_others(LIST, SHOW)

    @property
    def descriptions(self) -> list[EntryPoint]:
        """The descriptions of groups of commands that are not disabled."""
        return self._list_others(COMMAND_GROUPS)

    @property
    def observers(self) -> list[EntryPoint]:
        """The observers that are not disabled."""
        return self._list_others(OBSERVERS)

    @property
    def notifiers(self) -> list[EntryPoint]:
        """The notifiers that are not disabled."""
        return self._list_others(NOTIFIERS)

    def find_observers(self, is_wanted: Callable[[EntryPoint], bool]) -> list[EntryPoint]:
        """Find observers that are wanted and not disabled; where none is, no configuration file is read."""
        if not any(point.group == OBSERVERS and is_wanted(point) for point in self._others):
            return []
        return list(filter(is_wanted, self.observers))

    def _list_others(self, *groups: str) -> list[EntryPoint]:
        # Most have none, and need no configuration file for that.
        if any(point.group in groups for point in self._others):
            self._choose_listed()
        return [point for point in self._others if point.group in groups]

    @property
    def disabled(self) -> list[tuple[EntryPoint, str]]:
        """What is disabled, commands and all else, each with what says so."""
        self._choose_listed()
        return self._disabled

    def _choose_plugins(self) -> None:
        """Leave out what is disabled, and add the plugins that are a file; once."""
        if self._is_chosen or self.choose is None:
            return
        self._is_chosen = True
        try:
            choice = self.choose()
            files = _find_files(choice.directory)
        except ConfigurationError as error:
            self._problem = error
            return
        if choice.ignored:
            LOG.warning("%s", choice.ignored)
        plugins = [point for point in (*self._points, *self._others, *files) if not is_core(point)]
        reasons = [(point, choice.find_reason((point.name, plugin_of(point)))) for point in plugins]
        self._disabled = [(point, reason) for point, reason in reasons if reason]
        off = [point for point, _reason in self._disabled]
        self._others = [point for point in self._others if point not in off]
        self._points = [point for point in (*self._points, *files) if point not in off]
        self._arrange()

    def _choose_listed(self) -> None:
        """Choose the plugins for a list, which is shown with one warning where nobody can tell them."""
        self._choose_plugins()
        if self._problem and not self._is_warned:
            self._is_warned = True
            LOG.warning("almajob cannot tell which plugins are disabled. %s", self._problem.message)

    def take(self, claim: EntryPoint) -> None:
        """Take a command that is installed for another process, which has chosen it."""
        self._choose_plugins()
        self._points = [point for point in self._points if point.name != claim.name or is_core(point)]
        self._points.append(claim)
        self._arrange()

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
            self._refuse_disabled(argv)
            if self._problem:
                # It may be a plugin's.
                raise self._problem from None
            if any(is_core(each.claims[0]) for each in self._installed):
                raise
            raise ConfigurationError(
                "almajob's own commands cannot be found.",
                reason="What this Python tells of installed packages cannot be read.",
                hint="Try again; if it persists, install almajob again.",
            ) from None
        if self._problem and not self._is_ours(name):
            raise self._problem
        return self.commands[name].load(), name, argv[len(name.split()) :]

    def name_in(self, argv: list[str]) -> str:
        """Return the longest name that the words begin with, without importing its command.

        Raises:
            ValueError: there is none.
        """
        names = self._list_names(argv)
        name = next(filter(self.commands.__contains__, names), "")
        if not self._is_ours(name):
            self._choose_plugins()
            name = next(filter(self.commands.__contains__, names), "")
        if not name:
            raise ValueError(f"there is no command {next(iter(names), None) or argv[:1]!r}")
        return name

    def _list_names(self, argv: list[str]) -> list[str]:
        """List the names with which the words may begin, the longest first."""
        words = argv[: self._get_last_possible_command_index(argv)]
        return [" ".join(words[:length]) for length in range(len(words), 0, -1)]

    def _is_ours(self, name: str) -> bool:
        """Whether a name is that of a command of almajob's own, which nobody can take or disable."""
        found = self.commands.get(name)
        return found is not None and not (isinstance(found, Installed) and not is_core(found.claims[0]))

    def _refuse_disabled(self, argv: list[str]) -> None:
        """Refuse a disabled command, and a group of which nothing else is left.

        Raises:
            ConfigurationError: the words begin with the name of one.
        """
        off = {each[0].name.replace("_", " "): each for each in self._disabled if each[0].group == GROUP}
        for name in self._list_names(argv):
            within = [each for each in off if each.startswith(f"{name} ")]
            if name in off:
                problem, whose, (point, reason) = f"The command {name!r} is", "It", off[name]
            elif any(each.startswith(f"{name} ") for each in self.commands):
                return
            elif within:
                problem, whose = f"All commands of {name!r} are", repr(within[0])
                point, reason = off[within[0]]
            else:
                continue
            raise ConfigurationError(
                f"{problem} disabled.",
                reason=f"{whose} comes from {origin(point)}, which is disabled by {reason}.",
                hint="Remove that setting to use it.",
            )

    def __iter__(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]
        self._choose_listed()
        return iter(sorted(self.commands.items()))
