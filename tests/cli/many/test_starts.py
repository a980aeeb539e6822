"""A job started in several institutions: all or none are begun with, once each, and nothing is unnamed."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path

import pytest

from almajob.cli.connect import connect
from almajob.errors import AlmajobError
from almajob.runs.start_request import StartOptions
from almajob.test_kit.terminal import Terminal
from tests.cli.many.conftest import ERP, KINDS, POST, Consortium, assert_happens
from tests.conftest import Run

SIS = "Users SYNCHRONIZE using profile SIS"
THESES = "Theses without a call number"
LOOK = "GET /conf/jobs/*/instances/*"
IF_NONE = ("--fail-if", "invoices == 0")


def _posts(consortium: Consortium) -> dict[str, int]:
    return {name: each.log.count(POST) for name, each in consortium.items()}


def _each(count: int, *names: str) -> dict[str, int]:
    return {name: count if name in names else 0 for name in KINDS}


def test_one_post_in_each_and_a_run_key_for_each(consortium: Consortium, almajob: Run) -> None:
    """The same command again starts nothing; where more are named, only those that are missing."""
    words = ("run", ERP, "--run-key", "may", "--yes", "-f", "json")
    first = almajob("--env", "east,north", *words)
    assert (first.code, _posts(consortium)) == (0, _each(1, "east", "north"))
    again = almajob("--env", "@all", *words)
    assert (again.code, _posts(consortium)) == (0, _each(1, *KINDS))
    rows = json.loads(again.out)
    assert [row["environment"] for row in rows] == list(KINDS)
    assert {row["state"] for row in rows} == {"STARTED"}
    assert {row["run_key"] for row in rows} == {"may"}


def test_what_cannot_be_found_in_one_is_started_nowhere(consortium: Consortium, almajob: Run) -> None:
    """And is told for all of them, each with its reason, before anything was sent."""
    for name in ("west", "south"):
        getattr(consortium[name].institution, KINDS[name]).jobs = ()
    done = almajob("--env", "@all", "run", ERP, "--yes", "-f", "json")
    assert (done.code, _posts(consortium)) == (5, _each(0))
    codes = {row["environment"]: row["error"]["code"] for row in json.loads(done.out)}
    assert codes == {"east": "left_out", "west": "not_found", "north": "left_out", "south": "not_found"}
    assert {row["retry_safe"] for row in json.loads(done.out)} == {True}
    assert "2 of 4 environments failed: west, south." in done.err
    assert f"west: No job has the name or id {ERP!r}." in done.err
    assert (
        "Nothing was done in east, north. What cannot be started everywhere is started nowhere."
        in " ".join(done.err.split())
    )


@pytest.mark.parametrize("words", [("--set", "No such set"), ("--set", "An empty set")], ids=" ".join)
def test_a_set_that_will_not_do_is_started_nowhere(
    consortium: Consortium, almajob: Run, words: tuple[str, ...]
) -> None:
    """As a name: it is looked for in each."""
    assert almajob("--env", "@labs", "run", "M44", *words).code == 5
    assert _posts(consortium) == _each(0)


def test_one_that_is_down_is_left_out(consortium: Consortium, almajob: Run) -> None:
    """The others start; that one is named, and the exit code says that not all is done."""
    done = almajob("--env", "east,down,wrong,odd,west", "run", ERP, "-f", "json")
    rows = {
        row["environment"]: (row["state"], (row["error"] or {}).get("code")) for row in json.loads(done.out)
    }
    assert rows == {
        "east": ("STARTED", None),
        "down": ("NOT_STARTED", "unreachable"),
        "wrong": ("NOT_STARTED", "key_refused"),
        "odd": ("NOT_STARTED", "configuration_error"),
        "west": ("STARTED", None),
    }
    assert (done.code, _posts(consortium)) == (3, _each(1, "east", "west"))
    assert "This was only partly done. Started: run " in done.err
    assert almajob("--env", "down,odd", "run", ERP).code == 7


def test_one_where_it_runs_already_is_left_out(consortium: Consortium, almajob: Run) -> None:
    """What keeps one back now is no reason for the others to wait."""
    assert almajob("--env", "east", "run", ERP).code == 0
    done = almajob("--env", "@labs", "run", ERP, "-f", "json")
    rows = {row["environment"]: (row["error"] or {}).get("code") for row in json.loads(done.out)}
    assert (done.code, rows) == (3, {"west": None, "east": "already_running"})
    assert _posts(consortium) == _each(1, "east", "west")


def test_production_needs_one_yes_for_all(consortium: Consortium, almajob: Run) -> None:
    """Without it nothing is started, in the sandboxes among them neither."""
    for words in ((), ("-f", "json"), ("--no-input",)):
        done = almajob("--env", "@all", "run", ERP, *words)
        assert (done.code, _posts(consortium)) == (5, _each(0))
        assert "The start in north, south was not confirmed; nothing was sent anywhere." in done.err
        assert "--yes" in done.err
    assert almajob("--env", "@all", "run", ERP, "--yes").code == 0
    assert _posts(consortium) == _each(1, *KINDS)


def test_one_question_lists_every_institution(consortium: Consortium) -> None:
    """With the job's id, the set and its members; what is typed for the first agrees to all."""
    words = ("--env", "@all,down", "run", "M44", "--set", THESES, "--param", "a=b", "--allow-unknown")
    with Terminal(words, consortium["east"].base_url, rows=60) as terminal:
        shown = terminal.wait_for("anything else starts nothing")
        assert _posts(consortium) == _each(0)
        for line in (
            "This starts a job in 4 environments, of which 2 are in production.",
            r"east \(sandbox\) +01SIM_INST +M44 +9563211250000561 +120 members",
            r"south +01SIM_INST +M44 +9570211250000561 +120 members",
            f"Set +{THESES}",
            "a +b",
            "down: No connection",
        ):
            assert re.search(line, shown), shown
        assert shown.count("Type the job's id") == 1
        terminal.type("M44\n")
        assert terminal.wait() == 3
    assert _posts(consortium) == _each(1, *KINDS)


