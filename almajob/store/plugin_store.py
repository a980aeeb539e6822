"""What a plugin keeps between invocations: JSON values under its own names, apart from all others'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from almajob.errors import Refused
from almajob.store.diskcache_directory import Drawer, Manner, open_drawer
from almajob.store.errors import Damaged, Failures, cause, reason
from almajob.system.private_files import NotPrivate, refuse_link

FORMAT = 1
"""Part of every key: entries of another format are not found."""
_MANNER = Manner(
    """\
This directory belongs to a plugin of almajob, whose name it has: what it keeps from one call to the next.
It is removed by hand when the plugin is uninstalled.
""",
    {"cull_limit": 0},
    lock_seconds=30.0,
)


class Belongings:
    """A plugin's own store; nothing is opened or made before it is used.

    Keys are text, values whatever JSON can hold. Nothing expires. No key or secret belongs in it.

    Args:
        directory: has one drawer for each distribution.
        owner: the distribution's name.
    """

    def __init__(self, directory: Path, owner: str) -> None:
        # As PyPI compares names, https://packaging.python.org/en/latest/specifications/name-normalization/
        self.path = directory / re.sub(r"[-_.]+", "-", owner).lower()
        self._drawer: Drawer | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key, or the default where there is none.

        Raises:
            Refused: the store cannot be read.
        """
        with self._opened() as drawer:
            return drawer.get(f"{FORMAT}:{key}", default)

    def set(self, key: str, value: Any) -> None:
        """Keep a value.

        Raises:
            Refused: it is not certain to be kept.
            TypeError: JSON has no form for it.
        """
        # Told as what it is: a fault of the plugin, and not of the store.
        json.dumps(value)
        with self._opened() as drawer:
            drawer.set(f"{FORMAT}:{key}", value)

    def delete(self, key: str) -> None:
        """Keep a value no longer; nothing happens where there is none.

        Raises:
            Refused: it may still be there.
        """
        with self._opened() as drawer:
            drawer.delete(f"{FORMAT}:{key}")

    def keys(self) -> list[str]:
        """Name all keys, in order.

        Raises:
            Refused: the store cannot be read.
        """
        prefix = f"{FORMAT}:"
        with self._opened() as drawer:
            return sorted(key.removeprefix(prefix) for key in drawer if key.startswith(prefix))

    def close(self) -> None:
        """Close what was opened."""
        if self._drawer is not None:
            self._drawer.close()
            self._drawer = None

    @contextmanager
    def _opened(self) -> Iterator[Drawer]:
        try:
            if self._drawer is None:
                refuse_link(self.path.parent)
                self._drawer = open_drawer(self.path, _MANNER)
            yield self._drawer
        except (Damaged, *Failures) as error:
            raise Refused(
                f"The store {self.path} of a plugin cannot be used.",
                reason=f"{reason(cause(error))}.",
                hint=error.hint
                if isinstance(error, NotPrivate)
                else "Make it writable; or remove it, and the plugin begins anew.",
            ) from None
