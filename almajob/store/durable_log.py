"""Lines that are on the disk when they are said to be, though many threads add to them at once.

A flush takes a disk as long for a hundred lines as for one. So whoever waits for a flush adds a line
for the next one, and all of its lines reach the disk together.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from almajob.system.atomic_write import new_file
from almajob.system.private_files import open_own


class _Batch:
    """The lines of one flush; whether they are on the disk, or why not."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.is_over = False
        self.error: OSError | None = None


class DurableLog:
    """A file of lines, for one process that writes it.

    Args:
        path: of the file; ``rewrite`` makes it so that a power cut leaves it there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._next = _Batch()
        self._joining = threading.Lock()
        self._writing = threading.Lock()

    def append(self, line: bytes) -> None:
        """Add a line, on the disk when this returns; any number of threads may do so at once.

        Raises:
            OSError: it cannot be kept; nothing is left of it.
        """
        with self._joining:
            batch = self._next
            batch.lines.append(line)
        with self._writing:
            if not batch.is_over:
                with self._joining:
                    self._next = _Batch()
                batch.is_over = True
                try:
                    self._put(batch.lines, flush=True)
                except OSError as error:
                    batch.error = error
        if batch.error is not None:
            raise OSError(batch.error.errno, batch.error.strerror, str(self._path))

    def note(self, line: bytes) -> None:
        """Add a line that a power cut may take away; where that fails, it is not there."""
        with self._writing, suppress(OSError):
            self._put([line], flush=False)

    def read(self) -> Iterator[bytes]:
        """Return the lines, in their order; a file that is missing is made.

        Raises:
            OSError: it cannot be read.
        """
        with os.fdopen(open_own(self._path, os.O_RDONLY), "rb") as file:
            for line in file:
                # A line without an end was cut off.
                if line.endswith(b"\n"):
                    yield line[:-1]

    def rewrite(self, choose: Callable[[Iterator[bytes]], Iterable[bytes]]) -> None:
        """Have other lines, on the disk when this returns; threads that add some wait meanwhile.

        Args:
            choose: makes them of those that are there.

        Raises:
            OSError: that is not possible; the lines are those from before.
        """
        with self._writing:
            with new_file(self._path, overwrite=True, mode=0o600) as file:
                file.writelines(line + b"\n" for line in choose(self.read()))
            self._close()

    @property
    def size(self) -> int:
        """Bytes of the file; 0 where there is none."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Close the file; another line opens it."""
        with self._writing:
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _put(self, lines: list[bytes], *, flush: bool) -> None:
        """Write lines, all of them or none."""
        if self._descriptor is None:
            self._descriptor = open_own(self._path, os.O_WRONLY | os.O_APPEND)
        size = os.fstat(self._descriptor).st_size
        content = memoryview(b"".join(line + b"\n" for line in lines))
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
            if flush:
                os.fdatasync(self._descriptor)
        except OSError:
            # A full disk takes a part.
            os.ftruncate(self._descriptor, size)
            raise
