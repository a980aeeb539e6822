"""Processes in which other people's code is loaded: whatever it does there, almajob goes on and can tell.

A process is asked, a line of JSON at a time, to call functions of ours. It has no stdin, a session of its own
(Ctrl-C is not for it), no API keys, and ends when nobody can ask it any more.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from typing import Any

from almajob.errors import name_error
from almajob.system.key_variables import list_for_child
from almajob.system.sharing.forks import forget_in_children

LIMIT = 10.0
"""Seconds that a call may take: so long may an import last."""
_START_LIMIT = 60.0
_LONGEST_ANSWER = 2**28
_PROGRAM = """
import sys
requests, answers, *sys.path[:] = sys.argv[1:]
from almajob.system.isolated_process import serve
serve(int(requests), int(answers))
"""


class ProcessEnded(Exception):
    """The process is no more; the text says how it ended."""


class CallFailed(Exception):
    """What was called raised an error; the text names it."""


class Process:
    """A process in which functions are called.

    Args:
        is_heard: what is written to its stderr goes where ours goes, and its stdout is our terminal, if we
            have one; otherwise nothing that it writes is seen.
        output: the number of an open file that gets all that it writes.
        secrets: how the names begin of the variables with secrets that it gets.
    """

    def __init__(
        self, *, is_heard: bool = False, output: int | None = None, secrets: Sequence[str] = ()
    ) -> None:
        asked, self._requests = os.pipe()
        self._answers, answered = os.pipe()
        self._is_ready = False
        has_terminal = is_heard and os.isatty(1)
        unheard = subprocess.DEVNULL if output is None else output
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(asked), str(answered), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=None if has_terminal else unheard,
                stderr=None if is_heard else unheard,
                pass_fds=(asked, answered),
                start_new_session=True,
                env=list_for_child(*secrets),
            )
        except OSError:
            self._process = None
        finally:
            os.close(asked)
            os.close(answered)
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Leave the process to the parent of a forked child: it ends when that one can ask no more."""
        if self._requests >= 0:
            os.close(self._requests)
            os.close(self._answers)
        self._requests = self._answers = -1
        self._process = None

    def call(self, function: str, *arguments: Any, limit: float | None = LIMIT) -> Any:
        """Call a function in the process.

        Args:
            function: one of ours, as ``module:name``.
            arguments: JSON, as is what comes back; what has no form in it is passed as text.
            limit: how many seconds it may take.

        Raises:
            CallFailed: it raised an error.
            ProcessEnded: the process ended meanwhile, or had to be ended.
        """
        if self._process is None:
            raise ProcessEnded("could not be tried: no process can be started")
        request = json.dumps([function, arguments, limit], default=str)
        try:
            if not self._is_ready:
                self._read_line(_START_LIMIT)
                self._is_ready = True
            rest = memoryview(f"{request}\n".encode())
            while rest:
                rest = rest[os.write(self._requests, rest) :]
            answer = json.loads(self._read_line(limit))
            is_error, value = answer["is_error"], answer["value"]
        except ProcessEnded:
            self.close()
            raise
        except (OSError, ValueError, LookupError, TypeError):
            # It is gone, or something else wrote in its place.
            raise ProcessEnded(self._tell_end(limit)) from None
        if is_error:
            raise CallFailed(str(value))
        return value

    def _read_line(self, limit: float | None) -> bytes:
        end = math.inf if limit is None else time.monotonic() + limit
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        line = bytearray()
        assert self._process is not None
        while not line.endswith(b"\n"):
            if time.monotonic() > end:
                raise ProcessEnded(_overdue(limit))
            # What it started may hold its pipes open when it is gone.
            is_gone = self._process.poll() is not None
            if waiting.poll(100):
                read = os.read(self._answers, 2**16)
                line += read
                is_gone = not read or len(line) > _LONGEST_ANSWER
            if is_gone and not line.endswith(b"\n"):
                raise ProcessEnded(self._tell_end(limit))
        return bytes(line)

    def _tell_end(self, limit: float | None) -> str:
        """End the process, and say how it ended where it did so by itself."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            # Its pipes close a moment before.
            self._process.wait(1)
        code = self._process.poll()
        self.close()
        if code is None:
            return "gave no answer that can be read"
        if code == -signal.SIGALRM:
            return _overdue(limit)
        if code < 0:
            return f"ended the process ({signal.strsignal(-code) or 'unknown signal'})"
        return f"ended the process (exit code {code})"

    def close(self) -> None:
        """End the process, with all that it has started."""
        # Once: its numbers may be another's later.
        if self._requests < 0:
            return
        os.close(self._requests)
        os.close(self._answers)
        self._requests = self._answers = -1
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _overdue(limit: float | None) -> str:
    return f"did not end within {limit or 0:.0f} s"


class Processes:
    """A process for each of several parties, such as distributions; one that ends is followed by another."""

    def __init__(self, parties: Iterable[str]) -> None:
        # All at once: they start beside each other.
        self._processes = {party: Process() for party in dict.fromkeys(parties)}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def call(self, party: str, function: str, *arguments: Any) -> Any:
        """Call a function in a party's process; see ``Process.call``."""
        if party not in self._processes:
            self._processes[party] = Process()
        try:
            return self._processes[party].call(function, *arguments)
        except ProcessEnded:
            del self._processes[party]
            raise


def serve(requests: int, answers: int) -> None:
    """Be such a process: call what is asked for until nobody can ask any more."""
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    with open(requests, "rb") as lines, open(answers, "wb") as written:
        written.write(b"\n")
        written.flush()
        for line in lines:
            function, arguments, limit = json.loads(line)
            # For the case that nobody is left who would end it.
            signal.alarm(math.ceil(limit or 0))
            answer = _answer(function, arguments)
            signal.alarm(0)
            written.write(f"{answer}\n".encode())
            written.flush()
    # Nothing that others want done at the end of the process.
    os._exit(0)


def _answer(function: str, arguments: Iterable[Any]) -> str:
    module, _, name = function.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            value = getattr(import_module(module), name)(*arguments)
        return json.dumps({"is_error": False, "value": value})
    except BaseException as error:  # noqa: BLE001  # whatever a plugin raises
        return json.dumps({"is_error": True, "value": name_error(error)})
