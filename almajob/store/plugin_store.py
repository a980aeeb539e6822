"""What a plugin keeps between invocations: JSON values under its own names, apart from all others'."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from almajob.entry_points import normalize_name
from almajob.errors import Refused
from almajob.store.diskcache_directory import CacheDirectory, DirectoryOptions, check_name, open_directory
from almajob.store.errors import Damaged, Failures, reason
from almajob.store.json_rows import SIZE_LIMIT
from almajob.system import clock as clocks
from almajob.system.private_files import hint_of, refuse_link
from almajob.system.sharing.forks import defer_forks

FORMAT = 1
"""Part of every key: entries of another format are not found."""
LONGEST_KEY = 1000
"""Characters of a key."""
_OPTIONS = DirectoryOptions(
    """\
This directory belongs to a plugin of almajob, whose name it has: what it keeps from one call to the next.
It is removed by hand when the plugin is uninstalled.
""",
    {"cull_limit": 0},
    lock_seconds=30.0,
)


class _ChangeFailed(Exception):
    """What a plugin's own function has raised, kept apart from what the store raises."""


class PluginStore:
    """What a plugin keeps from one invocation to the next, on this machine and for this user.

    Keys are text of up to 1,000 characters. Values are what JSON can hold, up to 16 MiB each. Several
    processes and threads may use it at once. Do not keep keys or secrets in it.

    Every method raises Refused if the store cannot be used: it is damaged, or cannot be written. What was
    to be kept is not kept then. A damaged store is never emptied silently.

    Args:
        directory: has one directory for each distribution.
        owner: the distribution.
        environment: whose entries these are, apart from all others'; empty for those of no environment.
    """

    def __init__(self, directory: Path, owner: str, environment: str = "") -> None:
        self.path = directory / check_name(normalize_name(owner))
        # Quoted, no environment's name has a colon in it.
        self._prefix = f"{FORMAT}@{quote(environment, safe='')}:" if environment else f"{FORMAT}:"
        self._directory: CacheDirectory | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key, or the default where there is none.

        Raises:
            TypeError: the key is not text.
            ValueError: the key is too long.
        """
        name = self._name_entry(key)
        with self._open_store() as directory:
            return _read(directory, name, default)[0]

    def set(self, key: str, value: Any, *, expire: float | None = None) -> None:
        """Keep a value.

        Args:
            key: its name.
            value: whatever JSON can hold.
            expire: seconds after which it is gone, by almajob's clock; None keeps it until it is deleted.

        Raises:
            TypeError: JSON has no form for the value, or the key is not text.
            ValueError: the value is too large, the key is too long, or ``expire`` is not above 0.
        """
        # Told as what it is: a fault of the plugin, and not of the store.
        _check_value(value)
        name, now = self._name_entry(key), clocks.system().now()
        if expire is not None and not expire > 0:
            raise ValueError("expire is a number of seconds above 0")
        with self._open_store() as directory:
            if expire is not None:
                # Whoever keeps what expires may never look at it again.
                directory.delete_expired(now)
            directory.set(name, value, tag=None if expire is None else now + expire)

    def update(self, key: str, change: Callable[[Any], Any], default: Any = None) -> Any:
        """Change a value in one step, which no other process comes between.

        An entry that expires keeps its time. Others wait meanwhile, for up to 30 seconds: ask nothing of
        Alma in it.

        Args:
            key: its name.
            change: gets the value, and returns the new one; what it raises leaves the value as it is.
            default: what it gets where there is no value.

        Returns:
            The new value.

        Raises:
            TypeError: JSON has no form for the new value, or the key is not text.
            ValueError: the new value is too large, or the key is too long.
        """
        name = self._name_entry(key)
        try:
            with self._open_store() as directory, directory.transact():
                value, until = _read(directory, name, default)
                try:
                    changed = change(value)
                    _check_value(changed)
                except Exception as error:
                    raise _ChangeFailed from error
                directory.set(name, changed, tag=until)
        except _ChangeFailed as failed:
            assert failed.__cause__ is not None
            raise failed.__cause__ from None
        return changed

    def delete(self, key: str) -> None:
        """Keep a value no longer; nothing happens where there is none.

        Raises:
            TypeError: the key is not text.
            ValueError: the key is too long.
        """
        name = self._name_entry(key)
        with self._open_store() as directory:
            directory.delete(name)

    def keys(self) -> list[str]:
        """Name all keys, in order."""
        with self._open_store() as directory:
            expired = directory.list_expired(clocks.system().now())
            names = [name for name in directory if name.startswith(self._prefix) and name not in expired]
        return sorted(name.removeprefix(self._prefix) for name in names)

    def close(self) -> None:
        """Close what was opened."""
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    def _name_entry(self, key: str) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a key of the store is text, and not {type(key).__name__}")
        if len(key) > LONGEST_KEY:
            raise ValueError(f"a key of the store has up to {LONGEST_KEY:,} characters, and not {len(key):,}")
        # Half a character is no text, and SQLite takes none.
        key.encode()
        return f"{self._prefix}{key}"

    @contextmanager
    def _open_store(self) -> Iterator[CacheDirectory]:
        try:
            with defer_forks():
                if self._directory is None:
                    refuse_link(self.path.parent)
                    self._directory = open_directory(self.path, _OPTIONS)
                yield self._directory
        except (Damaged, *Failures) as error:
            raise Refused(
                f"The store {self.path} of a plugin cannot be used.",
                reason=f"{reason(error)}.",
                hint=hint_of(error)
                or "Make it writable, or remove it and let the plugin start from scratch.",
            ) from None


def _check_value(value: Any) -> None:
    size = len(json.dumps(value))
    if size > SIZE_LIMIT:
        raise ValueError(
            f"a value of the store has up to {SIZE_LIMIT >> 20} MiB as JSON, and not {size:,} bytes"
        )


def _read(directory: CacheDirectory, name: str, default: Any) -> tuple[Any, float | None]:
    """Return a value, and when it expires, in seconds since the epoch; the default where there is none."""
    value, until = directory.get(name, default, tag=True)
    if not isinstance(until, float):
        return value, None
    return (default, None) if until <= clocks.system().now() else (value, until)
