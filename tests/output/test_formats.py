"""What is printed in each format, and that none of them can be made to do more than print."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.cli.app import AlmaJob
from almajob.output import formats
from almajob.output.columns import as_column
from almajob.text.sanitize import sanitize
from tests.conftest import Run
from tests.support.fake_alma import FakeAlma, job
from tests.support.terminals import Terminal

HOSTILE = "$(touch PWNED) `touch PWNED` ';touch PWNED;' \" \\ \x1b[31m \n \t #"
JOBS = [job("S1", HOSTILE), job("S2", "=cmd|'/c calc'!A1"), job("M3", "作業 -5")]


@pytest.fixture
def listed(site: FakeAlma, almajob: Run) -> Callable[..., str]:
    """Print the three jobs in some way."""
    site.jobs(JOBS)

    def run(*words: str) -> str:
        done = almajob("--env", "sandbox", "list", *words)
        assert done.code == 0, done.err
        return done.out

    return run


def test_json_and_yaml_have_every_name_as_it_is(listed: Callable[..., str]) -> None:
    """Whatever is in it, in the order of the columns that are asked for."""
    names = [HOSTILE, "=cmd|'/c calc'!A1", "作業 -5"]
    for words in ((), ("--noindent",)):
        found = json.loads(listed("-f", "json", "-c", "name", "-c", "ID", *words))
        assert [row["name"] for row in found] == names
        assert [list(row) for row in found] == [["name", "id"]] * 3
    found = yaml.safe_load(listed("-f", "yaml", "-c", "name", "-c", "ID"))
    assert [row["name"] for row in found] == names
    assert [list(row) for row in found] == [["name", "id"]] * 3


def test_json_looks_as_json_writes_it(simulated: object, almajob: Run) -> None:
    """Our writer is faster, and no other: nested values too."""
    almajob("--env", "sandbox", "run", "--job", "ERP export using profile FINANCE")
    out = almajob("--env", "sandbox", "status", "--id", "@last", "-f", "json").out
    assert out == json.dumps(json.loads(out), indent=2) + "\n"
    out = almajob("--env", "sandbox", "runs", "list", "-f", "json").out
    assert out == json.dumps(json.loads(out), indent=2) + "\n"


def test_csv_cells_are_no_formulas(listed: Callable[..., str]) -> None:
    """An apostrophe stands before them, unless --csv-raw says otherwise; the rest is as it was."""
    rows = list(csv.reader(io.StringIO(listed("-f", "csv", "-c", "name"), newline="")))
    assert rows == [["name"], [HOSTILE], ["'=cmd|'/c calc'!A1"], ["作業 -5"]]
    rows = list(csv.reader(io.StringIO(listed("-f", "csv", "-c", "name", "--csv-raw"), newline="")))
    assert rows[2] == ["=cmd|'/c calc'!A1"]


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        # All that OWASP names.
        (["=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\uff1d1"], "'"),
        # Negative numbers, too.
        (["", "-5", "+1.5", "-0,25", "a=b", "x-y", "2026-11-22", "job"], ""),
    ],
)
def test_what_a_spreadsheet_takes_for_a_formula_is_guarded(cells: list[str], sign: str) -> None:
    """And only that; in a header, too, as a plugin may take its columns from elsewhere."""
    assert [formats.guard_formula(cell) for cell in cells] == [f"{sign}{cell}" for cell in cells]
    options = argparse.Namespace(quote_mode="all", csv_raw=False)
    written = io.StringIO(newline="")
    formats.Csv().emit_list(cells, [], written, options)
    assert next(csv.reader(io.StringIO(written.getvalue(), newline=""))) == [
        f"{sign}{cell}" for cell in cells
    ]


def test_a_value_is_one_line(listed: Callable[..., str]) -> None:
    """With a tab between its cells, as names have blanks; what is no text in a name is spelled out."""
    lines = listed("-f", "value", "-c", "ID", "-c", "name").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["S1", "S2", "M3"]
    assert [line.split("\t")[1] for line in lines[1:]] == [each["name"] for each in JOBS[1:]]
    assert "\\x1b[31m \\n \\t" in lines[0]
    assert {line.count("\t") for line in lines} == {1}


def test_a_table_shows_what_cannot_be_seen(listed: Callable[..., str]) -> None:
    """No escape reaches the terminal, and a row stays a row."""
    out = listed("-c", "name", "-c", "ID")
    assert "\x1b" not in out
    assert "\\x1b[31m \\n \\t" in out
    assert len(out.splitlines()) == 7
    assert out.splitlines()[1].split() == ["|", "name", "|", "id", "|"]


def test_shell_output_survives_eval(site: FakeAlma, almajob: Run) -> None:
    """A hostile name arrives as it is, in sh and in bash, and nothing of it is run."""
    site.jobs([job("S1", HOSTILE)])
    done = almajob("--env", "sandbox", "show", "S1", "-f", "shell", "--prefix", "job_")
    assert done.code == 0
    for program in ("sh", "bash"):
        script = 'eval "$(cat)"; printf %s "$job_name"'
        ran = subprocess.run(
            [program, "-c", script], input=done.out, capture_output=True, text=True, check=True
        )
        assert (ran.stdout, ran.stderr) == (HOSTILE, "")
        assert subprocess.run(["ls"], capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("program", ["sh", "bash", "zsh"])
@settings(max_examples=25)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)
        | st.sampled_from(
            ("=1", "=ls", "a:=ls", "~", "~root", "a=~", "!!", "*", "a*", "{a,b}", "a b", "''", "-n")
        ),
        max_size=50,
    )
)
def test_any_value_survives_eval(program: str, values: list[str]) -> None:
    """In sh, bash and zsh, whatever it is; a shell that is not installed is passed over."""
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program}")
    written = io.StringIO()
    names = [f"v{number}" for number in range(len(values))]
    options = AlmaJob().parser.parse_args([])
    options.prefix = ""
    formats.Shell().emit_one(names, values, written, options)
    shown = "".join(f'printf "%s\\0" "${name}"; ' for name in names)
    ran = subprocess.run(
        [program, *(["-f"] if program == "zsh" else []), "-c", f'eval "$(cat)"; {shown}'],
        input=written.getvalue().encode(),
        capture_output=True,
        check=True,
    )
    assert (ran.stdout.decode().split("\0")[:-1], ran.stderr) == (values, b"")


# An operating system command that sets the title, a colour, the same as C1, and a name that reads backwards.
STEERING = "a\x1b]0;title\x07b\x1b[31mc\x9b31md\x9d0;e\x9cf\u202eg\x7fh\tü"


def test_a_terminal_obeys_nothing_in_a_name(site: FakeAlma, tmp_path: Path) -> None:
    """Whatever the format: what steers it, or turns the reading order, is spelled out."""
    site.jobs([job("S1", STEERING)])
    formats = ("", "-f csv", "-f csv --quote none --csv-raw", "-f value", "-f json", "-f yaml")
    lines = [f"list {each} -c name" for each in formats]
    lines += [f"show S1 {each} -c name" for each in ("", "-f shell", "-f value")]
    script = tmp_path / "script"
    script.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    shell = ("sh", "-c", f'exec "{sys.executable}" -m almajob --env sandbox shell <{script}')
    with Terminal(program=shell, size=(100, 200)) as terminal:
        assert terminal.end() == 0, terminal.text
        seen = terminal.written.replace("\r\n", "\n")
    assert sanitize(seen, keep="\n") == seen
    assert seen.count("31mc") == len(lines)


@pytest.mark.parametrize("words", [("list", "-f", "csv"), ("show", "S1", "-f", "shell")], ids=" ".join)
def test_a_pipe_gets_a_name_as_it_is(site: FakeAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """Exactly: a program reads it, and knows what it does."""
    site.jobs([job("S1", STEERING)])
    assert STEERING in almajob("--env", "sandbox", *words, "-c", "name").out


@pytest.mark.parametrize(
    ("column", "prefix", "name"),
    [
        ("Job ID", "", "job_id"),
        ("a:b-c", "", "a_b_c"),
        ("1st", "", "_1st"),
        ("é", "", "_"),
        # A script that asks for RUN_ID must not find it empty.
        ("Job ID", "RUN_", "RUN_job_id"),
    ],
)
def test_a_columns_name_becomes_a_variables(column: str, prefix: str, name: str) -> None:
    """Letters, digits and underscores; no digit first."""
    assert formats.variable(column, prefix) == name


@pytest.mark.parametrize("prefix", ["a b", "1", "$(x)", "a=;b"])
def test_a_prefix_that_is_no_name_is_refused(site: FakeAlma, almajob: Run, prefix: str) -> None:
    """Before anything is asked."""
    done = almajob("--env", "sandbox", "show", "S1", "-f", "shell", "--prefix", prefix)
    assert done.code == 2
    assert "argument --prefix" in done.err
    assert site.calls() == []


def test_a_start_can_be_evaluated_and_several_runs_cannot(simulated: object, almajob: Run) -> None:
    """``eval "$(almajob run … -f shell)"``; several have no such form, told before anything is done."""
    done = almajob("--env", "sandbox", "run", "--job", "ERP export using profile FINANCE", "-f", "shell")
    assert done.code == 0
    assert "\nstatus=QUEUED\n" in done.out
    done = almajob("--env", "sandbox", "status", "--id", "1", "--id", "2", "-f", "shell")
    assert done.code == 2
    assert "-f shell has a form for one thing only" in done.err


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("json", "[]\n"),
        ("yaml", "[]\n"),
        ("csv", '"name"\n'),
        ("value", ""),
        ("table", ""),
        ("table --print-empty", "+------+\n| name |\n+------+\n+------+\n"),
    ],
)
def test_nothing_found_is_an_empty_result_and_a_note(
    site: FakeAlma, almajob: Run, form: str, out: str
) -> None:
    """The result on stdout, the note on stderr, exit code 0."""
    site.jobs(JOBS)
    done = almajob("--env", "sandbox", "list", "--name", "nothing", "-f", *form.split(), "-c", "Name")
    assert (done.code, done.out) == (0, out)
    assert done.err.startswith("No job matches.")


@pytest.mark.parametrize(
    "words",
    [
        ("list", "-c", "nope"),
        ("list", "-c", "ID", "-c", "nope"),
        ("list", "--sort-column", "nope"),
        # A typing error must not leave a job running with its number untold.
        ("run", "--job", "S1", "-c", "nope"),
    ],
)
def test_an_unknown_column_is_an_error(site: FakeAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """Also beside a known one; nothing is asked of Alma."""
    done = almajob("--env", "sandbox", *words)
    assert (done.code, done.out) == (2, "")
    assert "There is no column 'nope'.\n  Its columns are " in done.err
    assert site.calls() == []


def test_an_order_without_a_column_is_an_error(site: FakeAlma, almajob: Run) -> None:
    """cliff would do nothing."""
    done = almajob("--env", "sandbox", "list", "--sort-descending")
    assert done.code == 2
    assert "--sort-column COLUMN" in done.err


def test_rows_are_sorted_by_a_column_that_is_not_shown(listed: Callable[..., str]) -> None:
    """Columns keep the order in which they were asked for."""
    out = listed("-f", "csv", "-c", "type", "-c", "id", "--sort-column", "name", "--sort-descending")
    assert [row[1] for row in csv.reader(io.StringIO(out))] == ["id", "M3", "S2", "S1"]


@pytest.mark.parametrize("name", ["CLIFF_MAX_TERM_WIDTH", "CLIFF_FIT_WIDTH"])
@pytest.mark.parametrize("value", ["abc", "", "-1", "1e3", "٣", "9" * 5000])
def test_a_bad_variable_breaks_nothing(
    site: FakeAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """cliff reads them as numbers."""
    site.jobs(JOBS)
    monkeypatch.setenv(name, value)
    done = almajob("--env", "sandbox", "list")
    assert "S2" in done.out
    assert f"{name} is not a whole number" in done.err


@pytest.mark.parametrize(
    ("value", "machine", "human"),
    [
        (None, None, ""),
        (True, True, "yes"),
        ("a\x1bb", "a\x1bb", "a\\x1bb"),
        ([1, {"a": None}], [1, {"a": None}], '[1, {"a": null}]'),
        (float("nan"), None, ""),
        (1.5, 1.5, "1.5"),
        ({1}, [1], "[1]"),
        (b"x\xff", "x\\xff", "x\\xff"),
        (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22T00:00:00.000Z", None),
        ([datetime(2026, 11, 22, tzinfo=UTC)], ["2026-11-22T00:00:00.000Z"], '["2026-11-22T00:00:00.000Z"]'),
    ],
)
def test_whatever_a_plugin_gives_has_a_form(value: Any, machine: Any, human: str | None) -> None:
    """For programs what JSON can hold; for people no control characters."""
    column = as_column(value)
    assert column.machine_readable() == machine
    assert human is None or column.human_readable() == human


def test_numbers_stay_numbers() -> None:
    """A table puts them to the right, CSV leaves out the quotes."""
    assert as_column(5) == 5
    assert tuple(map(formats.text, (5, True, None, ["a"]))) == ("5", "true", "", '["a"]')


@pytest.mark.parametrize("width", ["-5", "x", "1.5", ""])
def test_a_width_that_is_none_is_refused(site: FakeAlma, almajob: Run, width: str) -> None:
    """Before anything is asked."""
    assert almajob("--env", "sandbox", "list", f"--max-width={width}").code == 2
    assert site.calls() == []
