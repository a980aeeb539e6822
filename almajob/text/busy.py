"""How people are told of what takes long: its words, and the callback that shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from almajob.text.time_format import format_duration


class Busy(Protocol):
    """Shows people what is waited for, as long as a block lasts; it never fails."""

    def __call__(
        self, describe: Callable[[], str], /, *, is_long: bool = False, is_minor: bool = False
    ) -> AbstractContextManager[None]:
        """Show it.

        Args:
            describe: words it, again and again, so that it can count; called in another thread.
            is_long: it takes long for sure, and is shown at once.
            is_minor: it is not shown where it is a part of something that is; where it is not, people see for
                how long there has been nothing else.
        """


@contextmanager
def show_nothing(
    _describe: Callable[[], str], /, *, is_long: bool = False, is_minor: bool = False
) -> Iterator[None]:
    """Show nobody anything."""
    yield


def count_down(text: str, end: float, elapsed: Callable[[], float]) -> Callable[[], str]:
    """Word a wait with a known end: its text, and how much is left.

    Args:
        end: by the clock that ``elapsed`` reads, in seconds.
    """
    return lambda: f"{text} … {format_duration(max(math.ceil(end - elapsed()), 0))} left"


def count_items(name: str, found: int, total: int | None) -> str:
    """Word how far a list is read: ``Reading jobs: 3,200 of 10,000``."""
    return f"Reading {name}: {found:,} of {total:,}" if total else f"Reading {name}"
