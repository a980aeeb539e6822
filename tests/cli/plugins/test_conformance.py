"""The rules that commands keep: ours do, and each breach is told in words that say what to change."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cliff.command
import pytest

from almajob.cli.plugins.command_manager import Commands, is_core
from almajob.entry_points import GROUP
from almajob.plugin import Command, Lister
from almajob.testing import check_command

CORE = {each.name: each for each in Commands().installed if is_core(each.claims[0])}


class Keeps(Lister):
    """Keep all the rules.

    Examples:
      almajob example
      almajob --env sandbox example --some-option 'a < b' | sort > sorted.txt
    """

    columns: ClassVar[Sequence[str]] = ("one", "two")
    names: ClassVar[Sequence[str]] = ("--some-option",)
    help: ClassVar[str | None] = "some option"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(*self.names, dest="some_option", help=self.help)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        raise AssertionError("a check runs no command")


class NotOurs(cliff.command.Command):
    """Know nothing of almajob."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do nothing."""


class Abstract(Command):
    """Do nothing."""


class NoParser(Keeps):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        raise SystemExit("no such file: options.txt")


class Abbreviates(Keeps):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.allow_abbrev = True
        return parser


class TakesEnv(Keeps):
    names = ("--env", "--some-option")


class Short(Keeps):
    names = ("-s", "--some-option")


class Capitals(Keeps):
    names = ("--some-option", "--Some_Option")


class NoHelp(Keeps):
    help = None


class NoColumns(Keeps):
    columns = ()


class SameColumns(Keeps):
    columns = ("ID", "id")


class BriefOfNothing(Keeps):
    brief = ("one", "three")


class NoSentence(Keeps):
    """Something

    Examples:
      almajob example
    """


class NoExamples(Keeps):
    """Show nothing of it."""


class OtherProgram(Keeps):
    """Show another program.

    Examples:
      ls --all
    """


class WrongExample(Keeps):
    """Show what is refused.

    Examples:
      almajob example --no-such-option
    """


class HalfAQuote(Keeps):
    """Show half a quote.

    Examples:
      almajob example --some-option 'half
    """


class UnknownExample(Keeps):
    """Show what there is not.

    Examples:
      almajob no-such-command
    """


class OtherExample(Keeps):
    """Show another command.

    Examples:
      almajob list
    """


BREACHES: list[tuple[type, str]] = [
    (NotOurs, "no subclass of Command, Lister, ShowOne or ShowSome of almajob.plugin"),
    (Abstract, "it has no take_action"),
    (NoParser, "it cannot be described: SystemExit: no such file: options.txt"),
    (Abbreviates, "allow_abbrev is not False"),
    (TakesEnv, "--env is an option of all commands, and means something else here"),
    (Short, "-s is not a long option in small letters"),
    (Capitals, "--Some_Option is not a long option in small letters"),
    (NoHelp, "--some-option has no help"),
    (NoColumns, "it names no columns"),
    (SameColumns, "two of its columns have the same name"),
    (BriefOfNothing, "brief names columns that it has not: three"),
    (NoSentence, "its docstring does not begin with a sentence on one line"),
    (NoExamples, "its docstring has no Examples:"),
    (OtherProgram, "this example does not begin with almajob: ls --all"),
    (WrongExample, "this example is refused: almajob example --no-such-option: "),
    (HalfAQuote, "this example is no command line of almajob: almajob example --some-option 'half"),
    (UnknownExample, "there is no command"),
    (OtherExample, "this example shows another command: almajob list"),
]


def _install(command: type, name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a class of this module as a command: its distribution is found on the path."""
    info = site / "example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {__name__}:{command.__name__}\n", "utf-8")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.parametrize("name", sorted(CORE))
def test_our_own_commands_keep_the_rules(name: str) -> None:
    """All that are installed, without an exception."""
    check_command(CORE[name].load())


def test_a_command_that_keeps_the_rules_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell does with an example is no concern of the command's."""
    _install(Keeps, "example", tmp_path, monkeypatch)
    check_command(Keeps)


@pytest.mark.parametrize(("command", "told"), BREACHES, ids=lambda value: getattr(value, "__name__", ""))
def test_each_breach_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: type, told: str
) -> None:
    """It alone, after the command's name."""
    _install(command, "example", tmp_path, monkeypatch)
    with pytest.raises(AssertionError) as failed:
        check_command(command)
    text = str(failed.value)
    assert text.startswith("example: ")
    assert told in text
    assert ";" not in text


@pytest.mark.parametrize("name", ["Example", "example_", "2nd", "exämple"])
def test_a_name_is_plain(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small letters, digits and -, beginning with a letter; what is typed needs no quotes."""
    _install(Keeps, name, tmp_path, monkeypatch)
    with pytest.raises(AssertionError, match="is not made of small letters, digits and -"):
        check_command(Keeps)


def test_several_breaches_are_told_at_once() -> None:
    """Nobody corrects one after the other."""

    class Careless(Lister):
        def take_action(self, parsed_args: argparse.Namespace) -> Any:
            raise AssertionError("a check runs no command")

    with pytest.raises(AssertionError, match=r"^careless: it names no columns.*; its docstring"):
        check_command(Careless, "careless")


def test_a_command_that_is_not_installed_is_told_so() -> None:
    """Its name is that of its entry point, so there must be one, or a name must be given."""
    with pytest.raises(
        AssertionError,
        match=r"tests\.cli\.plugins\.test_conformance:Keeps is no entry point .* install the package",
    ):
        check_command(Keeps)
