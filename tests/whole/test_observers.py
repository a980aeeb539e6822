"""Observers of other distributions: told of all that happens, once and in order, and unable to do harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import SimpleNamespace

import pytest

from almajob import connect
from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.entry_points import OBSERVERS
from almajob.runs.observers.observer import Observer
from almajob.runs.start_request import StartOptions
from almajob.store.directory.directory_place import DirectoryPlace
from almajob.store.ledger.ledger import keep_announcements
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.system.signals import Terminated
from almajob.testing import SimulatedAlma, check_observer
from tests.conftest import Result, Run
from tests.support.distributions import write_distribution
from tests.support.forks import fork, list_open
from tests.support.ledgers import list_records, open_ledger
from tests.support.observers import RECORDER, install_observer, read_observed, wait_until_told
from tests.support.thoroughness import sample

JOB = "ERP export using profile FINANCE"
OTHER = "Users EXPORT using profile SIS"
RUN = ("--env", "sandbox", "run", "--job", JOB)
START = "POST /conf/jobs/*"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory; a command waits for observers for as long as it takes."""
    path = tmp_path / "state"
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(path))
    monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 60.0)
    return path


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which distributions are installed, for this process and those that it starts."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setenv("PYTHONPATH", str(path))
    return path


@pytest.fixture
def observed(packages: Path, tmp_path: Path, state: Path) -> Callable[[], list[dict[str, object]]]:
    """Install the recorder; returns what it was told."""
    install_observer(packages)
    return lambda: read_observed(tmp_path)


Observed = Callable[[], "list[dict[str, object]]"]


def _kinds(observed: Observed) -> list[object]:
    return [event["kind"] for event in observed()]


def test_a_start_and_its_end_are_told_with_their_values(
    simulated: SimulatedAlma, almajob: Run, observed: Observed
) -> None:
    """Which run of which job in which environment, how it ended and was judged, its counters and alerts."""
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=90)
    done = almajob(*RUN, "--run-key", "nightly", "--wait", "-f", "json")
    assert done.code == 3
    start, end = observed()
    assert (start["kind"], end["kind"]) == ("start_recorded", "run_ended")
    run = start["run"]
    assert isinstance(run, dict)
    assert (run["job_name"], run["run_key"]) == (JOB, "nightly")
    assert (run["instance_id"], run["state"]) == (done.row["instance_id"], "STARTED")
    assert start["environment"] == end["environment"] == {"name": "sandbox", "kind": "sandbox"}
    assert end["status"] == "COMPLETED_FAILED"
    for name in ("counters", "alerts"):
        shown = [{part: text or "" for part, text in each.items()} for each in done.row[name]]
        assert shown
        assert end[name] == shown
    assert end["seconds"] == done.row["seconds"]
    verdict = end["verdict"]
    assert isinstance(verdict, dict)
    assert (verdict["is_good"], verdict["message"]) == (False, done.row["error"]["message"])


def test_an_end_is_told_once_however_many_wait_for_it(
    simulated: SimulatedAlma, almajob: Run, observed: Observed
) -> None:
    """By the policy of the command that saw it first."""
    started = almajob(*RUN, "-f", "json").row
    assert _kinds(observed) == ["start_recorded"]
    for _again in range(2):
        assert almajob("--env", "sandbox", "wait", started["instance_id"]).code == 0
    assert almajob(*RUN, "--run-key", "k", "--wait").code == 0
    assert almajob(*RUN, "--run-key", "k", "--wait").code == 0
    assert _kinds(observed) == ["start_recorded", "run_ended"] * 2


def test_an_end_is_told_while_other_runs_go_on(
    simulated: SimulatedAlma, almajob: Run, observed: Observed
) -> None:
    """In one wait for several; each is judged once."""
    ids = []
    for job, seconds in ((JOB, 100), (OTHER, 1000)):
        simulated.set_ending(job, "COMPLETED_FAILED", seconds=seconds)
        ids.append(almajob("--env", "sandbox", "run", "--job", job, "-f", "json").row["instance_id"])
    done = almajob("--env", "sandbox", "wait", *ids, "--timeout", "2000")
    assert done.code == 3
    times = [datetime.fromisoformat(str(event["at"])) for event in observed() if event["kind"] == "run_ended"]
    assert (times[1] - times[0]).total_seconds() > 500
    assert _kinds(observed) == ["start_recorded"] * 2 + ["run_ended"] * 2


