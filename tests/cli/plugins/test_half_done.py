"""A plugin's command that has done something, and then ends with an error: no exit code promises too much."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.thoroughness import sample

SET, START = "POST /conf/sets", "POST /conf/jobs/*"
SOURCE = '''
import signal
import sys
from contextlib import suppress
from almajob.errors import OutcomeUnknown
from almajob.plugin import AlmajobError, Command, Refused

EXPORT = "ERP export using profile FINANCE"

def make_set(context, name):
    return context.alma.call("POST", "/conf/sets", body={
        "name": name, "type": {"value": "ITEMIZED"}, "content": {"value": "BIB_MMS"},
    }, is_confirmed=True)

class HalfDone(Command):
    """Do some things, and end with an error."""
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("how", help="raise, return or exit")
        parser.add_argument("code", type=int, help="the exit code")
        parser.add_argument("steps", nargs="*", help="set, start, other, last, quiet, stop")
        return parser
    def take_action(self, parsed_args):
        for number, step in enumerate(parsed_args.steps):
            if step == "last":
                self.context.alma.call("DELETE", "/conf/sets/{id}", {"id": "1"})
            with suppress(OutcomeUnknown, *([AlmajobError] if step == "quiet" else [])):
                if step == "start":
                    self.context.runs.start(EXPORT)
                elif step == "other":
                    make_set(self.context.of("production"), f"Set {number}")
                elif step == "stop":
                    signal.raise_signal(signal.SIGINT)
                else:
                    make_set(self.context, "Set" if step == "quiet" else f"Set {number}")
        if parsed_args.how == "exit":
            sys.exit(parsed_args.code)
        if parsed_args.how == "return":
            return parsed_args.code
        error = Refused("No more of it.", hint="Leave it.")
        error.exit_code = parsed_args.code
        raise error
'''


@pytest.fixture(autouse=True)
def _installed(site_packages: Path) -> None:
    write_plugin(site_packages, "almajob-half", "aj_half", SOURCE, {"half": "HalfDone"})


@pytest.mark.parametrize("how", ["raise", "return", "exit"])
@pytest.mark.parametrize("code", sample([2, 4, 5, 6, 7, 10]))
def test_an_accepted_call_is_something_done(
    simulated: SimulatedAlma, almajob: Run, how: str, code: int
) -> None:
    """3, and which call it was; however the command ends."""
    done = almajob("--env", "sandbox", "half", how, str(code), "set", "-q")
    assert (done.code, simulated.log.count(SET)) == (3, 1)
    assert "This was only partly done. Alma has accepted POST /conf/sets in sandbox." in done.err
    assert ("Then: No more of it." in done.err) is (how == "raise")


@pytest.mark.parametrize("code", [0, 1, 3, 8, 9])
def test_a_code_that_promises_nothing_is_left(simulated: SimulatedAlma, almajob: Run, code: int) -> None:
    """It is the plugin's to say."""
    assert almajob("--env", "sandbox", "half", "return", str(code), "set").code == code


def test_what_alma_has_refused_is_not_done(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nothing was changed: the code says so."""
    simulated.faults.add("per-second", SET)
    assert almajob("--env", "sandbox", "half", "raise", "5", "quiet").code == 5
    assert simulated.log.count(SET) == 1


def test_several_things_are_all_named(simulated: SimulatedAlma, almajob: Run) -> None:
    """A run, a call in another environment, and of many calls the first ones."""
    done = almajob("--env", "sandbox", "half", "raise", "5", "start", "other", *["set"] * 5)
    assert done.code == 3
    assert re.search(r"Started: run \d+ of 'ERP export using profile FINANCE' in sandbox\.", done.err)
    assert "POST /conf/sets in production" in done.err
    assert "and 3 more." in done.err
    assert "Resume: almajob --env sandbox half" in done.err


@pytest.mark.parametrize("how", ["raise", "return", "exit"])
@pytest.mark.parametrize("fault", ["accepted-500", "reset-before"])
def test_a_lost_answer_that_was_passed_over_stays_unknown(
    simulated: SimulatedAlma, almajob: Run, how: str, fault: str
) -> None:
    """Nobody knows whether anything was changed: 9, and not the code that says that nothing was."""
    simulated.faults.add(fault, SET)
    done = almajob("--env", "sandbox", "half", how, "5", "set")
    assert (done.code, simulated.log.count(SET)) == (9, 1)
    assert "It is unknown whether Alma accepted POST /conf/sets in sandbox." in done.err


def test_so_does_a_start(simulated: SimulatedAlma, almajob: Run) -> None:
    """It is named by its job."""
    simulated.faults.add("reset-before", START)
    done = almajob("--env", "sandbox", "half", "raise", "5", "set", "start")
    assert done.code == 9
    assert "accepted the start of 'ERP export using profile FINANCE' in sandbox." in done.err
    assert "Alma has accepted POST /conf/sets in sandbox. Then: No more of it." in done.err


@pytest.mark.parametrize(("last", "code"), [("last", 9), ("stop", 130)])
def test_what_is_done_is_named_where_the_code_promises_nothing(
    simulated: SimulatedAlma, almajob: Run, last: str, code: int
) -> None:
    """The next call is lost, or somebody presses Ctrl-C."""
    if last == "last":
        simulated.faults.add("html-200", "DELETE /conf/sets/1")
    done = almajob("--env", "sandbox", "half", "raise", "5", "set", last)
    assert done.code == code
    assert "Alma has accepted POST /conf/sets in sandbox." in done.err


def test_one_command_of_a_shell_answers_for_itself_alone(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one before it has changed was its own."""
    monkeypatch.setattr("sys.stdin", io.StringIO("half return 0 set\nhalf raise 5\n"))
    assert almajob("--env", "sandbox", "shell").code == 5
    assert simulated.log.count(SET) == 1
