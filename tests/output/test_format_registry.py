"""Formatters of other distributions: they are offered, and none of them spoils a result."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.fake_alma import FakeAlma, job
from tests.support.terminals import Terminal

GOOD = """
import os, sys
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
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with formatters: a good one, broken ones, and one that wants a name of ours."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[cliff.formatter.list]\ncount = aj_count:Count\nbroken = nowhere:X\nending = aj_ending:X\n"
        "json = aj_count:Count\ncells = aj_count:Cells\nbinary = aj_count:Binary\nown = aj_count:Own\n"
        "needs = aj_count:Needs\nasks = aj_count:Asks\nodd = aj_count:Odd\none = aj_count:One\n"
        "twice = aj_count:Count\nraw = aj_count:Raw\n",
        "utf-8",
    )
    info = tmp_path / "another-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 2.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[cliff.formatter.show]\ntwice = aj_count:Own\n", "utf-8")
    (tmp_path / "aj_count.py").write_text(GOOD, "utf-8")
    (tmp_path / "aj_ending.py").write_text("raise GeneratorExit\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("others")
def test_another_distributions_formatter_works(site: FakeAlma, almajob: Run) -> None:
    """With its own options."""
    site.jobs([job("S1", "a"), job("S2", "b")])
    done = almajob("--env", "sandbox", "list", "-f", "count", "--with-words")
    assert (done.code, done.out) == (0, "2 rows\n")


@pytest.mark.usefixtures("others")
def test_what_it_prints_is_no_part_of_a_result(site: FakeAlma, almajob: Run) -> None:
    """And it cannot take the name of one of ours."""
    site.jobs([job("S1", "a")])
    assert json.loads(almajob("--env", "sandbox", "list", "-f", "json").out)[0]["ID"] == "S1"


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", ["broken", "ending"])
def test_a_broken_one_is_refused_when_it_is_chosen(site: FakeAlma, almajob: Run, name: str) -> None:
    """By name, with its distribution, before anything is asked; all others work."""
    done = almajob("--env", "sandbox", "list", "-f", name)
    assert (done.code, done.out) == (7, "")
    assert f"The format '{name}' cannot be used." in done.err
    assert "other 1.0" in done.err
    assert site.calls() == []


@pytest.mark.usefixtures("others")
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


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("-f", "count", "--with-words"), "2 rows"),
        (("--with-words", "-f", "json", "--format=count"), "2 rows"),
        (("-fcount",), "2"),
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
        assert "almajob list --help shows what there is." in done.err
        assert site.calls() == []


@pytest.mark.usefixtures("others")
def test_the_help_of_a_command_tells_its_options(almajob: Run) -> None:
    """Once it is chosen."""
    shown = almajob("list", "-f", "count", "--help").out
    assert "say what is counted (100%)" in shown
    assert "--after TEXT" in shown
    assert "this, too; default: ''" in shown
    assert "--base {2,10}" in shown
    assert "--with-words" not in almajob("list", "--help").out


@pytest.mark.usefixtures("others")
def test_it_gets_both_forms_of_a_value(site: FakeAlma, almajob: Run) -> None:
    """As it is for programs, and as it is for people; what it prints to sys.stdout is its result, too."""
    site.jobs([job("S1", "a\x1b[31mb")])
    out = almajob("--env", "sandbox", "list", "-f", "cells", "-c", "name").out
    assert out == "generator ['Name'] [('a\\x1b[31mb', 'a\\\\x1b[31mb')] False\n"


@pytest.mark.usefixtures("others")
def test_what_it_writes_is_written_as_it_is(site: FakeAlma, almajob: Run) -> None:
    """To a pipe; but for half a character, which no file can hold."""
    site.jobs([job("S1", "a\x1b[31mb 作業"), job("S2", "half \ud800")])
    out = almajob("--env", "sandbox", "list", "-f", "raw", "-c", "name").out
    assert out == "a\x1b[31mb 作業\nhalf \\ud800\n"


@pytest.mark.usefixtures("others")
def test_a_terminal_obeys_nothing_that_it_prints(site: FakeAlma, almajob: Run, tmp_path: Path) -> None:
    """A value with an escape is spelled out before it gets it; it is told that there is a terminal."""
    site.jobs([job("S1", "a\x1b]0;b\x07")])
    for form, shown in (("raw", "\na\\x1b]0;b\\x07\r\n"), ("cells", " True\r\n")):
        words = ("--env", "sandbox", "list", "-f", form, "-c", "name")
        with Terminal(*words, environ={"PYTHONPATH": str(tmp_path)}) as terminal:
            assert terminal.end() == 0
            assert "\x1b" not in terminal.written
            assert shown in terminal.written


@pytest.mark.usefixtures("others")
def test_what_is_no_text_is_written_as_it_is(site: FakeAlma, almajob_process: Run, tmp_path: Path) -> None:
    """As a spreadsheet would be."""
    site.jobs([job("S1", "a")])
    done = almajob_process(
        *("--env", "sandbox", "list", "-f", "binary"),
        environ={"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        encoding="latin-1",
    )
    assert (done.code, done.out) == (0, "\x00\xff\xfe")


@pytest.mark.usefixtures("others")
def test_an_option_of_ours_stays_what_it_is(site: FakeAlma, almajob: Run) -> None:
    """A formatter made from cliff's table has its options, too: they are ours, and it gets their values."""
    site.jobs([job("S1", "a long name of a job that does not fit")])
    done = almajob("--env", "sandbox", "list", "-f", "own", "-c", "name", "--max-width", "20")
    assert done.code == 0
    assert {len(line) for line in done.out.splitlines()} == {20}


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("asks", "it wants an argument of its own, asked"),
        ("odd", "ValueError: "),
        ("one", "it is no formatter of cliff.formatter.list: it has no emit_list"),
        ("twice", "is claimed by several plugins"),
    ],
)
def test_one_that_is_not_as_it_should_be_is_refused(
    site: FakeAlma, almajob: Run, name: str, cause: str
) -> None:
    """By name, before anything is asked, and so told in the list of plugins."""
    claims = {"other", "another"} if name == "twice" else {"other"}
    done = almajob("--env", "sandbox", "list", "-f", name)
    assert (done.code, done.out) == (7, "")
    assert f"The format {name!r} cannot be used.\n  " in done.err
    assert all(part in done.err for part in (cause, *claims))
    assert site.calls() == []
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    told = [row for row in rows if (row["kind"], row["name"]) == ("format", name)]
    assert {row["distribution"] for row in told} == claims
    assert {row["state"] for row in told} == {"clash" if name == "twice" else "broken"}
    assert all(cause in row["problem"] for row in told)


@pytest.mark.usefixtures("others")
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
