"""What happened in a world, one JSON object a line; in memory, or in a file that several processes share.

A line is whole or it does not count: what a killed process left of its last one is cut off by the next.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

Event = dict[str, Any]


class Journal:
    """A journal in memory, for one process."""

    def new_events(self) -> list[Event]:
        """Return what was written since the last call by others: nothing."""
        return []

    @contextmanager
    def writing(self) -> Iterator[Callable[[Event], None]]:
        """Write alone; what others have written is to be read first, with ``new_events``."""
        # The world itself is the memory of what happened in it.
        yield lambda _event: None


class FileJournal(Journal):
    """A journal in a file.

    Args:
        path: of the file, which is made with its first line; its directory must be there.

    Raises:
        OSError: the file cannot be read or written, or is none: a link or a pipe.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_up_to = 0
        # Tell at once, and not in the middle of a start, what cannot be written.
        with self._open_file(os.O_CREAT | os.O_RDWR) as file:
            os.fchmod(file.fileno(), 0o600)

    def _open_file(self, flags: int) -> BinaryIO:
        """Open the file, but nothing that was planted at its place to be written to elsewhere."""
        descriptor = os.open(self._path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is no file, or one with a second name", str(self._path))
        return open(descriptor, "rb" if flags == os.O_RDONLY else "r+b")

    def new_events(self) -> list[Event]:
        """Return what was written since the last call.

        Raises:
            ValueError: the file is not a journal.
        """
        with self._open_file(os.O_RDONLY) as file:
            return self._new_events(file)

    def _new_events(self, file: BinaryIO) -> list[Event]:
        if os.fstat(file.fileno()).st_size < self._read_up_to:
            raise ValueError("it was cut or replaced meanwhile")
        file.seek(self._read_up_to)
        text = file.read()
        whole = text.rfind(b"\n") + 1
        self._read_up_to += whole
        try:
            events = [json.loads(line) for line in text[:whole].splitlines()]
        except (ValueError, RecursionError) as error:
            raise ValueError("it is not a simulator's world") from error
        if not all(isinstance(event, dict) for event in events):
            raise ValueError("it is not a simulator's world")
        return events

    @contextmanager
    def writing(self) -> Iterator[Callable[[Event], None]]:
        """Write alone: other processes wait. Each line is in the file when it has been written."""
        with self._open_file(os.O_RDWR) as file:
            fcntl.flock(file, fcntl.LOCK_EX)

            def write(event: Event) -> None:
                line = json.dumps(event).encode() + b"\n"
                file.seek(self._read_up_to)
                file.write(line)
                file.truncate()
                file.flush()
                self._read_up_to += len(line)

            try:
                yield write
            finally:
                # A child that was forked meanwhile has a copy, which would keep it locked.
                fcntl.flock(file, fcntl.LOCK_UN)
