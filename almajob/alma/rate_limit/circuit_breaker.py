"""An Alma that is down: after some failures one call at a time finds out for all whether it is back."""

from __future__ import annotations

from typing import NamedTuple

FAILURES = 10
"""Calls that fail one after the other until Alma counts as down."""
DOWN_SECONDS = 30.0
"""How long it is left alone then, each time; a start whose answer was lost is looked for meanwhile."""
FORGOTTEN = 300.0
"""Seconds after which a failure says nothing any more."""


class Down(NamedTuple):
    """Alma did not answer, so often that nobody asks for so many seconds.

    Attributes:
        is_probed: somebody is just finding out whether it is back.
    """

    seconds: float
    failures: int
    failed_as: str
    is_probed: bool = False


class CircuitBreaker(NamedTuple):
    """The calls of one host that failed. Times are seconds since the machine was started.

    Attributes:
        failures: how many failed one after the other.
        failed_at: when the last of them did.
        probed_at: when somebody was last let through to find out whether it is back.
        failed_host: the host.
        failed_as: how the last of them failed.
    """

    failures: int = 0
    failed_at: float = 0.0
    probed_at: float = 0.0
    failed_host: str = ""
    failed_as: str = ""

    def forget_stale(self, booted: float) -> CircuitBreaker:
        """Forget failures that are too old to mean anything, and times that nobody made."""
        if not 0 <= booted - self.failed_at < FORGOTTEN:
            return self.forget_times()
        return self if self.probed_at <= booted else self._replace(probed_at=0.0)

    def forget_times(self) -> CircuitBreaker:
        """Forget the failures, and keep how the last one failed."""
        return self._replace(failures=0, failed_at=0.0, probed_at=0.0)

    def is_open(self, host: str) -> bool:
        """Whether a host counts as down."""
        return self.failures >= FAILURES and self.failed_host == host

    def check(self, host: str, booted: float) -> Down | None:
        """Return why nobody may call a host; None where somebody may, be it as a probe."""
        seconds = max(self.failed_at, self.probed_at) + DOWN_SECONDS - booted
        if not self.is_open(host) or seconds <= 0:
            return None
        return Down(seconds, self.failures, self.failed_as, self.probed_at > self.failed_at)

    def probe(self, host: str, booted: float) -> CircuitBreaker:
        """Note that a call is made; where its host is down, it finds out for all whether it is back."""
        return self._replace(probed_at=booted) if self.is_open(host) else self

    def note_answer(self, host: str) -> CircuitBreaker:
        """Note that a host answered."""
        return CircuitBreaker() if host == self.failed_host else self

    def note_failure(self, host: str, how: str, booted: float) -> CircuitBreaker:
        """Note that a call got no answer of Alma's, and how it failed, in one sentence."""
        before = self.failures if self.failed_host == host else 0
        return CircuitBreaker(before + 1, booted, 0.0, host, how)
