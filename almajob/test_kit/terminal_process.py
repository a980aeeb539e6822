"""almajob in a process of its own on a terminal, by the clock of a simulator: ``terminal`` starts it."""

from __future__ import annotations

import fcntl
import http.client
import json
import sys
import termios

from almajob.system import clock


def main() -> int:
    """Run almajob, and return its exit code.

    The first word of the command line is the address of the simulator; the others are almajob's.
    """
    # The terminal sends Ctrl-C to the processes that it controls.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    address, *words = sys.argv[1:]
    address = address.removeprefix("http://")

    def move(seconds: float) -> float:
        """Move the simulator's clock on, and return its time."""
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            connection.request("POST", "/simulator/clock", json.dumps({"advance": max(seconds, 0.0)}))
            found: float = json.loads(connection.getresponse().read())["seconds"]
        finally:
            connection.close()
        return found

    def now() -> float:
        return move(0.0)

    def sleep(seconds: float) -> None:
        move(seconds)

    clock.SYSTEM = clock.Clock(now, now, sleep, now)
    from almajob.cli.app import main as run
    from almajob.cli.console.progress import Bars

    # Hours pass at once here: a bar that is drawn for each second of them would take minutes.
    Bars.tick = 300.0
    return run(words)


if __name__ == "__main__":
    sys.exit(main())
