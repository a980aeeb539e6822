"""What conditions on a report's counters mean; their values are text."""

from __future__ import annotations

import operator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Action, Counter, Instance
from almajob.alma.models import Code
from almajob.jobs.condition_parser import parse
from almajob.jobs.counter_conditions import CannotJudge, Condition

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
    Counter(Code("f.fines", "Number of fines and fees"), "7"),
    Counter(Code("f.filtered", "Filtered records (not published due to filter)"), "4"),
    Counter(Code("Retry, or not!", ""), "8"),
    Counter(Code("f.changed", "Added - updated"), "9"),
)
ACTIONS = tuple(
    Action(Code("CREATE_SET"), Code(code, text), members)
    for code, text, members in (
        ("NOT_ADDED_LOCKED", "Not added, locked", 3),
        ("MULTI_MATCHES", "New Records", 5),
        ("UNTOLD", "", None),
    )
)
REPORT = Instance("77", counters=COUNTERS, actions=ACTIONS)


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
        ("words == 1,000 of 50% (or so)", False),
        # Words and parentheses of a name belong to it.
        ("Number of fines and fees == 7", True),
        ("asset_failed > 1 or Number of fines and fees > 6", True),
        ("Filtered records (not published due to filter) > 3", True),
        ("(Filtered records (not published due to filter) > 3) and asset_failed == 1", True),
        ("'Retry, or not!' == 8", True),
        # Sums.
        ("a.records + b.records == 3", True),
        ("asset_failed + asset_succeeded - label.new.records < -52", True),
        ("asset_failed + asset_succeeded - label.new.records < -53", False),
        ("label.new.records - (asset_failed + asset_succeeded) == 53", True),
        ("label.new.records - (asset_failed - asset_succeeded) == 77", True),
        ("(asset_failed) == 1", True),
        ("label.new.records - 60 > 5.5", True),
        ("100 - label.new.records == 34", True),
        ("Number of fines and fees + asset_failed == 8", True),
        ("Added - updated == 9", True),
        ("'Added - updated' + asset_failed == 10", True),
        # A population is named as a counter is, which comes first.
        ("NOT_ADDED_LOCKED > 0", True),
        ("not_added_locked == 3", True),
        ("Not added, locked == 3", True),
        ("New Records == 66", True),
        ("multi_matches + NOT_ADDED_LOCKED == 8", True),
        # "and" binds closer than "or".
        ("a.records == 1 or b.records == 1 and asset_failed == 2", True),
        ("(a.records == 1 or b.records == 1) and asset_failed == 2", False),
        ("a.records == 1 AND ( b.records == 2 Or b.records == 3 )", True),
        ("words == this or that", False),
        ("words != this or that", True),
        # What cannot be judged changes nothing where the other part decides.
        ("lost > 0 or a.records == 1", True),
        ("a.records == 1 or lost > 0", True),
        ("lost > 0 and a.records == 2", False),
        ("a.records == 2 and lost > 0", False),
    ],
)
def test_a_condition_is_true_or_not(text: str, holds: bool) -> None:
    """By the code, the end of the code, or the text; as numbers where both are, else as words."""
    assert parse(text).holds(REPORT) is holds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("asset_lost > 0", "no counter 'asset_lost'. Did you mean asset_failed. It has: .*asset_failed"),
        ("assets > 0", "no counter 'assets'"),
        ("records > 0", "several counters are called 'records': a.records, b.records, label.new.records"),
        ("FTP has failed. == 0", "is 'Download zip file for manual FTP.', which is not a number"),
        ("FTP has failed. > 0", "is 'Download zip file for manual FTP.', which is not a number"),
        ("thousands == 1000", "is '1,000', which is not a number"),
        ("thousands > 1", "is '1,000', which is not a number"),
        ('label.new.records == "1,000"', "is the number 66, and '1,000' is text: write digits only"),
        ('label.new.records != "66 %"', "is the number 66, and '66 %' is text: write digits only"),
        (
            "asset_failed == asset_succeeded",
            "is the number 1, and 'asset_succeeded' is text: write 'asset_failed - ",
        ),
        (
            "label.new.records != a.records + b.records",
            "write 'label.new.records - ... != 0' to compare counters",
        ),
        ("lost > 0 or a.records == 2", "no counter 'lost'. It has: .*NOT_ADDED_LOCKED"),
        ("lost > 0 and a.records == 1", "no counter 'lost'"),
        ("lost > 0 and missing > 0", "no counter 'lost'"),
        ("UNTOLD > 0", "UNTOLD is '', which is not a number"),
        ("a.records + lost == 1", "no counter 'lost'"),
        ("a.records + words == 1", "words is '1,000 of 50%', which is not a number"),
        ("a.records + Failed to process record > 1", "is in 2 lines of the report, and a sum needs one"),
        ("a.records + 9e999999 + 9e999999 > 1", "is too large"),
    ],
)
def test_what_cannot_be_judged_is_said_so(text: str, problem: str) -> None:
    """A counter that is not there is no zero."""
    with pytest.raises(CannotJudge, match=problem):
        parse(text).holds(REPORT)


