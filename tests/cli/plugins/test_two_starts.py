"""A plugin's command that starts two jobs, one after the other: confirmed once, resumed, half done."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.entry_points import GROUP
from almajob.errors import NotConfirmed
from almajob.plugin import Context, Refused, Start, StartOptions, WaitOptions
from almajob.store.plugin_store import PluginStore
from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma, check_command
from tests.conftest import Result, Run
from tests.support.distributions import write_distribution, write_plugin
from tests.support.environments import PLUGINS
from tests.support.terminals import Terminal
from tests.support.thoroughness import sample

EXPORT, IMPORT = "ERP export using profile FINANCE", "ERP import using profile FINANCE"
IMPORT_ID = "S9563600030000561"
# The options, in which wait it is, and how many hours later the line is typed.
INTERRUPTED = (
    *(((), 2, 30), ((), 1, 30), ((), 2, 0), (("--run-key", "may"), 1, 30)),
    *((("--once-per=day",), 2, 30), (("--once-per=day",), 1, 30), (("--once-per", "hour"), 2, 30)),
    *((("--run-key", "may"), 2, 30), (("--once-per", "hour"), 1, 30)),
)
IDS_IN_PRODUCTION = ["S9570600010000561", "S9570600030000561"]
COMMANDS = {"erp_cycle": "almajob_erp:ErpCycle", "erp_run": "almajob_erp:ErpRun"}
START = "POST /conf/jobs/*"
CYCLE = ("--env", "sandbox", "erp", "cycle")
IN_PRODUCTION = ("--env", "production", "erp", "cycle")


@pytest.fixture(autouse=True)
def erp(site_packages: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The plugin as if it were installed; also in other processes."""
    write_distribution(site_packages, "almajob-erp", {GROUP: COMMANDS})
    monkeypatch.syspath_prepend(str(PLUGINS / "erp"))
    path = os.pathsep.join([str(site_packages), str(PLUGINS / "erp")])
    monkeypatch.setenv("PYTHONPATH", path)
    return path


