"""What a webhook listener leaves for the waits of other processes: files that say which runs have ended.

A message is a hint. The listener keeps it in ``incoming`` before it answers, asks Alma once, and keeps what
Alma says of a run that has ended in ``ended``, where waits and ``almajob webhook list`` find it. What is in
``ended`` may vanish: Alma has it, and removes nothing for months.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from almajob.alma.job_instances import Instance
from almajob.jobs.histories import EndRecords
from almajob.system.atomic_write import new_file
from almajob.system.file_lock import is_locked, lock_file
from almajob.system.private_files import make_private, open_own, read_own
from almajob.text.redaction import redact_all

LOG = logging.getLogger(__name__)

DIRECTORY = "webhook"
"""Where, in the state directory, all of this is."""
LOOK_EVERY = 0.5
"""How often a wait looks for messages, in seconds."""
SAMPLE = "0"
"""The Process ID of a message that only tries whether messages arrive; no run of Alma's has it."""
KEPT_SECONDS = 8 * 86400.0
"""How long it is kept what became of a run."""
_HEARD_SECONDS = 86400.0
_OVERDUE = 5.0
_LARGEST = 2**20
_PROCESS_ID = re.compile("[0-9]{1,30}")
_INCOMING, _ENDED, _SUFFIX = "incoming", "ended", ".json"
_LOCK, _HEARD, _SINCE, _ALIVE = "listener", "heard", "since", "alive"
_ALIVE_SECONDS = 180.0
"""Seconds after which a listener that has not said that it works has not done so all the time."""
_TOLD_SECONDS = 3600.0
"""Seconds for which it is believed that no message means that no run has ended."""
GAP_SECONDS = 86400.0
"""Seconds after which a run has ended of which a message came too early."""


class Message(NamedTuple):
    """A message that a run has ended, as it came.

    Attributes:
        instance_id: of which run.
        status: with which it has ended, as the message says.
        at: when it came, in seconds since the epoch.
    """

    instance_id: str
    status: str = ""
    at: float = 0.0


def is_process_id(text: str) -> bool:
    """Whether a text can be a Process ID, and so the name of a file."""
    return bool(_PROCESS_ID.fullmatch(text))


def name_directory(state_dir: str, identity: str) -> Path:
    """Name the directory of the messages of an Alma.

    Args:
        state_dir: almajob's state directory.
        identity: of the Alma that is called; with another key or address the messages are of no use.
    """
    environment = identity.partition(":")[0]
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return Path(state_dir, DIRECTORY, f"{environment}-{digest}")


def list_directories(state_dir: str) -> list[tuple[str, EndMessages]]:
    """Return the messages of each environment that has had a listener, those that were heard last."""
    found: dict[str, EndMessages] = {}
    with suppress(OSError):
        listed = [EndMessages(path) for path in Path(state_dir, DIRECTORY).iterdir() if path.is_dir()]
        listed.sort(key=lambda messages: (messages.is_listening, messages.heard_at or 0.0))
        for messages in listed:
            found[messages.directory.name.rpartition("-")[0]] = messages
    return sorted(found.items(), key=lambda item: item[0])


