"""Help at every width: nothing is wider than the terminal, what is a command's own comes first."""

from __future__ import annotations

import argparse
import io
import re
import shlex
import textwrap
from collections.abc import Iterator

import pytest

from almajob.cli.app import AlmaJob
from almajob.cli.command_groups import HEADINGS, SUMMARIES, group_names
from almajob.cli.console.pager import show_page
from almajob.cli.help import format_all, format_group
from almajob.cli.help_format import EXAMPLES, GLOBAL_OPTIONS, format_help, list_sections
from almajob.output.formats import OUTPUT_OPTIONS
from tests.conftest import Run
from tests.support.terminals import Terminal

APP = AlmaJob()
NAMES = [name for name, _installed in APP.command_manager if name != "help"]
GROUPS = sorted({name.split(" ")[0] for name in NAMES if " " in name})


def _parser(name: str) -> argparse.ArgumentParser:
    factory, found, _rest = APP.command_manager.find_command(name.split(" "))
    parser: argparse.ArgumentParser = factory(APP, None, cmd_name=found).get_parser(f"almajob {found}")
    return parser


def _pages() -> Iterator[tuple[str, str]]:
    """Write every page of help, each with its name."""
    yield "almajob", format_all(APP)
    for group in GROUPS:
        yield group, format_group(APP, group)
    for name in NAMES:
        yield name, format_help(_parser(name))


def _words(page: str) -> list[str]:
    return page.replace(" \\\n", "\n").split()


@pytest.fixture(scope="module")
def wide_pages() -> dict[str, str]:
    """Every page where nothing has to be folded."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "400")
        return dict(_pages())


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_no_line_of_help_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, wide_pages: dict[str, str], columns: int
) -> None:
    """Of any command, any group, and of almajob; and no word is broken."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, page in _pages():
        too_wide = [line for line in page.splitlines() if len(line) >= columns]
        assert not too_wide, name
        assert _words(page) == _words(wide_pages[name]), name


def test_text_is_at_most_a_hundred_columns_wide(wide_pages: dict[str, str]) -> None:
    """Longer lines are hard to read."""
    for name, page in wide_pages.items():
        assert max(map(len, page.splitlines())) <= 100, name


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_own_options_come_first(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Then those of the output, then the global ones, then examples; the usage is short."""
    monkeypatch.setenv("COLUMNS", "80")
    parser = _parser(name)
    titles = [title for title, _actions in list_sections(parser)]
    shared = [title for title in titles if title in (OUTPUT_OPTIONS, GLOBAL_OPTIONS)]
    assert shared == [title for title in (OUTPUT_OPTIONS, GLOBAL_OPTIONS) if title in titles]
    assert titles[-len(shared) :] == shared
    page = format_help(parser)
    assert page.startswith(f"Usage: almajob {name} ")
    usage = page.split("\n\n")[0].splitlines()
    assert len(usage) <= 2
    assert usage[-1].endswith("[options]")
    places = [page.index(f"\n{title[0].upper()}{title[1:]}:\n") for title in (*titles, EXAMPLES[:-1])]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_examples_fit_80_columns(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each is one line, to be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = format_help(_parser(name)).split(f"\n{EXAMPLES}\n")[1].splitlines()
    assert lines
    assert not [line for line in lines if not line.startswith("  almajob ") or line.endswith("\\")]


def test_every_summary_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the longest name; so the list of commands can be read at a glance."""
    monkeypatch.setenv("COLUMNS", "80")
    page = format_all(APP)
    for name in NAMES:
        summary = (_parser(name).description or "").partition("\n")[0].rstrip(".")
        assert re.search(rf"^  {name} +{re.escape(summary)}$", page, re.MULTILINE), name


def test_a_folded_example_is_the_same_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be copied from a narrow terminal, too: a shell takes out a backslash at the end of a line."""
    parser = argparse.ArgumentParser("x", add_help=False)
    example = "almajob --env sandbox show 'a  long name of a job' -f \"a b\" --name 'it'\\''s' -c id -c name"
    parser.description = f"Do it.\n\n{EXAMPLES}\n  {example}\n"
    monkeypatch.setenv("COLUMNS", "40")
    shown = format_help(parser).split(f"{EXAMPLES}\n")[1]
    assert max(map(len, shown.splitlines())) < 40
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(example)


def test_paragraphs_are_filled_and_indented_lines_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are broken in a docstring."""
    parser = argparse.ArgumentParser("x", add_help=False)
    parser.description = textwrap.dedent("""\
        Do something with --cache-dir.

        First line of a paragraph
        and its second.

          kept as it is
          and this
        """)
    monkeypatch.setenv("COLUMNS", "29")
    assert format_help(parser) == (
        "Usage: x [options]\n\nDo something with\n--cache-dir.\n\n"
        "First line of a paragraph\nand its second.\n\n  kept as it is\n  and this\n"
    )


def test_options_of_one_title_are_one_section() -> None:
    """As those of all formats are; a value stands once behind the names."""
    parser = argparse.ArgumentParser("x", add_help=False)
    parser.add_argument_group(GLOBAL_OPTIONS).add_argument("--one", help="1")
    parser.add_argument_group(OUTPUT_OPTIONS).add_argument("-t", "--two", metavar="N", help="2")
    parser.add_argument("name", help="3")
    parser.add_argument_group(OUTPUT_OPTIONS).add_argument("--three", action="store_true", help="4")
    parser.add_argument_group("own").add_argument("--needed", required=True, help="5")
    assert format_help(parser) == textwrap.dedent("""\
        Usage: x --needed NEEDED name [options]

        Arguments:
          name             3

        Own:
          --needed NEEDED  5

        Output options:
          -t, --two N      2
          --three          4

        Global options:
          --one ONE        1
        """)


def test_every_command_stands_under_a_heading() -> None:
    """In its order, once; and every group says what it is for."""
    grouped = group_names(NAMES)
    assert list(grouped) == list(HEADINGS)
    assert sorted(name for names in grouped.values() for name in names) == NAMES
    assert set(GROUPS) <= set(SUMMARIES)
    assert list(group_names(["new", "list"]).items())[-1] == ("Other commands", ["new"])


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_commands_has_help(almajob: Run, group: str) -> None:
    """On stdout where it is asked for, else on stderr with exit code 2."""
    asked = [almajob(group, "--help"), almajob("help", group), almajob(group, "--env", "x", "-h")]
    for done in asked:
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"Usage: almajob {group} COMMAND [options]\n\n{SUMMARIES[group]}\n")
        for name in NAMES:
            assert (f"\n  {name} " in done.out) == name.startswith(f"{group} ")
    done = almajob(group)
    assert (done.code, done.out, done.err) == (2, "", asked[0].out)


