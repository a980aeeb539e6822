"""The predecessor's command line, in today's words: ``--cmd run --job X`` becomes ``run --job X``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_MOVED = ("--job", "--id")
"""Options that the predecessor had for all commands, and that belong to a command now."""


def translate(argv: Sequence[str], takes_value: Callable[[str], bool | None]) -> list[str]:
    """Rewrite a command line that uses ``--cmd``; any other is given back as it is.

    Nothing after a command's name is touched: a plugin may have a ``--cmd`` of its own.

    Args:
        argv: the words after the program's name.
        takes_value: says of a global option whether the next word is its value; None where it is unknown.
    """
    command: list[str] = []
    before: list[str] = []
    after: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name == "--cmd" and not command and (equals or words):
            command = (value if equals else words.pop(0)).split()
            if not command:
                return list(argv)
            continue
        if not word.startswith("-") or word in ("-", "--"):
            if not command:
                return list(argv)
            after.append(word)
            continue
        known = takes_value(name)
        target = after if known is None else before
        target.append(word)
        if (known or name in _MOVED) and not equals and words:
            target.append(words.pop(0))
    if not command:
        return list(argv)
    return [*before, *command, *after]
