"""Options of run that say nothing beside others are refused, those that are still to come too."""

from __future__ import annotations

import argparse

import pytest

from almajob.cli.options.option_conflicts import is_bare_start, refuse_start_conflicts
from almajob.cli.options.run_arguments import add_run_arguments
from almajob.errors import UsageError

# argparse itself refuses these beside one another.
INSTEAD = ("dry_run", "save", "list_saved")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    add_run_arguments(parser)
    return parser


@pytest.mark.parametrize("action", [each for each in _parser()._actions if each.dest not in INSTEAD])
def test_a_list_takes_no_other_option(action: argparse.Action) -> None:
    """Of all that run has, with the name under which it is typed."""
    parser = _parser()
    listed = parser.parse_args(["--list-saved"])
    refuse_start_conflicts(parser, listed)
    setattr(listed, action.dest, "something")
    name = action.option_strings[0] if action.option_strings else action.metavar
    with pytest.raises(UsageError, match=f"--list-saved does not go with {name}: it only lists"):
        refuse_start_conflicts(parser, listed)


@pytest.mark.parametrize(
    "action", [each for each in _parser()._actions if each.dest not in ("job", "list_saved")]
)
def test_a_start_is_bare_if_it_has_no_option_but_the_jobs(action: argparse.Action) -> None:
    """The older script's had none: what is typed with another one is not of its time."""
    parser = _parser()
    start = parser.parse_args(["--job", "M44"])
    assert is_bare_start(parser, start)
    setattr(start, action.dest, "something")
    assert not is_bare_start(parser, start)


def test_what_is_typed_as_it_would_be_anyway_counts_as_not_given() -> None:
    """It changes nothing."""
    parser = _parser()
    refuse_start_conflicts(
        parser, parser.parse_args(["--list-saved", "--if-running", "refuse", "--splay", "0"])
    )


def test_of_several_one_is_named() -> None:
    """What is of one run only first."""
    parser = _parser()
    with pytest.raises(UsageError, match="does not go with --yes:"):
        refuse_start_conflicts(
            parser, parser.parse_args(["--xml", "--allow-unknown", "--yes", "--list-saved"])
        )
