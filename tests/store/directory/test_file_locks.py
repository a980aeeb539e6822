"""Locks of a directory: who has one keeps the others out; without locks nothing starts."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest

from almajob.errors import JobBusy, Refused
from almajob.store.directory.file_locks import FileLocks
from almajob.store.ledger.record import checksum
from almajob.system.file_lock import lock_file


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "locks"


def _path(directory: Path, name: str) -> Path:
    return directory / f"{checksum(name)[:16]}.lock"


def test_who_has_a_lock_keeps_others_out_and_is_named(directory: Path) -> None:
    """This process, too; what is to be done is what the caller says."""
    with FileLocks(directory).lock("job", 0):
        with (
            pytest.raises(JobBusy, match="busy with this job or run key") as caught,
            FileLocks(directory).lock("job", 0, "Come back."),
        ):
            pass
        began = r"which began at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"
        assert re.fullmatch(rf"It is process {os.getpid()} on .+, {began}\.", caught.value.reason)
        assert caught.value.hint == "Come back."
        with FileLocks(directory).lock("another", 0):
            pass
    with FileLocks(directory).lock("job", 0):
        pass
    assert _path(directory, "job").exists()


def test_a_holder_that_says_nothing_is_not_named(directory: Path) -> None:
    """Nor is anything left of a lock that is to leave nothing."""
    locks = FileLocks(directory)
    with locks.lock("job", 0, remove=True):
        pass
    assert list(directory.iterdir()) == []
    with (
        lock_file(_path(directory, "job"), wait=0),
        pytest.raises(JobBusy) as caught,
        locks.lock("job", 0),
    ):
        pass
    assert caught.value.reason == ""


def test_locks_that_cannot_be_made_are_refused(directory: Path, tmp_path: Path) -> None:
    """A file is in the way, or a link leads elsewhere."""
    directory.parent.mkdir(mode=0o700)
    directory.write_text("")
    for _kind in range(2):
        with pytest.raises(Refused, match=re.escape(f"No lock can be made in {directory}.")) as caught:
            FileLocks(directory).check()
        assert "none is started" in caught.value.reason
        directory.unlink()
        directory.symlink_to(tmp_path)
    FileLocks(directory).hold("run")
    assert list(tmp_path.glob("*.lock")) == []


def test_locks_that_keep_nobody_out_are_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems."""
    locks = FileLocks(directory)
    assert locks.check() == str(directory)
    monkeypatch.setattr("almajob.store.directory.file_locks.is_locked", lambda _path: False)
    with pytest.raises(Refused, match="Locks have no effect in") as caught:
        locks.check()
    assert str(directory.parent) in caught.value.hint
    assert list(directory.iterdir()) == []


def test_what_a_process_is_busy_with_is_seen_until_it_is_released(directory: Path) -> None:
    """By others, and by itself; what cannot be held or told harms nobody."""
    ours, theirs = FileLocks(directory), FileLocks(directory)
    ours.release()
    assert not theirs.is_held("run")
    ours.hold("run")
    assert theirs.is_held("run")
    assert ours.is_held("run")
    assert not theirs.is_held("another")
    ours.release()
    assert not theirs.is_held("run")
    assert list(directory.iterdir()) == []
    _path(directory, "run").symlink_to(directory / "nothing")
    assert not theirs.is_held("run")
    ours.hold("run")
    ours.release()


def test_what_processes_left_that_were_killed_is_removed_a_day_later(directory: Path) -> None:
    """But for what somebody holds; a directory that cannot be read is left alone."""
    locks = FileLocks(directory)
    locks.hold("run")
    held, old, new = (directory / f"{name}.lock" for name in ("held", "old", "new"))
    for path in (held, old, new):
        path.touch(0o600)
    for path in (held, old):
        os.utime(path, (0, 0))
    with lock_file(held, wait=0):
        locks.release()
        assert set(directory.iterdir()) == {held, new}
    locks.hold("run")
    with contextlib.suppress(OSError):
        (directory / "link.lock").symlink_to(directory / "nothing")
    locks.release()
    assert set(directory.iterdir()) == {held, new, directory / "link.lock"}
