"""What a test lets happen at a moment of a request, such as Ctrl-C."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Moment = Literal["before", "after"]


@dataclass(slots=True)
class Interruption:
    """Something that is to happen while a request is served, such as Ctrl-C.

    Attributes:
        on: a pattern of method and path.
        moment: before the request is accepted, or after it and before the answer.
        nth: at which of the requests that match, from 1.
        act: what happens.
        seen: how many requests matched so far.
    """

    on: str
    moment: Moment
    nth: int
    act: Callable[[], None]
    seen: int = 0


class Interruptions:
    """The interruptions that a test planned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Interruption] = []

    def add(self, on: str, moment: Moment, act: Callable[[], None], nth: int = 1) -> None:
        """Plan one.

        Raises:
            ValueError: there is no such moment, or nth is less than 1.
        """
        if moment not in ("before", "after") or nth < 1:
            raise ValueError('the moment is "before" or "after", and nth is 1 or more')
        with self._lock:
            self._planned.append(Interruption(on, moment, nth, act))

    def happen(self, method: str, path: str, moment: Moment) -> bool:
        """Do what was planned for this moment of a request; return whether there was anything."""
        with self._lock:
            matching = [
                planned
                for planned in self._planned
                if planned.moment == moment and fnmatch.fnmatchcase(f"{method} {path}", planned.on)
            ]
            for planned in matching:
                planned.seen += 1
            due = [planned for planned in matching if planned.seen == planned.nth]
        for planned in due:
            planned.act()
        return bool(due)

    def list_unused(self) -> list[Interruption]:
        """Return those that never happened."""
        with self._lock:
            return [planned for planned in self._planned if planned.seen < planned.nth]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._planned.clear()
