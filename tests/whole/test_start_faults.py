"""A start that something happens to, as a user meets it: one POST, and a word that is true."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.alma.http.session import Session
from almajob.cli.app import main
from almajob.simulator.faults import NAMES
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.clocks import FastClock
from tests.support.processes import exit_codes

ERP = "ERP export using profile FINANCE"
EXPORT = "Export Bibliographic records"
START = "POST /conf/jobs/*"
# Of connections, of what is seen later, or of errors only.
NOT_OF_A_START = {
    *("refused", "late-start", "listing-lag", "pages-shift", "set-stays-empty", "unknown-status"),
    *("error-object", "errors-exist-text"),
}
LOST = ("accepted-500", "reset-after", "accepted-502", "accepted-truncated", "no-link")


@pytest.mark.parametrize("job", [ERP, EXPORT])
@pytest.mark.parametrize("name", LOST)
def test_a_start_whose_answer_is_lost_is_found(
    simulated: SimulatedAlma, almajob: Run, name: str, job: str
) -> None:
    """Exactly one POST, exit code 0, the run named: by its tag, or as the only one that fits."""
    simulated.institution.rules.checks_parameters = False
    simulated.faults.add(name, START)
    done = almajob("--env", "sandbox", "run", "--allow-unknown", "--job", job, "-f", "json")
    shown = json.loads(done.out)
    (run,) = simulated.institution.sandbox.runs()
    assert done.code == 0
    assert (shown["state"], shown["instance_id"], shown["retry_safe"]) == ("ADOPTED", run.id, False)
    assert shown["certainty"] == ("tagged" if job == EXPORT else "inferred")
    assert simulated.log.count(START) == 1
    assert "Looking for the run in Alma" in done.err


@pytest.mark.parametrize("name", LOST)
def test_in_production_a_lost_start_of_a_scheduled_job_is_a_persons(
    simulated: SimulatedAlma, almajob: Run, name: str
) -> None:
    """Exit code 9; the message leads to the word that settles it, and then the same key is that run."""
    simulated.faults.add(name, START)
    run = ("--env", "production", "run", "--yes", "--job", ERP, "--run-key", "k", "-f", "json")
    done = almajob(*run)
    shown = json.loads(done.out)
    (started,) = simulated.institution.production.runs()
    assert done.code == 9
    assert (shown["state"], shown["certainty"], shown["retry_safe"]) == ("AMBIGUOUS", "none", False)
    assert shown["instance_id"] is None
    assert f"Candidates: {started.id} (submitted " in done.err
    (words,) = [line for line in done.err.splitlines() if line.endswith("--adopt PROCESS_ID")]
    command = words.replace("PROCESS_ID", started.id).split()[1:]
    assert almajob(*command).code == 0
    again = almajob(*run)
    assert again.code == 0
    assert json.loads(again.out)["instance_id"] == started.id
    assert simulated.log.count(START) == 1


def test_a_tag_finds_the_run_in_production_too(simulated: SimulatedAlma, almajob: Run) -> None:
    """A stranger's run at the same time changes nothing."""
    world = simulated.institution.production
    simulated.institution.rules.checks_parameters = False
    simulated.institution.rules.thresholds = False
    simulated.faults.add("reset-after", START)
    job = next(item for item in world.jobs if item.name == EXPORT)
    start = ("--env", "production", "run", "--yes", "--allow-unknown", "--job", job.id, "-f", "json")
    done = almajob(*start, "--run-key", "a")
    ours = json.loads(done.out)["instance_id"]
    assert [run.id for run in world.runs()] == [ours]
    world.submit(job, [("job_name", "a stranger's")])
    simulated.faults.add("accepted-500", START)
    second = almajob(*start, "--run-key", "b", "--if-running", "start")
    assert json.loads(second.out)["instance_id"] == world.runs()[-1].id
    assert json.loads(second.out)["certainty"] == "tagged"


def test_a_listing_that_lags_is_waited_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """A run that Alma shows after a minute is found within two."""
    simulated.faults.add("accepted-502", START)
    simulated.faults.add("listing-lag", "GET /conf/jobs/*", times=None)
    begun = simulated.clock()
    done = almajob("--env", "sandbox", "run", "--job", ERP, "-f", "json")
    assert json.loads(done.out)["state"] == "ADOPTED"
    assert 60 < simulated.clock() - begun < 90


