"""``almajob run``: its options, what it prints in every case, and when nothing is sent."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from almajob.runs.start import splay
from almajob.store.directory.file_locks import FileLocks
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from almajob.text.time_format import format_duration
from tests.conftest import Result, Run
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
START = "POST /conf/jobs/*"
RUN = ("--env", "sandbox", "run", "--job", ERP)


def _state() -> Path:
    return Path.home() / ".local/state/almajob"


def test_a_start_is_told_with_its_key(simulated: SimulatedAlma, almajob: Run) -> None:
    """Before it is sent, so that the same run can be asked for again; run, times and status on stdout."""
    done = almajob(*RUN, "-f", "json")
    shown = json.loads(done.out)
    first = (
        "state",
        "certainty",
        "retry_safe",
        "run_key",
        "environment",
        "job_id",
        "job_name",
        "instance_id",
    )
    assert tuple(shown)[:8] == first
    assert (shown["state"], shown["certainty"], shown["retry_safe"]) == ("STARTED", "confirmed", False)
    assert (shown["job_id"], shown["status"], shown["start_time"]) == (ERP_ID, "QUEUED", None)
    assert shown["submit_time"].endswith("Z")
    assert done.err.splitlines() == [
        f"Starting {ERP} ({ERP_ID}) in sandbox; run key {shown['run_key']}.",
        f"Started {ERP} in sandbox: run {shown['instance_id']}",
    ]
    simulated.clock.advance(3600)
    again = almajob(*RUN, "--run-key", shown["run_key"], "-f", "json")
    assert json.loads(again.out)["instance_id"] == shown["instance_id"]
    found = f"run {shown['instance_id']} of {ERP} in sandbox (run key {shown['run_key']})"
    assert again.err == f"Started before: {found}\n"
    assert simulated.log.count(START) == 1


def test_a_person_is_answered_in_one_line(simulated: SimulatedAlma, almajob: Run) -> None:
    """What was started, or was there before; with --wait in a short table, which has no empty rows."""
    simulated.set_ending(ERP, "COMPLETED_SUCCESS", seconds=60)
    done = almajob(*RUN, "--run-key", "k")
    run_id = done.out.split()[-1]
    assert done.out == f"Started {ERP} in sandbox: run {run_id}\n"
    assert done.err.endswith(f"To wait for its end: almajob --env sandbox wait {run_id}\n")
    assert almajob(*RUN, "--run-key", "k").out == (
        f"Started before: run {run_id} of {ERP} in sandbox (run key k)\n"
    )
    assert (
        almajob(*RUN, "--if-running", "attach").out == f"Running already: run {run_id} of {ERP} in sandbox\n"
    )
    table = almajob(*RUN, "--run-key", "k", "--wait").out.splitlines()
    fields = [line.split("|")[1].strip() for line in table if line.startswith("| ")][1:]
    assert fields[:4] == ["job_name", "environment", "process_id", "status"]
    assert "state" not in fields
    assert all(line.split("|")[2].strip() for line in table if line.startswith("| "))
    assert simulated.log.count(START) == 1


# One key, as it is typed in an editor, on a Mac and by a script that pads it.
FORMS = ("caf\u00e9 au lait", "cafe\u0301 au lait", " caf\u00e9 au lait  ", "caf\u00e9   au lait")


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, almajob: Run) -> Run:
    """The almajob before this one, which kept run keys as they were typed."""

    def run(*argv: str) -> Result:
        with monkeypatch.context() as patched:
            patched.setattr("almajob.runs.run_service.find_kept_key", lambda _ledger, key, _environment: key)
            return almajob(*argv)

    return run


def _instance(done: Result) -> str:
    assert done.code == 0, done.err
    return str(done.row["instance_id"])


def test_a_run_key_is_the_same_however_it_is_typed(simulated: SimulatedAlma, almajob: Run) -> None:
    """Composed or not, with blanks at its ends, with several where one would do; it is kept in one form."""
    started = almajob(*RUN, "--run-key", FORMS[2], "-f", "json")
    assert json.loads(started.out)["run_key"] == FORMS[0]
    simulated.clock.advance(3600)
    for form in FORMS:
        assert _instance(almajob(*RUN, "--run-key", form, "-f", "json")) == _instance(started)
        assert almajob(*RUN, "--run-key", form, "--dry-run", "-f", "json", "-c", "action").code == 0
        assert _instance(almajob("--env", "sandbox", "status", "--id", form, "-f", "json"))
        assert _instance(almajob("runs", "show", form, "-f", "json")) == _instance(started)
    assert simulated.log.count(START) == 1


@pytest.mark.parametrize("before", FORMS)
def test_a_key_that_was_kept_as_it_was_typed_is_found(
    simulated: SimulatedAlma, almajob: Run, older: Run, before: str
) -> None:
    """An upgrade of almajob starts no job again: not by the same command, not by another form of its key."""
    simulated.set_ending(ERP, "FAILED", seconds=60)
    started = older(*RUN, "--run-key", before, "-f", "json")
    assert json.loads(started.out)["run_key"] == before
    simulated.clock.advance(3600)
    for form in (before, *FORMS):
        again = almajob(*RUN, "--run-key", form, "-f", "json")
        assert (_instance(again), json.loads(again.out)["run_key"]) == (_instance(started), before)
        assert _instance(almajob("--env", "sandbox", "status", "--id", form, "-f", "json"))
    assert simulated.log.count(START) == 1
    # One that failed is started anew as the next attempt of the same run; elsewhere it is another.
    simulated.set_ending(ERP, "COMPLETED_SUCCESS", seconds=60)
    rerun = (*RUN, "--run-key", FORMS[3], "--rerun-failed", "-f", "json")
    second = _instance(almajob(*rerun))
    simulated.clock.advance(3600)
    assert _instance(almajob(*rerun)) == second
    production = ("--env", "production", "run", "--job", ERP, "--yes", "--run-key", before, "-f", "json")
    assert json.loads(almajob(*production).out)["run_key"] == FORMS[0]
    assert simulated.log.count(START) == 3


def test_a_start_in_doubt_under_such_a_key_is_looked_for(
    simulated: SimulatedAlma, almajob: Run, older: Run
) -> None:
    """And named in every case, also where the command is broken off before that."""
    simulated.faults.add("reset-before", START)
    assert older(*RUN, "--run-key", FORMS[2]).code == 9
    for form in FORMS:
        again = almajob(*RUN, "--run-key", form, "-f", "json")
        assert (again.code, json.loads(again.out)["state"]) == (9, "ABSENT")
        early = almajob(*RUN, "--run-key", form, "--params", "nowhere.json", "-f", "json")
        assert json.loads(early.out)["run_key"] == FORMS[2]
        assert json.loads(early.out)["retry_safe"] is False
    assert simulated.log.count(START) == 1


def test_of_two_forms_that_were_kept_the_one_that_is_typed_counts(
    simulated: SimulatedAlma, almajob: Run, older: Run
) -> None:
    """They were two runs, and stay two; a third form means the one that is written as keys are now."""
    runs = {}
    for form in (FORMS[1], FORMS[0], FORMS[2]):
        runs[form] = _instance(older(*RUN, "--run-key", form, "-f", "json"))
        simulated.clock.advance(3600)
    for form in FORMS:
        found = _instance(almajob(*RUN, "--run-key", form, "-f", "json"))
        assert found == runs.get(form, runs[FORMS[0]])
    assert simulated.log.count(START) == 3


def test_once_per_day_waits_for_the_same_run_again(simulated: SimulatedAlma, almajob: Run) -> None:
    """The exit code is that of the run, each time."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=600)
    # Not in the last minutes of a week: the run would end in another one.
    today = datetime.fromtimestamp(simulated.clock()).astimezone()
    simulated.clock.advance((9 - today.weekday()) * 86400)
    command = (*RUN, "--once-per", "week", "--wait", "-f", "json")
    first, second = almajob(*command), almajob(*command)
    assert (first.code, second.code) == (3, 3)
    assert json.loads(first.out)["instance_id"] == json.loads(second.out)["instance_id"]
    assert almajob(*command, "--rerun-failed").code == 3
    assert simulated.log.count(START) == 2


