"""What Alma can send again: lists of jobs and sets and code tables for a day, runs that ended for longer.

And how long environments took, which only makes the next command that asks several of them faster.

The names of the first two are the predecessor's. Whatever is wrong with the cache is a miss and one warning,
never a failure.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import diskcache

from almajob.errors import NO_HOME
from almajob.store.diskcache_directory import CacheDirectory, check_name, open_directory, remove_directory
from almajob.store.errors import Damaged, Failures, is_damage, reason
from almajob.store.json_rows import NotWhole
from almajob.store.schema import CACHE_FORMAT
from almajob.system.private_files import hint_of
from almajob.system.sharing.forks import defer_forks

LOG = logging.getLogger(__name__)

LIFETIME = 24 * 60 * 60
"""Seconds that an entry is used, where it is not one of runs or of the pace."""
RUNS = "runs."
"""How the name of a directory of runs that have ended begins."""
PACE = "pace"
"""The directory of how long environments took."""
_LONGER = 100 * LIFETIME
"""Seconds that an entry of these two is used: the first does not change any more, the second is a guess."""
_PREFIX = ".cache."
_KINDS = tuple(f"{_PREFIX}{kind}" for kind in ("jobs.", "sets.", "codetable.", RUNS))
_SET_ASIDE = ".damaged-"
_COMPLETION = ".cache.completion"
"""What the plugins said of their options; ``completion.grammar`` keeps it."""
_TURNS = 5
"""How often a lock of another process's is waited for, to keep what was fetched."""


class Entry(NamedTuple):
    """An entry of the cache and when it was fetched."""

    value: Any
    since: datetime


class Contents(NamedTuple):
    """What one cache directory holds.

    Attributes:
        name: such as ``jobs.sandbox``.
        entries: how many entries can still be used.
        newest: when the newest of them was fetched.
        size: bytes on disk.
    """

    name: str
    path: Path
    entries: int
    newest: datetime | None
    size: int


