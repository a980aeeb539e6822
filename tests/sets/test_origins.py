"""What two sets are combined: any two names, with one operator between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.errors import UsageError
from almajob.sets.origins import Combination, parse_combination

WORDS = st.sampled_from(["Lost", "items", "and", "or", "not", "AND", "andy", "oral", "note's", "&", "1234"])
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
OPERATORS = {"and": "AND", "OR": "OR", "not": "NOT", "and not": "NOT", "And  Not": "NOT"}


@given(NAMES, st.sampled_from(sorted(OPERATORS)), NAMES)
def test_names_in_quotes_may_be_any(first: str, operator: str, second: str) -> None:
    """Also those with an operator in them."""
    found = parse_combination(f'"{first}" {operator}  "{second}"')
    assert found == Combination(first, OPERATORS[operator], second)


@given(st.text(alphabet='"and ornotABC', max_size=30))
def test_anything_else_is_two_names_or_refused(expression: str) -> None:
    """A name is never empty, and has no blanks around it unless it stands in quotes."""
    try:
        found = parse_combination(expression)
    except UsageError:
        return
    assert found.operator in ("AND", "OR", "NOT")
    assert found.first
    assert found.second
    assert found.first in expression
    assert found.second in expression


@pytest.mark.parametrize(
    ("expression", "first", "operator", "second"),
    [
        ("Lost items and Old items", "Lost items", "AND", "Old items"),
        ("Children's books OR Poets' books", "Children's books", "OR", "Poets' books"),
        ("  A\tnot\tB ", "A", "NOT", "B"),
        ('"Arts and crafts" not Lost items', "Arts and crafts", "NOT", "Lost items"),
        ('Lost items not "Arts and crafts"', "Lost items", "NOT", "Arts and crafts"),
        ("9563211250000561 and 9563211250010561", "9563211250000561", "AND", "9563211250010561"),
        ("Oral and Andy", "Oral", "AND", "Andy"),
    ],
)
def test_expressions_as_people_write_them(expression: str, first: str, operator: str, second: str) -> None:
    """Whatever the case of the operator, with apostrophes, tabs and ids."""
    assert parse_combination(expression) == Combination(first, operator, second)


@pytest.mark.parametrize(
    "expression",
    *(["", "A", "and", "A and", "and B", "not B", "A and and B", "A and B or C", '"A" "B"', '"" and B'],),
)
def test_expressions_that_name_other_than_two_sets(expression: str) -> None:
    """They are refused, with an example."""
    with pytest.raises(UsageError) as refused:
        parse_combination(expression)
    assert "--combine" in refused.value.hint
