"""Another distribution's formatter, as it lives in a process of its own, which ``plugin_format`` asks.

Each function is called there, in this order, with JSON and for JSON.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any

from cliff.columns import FormattableColumn

from almajob.entry_points import LIST, describe_api, require_api


class _Parser(argparse.ArgumentParser):
    """A formatter's own: it knows nothing of a command's options, and cannot touch them."""

    wrong = ""

    def error(self, message: str) -> Any:
        self.wrong = message
        raise SystemExit(2)


class _Loaded:
    """The formatter that was loaded last.

    Attributes:
        objects: by the groups of its entry points.
        parser: of its options.
        options: that were given.
        api: the version of the plugin API that it says it needs; empty where it says nothing.
    """

    objects: Mapping[str, Any]
    parser: _Parser
    options: argparse.Namespace
    api: str


_loaded = _Loaded()


def load(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Make a formatter and ask for its options.

    Args:
        values: what its entry points name, as ``module:Class``, by their groups.

    Returns:
        Its options, in the words of ``add_argument``.

    Raises:
        TypeError: it is no formatter.
        ValueError: it needs another version of almajob's plugin API.
    """
    # Often one class is in both groups.
    kinds = {value: EntryPoint("", value, "").load() for value in dict.fromkeys(values.values())}
    for kind in kinds.values():
        require_api(kind)
    _loaded.api = next(filter(None, map(describe_api, kinds.values())), "")
    made = {value: kind() for value, kind in kinds.items()}
    _loaded.objects = {group: made[value] for group, value in values.items()}
    _loaded.parser = _Parser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    _loaded.options = argparse.Namespace()
    for group, formatter in _loaded.objects.items():
        method = "emit_list" if group == LIST else "emit_one"
        if not callable(getattr(formatter, method, None)):
            raise TypeError(f"it is no formatter of {group}: it has no {method}")
    for formatter in made.values():
        formatter.add_argument_group(_loaded.parser)
    return [_describe_option(action) for action in _loaded.parser._actions]


def find_api() -> str:
    """Return the version of the plugin API that the loaded formatter says it needs; may be empty."""
    return _loaded.api


def _describe_option(action: argparse.Action) -> dict[str, Any]:
    if not action.option_strings:
        raise TypeError(f"it wants an argument of its own, {action.dest}")
    described: dict[str, Any] = {"names": list(action.option_strings), "nargs": action.nargs}
    # As it is written in the formatter, with its default filled in.
    described["help"] = (
        action.help
        if action.help in (None, argparse.SUPPRESS)
        else _loaded.parser._get_formatter()._expand_help(action).replace("%", "%%")
    )
    if action.nargs != 0:
        choices = ",".join(map(str, action.choices or ()))
        described["metavar"] = action.metavar or (f"{{{choices}}}" if choices else action.dest.upper())
    return described


def parse(words: Sequence[str], names: Sequence[str]) -> str:
    """Parse the options of the command line, with their values; return what is wrong with them, if anything.

    Args:
        names: of the options that are the formatter's; it has no others.
    """
    for action in _loaded.parser._actions:
        if not set(names) & set(action.option_strings):
            # An option of ours has its name: it is not asked for, and gets our value.
            action.required = False
            action.default = argparse.SUPPRESS
    try:
        _loaded.parser.parse_args(list(words), _loaded.options)
    except SystemExit:
        return _loaded.parser.wrong or "they are no options with which something is printed"
    return ""


def emit(
    group: str,
    column_names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    options: Mapping[str, Any],
    terminal: Sequence[int],
) -> str:
    """Return what the formatter prints of a result, in base64.

    Args:
        group: in which the formatter is used.
        rows: of cells as ``plugin_format`` sends them; for one thing, one row.
        terminal: columns and lines of stdout, where it is one.
    """
    if terminal:
        os.environ["COLUMNS"], os.environ["LINES"] = map(str, terminal)
    written = io.BytesIO()
    stream = _Result(written, encoding="utf-8", errors="backslashreplace", newline="")
    stream.is_terminal = bool(terminal)
    given = argparse.Namespace(**{**options, **vars(_loaded.options)})
    formatter = _loaded.objects[group]
    cells = (tuple(_Cell(*sent) if isinstance(sent, list) else sent for sent in row) for row in rows)
    with redirect_stdout(stream):
        if group == LIST:
            formatter.emit_list(tuple(column_names), cells, stream, given)
        else:
            formatter.emit_one(tuple(column_names), next(cells), stream, given)
    stream.flush()
    return base64.b64encode(written.getvalue()).decode("ascii")


class _Result(io.TextIOWrapper):
    """What a formatter takes for stdout."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


class _Cell(FormattableColumn[Any]):
    """A cell in its two forms."""

    def __init__(self, machine: Any, human: str) -> None:
        super().__init__(machine)
        self._human = human

    def human_readable(self) -> str:
        return self._human