def test_something_else_typed_starts_nothing(consortium: Consortium) -> None:
    """Anywhere; and so does Ctrl-C."""
    words = ("--env", "@all", "run", ERP)
    for press in (lambda terminal: terminal.type("yes\n"), Terminal.press_ctrl_c):
        with Terminal(words, consortium["east"].base_url) as terminal:
            terminal.wait_for("anything else starts nothing")
            press(terminal)
            assert terminal.wait() in (5, 130)
            assert re.search("nothing was sent|Nothing was sent", terminal.text)
    assert _posts(consortium) == _each(0)


def _interrupt_once_all_are_followed(consortium: Consortium, *names: str) -> None:
    """Press Ctrl-C when each has a run that was looked at; runs are long enough for that."""
    first, *others = names
    looked_at = {name: threading.Event() for name in others}

    def press() -> None:
        for event in looked_at.values():
            assert_happens(event)
        consortium[first].send_signal(signal.SIGINT)

    for name in names:
        consortium[name].set_ending(ERP, seconds=3000)
        act = looked_at[name].set if name in looked_at else press
        consortium[name].institution.interruptions.add(LOOK, "after", act)


def test_ctrl_c_names_every_run_and_one_command_for_all(consortium: Consortium, almajob: Run) -> None:
    """While they are waited for; the command that is shown waits for all to their ends."""
    _interrupt_once_all_are_followed(consortium, *KINDS)
    done = almajob("--env", "@all", "run", ERP, "--wait", "--yes", "--run-key", "may")
    assert (done.code, _posts(consortium)) == (130, _each(1, *KINDS))
    told = " ".join(done.err.split())
    assert all(re.search(rf"{name} run \d+", told) for name in KINDS), told
    assert told.count("Resume: ") == 1
    (resume,) = re.findall(r"Resume: almajob (.+)$", told)
    assert resume == "--env east,west,north,south wait may"
    assert almajob(*resume.split()).code == 0
    assert _posts(consortium) == _each(1, *KINDS)


