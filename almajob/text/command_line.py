"""Command lines: searched for an option, and shown to people, so that a shell takes them for one command."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from almajob.text.display_width import measure_width

# A word may have quotes with blanks in it. One that nothing closes is a character like any other.
_WORD = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\S)+""")
_GOES_ON = " \\"
_MARGIN = "    "


def fold_command(line: str, width: int) -> list[str]:
    """Break a command line that is too wide, between two of its words; a word that is too wide stays whole.

    Within a word, quoted ones included, a line break would be a part of it, or end it.
    """
    if measure_width(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    first, *others = _WORD.findall(line)
    folded = [f"{indent}{first}"]
    for word in others:
        longer = f"{folded[-1]} {word}"
        if measure_width(longer) + len(_GOES_ON) > width:
            folded[-1] += _GOES_ON
            longer = f"{indent}{_MARGIN}{word}"
            folded.append(longer)
        folded[-1] = longer
    return folded


def find_value(words: Sequence[str], option: str) -> str:
    """Return the value of an option, wherever it stands; empty where it is not there."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name == option:
            return value if equals else next(iter(words[index + 1 :]), "")
    return ""


def name_ini_file(text: str, ini_file: str, commands: Collection[str]) -> str:
    """Return a text whose command lines of almajob name a configuration file, as far as they name none.

    Args:
        text: for people; ``almajob`` may also be a word of a sentence in it.
        ini_file: the configuration file.
        commands: the first words of all commands.
    """
    import shlex

    words = "|".join(map(re.escape, commands))
    line = re.compile(rf"\balmajob (?=--env |(?:{words})(?![\w-]))")
    program = f"{shlex.join(['almajob', '--ini-file', ini_file])} "
    return line.sub(lambda _found: program, text)
