"""A message that was answered is there, whatever a power cut takes; one that is decided does not return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.runs.wait.end_messages import EndMessages, Message


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "sandbox-0"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.unlink(), id="gone"),
        pytest.param(lambda file: file.write_bytes(b""), id="empty"),
        pytest.param(lambda file: file.write_bytes(b'{"status":'), id="cut off"),
    ],
)
def test_the_next_listener_has_what_a_power_cut_took(
    directory: Path, damage: Callable[[Path], object]
) -> None:
    """The file may be gone, empty or cut off; the message is as it came. What was decided stays decided."""
    messages = EndMessages(directory)
    came = Message("9563643080000561", "RUNNING", 1e9)
    with messages.listen():
        messages.keep(Message("1"))
        messages.keep(came)
        messages.drop("1")
    damage(directory / "incoming" / f"{came.instance_id}.json")
    following = EndMessages(directory)
    with following.listen():
        assert following.list_pending() == [came.instance_id]
        assert following.find_pending(came.instance_id) == came


def test_a_message_that_comes_again_after_it_was_decided_is_kept(directory: Path) -> None:
    """As where the first one was early: Alma tells of the end."""
    messages = EndMessages(directory)
    with messages.listen():
        for at in (1.0, 2.0):
            assert messages.keep(Message("1", at=at))
            if at == 1.0:
                messages.drop("1")
    (directory / "incoming" / "1.json").unlink()
    with EndMessages(directory).listen():
        assert messages.find_pending("1").at == 2.0


def test_what_is_kept_does_not_grow_with_what_was_decided(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of messages the file has those that wait."""
    monkeypatch.setattr("almajob.runs.wait.end_messages._LARGE", 2000)
    messages = EndMessages(directory)
    sizes = []
    with messages.listen():
        messages.keep(Message("7", at=7.0))
        for number in range(100, 400):
            messages.keep(Message(str(number)))
            messages.drop(str(number))
            sizes.append((directory / "arrived").stat().st_size)
    assert max(sizes) < 3000
    (directory / "incoming" / "7.json").unlink()
    with EndMessages(directory).listen():
        assert messages.list_pending() == ["7"]
