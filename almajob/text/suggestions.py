"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def find_similar(written: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known names that are most like what was written, best first.

    Args:
        count: how many at most.
        cutoff: how like they must be, from 0 to 1.
    """
    # Only those who err need it.
    import difflib

    return difflib.get_close_matches(written, list(known), n=count, cutoff=cutoff)


def suggest(written: str, known: Iterable[str]) -> str:
    """Ask whether the known name was meant that is most like what was written, whatever its case.

    Empty where none is like it.
    """
    names = {name.lower(): name for name in known}
    near = find_similar(written.lower(), names)
    return f"Did you mean {names[near[0]]}?" if near else ""
