"""The text of an ini with one setting changed or added; every other byte of it stays as it is."""

from __future__ import annotations

import re

from almajob.config import ini_parser
from almajob.config.ini_reader import Ini

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def with_setting(
    ini: Ini, text: str, section: str, setting: str, value: str, *, instead_of: str | None = None
) -> str:
    """Set a setting: in its line, where it has one, else behind the last one of its section.

    Args:
        ini: what stands in the text.
        text: of the file, with its line ends.
        section: is made at the end of the text where it is missing.
        instead_of: the setting whose line it takes; its own where not given.

    Returns:
        The new text.
    """
    lines = _LINE.findall(text)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    settings = ini.sections.get(section)
    there = settings.get(instead_of or setting) if settings else None
    if there is not None:
        lines[there.line - 1] = _replace_value(lines[there.line - 1], instead_of and setting, value)
        return "".join(lines)
    if settings is None and section != ini_parser.TOP:
        blank = [end] if lines else []
        return "".join([*_end_last(lines, end), *blank, f"[{section}]{end}", f"{setting} = {value}{end}"])
    place = max((each.line for each in settings.values()), default=0) if settings else 0
    place = place or _heading_line(lines, section)
    before = _end_last(lines[:place], end)
    return "".join([*before, f"{setting} = {value}{end}", *lines[place:]])


def _replace_value(line: str, setting: str | None, value: str) -> str:
    """Exchange the value in a line, and its name where another is given; a comment behind it stays."""
    said = ini_parser.strip_comment(line.rstrip("\r\n")).rstrip()
    name, _equals, old = said.partition("=")
    blanks = old[: len(old) - len(old.lstrip())] if old else " "
    if setting:
        indent = name[: len(name) - len(name.lstrip())]
        name = f"{indent}{setting}{name[len(name.rstrip()) :]}"
    return f"{name}={blanks}{value}{line[len(said) :]}"


def _heading_line(lines: list[str], section: str) -> int:
    """Number the line of a section's heading, from 1; 0 for what stands before any."""
    for number, line in enumerate(lines, start=1):
        if ini_parser.read_heading(ini_parser.strip_comment(line).strip()) == section:
            return number
    return 0


def _end_last(lines: list[str], end: str) -> list[str]:
    """Return lines of which the last one ends, too."""
    if not lines or lines[-1].endswith("\n"):
        return lines
    return [*lines[:-1], f"{lines[-1]}{end}"]
