"""Read conditions as people write them: names with blanks in them, ``and`` and ``or``, sums, parentheses.

    condition = all {"or" all}
    all       = part {"and" part}
    part      = "(" condition ")" | sum SIGN value
    sum       = term {("+" | "-") term}
    term      = "(" sum ")" | name | number

A name or a value is any words, as Alma's texts are: "Number of fines and fees", "Filtered (not published)".
So ``and`` and ``or`` join only what has a comparison on both sides, ``+`` and ``-`` stand between blanks, and
parentheses within a name belong to it. Quotes make a name of anything, and a quote within them is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, NoReturn

from almajob.jobs.counter_conditions import (
    SIGNS,
    Comparison,
    Condition,
    Joined,
    Term,
    is_odd_number,
    read_number,
)

_JOINS = ("and", "or")
_QUOTED = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
# A single = or ! may stand within a word; with another one beside it it is a sign, or a slip (===, =>).
_TOKEN = re.compile(r"[=!<>]+|[()]|[^\s=!<>()](?:[^\s=!<>()]|[=!](?![=!<>]))*")
_BLANKS = re.compile(r"\s*")
_PLUS_OR_MINUS = re.compile(r"\s[+-]\s")
_DEEPEST = 20
_LONGEST = 4000
_SHOWN = 40


class _Token(NamedTuple):
    """A piece of a condition: a sign, a parenthesis, ``and``, ``or``, ``+``, ``-``, a word, quoted words.

    Attributes:
        kind: what it is; itself where it is no word and no quoted one.
    """

    kind: str
    start: int
    end: int


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: it is none; the message says what is wrong, and where.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a condition has {_LONGEST} characters at most")
    parser = _Parser(text)
    found = parser.read_any()
    parser.expect("end", "a closing parenthesis too many")
    return found


def join(word: str, parts: Sequence[Condition]) -> Condition:
    """Join conditions by ``and`` or ``or``."""
    listed: list[Condition] = []
    for part in parts:
        listed += part.parts if isinstance(part, Joined) and part.word == word else [part]
    return listed[0] if len(listed) == 1 else Joined(word, tuple(listed))


class _Parser:
    """Reads one condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._at = 0
        self._depth = 0

    def read_any(self) -> Condition:
        """Read conditions of which any is enough."""
        return self._read_joined("or")

    def expect(self, kind: str, problem: str) -> _Token:
        """Take the next token, which is of a kind."""
        if self._next.kind != kind:
            self._fail(problem)
        self._at += 1
        return self._tokens[self._at - 1]

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _scan(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = _end_of(_BLANKS, self._text, 0)
        while at < len(self._text):
            # Elsewhere a quote is a character of a word, as in: don't.
            is_beginning = not tokens or tokens[-1].kind not in ("word", "quoted", ")")
            if is_beginning and self._text[at] in "\"'":
                quoted = _QUOTED.match(self._text, at)
                if quoted is None:
                    raise ValueError(f"the quote in {self._text[at:][:_SHOWN]} is not closed")
                kind, end = "quoted", quoted.end()
            else:
                end = _end_of(_TOKEN, self._text, at)
                kind = _kind_of(self._text[at:end])
            tokens.append(_Token(kind, at, end))
            at = _end_of(_BLANKS, self._text, end)
        return [*tokens, _Token("end", len(self._text), len(self._text))]

    def _read_joined(self, word: str) -> Condition:
        read_part = self._read_part if word == "and" else lambda: self._read_joined("and")
        parts = [read_part()]
        while self._next.kind == word:
            self._at += 1
            parts.append(read_part())
        return join(word, parts)

    def _read_part(self) -> Condition:
        if self._next.kind == "(" and self._has_comparison(self._at + 1):
            self._open()
            found = self.read_any()
            self._close()
            if self._next.kind not in (*_JOINS, ")", "end"):
                self._fail("'and' or 'or' is missing")
            return found
        terms = self._read_sum()
        if len(terms) == 1:
            terms = [replace(terms[0], is_number=False)]
        elif all(term.is_number for term in terms):
            self._fail("no counter is named")
        if self._next.kind not in SIGNS:
            self._fail(
                "a condition is COUNTER OP VALUE, such as 'asset_failed > 0', and OP is one of "
                f"{', '.join(SIGNS)}: one is missing"
            )
        sign = self._next.kind
        self._at += 1
        return Comparison(tuple(terms), sign, self._read_value(sign, is_sum=len(terms) > 1))

    def _read_sum(self, *, is_subtracted: bool = False) -> list[Term]:
        terms: list[Term] = []
        is_negative = is_subtracted
        while True:
            if self._next.kind == "(":
                self._open()
                terms += self._read_sum(is_subtracted=is_negative)
                self._close()
            else:
                terms.append(self._read_term(is_negative=is_negative))
            if self._next.kind not in ("+", "-"):
                return terms
            is_negative = is_subtracted != (self._next.kind == "-")
            self._at += 1

    def _read_term(self, *, is_negative: bool) -> Term:
        first = self._next
        if first.kind == "quoted":
            name = self._read_quoted()
            if not name:
                raise ValueError(f"{self._text[:_SHOWN]!r} names no counter")
            return Term(name, is_negative)
        if first.kind != "word":
            self._fail("a counter's name is missing")
        # There is a comparison behind it, so that the words before belong to the name.
        name = self._read_words(("+", "-"))
        if "=" in name or "!" in name:
            self._at = self._tokens.index(first)
            self._fail(
                "a condition is COUNTER OP VALUE, and = or ! alone is no OP: "
                "a name with one stands in quotes,"
            )
        return Term(name, is_negative, is_number=read_number(name) is not None)

    def _read_value(self, sign: str, *, is_sum: bool) -> str:
        first = self._next
        is_quoted = first.kind == "quoted"
        if not is_quoted and (first.kind in ("end", ")", *SIGNS) or self._text[first.start] in "=!"):
            self._fail(f"a condition is COUNTER OP VALUE: no value stands behind {sign}")
        value = self._read_quoted() if is_quoted else self._read_words(_JOINS)
        if self._next.kind not in (*_JOINS, ")", "end"):
            self._fail(
                "there is another condition here: join conditions with 'and' or 'or', or put words in quotes"
            )
        if read_number(value) is not None:
            return value
        numbers = [read_number(part) for part in _PLUS_OR_MINUS.split(value)]
        if not is_quoted and None not in numbers:
            raise ValueError(
                f"{value!r} is a sum: a sum belongs on the left, and a number or words on the right"
            )
        if sign not in ("==", "!=") or is_sum:
            compares = "a sum is compared with numbers" if is_sum else f"{sign} compares numbers"
            raise ValueError(
                f"{value!r} is not a number, and {compares}: two counters are compared as 'a - b > 0'"
            )
        if not is_quoted and is_odd_number(value):
            raise ValueError(
                f"{value!r} is not a number: write digits and a full stop, such as 1000 or 0.5 "
                "(in quotes it is text, for counters that hold text)"
            )
        return value

    def _read_quoted(self) -> str:
        token = self.expect("quoted", "")
        mark, inner = self._text[token.start], self._text[token.start + 1 : token.end - 1]
        if self._next.kind in ("word", "quoted", "("):
            self._fail("quotes go around all words of a name or a value, not around some")
        return inner.replace(mark * 2, mark).strip()

    def _read_words(self, ends: Sequence[str]) -> str:
        """Read words up to a sign, the end of the group, or one of ``ends`` that is none of the words.

        Their blanks stay as they are: real names have two.
        """
        first, depth = self._at, 0
        while self._next.kind not in ("end", *SIGNS):
            kind = self._next.kind
            if depth == 0 and (
                kind == ")" or (kind in ends and self._at > first and self._ends_words(first))
            ):
                break
            depth += (kind == "(") - (kind == ")")
            self._at += 1
        if depth:
            self._fail("a parenthesis within a name or a value is not closed")
        return self._text[self._tokens[first].start : self._tokens[self._at - 1].end]

    def _ends_words(self, first: int) -> bool:
        """Whether ``and`` or ``or`` stands behind the words since ``first``, and not among them."""
        if self._next.kind not in _JOINS:
            return True
        before = self._text[self._tokens[first].start : self._tokens[self._at - 1].end]
        is_last = self._tokens[self._at + 1].kind in (")", "end")
        return is_last or read_number(before) is not None or self._has_comparison(self._at + 1)

    def _has_comparison(self, at: int) -> bool:
        """Whether a sign stands behind a place, before the group ends."""
        depth = 0
        for token in self._tokens[at:]:
            depth += (token.kind == "(") - (token.kind == ")")
            if token.kind in SIGNS:
                return True
            if depth < 0:
                return False
        return False

    def _open(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail("there are too many parentheses within one another")
        self._at += 1

    def _close(self) -> None:
        self.expect(")", "a closing parenthesis is missing")
        self._depth -= 1

    def _fail(self, problem: str) -> NoReturn:
        """Refuse the condition, and point at the next token."""
        rest = self._text[self._next.start :]
        shown = rest if len(rest) <= _SHOWN else f"{rest[:_SHOWN]}..."
        where = f"at character {self._next.start + 1}, before {shown!r}" if rest else "at the end"
        raise ValueError(f"{problem} {where}")


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _kind_of(text: str) -> str:
    """Return the kind of a token.

    Raises:
        ValueError: it is a sign that there is not.
    """
    if text[0] in "=!<>":
        if text in ("=", "!"):
            return "word"
        if text not in SIGNS:
            raise ValueError(
                f"{text!r} compares nothing: a condition is COUNTER OP VALUE, and OP is one of "
                f"{', '.join(SIGNS)}"
            )
        return text
    lower = text.lower()
    return lower if lower in ("(", ")", "+", "-", *_JOINS) else "word"
