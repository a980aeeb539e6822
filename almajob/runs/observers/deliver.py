"""A process of its own that calls observers with what the ledger keeps for them, in order, and ends.

It outlives the command that began it: so no observer is waited for, and none is left out as a command is
killed. Each distribution's observers live in a further process, which is ended when they take too long.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime
from logging import DEBUG, WARNING
from pathlib import Path
from typing import IO, Any

from almajob.config import settings
from almajob.config.plugin_choice import read_choice
from almajob.config.settings import Options
from almajob.entry_points import normalize_name
from almajob.errors import AlmajobError, JobBusy, name_error
from almajob.runs.ledger_place import place_of
from almajob.runs.observers.call import LONGEST_OUTPUT, MESSAGE
from almajob.runs.observers.messages import DIRECTORY, Messages
from almajob.runs.observers.observer import Home
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.ledger import Ledger
from almajob.system.file_lock import LockHeld, lock_file
from almajob.system.isolated_process import CallFailed, Process, ProcessEnded
from almajob.system.key_variables import environ, list_secret_variables

MOST_CALLS = 2
"""How often an observer is called with an event at most: once more where the process died in the call."""
RETRY_SECONDS = 26 * 60 * 60.0
"""For how long after an event an observer that wants it is called again: until the next day's cron line."""
_LOCK = "observers"
_LOOK_AGAIN = 0.25
_LONGEST_REASON = 500
_MOST_PROCESSES = 64
_CALL = "almajob.runs.observers.call:call_observer"
_READ_LIMIT = "almajob.runs.observers.call:read_time_limit"

_Numbers = dict[str, int]
"""By observer, the number of the announcement with which it was called last and wants to be again, later."""


class ObserverProcess:
    """The observers of one distribution, in a process of their own.

    Args:
        home: where they are called.
    """

    def __init__(self, home: Home, ledger: Ledger, messages: Messages) -> None:
        self._home = home
        self._ledger = ledger
        self._messages = messages
        self._process: Process | None = None
        self._limits: dict[str, float] = {}
        # A file: who prints without an end, or leaves a process behind, keeps nobody waiting.
        self._written: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed by close()

    def deliver(self, announcements: Sequence[Announcement]) -> _Numbers:
        """Call the observers with what was announced, one after the other."""
        postponed: _Numbers = {}
        # It may have been disabled since, as it hangs.
        choice = read_choice(self._home.ini_file, environ())
        for announcement in announcements:
            about = _describe(announcement)
            if choice.find_reason((announcement.message["name"], self._home.owner)):
                self._messages.add(DEBUG, f"{about} is dropped, as it is disabled.")
            elif announcement.calls >= MOST_CALLS:
                why = "is not called again: the process died twice in this call"
                self._messages.add(WARNING, f"{about} {why}.")
            else:
                self._ledger.note_call(announcement)
                reason = self._call(announcement.message, about)
                if reason and self._postpone(announcement, about, reason):
                    postponed[announcement.observer] = announcement.number
                    continue
            self._ledger.remove_announcement(announcement)
        return postponed

    def _postpone(self, announcement: Announcement, about: str, reason: str) -> bool:
        """Keep an announcement for the next command, and return whether it is not too old for that."""
        message = announcement.message
        happened = datetime.fromisoformat(message["event"]["at"]).timestamp()
        if time.time() + message["ahead"] > happened + RETRY_SECONDS:
            self._messages.add(WARNING, f"{about}: {reason.rstrip('.')}. It is given up, after a day.")
            return False
        failures = message.get("failures", 0)
        self._ledger.postpone_call(
            announcement, {**message, "failures": failures + 1, "reason": reason[:_LONGEST_REASON]}
        )
        text = f"{about}: {reason.rstrip('.')}. The next command tries again, for a day."
        self._messages.add(DEBUG if failures else WARNING, text)
        return True

    def _call(self, message: dict[str, Any], about: str) -> str:
        """Call an observer, and keep what it logs; all else that comes of it is one warning.

        Returns:
            Why it wants to be called again later; empty where it does not.
        """
        problem = later = ""
        if self._process is None:
            secrets = list_secret_variables(normalize_name(self._home.owner))
            self._process = Process(output=self._written.fileno(), secrets=secrets)
        try:
            target = message["target"]
            if target not in self._limits:
                self._limits[target] = self._process.call(_READ_LIMIT, target)
            event = (message["kind"], message["event"], message["ahead"])
            later = self._process.call(_CALL, target, self._home, *event, limit=self._limits[target])
        except CallFailed as error:
            problem = f"failed: {error}"
        except ProcessEnded as end:
            problem, self._process = str(end), None
        printed = self._pass_on_messages()
        if printed and not problem:
            problem = f"printed {printed!r}; observers log with self.log"
        if problem:
            self._messages.add(
                WARNING, f"{about} {problem.rstrip('.')}. This affects no start and no exit code."
            )
        return later

    def _pass_on_messages(self) -> str:
        """Keep what an observer has logged in its last call, and return the first line that it printed."""
        self._written.seek(0)
        lines = self._written.read(LONGEST_OUTPUT).decode("utf-8", "replace").split("\n")
        self._written.seek(0)
        self._written.truncate()
        for line in lines:
            # Cut off, or not ours.
            with suppress(ValueError, TypeError):
                if line.startswith(MESSAGE):
                    level, text = json.loads(line.removeprefix(MESSAGE))
                    self._messages.add(int(level), f"{self._home.owner}: {text}")
        return next((line for line in lines if line and not line.startswith(MESSAGE)), "")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
        self._written.close()


