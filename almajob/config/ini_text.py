"""The text of an ini: parsed into sections of settings, and changed by one setting at a time.

Light to import, as completions parse it, too.
"""

from __future__ import annotations

import re

# Completions parse it, too, and must not wait for typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

TOP = "(top)"
"""The section of what stands before any section, as the predecessor's ini has it."""
_COMMENT = re.compile(r"(^|\s)[;#].*")
_HEADING = re.compile(r"\[(.+)\]")
_KEEPS_CASE = "param."
"""How the settings begin that have a parameter's own name in them."""


def parse_sections(
    text: str,
) -> tuple[dict[str, dict[str, tuple[str, int]]], tuple[int, str, str] | None]:
    """Parse what stands in an ini.

    Returns:
        The settings of each section, with the numbers of their lines; and the first line that is wrong: its
        number, what it does, and what to do about it.
    """
    found: dict[str, dict[str, tuple[str, int]]] = {TOP: {}}
    section, problem = found[TOP], None
    for number, raw in enumerate(text.split("\n"), start=1):
        # Indented lines do not continue the value above; almajob has no such values.
        line = strip_comment(raw).strip()
        heading = read_heading(line)
        left, equals, value = line.partition("=")
        name = setting_name(left.rstrip())
        wrong = None
        if heading is not None:
            if heading in found:
                wrong = (number, "repeats the heading of a section", "Join the two.")
            section = found.setdefault(heading, {})
        elif line and not (name and equals):
            wrong = (number, "is neither a [section] nor name = value", "The line has no '=' or no ']'.")
        elif line and name in section:
            wrong = (number, "repeats a setting of its section", "Keep one of them.")
        elif line:
            section[name] = (strip_quotes(value.strip()), number)
        problem = problem or wrong
    return found, problem


def find_half_line(text: str) -> tuple[int, str] | None:
    """Find the first line, and the character in it, that ends a line for some programs only.

    These are a lone carriage return, vertical tab, form feed, the separators of files, groups and records,
    and U+0085, U+2028 and U+2029.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        whole = line.rstrip("\r")
        if whole.splitlines() not in ([], [whole]):
            return number, whole.splitlines(keepends=True)[0][-1]
    return None


def strip_comment(line: str) -> str:
    """Take off a comment; in quotes its sign is a part of the value, as for the predecessor (PHP)."""
    name, _equals, rest = line.partition("=")
    value = rest.strip()
    end = value.find(value[0], 1) if value[:1] in ("'", '"') else -1
    if end > 0 and not _COMMENT.search(name):
        behind = value[end + 1 :]
        if not behind or (behind[0].isspace() and behind.lstrip()[0] in ";#"):
            return line[: len(line) - len(rest.lstrip()) + end + 1]
    return _COMMENT.sub("", line)


def strip_quotes(text: str) -> str:
    """Take off the quotes that the predecessor's ini (read by PHP) may have around a value."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def quote_value(text: str) -> str | None:
    """Write a value so that it is read as it is; None where no line of an ini can hold it."""
    if not text or text.splitlines() != [text]:
        return None
    if text == text.strip() and text[0] not in "\"'" and not _COMMENT.search(text):
        return text
    sign = next((sign for sign in "\"'" if sign not in text), None)
    return f"{sign}{text}{sign}" if sign else None


def read_heading(line: str) -> str | None:
    """Return the name of the section that a line begins, without its comment; None where it begins none."""
    found = _HEADING.match(line)
    return found[1] if found else None


def setting_name(name: str) -> str:
    """Return a setting's name as it is known here: in small letters, but for names of others.

    These are Alma's of a parameter, and that of an environment behind an ``@``.
    """
    prefix = name[: len(_KEEPS_CASE)].lower()
    if prefix == _KEEPS_CASE:
        return prefix + name[len(_KEEPS_CASE) :]
    setting, at, environment = name.partition("@")
    return f"{setting.lower()}{at}{environment}"


def change_setting(
    text: str, section: str, setting: str, value: str, *, instead_of: str | None = None
) -> str:
    """Set a setting: in its line, where it has one, else behind the last one of its section.

    Every other byte of the text stays as it is. A section that is missing is made at its end.

    Args:
        text: of the file, with its line ends.
        instead_of: the setting whose line it takes; its own where not given.
    """
    lines = _split_lines(text)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    settings = parse_sections(text)[0].get(section)
    if settings and (instead_of or setting) in settings:
        index = settings[instead_of or setting][1] - 1
        lines[index] = _replace_value(lines[index], instead_of and setting, value)
        return "".join(lines)
    if settings is None:
        before, added, after = lines, [*([end] if lines else []), f"[{section}]{end}"], []
    else:
        last = max((line for _value, line in settings.values()), default=0) or _heading_line(lines, section)
        before, added, after = lines[:last], [], lines[last:]
    if before and not before[-1].endswith("\n"):
        before[-1] += end
    return "".join([*before, *added, f"{setting} = {value}{end}", *after])


def remove_settings(text: str, section: str, names: Collection[str]) -> str:
    """Remove the lines of some settings; every other byte of the text stays as it is."""
    settings = parse_sections(text)[0][section]
    gone = {settings[name][1] for name in names}
    return "".join(line for number, line in enumerate(_split_lines(text), start=1) if number not in gone)


def remove_section(text: str, section: str) -> str:
    """Remove a section, from the comment directly above it to the blank lines behind its last setting.

    What else stands between its last setting and the next heading may be about the next one, and stays.
    """
    lines = _split_lines(text)
    settings = parse_sections(text)[0][section]
    heading = _heading_line(lines, section)
    last = max((number for _value, number in settings.values()), default=heading)
    first = heading - 1
    while first and lines[first - 1].lstrip().startswith((";", "#")):
        first -= 1
    while last < len(lines) and not lines[last].strip():
        last += 1
    return "".join([*lines[:first], *lines[last:]])


def _split_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _replace_value(line: str, setting: str | None, value: str) -> str:
    """Exchange the value in a line, and its name where another is given; a comment behind it stays."""
    said = strip_comment(line.rstrip("\r\n")).rstrip()
    name, _equals, old = said.partition("=")
    blanks = old[: len(old) - len(old.lstrip())] if old else " "
    if setting:
        indent = name[: len(name) - len(name.lstrip())]
        name = f"{indent}{setting}{name[len(name.rstrip()) :]}"
    return f"{name}={blanks}{value}{line[len(said) :]}"


def _heading_line(lines: list[str], section: str) -> int:
    """Number the line of a section's heading, from 1; 0 for what stands before any."""
    for number, line in enumerate(lines, start=1):
        if read_heading(strip_comment(line).strip()) == section:
            return number
    return 0
