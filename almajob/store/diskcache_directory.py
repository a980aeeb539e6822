"""Opening one diskcache directory: made whole or not at all, private, and re-opened cheaply.

``diskcache.Cache()`` writes some sixty statements each time it is constructed, and waits up to a minute
for another process's lock to do so. A directory that exists is therefore opened here without writing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import diskcache
from diskcache.core import DBNAME, DEFAULT_SETTINGS, METADATA, MODE_RAW, UNKNOWN

from almajob.store import schema
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.system.private_files import (
    give_to_owner,
    make_private,
    open_own,
    refuse_open_directory,
    refuse_shared_directory,
)

SIZE_LIMIT = 16 * 2**20
"""Bytes that a value may have as JSON. What unpacks to more was made to fill the memory."""
_COMPRESSED_FROM = 4096
README = "README"
_OUR_FILES = {DBNAME, f"{DBNAME}-wal", f"{DBNAME}-shm", README}
_PRAGMAS = ("cache_size", "journal_mode", "synchronous")


class DirectoryOptions(NamedTuple):
    """How the directories of one store are kept.

    Attributes:
        readme: says in the directory itself whose it is, and whether it may go.
        settings: kept in the directory, as diskcache does; one with others is not the store's.
        lock_seconds: how long to wait for another process's write.
    """

    readme: str
    settings: Mapping[str, Any] = MappingProxyType({})
    lock_seconds: float = 1.0

    @property
    def all_settings(self) -> dict[str, Any]:
        """The settings of every store of ours: nothing is thrown out, nothing is counted."""
        return {"eviction_policy": "none", "statistics": 0, "tag_index": 0, **self.settings}


CACHE = DirectoryOptions(
    """\
This directory belongs to the cache of almajob (lists that Alma can give again, kept for a day).
It may be removed at any time; "almajob cache clear" does so.
"""
)


class JsonDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys, JSON values, one row each, inside the database; nothing is unpickled.

    Stock diskcache, JSONDisk included, believes the ``mode`` and ``filename`` columns of the database: a
    planted row makes it run code (CVE-2025-69872), read a file elsewhere, or delete one. Here it is a miss.

    Attributes:
        refused: counts the rows that were passed over.
    """

    refused = 0

    def put(self, key: object) -> tuple[str, bool]:
        if not isinstance(key, str):
            raise TypeError("a key of the store is text")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or not isinstance(key, str):
            raise self._unsafe("its key is not text")
        return key

    def store(self, value: object, read: bool, key: object = UNKNOWN) -> tuple[int, int, None, object]:
        if read:
            raise TypeError("the store takes no streams")
        text = json.dumps(value, separators=(",", ":"))
        data = text.encode()
        if len(data) > SIZE_LIMIT:
            raise OSError(errno.EFBIG, f"a value is larger than {SIZE_LIMIT >> 20} MiB")
        return 0, MODE_RAW, None, zlib.compress(data, 1) if len(data) > _COMPRESSED_FROM else text

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> Any:
        if mode != MODE_RAW or filename is not None or read:
            raise self._unsafe("it is kept in a way that almajob does not use")
        try:
            if isinstance(value, bytes):
                inflate = zlib.decompressobj()
                value = inflate.decompress(value, SIZE_LIMIT)
                if inflate.unconsumed_tail:
                    raise ValueError("too large")
                return json.loads(value)
            return json.loads(str(value))
        except (ValueError, RecursionError, zlib.error) as error:
            raise self._unsafe("its value cannot be read") from error

    def remove(self, file_path: object) -> None:
        """Remove nothing: no value of this store has a file of its own."""

    def _unsafe(self, reason: str) -> UnsafeEntry:
        self.refused += 1
        return UnsafeEntry(reason)


