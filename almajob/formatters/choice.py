"""What ``-f`` offers: our own formatters, and those that other distributions add to cliff's groups.

cliff's own import their libraries for every command, break on odd variables, and print what can be run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from cliff.formatters.base import Formatter, ListFormatter, SingleFormatter

from almajob.errors import ConfigurationError
from almajob.formatters.delimited import Csv
from almajob.formatters.documents import Json, Yaml
from almajob.formatters.lines import Values
from almajob.formatters.shell import Shell
from almajob.formatters.tables import Table

LIST, SHOW = "cliff.formatter.list", "cliff.formatter.show"
"""cliff's two groups: for several things, and for one."""
_OWN: dict[str, Callable[[], Formatter]] = {
    "csv": Csv,
    "json": Json,
    "shell": Shell,
    "table": Table,
    "value": Values,
    "yaml": Yaml,
}


class Choice(NamedTuple):
    """One formatter, in the form in which cliff takes it."""

    name: str
    obj: Any


class Formatters:
    """The formatters of some groups, by name; what cliff asks of stevedore's manager, and no more.

    Args:
        groups: of cliff's groups, those whose formatters are offered.
        others: the entry points of these groups.
    """

    def __init__(self, groups: Sequence[str], others: Iterable[EntryPoint]) -> None:
        kinds = tuple({LIST: ListFormatter, SHOW: SingleFormatter}[group] for group in groups)
        own = {name: make() for name, make in _OWN.items()}
        found = {name: formatter for name, formatter in own.items() if isinstance(formatter, kinds)}
        for point in others:
            if point.group in groups and not point.value.startswith("cliff.") and point.name not in _OWN:
                found.setdefault(point.name, _foreign(point))
        self._choices = {name: Choice(name, formatter) for name, formatter in found.items()}

    def names(self) -> list[str]:
        """Name them all."""
        return list(self._choices)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self._choices.values())

    def __getitem__(self, name: str) -> Choice:
        return self._choices[name]


def _foreign(point: EntryPoint) -> Any:
    """Make another distribution's formatter; one that cannot be made is refused when it is chosen."""
    try:
        # What it prints would stand before the result.
        with redirect_stdout(sys.stderr):
            return point.load()()
    except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001  # whatever a plugin raises
        return Broken(point, error)


class Broken(ListFormatter, SingleFormatter):
    """A formatter that another distribution has, and that cannot be made."""

    def __init__(self, point: EntryPoint, error: BaseException) -> None:
        named = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
        self._refusal = ConfigurationError(
            f"The format {point.name!r} cannot be used.",
            why=f"{named} ({point.value}): {type(error).__name__}: {error}",
            cure="Repair, upgrade or uninstall that plugin, or choose another format.",
        )

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options."""

    def refuse(self) -> None:
        """Say why it cannot be used.

        Raises:
            ConfigurationError: in any case.
        """
        raise self._refusal

    def emit_list(self, *_given: Any) -> None:
        self.refuse()

    def emit_one(self, *_given: Any) -> None:
        self.refuse()
