"""What is installed, each claim on a name with its state: what ``--help`` and ``plugin list`` tell.

What other distributions bring is loaded in processes of their own: it may do anything while it is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from almajob.cli.command import description_of
from almajob.cli.help_format import EXAMPLES
from almajob.cli.plugins.command_manager import Commands, Installed, load_class
from almajob.entry_points import (
    COMMAND_GROUPS,
    GROUP,
    NOTIFIERS,
    OBSERVERS,
    describe_api,
    distribution_of,
    is_contested,
    is_core,
    is_core_notifier,
    normalize_name,
    origin,
    plugin_of,
)
from almajob.errors import ConfigurationError
from almajob.output.format_registry import find_plugin_formats, is_own
from almajob.output.plugin_format import FIND_API, LOAD
from almajob.system.isolated_process import CallFailed, ProcessEnded, Processes

OK, BROKEN, CLASH, REFUSED, DISABLED = "ok", "broken", "clash", "refused", "disabled"
"""The states of a claim: it can be used; it cannot be loaded; others have the same right; it has none; it is
disabled."""
COMMAND, FORMAT, COMMAND_GROUP, OBSERVER, NOTIFIER = "command", "format", "group", "observer", "notifier"
"""What a name is claimed for."""
_KINDS = {GROUP: COMMAND, COMMAND_GROUPS: COMMAND_GROUP, OBSERVERS: OBSERVER, NOTIFIERS: NOTIFIER}


class Claim(NamedTuple):
    """One entry point's claim on a name.

    Attributes:
        name: of a command, of a format that ``-f`` takes, of a group of commands that is described, of an
            observer, or of a notifier.
        target: the class, as ``module:Class``.
        state: one of the words above.
        problem: why it cannot be used; empty where it can.
        kind: what the name is claimed for.
        summary: the first line of a command's description, or all that a group's says; empty where it could
            not be loaded.
        api: the version of the plugin API that it says it needs; empty where it says nothing.
    """

    name: str
    target: str
    distribution: str
    version: str
    state: str
    problem: str = ""
    kind: str = COMMAND
    summary: str = ""
    api: str = ""


def all_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every claim on a name, whatever it is claimed for; as ``installed_claims``."""
    kinds = (
        *(installed_claims, format_claims, group_claims),
        *(observer_claims, notifier_claims, disabled_claims),
    )
    return [claim for claims_of in kinds for claim in claims_of(commands, names)]


def installed_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every claim on the name of a command; each is loaded, and one that breaks harms nobody else.

    Args:
        names: those that are asked about; all where not given.
    """
    wanted = [each for each in commands.installed if names is None or each.name in names]
    tried = [each.claims[0] for each in wanted if not each.problem and not is_core(each.claims[0])]
    with Processes(distribution_of(point)[0] for point in tried) as processes:
        return [claim for installed in wanted for claim in _claims_on(installed, processes)]


def _claims_on(installed: Installed, processes: Processes) -> Iterator[Claim]:
    for point in installed.claims:
        if installed.problem:
            state = REFUSED if installed.shadowed or installed.is_reserved else CLASH
            yield _claim(installed.name, point, state, f"its name {installed.problem}")
        else:
            yield _try_command(installed.name, point, processes)
    for point in installed.refused:
        yield _claim(installed.name, point, REFUSED, "the name is almajob's own")


def _try_command(name: str, point: EntryPoint, processes: Processes) -> Claim:
    if is_core(point):
        problem, summary, api = load_command(point.name, point.value)
    else:
        problem, found = _call(processes, point, f"{__name__}:load_command", point.name, point.value)
        problem, summary, api = found or (problem, "", "")
    return _claim(name, point, BROKEN if problem else OK, problem)._replace(summary=summary, api=api)


def load_command(name: str, value: str) -> tuple[str, str, str]:
    """Import a command, ours or, in a process of its own, another distribution's.

    Args:
        value: the class, as ``module:Class``.

    Returns:
        Why it cannot be used, empty where it can; the first line of its description; and the version of the
        plugin API that it says it needs.
    """
    try:
        command = load_class(EntryPoint(name, value, GROUP))
    except ConfigurationError as error:
        return error.reason, "", ""
    return "", description_of(command).partition("\n")[0].rstrip("."), describe_api(command)


def _call(processes: Processes, point: EntryPoint, function: str, *arguments: Any) -> tuple[str, Any]:
    """Call what imports a plugin; return why that failed, empty where it did not, and what it returned."""
    try:
        return "", processes.call(distribution_of(point)[0], function, *arguments)
    except CallFailed as error:
        return str(error), None
    except ProcessEnded as end:
        return f"its import {end}", None


def format_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every claim of another distribution on the name of a format; as ``installed_claims``."""
    wanted = {
        name: points
        for name, points in sorted(find_plugin_formats(commands.formatters).items())
        if names is None or name in names
    }
    tried = [points[0] for name, points in wanted.items() if not _format_problem(name, points)[1]]
    with Processes(distribution_of(point)[0] for point in tried) as processes:
        return [
            claim._replace(kind=FORMAT)
            for name, points in wanted.items()
            for claim in _format_claims_on(name, points, processes)
        ]


def _format_claims_on(name: str, points: list[EntryPoint], processes: Processes) -> Iterator[Claim]:
    state, problem = _format_problem(name, points)
    api = ""
    if not problem:
        problem, _ = _call(processes, points[0], LOAD, {point.group: point.value for point in points})
        state = BROKEN if problem else OK
        api = "" if problem else _call(processes, points[0], FIND_API)[1] or ""
    # One class is often in both groups.
    for point in {(distribution_of(point), point.value): point for point in points}.values():
        yield _claim(name, point, state, problem)._replace(api=api)


