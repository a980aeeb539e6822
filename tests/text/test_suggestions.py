"""What may be meant by a name that does not exist, and what is forgiven."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from almajob.simulator.world.job_data import built_in_jobs
from almajob.text.suggestions import find_near, fold, make_matcher, suggest

JOBS = [job.name for job in built_in_jobs()]
SETS = ["All electronic theses", "Theses without a call number", "An empty set"]


def _forms(text: str) -> list[str]:
    composed, parted = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    return [composed, parted, unicodedata.normalize("NFKC", text), unicodedata.normalize("NFKD", text)]


NAMES = st.lists(st.text(min_size=1, max_size=12), max_size=8)


@pytest.mark.parametrize(
    ("written", "known", "first"),
    [
        ("erp export", JOBS, "ERP export using profile FINANCE"),
        ("ERP export using profile", JOBS, "ERP export using profile FINANCE"),
        ("Theses", SETS, "Theses without a call number"),
        ("finance export", JOBS, "ERP export using profile FINANCE"),
        ("expotr urls", JOBS, "Export URLs"),
        ("stauts", ["status", "start"], "status"),
        ("prod", ["sandbox", "production"], "production"),
        ("profile bur", JOBS, "Export to bursar using profile BURSAR"),
    ],
)
def test_the_nearest_comes_first(written: str, known: list[str], first: str) -> None:
    """What begins so, else what has it within, else what has its words, else what is like it."""
    assert find_near(written, known)[0] == first
    assert suggest(written, known) == f"Did you mean {first}?"


def test_what_begins_so_is_never_left_out_for_what_is_only_like_it() -> None:
    """All of which it is the beginning are there, and none that is only like it beside them."""
    found = find_near("ERP export using profile", JOBS, count=0)
    assert found == [name for name in JOBS if name.startswith("ERP export using profile")]


@pytest.mark.parametrize("written", ["Bücher", "nonsense", "qqq", "", "   ", "e"])
def test_nothing_is_suggested_where_nothing_is_near(written: str) -> None:
    """A single letter within a name is not near."""
    assert find_near(written, ["clean pda", "Close lost loans", "Users using profile SIS"]) == []
    assert suggest(written, ["clean pda", "Close lost loans"]) == ""


@given(NAMES, st.data())
def test_a_part_of_a_name_finds_it(names: list[str], data: st.DataObject) -> None:
    """Any beginning of any name, in any case and any Unicode form."""
    assume(names)
    name = data.draw(st.sampled_from(names))
    begun = name[: data.draw(st.integers(1, len(name)))]
    written = data.draw(st.sampled_from([begun, begun.lower(), *_forms(begun)]))
    assume(fold(written) and fold(name).startswith(fold(written)))
    found = find_near(written, names, count=0)
    assert name in found
    assert len(set(found)) == len(found)


@given(st.text(max_size=12), NAMES, st.integers(1, 4))
def test_only_known_names_are_suggested_and_not_more_than_asked_for(
    written: str, names: list[str], count: int
) -> None:
    """Whatever is written, and in an order that does not hang on theirs."""
    found = find_near(written, names, count=count)
    assert len(found) <= count
    assert set(found) <= set(names)
    assert found == find_near(written, names[::-1], count=count)


@given(st.text(max_size=30))
def test_what_is_forgiven_is_forgiven_in_both_ways(text: str) -> None:
    """Folded once is folded for good; case, form and blanks at the ends make no difference."""
    assert fold(fold(text)) == fold(text)
    for form in _forms(f" {text}\t"):
        assert fold(form) == fold(text)


def test_blanks_within_a_name_are_not_forgiven() -> None:
    """Real jobs differ by them; letters that only look alike are not forgiven either."""
    assert fold("A  B") != fold("A B")
    assert fold("éxport combińe") == fold(unicodedata.normalize("NFD", "ÉXPORT COMBIŃE"))
    assert fold("Export") != fold("\u0415xport")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("export", "ERP Export using", True),
        ("*[Video]*", "Add 245 sf h [Video]", True),
        ("*[Video]*", "Add 245 sf h V", False),
        ("[video]", "Add 245 sf h [Video]", True),
        ("export*", "ERP export", False),
        ("*export", "ERP export", True),
        ("?RP export", "ERP export", True),
        ("?export", "ERP export", False),
        ("!x", "a!xb", True),
        ("[!a]*", "b", False),
        ("a*b", "a\nb", True),
        ("*", "", True),
        ("a.c", "abc", False),
        ("\\", "a\\b", True),
    ],
)
def test_a_pattern_has_two_signs_and_no_more(pattern: str, name: str, matches: bool) -> None:
    """Without one of them it is a part of the name."""
    assert make_matcher(pattern)(name) is matches


@given(st.text(alphabet="ab[]!-^$.\\(){}+|", max_size=8), st.text(max_size=6), st.text(max_size=6))
def test_every_other_sign_stands_for_itself(part: str, before: str, after: str) -> None:
    """However a regular expression or a shell would read it."""
    assume(part == fold(part) and before == fold(before) and after == fold(after))
    name = f"{before}{part}{after}"
    assume(name == fold(name))
    assert make_matcher(part)(name)
    assert make_matcher(f"*{part}*")(name)
