"""A file that is there completely, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


class AlreadyThere(Exception):
    """Something of that name is there, and may not be replaced."""


@contextmanager
def new_file(path: Path, *, overwrite: bool = False, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Write a file beside its place, and put it there when it is complete and on the disk.

    Args:
        overwrite: whether a file that is there may be replaced.
        mode: of the file; where not given, that of the one that is replaced, or of any that its user makes.

    Raises:
        AlreadyThere: something is there, now or when the file is complete.
        OSError: it cannot be written, or what is there is no file: a directory, a device or a link.
    """
    if os.path.lexists(path):
        _refuse_no_file(path)
        if not overwrite:
            raise AlreadyThere
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=".almajob-", suffix=".part", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # A temporary file is for its owner alone.
            os.fchmod(file.fileno(), _mode(path) if mode is None else mode)
            _put(Path(file.name), path, overwrite=overwrite)
            reach_disk(path.parent)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            raise


def reach_disk(directory: Path) -> None:
    """Flush a directory to disk, so that a power cut takes away nothing that was put into it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_no_file(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "What is there is a link or a device, and no file", str(path))


def _put(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
        return
    try:
        # Unlike a rename, a link never replaces what has appeared there meanwhile.
        path.hardlink_to(part)
    except FileExistsError:
        raise AlreadyThere from None
    except OSError:
        # A file system without links.
        if os.path.lexists(path):
            raise AlreadyThere from None
        part.rename(path)
    else:
        part.unlink()


def _mode(path: Path) -> int:
    """Return the mode of the file that is replaced, else that of any file that its user makes."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask
