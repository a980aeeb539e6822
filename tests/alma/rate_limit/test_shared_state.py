"""The file in which processes keep what they know, and whatever is there instead."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.alma.rate_limit import shared_state
from almajob.alma.rate_limit.rate_state import RateState
from almajob.alma.rate_limit.shared_state import SharedState
from tests.support.forks import fork
from tests.support.rate_states import make_state

KNOWN = make_state(free_at=12.0, left=7, left_at=99.0, failures=3, failed_at=11.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "limits" / "one"


@pytest.fixture
def account(file: Path) -> SharedState:
    return SharedState(file)


def _keep(account: SharedState, known: RateState) -> None:
    with account.edit(1.0) as edit:
        edit.state = known


def test_a_child_does_not_wait_for_a_thread_of_its_parent(account: SharedState) -> None:
    """One that was just counting a call; and it does not keep the file locked when that is done."""
    counting, counted = threading.Event(), threading.Event()

    def count() -> None:
        with account.edit(1.0) as edit:
            counting.set()
            counted.wait()
            edit.state = KNOWN

    thread = threading.Thread(target=count)
    thread.start()
    counting.wait()
    reading, writing = os.pipe()

    def wait_and_count() -> bool:
        os.close(writing)
        os.read(reading, 1)
        with account.edit(1.0) as edit:
            return edit.state == KNOWN

    # The second one lives as long as the first, and does nothing.
    wait = fork(wait_and_count)
    wait_too = fork(lambda: len(os.read(reading, 1)))
    counted.set()
    thread.join()
    with account.edit(0.0) as edit:
        assert edit.state == KNOWN
    os.write(writing, b"..")
    os.close(writing)
    assert wait() is True
    assert wait_too() == 1
    os.close(reading)


def test_what_one_process_keeps_the_other_knows(account: SharedState, file: Path) -> None:
    """In a file of 4 KiB for its owner alone."""
    assert account.read().state == make_state()
    assert not file.exists()
    _keep(account, KNOWN)
    assert SharedState(file).read().state == KNOWN
    with SharedState(file).edit(1.0) as edit:
        assert edit.state == KNOWN
    assert (file.stat().st_mode & 0o777, file.stat().st_size) == (0o600, 4096)


def test_what_is_not_changed_is_not_written(account: SharedState, file: Path) -> None:
    """Nor what was never known."""
    _keep(account, make_state())
    assert file.read_bytes() == b""
    _keep(account, KNOWN)
    os.utime(file, ns=(1, 1))
    _keep(account, KNOWN)
    assert file.stat().st_mtime_ns == 1


def test_another_start_of_the_machine_has_another_clock(
    account: SharedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times are forgotten, and what belongs to day and hour is not."""
    _keep(account, KNOWN)
    monkeypatch.setattr(shared_state, "_boot", lambda: "another")
    assert account.read().state == make_state(left=7, left_at=99.0)


def test_a_system_that_does_not_tell_its_starts_apart(
    account: SharedState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There all times are taken for those of this one."""
    shared_state._boot.cache_clear()
    monkeypatch.setattr(shared_state, "_BOOT", tmp_path / "missing")
    _keep(account, KNOWN)
    assert account.read().state == KNOWN
    assert json.loads(account.path.read_bytes() if account.path else b"{}")["boot"] == ""
    shared_state._boot.cache_clear()


def _no_directory(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("plant", [os.mkfifo, Path.mkdir, _device, _no_directory])
def test_whatever_is_planted_there_keeps_nobody_waiting(
    account: SharedState, file: Path, plant: Callable[[Path], object]
) -> None:
    """What is known is this process's own then, and is shown as such."""
    file.parent.mkdir()
    plant(file)
    assert account.read().state == make_state()
    _keep(account, KNOWN)
    assert account.read().state == KNOWN
    with account.edit(0.0) as edit:
        assert edit.state == KNOWN


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[]", b"[" * 4000, b"null", b"9" * 4096, b'{"free_at": 1}'])
def test_a_damaged_file_is_as_good_as_none(account: SharedState, file: Path, text: bytes) -> None:
    """And is written anew."""
    file.parent.mkdir()
    file.write_bytes(text)
    assert account.read().state == make_state()
    _keep(account, KNOWN)
    assert SharedState(file).read().state == KNOWN


def test_without_a_file_it_is_this_processs_own() -> None:
    """As where nothing may be kept."""
    account = SharedState(None)
    _keep(account, KNOWN)
    assert account.read().state == KNOWN
