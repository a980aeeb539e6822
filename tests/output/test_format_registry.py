"""Formatters of other distributions: they are offered, and none of them spoils a result."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.distributions import write_distribution
from tests.support.fake_alma import FakeAlma, job
from tests.support.terminals import Terminal

GOOD = """
import argparse, os, sys
from cliff.formatters.base import ListFormatter
from cliff.formatters.table import TableFormatter
print("NOISE")
if "IMPORTED" in os.environ:
    open(os.environ["IMPORTED"], "a").close()
class Count(ListFormatter):
    def add_argument_group(self, parser):
        group = parser.add_argument_group("count")
        group.add_argument("--with-words", action="store_true", help="say what is counted (100%%)")
        group.add_argument("--after", metavar="TEXT", default="", help="this, too; default: %(default)r")
        group.add_argument("--base", choices=("2", "10"), default="10", help="of the number")
        group.add_argument("--between", nargs=2, default=("", ""), help="two texts")
    def emit_list(self, column_names, data, stdout, parsed_args):
        words = " rows" if parsed_args.with_words else ""
        before, behind = parsed_args.between
        stdout.write(f"{before}{len(list(data))}{words}{parsed_args.after}{behind}\\n")
class Cells(Count):
    almajob_api = (1, 0)
    def add_argument_group(self, parser): pass
    def emit_list(self, column_names, data, stdout, parsed_args):
        for row in data:
            texts = [(cell.machine_readable(), cell.human_readable()) for cell in row]
            print(type(data).__name__, list(column_names), texts, stdout.isatty())
class Raw(Cells):
    def emit_list(self, column_names, data, stdout, parsed_args):
        stdout.writelines(f"{cell.machine_readable()}\\n" for row in data for cell in row)
class Binary(Cells):
    def emit_list(self, column_names, data, stdout, parsed_args):
        stdout.buffer.write(bytes([0, 255, 254]))
class Own(TableFormatter): pass
class Needs(Count):
    def add_argument_group(self, parser):
        parser.add_argument("--needed", required=True, help="which cannot be left out")
class Asks(Count):
    def add_argument_group(self, parser):
        parser.add_argument("asked")
class Odd(Count):
    def add_argument_group(self, parser):
        parser.add_argument("--odd", help="100% wrong")
class One:
    def add_argument_group(self, parser): pass
    def emit_one(self, *given): pass
class Future(Count):
    almajob_api = (9, 0)
class Bare:
    def emit_list(self, *given): pass
    emit_one = emit_list
class Raising(Count):
    def add_argument_group(self, parser):
        raise RuntimeError("no options today")
class Exiting(Cells):
    def emit_one(self, *given): sys.exit(0)
class Dying(Cells):
    def emit_one(self, *given): os._exit(0)
class Buggy(Cells):
    def emit_one(self, *given): raise KeyError("no such column")
class Switch(argparse.Action):
    def __call__(self, parser, namespace, *given):
        namespace.yes = namespace.dry_run = True
class Switching(Cells):
    def add_argument_group(self, parser):
        parser.set_defaults(yes=True, dry_run=True)
        parser.add_argument("--yes", action="store_true", default=True)
        parser.add_argument("--switch", dest="yes", action=Switch, nargs=0, default=True, help="switch it on")
        for action in parser._actions:
            action.default = True
    def emit_one(self, column_names, data, stdout, parsed_args):
        stdout.write(f"{len(column_names)} columns\\n")