def test_without_a_run_key_the_command_names_ids(consortium: Consortium, almajob: Run) -> None:
    """Of all runs, each of which is looked for in its own institution."""
    _interrupt_once_all_are_followed(consortium, "east", "north")
    done = almajob("--env", "east,north", "run", ERP, "--wait", "--yes")
    (resume,) = re.findall(r"Resume: almajob (.+)$", " ".join(done.err.split()))
    assert re.fullmatch(r"--env east,north wait \d+ \d+", resume)
    waited = almajob(*resume.split(), "-f", "json")
    assert (waited.code, len(json.loads(waited.out))) == (0, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_others_are_begun(
    consortium: Consortium, almajob: Run, number: signal.Signals
) -> None:
    """One at a time: what was not begun never is, and is named as not started."""
    consortium["east"].set_ending(ERP, seconds=3000)
    consortium["east"].interrupt(LOOK, nth=2, number=number)
    done = almajob("--env", "east,west,north", "run", ERP, "--wait", "--yes", "--at-once", "1")
    assert (done.code, _posts(consortium)) == (128 + number, _each(1, "east"))
    assert "Not started: west, north." in done.err


def test_ctrl_c_while_a_start_is_on_its_way(consortium: Consortium, almajob: Run) -> None:
    """The request may have arrived: that is said, and the same command finds the run again."""
    consortium["east"].interrupt(POST, "after")
    words = ("--env", "east,west", "run", ERP, "--run-key", "may")
    done = almajob(*words)
    assert done.code == 130
    assert re.search("east run |Unknown whether it was started: east", done.err), done.err
    again = almajob(*words, "-f", "json")
    assert again.code == 0, again.err
    assert {row["state"] for row in json.loads(again.out)} <= {"STARTED", "ADOPTED"}
    assert _posts(consortium) == _each(1, "east", "west")


def test_ctrl_c_ends_a_wait_with_the_words_for_more(consortium: Consortium, almajob: Run) -> None:
    """The same ones: nothing is started by a wait."""
    assert almajob("--env", "@labs", "run", ERP, "--run-key", "may").code == 0
    consortium["east"].interrupt(LOOK)
    done = almajob("--env", "@labs", "wait", "may")
    assert done.code == 130
    assert done.err.count("Resume: almajob --env @labs wait may") == 1
    assert done.err.count("Resume:") == 1


def test_the_last_runs_are_named_when_a_wait_is_ended(consortium: Consortium, almajob: Run) -> None:
    """By their Process IDs: when the words are typed again, @last may be another run."""
    for each in consortium.values():
        each.set_ending(ERP, seconds=100_000)
    started = json.loads(almajob("--env", "east,north", "run", ERP, "--yes", "-f", "json").out)
    ids = " ".join(row["instance_id"] for row in started)
    late = almajob("--env", "east,north", "wait", "@last", "--timeout", "60")
    resume = f"Resume: almajob --env east,north wait {ids} --timeout 60"
    assert (late.code, resume in " ".join(late.err.split())) == (8, True), late.err
    consortium["east"].interrupt(LOOK)
    ended = almajob("--env", "east,north", "wait", "@last")
    resume = f"Resume: almajob --env east,north wait {ids}"
    assert (ended.code, resume in " ".join(ended.err.split())) == (130, True), ended.err


def test_what_has_not_ended_in_time_is_resumed_by_one_command(consortium: Consortium, almajob: Run) -> None:
    """By its run key where it has one, and by the same command where that waits and starts nothing.

    With what counts as a good end, which the exit code is about.
    """
    for each in consortium.values():
        each.set_ending(ERP, seconds=100_000)
    done = almajob(
        "--env", "@all", "run", ERP, "--yes", "--run-key", "may", "--wait", "--timeout", "60", *IF_NONE
    )
    resume = "Resume: almajob --env east,west,north,south wait may --fail-if 'invoices == 0'"
    told = " ".join(done.err.split())
    assert (done.code, told.count("Resume:"), resume in told) == (8, 1, True), done.err
    waited = almajob("--env", "@labs", "wait", "may", "--timeout", "60")
    resume = "Resume: almajob --env @labs wait may --timeout 60"
    assert (waited.code, waited.err.count("Resume:"), resume in waited.err) == (8, 1, True), waited.err


def test_stop_after_ends_a_rolling_start(consortium: Consortium, almajob: Run) -> None:
    """One after the other, until one ends badly: the rest is not begun."""
    consortium["west"].set_ending(ERP, "COMPLETED_FAILED")
    words = ("run", ERP, "--wait", "--yes", "--at-once", "1", "--stop-after", "1", "-f", "json")
    done = almajob("--env", "east,west,north,south", *words)
    rows = {
        row["environment"]: (row["passed"], (row["error"] or {}).get("code")) for row in json.loads(done.out)
    }
    assert rows["east"] == (True, None)
    assert rows["west"] == (False, "job_failed")
    assert rows["north"] == rows["south"] == (None, "left_out")
    assert (done.code, _posts(consortium)) == (3, _each(1, "east", "west"))


def test_stop_after_counts_what_could_not_be_checked(consortium: Consortium, almajob: Run) -> None:
    """Nothing is begun then."""
    done = almajob("--env", "down,@all", "run", ERP, "--yes", "--stop-after", "1", "-f", "json")
    assert (done.code, _posts(consortium)) == (6, _each(0))
    codes = {row["environment"]: row["error"]["code"] for row in json.loads(done.out)}
    assert codes == {"down": "unreachable", **dict.fromkeys(KINDS, "left_out")}


@pytest.mark.parametrize("code", ["PER_SECOND_THRESHOLD", "ROUTING_ERROR"])
def test_what_the_gateway_refuses_leaves_one_out(consortium: Consortium, almajob: Run, code: str) -> None:
    """It is no fault of the command: the others are started."""
    consortium["west"].answers.add_error("GET /conf/jobs/*/instances", code, "Not now.", status=400)
    done = almajob("--env", "@labs", "run", ERP)
    assert (done.code, _posts(consortium)) == (3, _each(1, "east")), done.err


def test_two_at_once_start_each_once(consortium: Consortium, almajob: Run) -> None:
    """The locks of each institution hold, also between a command for all and one for a single one."""
    replies = []

    def start_too() -> None:
        with connect("west") as west:
            try:
                west.runs.start(ERP, options=StartOptions(lock_wait=0))
            except AlmajobError as error:
                replies.append(error.kind)

    consortium["west"].institution.interruptions.add(POST, "after", start_too)
    done = almajob("--env", "@labs", "run", ERP, "--lock-wait", "0s")
    assert (done.code, _posts(consortium)) == (0, _each(1, "east", "west"))
    assert len(replies) == 1


@pytest.mark.parametrize(
    "words",
    [("--save", "weekly"), ("--list-saved",), ("--ids", "ids.txt"), ("--params", "-"), ("--param", "a=@-")],
    ids=" ".join,
)
def test_what_is_for_one_environment_is_refused(
    consortium: Consortium, almajob: Run, words: tuple[str, ...]
) -> None:
    """Before anybody is asked."""
    Path("ids.txt").write_text("1\n", "utf-8")
    job = () if "--list-saved" in words else ("M44",)
    assert almajob("--env", "@labs", "run", *job, *words).code == 2
    assert consortium["east"].log.count("*") == 0


def test_a_saved_run_is_read_for_each(consortium: Consortium, almajob: Run, tmp_path: Path) -> None:
    """With what it says of one environment only."""
    with (tmp_path / "almajob.ini").open("a", encoding="utf-8") as ini:
        ini.write(f"[run:users]\njob = {SIS}\njob@west = {ERP}\nconfirm = no\n")
    done = almajob("--env", "east,west,north", "run", "users", "-f", "json")
    assert done.code == 0, done.err
    assert [row["job_name"] for row in json.loads(done.out)] == [SIS, ERP, SIS]


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=str)
def test_a_saved_run_with_ids_is_refused(
    consortium: Consortium, almajob: Run, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """As ``--ids`` is: it would be started without its set."""
    (tmp_path / "ids.txt").write_text("99700000000561\n", "utf-8")
    with (tmp_path / "almajob.ini").open("a", encoding="utf-8") as ini:
        ini.write("[run:some]\njob = M44\nids@west = ids.txt\n")
    done = almajob("--env", "@labs", "run", "some", "--allow-unknown", *more)
    assert (done.code, _posts(consortium)) == (2, _each(0))
    assert "This saved run has ids for west; nothing was started." in done.err


@pytest.mark.parametrize("what", ["job@east = M44", f"job = {SIS}\nparams@east ="], ids=["job", "parameters"])
def test_a_saved_run_that_says_nothing_for_one_is_started_nowhere(
    consortium: Consortium, almajob: Run, tmp_path: Path, what: str
) -> None:
    """It is told before anything is sent."""
    with (tmp_path / "almajob.ini").open("a", encoding="utf-8") as ini:
        ini.write(f"[run:some]\n{what}\n")
    done = almajob("--env", "@labs", "run", "some", "--allow-unknown")
    assert (done.code, _posts(consortium)) == (7, _each(0))
    assert "for west" in done.err