class Cache:
    """The cache directory. Nothing is opened or made before it is used.

    Args:
        directory: None where there is no place for one; nothing is kept then.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._directories: dict[str, CacheDirectory | None] = {}
        self._warned: set[str] = set()

    @defer_forks()
    def get(self, directory: str, key: str) -> Entry | None:
        """Find an entry that has not expired.

        Raises:
            ValueError: a directory of the cache cannot have that name.
        """
        opened = self._open_entry(directory)
        if opened is None:
            return None
        refused = opened.disk.refused
        try:
            value, expires = opened.get(f"{CACHE_FORMAT}:{key}", expire_time=True)
        except Failures as error:
            self._give_up(directory, error)
            return None
        if opened.disk.refused > refused:
            self._warn(directory, "has an entry that almajob did not write, which is ignored")
        lifetime = _lifetime_of(directory)
        if value is None or not _is_fresh(expires, lifetime):
            return None
        return Entry(value, _since(expires, lifetime))

    @defer_forks()
    def put(self, directory: str, key: str, value: Any) -> None:
        """Keep an entry until it expires; where that fails, it is fetched again next time.

        Raises:
            ValueError: a directory of the cache cannot have that name.
        """
        expire = _lifetime_of(directory)
        self._keep(directory, lambda opened: opened.set(f"{CACHE_FORMAT}:{key}", value, expire=expire))

    @defer_forks()
    def get_list(self, directory: str, key: str) -> Entry | None:
        """Find a long list that has not expired; its value is its parts, as JSON.

        Raises:
            ValueError: a directory of the cache cannot have that name.
        """
        opened = self._open_entry(directory)
        if opened is None:
            return None
        try:
            parts, expires = opened.read_list(f"{CACHE_FORMAT}:{key}")
        except NotWhole as damage:
            self._warn(directory, f"has a list that cannot be used ({damage})")
            return None
        except Failures as error:
            self._give_up(directory, error)
            return None
        lifetime = _lifetime_of(directory)
        if not parts or not all(_is_fresh(each, lifetime) for each in expires):
            return None
        return Entry(parts, _since(min(expires), lifetime))

    @defer_forks()
    def put_list(self, directory: str, key: str, parts: Sequence[Any]) -> None:
        """Keep a long list until it expires, whole; where that fails, it is fetched again next time.

        Args:
            parts: of the list, each as large as a value may be, 16 MiB as JSON.

        Raises:
            ValueError: a directory of the cache cannot have that name.
        """
        expire = _lifetime_of(directory)
        self._keep(directory, lambda opened: opened.put_list(f"{CACHE_FORMAT}:{key}", parts, expire=expire))

    @defer_forks()
    def contents(self) -> list[Contents]:
        """Describe every cache directory that exists; it is only looked at."""
        found = []
        for path in self._paths():
            if path.name == _COMPLETION or _SET_ASIDE in path.name:
                continue
            name, since = path.name.removeprefix(_PREFIX), list[datetime]()
            lifetime = _lifetime_of(name)
            try:
                with open_directory(path) as directory:
                    fresh = (each for each in directory.list_expiry() if _is_fresh(each, lifetime))
                    since = [_since(each, lifetime) for each in fresh]
            except (Damaged, *Failures) as error:
                if not path.name.startswith(_KINDS) and name != PACE:
                    # It need not be a plugin's.
                    continue
                self._warn(name, f"cannot be read ({reason(error)})")
            found.append(Contents(name, path, len(since), max(since, default=None), _size(path)))
        return found

    @defer_forks()
    def clear(self, *names: str) -> tuple[list[Path], list[Path]]:
        """Remove some cache directories; or every one, what was set aside, and what completions keep.

        Returns:
            What is gone, and what of ours could not be removed.
        """
        self.close()
        gone, left = [], []
        for path in self._paths():
            if names and path.name.removeprefix(_PREFIX) not in names:
                continue
            try:
                if (_SET_ASIDE in path.name or path.name == _COMPLETION) and path.is_file():
                    path.unlink()
                    gone.append(path)
                elif remove_directory(path):
                    gone.append(path)
            except OSError:
                left.append(path)
        return gone, left

    def close(self) -> None:
        """Close what was opened."""
        for opened in self._directories.values():
            if opened is not None:
                opened.close()
        self._directories.clear()

    def _keep(self, directory: str, write: Callable[[CacheDirectory], object]) -> None:
        opened = self._open_entry(directory)
        if opened is None:
            return
        try:
            _write_patiently(lambda: write(opened))
        except Failures as error:
            self._give_up(directory, error)

    def _paths(self) -> list[Path]:
        if self.directory is None:
            return []
        try:
            return sorted(path for path in self.directory.iterdir() if path.name.startswith(_PREFIX))
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._warn("", f"cannot be read ({reason(error)})")
            return []

    def _open_entry(self, name: str) -> CacheDirectory | None:
        if check_name(name) == _COMPLETION.removeprefix(_PREFIX) or _SET_ASIDE in name:
            raise ValueError(f"{name!r} is a name that almajob uses for something else in the cache")
        if self.directory is None:
            self._warn_missing()
            return None
        if name not in self._directories:
            path = self._path(name)
            try:
                self._directories[name] = open_directory(path)
            except (Damaged, *Failures) as error:
                self._give_up(name, error)
            if name not in self._directories:
                # What was damaged has been moved away.
                try:
                    self._directories[name] = open_directory(path)
                except (Damaged, *Failures):
                    self._directories[name] = None
        return self._directories[name]

    def _give_up(self, name: str, error: Exception) -> None:
        """Move a damaged directory away, to be made anew; do without any other that cannot be used."""
        opened = self._directories.get(name)
        if opened is not None:
            opened.close()
        self._directories[name] = None
        if not is_damage(error):
            advice = f"; {hint_of(error)}" if hint_of(error) else ""
            self._warn(name, f"cannot be used ({reason(error)}{advice})")
            return
        path = self._path(name)
        aside = path.with_name(f"{path.name}{_SET_ASIDE}{time.time_ns()}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            LOG.debug("Another process has moved %s away.", path)
        except OSError as failed:
            self._warn(name, f"is damaged and cannot be moved away ({reason(failed)})")
            return
        else:
            self._warn(name, f"cannot be read ({reason(error)}); it was moved to {aside.name}")
        del self._directories[name]

    def _warn_missing(self) -> None:
        if "" not in self._warned:
            self._warned.add("")
            LOG.warning(
                "There is no place for the cache, so Alma is asked each time. %s %s",
                *(NO_HOME, "ALMAJOB_CACHE_DIR names one."),
            )

    def _path(self, name: str) -> Path:
        assert self.directory is not None
        return self.directory / f"{_PREFIX}{name}"

    def _warn(self, name: str, message: str) -> None:
        # One for a cause: a directory that cannot be used concerns all that is in it.
        if message not in self._warned:
            self._warned.add(message)
            LOG.warning("The cache %s %s. Alma is asked instead.", self._path(name), message)


def _lifetime_of(directory: str) -> int:
    return _LONGER if directory == PACE or directory.startswith(RUNS) else LIFETIME


def _is_fresh(expires: object, lifetime: int) -> bool:
    """Whether an entry can be used; one from the future was kept while the clock was wrong."""
    return isinstance(expires, float) and time.time() < expires <= time.time() + lifetime


def _since(expires: float, lifetime: int) -> datetime:
    return datetime.fromtimestamp(expires - lifetime, UTC)


def _write_patiently(write: Callable[[], object]) -> None:
    """Write something; where many processes fetch the same list, all of them keep it."""
    for _turn in range(_TURNS - 1):
        with contextlib.suppress(diskcache.Timeout):
            write()
            return
    write()


def _size(path: Path) -> int:
    size = 0
    for file in path.glob("*"):
        # SQLite removes its journals when the last process closes them.
        with contextlib.suppress(FileNotFoundError):
            size += file.lstat().st_size
    return size
