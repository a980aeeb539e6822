"""A line is on the disk when its thread goes on, however many threads there are."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from almajob.store.durable_log import DurableLog

THREADS, LINES = 16, 20


class Disk:
    """What a power cut would leave of a file: what was flushed."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._flush: Callable[[int], None] = os.fdatasync
        self.flushes = 0
        self.content = b""
        self.fails = False
        monkeypatch.setattr(os, "fdatasync", self._note)

    def _note(self, descriptor: int) -> None:
        if self.fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._flush(descriptor)
        self.flushes += 1
        self.content = self._path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "arrived"


def test_a_line_is_on_the_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of many threads; those that wait share a flush, and each line is there once."""
    disk, log = Disk(path, monkeypatch), DurableLog(path)

    def add(thread: int) -> bool:
        for number in range(LINES):
            line = f"{thread}.{number}".encode()
            log.append(line)
            if line not in disk.content.split(b"\n"):
                return False
        return True

    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(add, range(THREADS)))
    wanted = sorted(f"{thread}.{number}".encode() for thread in range(THREADS) for number in range(LINES))
    assert sorted(log.read()) == wanted
    assert disk.flushes < THREADS * LINES


def test_a_line_that_cannot_be_kept_is_refused_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many threads each hears of it; what was there stays, and what comes later is kept."""
    disk, log = Disk(path, monkeypatch), DurableLog(path)
    log.append(b"before")
    disk.fails = True

    def is_refused(number: int) -> bool:
        try:
            log.append(str(number).encode())
        except OSError as error:
            return error.errno == errno.ENOSPC
        return False

    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(is_refused, range(THREADS)))
    disk.fails = False
    log.append(b"after")
    assert list(log.read()) == [b"before", b"after"]


def test_a_line_that_was_cut_off_is_passed_over(path: Path) -> None:
    """As after a power cut."""
    path.write_bytes(b"whole\nhal")
    assert list(DurableLog(path).read()) == [b"whole"]


def test_lines_that_come_while_others_are_left_out_are_kept(path: Path) -> None:
    """Whoever adds a line waits for the new file, and the line is in it."""
    log = DurableLog(path)
    for number in range(LINES):
        log.append(f"old {number}".encode())
    with ThreadPoolExecutor(THREADS) as threads:
        added = [threads.submit(log.append, f"new {number}".encode()) for number in range(LINES)]
        for _ in range(LINES):
            log.rewrite(lambda lines: [line for line in lines if line.startswith(b"new")])
        for each in added:
            each.result()
    assert sorted(log.read()) == sorted(f"new {number}".encode() for number in range(LINES))
