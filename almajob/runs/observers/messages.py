"""What observers have to say: kept in a file for the command that shows it, which may be a later one."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from almajob.system.file_lock import LockHeld, lock_file
from almajob.system.private_files import open_own, read_own
from almajob.text.sanitize import sanitize

DIRECTORY, LOG_NAME = "observers", "log.jsonl"
"""Where, in the state directory, the messages are."""
_SHOWN_NAME = "shown"
_LONGEST_LOG = 2**20
_LONGEST_TEXT = 500
_DIGITS = 10
_SHORT_WAIT = 1.0


class Messages:
    """The log of observers: a line of JSON for each message.

    Args:
        state_dir: almajob's state directory.
    """

    def __init__(self, state_dir: str) -> None:
        self._path = Path(state_dir, DIRECTORY, LOG_NAME)
        # How much of the log was shown, in bytes.
        self._shown = self._path.with_name(_SHOWN_NAME)

    def add(self, level: int, text: str) -> bool:
        """Keep a message, and return whether that succeeded."""
        text = sanitize(text)
        shown = f"{text[:_LONGEST_TEXT]}..." if len(text) > _LONGEST_TEXT else text
        line = json.dumps({"time": time.time(), "level": level, "text": shown})
        try:
            descriptor = open_own(self._path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return False
        try:
            if os.fstat(descriptor).st_size > _LONGEST_LOG:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{line}\n".encode())
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def take(self) -> list[tuple[int, str]]:
        """Return the messages that nobody has taken yet, each a level and a text."""
        lines: list[bytes] = []
        with suppress(OSError, LockHeld):
            if self._path.exists():
                with lock_file(self._shown, wait=_SHORT_WAIT), self._shown.open("r+b", buffering=0) as shown:
                    raw, before = read_own(self._path, 2 * _LONGEST_LOG), shown.read(_DIGITS)
                    begin = int(before) if before.isdigit() else 0
                    # It begins anew when it is full.
                    unseen = raw[begin if begin <= len(raw) else 0 :]
                    if unseen:
                        # In its place: on a full disk it stays as it was.
                        os.pwrite(shown.fileno(), f"{len(raw):0{_DIGITS}}".encode(), 0)
                        lines = unseen.splitlines()
        found = []
        for line in lines:
            with suppress(ValueError, LookupError, TypeError):
                message = json.loads(line)
                found.append((int(message["level"]), str(message["text"])))
        return found
