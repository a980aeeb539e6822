"""Notifications by a program of one's own: facts on its standard input and in variables, and no shell."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from almajob.errors import ConfigurationError, one_line
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier, SendFailed
from almajob.system.key_variables import list_for_child
from almajob.text.redaction import redact

VARIABLES = "ALMAJOB_EVENT_"
"""How the names begin of the variables that a program gets."""
_SECONDS = 60.0
# The kernel takes 128 KB in one.
_LONGEST_VALUE = 30_000


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] with ``type = command``."""

    command: str = ""


class Program(Notifier):
    """Call a program; another exit code than 0 means that it could not send the notification."""

    def check(self) -> None:
        """Read the settings, and call nothing."""
        self._read()

    def send(self, notification: Notification) -> None:
        """Call the program."""
        words = self._read()
        program = os.path.basename(words[0])  # noqa: PTH119  # of a text
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**list_for_child(), **list_variables(notification.facts)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it cannot be called"
            raise SendFailed(f"{program}: {why}", is_down=True) from None
        try:
            _nothing, written = process.communicate(f"{json.dumps(notification.facts)}\n".encode(), _SECONDS)
        except subprocess.TimeoutExpired:
            raise SendFailed(f"{program} did not end within {_SECONDS:.0f} s") from None
        finally:
            # With all that it has started.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            lines = redact(written.decode("utf-8", "replace")).strip().splitlines()
            said = f": {one_line(lines[-1], 200)}" if lines else ""
            raise SendFailed(f"{program} ended with exit code {process.returncode}{said}")

    def _read(self) -> list[str]:
        text = self.context.options(Settings()).command
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if not words:
            raise ConfigurationError(
                f"[notify:{self.context.name}] has no command that can be read.",
                hint="Write, for example: command = /usr/local/bin/tell --to systems",
            )
        return [os.path.expanduser(words[0]), *words[1:]]  # noqa: PTH111  # of a text


def list_variables(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return those facts that are one value as environment variables."""
    found = {}
    for name, value in facts.items():
        if not isinstance(value, list | dict):
            text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
            plain = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
            found[f"{VARIABLES}{name.upper()}"] = plain[:_LONGEST_VALUE]
    return found