"""
# What is told of those that cannot be used.
CAUSES = {
    "broken": "No module named 'nowhere'",
    "ending": "GeneratorExit",
    "interrupted": "KeyboardInterrupt: nobody pressed it",
    "quit": "its import ended the process (exit code 0)",
    "asks": "it wants an argument of its own, asked",
    "odd": "ValueError: ",
    "one": "it is no formatter of cliff.formatter.list: it has no emit_list",
    "future": "it needs version 9.0 of almajob's plugin API, and this almajob has 1.0. Upgrade almajob.",
    "bare": "'Bare' object has no attribute 'add_argument_group'",
    "raising": "RuntimeError: no options today",
    "twice": "is claimed by several plugins",
}
# They can be loaded, and lose what they should print.
LOSING = {
    "exiting": "SystemExit: 0",
    "dying": "it ended the process (exit code 0)",
    "buggy": "KeyError: 'no such column'",
}
RUN = ("run", "--job", "ERP export using profile FINANCE")
STARTS = "POST /conf/jobs/*"


@pytest.fixture(autouse=True)
def _others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with formatters: good ones, broken ones, and one that wants a name of ours."""
    names = (
        "cells",
        "binary",
        "own",
        "needs",
        "asks",
        "odd",
        "one",
        "raw",
        "bare",
        "raising",
        "switching",
        "future",
    )
    formats = {
        **{name: f"aj_count:{name.title()}" for name in (*names, *LOSING)},
        **dict.fromkeys(("count", "json", "twice"), "aj_count:Count"),
        **{name: f"aj_{name}:X" for name in ("broken", "ending", "interrupted", "quit")},
    }
    shown = {name: formats[name] for name in (*LOSING, "switching")}
    write_distribution(tmp_path, "other", {"cliff.formatter.list": formats, "cliff.formatter.show": shown})
    write_distribution(tmp_path, "another", {"cliff.formatter.show": {"twice": "aj_count:Own"}})
    for module, source in (
        ("count", GOOD),
        ("broken", "import nowhere"),
        ("ending", "raise GeneratorExit"),
        ("interrupted", "raise KeyboardInterrupt('nobody pressed it')"),
        ("quit", "import os; os._exit(0)"),
    ):
        (tmp_path / f"aj_{module}.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("words", [("list",), ("list", "-f", "json"), ("list", "--help"), ("--help",)])
def test_none_is_imported_before_it_is_chosen(
    site: FakeAlma, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Its name is known without, also where the help of a command tells it."""
    monkeypatch.setenv("IMPORTED", str(tmp_path / "imported"))
    site.jobs([job("S1", "a")])
    done = almajob("--env", "sandbox", *words)
    assert done.code == 0
    assert ("count" in done.out) is (words == ("list", "--help"))
    assert not (tmp_path / "imported").exists()
    assert almajob("--env", "sandbox", "list", "-f", "count").code == 0
    assert (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("-f", "count", "--with-words"), "2 rows"),
        (("--with-words", "--format=count"), "2 rows"),
        # Which of the two?
        (("--with-words", "-f", "json", "--format=count"), None),
        (("-fcount",), "2"),
        # A name of ours cannot be taken.
        (("-f", "json", "-c", "id", "--noindent"), '[{"id": "S1"}, {"id": "S2"}]'),
        (("-qfcount", "--after", "!"), "2!"),
        (("--after=--yes", "-qf", "count"), "2--yes"),
        (("-f", "count", "--between", "<", ">", "--base=2"), "<2>"),
        (("-f", "count", "--after", "--", "-f", "json"), None),
        (("-f", "count", "--base", "3"), None),
        (("-f", "count", "--between", "<"), None),
        (("-f", "count", "--nonsense"), None),
        (("-f", "json", "--with-words"), None),
        (("-f", "needs"), None),
        (("-f",), None),
    ],
)
def test_its_options_are_read_as_ours(
    site: FakeAlma, almajob: Run, words: tuple[str, ...], out: str | None
) -> None:
    """In any order with them; a wrong one is exit code 2, and nothing is asked."""
    if out is not None:
        site.jobs([job("S1", "a"), job("S2", "b")])
    done = almajob("--env", "sandbox", "list", *words)
    assert (done.code, done.out) == ((2, "") if out is None else (0, f"{out}\n"))
    if out is None:
        assert "See almajob list --help." in done.err
        assert site.calls() == []


def test_the_help_of_a_command_tells_its_options(almajob: Run) -> None:
    """Once it is chosen."""
    shown = almajob("list", "-f", "count", "--help").out
    assert "say what is counted (100%)" in shown
    assert "--after TEXT" in shown
    assert "this, too; default: ''" in shown
    assert "--base {2,10}" in shown
    assert "--with-words" not in almajob("list", "--help").out


def test_it_gets_both_forms_of_a_value(site: FakeAlma, almajob: Run) -> None:
    """As it is for programs, and as it is for people; what it prints to sys.stdout is its result, too."""
    site.jobs([job("S1", "a\x1b[31mb")])
    out = almajob("--env", "sandbox", "list", "-f", "cells", "-c", "name").out
    assert out == "generator ['name'] [('a\\x1b[31mb', 'a\\\\x1b[31mb')] False\n"


def test_what_it_writes_is_written_as_it_is(site: FakeAlma, almajob: Run) -> None:
    """To a pipe; but for half a character, which no file can hold."""
    site.jobs([job("S1", "a\x1b[31mb 作業"), job("S2", "half \ud800")])
    out = almajob("--env", "sandbox", "list", "-f", "raw", "-c", "name").out
    assert out == "a\x1b[31mb 作業\nhalf \\ud800\n"


def test_a_terminal_obeys_nothing_that_it_prints(site: FakeAlma, almajob: Run, tmp_path: Path) -> None:
    """A value with an escape is spelled out before it gets it; it is told that there is a terminal."""
    site.jobs([job("S1", "a\x1b]0;b\x07")])
    for form, shown in (("raw", "\na\\x1b]0;b\\x07\r\n"), ("cells", " True\r\n")):
        words = ("--env", "sandbox", "list", "-f", form, "-c", "name")
        with Terminal(*words, environ={"PYTHONPATH": str(tmp_path)}) as terminal:
            assert terminal.end() == 0
            assert "\x1b" not in terminal.written
            assert shown in terminal.written


def test_what_is_no_text_is_written_as_it_is(site: FakeAlma, almajob_process: Run, tmp_path: Path) -> None:
    """As a spreadsheet would be."""
    site.jobs([job("S1", "a")])
    done = almajob_process(
        *("--env", "sandbox", "list", "-f", "binary"),
        environ={"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        encoding="latin-1",
    )
    assert (done.code, done.out) == (0, "\x00\xff\xfe")


def test_an_option_of_ours_stays_what_it_is(site: FakeAlma, almajob: Run) -> None:
    """A formatter made from cliff's table has its options, too: they are ours, and it gets their values."""
    site.jobs([job("S1", "a long name of a job that does not fit")])
    done = almajob("--env", "sandbox", "list", "-f", "own", "-c", "name", "--max-width", "20")
    assert done.code == 0
    assert {len(line) for line in done.out.splitlines()} == {20}


@pytest.mark.parametrize("name", CAUSES)
def test_one_that_is_not_as_it_should_be_is_refused(site: FakeAlma, almajob: Run, name: str) -> None:
    """By its name, with distribution and cause, before anything is asked."""
    claims = ("other", "another") if name == "twice" else ("other",)
    done = almajob("--env", "sandbox", "list", "-f", name)
    assert (done.code, done.out) == (7, "")
    told = done.err.removeprefix("NOISE\n")
    assert told.startswith(f"almajob: The format {name!r} cannot be used.\n  ")
    assert not [part for part in (CAUSES[name], *claims) if part not in told]
    assert len(told.splitlines()) <= 6
    assert site.calls() == []


def test_plugin_list_names_them(almajob: Run) -> None:
    """Each with its state, and with what is wrong with it; the names of ours cannot be taken."""
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    told = [row for row in rows if row["kind"] == "format"]
    states = {**dict.fromkeys(CAUSES, "broken"), "twice": "clash", "json": "refused"}
    assert {row["name"]: row["state"] for row in told if row["state"] != "ok"} == states
    assert {row["name"] for row in told if row["state"] == "ok"} >= {"count", *LOSING}
    for row in told:
        cause = CAUSES.get(row["name"], "the format is almajob's own" if row["name"] == "json" else "")
        assert cause in (row["problem"] or "")
    # One that says what it needs, and one that does not.
    assert {row["name"]: row["api"] for row in told if row["name"] in ("cells", "count")} == {
        "cells": "1.0",
        "count": None,
    }


@pytest.mark.parametrize("name", LOSING)
def test_a_start_whose_format_fails_is_no_success_and_names_its_run(
    simulated: SimulatedAlma, almajob: Run, name: str
) -> None:
    """Exit code 1 and whose fault it is, also where the format thinks that it is done."""
    done = almajob("--env", "sandbox", *RUN, "-f", name)
    assert (done.code, done.out, simulated.log.count(STARTS)) == (1, "", 1)
    (run,) = simulated.institution.sandbox.runs()
    assert f" was started all the same: run {run.id} " in done.err
    fault = f"other 1.2 (aj_count:{name.title()}): {LOSING[name]}"
    assert f"The format '{name}' could not print the result.\n  {fault}\n" in done.err
    assert "a bug in almajob" not in done.err


@pytest.mark.parametrize("words", [(), ("--switch",)])
def test_a_format_switches_nothing_on(simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """A production start is not confirmed by it, and a start in the sandbox is none that is only tried."""
    done = almajob("--env", "production", *RUN, "-f", "switching", *words)
    assert (done.code, done.out, simulated.log.count(STARTS)) == (5, "", 0)
    done = almajob("--env", "sandbox", *RUN, "-f", "switching", *words)
    assert (done.code, done.out.endswith(" columns\n"), simulated.log.count(STARTS)) == (0, True, 1)


def test_its_process_is_gone_when_the_command_ends(site: FakeAlma, almajob: Run) -> None:
    """Also where the command line was wrong."""
    site.jobs([job("S1", "a")])
    before = _children()
    almajob("--env", "sandbox", "list", "-f", "count")
    almajob("--env", "sandbox", "list", "-f", "count", "--nonsense")
    almajob("--env", "sandbox", "list", "-f", "count", "-c", "nonsense")
    assert _children() == before


def _children() -> str:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
