"""A user without a home directory, as in a container: only a start needs a place to keep something."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.completion import grammar
from almajob.completion.local_values import Places, jobs
from almajob.testing import SimulatedAlma
from tests.conftest import Run

ENV = ("--env", "sandbox")
ERP = "ERP export using profile FINANCE"


@pytest.fixture(autouse=True)
def _homeless(monkeypatch: pytest.MonkeyPatch, simulated: SimulatedAlma) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.delenv("HOME")


@pytest.mark.parametrize("env", ["sandbox", "demo"])
def test_jobs_are_listed_with_one_warning(almajob: Run, env: str) -> None:
    """The cache is optional. Nothing is made in the current directory."""
    done = almajob("--env", env, "list")
    assert done.code == 0
    assert ERP in done.out
    assert done.err.count("There is no place for the cache") == 1
    assert "ALMAJOB_CACHE_DIR" in done.err
    assert os.listdir() == []
    assert almajob("--env", env, "--cache-dir", "c", "list").err == ""


def test_what_only_looks_works(almajob: Run) -> None:
    """A run by its Process ID, the quota, the settings, the cache that is not there."""
    for words, message in (
        ((*ENV, "history", "--job", ERP), ""),
        ((*ENV, "quota"), ""),
        (("config", "show"), ""),
        (("cache", "show"), "There is no cache directory."),
        (("cache", "clear"), "There is no cache directory."),
    ):
        done = almajob(*words)
        assert done.code == 0, words
        assert message in done.err
    told = almajob(*ENV, "status", "--id", "9563600050000561")
    assert (told.code, "Alma knows no run" in told.err) == (4, True)


@pytest.mark.parametrize(
    "words", [(), ("--run-key", "k"), ("--once-per", "day"), ("--dry-run",), ("--wait",)]
)
def test_a_start_is_refused_with_what_to_set(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """Nothing is sent, as without a ledger the job could start twice."""
    done = almajob(*ENV, "run", "--job", ERP, *words)
    assert done.code == 5
    assert "There is no place for the ledger, so nothing is started." in done.err
    assert "Set ALMAJOB_STATE_DIR to a directory that is kept" in done.err
    assert simulated.log.count("POST *") == 0
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("runs", "list"), 5),
        ((*ENV, "status", "--id", "@last"), 5),
        ((*ENV, "config", "check"), 7),
        (("config", "set-key", "sandbox"), 7),
        (("config", "trust", "almajob.ini"), 5),
    ],
)
def test_what_needs_a_place_names_the_variable(
    almajob: Run, words: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps something that must not be lost."""
    if words[1] == "trust":
        Path("almajob.ini").touch(0o600)
    monkeypatch.setattr("sys.stdin", io.StringIO("simulator-sandbox-key\n"))
    done = almajob(*words)
    assert done.code == code
    assert "ALMAJOB_STATE_DIR" in done.err


def test_the_state_directory_alone_is_enough(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A start is made, once, and found again; the cache stays a warning."""
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "state"))
    for _time in range(2):
        done = almajob(*ENV, "run", "--job", ERP, "--once-per", "day", "-f", "json")
        assert done.code == 0
        assert json.loads(done.out)["state"] in ("STARTED", "ADOPTED")
    assert simulated.log.count("POST *") == 1
    assert almajob("runs", "list").code == 0


def test_completion_looks_at_nothing_of_the_current_directory(
    almajob: Run, write_ini: Callable[..., Path]
) -> None:
    """Neither for job names, nor to keep what the plugins say."""
    assert almajob("--env", "demo", "--cache-dir", ".", "list").code == 0
    kept = os.listdir()
    places = Places(os.environ)
    assert jobs(places, "demo", "") == jobs(places, "", "") == []
    grammar.load_grammar(places.cache, dict)
    assert os.listdir() == kept
