"""``python -m tests.tools.depth``: how many of almajob's frames stand between a command and the socket.

A stranger who follows a start has to read them all. Counted are the frames of ``almajob/`` on the stack below
``main``, down to where ``http.client`` sends the request; where a thread sends it, those of the thread that
waits for it as well. ``--all`` prints them.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

from almajob.cli.app import main as almajob
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution

ROOT = Path(__file__).parents[2] / "almajob"
LIMITS = {"POST": 14, "GET": 11}
_JOB = "ERP export using profile FINANCE"
_CALLS = {
    "GET": ("/conf/jobs?", ("-q", "--env", "sandbox", "list")),
    "POST": ("/conf/jobs/", ("-q", "--env", "sandbox", "run", "--job", _JOB)),
}


def _ours(frame: FrameType | None) -> list[str]:
    """Return the frames of almajob below which a frame stands, the outermost first."""
    found = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT):
            found.append(f"{frame.f_lineno:>4} {frame.f_globals['__name__']}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return found[::-1]


class Watch:
    """Notes the stack of the first request of a kind that is sent."""

    def __init__(self) -> None:
        self.wanted = b""
        self.frames: list[str] = []
        # An audit hook cannot be taken away again: one serves for all.
        sys.addaudithook(self._look)

    def _look(self, event: str, given: tuple[Any, ...]) -> None:
        if event != "http.client.send" or self.frames or not self.wanted:
            return
        if bytes(given[1]).startswith(self.wanted):
            waiting = threading.main_thread().ident
            here = [] if threading.get_ident() == waiting else _ours(sys._current_frames()[waiting or 0])
            self.frames = [frame for frame in here + _ours(sys._getframe()) if not frame.endswith("app.main")]


def frames(watch: Watch, method: str, words: Sequence[str], path: str) -> list[str]:
    """Run a command and return almajob's frames when it sends its first request of a kind.

    Raises:
        RuntimeError: it sent none.
    """
    watch.wanted, watch.frames = f"{method} /almaws/v1{path}".encode(), []
    with redirect_stdout(io.StringIO()):
        almajob(words)
    if not watch.frames:
        raise RuntimeError(f"{' '.join(words)} sent no {method}")
    return watch.frames


def main() -> int:
    """Print the frames of both ways; 1 where one is longer than it may be."""
    watch, is_too_deep = Watch(), False
    with tempfile.TemporaryDirectory() as home, Simulator(Institution()) as simulator:
        os.environ |= {"HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home}
        ini = Path(home) / "almajob.ini"
        ini.touch(0o600)
        ini.write_text(f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {simulator.base_url}\n")
        for method, (path, words) in _CALLS.items():
            found = frames(watch, method, ("--ini-file", str(ini), *words), path)
            print(f"{words[3]} → {method}: {len(found)} frames (at most {LIMITS[method]})")
            if "--all" in sys.argv:
                print(*(f"  {each}" for each in found), sep="\n")
            is_too_deep |= len(found) > LIMITS[method]
    return int(is_too_deep)


if __name__ == "__main__":
    sys.exit(main())
