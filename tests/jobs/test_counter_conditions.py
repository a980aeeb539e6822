"""``--fail-if``: conditions on a report's counters, whose values are text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Counter
from almajob.alma.models import Code
from almajob.jobs.counter_conditions import CannotJudge, parse

COUNTERS = (
    Counter(Code("import_research_assets_files.asset_failed", "Number of assets failed"), "1"),
    Counter(Code("import_research_assets_files.asset_succeeded", "Number of assets succeeded"), "12.0"),
    Counter(Code("label.new.records", "New Records"), "66"),
    Counter(Code("a.records", ""), "1"),
    Counter(Code("b.records", ""), "2"),
    Counter(Code("FTP has failed.", ""), "Download zip file for manual FTP."),
    Counter(Code("words", ""), "1,000 of 50%"),
    Counter(Code("thousands", ""), "1,000"),
    Counter(Code("nothing", ""), ""),
    Counter(Code("Failed to process record", ""), "9927964200521"),
    Counter(Code("Failed to process record", ""), "9927964200533"),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("asset_failed > 0", True),
        ("asset_failed>1", False),
        ("import_research_assets_files.asset_failed == 1", True),
        ("Number of assets failed != 0", True),
        ("number of ASSETS failed <= 0", False),
        ("asset_succeeded == 12", True),
        ("asset_succeeded >= 12.5", False),
        ("label.new.records == 0", False),
        ("label.new.records < 67", True),
        ("FTP has failed. == Download zip file for manual FTP.", True),
        ("FTP has failed. != Download zip file for manual FTP.", False),
        ("Failed to process record == 9927964200533", True),
        ("Failed to process record == 1", False),
        # In quotes, with leading zeros, a fraction or blanks it is the same number.
        ('label.new.records == "66"', True),
        ("label.new.records == '66'", True),
        ('label.new.records > "9"', True),
        ('"label.new.records" == " 66.0 "', True),
        ("label.new.records != 0066", False),
        ("label.new.records == +6.6e1", True),
        # Quotes let words be words.
        ('words == "1,000 of 50%"', True),
        ("thousands == '1,000'", True),
        ('thousands != "1,000"', False),
        ('nothing == ""', True),
        ('words == ""', False),
        ('words != "a > b"', True),
    ],
)
def test_a_condition_is_true_or_not(text: str, holds: bool) -> None:
    """By the code, the end of the code, or the text; as numbers where both are, else as words."""
    assert parse(text).holds(COUNTERS) is holds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("asset_lost > 0", "no counter 'asset_lost'; it has: .*asset_failed"),
        ("assets > 0", "no counter 'assets'"),
        ("records > 0", "several counters are called 'records': a.records, b.records, label.new.records"),
        ("FTP has failed. == 0", "is 'Download zip file for manual FTP.', which is no number"),
        ("FTP has failed. > 0", "is 'Download zip file for manual FTP.', which is no number"),
        ("thousands == 1000", "is '1,000', which is no number"),
        ("thousands > 1", "is '1,000', which is no number"),
        ('label.new.records == "1,000"', "is the number 66, and '1,000' is text: write digits only"),
        ('label.new.records != "66 %"', "is the number 66, and '66 %' is text: write digits only"),
    ],
)
def test_what_cannot_be_judged_is_said_so(text: str, problem: str) -> None:
    """A counter that is not there is no zero."""
    with pytest.raises(CannotJudge, match=problem):
        parse(text).holds(COUNTERS)


def test_a_report_without_counters_is_said_so() -> None:
    """As of a job that had nothing to do."""
    with pytest.raises(CannotJudge, match="the report has no counters"):
        parse("a == 0").holds(())


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
    with pytest.raises(ValueError, match=r"condition is COUNTER OP VALUE|is (no|not a) number"):
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
        ('a > "many"', "'many' is no number, and > compares numbers"),
        ('a == "66', 'the quote in "66 is not closed'),
        ('"a == 66', 'the quote in "a is not closed'),
        ("a == '", "the quote in ' is not closed"),
        ('a == "b" or c == "d"', "take the other kind"),
        ("a == 1 or b == 2", "'1 or b == 2' has another condition in it: give each by itself"),
        ("a > 1 and b < 2", "has another condition in it"),
        ('"" == 1', "names no counter"),
    ],
)
def test_what_could_never_be_true_is_refused(text: str, problem: str) -> None:
    """Before anything is started: compared as words it would be false of every number."""
    with pytest.raises(ValueError, match=problem):
        parse(text)


TEXTS = st.text() | st.text("a1 .,'\"%<>=!")


@given(TEXTS, st.lists(st.builds(Counter, st.builds(Code, TEXTS, TEXTS), TEXTS)))
def test_anything_is_a_condition_or_an_error(text: str, counters: list[Counter]) -> None:
    """And of any report it is true, not true, or cannot be judged."""
    try:
        condition = parse(f"a == {text}" if text[:1] in ("'", '"') else text)
    except ValueError:
        return
    assert parse(str(condition)) == condition
    try:
        assert condition.holds(counters) in (True, False)
    except CannotJudge as problem:
        assert str(problem)
