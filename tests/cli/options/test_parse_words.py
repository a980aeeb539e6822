"""One value for an option that has one, and arguments and options in any order."""

from __future__ import annotations

import argparse

import pytest

from almajob.cli.options.global_options import shorten_errors
from almajob.cli.options.parse_words import parse_words
from tests.conftest import Run
from tests.support.fake_alma import FakeAlma, job

JOBS = [job("M44", "Export Bibliographic records", "MANUAL")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="x")
    shorten_errors(parser)
    parser.add_argument("things", metavar="THING", nargs="*", default=[])
    parser.add_argument("--size", type=int)
    parser.add_argument("--colour", "--color")
    parser.add_argument("--each", action="append", default=[])
    parser.add_argument("--flag", action="store_true")
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--size 1 --size 2", "--size is given twice, with different values: '1' and '2'"),
        ("--size 1 --size=2 --size 1", "--size is given twice, with different values: '1' and '2'"),
        (
            "--colour red thing --color blue",
            "--colour is given twice, with different values: 'red' and 'blue'",
        ),
        ("--size 1 --size 01", ""),
        ("--each 1 --each 2 --flag --flag", ""),
        ("a --size 1 b", ""),
    ],
)
def test_one_value_is_not_given_twice(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    """The same one twice is, and a list grows; what is refused is told with both values, and exit code 2."""
    if not message:
        parse_words(_parser(), words.split())
        return
    with pytest.raises(SystemExit) as end:
        parse_words(_parser(), words.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[0] == f"x: {message}."


@pytest.mark.parametrize("words", ["a b --flag", "a --flag b", "--flag a b", "a --size 1 b --flag"])
def test_a_list_of_arguments_may_be_broken_by_options(words: str) -> None:
    """argparse itself takes only the first part of it."""
    assert parse_words(_parser(), words.split()).things == ["a", "b"]


def test_what_is_no_option_is_refused_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    """In a broken list, too; after two dashes anything is an argument."""
    with pytest.raises(SystemExit):
        parse_words(_parser(), ["a", "--flag", "b", "--szie", "1"])
    assert "unrecognized arguments: b --szie 1" in capsys.readouterr().err
    assert parse_words(_parser(), ["--flag", "--", "--a", "--flag"]).things == ["--a", "--flag"]


@pytest.mark.parametrize(
    "words",
    [
        "--env sandbox list --env production",
        "--env sandbox --env production list",
        "list --env sandbox --env production",
        "--env sandbox --env production --cmd list",
        "--cache-dir a list --cache-dir b",
        "--cache_dir a --cmd list --cache-dir b",
        "list --ini-file a --ini-file b",
        "--log-file a list --log-file b",
        "list --env sandbox --name a --name b",
        "list --env sandbox --type manual --type scheduled",
        "list --env sandbox -f json -f csv",
        "history --env sandbox --job M44 --job M46",
        "history --env sandbox M44 --job M46",
        "run --env sandbox --job M44 --job M46",
        "--env sandbox --cmd run --job M44 --job M46",
        "run --env sandbox M44 --job M46",
        "run --env sandbox invoices --saved others",
        "run --env sandbox M44 --set a --set b",
        "show --env sandbox M44 --job M46",
        "params --env sandbox M44 --job M46",
        "events --env sandbox 1 --id 2",
        "runs show 1 --id 2",
        "wait --env sandbox 1 --timeout 1h --timeout 2h",
    ],
)
def test_a_command_line_that_contradicts_itself_is_refused(site: FakeAlma, almajob: Run, words: str) -> None:
    """Before the command's name and after it, in the older spelling, and between both spellings of a name."""
    done = almajob(*words.split())
    assert (done.code, done.out) == (2, "")
    assert "different" in done.err or "both named" in done.err
    assert site.calls() == []


def test_in_the_shell_a_command_may_name_another_environment(site: FakeAlma, almajob_process: Run) -> None:
    """What the shell was opened with is not of the same line."""
    site.jobs(JOBS)
    done = almajob_process("--env", "nowhere", "shell", stdin="list --env sandbox\n--env sandbox list\n")
    assert (done.code, done.err, done.out.count("M44")) == (0, "", 2)
