"""What a plugin keeps between invocations: JSON values under its own names, apart from all others'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from almajob.errors import Refused
from almajob.store.diskcache_directory import CacheDirectory, DirectoryOptions, open_directory
from almajob.store.errors import Damaged, Failures, reason
from almajob.system.private_files import hint_of, refuse_link

FORMAT = 1
"""Part of every key: entries of another format are not found."""
_OPTIONS = DirectoryOptions(
    """\
This directory belongs to a plugin of almajob, whose name it has: what it keeps from one call to the next.
It is removed by hand when the plugin is uninstalled.
""",
    {"cull_limit": 0},
    lock_seconds=30.0,
)


class PluginStore:
    """A plugin's own store; nothing is opened or made before it is used.

    Keys are text, values whatever JSON can hold. Nothing expires. No key or secret belongs in it.

    Every method raises Refused where the store cannot be used: what was to be kept or deleted may not be.

    Args:
        directory: has one directory for each distribution.
    """

    def __init__(self, directory: Path, owner: str) -> None:
        # As PyPI compares names, https://packaging.python.org/en/latest/specifications/name-normalization/
        self.path = directory / re.sub(r"[-_.]+", "-", owner).lower()
        self._directory: CacheDirectory | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key, or the default where there is none."""
        with self._open_store() as directory:
            return directory.get(f"{FORMAT}:{key}", default)

    def set(self, key: str, value: Any) -> None:
        """Keep a value.

        Raises:
            TypeError: JSON has no form for it.
        """
        # Told as what it is: a fault of the plugin, and not of the store.
        json.dumps(value)
        with self._open_store() as directory:
            directory.set(f"{FORMAT}:{key}", value)

    def delete(self, key: str) -> None:
        """Keep a value no longer; nothing happens where there is none."""
        with self._open_store() as directory:
            directory.delete(f"{FORMAT}:{key}")

    def keys(self) -> list[str]:
        """Name all keys, in order."""
        prefix = f"{FORMAT}:"
        with self._open_store() as directory:
            return sorted(key.removeprefix(prefix) for key in directory if key.startswith(prefix))

    def close(self) -> None:
        """Close what was opened."""
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    @contextmanager
    def _open_store(self) -> Iterator[CacheDirectory]:
        try:
            if self._directory is None:
                refuse_link(self.path.parent)
                self._directory = open_directory(self.path, _OPTIONS)
            yield self._directory
        except (Damaged, *Failures) as error:
            raise Refused(
                f"The store {self.path} of a plugin cannot be used.",
                reason=f"{reason(error)}.",
                hint=hint_of(error) or "Make it writable; or remove it, and the plugin begins anew.",
            ) from None
