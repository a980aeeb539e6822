"""Children that are forked from the test's own process, and what they have open."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def fork(work: Callable[[], Any]) -> Callable[[], Any]:
    """Do something in a child that is forked here and now.

    Args:
        work: returns what JSON can hold.

    Returns:
        What waits for the child's end, and returns what its work returned.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.write(writing, json.dumps(work()).encode())
            code = 0
        except BaseException:  # noqa: BLE001  # nothing of the test may go on here
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)

    def wait() -> Any:
        with open(reading, "rb") as file:
            written = file.read()
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        return json.loads(written)

    return wait


def list_open() -> set[str]:
    """Return what this process has open: descriptors, with what they lead to."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        # Another thread may close one meanwhile.
        with suppress(FileNotFoundError):
            found.add(f"{each.name} {os.readlink(each)}")
    return found


def list_open_below(directory: Path) -> list[str]:
    """Return which files below a directory this process has open."""
    return [each for each in list_open() if str(directory) in each]
