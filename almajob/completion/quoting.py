"""What has been typed so far: the words before the cursor, the beginning of the next, and its quotes.

A completion has to go on where the user stopped: inside a quote, behind a backslash, in the middle of
``--job=``. A shell hands over the line and the piece that it will replace, both as they were typed.
"""

from __future__ import annotations

import re
import shlex

# Not shlex: between double quotes that keeps the backslash before a "$".
_PIECE = re.compile(
    r"""(?P<blank>[ \t\n]+) | (?P<plain>[^ \t\n\\'"]+) | \\(?P<escaped>.?)
    | '(?P<single>[^']*)(?P<closed>'?) | "(?P<double>(?:[^"\\]|\\.)*)\\?(?P<shut>"?)""",
    re.DOTALL | re.VERBOSE,
)


class TypedLine:
    """A command line up to the cursor.

    Attributes:
        words: those before the one that is being typed, without quotes, the program's name first.
        beginning: of the word that is being typed, without quotes.
        head: how much of it lies before the piece that will be replaced.
        quote: the quote that is open at the cursor; empty where none is.
    """

    def __init__(self, words: list[str], beginning: str, head: str = "", quote: str = "") -> None:
        self.words = words
        self.beginning = beginning
        self.head = head
        self.quote = quote


def read_line(line: str, piece: str = "") -> TypedLine:
    """Read a line of a shell.

    Args:
        line: up to the cursor.
    """
    (*words, beginning), quote = _split(line)
    before, _quote = _split(line.removesuffix(piece))
    head = before[-1] if len(before) == len(words) + 1 else ""
    return TypedLine(words, beginning, head if beginning.startswith(head) else "", quote)


def _split(line: str) -> tuple[list[str], str]:
    """Return the words without their quotes, the one at the cursor last, and the quote that is open there."""
    words, quote = [""], ""
    is_between = True
    for piece in _PIECE.finditer(line):
        if piece["blank"]:
            words.extend([] if is_between else [""])
        elif piece["single"] is not None:
            words[-1] += piece["single"]
            quote = "" if piece["closed"] else "'"
        elif piece["double"] is not None:
            words[-1] += re.sub(r'\\([$`"\\])', r"\1", piece["double"])
            quote = "" if piece["shut"] else '"'
        else:
            words[-1] += piece["plain"] or piece["escaped"]
        is_between = bool(piece["blank"])
    return words, quote


def in_backslashes(text: str, quote: str) -> str:
    """Write a text as bash wants it between the quotes that are open; with backslashes where none are."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote:
        # No backslash between double quotes keeps bash from looking for an earlier command behind a "!".
        return re.sub(r'(["$`\\])', r"\\\1", text).replace("!", '"\\!"')
    return re.sub(r"([^\w@%+,./-])", r"\\\1", text)


def for_bash(text: str, quote: str) -> str:
    """Write a text as bash wants a candidate that goes on within the quotes that are open.

    Readline closes them behind the only candidate, but not where it ends with such a sign: it takes that for
    the closing one.
    """
    written = in_backslashes(text, quote)
    return f"{written}{quote}" if quote and written.endswith(quote) else written


def in_quotes(text: str, quote: str) -> str:
    """Write a text between the quotes that are open, and close them; in quotes of its own where none are.

    It is the same for bash and for ``shlex``, which keeps a backslash before some of what is special.
    """
    if not quote:
        return shlex.quote(text)
    if quote == "'":
        return in_backslashes(text, quote) + quote
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return re.sub(r"([$`!]+)", "\"'\\1'\"", escaped) + quote