def test_help_is_paged_at_a_terminal_alone(almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PAGER; with none, and on a terminal that cannot move its cursor, it is written as it is."""
    pager = {"PAGER": "sed s/^/p:/"}
    for words in (("--help",), ("help",), ("help", "list"), ("list", "--help"), ("runs", "--help")):
        with Terminal(*words, environ=pager, size=(90, 60)) as terminal:
            assert terminal.end() == 0
            assert terminal.lines
            assert all(line.startswith("p:") for line in terminal.lines), terminal.text
    for plain in ({**pager, "TERM": "dumb"}, {"PAGER": ""}, {"PAGER": "/no/such/pager"}):
        with Terminal("list", "--help", environ=plain, size=(90, 80)) as terminal:
            assert terminal.end() == 0
            assert terminal.lines[0] == "Usage: almajob list [options]"
    monkeypatch.setenv("PAGER", pager["PAGER"])
    assert almajob("list", "--help").out.startswith("Usage: almajob list [options]\n")


@pytest.mark.parametrize(
    ("columns", "words"), [(60, ("run", "--help")), (80, ("--help",)), (140, ("config",))]
)
def test_help_in_a_terminal_fits_it(columns: int, words: tuple[str, ...]) -> None:
    """What a person sees has a free column at its right: the terminal folds nothing."""
    with Terminal(*words, environ={"PAGER": ""}, size=(250, columns)) as terminal:
        terminal.end()
        assert len(terminal.lines) > 5
        assert max(map(len, terminal.lines)) < columns


def test_headings_are_bold_where_that_can_be_seen() -> None:
    """At a terminal, unless NO_COLOR is set."""
    for more, is_bold in (({}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal("list", "--help", environ={"PAGER": "cat", **more}, size=(90, 80)) as terminal:
            terminal.end()
            assert ("\x1b[1mOptions\x1b[0m:" in terminal.written) == is_bold
            assert "Options:" in terminal.lines


def test_a_page_goes_to_a_file_as_it_is() -> None:
    """Without bold, and without a pager."""
    file = io.StringIO()
    show_page(lambda is_bold: f"bold: {is_bold}\n", file)
    assert file.getvalue() == "bold: False\n"
