"""JSON and YAML, written whole or not at all."""

from __future__ import annotations

import argparse
import io
import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.formatters.cells import machine


class Json(ListFormatter, SingleFormatter):
    """An array of objects; of one thing, an object (RFC 8259)."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("JSON")
        group.add_argument("--noindent", action="store_true", help="write it on one line")

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        if parsed_args.noindent:
            written = json.dumps([_flat(column_names, row) for row in data])
        else:
            objects = ",\n".join(_object(column_names, row, "  ") for row in data)
            written = f"[\n{objects}\n]" if objects else "[]"
        stdout.write(f"{written}\n")

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        is_flat = parsed_args.noindent
        written = json.dumps(_flat(column_names, data)) if is_flat else _object(column_names, data)
        stdout.write(f"{written}\n")


class Yaml(ListFormatter, SingleFormatter):
    """A list of mappings; of one thing, a mapping."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        rows = [_yaml(column_names, row, parsed_args) for row in data]
        items = [f"- {textwrap.indent(row, '  ')[2:]}" for row in rows]
        stdout.write("".join(items) or "[]\n")

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        stdout.write(_yaml(column_names, data, parsed_args))


def _object(column_names: Sequence[str], row: Sequence[Any], margin: str = "") -> str:
    """Write an object as json does with an indent, but with its fast encoder, which knows none."""
    lines = [
        f"{margin}  {json.dumps(name)}: {_value(machine(value), margin)}"
        for name, value in zip(column_names, row, strict=True)
    ]
    body = ",\n".join(lines)
    return f"{margin}{{\n{body}\n{margin}}}"


def _value(value: Any, margin: str) -> str:
    has_parts = isinstance(value, (dict, list)) and value
    return json.dumps(value, indent=2).replace("\n", f"\n{margin}  ") if has_parts else json.dumps(value)


def _flat(column_names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: machine(value) for name, value in zip(column_names, row, strict=True)}


def _yaml(column_names: Sequence[str], row: Sequence[Any], parsed_args: argparse.Namespace) -> str:
    """Write a mapping with cliff's formatter: for one thing, it keeps the order of the columns."""
    from cliff.formatters.yaml_format import YAMLFormatter

    written = io.StringIO()
    YAMLFormatter().emit_one(column_names, row, written, parsed_args)
    return written.getvalue()
