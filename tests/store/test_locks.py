"""Locks between processes: one holder, named to those who wait, released by any death."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from almajob.deadline import NotBegun
from almajob.store.locks import Held, locked

FORK = multiprocessing.get_context("spawn")


def _hold(path: Path, answer: Connection) -> None:
    with locked(path, wait=0, note="process 7"):
        answer.send("held")
        time.sleep(60)


def test_the_kernel_releases_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    """Until then, who waits is told whose it is."""
    path = tmp_path / "locks" / "x.lock"
    ours, theirs = FORK.Pipe()
    holder = FORK.Process(target=_hold, args=(path, theirs))
    holder.start()
    try:
        assert ours.recv() == "held"
        with pytest.raises(Held) as caught, locked(path, wait=0.05):
            pass
        assert caught.value.holder == "process 7"
    finally:
        os.kill(holder.pid or 0, signal.SIGKILL)
        holder.join()
    with locked(path, wait=0):
        pass


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    """And had as soon as it is free."""
    path = tmp_path / "x.lock"
    begun = threading.Event()
    order = []

    def second() -> None:
        begun.set()
        with locked(path, wait=30):
            order.append("second")

    with locked(path, wait=0):
        thread = threading.Thread(target=second)
        thread.start()
        begun.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_longer_note_of_an_earlier_holder_is_gone(tmp_path: Path) -> None:
    """Each holder writes its own."""
    path = tmp_path / "x.lock"
    for note in ("a longer note", "short"):
        with locked(path, wait=0, note=note):
            pass
    with locked(path, wait=0), pytest.raises(Held) as caught, locked(path, wait=0):
        pass
    assert caught.value.holder == "short"


def test_locks_are_private_and_follow_no_link(tmp_path: Path) -> None:
    """A link planted at the lock's place changes nothing elsewhere."""
    path = tmp_path / "locks" / "x.lock"
    with locked(path, wait=0, note="n"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = tmp_path / "locks" / "y.lock"
    planted.symlink_to(victim)
    with pytest.raises(OSError), locked(planted, wait=0, note="n"):
        pass
    assert victim.read_text() == "precious"


def test_a_lock_that_cannot_be_waited_for_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine gives no more threads."""

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with locked(tmp_path / "a.lock", wait=0):
        monkeypatch.setattr(threading.Thread, "start", start)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(NotBegun), locked(tmp_path / "a.lock", wait=5):
            pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before