class EndMessages:
    """The files of one environment. Nothing is made before the listener begins.

    Args:
        directory: as ``name_directory`` names it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._incoming = self.directory / _INCOMING
        self._ended = self.directory / _ENDED

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Be the listener, for the length of a block.

        Raises:
            LockHeld: another process is.
            OSError: the directories cannot be made.
        """
        make_private(self._incoming)
        make_private(self._ended)
        with lock_file(self.directory / _LOCK, wait=0, note=f"process {os.getpid()}"):
            self.note_gap()
            yield

    @property
    def is_listening(self) -> bool:
        """Whether a listener runs."""
        try:
            return is_locked(self.directory / _LOCK)
        except OSError:
            return False

    @property
    def heard_at(self) -> float | None:
        """When Alma was heard last, in seconds since the epoch; None for never."""
        return self._read_time(_HEARD)

    @property
    def is_relied_on(self) -> bool:
        """Whether a wait may look seldom: a listener runs, and Alma was heard within a day.

        A listener that Alma does not reach is as good as none: a sandbox that is copied anew from production
        loses its integration profile.
        """
        heard = self.heard_at
        return heard is not None and abs(time.time() - heard) < _HEARD_SECONDS and self.is_listening

    def note_heard(self) -> None:
        """Note that Alma was heard just now; where that fails, waits go on as without a listener."""
        with suppress(OSError):
            self._note_time(_HEARD, time.time())

    def note_alive(self) -> None:
        """Note that the listener takes messages, as it does now and then; after a pause it begins anew."""
        age = time.time() - (self._read_time(_ALIVE) or 0.0)
        if not 0 <= age < _ALIVE_SECONDS:
            self.note_gap()
        elif age > _ALIVE_SECONDS / 6:
            with suppress(OSError):
                self._note_time(_ALIVE, time.time())

    def note_gap(self, seconds: float = 0.0) -> None:
        """Note that a message may be missing: only whoever asks Alma from now on may rely on what comes.

        Args:
            seconds: after which that is so, where the run of the message may end meanwhile.
        """
        now = time.time()
        since = self._read_time(_SINCE) or 0.0
        try:
            self._note_time(_SINCE, max(now + seconds, since if since < now + GAP_SECONDS else 0.0))
            self._note_time(_ALIVE, now)
        except OSError:
            with suppress(OSError):
                (self.directory / _SINCE).unlink(missing_ok=True)

    def find_records(self) -> EndRecords | None:
        """Find which runs have ended since a time, all of them; None where that is not sure.

        A listener runs, has done so since then without a pause, and has lost no message; nor is there one
        that it has not decided. As Alma may send none any more, it must have been heard within the hour.
        """
        since, alive, heard = map(self._read_time, (_SINCE, _ALIVE, _HEARD))
        now = time.time()
        if since is None or alive is None or heard is None or not self.is_listening:
            return None
        if not (since <= now and 0 <= now - alive < 2 * _ALIVE_SECONDS and 0 <= now - heard < _TOLD_SECONDS):
            return None
        try:
            if any(self._incoming.iterdir()):
                return None
            names = [path.stem for path in self._ended.iterdir() if path.suffix == _SUFFIX]
        except OSError:
            return None
        ends = [end for name in names if (end := self.find_end(name)) is not None]
        if len(ends) < len(names):
            return None
        return EndRecords(max(since, now - KEPT_SECONDS + _TOLD_SECONDS), heard, ends)

    def _read_time(self, name: str) -> float | None:
        try:
            return (self.directory / name).stat().st_mtime
        except OSError:
            return None

    def _note_time(self, name: str, moment: float) -> None:
        os.close(open_own(self.directory / name, os.O_WRONLY))
        os.utime(self.directory / name, (moment, moment))

    def keep(self, message: Message) -> bool:
        """Keep a message, on disk when this returns; return False where it is known what became of the run.

        Raises:
            OSError: it cannot be kept.
        """
        if self._path(self._ended, message.instance_id).exists():
            return False
        _write(self._path(self._incoming, message.instance_id), message._asdict())
        return True

    def list_pending(self) -> list[str]:
        """List the runs of which a message came and is not decided yet, the oldest message first."""
        found = []
        with suppress(OSError), os.scandir(self._incoming) as entries:
            for entry in entries:
                name = entry.name.removesuffix(_SUFFIX)
                if entry.name.endswith(_SUFFIX) and is_process_id(name):
                    with suppress(OSError):
                        found.append((entry.stat().st_mtime, name))
        return [name for _at, name in sorted(found)]

    def count_pending(self) -> int:
        """Count the messages that are not decided yet."""
        with suppress(OSError), os.scandir(self._incoming) as entries:
            return sum(entry.name.endswith(_SUFFIX) for entry in entries)
        return 0

    def find_pending(self, instance_id: str) -> Message:
        """Return a message that is not decided yet; what cannot be read of it says nothing."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            raw = json.loads(read_own(self._path(self._incoming, instance_id), _LARGEST))
            return Message(instance_id, str(raw["status"]), float(raw["at"]))
        return Message(instance_id)

    def is_overdue(self, instance_id: str) -> bool:
        """Whether a message has come that the listener does not get to decide, as when its calls fail."""
        try:
            came = self._path(self._incoming, instance_id).stat().st_mtime
        except OSError:
            return False
        return abs(time.time() - came) > _OVERDUE

    def drop(self, instance_id: str) -> None:
        """Remove a message that is decided."""
        self._path(self._incoming, instance_id).unlink(missing_ok=True)

    def keep_end(self, instance: Instance) -> None:
        """Keep what Alma says of a run that has ended.

        Raises:
            OSError: it cannot be kept.
        """
        _write(self._path(self._ended, instance.id), redact_all(instance.to_json()))

    def find_end(self, instance_id: str) -> Instance | None:
        """Return a run that has ended, as Alma showed it; None where no message has told of it."""
        if not is_process_id(instance_id):
            return None
        try:
            raw = read_own(self._path(self._ended, instance_id), _LARGEST)
        except OSError:
            return None
        try:
            found = Instance.from_json(json.loads(raw))
        except (ValueError, TypeError, AttributeError, RecursionError):
            LOG.debug("The file of run %s in %s is damaged.", instance_id, self._ended)
            return None
        return found if found.id == instance_id and found.has_ended else None

    def list_ends(self) -> Iterator[Instance]:
        """List the runs of which messages have told, the last one first."""
        found = []
        with suppress(OSError), os.scandir(self._ended) as entries:
            for entry in entries:
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, entry.name.removesuffix(_SUFFIX)))
        for _at, name in sorted(found, reverse=True):
            end = self.find_end(name)
            if end is not None:
                yield end

    def remove_old(self) -> None:
        """Remove what is kept of runs that ended long ago, and what writes that were cut off have left."""
        for directory in (self._ended, self._incoming):
            with suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    is_message = directory == self._incoming and entry.name.endswith(_SUFFIX)
                    with suppress(OSError):
                        if not is_message and time.time() - entry.stat().st_mtime > KEPT_SECONDS:
                            Path(entry.path).unlink()

    def _path(self, directory: Path, instance_id: str) -> Path:
        if not is_process_id(instance_id):
            raise ValueError("it is not a Process ID")
        return directory / f"{instance_id}{_SUFFIX}"


def _write(path: Path, document: object) -> None:
    with new_file(path, overwrite=True, mode=0o600) as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())
