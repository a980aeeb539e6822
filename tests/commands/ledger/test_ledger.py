"""``almajob ledger``: what is in it, whether it is sound, and from one place to another."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

ERP = "ERP export using profile FINANCE"
START = "POST /conf/jobs/*"
DAY = 86400.0


@pytest.fixture
def started(simulated: SimulatedAlma, almajob: Run) -> str:
    """A run of long ago under a key, and a newer one; gives the Process ID of the old one."""
    first = almajob("--env", "sandbox", "run", ERP, "--run-key", "old", "-f", "json")
    simulated.clock.advance(3600)
    assert almajob("--env", "sandbox", "wait", "@last").code == 0
    simulated.clock.advance(100 * DAY)
    assert almajob("--env", "sandbox", "run", ERP, "--run-key", "new").code == 0
    return str(json.loads(first.out)["instance_id"])


def test_what_is_in_it_is_shown(almajob: Run, started: str) -> None:
    """Where, how many, how old and how large."""
    shown = json.loads(almajob("ledger", "show", "-f", "json").out)
    assert (shown["records"], shown["open"], shown["done"], shown["kind"]) == (2, 0, 2, "directory")
    assert shown["oldest"] < shown["newest"]
    assert shown["bytes"] > 1000
    assert Path(shown["ledger"]).is_dir()


def test_a_sound_ledger_passes_and_a_damaged_one_is_named(almajob: Run, started: str) -> None:
    """Exit code 5, with what is damaged and what to do; the result has it, too."""
    done = almajob("ledger", "check")
    assert (done.code, done.err) == (0, "All rows of the ledger are as they were written.\n")
    directory = Path(json.loads(almajob("ledger", "show", "-f", "json").out)["ledger"])
    with sqlite3.connect(directory / "cache.db") as database:
        database.execute("DELETE FROM Cache WHERE key LIKE '2:~ids:%'")
    done = almajob("ledger", "check", "-f", "json")
    assert done.code == 5
    assert "is damaged." in done.err
    assert "is missing: ids:" in done.err
    assert "almajob ledger import FILE" in done.err
    assert json.loads(done.out)["problems"]


def test_it_is_copied_and_the_next_setting_is_told(
    almajob: Run, tmp_path: Path, started: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger of another state directory answers the same."""
    other = tmp_path / "other"
    done = almajob("ledger", "copy", "--to", str(other), "-f", "json")
    assert json.loads(done.out)["added"] == 2
    assert f"ALMAJOB_LEDGER=directory ALMAJOB_STATE_DIR={other}" in done.err
    here = almajob("runs", "list", "-f", "json").out
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(other))
    assert almajob("runs", "list", "-f", "json").out == here
    assert almajob("ledger", "copy", "--from", str(other)).code == 2
    assert almajob("ledger", "copy").code == 2
    assert almajob("ledger", "copy", "--to", "postgresql://a:secret@h/d").code == 2
    assert "secret" not in almajob("ledger", "copy", "--to", "postgresql://a:secret@h/d").err


def test_an_export_goes_to_a_pipe_or_a_file_and_back(almajob: Run, tmp_path: Path, started: str) -> None:
    """A file that is there is not replaced unasked."""
    path = tmp_path / "ledger.jsonl"
    assert almajob("ledger", "export", "--output", str(path)).code == 0
    printed = almajob("ledger", "export").out
    assert printed.splitlines()[1:-1] == path.read_text("ascii").splitlines()[1:-1]
    done = almajob("ledger", "export", "--output", str(path))
    assert (done.code, done.err.count("--overwrite replaces it.")) == (5, 1)
    assert almajob("ledger", "export", "--output", str(path), "--overwrite").code == 0
    assert json.loads(almajob("ledger", "import", str(path), "-f", "json").out)["same"] == 2
    path.write_text(printed[:-30], "ascii")
    done = almajob("ledger", "import", str(path))
    assert (done.code, done.out) == (5, "")
    assert "nothing of it was used" in done.err


def test_what_is_archived_is_answered_and_never_started_again(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, started: str
) -> None:
    """By its key, its id and its run; runs show has all of it, and less without the file."""
    path = tmp_path / "old.jsonl"
    archive = ("ledger", "archive", "--before", "60d", "--output", str(path))
    before = json.loads(almajob("runs", "show", "old", "-f", "json").out)
    done = almajob(*archive)
    assert (done.code, path.exists()) == (5, False)
    assert "Add --yes." in done.err
    assert json.loads(almajob(*archive, "--dry-run", "-f", "json").out)["records"] == 1
    done = almajob(*archive, "--yes", "-f", "json")
    assert (json.loads(done.out)["records"], json.loads(done.out)["left"]) == (1, 1)
    listed = json.loads(almajob("runs", "list", "-f", "json").out)
    assert [row["run_key"] for row in listed] == ["new"]
    starts = simulated.log.count(START)
    again = almajob("--env", "sandbox", "run", ERP, "--run-key", "old", "-f", "json")
    assert json.loads(again.out)["instance_id"] == started
    assert simulated.log.count(START) == starts
    for name in ("old", before["id"], started):
        assert json.loads(almajob("runs", "show", name, "-f", "json").out) == before
    assert almajob("--env", "sandbox", "status", "old").code == 0
    path.unlink()
    shown = almajob("runs", "show", "old", "-f", "json")
    assert json.loads(shown.out)["instance_id"] == started
    assert "cannot be read" in shown.err
    assert almajob("ledger", "check").code == 0


def test_only_what_is_older_than_a_month_is_archived(almajob: Run, tmp_path: Path) -> None:
    """As starts look at the rest."""
    done = almajob("ledger", "archive", "--before", "30d", "--output", str(tmp_path / "x"))
    assert done.code == 2
    assert "at least 31 days ago" in done.err


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked_before_anything_leaves(
    almajob: Run, tmp_path: Path, started: str, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    """With how many runs, and where to."""
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    def asker() -> Callable[[str], bool]:
        return ask

    monkeypatch.setattr("almajob.commands.ledger.archive.asker", asker)
    path = tmp_path / "old.jsonl"
    done = almajob("ledger", "archive", "--before", "60d", "--output", str(path))
    assert asked == [f"Move 1 run from the ledger into {path}?"]
    assert (done.code, path.exists()) == ((0, True) if answer else (5, False))
