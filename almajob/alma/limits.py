"""What all almajob processes of a user keep together: calls a second, calls a day, an Alma that is down.

What is known stands in a small file for each institution, under a lock that the kernel releases when its
process dies. Where there can be no such file, each process keeps the limits for itself: a hint that is lost
costs a call, and nothing that matters more depends on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from almajob.alma import allowance
from almajob.alma.allowance import Down, Go, Known, Moment, UsedUp
from almajob.alma.refusals import PER_SECOND_THRESHOLD
from almajob.alma.timelimits import Pace
from almajob.errors import AlmaError, AlmajobError, BrokenOff, CallsUsedUp, NotSent, QuotaUsedUp
from almajob.ownfile import make_private, open_own

LOG = logging.getLogger(__name__)

_LONGEST_LOCK = 1.0
# After a call its result matters more than what is learnt from it.
_SHORTEST_LOCK = 0.05
_LOCK_PAUSE = 0.002
_SIZE_LIMIT = 4096
_LONGEST_TEXT = 200
_DOWN_STATUSES = frozenset({502, 503, 504})


class Time(Protocol):
    """The clock that is used; ``runs.clock.Clock`` is one."""

    @property
    def now(self) -> Callable[[], float]:
        """Seconds since the epoch."""

    @property
    def booted(self) -> Callable[[], float]:
        """Seconds since the machine was started."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Wait for so many seconds."""


class Limits:
    """The limits of one institution's Alma.

    Args:
        path: of the file that all processes share; None where there is none.
        pace: how often Alma may be called.
        clock: gives the time to use.
    """

    def __init__(self, path: Path | None, pace: Pace, clock: Callable[[], Time]) -> None:
        self.path = path
        self.pace = pace
        self._clock = clock
        self._ignores_quota = False
        self._lock = threading.Lock()
        self._own = Known()

    def ignore_quota_once(self) -> None:
        """Let one call be made although the day's are used up."""
        self._ignores_quota = True

    def admit(self, host: str, seconds: float, *, is_start: bool = False) -> None:
        """Wait until a call may be made, and count it.

        Args:
            host: for the message.
            seconds: how long to wait, at most.
            is_start: the call starts a job.

        Raises:
            CallsUsedUp: there are no calls left for the day.
            NotSent: Alma is down, or other calls take all the room.
        """
        begun, waited = self._clock().booted(), 0.0
        while True:
            with self._held(_LONGEST_LOCK) as held:
                held.known, verdict = allowance.asked(
                    held.known,
                    self.pace,
                    self.moment(),
                    is_start=is_start,
                    ignores_quota=self._ignores_quota,
                )
                if isinstance(verdict, Go):
                    self._ignores_quota = False
                    return
            if not isinstance(verdict, allowance.Wait):
                raise self._refusal(verdict, host)
            # Who has waited longer comes first, and not all at the same time.
            spread = random.random() / self.pace.rate / (1 + waited)  # noqa: S311  # no secret
            pause = verdict.seconds + spread
            if waited + pause > seconds:
                raise _no_room(host, seconds)
            self._clock().sleep(pause)
            waited = self._clock().booted() - begun

    def answered(self, error: AlmajobError | None, left: str | None = None, status: int = 0) -> None:
        """Note what came of a call.

        Args:
            error: how it ended; None where Alma gave what was asked for.
            left: what its header X-Exl-Api-Remaining says; None where it had none.
            status: of the answer; 0 where none came.
        """
        moment = self.moment()
        with self._held(_SHORTEST_LOCK) as held:
            held.known = _learnt(held.known, moment, error, _count(left), status)
            held.known, is_due = allowance.warned(held.known, self.pace, moment)
            known = held.known
        if is_due:
            LOG.warning(
                "Alma has %s API calls left for today, for all programs of the institution: "
                "almajob slows down what can wait.",
                f"{known.left:,}",
            )

    @property
    def is_low(self) -> bool:
        """Whether few calls are left for the day."""
        return allowance.is_low(self.known(), self.pace)

    def known(self) -> Known:
        """Give what is known, without asking or changing anything."""
        if self.path is None:
            return self._own
        try:
            text = self.path.read_bytes()[:_SIZE_LIMIT]
        except OSError:
            return self._own
        return allowance.sane(_parsed(text), self.pace, self._clock().booted())

    def moment(self) -> Moment:
        """Give this moment."""
        clock = self._clock()
        return Moment(clock.booted(), clock.now())

    @contextlib.contextmanager
    def _held(self, seconds: float) -> Iterator[_Held]:
        """Hold what is known; what is put there is kept."""
        with self._lock, contextlib.ExitStack() as closing:
            descriptor = self._opened(seconds, closing)
            held = _Held(self._own if descriptor is None else _read(descriptor, self._own))
            before = held.known
            yield held
            self._own = held.known
            if descriptor is not None and held.known != before:
                _write(descriptor, held.known)

    def _opened(self, seconds: float, closing: contextlib.ExitStack) -> int | None:
        """Open the file and lock it; None where that cannot be had: then this process is on its own."""
        if self.path is None:
            return None
        try:
            descriptor = _open(self.path)
            closing.callback(_close, descriptor)
            # As a process that was stopped keeps its lock, nobody waits for long.
            if _locked(descriptor, seconds):
                return descriptor
            LOG.debug("%s is locked by a process that does not go on.", self.path)
        except OSError as error:
            LOG.debug("%s cannot be used: %s.", self.path, error.strerror)
        return None

    def _refusal(self, verdict: UsedUp | Down, host: str) -> AlmajobError:
        now = self._clock().now()
        if isinstance(verdict, Down):
            return NotSent(
                f"{host} did not answer the last {verdict.failures} calls, and is not asked just now.",
                why=f"The last one: {verdict.failed_as}",
                cure=f"It is tried again from {_time(now + verdict.seconds)} on; do so then.",
            )
        probe = _time(now + max(verdict.probe_in, 0.0))
        return CallsUsedUp(
            "The institution's API calls for today are used up.",
            why=f"Alma said so at {_time(verdict.since)}; it was not asked again.",
            cure=f"The next call is made from {probe} on; Alma counts anew about {_time(verdict.until)}.\n"
            "almajob quota shows what is known; --ignore-quota lets a person ask once before.",
        )


