"""What a listener bears: ``python -m tests.benchmarks.webhook_load [--seconds 30] [--pace 1000]``.

A real listener, whose Alma is down so that all messages stay on disk; processes that send it signed messages
at that pace, over connections that stay open; fifty clients beside them that never finish a request. The exit
code is 1 where a message that was answered with 200 is not on disk, one was refused, or the listener takes
more memory than it may.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.queues import Queue
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from tests.support.listeners import make_message, serve, sign, write_listener_ini

SENDERS, CONNECTIONS, SLOW_CLIENTS = 2, 8, 50
MOST_MIB = 60


class Sent(NamedTuple):
    """What a sender has seen.

    Attributes:
        accepted: the ids of the messages that were answered with 200.
        refused: how many were not.
        waits: seconds from when a message was due to its answer.
        seconds: from the first message to the last answer.
    """

    accepted: list[str]
    refused: int
    waits: list[float]
    seconds: float


def _send(port: int, first: int, count: int, pace: float, answer: Queue[Sent]) -> None:
    """Send messages, each when it is due or as soon as an earlier one is answered."""
    bodies = [make_message(str(first + number)) for number in range(count)]
    messages = [(body, sign(body)) for body in bodies]
    begun = time.perf_counter()

    def send_share(share: int) -> list[tuple[str, int, float]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen = []
        for number in range(share, count, CONNECTIONS):
            due = begun + number / pace
            time.sleep(max(due - time.perf_counter(), 0.0))
            body, headers = messages[number]
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            response.read()
            seen.append((str(first + number), response.status, time.perf_counter() - due))
        connection.close()
        return seen

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = [each for share in pool.map(send_share, range(CONNECTIONS)) for each in share]
    accepted = [name for name, status, _ in found if status == 200]
    waits = [wait for _, _, wait in found]
    answer.put(Sent(accepted, count - len(accepted), waits, time.perf_counter() - begun))


def _most_memory(pid: int) -> float:
    """Return the most memory that a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--pace", type=int, default=1000, help="messages a second")
    options = parser.parse_args()
    share = options.seconds * options.pace // SENDERS
    context = multiprocessing.get_context("spawn")
    answer: Queue[Sent] = context.Queue()
    with tempfile.TemporaryDirectory() as home, ExitStack() as closing:
        ini = write_listener_ini(Path(home, "almajob.ini"), "http://127.0.0.1:9")
        state = Path(home, "state")
        environ = {**os.environ, "HOME": home, "ALMAJOB_INI": str(ini), "ALMAJOB_STATE_DIR": str(state)}
        listener = closing.enter_context(serve(environ=environ))
        for _ in range(SLOW_CLIENTS):
            client = closing.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        senders = [
            context.Process(
                target=_send, args=(listener.port, 10**9 * each, share, options.pace / SENDERS, answer)
            )
            for each in range(1, SENDERS + 1)
        ]
        for sender in senders:
            sender.start()
        found = [answer.get() for _ in senders]
        memory = _most_memory(listener.process.pid)
        kept = {path.stem for path in state.glob("webhook/*/incoming/*.json")}
    accepted = {name for sent in found for name in sent.accepted}
    refused = sum(sent.refused for sent in found)
    waits = quantiles([wait for sent in found for wait in sent.waits], n=100)
    seconds = max(sent.seconds for sent in found)
    print("| messages | a second | refused | lost | ms, median | ms, 99th percentile | MiB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {share * SENDERS:,} | {share * SENDERS / seconds:.0f} | {refused} | {len(accepted - kept)} |"
        f" {waits[49] * 1000:.0f} | {waits[98] * 1000:.0f} | {memory:.0f} |"
    )
    if refused or accepted - kept or memory > MOST_MIB:
        sys.exit("A message was refused or lost, or the listener takes too much memory.")


if __name__ == "__main__":
    main()
