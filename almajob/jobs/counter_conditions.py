"""``--fail-if 'COUNTER OP VALUE'``: a run whose status is good, and whose counters are not."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from almajob.alma.job_instances import Counter

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
# Signs beside the operator are a slip (===, =>), and must not become a part of the name or the value.
_EXPRESSION = re.compile(r"\s*([^\s=!<>][^=!<>]*?)\s*(==|!=|>=|<=|>|<)\s*([^\s=!<>].*?)\s*", re.DOTALL)
_SIGN = re.compile("==|!=|>=|<=|>|<")
_QUOTES = "\"'"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
# What a person takes for a number: with signs for thousands or per cent, in digits of any script.
_NEAR_NUMBER = re.compile(r"[+-]?[\s\d.,'\"\u2019_%]*\d[\s\d.,'\"\u2019_%]*")
_SHOWN = 20


class CannotJudge(ValueError):
    """A condition that says nothing about this report; the text says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a report's counters.

    Attributes:
        counter: its code, the end of its code behind a full stop, or its text.
        sign: ``==``, ``!=``, ``>``, ``>=``, ``<`` or ``<=``.
        value: a number, or words for ``==`` and ``!=``; without the quotes that it may have been given in.
    """

    counter: str
    sign: str
    value: str

    def __str__(self) -> str:
        quotes_value = not self.value or bool(_SIGN.search(self.value)) or self.value[0] in "=!"
        return (
            f"{_with_quotes(self.counter, is_needed=False)} {self.sign} "
            f"{_with_quotes(self.value, is_needed=quotes_value or _is_odd_number(self.value))}"
        )

    def holds(self, counters: Sequence[Counter]) -> bool:
        """Whether it is true of a report; of several counters of one name, for any of them.

        Raises:
            CannotJudge: there is no such counter, several are called so, or it is no number.
        """
        found = _find_counters(self.counter, counters)
        # Each is looked at: one that is no number must not hide behind another that is true.
        holding = [self._holds(counter.value) for counter in found]
        return any(holding)

    def _holds(self, value: str) -> bool:
        left, right = _number(value), _number(self.value)
        if left is not None and right is not None:
            return _OPERATORS[self.sign](left, right)
        if left is not None and _is_odd_number(self.value):
            raise CannotJudge(
                f"{self.counter} is the number {value}, and {self.value!r} is text: write digits only"
            )
        if right is None:
            return _OPERATORS[self.sign](value.strip(), self.value)
        raise CannotJudge(f"{self.counter} is {value!r}, which is no number")


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise ValueError("a condition is COUNTER OP VALUE, such as 'asset_failed > 0'")
    counter, _is_quoted = _without_quotes(found[1])
    value, is_quoted = _without_quotes(found[3])
    if not counter:
        raise ValueError(f"{text!r} names no counter")
    if not is_quoted and _SIGN.search(value):
        raise ValueError(
            f"{value!r} has another condition in it: give each by itself, or put words in quotes"
        )
    if found[2] not in ("==", "!=") and _number(value) is None:
        raise ValueError(f"{value!r} is no number, and {found[2]} compares numbers")
    if not is_quoted and _is_odd_number(value):
        raise ValueError(
            f"{value!r} is not a number: write digits and a full stop, such as 1000 or 0.5 "
            "(in quotes it is text, for counters that hold text)"
        )
    return Condition(counter, found[2], value)


def _without_quotes(text: str) -> tuple[str, bool]:
    """Take the quotes off a name or a value, and tell whether it had any.

    Raises:
        ValueError: they are not closed, or stand within themselves.
    """
    sign = text[0]
    if sign not in _QUOTES:
        return text, False
    inner = text[1:-1]
    if len(text) == 1 or (sign not in inner and text[-1] != sign):
        raise ValueError(f"the quote in {text} is not closed")
    if text[-1] != sign:
        return text, False
    if sign in inner:
        raise ValueError(f"{text} has quotes within its quotes: take the other kind outside")
    return inner.strip(), True


def _with_quotes(text: str, *, is_needed: bool) -> str:
    """Write a name or a value so that it is read as it is."""
    sign = next((sign for sign in _QUOTES if sign not in text), None)
    return f"{sign}{text}{sign}" if sign and (is_needed or text[0] in _QUOTES) else text


def _find_counters(name: str, counters: Sequence[Counter]) -> list[Counter]:
    """Find a counter by its code, the end of its code, or its text; the first way that finds any counts."""
    ways: tuple[Callable[[Counter], bool], ...] = (
        lambda counter: counter.type.value == name,
        lambda counter: counter.type.value.endswith(f".{name}"),
        lambda counter: name.casefold() in (counter.type.desc.casefold(), counter.type.value.casefold()),
    )
    for is_it in ways:
        found = [counter for counter in counters if is_it(counter)]
        codes = sorted({counter.type.value for counter in found})
        if len(codes) > 1:
            raise CannotJudge(f"several counters are called {name!r}: {', '.join(codes)}")
        if found:
            return found
    there = sorted({counter.type.value or counter.type.desc for counter in counters})
    listed = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
    raise CannotJudge(
        f"the report has no counter {name!r}; it has: {listed}" if there else "the report has no counters"
    )


def _number(text: str) -> Decimal | None:
    text = text.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _is_odd_number(text: str) -> bool:
    """Whether a text is no number and yet looks like one, so that as words it is hardly ever equal to one."""
    return _number(text) is None and _NEAR_NUMBER.fullmatch(text) is not None
