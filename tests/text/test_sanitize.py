"""Text from elsewhere cannot steer a terminal, nor look like other text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.sanitize import sanitize, spell_invisible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Export  — Ärger 作業", "Export  — Ärger 作業"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("A\nS2 Fake", "A\\nS2 Fake"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("a\u200bb\u2060c\xad", "a\\u200bb\\u2060c\\xad"),
        ("a\u3164b\u2800\u115f", "a\\u3164b\\u2800\\u115f"),
        ("M\U000e00344", "M\\U000e00344"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    """And only that."""
    assert sanitize(text) == shown


def test_a_line_break_may_be_kept() -> None:
    """Where the text is ours."""
    assert sanitize("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_it_can_be_spelled_otherwise() -> None:
    """As XML does, for example."""
    assert spell_invisible("a\x85\n", lambda character: f"&#{ord(character)};", keep="\n") == "a&#133;\n"


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    """No control character of Unicode, and nothing that cannot be encoded."""
    found = sanitize(text)
    assert not [character for character in found if unicodedata.category(character) in ("Cc", "Cs")]
    assert found.encode("utf-8").decode("utf-8") == found
