"""Words of other programs lead to almajob's own."""

from __future__ import annotations

import shlex

import pytest

from almajob.cli.app import AlmaJob
from almajob.cli.other_words import _COMMANDS, _OPTIONS, explain_command
from almajob.testing import SimulatedAlma
from tests.conftest import Run

ENV = ("--env", "sandbox")


def test_what_is_a_command_is_no_other_word() -> None:
    """Nor the first word of one: it is answered by the command itself, or by its group."""
    ours = {name.partition(" ")[0] for name, _entry in AlmaJob().command_manager}
    assert ours.isdisjoint(set(_COMMANDS))


@pytest.mark.parametrize("word", _COMMANDS)
def test_an_other_word_is_answered(almajob: Run, word: str) -> None:
    """With a command that there is, or with where it is done in Alma; also followed by options."""
    for words in ((word,), (word, "--job", "x"), (*ENV, word), ("--cmd", word)):
        done = almajob(*words)
        assert (done.code, done.out) == (2, "")
        lines = done.err.splitlines()
        assert lines[0] == f"almajob: There is no command {word!r}."
        assert [line.strip() for line in lines[1:]] == explain_command(word).splitlines()


def test_nothing_stops_a_job(almajob: Run) -> None:
    """And it is said where one can be stopped."""
    assert "Alma has no call that stops a job. Stop it in Alma: Admin > Monitor Jobs" in almajob("stop").err


@pytest.mark.parametrize(
    "words", ["run list", "run list --open", "run list --limit 5", "run show", "run settle x"]
)
def test_run_is_not_runs(simulated: SimulatedAlma, almajob: Run, words: str) -> None:
    """Other programs say run list where almajob says runs list; options do not hide it."""
    done = almajob(*ENV, *words.split())
    assert done.code in (2, 5)
    assert f"Did you mean almajob runs {words.split()[1]}?" in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("run M44 --watch", "--wait"),
        ("status 1 --follow", "--watch"),
        ("list --json", "--format"),
        ("list --environment sandbox", "--env"),
        ("run M44 --confirm", "--yes"),
        ("history M44 --max 5", "--limit"),
        ("list --nam x", "--name"),
        ("list --refrsh", "--refresh"),
        ("run M44 --acept FAILED", "--accept"),
    ],
)
def test_an_option_that_is_not_there_leads_to_the_one_that_is(almajob: Run, words: str, meant: str) -> None:
    """By what it is called elsewhere, how it begins, or what it is like."""
    done = almajob(*shlex.split(words))
    assert (done.code, done.out) == (2, "")
    assert f". Did you mean {meant}?\n" in done.err


def test_each_other_option_leads_to_one_that_a_command_has() -> None:
    """Of our own commands."""
    app = AlmaJob()
    known: set[str] = set()
    for name, _entry in app.command_manager:
        factory = app.command_manager.find_command(name.split())[0]
        known |= set(factory(app, None, cmd_name=name).get_parser(name)._option_string_actions)
    for meant in _OPTIONS.values():
        assert set(meant) <= known
