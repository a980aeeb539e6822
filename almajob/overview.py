"""What is installed, each claim on a name with its state: what ``--help`` and ``plugin list`` tell."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import NamedTuple

from almajob.command import description_of
from almajob.discovery import Commands, Installed, distribution_of, loaded
from almajob.errors import ConfigurationError

OK, BROKEN, CLASH, REFUSED = "ok", "broken", "clash", "refused"
"""What may be said of a claim: it can be used; it cannot be loaded; others have the same right; none."""


class Claim(NamedTuple):
    """One entry point's claim on a command's name.

    Attributes:
        target: the class, as ``module:Class``.
        state: one of the words above.
        problem: why it cannot be used; empty where it can.
        summary: the first line of its description; empty where it could not be loaded.
    """

    name: str
    target: str
    distribution: str
    version: str
    state: str
    problem: str = ""
    summary: str = ""


def installed_claims(commands: Commands) -> list[Claim]:
    """Judge every claim; each command is imported for it, and one that breaks harms nobody else."""
    return [claim for installed in commands.installed for claim in _claims_on(installed)]


def _claims_on(installed: Installed) -> Iterator[Claim]:
    for point in installed.claims:
        if installed.problem:
            state = REFUSED if installed.shadowed or installed.is_reserved else CLASH
            yield _claim(installed, point, state, f"its name {installed.problem}")
        else:
            yield _tried(installed, point)
    for point in installed.refused:
        yield _claim(installed, point, REFUSED, "the name is almajob's own")


def _tried(installed: Installed, point: EntryPoint) -> Claim:
    try:
        command = loaded(point)
    except ConfigurationError as error:
        return _claim(installed, point, BROKEN, error.why)
    summary = description_of(command).partition("\n")[0].rstrip(".")
    return _claim(installed, point, OK)._replace(summary=summary)


def _claim(installed: Installed, point: EntryPoint, state: str, problem: str = "") -> Claim:
    return Claim(installed.name, point.value, *distribution_of(point), state, problem)
