"""Opening one diskcache directory, a *drawer*: made whole or not at all, private, and re-opened cheaply.

``diskcache.Cache()`` writes some sixty statements each time it is constructed, and waits up to a minute
for another process's lock to do so. A drawer that exists is therefore opened here without writing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import diskcache
from diskcache.core import DBNAME, DEFAULT_SETTINGS, METADATA

from almajob.store.disk import JsonDisk

README = "README"
_OUR_FILES = {DBNAME, f"{DBNAME}-wal", f"{DBNAME}-shm", README}


class Manner(NamedTuple):
    """How the drawers of one store are kept.

    Attributes:
        readme: says in the directory itself whose it is, and whether it may go.
        settings: given at every opening, as diskcache keeps them in the directory, for all who open it.
        lock_seconds: how long to wait for another process's write.
    """

    readme: str
    settings: Mapping[str, Any] = MappingProxyType({})
    lock_seconds: float = 1.0

    @property
    def all_settings(self) -> dict[str, Any]:
        """The settings of every store of ours: nothing is thrown out, nothing is counted."""
        return {"eviction_policy": "none", "statistics": 0, "tag_index": 0, **self.settings}


CACHE = Manner(
    """\
This directory belongs to the cache of almajob (lists that Alma can give again, kept for a day).
It may be removed at any time; "almajob cache clear" does so.
"""
)


class Damaged(Exception):
    """What is at the path is no drawer, or not any more."""


class Drawer(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """A diskcache directory that exists, opened without writing to it.

    Raises:
        Damaged: the database is empty, or not one of ours.
    """

    def __init__(self, path: Path, manner: Manner) -> None:
        database = path / DBNAME
        if not database.exists() or database.stat().st_size == 0:
            raise Damaged("its database is missing or empty")
        self._directory = str(path)
        self._timeout = manner.lock_seconds
        self._local = threading.local()
        self._txn_id = None
        kept = dict(self._sql("SELECT key, value FROM Settings").fetchall())
        expected = {**DEFAULT_SETTINGS, **manner.all_settings}
        if not {*expected, *METADATA} <= set(kept) or any(kept[name] != expected[name] for name in expected):
            self.close()
            raise Damaged("it is not one that almajob made")
        for name in (*expected, *METADATA):
            setattr(self, name, kept[name])
        self._disk = JsonDisk(self._directory)
        ((self._page_size,),) = self._sql("PRAGMA page_size").fetchall()


def make_private(directory: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone.

    ``mkdir(parents=True)`` would give the mode to the last one only.
    """
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def open_drawer(path: Path, manner: Manner = CACHE) -> Drawer:
    """Open a drawer, made anew where there is none.

    Raises:
        Damaged: there is something else.
        OSError, sqlite3.Error: it cannot be opened, or others could have tampered with it.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        _make(path, manner)
        found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise Damaged("it is a file, such as the older script left")
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise OSError(errno.EPERM, "other users can write to it")
    return Drawer(path, manner)


def _make(path: Path, manner: Manner) -> None:
    """Make a drawer under another name and rename it, so that nobody meets half of one."""
    if "$" in str(path):
        raise OSError(errno.EINVAL, "diskcache would expand the '$' in its name")
    if not path.parent.exists():
        make_private(path.parent)
        (path.parent / README).write_text(manner.readme, "utf-8")
    made = Path(tempfile.mkdtemp(prefix=".cache.new.", dir=path.parent))
    try:
        for name, text in ((DBNAME, ""), (README, manner.readme)):
            # SQLite gives its -wal and -shm files the mode of the database.
            with open(os.open(made / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(text)
        diskcache.Cache(str(made), disk=JsonDisk, timeout=manner.lock_seconds, **manner.all_settings).close()
        made.rename(path)
        # A power cut must not take away what is then written into it.
        for directory in (path, path.parent):
            _reach_disk(directory)
    except OSError as error:
        # Another process was quicker; its drawer is as good.
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _reach_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drawer(path: Path) -> bool:
    """Remove a drawer, but nothing that is not ours.

    Returns:
        Whether it is gone.

    Raises:
        OSError: it is ours and cannot be removed.
    """
    if path.is_symlink() or not path.is_dir() or not {item.name for item in path.iterdir()} <= _OUR_FILES:
        return False
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
    return True
