"""Values of options: read as people write them, or refused in words."""

from __future__ import annotations

import argparse

import pytest

from almajob.cli.options.value_types import run_key, whole_number


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
