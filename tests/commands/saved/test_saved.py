"""``almajob saved`` and ``run --save --replace``: saved runs are listed, shown, replaced and deleted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

SET = "Theses without a call number"
SAVE = ("run", "--job", "M44", "--set", SET, "--save", "theses")
WITH = ("--param", "job_name=First")
BY_HAND = (
    "; mine\n"
    "[run:theses]\r\n"
    "job = M44 ; the export\n"
    "set@sandbox = A set\n"
    "job@production = M7\n"
    "\n"
    "; about the next one\n"
    "[run:others]\n"
    "job = M3\n"
)


def _runs_d() -> Path:
    return Path(os.environ["ALMAJOB_INI"]).with_name("runs.d")


def _files() -> list[str]:
    return sorted(path.name for path in _runs_d().iterdir() if path.name != ".lock")


def _save(almajob: Run, environment: str, *words: str) -> None:
    done = almajob("--env", environment, *SAVE, *(words or WITH))
    assert done.code == 0, done.err


@pytest.fixture
def written(simulated: SimulatedAlma, write_ini: Callable[..., Path]) -> Path:
    """An ini with two saved runs that a person wrote."""
    return write_ini(f"{simulated.ini}\n{BY_HAND}")


def test_a_person_is_told_where_it_is_saved(simulated: SimulatedAlma, almajob: Run) -> None:
    """In one line, and what starts it on stderr."""
    done = almajob("--env", "sandbox", *SAVE)
    assert done.out == f"Saved theses for sandbox in {_runs_d() / 'theses.ini'}\n"
    assert done.err == "To start it: almajob --env sandbox run theses\n"


def test_they_are_listed_and_shown(simulated: SimulatedAlma, almajob: Run, written: Path) -> None:
    """Each for its environments; a setting with its value and its line."""
    listed = almajob("saved", "list", "-f", "value", "-c", "name", "-c", "environment")
    assert listed.out.splitlines() == ["theses\t", "theses\tsandbox", "theses\tproduction", "others\t"]
    assert listed.out == almajob("run", "--list-saved", "-f", "value", "-c", "name", "-c", "environment").out
    shown = almajob("saved", "show", "theses", "-f", "json").row
    assert (shown["environments"], shown["file"]) == (["sandbox", "production"], str(written))
    assert shown["settings"][1] == {
        "setting": "set",
        "environment": "sandbox",
        "value": "A set",
        "source": shown["settings"][1]["source"],
    }
    assert shown["settings"][1]["source"].startswith(f"{written}, line ")
    assert "set@sandbox = A set" in almajob("saved", "show", "theses").out


def test_nothing_saved_is_no_error(simulated: SimulatedAlma, almajob: Run) -> None:
    """And what would save one is named."""
    done = almajob("saved", "list", "-f", "json")
    assert (done.code, done.out) == (0, "[]\n")
    assert "almajob run --save NAME" in done.err


@pytest.mark.parametrize("command", ["show", "delete"])
def test_a_name_that_is_not_there_is_refused(
    simulated: SimulatedAlma, almajob: Run, written: Path, command: str
) -> None:
    """Exit code 5, and what may be meant."""
    done = almajob("saved", command, "these")
    assert (done.code, done.out) == (5, "")
    assert "There is no saved run 'these'" in done.err
    assert "theses" in done.err


def test_a_saved_run_is_replaced_only_where_that_is_asked_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """What is saved for another environment stays; the file with the old parameters goes."""
    _save(almajob, "production")
    _save(almajob, "sandbox", *WITH, "--once-per", "day")
    kept = (_runs_d() / "theses.production.json").read_bytes()
    refused = almajob("--env", "sandbox", *SAVE, "--param", "job_name=New")
    assert (refused.code, refused.out) == (5, "")
    assert "--replace replaces it" in refused.err
    _save(almajob, "sandbox", "--param", "job_name=New", "--replace")
    assert _files() == ["theses.ini", "theses.production.json", "theses.sandbox.2.json"]
    assert (_runs_d() / "theses.production.json").read_bytes() == kept
    settings = almajob("saved", "show", "theses", "-f", "json").row["settings"]
    assert "once_per" not in {each["setting"] for each in settings}
    assert almajob("--env", "sandbox", "run", "theses").code == 0
    (run,) = simulated.institution.sandbox.runs()
    assert dict(run.parameters)["job_name"].endswith("] New")
    _save(almajob, "sandbox", *WITH, "--replace")
    assert _files() == ["theses.ini", "theses.production.json", "theses.sandbox.json"]
    assert almajob("--env", "sandbox", "run", "--job", "M44", "--replace").code == 2


def test_one_that_was_written_by_hand_is_not_replaced(
    simulated: SimulatedAlma, almajob: Run, written: Path
) -> None:
    """The file and what deletes it are named; not a byte of it changes."""
    before = written.read_bytes()
    done = almajob("--env", "sandbox", *SAVE, "--replace")
    assert done.code == 5
    assert f"There is a saved run theses in {written}" in done.err
    assert "almajob saved delete theses" in done.err
    assert written.read_bytes() == before


@pytest.mark.parametrize("words", [("--replace",), ()])
def test_what_counts_for_all_environments_is_not_mixed_with_what_is_saved(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """Least of all that production is not asked about: the settings are named, and not a byte changes."""
    _save(almajob, "sandbox")
    file = _runs_d() / "theses.ini"
    environment = "sandbox" if words else "production"
    file.write_text(f"{file.read_text()}confirm = no\n")
    before = file.read_bytes()
    done = almajob("--env", environment, *SAVE, *words)
    assert (done.code, done.out) == (5, "")
    assert "confirm of theses counts for all environments; nothing was changed" in done.err
    assert file.read_bytes() == before
    file.write_text(file.read_text().replace("confirm =", "confirm@sandbox ="))
    assert almajob("--env", environment, *SAVE, *words).code == 0


def test_parameters_that_another_saved_run_names_are_kept(simulated: SimulatedAlma, almajob: Run) -> None:
    """A person may have written that one beside it; when it goes, too, the file is still theirs."""
    _save(almajob, "sandbox")
    other = _runs_d() / "other.ini"
    other.write_text("[run:other]\njob = M44\nparams = theses.sandbox.json\n")
    other.chmod(0o600)
    assert almajob("saved", "delete", "theses").code == 0
    assert _files() == ["other.ini", "theses.sandbox.json"]


@pytest.mark.parametrize("word", ["THESES", " Theses "])
def test_a_word_like_a_saved_run_starts_no_job_that_is_like_it(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path], word: str
) -> None:
    """Which of the two is meant is for a person to say, also with --yes; exactly a job's id is clear."""
    _save(almajob, "sandbox")
    done = almajob("--env", "sandbox", "run", word, "--yes")
    assert (done.code, done.out) == (5, "")
    assert "Did you mean the saved run theses?" in done.err
    write_ini(f"{simulated.ini}\n[run:m44]\njob = M7\n")
    done = almajob("--env", "sandbox", "run", " m44", "--set", SET, "--yes")
    assert (done.code, done.out) == (5, "")
    assert "Did you mean the saved run m44?" in done.err
    assert simulated.log.count("POST /conf/jobs/*") == 0
    assert almajob("--env", "sandbox", "run", "M44", "--set", SET).code == 0


