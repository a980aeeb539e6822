"""Conditions as people write them: what is read, what is refused, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code
from almajob.jobs.condition_parser import parse
from almajob.jobs.counter_conditions import CannotJudge


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a =",
        "a = 1",
        "> 0",
        "a > b",
        "a >",
        "a < NaN",
        "a >= Infinity",
        "a === 0",
        "a !== 0",
        "a => 1",
        "a =< 1",
        "a == =1",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    """With what one looks like."""
    with pytest.raises(
        ValueError,
        match=r"condition is COUNTER OP VALUE|is (no|not a) number|name is missing|two counters are compared",
    ):
        parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a == 1,000",
            "'1,000' is not a number: write digits and a full stop, such as 1000 or 0.5",
        ),
        ("a != 1.000,5", "is not a number"),
        ("a == 1'000", "is not a number"),
        ("a == 1 000", "is not a number"),
        ("a == 1\u202f000", "is not a number"),
        ("a == 1_000", "is not a number"),
        ("a == 50%", "is not a number"),
        ("a == \u0663", "is not a number"),
        ('a == 66"', "is not a number"),
        ('a > "many"', "'many' is not a number, and > compares numbers"),
        ('a == "66', 'the quote in "66 is not closed'),
        ('"a == 66', 'the quote in "a == 66 is not closed'),
        ("a == '", "the quote in ' is not closed"),
        ('"" == 1', "names no counter"),
        ("a == (0)", "is not a number"),
        ("a == 5 - 2", "'5 - 2' is a sum: a sum belongs on the left"),
        ("a > b", "'b' is not a number, and > compares numbers: two counters are compared as 'a - b > 0'"),
        ("a + b == many", "'many' is not a number, and a sum is compared with numbers"),
        ("1 + 2 > 0", "no counter is named at character 7, before '> 0'"),
        ("a > 0 or > 3", "a counter's name is missing at character 10, before '> 3'"),
        ("a > 0 or", "a counter's name is missing at the end"),
        ("a > 0 and and b > 0", "a counter's name is missing at character 11, before 'and b > 0'"),
        ("a > 0 or b", "one is missing at the end"),
        ("a == 0 or b", "one is missing at the end"),
        ("a > 0 b > 0", "there is another condition here: .* at character 9, before '> 0'"),
        ("a > 0 > 1", "there is another condition here: .* at character 7, before '> 1'"),
        ("(a > 0", "a closing parenthesis is missing at the end"),
        ("a > 0)", "a closing parenthesis too many at character 6, before '\\)'"),
        ("(a > 0) b > 1", "'and' or 'or' is missing at character 9, before 'b > 1'"),
        ("not (a == 0)", "a parenthesis within a name or a value is not closed at character 8"),
        ("(a + b > 0", "a closing parenthesis is missing at the end"),
        ("a + > 0", "a counter's name is missing at character 5, before '> 0'"),
        ("+ a > 0", "a counter's name is missing at character 1, before"),
        ('"a" b > 0', "quotes go around all words of a name or a value, not around some at character 5"),
        ("a == 'b' c", "quotes go around all words"),
        ("a=1", "= or ! alone is no OP: a name with one stands in quotes, at character 1, before 'a=1'"),
        ("(" * 50 + "a > 0" + ")" * 50, "too many parentheses within one another"),
        ("a > 0 or " * 1000 + "a > 0", "has 4000 characters at most"),
        ("a > 0 or " + "b" * 50, "one is missing at the end"),
        ("a > 0 or > " + "b" * 50, "before '> b{38}[.]{3}'"),
    ],
)
def test_what_could_never_be_true_is_refused(text: str, problem: str) -> None:
    """Before anything is started: compared as words it would be false of every number."""
    with pytest.raises(ValueError, match=problem):
        parse(text)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (" a  >0 ", "a > 0"),
        ("Failed  twice == it  is", "Failed  twice == it  is"),
        ("a + 'b - c' - 5 > 0", 'a + "b - c" - 5 > 0'),
        ("a + '5' > 0", 'a + "5" > 0'),
        ("5 > 3", "5 > 3"),
        ("a == 'it''s \"it\"'", 'a == it\'s "it"'),
        ("a == 'it''s (\"it\")'", "a == 'it''s (\"it\")'"),
        ("a == don't", "a == don't"),
        ("a == Done!", 'a == "Done!"'),
        ("a == k=v and b == 1", 'a == "k=v" and b == 1'),
        ("a == this or that", 'a == "this or that"'),
        ('a == "or"', 'a == "or"'),
        ("((a > 0))", "a > 0"),
        ("(a > 0 and b > 0) or c > 0", "a > 0 and b > 0 or c > 0"),
        ("(a > 0 or b > 0) and c > 0", "(a > 0 or b > 0) and c > 0"),
        ("a - (b - c) > 0", "a - b + c > 0"),
        ("new-records > 0", "new-records > 0"),
    ],
)
def test_a_condition_is_written_so_that_it_is_read_again(text: str, again: str) -> None:
    """As the line to resume with and a saved run have it."""
    assert str(parse(text)) == again
    assert parse(again) == parse(text)


_PIECES = st.sampled_from(
    ["a", "b", "1", "2.5", " ", " and ", " or ", " + ", " - ", "(", ")", "'", '"', "=", "!", ">", "<", " == "]
)
TEXTS = st.text() | st.text("a1 .,'\"%<>=!()+-") | st.lists(_PIECES, max_size=14).map("".join)
REPORTS = st.lists(st.builds(Counter, st.builds(Code, TEXTS, TEXTS), TEXTS)).map(
    lambda counters: Instance("77", counters=tuple(counters))
)


@given(TEXTS | TEXTS.map(lambda text: f"a == {text}") | TEXTS.map(lambda text: f"{text} > 1"), REPORTS)
def test_anything_is_a_condition_or_an_error(text: str, report: Instance) -> None:
    """And of any report it is true, not true, or cannot be judged."""
    try:
        condition = parse(text)
    except ValueError as problem:
        assert str(problem)
        return
    assert parse(str(condition)) == condition
    try:
        assert condition.holds(report) in (True, False)
    except CannotJudge as problem:
        assert str(problem)
