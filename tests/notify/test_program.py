"""Programs of one's own: what they get, and when they have failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from almajob.notify.notifier import SendFailed
from tests.support.notifications import make, make_named, make_notifier

TELL = """
import json, os, sys
facts = json.load(sys.stdin)
found = {name: text for name, text in os.environ.items() if name.startswith("ALMAJOB_")}
json.dump([sys.argv[1:], facts, found], open(sys.argv[1], "w"))
"""


def _write(directory: Path, source: str) -> str:
    (directory / "tell.py").write_text(source, "utf-8")
    return f"{sys.executable} {directory}/tell.py"


def test_it_gets_the_facts_and_no_shell_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its standard input, and what is one value in variables; secrets of others it gets none."""
    monkeypatch.setenv("ALMAJOB_NOTIFY_OTHER__PASSWORD", "a-secret-of-another")
    monkeypatch.setenv("ALMAJOB_PLUGIN_X__TOKEN", "a-secret-of-another")
    out = tmp_path / "out"
    command = f"{_write(tmp_path, TELL)} {out} '$(touch {tmp_path}/pwned)' \"two words\""
    notification = make_named("`touch pwned`\0")
    make_notifier(tmp_path, {"type": "command", "command": command}).send(notification)
    arguments, facts, variables = json.loads(out.read_text())
    assert arguments[1:] == [f"$(touch {tmp_path}/pwned)", "two words"]
    assert not (tmp_path / "pwned").exists()
    assert facts == notification.facts
    assert variables["ALMAJOB_EVENT_JOB_NAME"] == "`touch pwned`"
    assert variables["ALMAJOB_EVENT_PASSED"] == "false"
    assert variables["ALMAJOB_EVENT_NOTHING"] == ""
    assert "ALMAJOB_EVENT_COUNTERS" not in variables
    assert "another" not in str(variables)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys; sys.exit('no: the pager is off')", "exit code 1: no: the pager is off"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("import time; time.sleep(600)", "did not end within"),
        # It need not read what it gets.
        ("import sys; sys.stdin.close(); sys.exit(3)", "exit code 3"),
    ],
)
def test_what_ends_with_another_code_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    """With the last line that it wrote to stderr."""
    if "sleep" in source:
        monkeypatch.setattr("almajob.notify.program._SECONDS", 0.5)
    notifier = make_notifier(tmp_path, {"type": "command", "command": _write(tmp_path, source)})
    with pytest.raises(SendFailed) as failed:
        notifier.send(make())
    assert message in str(failed.value)


def test_a_program_that_is_not_there_is_down(tmp_path: Path) -> None:
    """Nothing else is tried with it for now."""
    with pytest.raises(SendFailed, match="none: No such file") as failed:
        make_notifier(tmp_path, {"type": "command", "command": f"{tmp_path}/none"}).send(make())
    assert failed.value.is_down
