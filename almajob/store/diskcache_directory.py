"""Opening one diskcache directory: made whole or not at all, private, and re-opened cheaply.

``diskcache.Cache()`` writes some sixty statements each time it is constructed, and waits up to a minute
for another process's lock to do so. A directory that exists is therefore opened here without writing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from weakref import WeakSet

import diskcache
from diskcache.core import DBNAME, DEFAULT_SETTINGS, METADATA, MODE_RAW, UNKNOWN

from almajob.store import json_rows, schema
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.json_rows import SIZE_LIMIT
from almajob.system.private_files import (
    give_to_owner,
    make_private,
    open_own,
    refuse_open_directory,
    refuse_shared_directory,
)
from almajob.system.sharing.forks import close_before_forks, defer_forks

README = "README"
_OUR_FILES = {DBNAME, f"{DBNAME}-wal", f"{DBNAME}-shm", README}
_ROWS = "SELECT key, mode, filename, value FROM Cache WHERE raw = 1 AND {} IN ({})"
_ENDS = "SELECT key, raw FROM Cache ORDER BY key"
_WRITE = (
    "INSERT INTO Cache"
    "(rowid, key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, filename, value)"
    " VALUES (?, ?, 1, ?, NULL, ?, 0, NULL, 0, ?, NULL, ?)"
    " ON CONFLICT(key, raw) DO UPDATE SET store_time = excluded.store_time, mode = excluded.mode,"
    " filename = NULL, value = excluded.value"
)
_KEYS = "SELECT key, raw FROM Cache WHERE key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
# An old SQLite takes 999 variables in one statement.
_AT_ONCE = 500
_EXPIRED = "FROM Cache WHERE typeof(tag) = 'real' AND tag <= ?"
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
        text = json_rows.encode(value)
        if len(text) > SIZE_LIMIT:
            raise OSError(errno.EFBIG, f"a value is larger than {SIZE_LIMIT >> 20} MiB")
        return 0, MODE_RAW, None, json_rows.pack(text)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> Any:
        if mode != MODE_RAW or filename is not None or read:
            raise self._unsafe("it is kept in a way that almajob does not use")
        try:
            return json.loads(json_rows.unpack(value))
        except (ValueError, RecursionError) as error:
            raise self._unsafe("its value cannot be read") from error

    def remove(self, file_path: object) -> None:
        """Remove nothing: no value of this store has a file of its own."""

    def _unsafe(self, reason: str) -> UnsafeEntry:
        self.refused += 1
        return UnsafeEntry(reason)


class _Connection(sqlite3.Connection):
    """Can be referred to weakly."""


class CacheDirectory(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """A diskcache directory that exists, opened without writing to it.

    Each thread has a connection of its own. Whoever uses one keeps this process from being forked meanwhile
    (``defer_forks``).

    Raises:
        Damaged: the database is empty, or not one of ours.
    """

    def __init__(self, path: Path, options: DirectoryOptions) -> None:
        _refuse_other_files(path)
        self._directory = str(path)
        self._timeout = options.lock_seconds
        self._local = threading.local()
        self._connections: WeakSet[_Connection] = WeakSet()
        self._txn_id = None
        self._disk = JsonDisk(self._directory)
        self._settings = {**DEFAULT_SETTINGS, **options.all_settings}
        for name, value in {**METADATA, **self._settings}.items():
            setattr(self, name, value)
        close_before_forks(self)
        ((self._page_size,),) = self._sql("PRAGMA page_size").fetchall()

    @property
    def _con(self) -> sqlite3.Connection:
        """Connect as the options says; diskcache would obey any ``sqlite_`` setting in the database."""
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection not in self._connections:
            connection = self._local.connection = self._connect()
            self._connections.add(connection)
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        with defer_forks():
            for connection in list(self._connections):
                connection.close()
            self._connections.clear()

    def disconnect(self) -> None:
        """Close all connections but one in whose transaction this is called; the next use opens others."""
        for connection in list(self._connections):
            if not connection.in_transaction:
                self._connections.discard(connection)
                connection.close()

    def forget_parent(self) -> None:
        """Leave what is still open alone, as long as this process lives, and also when it ends."""
        for connection in list(self._connections):
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._connections.clear()
        self._txn_id = None

    def _connect(self) -> _Connection:
        # Another thread closes it before a fork, and at the end.
        connection = sqlite3.connect(
            Path(self._directory, DBNAME),
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
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

    def read_rows(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of those keys that are there.

        Raises:
            UnsafeEntry: almajob did not write one of them so. To ``get`` it would be a miss.
        """
        return dict(self._read_rows("key", list(keys)))

    def read_numbered(self, numbers: Mapping[str, int]) -> dict[str, Any]:
        """Return the values of those keys that are there, found by their rows' numbers: not by the index.

        Raises:
            UnsafeEntry: almajob did not write one of them so.
        """
        found = self._read_rows("rowid", list(numbers.values()))
        return {key: value for key, value in found if key in numbers}

    def _read_rows(self, column: str, wanted: Sequence[object]) -> Iterator[tuple[str, Any]]:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            statement = _ROWS.format(column, ",".join("?" * len(some)))
            for key, mode, filename, value in self._sql(statement, some):
                yield key, self._disk.fetch(mode, filename, value, False)

    def write_rows(self, rows: Mapping[str, Any], numbers: Mapping[str, int] = MappingProxyType({})) -> None:
        """Keep values, in place of those that are there; within ``transact``.

        Args:
            numbers: of rows, by their keys; the others are put after those that are there.
        """
        now, store = time.time(), self._disk.store
        made = [(numbers.get(key), key, now, now, *store(value, False)[1::2]) for key, value in rows.items()]
        self._con.executemany(_WRITE, made)

    def delete_rows(self, keys: Iterable[str]) -> None:
        """Delete the rows of those keys that are there; within ``transact``."""
        self._con.executemany("DELETE FROM Cache WHERE key = ? AND raw = 1", ((key,) for key in keys))

    def list_keys(self, prefix: str, limit: int | None = None, after: str = "") -> list[str]:
        """Return the keys that begin so, in the order of their characters.

        Args:
            limit: how many, at most; all where not given.
            after: a key; only those that come after it.
        """
        end = f"{prefix}\U0010ffff"
        rows = self._sql(_KEYS, (prefix, after, end, -1 if limit is None else limit))
        return [self._disk.get(key, raw) for key, raw in rows]

    def list_ends(self) -> list[str]:
        """Return the first and the last key, in the order of their characters; none where there is no row."""
        rows = [*self._sql(f"{_ENDS} ASC LIMIT 1"), *self._sql(f"{_ENDS} DESC LIMIT 1")]
        return [self._disk.get(key, raw) for key, raw in rows]

    def read_list(self, key: str) -> tuple[list[bytes], list[Any]]:
        """Read the parts of a list as JSON, and when each expires; nothing where there is none.

        Raises:
            NotWhole: some of it is missing or damaged.
        """
        return json_rows.read_list(self._sql, key)

    def put_list(self, key: str, parts: Sequence[Any], *, expire: float) -> None:
        """Keep a list whole, in place of the one of this key.

        Args:
            parts: whatever JSON can hold.
            expire: seconds after which it is gone.
        """
        texts = list(map(json_rows.encode, parts))
        if len(texts) > json_rows.MOST_PARTS or sum(map(len, texts)) > json_rows.LIST_LIMIT:
            raise OSError(errno.EFBIG, f"a list is larger than {json_rows.LIST_LIMIT >> 20} MiB")
        tag = json_rows.sign(texts)
        with self.transact():
            # It may have had more parts.
            self._sql(json_rows.DELETE, (key, key))
            for number, part in enumerate(parts):
                self.set(json_rows.name_part(key, number), part, expire=expire, tag=tag)

    def list_expiry(self) -> list[Any]:
        """List when each entry expires, in seconds since the epoch, as the database has it."""
        return [expires for (expires,) in self._sql(json_rows.EXPIRY)]

    def list_expired(self, now: float) -> set[str]:
        """List the keys of entries whose tag is a moment that has passed, in seconds since the epoch."""
        return {key for (key,) in self._sql(f"SELECT key {_EXPIRED}", (now,))}

    def delete_expired(self, now: float) -> None:
        """Delete these entries. diskcache's own expiry knows the machine's clock only."""
        self._sql(f"DELETE {_EXPIRED}", (now,))

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


def check_name(name: str) -> str:
    """Return the name of a directory of the store or the cache, which a plugin chooses, if it is fit.

    Raises:
        ValueError: it may lead elsewhere, or is no name on some file system.
    """
    if not re.fullmatch(r"(?!\.)[A-Za-z0-9._-]{1,100}", name):
        raise ValueError(
            f"{name!r} cannot be the name of a directory: "
            "it must be up to 100 letters, digits, '.', '_' and '-', without a '.' in front"
        )
    return name


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
