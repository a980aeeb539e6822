"""What the limiter needs of wherever the calls of an institution are counted: a file, or a database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from almajob.alma.rate_limit.daily_quota import Moment
from almajob.alma.rate_limit.rate_state import RateState


@dataclass(slots=True)
class Known:
    """What is known of the calls.

    Attributes:
        state: what is put there in an ``edit`` is kept.
        moment: this moment, by the clock that all who count there go by; None where that is this machine's.
    """

    state: RateState
    moment: Moment | None = None


class CallAccount(Protocol):
    """What is known of one institution's calls. It never fails: where it must, it knows less."""

    def edit(self, seconds: float) -> AbstractContextManager[Known]:
        """Lock what is known, and keep what it is changed to, in a block.

        Args:
            seconds: how long to wait, at most, for another process that has it.
        """

    def read(self) -> Known:
        """Return what is known, without waiting, and without making anything where there is nothing."""