def test_a_start_that_never_arrived_counts_after_an_hour(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 9 at first, and again; an hour later the same command starts it."""
    simulated.faults.add("reset-before", START)
    command = ("--env", "production", "run", "--yes", "--job", ERP, "--run-key", "k")
    assert [almajob(*command).code for _ in range(2)] == [9, 9]
    assert simulated.log.count(START) == 1
    simulated.clock.advance(3600)
    assert almajob(*command).code == 0
    assert simulated.log.count(START) == 2
    assert len(simulated.institution.production.runs()) == 1


@pytest.mark.parametrize("name", sorted(set(NAMES) - NOT_OF_A_START - {"accepted-slow", "drip"}))
def test_no_fault_makes_almajob_start_twice_or_deny_a_start(
    simulated: SimulatedAlma, almajob: Run, name: str
) -> None:
    """One POST at most; "not started" only where nothing was started, "started" only where it was."""
    simulated.faults.add(name, "POST *")
    done = almajob("--env", "sandbox", "run", "--job", ERP, "-f", "json")
    shown = json.loads(done.out)
    runs = [run.id for run in simulated.institution.sandbox.runs()]
    if done.code == 0:
        assert runs == [shown["instance_id"]]
    elif done.code != 9:
        assert (runs, shown["retry_safe"]) == ([], True)
    else:
        assert shown["retry_safe"] is False
    assert simulated.log.count("POST *") == 1


@pytest.mark.parametrize("name", ["accepted-slow", "drip"])
@pytest.mark.parametrize(("environment", "code"), [("sandbox", 0), ("production", 9)])
def test_an_answer_that_takes_too_long_is_a_lost_one(
    simulated: SimulatedAlma,
    almajob: Run,
    write_ini: Callable[..., Path],
    name: str,
    environment: str,
    code: int,
) -> None:
    """The time limit of the call ends it; the run is found, and in production a person decides."""
    write_ini(simulated.ini.replace("base_url", "deadline = 1\nbase_url"))
    simulated.faults.add(name, START)
    done = almajob("--env", environment, "run", "--yes", "--job", ERP, "--run-key", "k")
    assert done.code == code
    assert "did not answer completely" in done.err
    assert simulated.log.count(START) == 1


def _type_lines(ini: Path, scripts: tuple[str, ...], is_interrupted: bool) -> None:
    """Run lines in the shell of a process where the name of the first POST's host is resolved after them all.

    Args:
        ini: of the environments.
        scripts: the lines; Ctrl-C ends one of them.
        is_interrupted: whether Ctrl-C comes while the name is resolved; else the time limit passes.
    """
    os.environ |= {"ALMAJOB_INI": str(ini), "ALMAJOB_STATE_DIR": str(ini.with_name("state"))}
    for name, stream in (("out", 1), ("err", 2)):
        os.dup2(os.open(ini.with_name(name), os.O_CREAT | os.O_WRONLY, 0o600), stream)
    clocks.SYSTEM = FastClock().clock
    post, resolve = Session.write, socket.getaddrinfo
    posts: list[int] = []
    is_slow, is_resolved = threading.Event(), threading.Event()

    def noticed(*given: Any, **more: Any) -> Any:
        if not posts:
            is_slow.set()
        posts.append(1)
        return post(*given, **more)

    def slowly(*given: Any, **more: Any) -> Any:
        if is_slow.is_set():
            is_slow.clear()
            if is_interrupted:
                os.kill(os.getpid(), signal.SIGINT)
            is_resolved.wait()
        return resolve(*given, **more)

    Session.write, socket.getaddrinfo = noticed, slowly  # type: ignore[method-assign]
    code = 0
    for script in scripts:
        sys.stdin = io.StringIO(script)
        code = main(["shell"])
    is_resolved.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(30)
    sys.stdout.flush()
    sys.exit(code)


@pytest.mark.parametrize("is_interrupted", [False, True], ids=["deadline", "Ctrl-C"])
def test_a_start_that_was_given_up_before_it_was_sent_never_is(
    simulated: SimulatedAlma, write_ini: Callable[..., Path], almajob: Run, is_interrupted: bool
) -> None:
    """In the shell, whose process goes on: the name is resolved after a person has started the job again."""
    ini = write_ini(simulated.ini.replace("base_url", "deadline = 1\nbase_url"))
    start = f"run --env production --yes --job '{ERP}' --run-key k -f json"
    first, again = f"{start} > first.json\n", f"runs resolve k --not-started\n{start} > second.json\n"
    scripts = (first, again) if is_interrupted else (first + again,)
    assert exit_codes(_type_lines, [(ini, scripts, is_interrupted)]) == [0]
    (run,) = simulated.institution.production.runs()
    assert simulated.log.count(START) == 1
    assert json.loads(Path("second.json").read_text("utf-8"))["instance_id"] == run.id
    told = ini.with_name("err").read_text("utf-8")
    if is_interrupted:
        assert "was not started: almajob was interrupted before anything was sent." in told
    else:
        shown = json.loads(Path("first.json").read_text("utf-8"))
        assert (shown["state"], shown["retry_safe"]) == ("NOT_STARTED", True)
        assert "was not reached in time. Nothing was sent." in told