def test_a_running_job_is_refused_or_attached_to(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 5 names the run and the ways on."""
    shown = json.loads(almajob(*RUN, "-f", "json").out)
    refused = almajob(*RUN)
    assert (refused.code, refused.out) == (5, "")
    assert f"is running already: run {shown['instance_id']}" in refused.err
    assert f"almajob --env sandbox wait {shown['instance_id']}" in refused.err
    attached = almajob(*RUN, "--if-running", "attach", "-f", "json")
    assert json.loads(attached.out)["instance_id"] == shown["instance_id"]
    assert json.loads(attached.out)["certainty"] == "inferred"
    assert simulated.log.count(START) == 1


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_an_answer_in_every_case(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path], form: str
) -> None:
    """No such job, refused by Alma, no settings: NOT_STARTED, and safe to try again."""
    for job in ("no such job", "M44", "PO Line - Packaging", ERP):
        if job == ERP:
            write_ini("[sandbox\n")
        done = almajob("--env", "sandbox", "run", "--job", job, "-f", form)
        assert done.code == 7 if job == ERP else done.code in (4, 5)
        text = done.out if form == "json" else done.out.replace("'", "")
        assert "NOT_STARTED" in text
        assert "retry_safe: true" in text.replace('"', "")
        assert almajob("--env", "sandbox", "run", "--job", job).out == ""


def test_a_dry_run_sends_nothing(simulated: SimulatedAlma, almajob: Run) -> None:
    """Method, URL, body and tag are shown, the key is not; all checks are made; the ledger stays empty."""
    export = ("--env", "sandbox", "run", "--allow-unknown", "--job", "M44", "--run-key", "k")
    shown = json.loads(almajob(*export, "--dry-run", "-f", "json").out)
    assert (shown["action"], shown["method"]) == ("start", "POST")
    assert shown["url"] == f"{simulated.base_url}/almaws/v1/conf/jobs/M44?op=run"
    assert shown["authorization"] == "apikey (hidden)"
    (parameter,) = json.loads(shown["body"])["parameter"]
    assert parameter["value"] == f"{shown['tag']} Export Bibliographic records - via API"
    assert simulated.log.count("POST *") == 0
    assert almajob("runs", "list", "-f", "json").out.strip() == "[]"
    almajob(*RUN)
    assert almajob(*RUN, "--dry-run").code == 5
    assert almajob(*RUN, "--dry-run", "-c", "nothing").code == 2


def test_a_slot_is_waited_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """After five starts within an hour the sixth waits; the message says until when."""
    for _ in range(5):
        assert almajob(*RUN, "--wait").code == 0
    refused = almajob(*RUN)
    assert refused.code == 5
    assert "The next slot is free at " in refused.err
    begun = simulated.clock()
    assert almajob(*RUN, "--wait-for-slot", "2h").code == 0
    assert 3000 < simulated.clock() - begun < 3700
    assert simulated.log.count(START) == 6


@pytest.mark.parametrize(
    "words",
    [
        ("--run-key", ""),
        ("--run-key", "a\nb"),
        ("--once-per", "year"),
        ("--run-key", "a", "--once-per", "day"),
        ("--rerun-failed",),
        ("--if-running", "kill"),
        ("--wait-for-slot", "soon"),
        ("--lock-wait", "-1"),
        ("--splay", "soon"),
        ("--save", "mine", "--splay", "5m"),
        ("--dry",),
    ],
)
def test_wrong_words_start_nothing(simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """Exit code 2, in two lines."""
    done = almajob(*RUN, *words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2
    assert simulated.log.count("*") == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: (state / "ledger/cache.db").write_bytes(b"x" * 5000),
        lambda state: state.chmod(0o777),
        lambda state: state.rename(state.with_name("elsewhere")) and state.write_text(""),
    ],
)
def test_without_a_ledger_nothing_is_sent(
    simulated: SimulatedAlma, almajob: Run, spoil: Callable[[Path], object]
) -> None:
    """Exit code 5; whether the key has started something cannot be told, so it is not safe to try again."""
    assert almajob(*RUN, "--run-key", "k", "--wait").code == 0
    spoil(_state())
    done = almajob(*RUN)
    assert (done.code, done.out) == (5, "")
    told = json.loads(almajob(*RUN, "--run-key", "k", "-f", "json").out)
    assert (told["state"], told["retry_safe"]) == ("UNKNOWN", False)
    assert simulated.log.count("POST *") == 1


def test_tags_that_are_not_shown_are_noticed(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning, once; the run is none the worse for it."""
    world = simulated.institution.sandbox
    submit = world.submit
    monkeypatch.setattr(world, "submit", lambda job, _parameters: submit(job, []))
    simulated.institution.rules.checks_parameters = False
    command = ("--env", "sandbox", "run", "--allow-unknown", "--job", "M44", "--wait")
    first, second = almajob(*command), almajob(*command)
    assert (first.code, second.code) == (0, 0)
    assert "Alma does not show the tag [aj:" in first.err
    assert "Alma does not show the tag" not in second.err


def test_what_the_ledger_knows_is_told_even_where_alma_is_not_reached(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that has started a job is never told as not started."""
    monkeypatch.setattr("random.uniform", lambda _low, _high: 0.0)
    shown = json.loads(almajob(*RUN, "--run-key", "k", "-f", "json").out)
    almajob("cache", "clear")
    for words in ((), ("--refresh",)):
        simulated.faults.add("503", "GET *", times=4)
        again = almajob(*RUN, "--run-key", "k", "-f", "json", *words)
        assert json.loads(again.out)["instance_id"] == shown["instance_id"]
        simulated.faults.clear()
    simulated.faults.add("late-start", "GET /conf/jobs/*")
    failed = almajob(*RUN, "--run-key", "k", "--rerun-failed", "-f", "json")
    assert failed.code == 4
    assert (json.loads(failed.out)["state"], json.loads(failed.out)["retry_safe"]) == ("STARTED", False)
    typo = almajob("--env", "sandbox", "run", "--job", "no such job", "--run-key", "k", "-f", "json")
    assert (typo.code, json.loads(typo.out)["retry_safe"]) == (5, False)


def test_a_result_that_cannot_be_written_names_the_run(
    simulated: SimulatedAlma, almajob_process: Run
) -> None:
    """And the same command shows it, instead of starting another one."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "almajob", "-q", *RUN]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    (run,) = simulated.institution.sandbox.runs()
    assert done.returncode == 1
    assert f" was started all the same: run {run.id}" in done.stderr
    again = almajob_process(*RUN, "-f", "json")
    assert json.loads(again.out)["instance_id"] == run.id
    assert simulated.log.count(START) == 1


def test_what_a_message_says_to_type_can_be_typed(simulated: SimulatedAlma, almajob: Run) -> None:
    """As it stands there, with its environment."""
    done = almajob("--env", "sandbox", "run", "--job", "ERP exprt")
    (line,) = [line for line in done.err.splitlines() if "list --name" in line]
    words = line.partition(" searches")[0].split()[1:]
    assert almajob(*(word.replace("'*WORD*'", "*ERP*") for word in words)).code == 0


@pytest.fixture
def naps(simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Each wait on a host of that name, in seconds, and how many calls of Alma came before it.

    But for the tenths of a second by which the limits keep calls apart.
    """
    monkeypatch.setattr("almajob.runs.start.splay.identify_host", lambda: "alma-cron-2")
    found: list[tuple[float, int]] = []
    clock = clocks.system()

    def sleep(seconds: float) -> None:
        if seconds >= 1:
            found.append((seconds, simulated.log.count()))
        clock.sleep(seconds)

    monkeypatch.setattr("almajob.system.clock.SYSTEM", clock._replace(sleep=sleep))
    return found


def test_a_splayed_start_waits_first_and_the_same_time_each_time(
    simulated: SimulatedAlma, almajob: Run, naps: list[tuple[float, int]]
) -> None:
    """Before anything crosses the wire, on stderr, also at a terminal; not counted in --timeout."""
    wait = splay.splay(splay.identify_host(), "sandbox", ERP, 300)
    simulated.set_ending(ERP, seconds=10)
    for command in ("--splay", "300"), ("--splay", "5m", "--wait", "--timeout", "30"):
        naps.clear()
        simulated.log.clear()
        done = almajob(*RUN, *command)
        assert done.code == 0
        assert done.err.splitlines()[0] == f"Starting in {format_duration(wait)} (--splay)."
        assert naps[0] == (wait, 0)
        simulated.clock.advance(3600)
    assert simulated.log.count(START) == 1


def test_a_dry_run_is_not_splayed(
    simulated: SimulatedAlma, almajob: Run, naps: list[tuple[float, int]]
) -> None:
    """A person looks at it; and what would be refused for the command line is refused at once."""
    assert splay.splay(splay.identify_host(), "sandbox", ERP, 3600) >= 1
    done = almajob(*RUN, "--splay", "1h", "--dry-run")
    assert (done.code, naps) == (0, [])
    assert "--splay" not in done.err
    assert almajob("--env", "sandbox", "run", "--saved", "nothing-saved", "--splay", "1h").code == 5
    assert almajob("--env", "sandbox", "run", "--params", "nowhere.xml", "--splay", "1h").code == 5
    assert almajob("--env", "nowhere", "run", "--job", ERP, "--splay", "1h").code == 7
    assert naps == []


def test_the_day_of_a_splayed_start_is_that_in_which_it_was_due(
    simulated: SimulatedAlma, almajob: Run, naps: list[tuple[float, int]]
) -> None:
    """A cron line of two minutes to midnight whose wait ends on the next day, which has a run of its own."""
    now = datetime.fromtimestamp(simulated.clock())
    late = now.replace(hour=23, minute=58, second=0) + timedelta(days=1)
    simulated.clock.advance(late.timestamp() - simulated.clock())
    due = late.date()
    first = json.loads(almajob(*RUN, "--splay", "1h", "--once-per", "day", "-f", "json").out)
    assert datetime.fromtimestamp(simulated.clock()).date() > due
    assert first["run_key"].endswith(f":{due}")
    # Looked for since the day before, as every run of a day is.
    listed = simulated.log.requests("GET /conf/jobs/*/instances")
    assert listed[0].query["submit_date_from"] == f"{due - timedelta(days=1)}"
    second = json.loads(almajob(*RUN, "--once-per", "day", "-f", "json", "--if-running", "start").out)
    assert second["run_key"].endswith(f":{due + timedelta(days=1)}")
    assert simulated.log.count(START) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_splayed_start_can_be_stopped(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """At once, and it is said that nothing was started."""

    def interrupted(_seconds: float) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("almajob.system.clock.SYSTEM", clocks.system()._replace(sleep=interrupted))
    done = almajob(*RUN, "--splay", "1h")
    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines()[1:] == ["Nothing was started: it was still waiting (--splay)."]
    assert simulated.log.count("*") == 0
    assert not _state().exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("where", "doing"),
    [
        ("runs.start.resolve_request.find_job", "the job was still being looked up"),
        (
            "store.directory.file_locks.lock_file",
            "it was still waiting for another almajob that is busy with the job",
        ),
        ("runs.start.plan.prepare", "it was still being checked"),
        ("alma.client.Alma.get_start_permit", "other calls of Alma came first"),
    ],
)
def test_a_signal_before_anything_is_sent_is_answered(
    simulated: SimulatedAlma,
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    doing: str,
    number: int,
    code: int,
) -> None:
    """Whatever is done meanwhile: nothing was started, and why not yet."""

    def interrupted(*_given: object, **_more: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(f"almajob.{where}", interrupted)
    done = almajob(*RUN)
    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines() == [f"Nothing was started: {doing}."]
    assert simulated.log.count(START) == 0


def _interrupt_sleeps(monkeypatch: pytest.MonkeyPatch, *, longer_than: float) -> None:
    clock = clocks.system()

    def sleep(seconds: float) -> None:
        if seconds > longer_than:
            signal.raise_signal(signal.SIGINT)
        # As when other calls come first.
        clock.sleep(seconds)

    monkeypatch.setattr("almajob.system.clock.SYSTEM", clock._replace(sleep=sleep))


def test_a_signal_while_a_slot_is_waited_for_is_answered(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is waited for has been said."""
    almajob(*RUN)
    _interrupt_sleeps(monkeypatch, longer_than=20)
    done = almajob(*RUN, "--if-running", "start", "--wait-for-slot", "5m")
    assert (done.code, done.out) == (130, "")
    *_, waiting, answer = done.err.splitlines()
    assert re.fullmatch(r"Waiting for a slot, for \d min \d\d s at most: .*Job overlaps.*", waiting)
    assert answer == "Nothing was started: it was still waiting for a slot (--wait-for-slot)."


def test_a_signal_while_an_earlier_start_is_looked_for_denies_nothing(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been made, so that "nothing was started" would be a lie."""
    simulated.faults.add("reset-after", START)

    _interrupt_sleeps(monkeypatch, longer_than=1)
    for _time in range(2):
        done = almajob(*RUN, "--run-key", "k")
        assert (done.code, done.out) == (130, "")
        assert "It is unknown whether" in done.err
        assert "Nothing was started" not in done.err
    assert simulated.log.count(START) == 1


def test_the_question_before_production_is_asked_again_after_ctrl_z(simulated: SimulatedAlma) -> None:
    """Whoever comes back with ``fg`` sees all of it, once; what is typed then counts."""
    shell = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    command = shlex.join([sys.executable, "-m", "almajob", "--env", "production", "run", "--job", ERP])
    with Terminal(program=shell, environ={"PS1": "$ "}, size=(60, 200)) as terminal:
        terminal.until(lambda text: text.endswith("$"))
        terminal.type(f"{command}\n")
        terminal.until(lambda text: text.endswith("starts nothing:"))
        terminal.type("\x1a")
        terminal.until(lambda text: "Stopped" in text and text.endswith("$"))
        terminal.type("fg\n")
        terminal.until(lambda text: text.endswith("starts nothing:") and "$ fg" in text)
        asked_again = terminal.text.partition("$ fg")[2]
        assert asked_again.count("This starts a job in production.") == 1
        assert ERP in asked_again
        terminal.type("y\n")
        terminal.until(lambda text: "nothing was sent" in text and text.endswith("$"))
    assert simulated.log.count(START) == 0


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (lambda text: text.replace("api_key = ", "api_key_file = /nonexistent/"), (), 7),
        (lambda _text: "nonsense\n", (), 7),
        (lambda text: text, ("--params", "/nonexistent"), 5),
    ],
)
def test_a_key_that_started_a_job_is_not_denied_by_whatever_is_wrong_before(
    simulated: SimulatedAlma, almajob: Run, spoil: Callable[[str], str], words: tuple[str, ...], code: int
) -> None:
    """A key that cannot be had, a broken ini, no payload: the ledger is asked all the same."""
    started = json.loads(almajob(*RUN, "--run-key", "k", "-f", "json").out)
    ini = Path(os.environ["ALMAJOB_INI"])
    ini.write_text(spoil(ini.read_text()))
    again = almajob(*RUN, "--run-key", "k", "-f", "json", *words)
    shown = json.loads(again.out)
    assert (again.code, shown["state"], shown["retry_safe"]) == (code, "STARTED", False)
    assert shown["instance_id"] == started["instance_id"]


def test_a_busy_job_does_not_hide_the_run_that_this_is(simulated: SimulatedAlma, almajob: Run) -> None:
    """Found: exit code 0; in doubt: 9; any other start of the job is refused, as before."""
    command = (*RUN[:2], "run", "--job", ERP, "--lock-wait", "0s", "-f", "json")
    started = json.loads(almajob(*command, "--run-key", "k").out)
    lock = FileLocks(_state() / "locks")
    with lock.lock(f"sandbox:{ERP_ID}", 0):
        again = almajob(*command, "--run-key", "k")
        assert (again.code, json.loads(again.out)["instance_id"]) == (0, started["instance_id"])
        assert almajob(*command, "--run-key", "other", "--if-running", "start").code == 5
    production = ("--env", "production", *command[2:], "--yes", "--run-key", "lost")
    simulated.faults.add("reset-after", START)
    assert almajob(*production).code == 9
    with lock.lock(f"production:{ERP_ID}", 0):
        again = almajob(*production)
        assert (again.code, json.loads(again.out)["state"]) == (9, "AMBIGUOUS")
    assert simulated.log.count(START) == 2
