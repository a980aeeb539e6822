"""The entry points of what is installed, without importing any of it, nor cliff."""

from __future__ import annotations

import logging
from importlib.metadata import Distribution, EntryPoint, distributions

LOG = logging.getLogger(__name__)


def entry_points_of(*groups: str) -> list[EntryPoint]:
    """List the entry points of some groups, each once, though two directories of sys.path may tell of it.

    ``importlib.metadata.entry_points`` parses what every distribution has to say, where few have anything
    for us.
    """
    found: dict[tuple[str, str, str], EntryPoint] = {}
    for distribution in distributions():
        for point in _entry_points_in(distribution, groups):
            found.setdefault((point.group, point.name, point.value), point)
    return list(found.values())


def _entry_points_in(distribution: Distribution, groups: tuple[str, ...]) -> list[EntryPoint]:
    """Read one distribution; one that cannot be read takes nothing down with it."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):
        # Not even text; nothing to do with almajob, as far as anybody can tell.
        return []
    if not any(f"[{group}]" in text for group in groups):
        return []
    try:
        return [point for point in distribution.entry_points if point.group in groups]
    except OSError:
        # It could be read a moment ago.
        return []
    except (TypeError, ValueError) as error:
        LOG.warning("The entry points of %s cannot be read: %s", distribution.metadata["Name"], error)
        return []