def test_deleting_removes_all_that_was_saved(simulated: SimulatedAlma, almajob: Run) -> None:
    """Its file and its parameters, and no other's; what was deleted is told, and from where."""
    _save(almajob, "sandbox")
    _save(almajob, "production")
    done = almajob("--env", "production", "run", "--job", "M44", "--set", SET, *WITH, "--save", "theses-2")
    assert done.code == 0
    mine = _runs_d() / "theses.note.json"
    mine.write_text("{}")
    done = almajob("saved", "delete", "theses")
    assert (done.code, done.out) == (0, "")
    assert f"Deleted the saved run theses from {_runs_d() / 'theses.ini'}." in done.err
    assert "theses.sandbox.json, theses.production.json" in done.err
    assert _files() == ["theses-2.ini", "theses-2.production.json", "theses.note.json"]
    assert almajob("saved", "delete", "theses").code == 5


def test_deleting_for_one_environment_leaves_the_others(simulated: SimulatedAlma, almajob: Run) -> None:
    """With --env; where nothing is saved for it, nothing is deleted."""
    _save(almajob, "sandbox")
    assert almajob("--env", "production", "saved", "delete", "theses").code == 5
    _save(almajob, "production")
    assert almajob("--env", "production", "saved", "delete", "theses").code == 0
    assert _files() == ["theses.ini", "theses.sandbox.json"]
    assert almajob("saved", "list", "-f", "value", "-c", "environment").out == "sandbox\n"
    assert almajob("--env", "sandbox", "saved", "delete", "theses").code == 0
    assert _files() == []


def test_one_that_was_written_by_hand_is_deleted_and_nothing_else(
    simulated: SimulatedAlma, almajob: Run, written: Path
) -> None:
    """Line ends, comments of others and the mode stay; the file is never half written."""
    before = written.read_text("utf-8")
    assert almajob("--env", "production", "saved", "delete", "theses").code == 0
    assert written.read_text("utf-8") == before.replace("job@production = M7\n", "")
    done = almajob("saved", "delete", "theses")
    assert done.code == 0
    assert str(written) in done.err
    assert written.read_text("utf-8") == f"{simulated.ini}\n; about the next one\n[run:others]\njob = M3\n"
    assert written.stat().st_mode & 0o777 == 0o600
    assert almajob("saved", "list", "-f", "value", "-c", "name").out == "others\n"


def test_a_file_that_is_not_to_be_written_is_left_alone(
    simulated: SimulatedAlma, almajob: Run, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link, and another user's: exit code 5, and what to do."""
    before = written.read_bytes()
    real = written.rename(written.with_name("real.ini"))
    written.symlink_to(real)
    done = almajob("saved", "delete", "theses")
    assert done.code == 5
    assert f"is a link; nothing was deleted.\n  Edit the file that it leads to: {real}" in done.err
    written.unlink()
    real.rename(written)
    with monkeypatch.context() as patched:
        patched.setattr("almajob.config.delete_saved.os.geteuid", lambda: os.getuid() + 1)
        done = almajob("saved", "delete", "theses")
    assert done.code != 0
    assert written.read_bytes() == before


def test_an_ini_that_is_trusted_stays_so(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its only change is that a saved run is gone."""
    monkeypatch.delenv("ALMAJOB_INI")
    here = Path("almajob.ini")
    here.write_text(f"{simulated.ini}\n{BY_HAND}", "utf-8")
    here.chmod(0o600)
    assert almajob("config", "trust").code == 0
    assert almajob("saved", "delete", "theses").code == 0
    (row,) = [almajob("config", "trust", "--list", "-f", "json").row]
    assert row["state"] == "trusted"
