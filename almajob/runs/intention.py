"""What somebody wants to be started, where, and with what: the three things that a start is decided from."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from almajob.alma.api import Alma
from almajob.alma.models import Job, Parameter
from almajob.errors import Refused
from almajob.runs import clock as clocks
from almajob.store.ledger import Ledger
from almajob.store.locks import Held, locked
from almajob.store.record import checksum

LOCK_WAIT = 60.0
"""Seconds to wait for another process that starts the same job, where nobody says otherwise."""
_LOCK_PAUSE = 0.03


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a start goes about it.

    Attributes:
        run_key: the user's name for the run; the same name never starts it twice.
        once_per: hour, day, week or month, instead of a name.
        if_running: refuse, attach or start, where a run of the job has not ended.
        rerun_failed: start anew where the run of this name ended badly.
        lock_wait: seconds to wait for another process that starts the same job.
        wait_for_slot: seconds to wait where one of Alma's limits is reached.
    """

    run_key: str = ""
    once_per: str = ""
    if_running: str = "refuse"
    rerun_failed: bool = False
    lock_wait: float = LOCK_WAIT
    wait_for_slot: float = 0.0


@dataclass(frozen=True, slots=True)
class Intention:
    """One wish to start one job once.

    Attributes:
        job: as the job list has it.
        parameters: in the order in which they are sent.
        options: how to go about it.
        run_key: names the run: the user's name for it, the period's, or a random one.
        is_named: whether the same command has the same run key.
    """

    job: Job
    parameters: tuple[Parameter, ...] = ()
    options: StartOptions = field(default_factory=StartOptions)
    run_key: str = ""
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The environment in which it is to be started.

    Attributes:
        environment: its name in the ini.
        kind: sandbox or production.
        identity: tells one Alma and key from another, without giving the key away.
        has_tags: whether runs that can be named get a tag.
        may_infer: whether the only run that fits may be taken for ours.
        has_limits: whether Alma's limits on starts hold.
    """

    environment: str
    kind: str
    identity: str
    has_tags: bool = True
    may_infer: bool = False
    has_limits: bool = True


@dataclass(frozen=True, slots=True)
class Means:
    """What it is done with.

    Attributes:
        lock: gives the lock of a name, waiting for so many seconds.
    """

    alma: Alma
    ledger: Ledger
    lock: Callable[[str, float], AbstractContextManager[None]]
    clock: clocks.Clock = field(default_factory=clocks.system)


def locks_in(directory: Path) -> Callable[[str, float], AbstractContextManager[None]]:
    """Make the locks that all processes on this machine share.

    Args:
        directory: of the locks' files.
    """
    since = datetime.now(UTC).astimezone()
    note = f"process {os.getpid()} on {platform.node()}, which began at {since:%Y-%m-%d %H:%M:%S %z}"

    def lock(name: str, wait: float) -> AbstractContextManager[None]:
        path = directory / f"{checksum(name)[:16]}.lock"
        return _Waiting(locked(path, wait=wait, pause=_LOCK_PAUSE, note=note), directory)

    return lock


class _Waiting(AbstractContextManager[None]):
    """A lock whose failures are words for people."""

    def __init__(self, lock: AbstractContextManager[None], directory: Path) -> None:
        self._lock = lock
        self._directory = directory

    def __enter__(self) -> None:
        try:
            self._lock.__enter__()
        except Held as held:
            raise Refused(
                "Another almajob is busy with this job.",
                why=f"It is {held.holder}." if held.holder else "",
                cure="Try again when it has ended; --lock-wait DURATION waits longer for it.",
            ) from None
        except OSError as error:
            raise Refused(
                f"No lock can be made in {self._directory}; nothing was sent.",
                why=f"{error.strerror}.",
                cure="Without locks a job could be started twice. ALMAJOB_STATE_DIR names another directory.",
            ) from None

    def __exit__(self, *of_error: object) -> None:
        self._lock.__exit__(None, None, None)
