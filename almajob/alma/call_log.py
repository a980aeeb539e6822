"""One line for each call of Alma, however it ends: what crossed the wire, when, for which run."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from almajob.alma.http.response import Answer
from almajob.errors import AlmaError, AlmajobError

LOG = logging.getLogger(__name__)

_ABOUT = re.compile(r"/conf/jobs/([^/]+)(?:/instances(?:/([^/]+).*)?)?")
_ANY_JOB = "ALL"
_STARTED = re.compile(rb"/instances/([0-9]+)")

_run_key: ContextVar[str] = ContextVar("run_key", default="")
_of_start: ContextVar[bool] = ContextVar("of_start", default=False)


@contextmanager
def for_run(run_key: str) -> Iterator[None]:
    """Mark the calls of a block, in its thread, as made for a run."""
    before = _run_key.set(run_key)
    try:
        yield
    finally:
        _run_key.reset(before)


@contextmanager
def of_start(run_key: str) -> Iterator[None]:
    """Mark the calls of a block, in its thread, as what the start of a run needs."""
    before = _of_start.set(True)
    try:
        with for_run(run_key):
            yield
    finally:
        _of_start.reset(before)


def are_of_start() -> bool:
    """Whether the calls that are made just now are what a start needs."""
    return _of_start.get()


@dataclass(slots=True)
class Call:
    """One request and what came of it.

    Attributes:
        environment: the name of Alma's.
        path: below ``/almaws/v1``.
        attempt: from 1; more where a read is tried again.
        begun: when it was sent, seconds since the epoch.
        seconds: until it ended.
        status: of the answer; None where none came.
        size: of the answer's body, in bytes.
        instance_id: of the run that the answer to a start names.
        error: how it ended, where that was not well.
    """

    environment: str
    method: str
    path: str
    attempt: int = 1
    begun: float = field(default_factory=time.time)
    seconds: float = 0.0
    status: int | None = None
    size: int = 0
    instance_id: str = ""
    error: BaseException | None = None

    def note(self, answer: Answer | None, error: AlmajobError | None) -> None:
        """Note the answer that came, if any, and what it was judged to be."""
        self.error = error
        if answer is None:
            return
        self.status, self.size = answer.status, len(answer.body)
        named = _STARTED.search(answer.body) if self.method == "POST" and error is None else None
        self.instance_id = named[1].decode() if named else ""

    def fields(self) -> dict[str, Any]:
        """Return what a line of the log says."""
        about = _ABOUT.fullmatch(self.path)
        job_id, instance_id = about.groups() if about else (None, None)
        error = self.error
        return {
            "time": datetime.fromtimestamp(self.begun, UTC).isoformat("T", "milliseconds")[:-6] + "Z",
            "run_key": _run_key.get() or None,
            "environment": self.environment or None,
            "job": None if job_id == _ANY_JOB else job_id,
            "instance": instance_id or self.instance_id or None,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "ms": round(self.seconds * 1000),
            "attempt": self.attempt,
            "tracking_id": (error.tracking_id or None) if isinstance(error, AlmaError) else None,
            "code": (error.code or None) if isinstance(error, AlmaError) else None,
            "error": None if error is None else type(error).__name__,
        }


@contextmanager
def log_call(environment: str, method: str, path: str, attempt: int = 1) -> Iterator[Call]:
    """Write a call to the log when it is over, whatever ended it."""
    call = Call(environment, method, path, attempt)
    begun = time.monotonic()
    try:
        yield call
    except BaseException as error:
        call.error = error
        raise
    finally:
        call.seconds = time.monotonic() - begun
        if LOG.isEnabledFor(logging.DEBUG):
            came = f"HTTP {call.status}, {call.size} bytes" if call.status else f"{type(call.error).__name__}"
            LOG.debug("%s %s: %s", method, path, came, extra={"call": call.fields()})
