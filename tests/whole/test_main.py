"""``python -m almajob`` before it is ready: whatever is interrupted then is told by nobody."""

from __future__ import annotations

import subprocess
import sys

import pytest

_INTERRUPTED = """
import signal, sys
from almajob.__main__ import main

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[-1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
where, sys.argv[1:] = sys.argv[1], ["--env", "demo", "list", "--name", sys.argv[1]]
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module",
    [
        "almajob.cli.console",
        "almajob.cli.console.excepthook",
        "almajob.cli.app",
        "cliff.app",
        "stevedore",
        "almajob.cli.plugins.command_manager",
        "almajob.commands.list",
    ],
)
def test_ctrl_c_while_modules_are_imported_is_no_bug(module: str) -> None:
    """Exit code 130 and not a word: no traceback, and nothing that would have to be told."""
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, module], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