def test_a_start_that_got_no_answer_is_told_as_unknown_and_then_as_found(
    simulated: SimulatedAlma, almajob: Run, observed: Observed
) -> None:
    """In this order."""
    simulated.faults.add("accepted-500", START)
    done = almajob(*RUN, "-f", "json")
    assert (done.code, done.row["state"]) == (0, "ADOPTED"), done.err
    unknown, found = observed()
    assert (unknown["kind"], found["kind"]) == ("start_unknown", "start_recorded")
    assert "500" in str(unknown["reason"])


def test_what_a_later_command_finds_out_is_told_then(
    simulated: SimulatedAlma, almajob: Run, observed: Observed
) -> None:
    """A start that stays unknown is told at once, and what a person knows of it when it is written down."""
    simulated.faults.add("reset-after", START)
    done = almajob("--env", "production", "run", "--job", JOB, "--yes", "-f", "json")
    assert (done.code, _kinds(observed)) == (9, ["start_unknown"])
    (only,) = simulated.institution.worlds["PRODUCTION"].runs()
    (record,) = list_records(open_ledger(Path(os.environ["ALMAJOB_STATE_DIR"], "ledger")))
    resolved = almajob("--env", "production", "runs", "resolve", record.id, "--adopt", only.id)
    assert (resolved.code, _kinds(observed)) == (0, ["start_unknown", "start_recorded"]), resolved.err


def test_a_run_that_takes_much_longer_than_usual_is_told_once(
    simulated: SimulatedAlma, almajob: Run, packages: Path, tmp_path: Path, state: Path
) -> None:
    """While it goes on; the usual time is that of the runs that almajob has followed, five at least."""
    for _earlier in range(5):
        simulated.set_ending(JOB, "COMPLETED_SUCCESS", seconds=100)
        assert almajob(*RUN, "--wait", "--if-running", "start").code == 0
        simulated.clock.advance(3600)
    install_observer(packages)
    simulated.set_ending(JOB, "COMPLETED_SUCCESS", seconds=1000)
    started = almajob(*RUN, "-f", "json").row["instance_id"]
    assert almajob("--env", "sandbox", "wait", started, "--timeout", "400").code == 8
    assert almajob("--env", "sandbox", "wait", started).code == 0
    events = read_observed(tmp_path)
    assert [event["kind"] for event in events] == ["start_recorded", "late", "run_ended"]
    late = events[1]
    assert late["usual"] == pytest.approx(100, abs=30)
    assert 200 < float(str(late["seconds"])) < 500


