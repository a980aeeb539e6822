"""A file that somebody named, or a pipe, as ``<(…)`` of a shell is one; a pipe may not keep us for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

PATIENCE = 60.0
"""Seconds that a pipe may be silent."""


def read_given(path: Path, size: int, *, may_be_pipe: bool = True) -> tuple[bytes, os.stat_result]:
    """Read a file; return what it begins with, and what the system says of the file that was opened.

    Args:
        size: bytes to read at most.
        may_be_pipe: whether somebody named it; one that was only found must be a file.

    Raises:
        OSError: it cannot be read; it is a pipe, and nothing comes or none is wanted.
    """
    # Without it not even the opening would end where a pipe's writer never comes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        is_pipe = stat.S_ISFIFO(found.st_mode)
        if not may_be_pipe and (is_pipe or stat.S_ISCHR(found.st_mode)):
            raise OSError(errno.EINVAL, "It is not a file", str(path))
        os.set_blocking(descriptor, not is_pipe)
        return _read(descriptor, size, path if is_pipe else None), found
    finally:
        os.close(descriptor)


def read_line(descriptor: int, size: int) -> bytes:
    """Read the first line of what is open, or what there is of it, without its end.

    Raises:
        OSError: it cannot be read; nothing comes, and no end either.
    """
    return _read(descriptor, size, Path("stdin"), is_line=True).partition(b"\n")[0]


def _read(descriptor: int, size: int, pipe: Path | None, *, is_line: bool = False) -> bytes:
    raw = b""
    while len(raw) < size and not (is_line and b"\n" in raw):
        if pipe is not None:
            _wait_for(descriptor, pipe)
        piece = os.read(descriptor, size - len(raw))
        if not piece:
            break
        raw += piece
    return raw


def _wait_for(descriptor: int, path: Path) -> None:
    # Most read files only.
    import select

    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if not waiting.poll(PATIENCE * 1000):
        raise TimeoutError(errno.ETIMEDOUT, f"It is a pipe, and was silent for {PATIENCE:g} s", str(path))