class _Held:
    """What is known, while it is held."""

    __slots__ = ("known",)

    def __init__(self, known: Known) -> None:
        self.known = known


def _learnt(known: Known, moment: Moment, error: AlmajobError | None, left: int | None, status: int) -> Known:
    if isinstance(error, QuotaUsedUp):
        return allowance.used_up(known, moment)
    if isinstance(error, AlmaError) and error.code == PER_SECOND_THRESHOLD:
        return allowance.slowed(known, moment)
    if isinstance(error, (BrokenOff, NotSent)) or status in _DOWN_STATUSES:
        how = f"{error.what} {error.why}".strip() if error else ""
        return allowance.failed(known, moment, how[:_LONGEST_TEXT])
    # Of what is no answer of Alma's the header says nothing.
    is_alma = error is None or isinstance(error, AlmaError)
    return allowance.answered(known, moment, left if is_alma else None, is_served=error is None)


def _count(left: str | None) -> int | None:
    """Read a header that counts; None where it does not."""
    text = (left or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None


def _read(descriptor: int, otherwise: Known) -> Known:
    try:
        return _parsed(os.pread(descriptor, _SIZE_LIMIT, 0))
    except OSError:
        # A pipe that was planted, or a disk that fails.
        return otherwise


def _parsed(text: bytes) -> Known:
    try:
        return allowance.from_json(json.loads(text))
    except (ValueError, RecursionError):
        return Known()


def _open(path: Path) -> int:
    make_private(path.parent)
    return open_own(path, os.O_RDWR)


def _locked(descriptor: int, seconds: float) -> bool:
    """Lock a file as soon as it is free; False where it is not within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_LOCK_PAUSE)
        else:
            return True


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _write(descriptor: int, known: Known) -> None:
    text = json.dumps(allowance.to_json(known)).encode()
    with contextlib.suppress(OSError):
        # Blanks behind a shorter text are no part of JSON; to cut it off would be a second step.
        os.pwrite(descriptor, text.ljust(_SIZE_LIMIT), 0)


def _no_room(host: str, seconds: float) -> NotSent:
    return NotSent(
        f"{host} was not called: other calls took all the room for {seconds:.0f} s.",
        why="All almajob processes of this user together keep to the calls a second that Alma allows.",
        cure="Try again when they have ended; calls_per_second in the ini allows more.",
    )


def _time(now: float) -> str:
    return f"{datetime.fromtimestamp(now).astimezone():%H:%M:%S (%z)}"