def test_without_an_observer_nothing_is_kept_and_nothing_is_imported(
    simulated: SimulatedAlma, almajob_process: Run, state: Path
) -> None:
    """The ledger has the record alone."""
    program = (
        "import sys; from almajob.__main__ import main; code = main(); "
        "print(code, [name for name in sys.modules if 'observers' in name])"
    )
    words = [sys.executable, "-c", program, *RUN, "-q", "--if-running", "start", "-c", "instance_id"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert open_ledger(state / "ledger").announcements() == []
    assert not (state / "observers").exists()


# What an observer does, and what its warning says.
HOSTILE = {
    "raises": ("raise ValueError('no such channel')", "failed: ValueError: no such channel"),
    "exits": ("sys.exit(0)", "failed: SystemExit: 0"),
    "interrupts": ("raise KeyboardInterrupt", "failed: KeyboardInterrupt"),
    "crashes": ("os.kill(os.getpid(), 11)", "ended the process (Segmentation fault)"),
    "ends": ("os._exit(0)", "ended the process (exit code 0)"),
    "forks": ("os.fork()", ""),
    # A grandchild in a session of its own, which holds open whatever it has.
    "leaves": ("os.fork() or (os.setsid(), os.fork() or time.sleep(600), os._exit(0))", ""),
    "stops_all": ("os.killpg(0, 9)", "ended the process (Killed)"),
    "prints": ("print('a result'); print('more', file=sys.stderr)", "printed 'a result'"),
    # The first of it is kept, and no disk is filled.
    "floods": (
        "[print('a result' * 2**17) for _ in range(1024)]; assert os.fstat(2).st_size < 2**22",
        "printed 'a result",
    ),
    "closes": ("os.closerange(0, 100)", "ended the process"),
}
PROGRAM = """
import os, sys, time
from almajob.plugin import Observer

class Hostile(Observer):
    "Do harm."
    def start_recorded(self, event):
        {does}
"""


def _run_with(hostile: str, packages: Path, almajob: Run) -> Result:
    does, _warning = HOSTILE[hostile]
    install_observer(packages, "hostile", PROGRAM.format(does=does))
    return almajob(*RUN, "--run-key", "k", "-f", "json")


@pytest.mark.parametrize("hostile", sample(list(HOSTILE)))
def test_whatever_an_observer_does_is_one_warning(
    simulated: SimulatedAlma,
    almajob: Run,
    packages: Path,
    observed: Observed,
    hostile: str,
) -> None:
    """One POST, the same result and exit code as without it; and the next observer is told all the same."""
    done = _run_with(hostile, packages, almajob)
    warning = HOSTILE[hostile][1]
    assert (done.code, done.row["state"], simulated.log.count(START)) == (0, "STARTED", 1)
    warnings = [line for line in done.err.splitlines() if "hostile" in line]
    assert len(warnings) == bool(warning), done.err
    assert all(warning in line and "start_recorded" in line for line in warnings), done.err
    assert _kinds(observed) == ["start_recorded"]
    # It is over: not told again, and nothing more is said of it.
    assert "hostile" not in almajob(*RUN, "--run-key", "k", "-f", "json").err
    assert _kinds(observed) == ["start_recorded"]


WAITING = """
import os
from almajob.plugin import Observer

class Waiting(Observer):
    "Wait until somebody writes into a pipe."
    def start_recorded(self, event):
        # Once: another call must not read what is for this one.
        if os.path.exists(os.environ["PIPE"]):
            with open(os.environ["PIPE"]) as pipe:
                os.unlink(os.environ["PIPE"])
                self.log.warning("%s", pipe.read())
"""


@pytest.fixture
def pipe(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install an observer that waits for somebody to write into this pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    monkeypatch.setenv("PIPE", str(path))
    install_observer(packages, "waiting", WAITING)
    return path


def test_no_start_waits_for_an_observer(simulated: SimulatedAlma, pipe: Path, state: Path) -> None:
    """Two starts in one process are sent and recorded while an observer still hangs at the first."""
    with Context(Options(env="sandbox")) as context:
        for job in (JOB, OTHER):
            assert context.runs.start(job).record is not None
        assert simulated.log.count(START) == 2
        assert len(open_ledger(state / "ledger").announcements()) == 2
        pipe.write_text("let go")
    assert open_ledger(state / "ledger").announcements() == []


def test_an_observer_that_hangs_keeps_a_command_for_a_moment_only(
    simulated: SimulatedAlma, almajob: Run, pipe: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with its result and exit code; what the observer says later, the next one shows."""
    monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 0.2)
    begun = time.monotonic()
    done = almajob(*RUN, "-f", "json")
    assert (done.code, done.row["state"]) == (0, "STARTED")
    assert time.monotonic() - begun < 8
    pipe.write_text("at last")
    wait_until_told(state)
    (line,) = (state / "observers" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "waiting: at last"
    assert "waiting: at last" not in done.err
    for times in (1, 0):
        assert almajob("runs", "list").err.count("waiting: at last") == times


def test_a_program_that_starts_again_and_again_keeps_nothing_of_earlier_calls(
    simulated: SimulatedAlma, observed: Observed, state: Path
) -> None:
    """Neither open descriptors nor processes that have ended."""
    simulated.set_ending(JOB, "COMPLETED_SUCCESS", seconds=0)
    with Context(Options(env="sandbox")) as context:
        counts = []
        for _again in range(5):
            context.runs.start(JOB, options=StartOptions(if_running="start"))
            wait_until_told(state)
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            counts.append(sum(" pipe:" in each for each in list_open()))
    assert len(set(counts)) == 1, counts
    assert _kinds(observed) == ["start_recorded"] * 5


def test_an_almajob_that_is_killed_while_an_observer_is_called_has_told_it(
    simulated: SimulatedAlma, almajob: Run, pipe: Path, observed: Observed, state: Path
) -> None:
    """Once: the process that tells it is not the command's, and the next command has nothing to repeat."""
    command = [sys.executable, "-m", "almajob", *RUN, "-q"]
    # The pipe has a reader once the observer is called.
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, pipe.open("w") as released:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        released.write("let go")
    wait_until_told(state)
    # What it said then is shown now.
    assert almajob("--env", "sandbox", "runs", "list").err.count("let go") == 1
    assert _kinds(observed) == ["start_recorded"]


def test_an_event_is_told_once_more_where_its_teller_died_in_the_call_and_no_third_time(
    simulated: SimulatedAlma, almajob: Run, packages: Path, tmp_path: Path, state: Path
) -> None:
    """Each time by the next command that has to do with runs; then it is dropped with a warning."""
    told = 'self._record("start_recorded", event)'
    install_observer(
        packages, source=RECORDER.replace(told, f"{told}; os.kill(os.getppid(), 9); signal.pause()")
    )
    assert almajob(*RUN).code == 0
    second = almajob("runs", "list")
    third = almajob("runs", "list")
    assert len(read_observed(tmp_path)) == 2
    assert "recorder" not in second.err
    assert "is not called again: the process died twice in this call" in third.err
    assert open_ledger(state / "ledger").announcements() == []


def test_what_an_observer_logs_is_among_our_messages(
    simulated: SimulatedAlma, almajob: Run, packages: Path, tmp_path: Path, state: Path
) -> None:
    """On stderr and in the log file, at its level, with the name of its distribution."""
    source = PROGRAM.format(
        does="self.log.info('much' * 2**17); self.log.info('sent to %s', event.run.job_name)"
    )
    install_observer(packages, "hostile", source)
    log = tmp_path / "log"
    done = almajob("--log-file", str(log), *RUN)
    assert f"hostile: sent to {JOB}" in done.err
    assert "hostile: muchmuch" in done.err
    assert f"hostile: sent to {JOB}" in log.read_text()
    assert "hostile" not in almajob(*RUN, "-q", "--if-running", "start").err


def test_an_observer_has_a_store_and_the_time_and_no_key(
    simulated: SimulatedAlma, almajob: Run, packages: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is its distribution's."""
    monkeypatch.setenv("ALMAJOB_API_KEY_SANDBOX", "simulator-sandbox-key")
    does = (
        "self.context.store.set('seen', [self.context.now().isoformat(), "
        "[name for name in os.environ if 'KEY' in name]])"
    )
    install_observer(packages, "hostile", PROGRAM.format(does=does))
    assert almajob(*RUN).code == 0
    from almajob.store.plugin_store import PluginStore

    when, keys = PluginStore(state / "plugins", "hostile").get("seen")
    assert keys == []
    assert when.startswith(time.strftime("%Y-"))


def test_an_observer_in_a_test_has_the_time_of_the_simulator(
    simulated: SimulatedAlma, almajob: Run, packages: Path, state: Path
) -> None:
    """As almajob itself has."""
    simulated.clock.advance(400 * 86400)
    now = datetime.fromtimestamp(simulated.clock(), UTC)
    does = "self.log.info('at %s', self.context.now().isoformat())"
    install_observer(packages, "hostile", PROGRAM.format(does=does))
    (line,) = [line for line in almajob(*RUN).err.splitlines() if "hostile: at " in line]
    seen = datetime.fromisoformat(line.rpartition(" at ")[2])
    assert abs((seen - now).total_seconds()) < 3600


def test_an_observer_is_checked_in_its_own_tests(packages: Path) -> None:
    """Each rule that it does not keep is in one assertion; so is one that is not installed, or too new."""
    install_observer(packages, "odd", "from almajob.plugin import Observer\nclass Odd(Observer): pass\n")
    install_observer(packages, "good", RECORDER.replace("Recorder", "Good"))
    install_observer(
        packages,
        "newer",
        "from almajob.plugin import Observer\nclass Newer(Observer):\n    almajob_api = (9, 0)\n",
    )
    invalidate_caches()
    check_observer(import_module("good").Good)
    for name, problem in (("odd", "it has none of the methods"), ("newer", "9.0")):
        with pytest.raises(AssertionError, match=f"^{name}: .*{problem}"):
            check_observer(getattr(import_module(name), name.title()))
    with pytest.raises(AssertionError, match="no entry point of the group"):
        check_observer(Observer)


def test_observers_are_listed_and_checked(almajob: Run, packages: Path, state: Path) -> None:
    """With their state: one that cannot be loaded is told from one that breaks a rule."""
    install_observer(packages)
    install_observer(packages, "broken", "raise ImportError('no such thing')")
    install_observer(packages, "stranger", "class Stranger: pass")
    install_observer(
        packages,
        "odd",
        "from almajob.plugin import Observer\n"
        "class Odd(Observer):\n    async def late(self, event): pass\n    def run_end(self, event): pass\n"
        "    def start_unknown(self): pass\n",
    )
    listed = almajob("plugin", "list", "-f", "json")
    rows = {row["name"]: row for row in json.loads(listed.out) if row["kind"] == "observer"}
    assert {name: row["state"] for name, row in rows.items()} == {
        "notify": "ok",
        "recorder": "ok",
        "odd": "ok",
        "broken": "broken",
        "stranger": "broken",
    }
    assert rows["broken"]["problem"] == "ImportError: no such thing"
    assert "not a subclass of Observer" in rows["stranger"]["problem"]
    assert almajob("plugin", "check", "recorder").code == 0
    checked = almajob("plugin", "check", "odd", "-f", "json")
    assert checked.code == 7
    assert [row["problem"] for row in json.loads(checked.out)] == [
        "start_unknown cannot be called with an event alone",
        "nothing of late is done when it is called: it is async, or yields",
        "its method run_end is never called; did you mean run_ended?",
    ]


@pytest.mark.parametrize("needed", sample(["(1, 1)", "(2, 0)"]))
def test_an_observer_for_a_newer_api_is_not_called(
    almajob: Run, simulated: SimulatedAlma, packages: Path, observed: Observed, state: Path, needed: str
) -> None:
    """The start is as without it, others are called, and a warning and the list say what it needs."""
    source = RECORDER.replace(
        "class Recorder(Observer):", f"class Newer(Observer):\n    almajob_api = {needed}"
    )
    install_observer(packages, "newer", source)
    done = almajob(*RUN)
    wait_until_told(state)
    assert (done.code, simulated.log.count(START)) == (0, 1)
    assert _kinds(observed) == ["start_recorded"]
    reason = f"t needs version {needed[1]}.{needed[4]} of almajob's plugin API, and this almajob has 1.0."
    assert reason in " ".join(done.err.split())
    row = json.loads(almajob("plugin", "check", "newer", "-f", "json").out)[0]
    assert reason in row["problem"]


OPTIONS = """
from dataclasses import dataclass
import os
from almajob.plugin import Observer, Secret

@dataclass(frozen=True)
class Settings:
    channel: str = "general"
    token: Secret | None = None

class Hostile(Observer):
    "Show what it is configured with."
    def start_recorded(self, event):
        options = self.context.options(Settings())
        assert options.token.reveal() == "seven-hills-of-rome"
        self.log.info("to %s with %s", options.channel, options.token.reveal())
        self.log.info("sees %s", sorted(name for name in os.environ if name.startswith("ALMAJOB_PLUGIN")))
        print("the token is", options.token.reveal())
"""


def test_an_observer_has_its_plugins_options_and_its_secret_is_not_shown(
    simulated: SimulatedAlma,
    almajob: Run,
    packages: Path,
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the configuration file and the variables of its plugin, which it alone gets."""
    ini = tmp_path / "almajob.ini"
    ini.write_text(f"{ini.read_text()}[plugin:hostile]\nchannel = library\n")
    monkeypatch.setenv("ALMAJOB_PLUGIN_HOSTILE__TOKEN", "seven-hills-of-rome")
    monkeypatch.setenv("ALMAJOB_PLUGIN_HOSTILE_AND_MORE__TOKEN", "three-towers-of-delft")
    install_observer(packages, "hostile", OPTIONS)
    done = almajob(*RUN)
    assert "hostile: to library with (hidden)" in done.err
    assert "hostile: sees ['ALMAJOB_PLUGIN_HOSTILE__TOKEN']" in done.err
    assert "printed 'the token is (hidden)'" in done.err
    for text in (done.err, (state / "observers" / "log.jsonl").read_text()):
        assert "seven-hills" not in text


def test_a_program_that_connects_has_its_observers_called(
    simulated: SimulatedAlma, observed: Observed
) -> None:
    """Without a command line, and in the state directory that it names."""
    with connect("sandbox") as context:
        run = context.runs.follow(context.runs.start(JOB))
    assert run.passed
    assert _kinds(observed) == ["start_recorded", "run_ended"]


def test_in_a_shell_each_command_shows_what_observers_had_to_say(
    simulated: SimulatedAlma, packages: Path, state: Path
) -> None:
    """At its end, as far as it is known then; the rest at the end of the shell; each message once."""
    does = "self.log.info('saw %s', event.run.job_name)"
    install_observer(packages, "hostile", PROGRAM.format(does=does))
    lines = [f"run --job '{job}' -c instance_id" for job in (JOB, OTHER)]
    program = (
        "import sys; from almajob.cli import app; from almajob.runs.observers import announcer; "
        "announcer.PATIENCE = 60; sys.exit(app.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--env", "sandbox", "shell"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for job in (JOB, OTHER):
        assert done.stderr.count(f"hostile: saw {job}") == 1, done.stderr


@pytest.mark.parametrize("way", ["variable", "file"])
def test_an_observer_that_is_switched_off_is_not_called(
    simulated: SimulatedAlma,
    almajob: Run,
    observed: Observed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Neither by a command nor by a program; ``plugin list`` says what switches it off."""
    if way == "variable":
        monkeypatch.setenv("ALMAJOB_PLUGINS", "none")
    else:
        ini = tmp_path / "almajob.ini"
        ini.write_text(f"[almajob]\ndisable_plugins = recorder\n{ini.read_text()}")
    assert almajob(*RUN, "-q").code == 0
    with connect("sandbox") as context:
        context.runs.start(OTHER)
    assert observed() == []
    listed = json.loads(almajob("plugin", "list", "-f", "json").out)
    (row,) = [row for row in listed if row["name"] == "recorder"]
    assert (row["kind"], row["state"]) == ("observer", "disabled")


def test_an_observer_that_is_disabled_meanwhile_is_not_called_any_more(
    simulated: SimulatedAlma, almajob: Run, pipe: Path, observed: Observed, state: Path, tmp_path: Path
) -> None:
    """What is left for it is dropped by the next command, and the others are called."""
    simulated.set_ending(JOB, "COMPLETED_SUCCESS", seconds=0)
    command = [sys.executable, "-m", "almajob", *RUN, "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, pipe.open("w"):
        (kept,) = [
            each for each in open_ledger(state / "ledger").announcements() if "waiting" in each.observer
        ]
        process.wait()
    wait_until_told(state)
    ini = tmp_path / "almajob.ini"
    ini.write_text(f"[almajob]\ndisable_plugins = waiting\n{ini.read_text()}")
    # After that: the process that called it may look once more before it ends.
    with DirectoryPlace(state / "ledger").change(9.0) as rows:
        sealed = SealedRows(rows)
        keep_announcements(sealed, [kept._replace(calls=0)])
        sealed.flush()
    assert almajob(*RUN, "-q", "--if-running", "start").code == 0
    wait_until_told(state)
    log = [json.loads(line)["text"] for line in (state / "observers" / "log.jsonl").read_text().splitlines()]
    assert "is dropped, as it is disabled" in log[-1]
    assert _kinds(observed) == ["start_recorded"] * 2


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), Terminated(signal.SIGTERM)], ids=type)
def test_a_signal_ends_the_wait_for_observers_and_changes_no_exit_code(
    simulated: SimulatedAlma,
    almajob: Run,
    pipe: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException,
) -> None:
    """The result is printed; the observer is called all the same."""

    def interrupt(_seconds: float) -> None:
        raise interruption

    interrupted = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=interrupt)
    monkeypatch.setattr("almajob.runs.observers.announcer.time", interrupted)
    done = almajob(*RUN, "-f", "json")
    assert (done.code, done.row["state"]) == (0, "STARTED")
    pipe.write_text("let go")
    wait_until_told(state)
    assert "let go" in (state / "observers" / "log.jsonl").read_text()


def test_a_forked_child_leaves_to_its_parent_what_that_has_begun(
    simulated: SimulatedAlma, pipe: Path, state: Path
) -> None:
    """It ends while the observer of its parent's start is still called."""
    with Context(Options(env="sandbox")) as context:
        context.runs.start(JOB)
        fork(context.close)()
        assert len(open_ledger(state / "ledger").announcements()) == 1
        pipe.write_text("let go")
    assert open_ledger(state / "ledger").announcements() == []


def test_several_that_see_an_end_at_once_announce_it_once(
    simulated: SimulatedAlma, almajob: Run, observed: Observed, state: Path
) -> None:
    """The ledger knows whether the end was there before."""
    simulated.set_ending(JOB, "COMPLETED_SUCCESS", seconds=0)
    run = almajob(*RUN, "-f", "json").row["instance_id"]
    command = [sys.executable, "-m", "almajob", "-q", "--env", "sandbox", "wait", run]
    waits = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _wait in sample(range(8))]
    assert [wait.wait(60) for wait in waits] == [0] * len(waits)
    wait_until_told(state)
    assert _kinds(observed) == ["start_recorded", "run_ended"]


def test_where_observers_cannot_be_called_a_start_is_as_without_them(
    simulated: SimulatedAlma, almajob: Run, observed: Observed, state: Path
) -> None:
    """With a warning; they are called by a later command that can."""
    state.mkdir(mode=0o700)
    (state / "observers").write_text("in the way")
    done = almajob(*RUN, "-f", "json")
    assert (done.code, done.row["state"]) == (0, "STARTED")
    assert "Observers could not be called. The next command tries again." in done.err
    (state / "observers").unlink()
    assert observed() == []
    assert almajob("runs", "list").code == 0
    assert _kinds(observed) == ["start_recorded"]


LATER = """
import os
from almajob.plugin import Observer, RetryLater

class Later(Observer):
    time_limit = 30.0

    def _try(self, event):
        path = os.path.join(os.path.dirname(os.environ["ALMAJOB_STATE_DIR"]), "open")
        if not os.path.exists(path):
            raise RetryLater("the door is shut")
        with open(path, "a") as file:
            file.write(f"{event.id.partition(':')[2]} {event.run.notify}\\n")

    start_recorded = run_ended = _try
"""


def test_an_observer_that_wants_to_be_called_later_is_called_by_the_next_command(
    simulated: SimulatedAlma, almajob: Run, packages: Path, state: Path, tmp_path: Path
) -> None:
    """In order, with the first failure as a warning; others are called meanwhile."""
    install_observer(packages, "later", LATER)
    install_observer(packages)
    done = almajob(*RUN, "--wait")
    assert done.code == 0
    assert done.err.count("the door is shut. The next command tries again, for a day.") == 2
    assert [event["kind"] for event in read_observed(tmp_path)] == ["start_recorded", "run_ended"]
    assert "the door" not in almajob("runs", "list").err
    (tmp_path / "open").touch()
    almajob("runs", "list")
    almajob("runs", "list")
    assert (tmp_path / "open").read_text() == "start_recorded ()\nrun_ended ()\n"
    assert open_ledger(state / "ledger").announcements() == []


def test_an_observer_that_needs_its_section_costs_nothing_without(
    simulated: SimulatedAlma, almajob: Run, packages: Path, state: Path, tmp_path: Path
) -> None:
    """Nothing is kept for it; with the section it is called."""
    write_distribution(packages, "recorder", {OBSERVERS: {"recorder": "recorder:Recorder [configured]"}})
    (packages / "recorder.py").write_text(RECORDER, "utf-8")
    assert almajob(*RUN).code == 0
    assert not (state / "observers").exists()
    ini = tmp_path / "almajob.ini"
    ini.write_text(f"{ini.read_text()}\n[plugin:recorder]\nx = 1\n")
    assert almajob("--env", "sandbox", "run", "--job", OTHER).code == 0
    assert [event["kind"] for event in read_observed(tmp_path)] == ["start_recorded"]
