"""What is installed, each claim on a name with its state: what ``--help`` and ``plugin list`` tell.

What other distributions bring is loaded in processes of their own: it may do anything while it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from almajob.cli.command import description_of
from almajob.cli.plugins.command_manager import Commands, Installed, load_class
from almajob.entry_points import GROUP, distribution_of, is_contested, is_core, origin
from almajob.errors import ConfigurationError
from almajob.output.format_registry import find_plugin_formats, is_own
from almajob.output.plugin_format import LOAD
from almajob.system.isolated_process import CallFailed, ProcessEnded, Processes

OK, BROKEN, CLASH, REFUSED = "ok", "broken", "clash", "refused"
"""What may be said of a claim: it can be used; it cannot be loaded; others have the same right; none."""
COMMAND, FORMAT = "command", "format"
"""What a name is claimed for."""


class Claim(NamedTuple):
    """One entry point's claim on a name.

    Attributes:
        name: of a command, or of a format that ``-f`` takes.
        target: the class, as ``module:Class``.
        state: one of the words above.
        problem: why it cannot be used; empty where it can.
        kind: what the name is claimed for.
        summary: the first line of a command's description; empty where it could not be loaded.
    """

    name: str
    target: str
    distribution: str
    version: str
    state: str
    problem: str = ""
    kind: str = COMMAND
    summary: str = ""


def installed_claims(commands: Commands, only: str = "") -> list[Claim]:
    """Judge every claim on the name of a command; each is loaded, and one that breaks harms nobody else.

    Args:
        only: the name that is asked about; all where it is empty.
    """
    wanted = [each for each in commands.installed if only in ("", each.name)]
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
        problem, summary = load_command(point.name, point.value)
    else:
        problem, found = _call(processes, point, f"{__name__}:load_command", point.name, point.value)
        problem, summary = found or (problem, "")
    return _claim(name, point, BROKEN if problem else OK, problem)._replace(summary=summary)


def load_command(name: str, value: str) -> tuple[str, str]:
    """Import a command, ours or, in a process of its own, another distribution's.

    Args:
        value: the class, as ``module:Class``.

    Returns:
        Why it cannot be used, empty where it can; and the first line of its description.
    """
    try:
        command = load_class(EntryPoint(name, value, GROUP))
    except ConfigurationError as error:
        return error.reason, ""
    return "", description_of(command).partition("\n")[0].rstrip(".")


def _call(processes: Processes, point: EntryPoint, function: str, *arguments: Any) -> tuple[str, Any]:
    """Call what imports a plugin; return why that failed, empty where it did not, and what it returned."""
    try:
        return "", processes.call(distribution_of(point)[0], function, *arguments)
    except CallFailed as error:
        return str(error), None
    except ProcessEnded as end:
        return f"its import {end}", None


def format_claims(commands: Commands, only: str = "") -> list[Claim]:
    """Judge every claim of another distribution on the name of a format; as ``installed_claims``."""
    wanted = {
        name: points
        for name, points in sorted(find_plugin_formats(commands.formatters).items())
        if only in ("", name)
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
    if not problem:
        problem, _ = _call(processes, points[0], LOAD, {point.group: point.value for point in points})
        state = BROKEN if problem else OK
    # One class is often in both groups.
    for point in {(distribution_of(point), point.value): point for point in points}.values():
        yield _claim(name, point, state, problem)


def _format_problem(name: str, points: list[EntryPoint]) -> tuple[str, str]:
    if is_own(name):
        return REFUSED, "the format is almajob's own"
    if is_contested(points):
        claimants = "; ".join(dict.fromkeys(map(origin, points)))
        return CLASH, f"its name is claimed by several plugins; it is claimed by {claimants}"
    return OK, ""


def _claim(name: str, point: EntryPoint, state: str, problem: str = "") -> Claim:
    return Claim(name, point.value, *distribution_of(point), state, problem)
