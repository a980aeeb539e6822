"""JSON and YAML, written whole or not at all."""

from __future__ import annotations

import argparse
import io
import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.output.cell_values import machine
from almajob.output.stream_writer import OfOne, OfSeveral, Row


class Json(OfSeveral, OfOne):
    """An array of objects; of one thing, an object (RFC 8259)."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("JSON")
        group.add_argument("--noindent", action="store_true", help="write it on one line")

    def several(
        self, column_names: Sequence[str], rows: Iterable[Row], options: argparse.Namespace
    ) -> list[str]:
        if options.noindent:
            return [json.dumps([_flat(column_names, row) for row in rows]), "\n"]
        objects = ",\n".join(_object(column_names, row, "  ") for row in rows)
        return [f"[\n{objects}\n]\n" if objects else "[]\n"]

    def one(self, column_names: Sequence[str], row: Row, options: argparse.Namespace) -> list[str]:
        if options.noindent:
            return [json.dumps(_flat(column_names, row)), "\n"]
        return [_object(column_names, row), "\n"]


class Yaml(OfSeveral, OfOne):
    """A list of mappings; of one thing, a mapping."""

    def several(
        self, column_names: Sequence[str], rows: Iterable[Row], options: argparse.Namespace
    ) -> list[str]:
        written = [_yaml(column_names, row, options) for row in rows]
        return [f"- {textwrap.indent(row, '  ')[2:]}" for row in written] or ["[]\n"]

    def one(self, column_names: Sequence[str], row: Row, options: argparse.Namespace) -> list[str]:
        return [_yaml(column_names, row, options)]


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
