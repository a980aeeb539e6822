"""What ``-f`` offers: our own formatters, and those that other distributions add to cliff's groups.

cliff's own import their libraries for every command, break on odd variables, and print what can be run. One
of another distribution is imported when it is chosen, and not here: see ``plugin_format``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, NamedTuple

from cliff.formatters.base import Formatter, ListFormatter, SingleFormatter

from almajob.entry_points import LIST, SHOW
from almajob.output.formats import Csv, Json, Shell, Values, Yaml
from almajob.output.table_format import Table

if TYPE_CHECKING:
    from almajob.output.plugin_format import PluginFormat

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
    """The formatters of some groups, by name; what cliff asks of stevedore's manager, and the choice of one.

    Args:
        groups: of cliff's groups, those whose formatters are offered.
        others: the entry points of these groups.
    """

    def __init__(self, groups: Sequence[str], others: Iterable[EntryPoint]) -> None:
        kinds = tuple({LIST: ListFormatter, SHOW: SingleFormatter}[group] for group in groups)
        own = {name: made for name, make in _OWN.items() if isinstance(made := make(), kinds)}
        self._of_plugins = _make_plugin_formats(others, groups)
        self._all: dict[str, Any] = {**own, **self._of_plugins}

    def names(self) -> list[str]:
        """Name them all."""
        return list(self._all)

    def __iter__(self) -> Iterator[Choice]:
        return iter(map(self.__getitem__, self._all))

    def __getitem__(self, name: str) -> Choice:
        return Choice(name, self._all[name])

    def open_chosen(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of another distribution's formatter to a command's parser once one is chosen.

        They are not known before ``-f`` has been read, so the words are searched for it first.
        """
        if not self._of_plugins:
            return
        parse = parser.parse_known_args

        def parse_known_args(
            args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
        ) -> tuple[argparse.Namespace, list[str]]:
            words = list(sys.argv[1:] if args is None else args)
            chosen = self._of_plugins.get(_find_chosen(parser, words))
            try:
                if chosen is None:
                    return parse(words, namespace)
                chosen.open(parser)
                found = parse(words, namespace)
                # parse_args would refuse these, too, when nobody ends the process any more.
                wrong = f"unrecognized arguments: {' '.join(found[1])}" if found[1] else chosen.parse()
                if wrong:
                    parser.error(wrong)
            except BaseException:
                self.close()
                raise
            return found

        parser.parse_known_args = parse_known_args  # type: ignore[method-assign, assignment]

    def close(self) -> None:
        """End the process of the one that was chosen."""
        for each in self._of_plugins.values():
            each.close()


def _make_plugin_formats(others: Iterable[EntryPoint], groups: Sequence[str]) -> dict[str, PluginFormat]:
    claims = find_plugin_formats(others)
    if not claims:
        return {}
    # Most have none.
    from almajob.output.plugin_format import PluginFormat

    return {
        name: PluginFormat(name, points, groups)
        for name, points in claims.items()
        if name not in _OWN and any(point.group in groups for point in points)
    }


def find_plugin_formats(points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """Return the claims of other distributions, and not of cliff itself, by the names of formats."""
    found: dict[str, list[EntryPoint]] = {}
    for point in points:
        if not point.value.startswith("cliff."):
            found.setdefault(point.name, []).append(point)
    return found


def is_own(name: str) -> bool:
    """Whether a format's name is one of ours."""
    return name in _OWN


def _find_chosen(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """Find the format that the words name; empty where they name none."""
    scout = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    scout.set_defaults(formatter="")
    for action in parser._actions:
        if action.dest == "formatter" and action.option_strings:
            scout.add_argument(*action.option_strings, dest="formatter")
        elif action.nargs == 0 and action.option_strings:
            # Flags of one letter may stand before it in one word: -qf NAME.
            scout.add_argument(*action.option_strings, dest=f"{action.dest} ", action="store_true")
    try:
        return str(scout.parse_known_args(words)[0].formatter)
    except argparse.ArgumentError:
        # The parser itself will tell.
        return ""
