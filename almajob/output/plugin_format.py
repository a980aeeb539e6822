"""A formatter of another distribution: chosen with ``-f``, it works in a process of its own.

So it cannot end almajob after a start, nor change an option of ours: whatever it does is told by its name.
"""

from __future__ import annotations

import argparse
import base64
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any, TextIO

from cliff.columns import FormattableColumn

from almajob.entry_points import LIST, SHOW, is_contested, origin
from almajob.errors import ConfigurationError, ResultLost, name_error
from almajob.output.formats import OUTPUT_OPTIONS, Names, Row, Rows, plain_value, shown_text
from almajob.system.isolated_process import CallFailed, Process, ProcessEnded
from almajob.text.redaction import redact_all
from almajob.text.sanitize import sanitize

_REPAIR = "Repair, upgrade or uninstall that plugin, or choose another format."
LOAD, FIND_API, _PARSE, _EMIT = (
    f"almajob.output.plugin_format_process:{name}" for name in ("load", "find_api", "parse", "emit")
)
"""What its process is asked for."""
_PLAIN = (str, int, float, bool, type(None))


class PluginFormat:
    """A formatter of another distribution, in the form in which cliff takes one.

    Nothing is imported before ``open``.

    Args:
        name: of the format.
        claims: all entry points that claim it.
        groups: of cliff's groups, those that are offered.
    """

    def __init__(self, name: str, claims: Sequence[EntryPoint], groups: Collection[str]) -> None:
        self._name = name
        self._claims = claims
        self._values = {point.group: point.value for point in claims if point.group in groups}
        self._process: Process | None = None
        self._words: list[str] = []
        self._options: list[str] = []
        # Whether it has a form for several things or for one is asked so.
        if LIST in self._values:
            self.emit_list = self._emit_list
        if SHOW in self._values:
            self.emit_one = self._emit_one

    def add_argument_group(self, parser: ArgumentParser) -> None:
        """Add nothing: its options are there once it has been chosen."""

    def open(self, parser: ArgumentParser) -> None:
        """Import it in a process of its own, and add its options to a command's parser.

        Raises:
            ConfigurationError: it cannot be used.
        """
        if is_contested(self._claims):
            raise self._refusal("it is claimed by several plugins")
        self._process = Process(is_heard=True)
        try:
            self._add_options(parser, self._process.call(LOAD, self._values))
        except CallFailed as error:
            raise self._refusal(str(error)) from None
        except ProcessEnded as end:
            raise self._refusal(f"its import {end}") from None
        except (TypeError, ValueError, LookupError, argparse.ArgumentError) as error:
            raise self._refusal(f"it has odd options: {name_error(error)}") from None

    def _add_options(self, parser: ArgumentParser, described: Iterable[Mapping[str, Any]]) -> None:
        group = parser.add_argument_group(OUTPUT_OPTIONS)
        for option in described:
            # One that is there already stays what it is.
            names = [name for name in option["names"] if name not in parser._option_string_actions]
            if names:
                metavar = option.get("metavar")
                group.add_argument(
                    *names,
                    action=_KeepWords,
                    words=self._words,
                    dest=f"{self._name} {names[0]}",
                    nargs=option["nargs"],
                    default=argparse.SUPPRESS,
                    metavar=tuple(metavar) if isinstance(metavar, list) else metavar,
                    help=option["help"],
                )
            self._options += names

    def parse(self) -> str:
        """Hand it its options of the command line; returns what is wrong with them."""
        assert self._process is not None
        try:
            return str(self._process.call(_PARSE, self._words, self._options))
        except (ProcessEnded, CallFailed) as error:
            raise self._refusal(f"it cannot read its options: {error}") from None

    def _emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        self._emit(LIST, column_names, data, stdout, parsed_args)

    def _emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        self._emit(SHOW, column_names, [data], stdout, parsed_args)

    def _emit(self, group: str, column_names: Names, rows: Rows, stdout: TextIO, options: Namespace) -> None:
        terminal = _size(stdout)
        cells = redact_all([[_encode_cell(cell, is_terminal=bool(terminal)) for cell in row] for row in rows])
        plain = {name: value for name, value in vars(options).items() if _is_plain(value)}
        assert self._process is not None
        try:
            # Who prints much may take long.
            written = self._process.call(_EMIT, group, list(column_names), cells, plain, terminal, limit=None)
        except (ProcessEnded, CallFailed) as error:
            raise ResultLost(
                f"The format {self._name!r} could not print the result.",
                reason=self._blame(f"it {error}" if isinstance(error, ProcessEnded) else str(error)),
                hint=_REPAIR,
            ) from None
        _write(base64.b64decode(written), stdout)

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _refusal(self, cause: str) -> ConfigurationError:
        return ConfigurationError(
            f"The format {self._name!r} cannot be used.", reason=self._blame(cause), hint=_REPAIR
        )

    def _blame(self, cause: str) -> str:
        return f"{'; '.join(dict.fromkeys(map(origin, self._claims)))}: {cause}"


class _KeepWords(argparse.Action):
    """An option whose words are kept for somebody else's parser."""

    def __init__(self, *given: Any, words: list[str], **more: Any) -> None:
        super().__init__(*given, **more)
        self._words = words

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        name = option_string or ""
        if isinstance(values, list):
            self._words += [name, *values]
        else:
            # A value may begin as an option does.
            self._words.append(name if values is None else f"{name}={values}")


def _size(stdout: TextIO) -> list[int]:
    """Return columns and lines of stdout, where it is a terminal."""
    if not stdout.isatty():
        return []
    try:
        return list(os.get_terminal_size(stdout.fileno()))
    except (OSError, ValueError):
        return [80, 24]


def _encode_cell(cell: Any, *, is_terminal: bool) -> Any:
    """Put a cell into JSON: a list of its forms for programs and for people, or what it is."""
    if not isinstance(cell, FormattableColumn):
        return cell if isinstance(cell, _PLAIN) else str(cell)
    return [_sanitize_value(plain_value(cell)) if is_terminal else plain_value(cell), shown_text(cell)]


def _sanitize_value(value: Any) -> Any:
    """Spell out control characters in all texts of a value: its formatter may write them as they are."""
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, list):
        return [_sanitize_value(each) for each in value]
    if isinstance(value, dict):
        return {sanitize(name): _sanitize_value(each) for name, each in value.items()}
    return value


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list) else isinstance(value, _PLAIN)


def _write(written: bytes, stdout: TextIO) -> None:
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:
        # No text, as a spreadsheet is none.
        stdout.flush()
        stdout.buffer.write(written)
    else:
        stdout.write(text)