@pytest.fixture
def interrupt(simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Press Ctrl-C in the wait that follows the n-th start, once."""

    def prepare(count: int) -> None:
        to_come = [count]

        def sleep(seconds: float) -> None:
            if to_come and simulated.log.count(START) == to_come[0]:
                to_come.clear()
                signal.raise_signal(signal.SIGINT)
            simulated.clock.advance(max(seconds, 0.0))

        clock = Clock(simulated.clock, simulated.clock, sleep, simulated.clock)
        monkeypatch.setattr("almajob.system.clock.SYSTEM", clock)

    return prepare


def _rows(done: Result) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def _resume(done: Result) -> list[str]:
    """Return the words of the line that is to be typed, without the program's name."""
    (line,) = re.findall(r"Resume: almajob (.*)", done.err)
    return shlex.split(line)


def test_the_rules_are_kept() -> None:
    """Those that every command has."""
    from almajob_erp import ErpCycle, ErpRun  # type: ignore[import-not-found]

    check_command(ErpCycle)
    check_command(ErpRun)


def test_both_jobs_are_started_one_after_the_other(simulated: SimulatedAlma, almajob: Run) -> None:
    """The second once the first has ended; the same key again starts nothing and shows the same runs."""
    done = almajob(*CYCLE, "--run-key", "may", "-f", "json")
    assert (done.code, [row["job_name"] for row in _rows(done)]) == (0, [EXPORT, IMPORT])
    kept = _rows(almajob("runs", "list", "--env", "sandbox", "-f", "json"))
    assert {row["run_key"] for row in kept} == {"may", "may/import"}
    again = almajob(*CYCLE, "--run-key", "may", "-f", "json")
    assert [row["instance_id"] for row in _rows(again)] == [row["instance_id"] for row in _rows(done)]
    assert simulated.log.count(START) == 2


def test_what_failed_is_done_again_and_nothing_else(simulated: SimulatedAlma, almajob: Run) -> None:
    """--rerun-failed: the second job alone where the first was good, else both, each once."""
    again = (*CYCLE, "--run-key", "may", "--rerun-failed", "-f", "json")
    simulated.set_ending(IMPORT, "COMPLETED_FAILED")
    assert almajob(*again).code == 3
    simulated.set_ending(IMPORT)
    assert (almajob(*again).code, simulated.log.count(START)) == (0, 3)
    assert (almajob(*again).code, simulated.log.count(START)) == (0, 3)
    other = (*CYCLE, "--run-key", "june", "--rerun-failed", "-f", "json")
    simulated.set_ending(EXPORT, "COMPLETED_FAILED")
    assert (almajob(*other).code, simulated.log.count(START)) == (3, 4)
    simulated.set_ending(EXPORT)
    done = almajob(*other)
    assert (done.code, simulated.log.count(START)) == (0, 6)
    assert almajob(*CYCLE, "--run-key", "june", "-f", "json").out == done.out
    assert simulated.log.count(START) == 6


@pytest.mark.parametrize("length", sample([200, 195, 190]))
def test_a_run_key_may_be_as_long_as_any(simulated: SimulatedAlma, almajob: Run, length: int) -> None:
    """That of the second step is longer, and must not be refused when the first is done."""
    words = (*CYCLE, "--run-key", "k" * length, "-f", "json")
    done, again = almajob(*words), almajob(*words)
    assert (done.code, again.out) == (0, done.out)
    assert almajob(*CYCLE, "--run-key", f"{'k' * (length - 1)}x").code == 0
    assert simulated.log.count(START) == 4


def test_accept_counts_for_both(simulated: SimulatedAlma, almajob: Run) -> None:
    """With it both jobs may end so; without it the second is not started."""
    for job in (EXPORT, IMPORT):
        simulated.set_ending(job, "COMPLETED_FAILED")
    assert almajob(*CYCLE).code == 3
    assert simulated.log.count(START) == 1
    assert almajob(*CYCLE, "--accept", "COMPLETED_FAILED").code == 0
    assert simulated.log.count(START) == 3


@pytest.mark.parametrize(("options", "count", "hours"), sample(INTERRUPTED))
def test_the_resume_line_goes_on_with_the_whole_of_it(
    simulated: SimulatedAlma,
    almajob: Run,
    interrupt: Callable[[int], None],
    options: tuple[str, ...],
    count: int,
    hours: int,
) -> None:
    """After Ctrl-C in either wait, however much later: each job has one run, and none is left out."""
    simulated.set_ending(EXPORT, seconds=3600)
    simulated.set_ending(IMPORT, seconds=3600)
    interrupt(count)
    stopped = almajob(*CYCLE, *options, "--interval", "1m", "--accept", "COMPLETED_FAILED")
    assert (stopped.code, simulated.log.count(START)) == (130, count)
    assert "The job goes on in Alma." in stopped.err
    words = _resume(stopped)
    assert words[:4] == [*CYCLE]
    simulated.clock.advance(hours * 3600)
    done = almajob(*words, "-f", "json")
    assert (done.code, [row["status"] for row in _rows(done)]) == (0, ["COMPLETED_SUCCESS"] * 2)
    assert simulated.log.count(START) == 2


def test_a_time_limit_names_the_same_line(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """With the configuration file that was named, and with all options but those that it says already."""
    simulated.set_ending(EXPORT, seconds=8 * 3600)
    ini = Path(os.environ["ALMAJOB_INI"]).rename(tmp_path / "my own.ini")
    at = ("erp", "cycle", "--ini-file", str(ini), "--timeout", "1h", "--env=sandbox", "--run-key", "a b")
    done = almajob(*at)
    assert done.code == 8
    assert _resume(done) == [
        *("--ini-file", str(ini), "--env", "sandbox", "erp", "cycle"),
        *("--timeout", "1h", "--run-key", "a b"),
    ]


def test_half_done_is_not_nothing(simulated: SimulatedAlma, almajob: Run) -> None:
    """The second job is running already: 3, which run was started, why the rest was not, and how to go on."""
    simulated.set_ending(IMPORT, seconds=2 * 3600)
    running = almajob("--env", "sandbox", "run", IMPORT, "-f", "json").row["instance_id"]
    done = almajob(*CYCLE)
    export = re.search(rf"Started: run (\d+) of '{EXPORT}' in sandbox\.", done.err)
    assert done.code == 3
    assert export
    assert f"is running already: run {running}" in done.err
    # No other command's options.
    assert "--dry-run" not in done.err
    simulated.clock.advance(2 * 3600)
    rest = almajob(*_resume(done), "-f", "json")
    assert (rest.code, _rows(rest)[0]["instance_id"]) == (0, export[1])
    assert simulated.log.count(START) == 3


@pytest.mark.parametrize(
    ("fault", "method", "code"),
    sample(
        [
            *(("daily", "POST", 3), ("daily", "GET", 3), ("text-key-error", "GET", 3)),
            *(("reset-after", "POST", 0), ("reset-before", "POST", 9), ("redirect", "POST", 9)),
        ]
    ),
)
def test_whatever_keeps_the_second_from_being_started(
    simulated: SimulatedAlma, almajob: Run, fault: str, method: str, code: int
) -> None:
    """No code that promises that nothing was started; the run that was is named."""
    simulated.set_ending(EXPORT, seconds=60)
    simulated.faults.add(fault, f"{method} /conf/jobs/{IMPORT_ID}")
    done = almajob(*CYCLE)
    assert done.code == code
    assert ("This was only partly done. Started: run " in done.err) is (code == 3)
    assert (f"{EXPORT} was started all the same: run " in done.err) is (code == 9)


def test_what_was_there_before_is_not_started_by_this_command(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nothing was: then the code says so, as it always did."""
    assert almajob(*CYCLE, "--run-key", "may").code == 0
    before = simulated.log.count(START)
    refused = almajob(*CYCLE, "--run-key", "may", "--import", "no such job")
    assert (refused.code, simulated.log.count(START) - before) == (5, 0)


DIES = """
import os, signal, sys
from almajob.alma.client import Alma
from almajob.cli.app import main
from almajob.system import clock
from tests.support.clocks import FastClock

posts, submit, fast = [], Alma.submit, FastClock().clock

def noticed(*given, **more):
    posts.append(1)
    return submit(*given, **more)

def sleep(seconds):
    if len(posts) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    fast.sleep(seconds)

Alma.submit = noticed
clock.SYSTEM = fast._replace(sleep=sleep)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("options", [(), ("--run-key", "may")], ids=["without a key", "with a key"])
def test_killed_in_the_second_wait_the_same_command_goes_on(
    simulated: SimulatedAlma, almajob: Run, erp: str, options: tuple[str, ...]
) -> None:
    """By SIGKILL, so that nothing could be said: the same two runs, with a run key or without one."""
    simulated.set_ending(EXPORT, seconds=0)
    simulated.set_ending(IMPORT, seconds=3600)
    root = str(PLUGINS.parents[1])
    died = subprocess.run(
        [sys.executable, "-c", DIES, *CYCLE, *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([erp, root])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    done = almajob(*CYCLE, *options, "-f", "json")
    assert (done.code, [row["job_name"] for row in _rows(done)]) == (0, [EXPORT, IMPORT])
    assert simulated.log.count(START) == 2


def test_a_person_is_asked_once_about_both(
    simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch, almajob: Run
) -> None:
    """All that will be sent is shown, the first job's id agrees to it, and both are started."""
    asked: list[str] = []

    def confirm(question: str) -> str:
        asked.append(question)
        return IDS_IN_PRODUCTION[0]

    monkeypatch.setattr("almajob_erp.confirmer", lambda: confirm)
    done = almajob(*IN_PRODUCTION, "-f", "json")
    assert (done.code, len(_rows(done)), len(asked)) == (0, 2, 1)
    assert asked[0].startswith("This starts 2 jobs in production.\n1.\n")
    assert re.findall(r"Id +(\S+)", asked[0]) == IDS_IN_PRODUCTION
    assert asked[0].endswith(f"To start all of them, type the id of the first: {IDS_IN_PRODUCTION[0]}")


@pytest.mark.parametrize("typed", ["y", "", IDS_IN_PRODUCTION[1]])
def test_anything_else_starts_neither(
    simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch, almajob: Run, typed: str
) -> None:
    """Exit code 5, and nothing was sent."""
    monkeypatch.setattr("almajob_erp.confirmer", lambda: lambda _question: typed)
    assert almajob(*IN_PRODUCTION).code == 5
    assert simulated.log.count(START) == 0


@pytest.mark.parametrize(
    ("options", "has_failed"),
    sample(
        [
            *(((), False), (("--once-per", "day"), False), (("--run-key", "may"), False)),
            *(
                (("--once-per", "day", "--rerun-failed"), True),
                (("--run-key", "may", "--rerun-failed"), True),
            ),
        ]
    ),
)
def test_in_production_the_same_command_goes_on_while_the_second_job_runs(
    simulated: SimulatedAlma,
    almajob: Run,
    interrupt: Callable[[int], None],
    options: tuple[str, ...],
    has_failed: bool,
) -> None:
    """What runs is this command's own second run: it is followed, and nobody is asked or refused."""
    command = (*IN_PRODUCTION, *options)
    if has_failed:
        simulated.set_ending(EXPORT, "FAILED")
        assert almajob(*command, "--yes").code == 3
    simulated.set_ending(EXPORT, seconds=0)
    simulated.set_ending(IMPORT, seconds=3600)
    interrupt(2 + has_failed)
    assert almajob(*command, "--yes").code == 130
    done = almajob(*command, "-f", "json")
    assert (done.code, [row["job_name"] for row in _rows(done)]) == (0, [EXPORT, IMPORT])
    assert simulated.log.count(START) == 2 + has_failed


@pytest.mark.parametrize("words", [CYCLE, (*IN_PRODUCTION, "--yes")], ids=["sandbox", "production"])
def test_a_second_job_that_is_not_there_starts_nothing(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """A misspelt name is found before the first job is started, also where nobody is asked."""
    assert almajob(*words, "--import", "no such job").code == 5
    assert simulated.log.count(START) == 0


def test_what_is_there_already_is_not_asked_about(
    simulated: SimulatedAlma,
    monkeypatch: pytest.MonkeyPatch,
    almajob: Run,
    interrupt: Callable[[int], None],
) -> None:
    """Interrupted in the first wait, the line to resume with asks about the second job only."""
    asked: list[str] = []

    def confirm(question: str) -> str:
        asked.append(question)
        return IDS_IN_PRODUCTION[len(asked) - 1]

    monkeypatch.setattr("almajob_erp.confirmer", lambda: confirm)
    simulated.set_ending(EXPORT, seconds=3600)
    interrupt(1)
    stopped = almajob(*IN_PRODUCTION)
    assert stopped.code == 130
    done = almajob(*_resume(stopped))
    assert (done.code, simulated.log.count(START)) == (0, 2)
    assert asked[1].startswith("This starts a job in production.\n")
    assert EXPORT not in asked[1]


def test_what_would_be_refused_is_refused_before_anybody_is_asked(
    simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch, almajob: Run
) -> None:
    """The second job is running already, or nothing may be sent: the first is not started either."""

    def confirm(_question: str) -> str:
        raise AssertionError("it was asked")

    monkeypatch.setattr("almajob_erp.confirmer", lambda: confirm)
    simulated.set_ending(IMPORT, seconds=3600)
    assert almajob("--env", "production", "run", IMPORT, "--yes").code == 0
    assert almajob(*IN_PRODUCTION).code == 5
    assert almajob(*IN_PRODUCTION, "--yes").code == 5
    simulated.clock.advance(3600)
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob(*IN_PRODUCTION).code == 5
    assert simulated.log.count(START) == 1


def test_what_has_changed_since_is_asked_about_again(
    simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch, almajob: Run
) -> None:
    """What was agreed to is what was shown: with another institution's name it is another start."""
    asked: list[str] = []

    def confirm(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            monkeypatch.setattr(
                "almajob.runs.start.confirmation.shorten_value",
                lambda text: f"{text} (changed)" if text else "",
            )
            return IDS_IN_PRODUCTION[0]
        return "no"

    monkeypatch.setattr("almajob_erp.confirmer", lambda: confirm)
    assert almajob(*IN_PRODUCTION).code == 5
    assert (len(asked), simulated.log.count(START)) == (2, 0)


@pytest.mark.parametrize("options", [(), ("--no-input",)])
def test_nobody_to_ask_is_refused_with_what_the_command_has(
    simulated: SimulatedAlma, almajob: Run, options: tuple[str, ...]
) -> None:
    """It has --yes, and no --dry-run and no --save: only that is offered."""
    refused = almajob(*IN_PRODUCTION, *options)
    assert (refused.code, simulated.log.count(START)) == (5, 0)
    assert "Then add --yes to the same command." in refused.err
    assert "--dry-run" not in refused.err
    assert "--save" not in refused.err
    assert almajob(*IN_PRODUCTION, "--yes", *options).code == 0


def test_at_a_terminal(simulated: SimulatedAlma) -> None:
    """On a real one: both jobs on the screen, one id typed."""
    with Terminal(*IN_PRODUCTION, size=(40, 110)) as terminal:
        shown = terminal.until(lambda text: "to go ahead; anything else starts nothing:" in text)
        assert shown.index(EXPORT) < shown.index(IMPORT) < shown.index("type the id of the first")
        terminal.type("nothing of the kind\n")
        assert terminal.end() == 5
    assert simulated.log.count(START) == 0


BARE = '''
from almajob.plugin import RUN_COLUMNS, ShowOne, StartOptions, run_values

class Bare(ShowOne):
    """Start a job, and offer no option."""
    columns = RUN_COLUMNS
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("job", help="the job")
        return parser
    def take_action(self, parsed_args):
        run = self.context.runs.start(parsed_args.job, options=StartOptions(once_per="day"))
        self.resume = ["bare", "--from", "here"]
        run = self.context.runs.follow(run, self.wait)
        self.verdict = run.verdict
        return self.columns, run_values(run)

    @property
    def wait(self):
        from almajob.plugin import WaitOptions
        return WaitOptions(timeout=60)
'''


@pytest.fixture
def bare(site_packages: Path) -> None:
    write_plugin(site_packages, "almajob-bare", "aj_bare", BARE, {"bare": "Bare"})


@pytest.mark.usefixtures("bare")
def test_no_message_names_an_option_that_the_command_does_not_have(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """Not confirmed, running already, ended badly: what almajob run would offer is left out."""
    unconfirmed = almajob("--env", "production", "bare", EXPORT)
    simulated.set_ending(EXPORT, "COMPLETED_FAILED", seconds=3600)
    assert almajob("--env", "sandbox", "run", EXPORT).code == 0
    running = almajob("--env", "sandbox", "bare", EXPORT)
    simulated.clock.advance(3600)
    simulated.set_ending(EXPORT, "COMPLETED_FAILED", seconds=30)
    bad = almajob("--env", "sandbox", "bare", EXPORT)
    again = almajob("--env", "sandbox", "bare", EXPORT)
    assert [done.code for done in (unconfirmed, running, bad, again)] == [5, 5, 3, 3]
    told = "".join(done.err for done in (unconfirmed, running, bad, again))
    ours = [line for line in told.splitlines() if "almajob --env" not in line]
    assert re.findall(r"--[a-z-]+", "\n".join(ours)) == []
    assert "To follow it: almajob --env sandbox wait " in running.err


@pytest.mark.usefixtures("bare")
def test_a_command_may_say_itself_how_to_go_on(simulated: SimulatedAlma, almajob: Run) -> None:
    """In words of its own, behind the program and the environment."""
    simulated.set_ending(EXPORT, seconds=3600)
    done = almajob("--env", "sandbox", "bare", EXPORT)
    assert (done.code, _resume(done)) == (8, ["--env", "sandbox", "bare", "--from", "here"])


@pytest.mark.usefixtures("simulated")
def test_a_script_is_told_how_a_start_is_confirmed_in_python() -> None:
    """Options of a command line are of no use to it."""
    with Context() as context, pytest.raises(Refused) as refused:
        context.of("production").runs.start(EXPORT)
    assert refused.value.hint == "StartOptions(is_confirmed=True) confirms it."


@pytest.mark.parametrize("consent", ["no", "yes", 1])
def test_nothing_but_true_is_consent(simulated: SimulatedAlma, consent: Any) -> None:
    """A text that was read from somewhere is true, too, whatever it says."""
    with Context() as context:
        runs = context.of("production").runs
        with pytest.raises(NotConfirmed):
            runs.start(EXPORT, options=StartOptions(is_confirmed=consent))
        with pytest.raises(NotConfirmed):
            runs.confirm_together([Start(EXPORT, options=StartOptions(is_confirmed=consent))])
        with pytest.raises(TypeError, match="confirm returns what was typed"):
            runs.start(EXPORT, confirm=lambda question: True)  # type: ignore[arg-type,return-value]
    assert simulated.log.count(START) == 0


def test_a_script_is_told_the_process_id(simulated: SimulatedAlma, caplog: pytest.LogCaptureFixture) -> None:
    """It has no command line that could go on."""
    simulated.set_ending(EXPORT, seconds=3600)
    with caplog.at_level("INFO", "almajob"), Context() as context:
        runs = context.of("sandbox").runs
        run = runs.follow(runs.start(EXPORT, look=False), WaitOptions(timeout=60))
    assert run.verdict is not None
    assert f"To go on waiting: almajob --env sandbox wait {run.instance.id}" in str(run.verdict)
    assert "Resume" not in str(run.verdict)


def test_a_command_may_be_made_of_almajob_run(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """Its options, its result and its exit codes, and something besides; it resumes as itself."""
    simulated.set_ending(EXPORT, "COMPLETED_FAILED", seconds=3600)
    erp_run = ("--env", "sandbox", "erp", "run", EXPORT, "--wait", "--note", "invoices of May")
    stopped = almajob(*erp_run, "--timeout", "1m", "-f", "json")
    assert stopped.code == 8
    words = _resume(stopped)
    assert words[:8] == [*erp_run]
    assert words[-2] == "--run-key"
    simulated.clock.advance(3600)
    done = almajob(*words)
    assert (done.code, done.row["instance_id"]) == (3, stopped.row["instance_id"])
    assert simulated.log.count(START) == 1
    assert almajob(*erp_run[:5], "--dry-run", "-f", "json").row["method"] == "POST"
    # A plan names the run that is there, which the note is not about.
    plan = almajob(*erp_run[:5], *words[-2:], "--note", "of a plan", "--dry-run", "-f", "json").row
    assert plan["instance_id"] == stopped.row["instance_id"]
    plugins = tmp_path / "home" / ".local" / "state" / "almajob" / "plugins"
    store = PluginStore(plugins, "almajob-erp", "sandbox")
    assert store.get(stopped.row["instance_id"]) == "invoices of May"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("run", "ERP export using profile FINANC"), ""),
        (("run", EXPORT), "reset-before"),
        (("erp", "cycle"), "reset-before"),
        (("wait", EXPORT), ""),
    ],
)
def test_every_line_to_type_names_the_configuration_file(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, words: tuple[str, ...], fault: str
) -> None:
    """That was named: another would lead to another Alma, or to none."""
    ini = Path(os.environ["ALMAJOB_INI"]).rename(tmp_path / "my own.ini")
    if fault:
        simulated.faults.add(fault, START)
    done = almajob("--ini-file", str(ini), "--env", "sandbox", *words)
    lines = re.findall(r"almajob (?:--|runs |wait |list ).*", done.err)
    assert (done.code in (5, 9), len(lines) > 0) == (True, True)
    assert [line for line in lines if not line.startswith("almajob --ini-file ")] == []


ENDS = '''
import sys
from almajob.plugin import Command

class Ends(Command):
    """Start a job, and end with an exit code."""
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("how", help="return or exit")
        parser.add_argument("code", type=int, help="the exit code")
        return parser
    def take_action(self, parsed_args):
        self.context.runs.start("ERP export using profile FINANCE")
        if parsed_args.how == "exit":
            sys.exit(parsed_args.code)
        return parsed_args.code
'''


@pytest.mark.parametrize("how", ["return", "exit"])
@pytest.mark.parametrize(("code", "ends"), sample([(5, 3), (0, 0), (2, 3), (7, 3), (8, 8), (9, 9), (1, 1)]))
def test_no_exit_code_of_a_plugin_promises_too_much(
    simulated: SimulatedAlma, almajob: Run, site_packages: Path, how: str, code: int, ends: int
) -> None:
    """However it sets it; what the code itself does not say is on stderr."""
    write_plugin(site_packages, "almajob-ends", "aj_ends", ENDS, {"ends": "Ends"})
    done = almajob("--env", "sandbox", "ends", how, str(code), "-q")
    assert (done.code, simulated.log.count(START)) == (ends, 1)
    assert ("This was only partly done. Started: run " in done.err) is (ends != code)