def _format_problem(name: str, points: list[EntryPoint]) -> tuple[str, str]:
    if is_own(name):
        return REFUSED, "the format is almajob's own"
    if is_contested(points):
        claimants = "; ".join(dict.fromkeys(map(origin, points)))
        return CLASH, f"its name is claimed by several plugins: {claimants}"
    return OK, ""


def group_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every description of a group of commands, and read those that count; as ``installed_claims``."""
    claims: dict[str, list[EntryPoint]] = {}
    for point in commands.descriptions:
        claims.setdefault(point.name.replace("_", " "), []).append(point)
    wanted = {name: claims[name] for name in sorted(claims) if names is None or name in names}
    with Processes(distribution_of(point)[0] for points in wanted.values() for point in points) as processes:
        return [
            _try_description(name, points, point, commands, processes)._replace(kind=COMMAND_GROUP)
            for name, points in wanted.items()
            for point in points
        ]


def _try_description(
    name: str, points: list[EntryPoint], point: EntryPoint, commands: Commands, processes: Processes
) -> Claim:
    within = [each for each in commands.installed if each.name.startswith(f"{name} ")]
    if not within:
        return _claim(name, point, BROKEN, "no command's name begins with it")
    if any(is_core(each.claims[0]) for each in within):
        return _claim(name, point, REFUSED, "the group is almajob's own")
    if len(points) > 1:
        return _claim(name, point, CLASH, "several plugins describe this group of commands")
    problem, text = _call(processes, point, f"{__name__}:load_description", point.value)
    problem = problem or ("" if text else "it has no docstring")
    return _claim(name, point, BROKEN if problem else OK, problem)._replace(summary=text or "")


def load_description(value: str) -> str:
    """Import what describes a group of commands, a module or a class, and return its docstring.

    The examples of a command are left out: they are on its own page.
    """
    text = inspect.cleandoc(EntryPoint("", value, "").load().__doc__ or "")
    return text.partition(f"\n{EXAMPLES}")[0].strip()


def observer_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every observer; as ``installed_claims``. Their names are for people: several may have one."""
    wanted = [point for point in commands.observers if names is None or point.name in names]
    with Processes(distribution_of(point)[0] for point in wanted) as processes:
        return [_try_observer(point, processes) for point in wanted]


def _try_observer(point: EntryPoint, processes: Processes) -> Claim:
    problem, api = _call(processes, point, "almajob.runs.observers.rules:describe_observer", point.value)
    claim = _claim(point.name, point, BROKEN if problem else OK, problem)
    return claim._replace(kind=OBSERVER, api=api or "")


def notifier_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """Judge every claim on a type of section [notify:NAME]; as ``installed_claims``."""
    claims: dict[str, list[EntryPoint]] = {}
    for point in commands.notifiers:
        claims.setdefault(point.name, []).append(point)
    wanted = {name: claims[name] for name in sorted(claims) if names is None or name in names}
    with Processes(distribution_of(point)[0] for points in wanted.values() for point in points) as processes:
        return [
            _try_notifier(point, points, processes)._replace(kind=NOTIFIER)
            for points in wanted.values()
            for point in points
        ]


def _try_notifier(point: EntryPoint, points: list[EntryPoint], processes: Processes) -> Claim:
    if not is_core_notifier(point):
        if any(map(is_core_notifier, points)):
            return _claim(point.name, point, REFUSED, "the type is almajob's own")
        if is_contested(points):
            claimants = "; ".join(dict.fromkeys(map(origin, points)))
            return _claim(point.name, point, CLASH, f"its name is claimed by several plugins: {claimants}")
    problem, api = _call(processes, point, "almajob.notify.notifier:describe_notifier", point.value)
    return _claim(point.name, point, BROKEN if problem else OK, problem)._replace(api=api or "")


def disabled_claims(commands: Commands, names: Collection[str] | None = None) -> list[Claim]:
    """List the claims that are disabled, whatever they are for; nothing of them is loaded.

    Args:
        names: those that are asked about; all where not given.
    """
    found = []
    for point, reason in commands.disabled:
        kind = _KINDS.get(point.group, FORMAT)
        name = point.name if kind in (FORMAT, OBSERVER, NOTIFIER) else point.name.replace("_", " ")
        found.append(_claim(name, point, DISABLED, f"it is disabled by {reason}")._replace(kind=kind))
    # One class is often in both groups of formats.
    return [claim for claim in dict.fromkeys(found) if names is None or claim.name in names]


def plugin_names(commands: Commands) -> tuple[set[str], set[str]]:
    """Return the normalized names of all plugins, and these with those of all that they bring."""
    points = [
        *(claim for each in commands.installed for claim in each.claims if not is_core(claim)),
        *(*commands.formatters, *commands.descriptions, *commands.observers, *commands.notifiers),
        *(point for point, _reason in commands.disabled),
    ]
    # Scripts have settings under almajob's own name.
    plugins = {"almajob", *(normalize_name(plugin_of(point)) for point in points)}
    return plugins, plugins | {normalize_name(point.name) for point in points}


def _claim(name: str, point: EntryPoint, state: str, problem: str = "") -> Claim:
    return Claim(name, point.value, *distribution_of(point), state, problem)
