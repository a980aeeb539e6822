"""Alma's own words for a status: the code table ``systemJobStatus``, kept for a day."""

from __future__ import annotations

import logging
from collections.abc import Callable

from almajob.alma.client import Alma
from almajob.alma.models import Code
from almajob.alma.status_codes import STATUSES
from almajob.errors import AlmajobError
from almajob.store.cache import Cache

LOG = logging.getLogger(__name__)

TABLE = "systemJobStatus"


class StatusTable:
    """Descriptions of statuses, fetched on first use.

    Args:
        alma: makes the connection; called only where the cache has no answer.
        cache: holds the table for a day.
        identity: tells one Alma from another in the keys of the cache.
        refresh: pass the cache over, and renew it.
    """

    def __init__(self, alma: Callable[[], Alma], cache: Cache, *, identity: str, refresh: bool) -> None:
        self._alma = alma
        self._cache = cache
        self._identity = identity
        self._refresh = refresh
        self._rows: dict[str, str] | None = None

    def description(self, status: Code) -> str:
        """Describe a status; a table that cannot be read is no reason to fail."""
        if self._rows is None:
            self._rows = self._find()
        known = STATUSES.get(status.value)
        return self._rows.get(status.value) or status.desc or (known.description if known else "")

    def _find(self) -> dict[str, str]:
        directory, key = f"codetable.{TABLE}", f"codetable:{self._identity}"
        kept = None if self._refresh else self._cache.get(directory, key)
        if kept is not None and isinstance(kept.value, dict):
            return {str(code): str(text) for code, text in kept.value.items()}
        try:
            rows = self._alma().code_table(TABLE)
        except AlmajobError as error:
            LOG.debug("The code table %s cannot be read: %s", TABLE, error.message)
            return {}
        if rows:
            self._cache.put(directory, key, rows)
        return rows
