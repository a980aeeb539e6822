"""``almajob plugin check`` of one name."""

from __future__ import annotations

import pytest

from tests.conftest import Run


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("runs", "lsit"), "  Did you mean: runs list"),
        (("hsitory",), "  Did you mean: history?"),
        (("qqqq",), "  See almajob plugin list"),
    ],
)
def test_a_wrong_name_gets_suggestions(almajob: Run, words: tuple[str, ...], hint: str) -> None:
    """Those that are like it; and where all names are listed."""
    done = almajob("plugin", "check", *words)
    assert (done.code, done.out) == (2, "")
    first, second, *_rest = done.err.splitlines()
    assert first == f"almajob: There is no command, format, observer or notifier {' '.join(words)!r}."
    assert second.startswith(hint)
    assert "See almajob plugin list" in done.err


def test_one_command_is_checked_alone(almajob: Run) -> None:
    """A group's command is named by its words."""
    done = almajob("plugin", "check", "runs", "list")
    assert (done.code, done.err) == (0, "1 checked, no problems found.\n")


def test_several_of_one_word_are_checked_together(almajob: Run) -> None:
    """As somebody types it who has several plugins; one that is not there is an error."""
    done = almajob("plugin", "check", "history", "list", "quota")
    assert (done.code, done.err) == (0, "3 checked, no problems found.\n")
    assert almajob("plugin", "check", "history", "lsit").code == 2
