"""Leave to make one call of Alma: asked of the limiter, used by the session, and reported by the caller."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from almajob.errors import AlmajobError, QuotaUsedUp

if TYPE_CHECKING:
    from collections.abc import Callable

_VALID_SECONDS = 10.0


class Permit:
    """Leave to make one call; at the end of a ``with`` block, what came of it is reported.

    Args:
        renew: waits for another one, for so many seconds at most.
        report: takes what came of the call: the error, the header that counts the calls left, the status. It
            returns the hint for when the day's calls are used up.
    """

    def __init__(
        self,
        renew: Callable[[float], object] = lambda _seconds: None,
        report: Callable[[AlmajobError | None, str | None, int], str] = lambda *_: "",
    ) -> None:
        self._renew = renew
        self._report = report
        self._valid_until = time.monotonic() + _VALID_SECONDS
        self._outcome: tuple[AlmajobError | None, str | None, int] | None = None
        self._hint = ""

    def use(self, seconds: float) -> None:
        """Use it for a call; where it has expired, wait for another one, for so many seconds at most."""
        if time.monotonic() > self._valid_until:
            self._renew(seconds)
        self._valid_until = 0.0

    def note(self, error: AlmajobError | None, left: str | None = None, status: int = 0) -> None:
        """Note what came of the call; nothing is written before ``report``.

        Args:
            error: how it ended; None where Alma gave what was asked for.
            left: what the header X-Exl-Api-Remaining says; None where there was none.
            status: of the answer; 0 where none came.
        """
        self._outcome = (error, left, status)

    def report(self) -> None:
        """Report to the limiter what came of the call, once."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            self._hint = self._report(*outcome)

    def explain(self, error: AlmajobError) -> AlmajobError:
        """Return an error with what the limiter knows of when the next call may be made."""
        return error.replace(hint=self._hint) if self._hint and isinstance(error, QuotaUsedUp) else error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.report()
