"""What observers have to say is shown once, by whichever command comes first."""

from __future__ import annotations

from logging import INFO, WARNING
from pathlib import Path

from almajob.runs.observers.messages import DIRECTORY, LOG_NAME, Messages


def _make(state: Path) -> Messages:
    (state / DIRECTORY).mkdir(mode=0o700, exist_ok=True)
    return Messages(str(state))


def test_a_message_is_taken_once(tmp_path: Path) -> None:
    """In order, each with its level; a long one is cut, and a line that is none is passed over."""
    first, second = _make(tmp_path), _make(tmp_path)
    assert first.take() == []
    assert first.add(INFO, "one")
    assert second.add(WARNING, "two" * 1000)
    with (tmp_path / DIRECTORY / LOG_NAME).open("a") as log:
        log.write("no message\n")
    (one, two) = second.take()
    assert (one, two[0]) == ((INFO, "one"), WARNING)
    assert two[1].startswith("twotwo")
    assert len(two[1]) < 600
    assert (first.take(), second.take()) == ([], [])
    assert first.add(INFO, "three")
    assert second.take() == [(INFO, "three")]


def test_a_log_that_is_full_begins_anew(tmp_path: Path) -> None:
    """What comes then is shown, and nothing from before again."""
    messages = _make(tmp_path)
    assert messages.add(INFO, "one")
    log = tmp_path / DIRECTORY / LOG_NAME
    with log.open("a") as file:
        file.write("x" * 2**20 + "\n")
    assert messages.take() == [(INFO, "one")]
    assert messages.add(INFO, "two")
    assert log.stat().st_size < 200
    assert messages.take() == [(INFO, "two")]


def test_a_place_that_cannot_be_read_or_written_is_no_failure(tmp_path: Path) -> None:
    """There is nothing to show, then."""
    messages = Messages(str(tmp_path / "file" / "below"))
    (tmp_path / "file").touch()
    assert not messages.add(INFO, "one")
    assert messages.take() == []
