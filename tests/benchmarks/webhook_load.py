"""How many messages a second a webhook listener keeps: ``python -m tests.benchmarks.webhook_load``.

A real listener, whose Alma is down so that every message stays on disk; signed messages at a fixed pace, over
connections that stay open, from processes of their own; and slow clients beside them. The exit code is 1 if a
message is lost, or the listener has taken more memory than it may.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.listeners import make_message, serve, sign, write_listener_ini

SENDERS, CONNECTIONS = 2, 8
"""Processes that send, and connections of each."""
SLOW_CLIENTS = 50
MOST_MEMORY = 60.0
"""MiB."""
_FIRST_RUN = 10**15
_PATIENCE = 60.0
_SLOW_PAUSE = 0.5


class Sent(NamedTuple):
    """What became of the messages of one sender.

    Attributes:
        messages: how many were sent.
        seconds: from each message to its answer, for those that were answered 200.
        end: when the last one was answered, on the machine's monotonic clock.
    """

    messages: int
    seconds: list[float]
    end: float


def _make_request(instance_id: str) -> bytes:
    body = make_message(instance_id)
    headers = {"Host": "localhost", "Content-Length": str(len(body)), **sign(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + body


def _read_status(connection: socket.socket) -> int:
    """Read one response, and return its status."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = (int(found[1]) if found else 0) - len(rest)
    while missing > 0:
        missing -= len(_receive(connection))
    return int(head.split(b" ", 2)[1])


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(4096)
    if not received:
        raise ConnectionError("the listener has closed the connection")
    return received


def _send(port: int, numbers: range, pace: float, ready: threading.Barrier, start: list[float]) -> Sent:
    """Send messages, each when it is due or as soon after as the connection is free."""
    requests = [_make_request(str(_FIRST_RUN + number)) for number in numbers]
    seconds: list[float] = []
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ready.wait(_PATIENCE) == 0:
            start.append(time.monotonic())
        ready.wait(_PATIENCE)
        with suppress(OSError):
            for number, request in zip(numbers, requests, strict=True):
                time.sleep(max(start[0] + number / pace - time.monotonic(), 0.0))
                begun = time.monotonic()
                sent += 1
                connection.sendall(request)
                if _read_status(connection) == 200:
                    seconds.append(time.monotonic() - begun)
    return Sent(sent, seconds, time.monotonic())


def send_share(port: int, share: range, pace: float) -> tuple[float, list[Sent]]:
    """Send one process's share of the messages, over several connections.

    Args:
        share: the numbers of its messages; number n is due n / pace seconds after the start.
        pace: messages a second, of all processes.

    Returns:
        When it began, on the machine's monotonic clock, and what became of each connection's messages.
    """
    ready = threading.Barrier(CONNECTIONS)
    start: list[float] = []
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        shares = [share[first::CONNECTIONS] for first in range(CONNECTIONS)]
        found = list(threads.map(lambda each: _send(port, each, pace, ready, start), shares))
    return start[0], found


@contextmanager
def _slow_clients(port: int) -> Iterator[None]:
    """Keep slow clients at it: a byte now and then, and a new connection where one was closed."""
    is_done = threading.Event()

    def trickle() -> None:
        clients: list[socket.socket] = []
        while not is_done.wait(_SLOW_PAUSE):
            while len(clients) < SLOW_CLIENTS:
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE))
                clients[-1].sendall(b"POST / HTTP/1.1\r\nX-Slow: ")
            for client in list(clients):
                try:
                    client.sendall(b"x")
                except OSError:
                    client.close()
                    clients.remove(client)
        for client in clients:
            client.close()

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def _memory_of(pid: int) -> float:
    """Return the most memory that a process has had, in MiB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found, "the kernel does not tell"
    return int(found[1]) / 1024


def _processor_time_of(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(directory: Path, *, seconds: int, pace: int) -> bool:
    """Print what the listener does with that many messages, and say whether it does what it must.

    Args:
        directory: an empty one, for the listener's configuration and its messages.
        pace: messages a second.
    """
    ini = write_listener_ini(directory / "almajob.ini", "http://127.0.0.1:9")
    environ = {"ALMAJOB_INI": str(ini), "ALMAJOB_STATE_DIR": str(directory / "state")}
    numbers = range(seconds * pace)
    context = multiprocessing.get_context("spawn")
    with (
        serve(environ=environ) as listener,
        _slow_clients(listener.port),
        ProcessPoolExecutor(SENDERS, mp_context=context) as senders,
    ):
        before = _processor_time_of(listener.process.pid)
        shares = [
            senders.submit(send_share, listener.port, numbers[first::SENDERS], pace)
            for first in range(SENDERS)
        ]
        results = [share.result() for share in shares]
        spent = _processor_time_of(listener.process.pid) - before
        memory = _memory_of(listener.process.pid)
    found = list(itertools.chain.from_iterable(each for _start, each in results))
    took = max(each.end for each in found) - min(start for start, _each in results)
    answers = [second * 1000 for each in found for second in each.seconds]
    kept = len(list(directory.glob("state/webhook/*/incoming/*.json")))
    hundredths = statistics.quantiles(answers, n=100) if len(answers) > 1 else [float("nan")] * 99
    load = os.getloadavg()[0]
    rows = {
        "messages to send": len(numbers),
        "sent": sum(each.messages for each in found),
        "answered 200": len(answers),
        "kept on disk": kept,
        "pace reached, a second": f"{len(answers) / took:.0f}",
        "median answer, ms": f"{hundredths[49]:.1f}",
        "99th percentile, ms": f"{hundredths[98]:.1f}",
        "longest answer, ms": f"{max(answers, default=float('nan')):.1f}",
        "processor time a message, ms": f"{spent / max(len(answers), 1) * 1000:.2f}",
        "memory of the listener (VmHWM), MiB": f"{memory:.1f}",
        "load of the machine / cores": f"{load:.1f} / {os.cpu_count()}",
    }
    for name, value in rows.items():
        print(f"{name:36} {value:>10}")
    return len(numbers) == len(answers) == kept and memory <= MOST_MEMORY


def main() -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.webhook_load", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="how long messages are sent (default: 30)")
    parser.add_argument("--pace", type=int, default=1000, help="messages a second (default: 1000)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return 0 if measure(Path(directory), seconds=given.seconds, pace=given.pace) else 1


if __name__ == "__main__":
    sys.exit(main())
