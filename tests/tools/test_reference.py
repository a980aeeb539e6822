"""Parsers become pages: all kinds of options, and text that Markdown or roff would take for its own."""

from __future__ import annotations

import argparse

import pytest

from almajob.cli.app import AlmaJob
from almajob.plugin import Command
from tests.tools import commands_page, man_page, reference


class _Odd(Command):
    """Do something.

    In two
    lines.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", nargs="*", help="files")
        parser.add_argument("--size", nargs=2, type=int, help="100%% of it")
        parser.add_argument("--rate", type=float, default=2.0)
        parser.add_argument("--name", default="", help="of it")
        parser.add_argument("--shell", choices=("bash", "zsh"), required=True)
        parser.add_argument("--secret", help=argparse.SUPPRESS)
        other = parser.add_argument_group("either").add_mutually_exclusive_group(required=True)
        other.add_argument("--all", action="store_true", help="each")
        other.add_argument("-n", "--number", metavar="N", default=5, help="so many")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        raise AssertionError("a page is made without running a command")


def test_a_command_is_read_as_its_parser_has_it() -> None:
    """One without examples too."""
    app = AlmaJob()
    found = reference.described("odd", _Odd(app, None, cmd_name="odd"), reference.keys(app.parser))
    assert (found.summary, found.text, found.examples) == ("Do something.", ("In two lines.",), ())
    assert " ".join(found.usage) == (
        "[--size SIZE SIZE] [--rate RATE] [--name NAME] --shell {bash,zsh} (--all | -n N) [global options] "
        "[file ...]"
    )
    told = {
        group.title: [(*option.names, option.value, option.help) for option in group.options]
        for group in found.groups
    }
    assert told == {
        "Arguments": [("file", "files")],
        "Options": [
            ("--size", "SIZE SIZE", "100% of it"),
            ("--rate", "RATE", "(default: 2)"),
            ("--name", "NAME", "of it"),
            ("--shell", "{bash,zsh}", "required"),
        ],
        "Either": [("--all", "", "each"), ("-n", "--number", "N", "so many (default: 5)")],
    }


@pytest.mark.parametrize(
    ("plain", "roff"),
    [
        (".profile", "\\&.profile"),
        ("'*a*'", "\\(aq*a*\\(aq"),
        ("a-b", "a\\-b"),
        ("C:\\n", "C:\\en"),
        ("~/^`", "\\(ti/\\(ha\\(ga"),
        ('"é"', "\\(dq\\[u00E9]\\(dq"),
        ("", "\\&"),
    ],
)
def test_text_is_text_in_roff(plain: str, roff: str) -> None:
    """Nothing of it becomes a request or another sign."""
    assert man_page.escaped(plain) == roff


@pytest.mark.parametrize(
    ("plain", "markdown"),
    [
        ("* any text, see --name.", "\\* any text, see `--name`."),
        ("a_b, _c_, <1 and <env>", "a_b, \\_c\\_, <1 and \\<env>"),
        ("re-run -f json; - for stdin", "re-run `-f` json; - for stdin"),
    ],
)
def test_text_is_text_in_markdown(plain: str, markdown: str) -> None:
    """But for the names of options, which are code."""
    assert commands_page.escaped(plain) == markdown
