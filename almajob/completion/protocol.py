"""``almajob __complete SHELL …``: what the scripts for the shells ask while somebody types.

The first line says ``words`` or ``files``; then one candidate a line, and after a tab what it is. For bash a
candidate is quoted as it has to stand; fish and zsh do that themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from almajob.completion import quoting
from almajob.completion.candidates import find_candidates
from almajob.completion.grammar import Grammar, load_core, load_grammar
from almajob.completion.local_values import Places

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LONGEST_HELP = 60


def answer(shell: str, arguments: Sequence[str], describe: Callable[[str], dict[str, Any]]) -> str:
    """Answer a shell.

    Args:
        shell: bash, fish or zsh.
        arguments: for bash the line up to the cursor, and the piece of it that will be replaced; for the
            others the words without their quotes, the one at the cursor last.
        describe: asks the plugins that a configuration file chooses, where that is needed; an empty name
            stands for the one that is found.
    """
    line = (
        quoting.read_line(*arguments[:2])
        if shell == "bash"
        else quoting.TypedLine(list(arguments[:-1]), arguments[-1])
    )
    if not line.words:
        return "words\n"
    ini_file = _find_ini_file(line.words)
    places = Places(os.environ, ini_file)
    grammar = load_grammar(places.cache, lambda: describe(ini_file), places.chosen_plugins)
    try:
        kind, found = find_candidates(grammar, line.words[1:], line.beginning, os.environ)
    except (TypeError, AttributeError, LookupError, ValueError):
        # What is kept of the plugins was tampered with; our own commands go on.
        kind, found = find_candidates(Grammar(load_core()), line.words[1:], line.beginning, os.environ)
    if shell == "bash":
        lines = [
            quoting.for_bash(text.removeprefix(line.head), line.quote)
            for text, _what in found
            if text.startswith(line.head)
        ]
    else:
        lines = [f"{text}\t{_short(what)}" for text, what in found]
    return "".join(f"{each}\n" for each in (kind, *lines))


def _find_ini_file(words: Sequence[str]) -> str:
    if not any(word.startswith("--ini-file") for word in words):
        return ""
    from almajob.text.command_line import find_value

    return find_value(words, "--ini-file")


def _short(text: str) -> str:
    """Make a description fit beside its candidate; what cannot be printed is left out, or is a blank."""
    shown = " ".join(text.split())
    if not shown.isprintable():
        shown = "".join(character for character in shown if character.isprintable())
    return shown if len(shown) <= _LONGEST_HELP else f"{shown[:_LONGEST_HELP]}…"
