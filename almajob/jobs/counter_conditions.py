"""Conditions on what a run counted, such as ``failed + skipped > 0``: what they mean, and when they hold.

``condition_parser`` reads them. What cannot be judged is neither true nor false, as SQL's NULL: ``or`` is
true where one part is, ``and`` is false where one part is, whatever the others are.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from almajob.alma.job_instances import Counter, Instance
from almajob.text.suggestions import suggest

SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
# What a person takes for a number: with signs for thousands or per cent, in digits of any script.
_NEAR_NUMBER = re.compile(r"[+-]?[\s\d.,'\"\u2019_%()]*\d[\s\d.,'\"\u2019_%()]*")
_PLUS_OR_MINUS = re.compile(r"\s[+-]\s")
# Words that mean nothing else wherever they stand.
_PLAIN = re.compile(r"(?![\"'])[^\s=!<>()]+(\s+[^\s=!<>()]+)*")
_SPECIAL = re.compile(r"(?i)(^|\s)(and|or|[+-])(\s|$)")
# Sums of any counters are exact, and what is far too large is no exception.
_DECIMALS = Context(prec=100, traps=[])
_SHOWN = 20


class CannotJudge(ValueError):
    """A condition that says nothing about this report; the text says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a sum.

    Attributes:
        text: a counter or a population, by its code, the end of its code behind a full stop, or its text.
        is_negative: whether it is subtracted.
        is_number: whether the text is a number, and not a name.
    """

    text: str
    is_negative: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A counter, or a sum, compared with a value.

    Attributes:
        terms: one or several; the first is not subtracted.
        sign: ``==``, ``!=``, ``>``, ``>=``, ``<`` or ``<=``.
        value: a number, or words for ``==`` and ``!=``; without the quotes that it may have been given in.
    """

    terms: tuple[Term, ...]
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self._word_terms()} {self.sign} {_quote(self.value, is_odd=is_odd_number(self.value))}"

    @property
    def alternatives(self) -> tuple[Condition, ...]:
        """The conditions of which any is enough: itself."""
        return (self,)

    def holds(self, report: Instance, *, of_all: bool = False) -> bool:
        """Whether it is true of a report.

        Args:
            of_all: of several lines of one counter, whether it must be true for all; else any is enough.

        Raises:
            CannotJudge: there is no such counter, several are called so, or it is not a number.
        """
        # A counter may be called "Added - updated", and needs no quotes where it is there.
        name = self.terms[0].text if len(self.terms) == 1 else self._word_terms()
        if len(self.terms) == 1 or _match(name, report):
            found = find_counters(name, report)
            # Each is looked at: one that is not a number must not hide behind another that is true.
            holding = [self._holds(name, counter.value, report) for counter in found]
            return all(holding) if of_all else any(holding)
        total = Decimal(0)
        for term in self.terms:
            add = _DECIMALS.subtract if term.is_negative else _DECIMALS.add
            total = add(total, _read_amount(term, report))
        if not total.is_finite():
            raise CannotJudge(f"{self._word_terms()} is too large")
        return SIGNS[self.sign](total, Decimal(self.value.strip()))

    def _holds(self, name: str, value: str, report: Instance) -> bool:
        left, right = read_number(value), read_number(self.value)
        if left is not None and right is not None:
            return SIGNS[self.sign](left, right)
        if left is not None and is_odd_number(self.value):
            raise CannotJudge(f"{name} is the number {value}, and {self.value!r} is text: write digits only")
        if left is not None and any(_match(part, report) for part in _PLUS_OR_MINUS.split(self.value)):
            raise CannotJudge(
                f"{name} is the number {value}, and {self.value!r} is text: "
                f"write '{name} - ... {self.sign} 0' to compare counters"
            )
        if right is None:
            return SIGNS[self.sign](value.strip(), self.value)
        raise CannotJudge(f"{name} is {value!r}, which is not a number")

    def _word_terms(self) -> str:
        is_sum = len(self.terms) > 1
        words = []
        for term in self.terms:
            words += ["-" if term.is_negative else "+"]
            is_odd = is_sum and not term.is_number and read_number(term.text) is not None
            words += [_quote(term.text, is_odd=is_odd)]
        return " ".join(words[1:])


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, joined by ``and`` or by ``or``; none of them is joined by the same word."""

    word: str
    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        # "and" binds closer.
        shown = (
            f"({part})" if self.word == "and" and isinstance(part, Joined) else str(part)
            for part in self.parts
        )
        return f" {self.word} ".join(shown)

    @property
    def alternatives(self) -> tuple[Condition, ...]:
        """The conditions of which any is enough."""
        return self.parts if self.word == "or" else (self,)

    def holds(self, report: Instance, *, of_all: bool = False) -> bool:
        """Whether it is true of a report; ``of_all`` is as for a comparison.

        Raises:
            CannotJudge: that depends on a part that cannot be judged.
        """
        # One such part decides, whatever the others are.
        decisive = self.word == "or"
        problem: CannotJudge | None = None
        for part in self.parts:
            try:
                if part.holds(report, of_all=of_all) is decisive:
                    return decisive
            except CannotJudge as found:
                problem = problem or found
        if problem is not None:
            raise problem
        return not decisive


Condition = Comparison | Joined
"""A condition on the counters of a run, as ``condition`` reads it from a text."""


def find_counters(name: str, report: Instance) -> Sequence[Counter]:
    """Find a counter by its code, the end of its code or its text; else a population.

    Returns:
        At least one; several where the report has several lines of one code.

    Raises:
        CannotJudge: there is none, or several are called so.
    """
    found = _match(name, report)
    codes = sorted({counter.type.value for counter in found})
    if len(codes) > 1:
        raise CannotJudge(f"several counters are called {name!r}: {', '.join(codes)}")
    if found:
        return found
    counted = [counter.type for counter in (*report.counters, *report.populations)]
    if not counted:
        raise CannotJudge("the report has no counters")
    there = sorted({code.value or code.desc for code in counted})
    listed = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
    names = [
        part for code in counted for part in (code.value, code.value.rpartition(".")[2], code.desc) if part
    ]
    parts = (f"the report has no counter {name!r}.", suggest(name, names), f"It has: {listed}")
    raise CannotJudge(" ".join(filter(None, parts)))


def _match(name: str, report: Instance) -> list[Counter]:
    """Match a name; the first way that finds any counts, counters before populations."""
    ways: tuple[Callable[[Counter], bool], ...] = (
        lambda counter: counter.type.value == name,
        lambda counter: counter.type.value.endswith(f".{name}"),
        lambda counter: name.casefold() in (counter.type.desc.casefold(), counter.type.value.casefold()),
    )
    for counted in (report.counters, report.populations):
        for is_it in ways:
            found = [counter for counter in counted if is_it(counter)]
            if found:
                return found
    return []


def _read_amount(term: Term, report: Instance) -> Decimal:
    """Return the number that a term of a sum stands for.

    Raises:
        CannotJudge: it stands for none, or for several.
    """
    if term.is_number:
        return Decimal(term.text)
    found = find_counters(term.text, report)
    if len(found) > 1:
        raise CannotJudge(f"{term.text} is in {len(found)} lines of the report, and a sum needs one")
    number = read_number(found[0].value)
    if number is None:
        raise CannotJudge(f"{term.text} is {found[0].value!r}, which is not a number")
    return number


def read_number(text: str) -> Decimal | None:
    """Read a number with digits and a full stop; None where it is none."""
    text = text.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def is_odd_number(text: str) -> bool:
    """Whether a text looks like a number and is none, so that as words it is hardly ever equal to one."""
    return read_number(text) is None and _NEAR_NUMBER.fullmatch(text) is not None


def _quote(text: str, *, is_odd: bool) -> str:
    """Write a name or a value so that it is read as it is."""
    if not is_odd and _PLAIN.fullmatch(text) and not _SPECIAL.search(text):
        return text
    sign = '"' if '"' not in text else "'"
    return f"{sign}{text.replace(sign, sign * 2)}{sign}"
