"""``--fail-if 'COUNTER OP VALUE'``: a run whose status is good, and whose counters are not."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from almajob.alma.instances import Counter

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
_SHOWN = 20


class CannotJudge(ValueError):
    """A condition that says nothing about this report; the text says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a report's counters.

    Attributes:
        counter: its code, the end of its code behind a full stop, or its text.
        sign: ``==``, ``!=``, ``>``, ``>=``, ``<`` or ``<=``.
        value: a number, or words for ``==`` and ``!=``.
    """

    counter: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.counter} {self.sign} {self.value}"

    def holds(self, counters: Sequence[Counter]) -> bool:
        """Whether it is true of a report; of several counters of one name, for any of them.

        Raises:
            CannotJudge: there is no such counter, several are called so, or it is no number.
        """
        found = _named(self.counter, counters)
        # Each is looked at: one that is no number must not hide behind another that is true.
        holding = [self._holds(counter.value) for counter in found]
        return any(holding)

    def _holds(self, value: str) -> bool:
        left, right = _number(value), _number(self.value)
        if left is not None and right is not None:
            return _OPERATORS[self.sign](left, right)
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
    condition = Condition(found[1], found[2], found[3])
    if condition.sign not in ("==", "!=") and _number(condition.value) is None:
        raise ValueError(f"{condition.value!r} is no number, and {condition.sign} compares numbers")
    return condition


def _named(name: str, counters: Sequence[Counter]) -> list[Counter]:
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
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
