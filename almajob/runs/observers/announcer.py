"""Announces the ledger's changes to the installed observers, and begins the process that calls them."""

from __future__ import annotations

import logging
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple

from almajob.entry_points import distribution_of
from almajob.runs.ledger_place import choose_place
from almajob.runs.observers.events import Event, encode_event
from almajob.runs.observers.ledger_events import list_events, list_other_events
from almajob.runs.observers.messages import DIRECTORY, Messages
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import Place
from almajob.store.ledger.record import Record
from almajob.system import clock as clocks
from almajob.system.key_variables import (
    LEDGER_PASSWORD,
    NOTIFY_VARIABLES,
    PLUGIN_VARIABLES,
    list_for_child,
)
from almajob.system.private_files import make_private
from almajob.system.sharing.forks import forget_in_children
from almajob.text.redaction import redact_all

LOG = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that a command which is over waits for observers, to show what they have to say."""
_SLICE = 0.02
_SHORT_WAIT = 1.0
_PROGRAM = """
import sys
state_dir, ini_file, *sys.path[:] = sys.argv[1:]
from almajob.runs.observers.deliver import main
main(state_dir, ini_file)
"""


class InstalledObserver(NamedTuple):
    """An observer that is installed.

    Attributes:
        target: its class, as ``module:Class``.
    """

    name: str
    target: str
    distribution: str
    version: str


def make_observer(point: EntryPoint) -> InstalledObserver:
    """Make what is known of an observer of its entry point."""
    distribution, version = distribution_of(point)
    return InstalledObserver(point.name, f"{point.module}:{point.attr}", distribution or point.name, version)


class Announcer:
    """Announces to observers; nothing of theirs is imported in this process.

    Args:
        ini_file: the configuration file that counts; empty where it is to be found again.
        find_place: returns the place of the ledger; the state directory has it where not given.
    """

    def __init__(
        self,
        observers: Sequence[InstalledObserver],
        state_dir: str,
        ini_file: str,
        find_place: Callable[[], Place] | None = None,
    ) -> None:
        self._observers = observers
        self._find_place = find_place or (lambda: choose_place(state_dir))
        self._state_dir = state_dir
        self._ini_file = ini_file
        self._begun: list[subprocess.Popen[bytes]] = []
        # Whether the process that this one was forked from delivers already.
        self._is_parent_busy = False
        self._turn = threading.Lock()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Leave to the parent what it has begun; see ``system.sharing.forks``."""
        for process in self._begun:
            # Who waits for it is the parent.
            process.returncode = 0
        self._is_parent_busy = bool(self._begun)
        self._begun = []
        self._turn = threading.Lock()

    def list_news(self, before: Record | None, after: Record, details: Any) -> Iterator[Announcement]:
        """Return what is to be announced of a change of a record; see ``store.ledger.Announcer``."""
        yield from self._address(list_events(before, after, details))

    def list_other_news(self, details: Any) -> Iterator[Announcement]:
        """Return what is to be announced of a run that is of no record; see ``store.ledger.Announcer``."""
        yield from self._address(list_other_events(details))

    def _address(self, events: Iterable[tuple[str, Event]]) -> Iterator[Announcement]:
        """Make a message for each observer of each event."""
        # In a test almajob has the simulator's time.
        ahead = round(clocks.system().now() - time.time())
        for kind, event in events:
            # Alma, or a parameter, may have brought a secret.
            encoded = redact_all(encode_event(event))
            for observer in self._observers:
                message = {**observer._asdict(), "kind": kind, "event": encoded, "ahead": ahead}
                # Another command, with another file, may be the one that calls it.
                message["ini_file"] = self._ini_file
                yield Announcement(event.id, f"{observer.distribution}:{observer.name}", message)

    def wake(self) -> None:
        """Begin to deliver what is on disk now, in a process of its own; no failure is one of a start."""
        try:
            with self._turn:
                self._leave_ended()
                if not any(map(_is_looking, self._begun)):
                    self._begun.append(self._start())
        except Exception as error:  # noqa: BLE001  # a start was made, whatever this is
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            LOG.warning("Observers cannot be called at the moment: %s.", why)

    def _start(self) -> subprocess.Popen[bytes]:
        make_private(Path(self._state_dir, DIRECTORY))
        arguments = (self._state_dir, self._ini_file)
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Neither Ctrl-C nor the end of a terminal is for it.
            start_new_session=True,
            env=list_for_child(PLUGIN_VARIABLES, NOTIFY_VARIABLES, LEDGER_PASSWORD),
        )

    def finish(self) -> None:
        """Wait a moment for observers, and show what they have to say; all else goes on without us."""
        try:
            if not self._begun and not self._is_parent_busy and self._has_leftovers():
                self.wake()
            end = time.monotonic() + PATIENCE
            while self._leave_ended() and time.monotonic() < end:
                time.sleep(_SLICE)
        finally:
            self.show_messages()
            for process in self._begun:
                assert process.stdout is not None
                process.stdout.close()
                # Whoever goes on in this process need not wait for it.
                threading.Thread(target=process.wait, daemon=True).start()
            self._begun.clear()

    def _leave_ended(self) -> bool:
        """Leave the processes that have ended, and return whether another one goes on."""
        for process in [process for process in self._begun if process.poll() is not None]:
            self._begun.remove(process)
            assert process.stdout is not None
            process.stdout.close()
            if process.returncode:
                LOG.warning("Observers could not be called. The next command tries again.")
        return bool(self._begun)

    def _has_leftovers(self) -> bool:
        """Whether a process that died has left an announcement."""
        try:
            with closing(self._find_place()) as place:
                return place.is_there and Ledger(place).has_announcements(wait=_SHORT_WAIT)
        except Exception:  # the command is over, and no failure here is one of it
            LOG.debug("It is not known whether observers are to be called.", exc_info=True)
            return False

    def show_messages(self) -> None:
        """Log what observers have had to say until now, and no command has shown: each message once."""
        for level, text in Messages(self._state_dir).take():
            LOG.log(level, "%s", text)


def _is_looking(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process will look once more for announcements: before it does, it closes its stdout."""
    assert process.stdout is not None
    stdout = select.poll()
    stdout.register(process.stdout, select.POLLIN)
    return not stdout.poll(0)
