"""Processes that are forked from one that has imported everything: quick, and with nothing else shared."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


class _Process(ForkServerProcess):
    def start(self) -> None:
        # The server gets no path of ours: it finds these tests only where it is started beside them. Without,
        # it says nothing, and each process takes the time to import everything for itself.
        with contextlib.chdir(_ROOT), pytest.MonkeyPatch.context() as patched:
            # Its processes have the variables with which it is started: those of no one test.
            for name in [name for name in os.environ if name.startswith(("ALMAJOB_", "PG"))]:
                patched.delenv(name)
            forkserver.ensure_running()
        super().start()


class _Processes(ForkServerContext):
    Process = _Process


PROCESSES = _Processes()
PROCESSES.set_forkserver_preload(
    ["almajob.cli.app", "almajob.commands.run", "requests", "tests.whole.mortal"]
)


def exit_codes(target: Callable[..., object], arguments: Iterable[tuple[object, ...]]) -> list[int | None]:
    """Run a function in as many processes as there are arguments for, all at once; give their exit codes."""
    processes = [PROCESSES.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]