class CacheDirectory(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """A diskcache directory that exists, opened without writing to it.

    Raises:
        Damaged: the database is empty, or not one of ours.
    """

    def __init__(self, path: Path, options: DirectoryOptions) -> None:
        _refuse_other_files(path)
        self._directory = str(path)
        self._timeout = options.lock_seconds
        self._local = threading.local()
        self._txn_id = None
        self._disk = JsonDisk(self._directory)
        self._settings = {**DEFAULT_SETTINGS, **options.all_settings}
        for name, value in {**METADATA, **self._settings}.items():
            setattr(self, name, value)
        ((self._page_size,),) = self._sql("PRAGMA page_size").fetchall()

    @property
    def _con(self) -> sqlite3.Connection:
        """Connect as the options says; diskcache would obey any ``sqlite_`` setting in the database."""
        if getattr(self._local, "pid", None) != os.getpid():
            self.close()
            self._local.pid = os.getpid()
        if getattr(self._local, "con", None) is None:
            self._local.con = self._connect()
        connection: sqlite3.Connection = self._local.con
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            Path(self._directory, DBNAME), timeout=self._timeout, isolation_level=None
        )
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SIZE_LIMIT)
            # A mapped file that somebody cuts off kills whoever reads it, by SIGBUS.
            connection.execute("PRAGMA mmap_size = 0")
            self._refuse_foreign(connection)
            # Not before: the journal mode of a database that is not ours is not ours to change.
            for name in _PRAGMAS:
                connection.execute(f"PRAGMA {name} = {self._settings[f'sqlite_{name}']}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        kept: dict[Any, Any] = {}
        try:
            if schema.is_ours(connection):
                kept = dict(connection.execute("SELECT key, value FROM Settings LIMIT 100"))
        except ValueError as error:
            # SQLite's words for it quote the schema, which is no text any more.
            raise Damaged("its database is damaged") from error
        if not METADATA.keys() <= kept.keys() or not self._settings.items() <= kept.items():
            raise Damaged("it is not one that almajob made")


def _refuse_other_files(path: Path) -> None:
    """Refuse a database, or a journal of it, that is a link or a directory: SQLite would write elsewhere."""
    with os.scandir(path) as found:
        databases = {item.name: item for item in found if item.name.startswith(DBNAME)}
    for name, item in databases.items():
        if not item.is_file(follow_symlinks=False):
            raise Damaged(f"{name} in it is no file")
        # SQLite removes its journals when the last process closes them.
        with contextlib.suppress(FileNotFoundError):
            if item.stat(follow_symlinks=False).st_nlink > 1:
                raise Damaged(f"{name} in it is a hard link")
    if DBNAME not in databases or databases[DBNAME].stat().st_size == 0:
        raise Damaged("its database is missing or empty")


def open_directory(path: Path, options: DirectoryOptions = CACHE) -> CacheDirectory:
    """Open a cache directory, made anew where there is none.

    Raises:
        Damaged: there is something else.
        OSError, sqlite3.Error: it cannot be opened, or others could have tampered with it.
    """
    refuse_open_directory(path.parent)
    try:
        found = path.lstat()
    except FileNotFoundError:
        _make(path, options)
        found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise Damaged("it is a file, such as the older script left")
    refuse_shared_directory(path, found)
    return CacheDirectory(path, options)


def _make(path: Path, options: DirectoryOptions) -> None:
    """Make a cache directory under another name and rename it, so that nobody meets half of one."""
    if "$" in str(path):
        raise OSError(errno.EINVAL, "diskcache would expand the '$' in its name")
    if not path.parent.exists():
        make_private(path.parent)
        _write(path.parent / README, options.readme)
    from almajob.system.atomic_write import reach_disk

    made = Path(tempfile.mkdtemp(prefix=".cache.new.", dir=path.parent))
    try:
        give_to_owner(made)
        # SQLite gives its -wal and -shm files the mode of the database.
        _write(made / DBNAME, "")
        _write(made / README, options.readme)
        diskcache.Cache(
            str(made), disk=JsonDisk, timeout=options.lock_seconds, **options.all_settings
        ).close()
        made.rename(path)
        # A power cut must not take away what is then written into it.
        for directory in (path, path.parent):
            reach_disk(directory)
    except OSError as error:
        # Another process was quicker; its directory is as good.
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(FileExistsError), open(open_own(path, os.O_EXCL | os.O_WRONLY), "w") as file:
        file.write(text)


def remove_directory(path: Path) -> bool:
    """Remove a cache directory, but nothing that is not ours.

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