def test_a_report_without_counters_is_said_so() -> None:
    """As of a job that had nothing to do."""
    with pytest.raises(CannotJudge, match="the report has no counters"):
        parse("a == 0").holds(Instance("77"))


NAMES = ("a", "b", "c")
_SIGNS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, ">=": operator.ge}


@st.composite
def _conditions(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """Write a condition, and the same for Python, as an expression over the names."""
    if depth and draw(st.booleans()):
        word = draw(st.sampled_from(("and", "or")))
        parts = draw(st.lists(_conditions(depth - 1), min_size=2, max_size=3))
        return tuple(f"({f' {word} '.join(each)})" for each in zip(*parts, strict=True))  # type: ignore[return-value]
    terms = draw(st.lists(st.sampled_from((*NAMES, "2")), min_size=1, max_size=3))
    signs = draw(st.lists(st.sampled_from("+-"), min_size=3, max_size=3))
    if all(term == "2" for term in terms):
        terms[0] = "a"
    text = " ".join(part for pair in zip(terms, signs, strict=False) for part in pair)[:-2]
    text = f"{text} {draw(st.sampled_from(sorted(_SIGNS)))} {draw(st.integers(-5, 5))}"
    return text, text


@given(_conditions(), st.tuples(*(st.integers(-5, 5) for _ in NAMES)))
def test_a_condition_means_what_python_means_by_it(written: tuple[str, str], values: tuple[int, ...]) -> None:
    """Sums, comparisons, parentheses, and what binds closer; also once it was written anew."""
    text, expression = written
    report = Instance(
        "77", counters=tuple(Counter(Code(n), str(v)) for n, v in zip(NAMES, values, strict=True))
    )
    expected = eval(expression, {}, dict(zip(NAMES, values, strict=True)))  # written above
    condition = parse(text)
    assert condition.holds(report) is expected
    assert parse(str(condition)) == condition


@pytest.mark.parametrize("word", ["and", "or"])
def test_what_cannot_be_judged_is_as_sqls_null(word: str) -> None:
    """Whatever the order: true, false, and neither."""
    parts: dict[bool | None, str] = {True: "a.records == 1", False: "a.records == 2", None: "lost == 1"}
    for left, right in product(parts, parts):
        condition = parse(f"{parts[left]} {word} {parts[right]}")
        decisive = word == "or"
        expected = decisive if decisive in (left, right) else None if None in (left, right) else not decisive
        assert _judge(condition) is expected, condition


def _judge(condition: Condition) -> bool | None:
    try:
        return condition.holds(REPORT)
    except CannotJudge:
        return None


def test_the_alternatives_of_a_condition_are_judged_each() -> None:
    """So that a message can say which of them is true; one without any is its only one."""
    assert [str(part) for part in parse("a > 0 or (b > 1 or c > 2 and d > 3)").alternatives] == [
        "a > 0",
        "b > 1",
        "c > 2 and d > 3",
    ]
    assert [str(part) for part in parse("a > 0 and b > 1").alternatives] == ["a > 0 and b > 1"]
