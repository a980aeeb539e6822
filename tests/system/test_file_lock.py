"""Locks between processes: one holder, named to those who wait, released by any death."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import stat
import threading
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from almajob.system.deadline import NoThread
from almajob.system.file_lock import LockHeld, is_locked, lock_file
from tests.support.forks import fork, list_open_below
from tests.support.processes import exit_codes

FORK = multiprocessing.get_context("spawn")


def _open_below(directory: Path) -> list[str]:
    """Return which files below a directory this process has open, removed ones too."""
    return [each.partition(" ")[2] for each in list_open_below(directory)]


def _hold(path: Path, answer: Connection) -> None:
    with lock_file(path, wait=0, note="process 7"):
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
        with pytest.raises(LockHeld) as caught, lock_file(path, wait=0.05):
            pass
        assert caught.value.holder == "process 7"
    finally:
        os.kill(holder.pid or 0, signal.SIGKILL)
        holder.join()
    # Whoever gave up waiting gets it first, and lets it go.
    with lock_file(path, wait=30):
        pass


def test_a_child_has_no_part_in_the_lock_of_its_parent(tmp_path: Path) -> None:
    """Its end does not end the lock, and its life does not keep it."""
    path = tmp_path / "x.lock"
    with lock_file(path, wait=0, remove=True):
        reading, writing = os.pipe()

        def leave_the_block() -> str:
            os.close(writing)
            opened = _open_below(tmp_path)
            # Until the parent has released it.
            os.read(reading, 1)
            return " ".join(opened)

        wait = fork(leave_the_block)
        assert fork(lambda: None)() is None
        assert is_locked(path)
    with lock_file(path, wait=0):
        os.close(writing)
    os.close(reading)
    assert wait() == ""


def test_a_child_that_leaves_the_block_of_its_parent_does_not_remove_the_file(tmp_path: Path) -> None:
    """Whoever comes next would lock another one."""
    path = tmp_path / "x.lock"
    with ExitStack() as stack:
        stack.enter_context(lock_file(path, wait=0, remove=True))
        fork(stack.close)()
        assert path.exists()
        assert is_locked(path)
    assert not path.exists()


def test_a_copy_that_nobody_knows_of_keeps_no_lock(tmp_path: Path) -> None:
    """A child has one that was forked while the file was being opened."""
    path = tmp_path / "lock"
    with lock_file(path, wait=0):
        (number,) = [each.split()[0] for each in list_open_below(path)]
        copy = os.dup(int(number))
    assert not is_locked(path)
    with lock_file(path, wait=0):
        assert is_locked(path)
    os.close(copy)


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    """And had as soon as it is free."""
    path = tmp_path / "x.lock"
    begun = threading.Event()
    order = []

    def second() -> None:
        begun.set()
        with lock_file(path, wait=30):
            order.append("second")

    with lock_file(path, wait=0):
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
        with lock_file(path, wait=0, note=note):
            pass
    with lock_file(path, wait=0), pytest.raises(LockHeld) as caught, lock_file(path, wait=0):
        pass
    assert caught.value.holder == "short"


def test_locks_are_private_and_follow_no_link(tmp_path: Path) -> None:
    """A link planted at the lock's place changes nothing elsewhere."""
    path = tmp_path / "locks" / "x.lock"
    with lock_file(path, wait=0, note="n"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = tmp_path / "locks" / "y.lock"
    planted.symlink_to(victim)
    with pytest.raises(OSError), lock_file(planted, wait=0, note="n"):
        pass
    assert victim.read_text() == "precious"


def test_a_lock_that_cannot_be_waited_for_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine gives no more threads."""

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with lock_file(tmp_path / "a.lock", wait=0):
        monkeypatch.setattr(threading.Thread, "start", start)
        before = _open_below(tmp_path)
        with pytest.raises(NoThread), lock_file(tmp_path / "a.lock", wait=5):
            pass
        assert _open_below(tmp_path) == before


def _count_up(directory: Path, rounds: int) -> None:
    """Count in a file, one step after the other, under a lock whose file is removed each time."""
    counter = directory / "counter"
    for _ in range(rounds):
        with lock_file(directory / "locks" / "x.lock", wait=60, remove=True):
            count = int(counter.read_text())
            time.sleep(0)
            counter.write_text(str(count + 1))


def test_a_lock_whose_file_is_removed_keeps_others_out(tmp_path: Path) -> None:
    """Eight processes, fifty times each: none misses what another has counted, and no file is left."""
    (tmp_path / "counter").write_text("0")
    assert exit_codes(_count_up, [(tmp_path, 50)] * 8) == [0] * 8
    assert (tmp_path / "counter").read_text() == "400"
    assert list((tmp_path / "locks").iterdir()) == []


@pytest.fixture
def removed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock's file that its last holder removes just before somebody else, who has it open, locks it."""
    path, real = tmp_path / "x.lock", fcntl.flock
    left = [path]
    path.touch()

    def flock(descriptor: int, operation: int) -> None:
        if left:
            left.pop().unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    return path


def test_a_lock_on_a_removed_file_is_none(removed_once: Path) -> None:
    """The next file of that name is locked instead, and nothing stays open."""
    with lock_file(removed_once, wait=0), pytest.raises(LockHeld), lock_file(removed_once, wait=0):
        pass
    assert _open_below(removed_once.parent) == []


def test_a_removed_file_says_nothing_of_the_lock(removed_once: Path) -> None:
    """The next file of that name is asked."""
    assert not is_locked(removed_once)


def test_whether_a_lock_is_held_can_be_asked(tmp_path: Path) -> None:
    """By any number at once: who asks is no holder. It makes no file, and leaves none open."""
    path = tmp_path / "x.lock"
    assert not is_locked(path)
    assert not path.exists()
    with lock_file(path, wait=0):
        assert is_locked(path)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_locked(path)
    assert _open_below(tmp_path) == []


def test_the_file_of_a_lock_stays_unless_it_is_to_be_removed(tmp_path: Path) -> None:
    """One that somebody has removed already is no error."""
    path = tmp_path / "x.lock"
    for remove in (False, True):
        with lock_file(path, wait=0, remove=remove):
            assert path.exists()
        assert path.exists() is not remove
    with lock_file(path, wait=0, remove=True):
        path.unlink()
