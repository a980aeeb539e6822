"""almajob in a process that can no longer write: its files are read-only, or its disk is full."""

from __future__ import annotations

import importlib.metadata
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from almajob.cli.app import main
from tests.support.processes import PROCESSES
from tests.whole.mortal import Ended

_NOBODY = 65534
_ROOM = 2000
"""Bytes that a file may have where the disk is full: enough for a note in a lock, too little for a page."""


@contextmanager
def place_for_anybody(ini: str) -> Iterator[Path]:
    """Make a directory that whoever we become can reach, with an ini in it; pytest's own are root's."""
    place = Path(tempfile.mkdtemp(prefix="almajob-limited-"))
    try:
        path = place / "almajob.ini"
        path.touch(mode=0o600)
        path.write_text(ini, "utf-8")
        yield place
    finally:
        for directory, _names, _files in os.walk(place):
            Path(directory).chmod(0o700)
        shutil.rmtree(place)


def run_limited(place: Path, limit: str, *command_lines: tuple[str, ...]) -> Ended:
    """Run some command lines, the last one under a limit, in one process of their own.

    Args:
        place: has the ini; cache and state are put there.
        limit: ``read-only`` or ``full``.
        command_lines: of the last one the result is given.
    """
    pipes = [PROCESSES.Pipe(duplex=False) for _stream in ("out", "err")]
    process = PROCESSES.Process(
        target=_live, args=(place, limit, command_lines, [writer for _reader, writer in pipes])
    )
    process.start()
    for _reader, writer in pipes:
        writer.close()
    out, err = (_all_of(reader) for reader, _writer in pipes)
    process.join()
    return Ended(process.exitcode or 0, out, err, 0)


def _all_of(reader: Connection) -> str:
    with reader, open(reader.fileno(), "rb", closefd=False) as stream:
        return stream.read().decode("utf-8")


def _live(
    place: Path, limit: str, command_lines: tuple[tuple[str, ...], ...], streams: list[Connection]
) -> None:
    os.environ["ALMAJOB_INI"] = str(place / "almajob.ini")
    os.environ["ALMAJOB_CACHE_DIR"] = str(place / "cache")
    os.environ["ALMAJOB_STATE_DIR"] = str(place / "state")
    # Newer Pythons import a part of it when a distribution's name is read: who may read less cannot do so.
    importlib.metadata.metadata("almajob")
    *before, last = command_lines
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout = sys.stderr = nowhere
        for command_line in before:
            if code := main(list(command_line)):
                sys.exit(100 + code)
    if limit == "full":
        # Python ignores the signal, so that writing fails as it does on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, _ROOM))
    else:
        _become_a_reader(place)
    # Pipes, as no limit concerns them.
    sys.stdout, sys.stderr = (os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8") for stream in streams)
    code = main(list(last))
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def _become_a_reader(place: Path) -> None:
    """Take the right to write from everything; and from root, whom no mode keeps from writing."""
    paths = [place, *place.rglob("*")]
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, _NOBODY, _NOBODY)
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    for path in reversed(paths):
        path.chmod(0o500 if path.is_dir() else 0o400)
