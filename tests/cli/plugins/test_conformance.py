"""The rules that commands keep: each breach is told in words that say what to change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cliff.command
import pytest

from almajob.entry_points import GROUP
from almajob.plugin import Command, Lister
from almajob.testing import check_command
from tests.support.distributions import write_distribution


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


def _but(**changes: object) -> type:
    """Return a command that keeps all the rules but one."""
    return type("Breaks", (Keeps,), {"__doc__": Keeps.__doc__, **changes})


def _with_example(line: str) -> type:
    return _but(__doc__=f"Show an example.\n\nExamples:\n  {line}\n")


BREACHES: list[tuple[type, str]] = [
    (NotOurs, "no subclass of Command, Lister, ShowOne or ShowSome of almajob.plugin"),
    (Abstract, "it has no take_action"),
    (NoParser, "it cannot be described: SystemExit: no such file: options.txt"),
    (Abbreviates, "allow_abbrev is not False"),
    (_but(names=("--env", "--some-option")), "--env is an option of all commands, and means something else"),
    (_but(names=("-s", "--some-option")), "-s is not a long option in lowercase"),
    (_but(names=("-o", "--some-option")), "-o is not a long option in lowercase"),
    (_but(names=("--some-option", "--Some_Option")), "--Some_Option is not a long option in lowercase"),
    (_but(help=None), "--some-option has no help"),
    (_but(columns=()), "it names no columns"),
    (_but(columns=("id", "id")), "two of its columns have the same name"),
    (_but(columns=("One", "two")), "its column 'One' is not in lower_snake_case"),
    (_but(columns=("one-two", "two")), "its column 'one-two' is not in lower_snake_case"),
    (_but(brief=("one", "three")), "brief names columns that it does not have: three"),
    (
        _but(__doc__="Something\n\nExamples:\n  almajob example\n"),
        "does not begin with a sentence on one line",
    ),
    (_but(__doc__="Show nothing of it."), "its docstring has no Examples:"),
    (_with_example("ls --all"), "this example does not begin with almajob: ls --all"),
    (_with_example("almajob example --no"), "this example is refused: almajob example --no: "),
    (_with_example("almajob example 'half"), "is no command line of almajob: almajob example 'half"),
    (_with_example("almajob no-such-command"), "there is no command"),
    (_with_example("almajob list"), "this example shows another command: almajob list"),
]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], None]:
    """Install a class as a command, under a name: its distribution is found on the path."""

    def installed(command: type, name: str) -> None:
        monkeypatch.setattr(command, "__module__", __name__)
        monkeypatch.setattr(sys.modules[__name__], command.__name__, command, raising=False)
        write_distribution(tmp_path, "example", {GROUP: {name: f"{__name__}:{command.__name__}"}})
        monkeypatch.syspath_prepend(str(tmp_path))

    return installed


def test_a_command_that_keeps_the_rules_passes(install: Callable[[type, str], None]) -> None:
    """What a shell does with an example is no concern of the command's."""
    install(Keeps, "example")
    check_command(Keeps)


@pytest.mark.parametrize(("command", "told"), BREACHES)
def test_each_breach_is_told(install: Callable[[type, str], None], command: type, told: str) -> None:
    """It alone, after the command's name."""
    install(command, "example")
    with pytest.raises(AssertionError) as failed:
        check_command(command)
    text = str(failed.value)
    assert text.startswith("example: ")
    assert told in text
    assert ";" not in text


@pytest.mark.parametrize("name", ["Example", "example_", "2nd", "exämple"])
def test_a_name_is_plain(install: Callable[[type, str], None], name: str) -> None:
    """Small letters, digits and -, beginning with a letter; what is typed needs no quotes."""
    install(Keeps, name)
    with pytest.raises(AssertionError, match="is not made of lowercase letters, digits and -"):
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
