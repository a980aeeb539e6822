"""The gateway before Alma: whose key it is, what the key may do, and how many calls are left today."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from almajob.simulator.errors import GatewayRefusal
from almajob.simulator.http.messages import Call
from almajob.simulator.world.job_data import PRODUCTION, SANDBOX

CALLS_A_DAY = 100_000
_DAY = 86400


@dataclass(frozen=True, slots=True)
class SimulatedKey:
    """An API key.

    Attributes:
        name: for the log, which never shows the key itself.
        environment: where it leads: production and sandbox have the same address.
        may_write: whether it may do more than GET; a guest's may not, nor a read-only one.
    """

    text: str
    name: str
    environment: str = SANDBOX
    may_write: bool = True


KEYS = (
    SimulatedKey("simulator-sandbox-key", "sandbox"),
    SimulatedKey("simulator-sandbox-readonly-key", "sandbox, read-only", may_write=False),
    SimulatedKey("simulator-guest-key", "guest", may_write=False),
    SimulatedKey("simulator-production-key", "production", PRODUCTION),
    SimulatedKey("simulator-production-readonly-key", "production, read-only", PRODUCTION, may_write=False),
)


class Gateway:
    """Passes calls on and counts them, those of all keys together, anew each day from midnight UTC."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.keys = {key.text: key for key in KEYS}
        self.remaining = CALLS_A_DAY
        self.a_day: int | None = None
        """Calls a day, as the header X-Exl-Api-Quota says; None where it is not sent, as by most gateways."""
        self._clock = clock
        self._day = clock() // _DAY
        self._lock = threading.Lock()

    def admit(self, call: Call) -> SimulatedKey:
        """Count a call and return whose it is.

        Raises:
            GatewayRefusal: the key does not allow it, or the day's calls are used up.
        """
        with self._lock:
            today = self._clock() // _DAY
            if today > self._day:
                self._day, self.remaining = today, self.a_day or CALLS_A_DAY
            if self.remaining <= 0:
                raise GatewayRefusal("DAILY_THRESHOLD")
            self.remaining -= 1
        key = self.keys.get(call.key)
        if key is None or (call.method != "GET" and not key.may_write):
            raise GatewayRefusal("UNAUTHORIZED")
        return key

    def name_of(self, call: Call) -> str:
        """Name the key of a call without showing it."""
        found = self.keys.get(call.key)
        return found.name if found else "unknown" if call.key else "none"