def _describe(announcement: Announcement) -> str:
    message = announcement.message
    run = message["event"]["run"]
    return (
        f"Observer {message['name']} ({message['distribution']} {message['version']}): "
        f"{message['kind']} of run {run['instance_id'] or run['id'] or run['run_key']}"
    )


def deliver_all(
    ledger: Ledger, state_dir: str, ini_file: str, messages: Messages, postponed: _Numbers
) -> None:
    """Call observers with all that the ledger keeps for them, unless a process of any machine is doing so.

    That process looks once more when it is done, so nothing that is kept meanwhile is left.

    Args:
        postponed: what observers want to be called with later, and are not called with now; it grows.
    """
    while ledger.has_announcements(after=postponed):
        try:
            # The ledger may be that of several machines, each with such a process.
            with lock_file(Path(state_dir, DIRECTORY, "lock"), wait=0), ledger.place.locks.lock(_LOCK, 0.0):
                _deliver_pending(ledger, state_dir, ini_file, messages, postponed)
        except (LockHeld, JobBusy):
            return


def _deliver_pending(
    ledger: Ledger, state_dir: str, ini_file: str, messages: Messages, postponed: _Numbers
) -> None:
    """Call the observers of all distributions at once: one that hangs keeps no other waiting."""
    processes: dict[Home, ObserverProcess] = {}
    busy: dict[Home, Future[_Numbers]] = {}
    with ThreadPoolExecutor(_MOST_PROCESSES) as threads:
        try:
            while True:
                pending: dict[Home, list[Announcement]] = {}
                for announcement in ledger.announcements(after=postponed):
                    message = announcement.message
                    home = Home(message["distribution"], state_dir, _choose_ini(message, ini_file))
                    pending.setdefault(home, []).append(announcement)
                for home in _choose_next(pending, busy):
                    if home not in processes:
                        processes[home] = ObserverProcess(home, ledger, messages)
                    busy[home] = threads.submit(processes[home].deliver, pending[home])
                if not busy:
                    return
                wait(busy.values(), _LOOK_AGAIN, FIRST_COMPLETED)
                for home in [home for home, done in busy.items() if done.done()]:
                    postponed |= busy.pop(home).result()
        finally:
            # It ends a call that is under way.
            for process in processes.values():
                process.close()


def _leave_to_command(text: str) -> None:
    """Log nothing of what is ignored in a configuration file: the command has."""


def _choose_ini(message: Mapping[str, Any], ini_file: str) -> str:
    """Return the configuration file that counted when it happened; another machine may not have it."""
    found = str(message.get("ini_file", ""))
    return found if found and Path(found).is_file() else ini_file


def _choose_next(pending: Collection[Home], busy: Collection[Home]) -> list[Home]:
    """Choose whose observers are called now: one of each distribution, in order."""
    owners = {home.owner for home in busy}
    chosen: dict[str, Home] = {}
    for home in pending:
        if home.owner not in owners:
            chosen.setdefault(home.owner, home)
    return list(chosen.values())


def main(state_dir: str, ini_file: str) -> None:
    """Be such a process.

    Args:
        ini_file: the configuration file that the command line names; empty where it names none.
    """
    messages = Messages(state_dir)
    postponed: _Numbers = {}
    try:
        options = Options(ini_file=ini_file or None)
        ledger = Ledger(place_of(settings.load(options, environ(), warn=_leave_to_command), environ()))
        deliver_all(ledger, state_dir, ini_file, messages, postponed)
        # Whoever keeps something from now on sees that this process may not see it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        deliver_all(ledger, state_dir, ini_file, messages, postponed)
    except Exception as error:  # noqa: BLE001  # nobody else would hear of it
        why = error.reason if isinstance(error, AlmajobError) else name_error(error)
        if not messages.add(WARNING, f"Observers cannot be called at the moment: {why}"):
            os._exit(1)
    os._exit(0)
