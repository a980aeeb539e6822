"""Texts in the cells of a terminal: as wide as a terminal makes them, cut and wrapped to a width."""

from __future__ import annotations

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.display_width import ELLIPSIS, measure_width, shorten_text, wrap_text

TEXTS = st.text(st.sampled_from("abc/ \u4f5c\u696d\u0301\u00fc\U0001f600"), max_size=80)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "plain",
            "\u00fcber",
            "e\u0301",
            "\u4f5c\u696d",
            "\uff21",
            "\U0001f600",
            "\u05d0\u05b8",
            "\u0e01\u0e34",
        ),
        "\uac00",
    ],
)
def test_a_text_is_as_wide_as_terminals_make_it(text: str) -> None:
    """As the table that terminals use has it."""
    assert measure_width(text) == wcwidth.wcswidth(text)


@given(TEXTS, st.integers(1, 40))
def test_what_is_cut_is_marked_and_fits(text: str, width: int) -> None:
    """What fits is left as it is."""
    shown = shorten_text(text, width)
    assert measure_width(shown) <= width
    assert shown == text or (shown.endswith(ELLIPSIS) and text.startswith(shown[:-1]))


@given(TEXTS, st.integers(4, 40))
def test_a_wrapped_text_loses_nothing(text: str, width: int) -> None:
    """Each line fits; words are broken only where they are wider than a line."""
    lines = wrap_text(text, width)
    assert all(measure_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    words = {word for line in lines for word in line.split(" ")}
    margin = min(len(text) - len(text.lstrip(" ")), width // 2)
    assert all(word in words for word in text.split() if measure_width(word) + margin <= width)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three", ["one two", "three"]),
        # Two blanks in a name stay two.
        ("a  b c defgh", ["a  b c", "defgh"]),
        # What goes on stands below itself.
        ("  one two", ["  one", "  two"]),
        ("a\n\nb", ["a", "", "b"]),
        ("abcdefghijk", ["abcdefgh", "ijk"]),
        ("/var/lib/almajob", ["/var/", "lib/", "almajob"]),
        ("\u4f5c\u696d\u4f5c\u696d\u4f5c", ["\u4f5c\u696d\u4f5c\u696d", "\u4f5c"]),
    ],
)
def test_lines_are_broken_between_words(text: str, lines: list[str]) -> None:
    """To eight columns."""
    assert wrap_text(text, 8) == lines
