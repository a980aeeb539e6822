"""Values of options: read as people write them, or refused in words."""

from __future__ import annotations

import argparse

import pytest

from almajob.cli.options.value_types import duration, run_key, whole_number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), (" 5s ", 5), ("0", 0)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    """s, m, h or d."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1w", "1h30m", "nan", "inf", "1e3", "٣"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With an example."""
    with pytest.raises(argparse.ArgumentTypeError, match="such as 90s, 30m, 2h or 1d"):
        duration(text)


def test_whole_numbers_begin_at_0() -> None:
    """Digits, and nothing else; not more of them than anything here could mean."""
    assert whole_number("0") == 0
    assert whole_number("9" * 18) == 10**18 - 1
    for text in ("-1", "1.5", "x", "", "²", "1\n", "9" * 19, "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError):
            whole_number(text)


def test_a_run_key_is_a_name() -> None:
    """Of characters that can be seen; blanks at its ends are no part of it."""
    assert run_key("invoices of May") == "invoices of May"
    assert run_key(f" {'x' * 200} ")
    for text in ("", " ", "a\nb", "x" * 201, "\udcff", "@last", " @last", "a\u00a0b", "a\u3164", "a\u034f"):
        with pytest.raises(argparse.ArgumentTypeError):
            run_key(text)
