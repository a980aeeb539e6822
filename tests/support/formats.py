"""A value as each format of ``-f`` prints it, without a command around it."""

from __future__ import annotations

import argparse
import io
from typing import Any

from almajob.output.columns import as_column
from almajob.output.format_registry import Formatters

_OPTIONS = argparse.Namespace(
    quote_mode="nonnumeric",
    csv_raw=True,
    noindent=False,
    prefix="",
    max_width=0,
    fit_width=False,
    print_empty=False,
)


def print_in(form: str, value: Any) -> str:
    """Return what a format prints of one column with one value."""
    group = "show" if form == "shell" else "list"
    formatter = Formatters((f"cliff.formatter.{group}",), ())[form].obj
    stdout = io.StringIO()
    if group == "show":
        formatter.emit_one(["x"], [as_column(value)], stdout, _OPTIONS)
    else:
        formatter.emit_list(["x"], [[as_column(value)]], stdout, _OPTIONS)
    return stdout.getvalue()
