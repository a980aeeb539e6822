"""Files and directories of almajob's own: for their owner alone, and never what somebody planted there.

Completions use it, too; so nothing is imported that takes long.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    Place = str | PathLike[str]


_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40


class NotPrivate(PermissionError):
    """Others could exchange what is in a directory.

    Attributes:
        hint: what to do.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(errno.EPERM, reason)
        self.hint = hint


def hint_of(error: Exception) -> str:
    """Return what to do about an error of an own file or directory; empty where nothing particular."""
    return error.hint if isinstance(error, NotPrivate) else ""


def make_private(directory: Place) -> None:
    """Make a directory, and those above it that are missing, for their owner alone, whatever the umask is.

    ``makedirs`` would give the mode to the last one only.
    """
    missing = []
    path = os.fspath(directory)
    while not os.path.exists(path):
        missing.append(path)
        path = os.path.dirname(path) or "."
    for path in reversed(missing):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            # Another process was quicker; or a link that leads nowhere.
            if not os.path.isdir(path):
                raise
        else:
            give_to_owner(path)


def give_to_owner(directory: Place) -> None:
    """Grant the owner access to a directory that was just made, as a umask may lock out even him."""
    if os.lstat(directory).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(directory, stat.S_IRWXU)


def refuse_link(directory: Place) -> None:
    """Refuse a link at a place that is almajob's own.

    Directories that somebody names (the cache, the state) may be links; what almajob makes in them is none.

    Raises:
        OSError: there is one.
    """
    if os.path.islink(directory):
        raise OSError(errno.ELOOP, "it is a symbolic link", os.fspath(directory))


def refuse_open_directory(directory: Place) -> None:
    """Refuse a directory whose files others can exchange, however private these are.

    Others can where they own it or may write to it, unless it is sticky, as /tmp is. The directories above it
    may be writable for a group, as in many homes: whoever moves ours away can put only another one of ours in
    its place, as those of other owners are refused. None of them may be open to everybody.

    Args:
        directory: need not be there yet.

    Raises:
        NotPrivate: with the chmod that fixes it.
    """
    wanted = path = os.path.realpath(directory)
    while True:
        # What is missing will be made private.
        with suppress(FileNotFoundError, NotADirectoryError):
            found = os.stat(path)
            is_sticky = found.st_mode & stat.S_ISVTX
            if path == wanted:
                _refuse_writers(path, found, {os.geteuid(), 0}, 0 if is_sticky else _OTHERS_WRITE)
            else:
                _refuse_writers(path, found, {found.st_uid}, 0 if is_sticky else stat.S_IWOTH)
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def is_root_only(path: Place) -> bool:
    """Whether nobody but root can change what is at a path: the file, each directory and link on the way.

    As where Kubernetes mounts a secret: a link to a link to a directory, in a directory that is sticky.
    """
    current, links = "/", 0
    names = os.path.abspath(path).split("/")[::-1]
    try:
        while names:
            name = names.pop()
            if name in ("", ".") and current != "/":
                continue
            found = os.lstat(os.path.join(current, name))
            is_open = found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX
            if found.st_uid != 0 or (is_open and not stat.S_ISLNK(found.st_mode)):
                return False
            if stat.S_ISLNK(found.st_mode):
                target = os.readlink(os.path.join(current, name))
                names += target.split("/")[::-1]
                current, links = "/" if target.startswith("/") else current, links + 1
            elif name == "..":
                current = os.path.dirname(current)
            elif stat.S_ISDIR(found.st_mode):
                current = os.path.join(current, name)
            if links > _MOST_LINKS:
                return False
    except OSError:
        return False
    # Of a file the sticky bit means nothing.
    return not found.st_mode & _OTHERS_WRITE


def refuse_shared_directory(directory: Place, found: os.stat_result) -> None:
    """Refuse a directory of almajob's own that others can put files into, even a sticky one.

    Where a program takes up files by their names, as SQLite does its journals, it is enough to add one.

    Raises:
        NotPrivate: with what fixes it.
    """
    _refuse_writers(os.fspath(directory), found, {os.geteuid()}, _OTHERS_WRITE)


def _refuse_writers(path: str, found: os.stat_result, owners: set[int], forbidden: int) -> None:
    if found.st_uid not in owners:
        raise NotPrivate(f"the directory {path} belongs to another user", "Name a directory of your own.")
    if found.st_mode & forbidden:
        raise NotPrivate(
            f"other users can write to the directory {path} (mode {stat.S_IMODE(found.st_mode):04o})",
            f"Type: chmod go-w {path}",
        )


def open_own(path: Place, flags: int) -> int:
    """Open a file of almajob's own, and make it where it is missing; 0600 in any case.

    Args:
        flags: as of ``os.open``: how it is to be used.

    Raises:
        OSError: it cannot be opened; or is a link, a pipe, a file of somebody else or one with a second name.
    """
    return _open_checked(path, flags | os.O_CREAT)[0]


def _open_checked(path: Place, flags: int) -> tuple[int, os.stat_result]:
    """Open a file, unless it is not almajob's own, and return what is known of it; one to be made is 0600."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link", os.fspath(path)) from error
        raise
    try:
        found = os.fstat(descriptor)
        refuse_planted(path, found)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", os.fspath(path))
        if flags & os.O_CREAT and stat.S_IMODE(found.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found


def read_own(path: Place, size: int) -> bytes:
    """Read a file of almajob's own, as many bytes of it at most, if nobody else can have written it.

    Raises:
        OSError: it cannot be read; or is a link, a pipe, somebody else's or one that others can change.
    """
    descriptor, found = _open_checked(path, os.O_RDONLY)
    try:
        if found.st_mode & _OTHERS_WRITE:
            raise PermissionError(errno.EPERM, "other users can change it", os.fspath(path))
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def refuse_planted(path: Place, found: os.stat_result) -> None:
    """Refuse what is no file, and a file that is also one elsewhere: a hard link.

    Raises:
        OSError: it is such.
    """
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, "it is a hard link to another file", os.fspath(path))
