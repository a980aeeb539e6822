"""One command's life: options, messages, exit codes, signals and pipes, in real processes."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug import Request, Response

from almajob import __version__
from almajob.cli.app import main
from tests.conftest import Run
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, answer, instance, job, started

ERP = job("S1", "ERP export using profile FINANCE")
JOBS = [job("M1", "first", "MANUAL"), ERP]
PROGRAM = [sys.executable, "-m", "almajob"]


def test_the_version_is_told_by_both_ways(almajob: Run, almajob_process: Run) -> None:
    """Before cliff is imported, and by its parser."""
    assert almajob_process("--version").out == f"almajob {__version__}\n"
    assert almajob("-q", "--version").out == f"almajob {__version__}\n"


def test_almajob_alone_prints_a_short_help(almajob_process: Run) -> None:
    """On stderr, with exit code 2: there is no result."""
    done = almajob_process()
    assert (done.code, done.out) == (2, "")
    assert "almajob --env demo list" in done.err
    assert len(done.err.splitlines()) < 12


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_help_lists_every_command(almajob: Run, words: tuple[str, ...]) -> None:
    """With one line each."""
    done = almajob(*words)
    assert done.code == 0
    for name in ("list", "run", "status", "show", "config check", "config show", "cache show", "cache clear"):
        assert f"  {name} " in done.out


@pytest.mark.parametrize(
    "words",
    [("list", "--help"), ("help", "list"), ("list", "-f", "json", "--help"), ("--env", "x", "list", "-h")],
)
def test_a_commands_help_is_the_commands(almajob: Run, words: tuple[str, ...]) -> None:
    """Wherever the option stands."""
    done = almajob(*words)
    assert done.code == 0
    assert "List the jobs of an environment." in done.out
    assert "--profile-id" in done.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("lsit",), "Did you mean: list?"),
        (("config", "set"), "Did you mean: config set-key"),
        (("config", "qqqq"), "See almajob config --help for all commands."),
        (("help", "runs", "lsit"), "Did you mean: runs list?"),
        (("qqqq",), "See almajob --help for all commands."),
        (("help", "lsit"), "There is no command 'lsit'"),
        (("help", "--bogus"), "unrecognized arguments: --bogus"),
        (("--bogus", "list"), "unrecognized arguments: --bogus"),
        (("--en", "demo", "list"), "unrecognized arguments: --en"),
        (("list", "--bogus"), "unrecognized arguments: --bogus"),
        (("list", "--nmae", "x"), "Did you mean --name?"),
        (("--evn", "demo", "list"), "Did you mean --env?"),
        (("run", "--job", "x", "--timeout", "5"), "Add --wait"),
        (("list", "--sort-column", "Nmae"), "There is no column 'Nmae'"),
        (("run", "--jo", "x"), "unrecognized arguments: --jo"),
        (("run", "--job", ""), "must not be empty"),
        (("run", "--job", " "), "must not be empty"),
        (("--env", "", "list"), "must not be empty"),
        (("run",), "Which job?"),
        (("status", "--id", ""), "must not be empty"),
        (("status", "--id", "7", "--timeout", "5"), "Add --watch"),
        (("wait", "--id", "7", "--interval", "0.5"), "must be a second or more"),
        (("wait", "--id", "7", "--accept", "RUNNING"), "RUNNING is not the status of an end"),
        (("wait", "--id", "7", "--accept", "COMPLETED_FAILD"), "Did you mean COMPLETED_FAILED? Known"),
        (("wait", "--id", "7", "--accept", "?"), "is not a status"),
        (("wait", "--id", "7", "--fail-if", "asset_failed"), "a condition is COUNTER OP VALUE"),
        (("wait", "--id", "7", "--fail-if", "a > many"), "'many' is not a number"),
        (("run", "--job", "x", "--accept", "FAILED"), "Add --wait"),
        (("history", "--job", "x", "--since", "lastweek"), "must be a length of time such as 7d"),
        (("history", "--job", "x", "--status", "FALIED"), "Did you mean FAILED?"),
        (("history", "--job", "x", "--status", "\u017fKIPPED"), "is not a status"),
        (("wait", "--id", "7", "--accept", "COMPLETED_\u017fUCCESS"), "is not a status"),
        (("matches", "--id", "7", "--population", "none"), "invalid choice"),
        (("run", "--job", "x", "--timeout", "-1"), "such as 90s, 30m, 2h or 1d"),
        (("run", "--job", "x", "--timeout", "1w"), "such as 90s, 30m, 2h or 1d"),
        (("list", "--type", "weekly"), "invalid choice"),
        (("--cmd",), "unrecognized arguments: --cmd"),
        (("--cmd=",), "unrecognized arguments: --cmd="),
        (("--cmd", "list", "--cmd", "run"), "unrecognized arguments: --cmd"),
        (("--cmd", "lsit"), "Did you mean: list?"),
        (("list",), "Which environment?"),
        (("--log-file", "/no/such/dir/x.log", "list"), "cannot be written"),
        (("list", "--log-file", "/no/such/dir/x.log"), "cannot be written"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(almajob: Run, words: tuple[str, ...], part: str) -> None:
    """stdout stays empty, so that a pipe gets nothing; stderr says what and what to type."""
    done = almajob(*words)
    assert (done.code, done.out) == (2, "")
    assert part in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("--env", "sandbox", "list"),
        ("list", "--env", "sandbox"),
        ("--env", "sandbox", "list", "--env=sandbox"),
        ("--env", "sandbox", "--cmd", "list"),
        ("--cmd=list", "--env=sandbox"),
        ("list", "-qf", "table", "--env", "sandbox"),
    ],
)
def test_global_options_work_before_and_after_the_command(
    site: FakeAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """In any order, and twice where both say the same."""
    site.jobs(JOBS)
    done = almajob(*words)
    assert (done.code, done.err) == (0, "")
    assert "ERP export" in done.out


def test_the_predecessors_three_lines_work_as_they_are(
    alma: FakeAlma, write_ini: Callable[..., Path], almajob: Run, tmp_path: Path
) -> None:
    """list, run and status, with its options; the cache goes where --cache_dir says, under its old names."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {alma.url}\n")
    alma.jobs(JOBS)
    alma.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    alma.on("POST /jobs/S1", started(ERP, "77"))
    for path in ("S1", "ALL"):
        alma.on(f"GET /jobs/{path}/instances/77", instance("77", ERP, "RUNNING"))
    cache = tmp_path / "old cache"
    assert "first" in almajob("--env", "sandbox", "--cmd", "list", "--cache_dir", str(cache)).out
    done = almajob("--cmd", "run", "--job", ERP["name"], "--env", "sandbox", f"--cache_dir={cache}")
    assert "77" in done.out
    done = almajob(
        "--env=sandbox", "--id", "77", "--job", ERP["name"], "--cmd", "status", "--cache_dir", str(cache)
    )
    assert "RUNNING" in done.out
    assert {path.name for path in cache.iterdir() if path.is_dir()} == {
        ".cache.codetable.systemJobStatus",
        ".cache.jobs.sandbox",
    }
    assert alma.calls("POST") == ["POST /jobs/S1?op=run"]


def test_quiet_and_verbose(site: FakeAlma, almajob: Run) -> None:
    """-q leaves only warnings and errors, -v tells each call; before and after the command."""
    site.on("GET /jobs", {"total_record_count": 0})
    assert almajob("--env", "sandbox", "list", "-q").err == ""
    assert almajob("-q", "--env", "sandbox", "list").err == ""
    told = almajob("--env", "sandbox", "list", "-v").err
    assert "GET /conf/jobs: HTTP 200" in told
    assert almajob("-v", "-q", "--env", "sandbox", "list").code == 2


def test_debug_shows_where_an_error_arose(site: FakeAlma, capfd: pytest.CaptureFixture[str]) -> None:
    """And only debug does."""
    site.jobs(JOBS)
    assert main(["--env", "sandbox", "--debug", "run", "--job", "nobody"]) == 5
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "job_lookup.py" in err
    assert KEY not in err


def _popen(*argv: str, **kwargs: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [*PROGRAM, *argv], env=dict(os.environ), stderr=subprocess.PIPE, text=True, **kwargs
    )


@pytest.fixture
def waiting(site: FakeAlma) -> FakeAlma:
    """An Alma whose job goes on."""
    site.jobs(JOBS)
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    site.on("POST /jobs/S1", started(ERP, "77"))
    site.on("GET /jobs/S1/instances/77", instance("77", ERP, "RUNNING"))
    return site


def _await_the_wait(process: subprocess.Popen[str]) -> None:
    """Read as far as the line that is written when the wait has begun."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.endswith("(run 77): RUNNING\n"):
            break


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_a_signal_during_the_wait_ends_it_and_says_how_to_go_on(
    waiting: FakeAlma, number: int, code: int
) -> None:
    """The job does not stop with almajob; no traceback, nothing on stdout, though it comes twice."""
    process = _popen("--env", "sandbox", "run", "--job", "S1", "--wait", stdout=subprocess.PIPE)
    _await_the_wait(process)
    process.send_signal(number)
    assert process.stderr is not None
    told = process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    # A shell tells a death by a signal with the same code.
    assert (process.returncode in (code, -number), out, err) == (True, "", "")
    assert told == "The job goes on in Alma. Resume: almajob --env sandbox wait 77\n"


def test_a_process_that_dies_leaves_no_core_with_the_key(waiting: FakeAlma) -> None:
    """In the middle of a wait, under a shell that allows core files of any size."""
    waiting_run = ("--env", "sandbox", "run", "--job", "S1", "--wait")
    process = subprocess.Popen(
        ["bash", "-c", 'ulimit -Sc "$(ulimit -Hc)" && exec "$@"', "bash", *PROGRAM, *waiting_run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _await_the_wait(process)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (1 if hard else 0, hard)
    process.send_signal(signal.SIGSEGV)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGSEGV
    assert list(Path().glob("*core*")) == []


def test_a_signal_while_pages_are_read_ends_at_once(alma: FakeAlma, write_ini: Callable[..., Path]) -> None:
    """Answers that do not come are not waited for, though a minute would be allowed."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {alma.url}\ndeadline = 60\n")
    asked, release = threading.Event(), threading.Event()

    def page(request: Request) -> Response:
        if request.args["offset"] != "0":
            asked.set()
            release.wait(50)
        return answer({"job": [job(f"S{n}", "x") for n in range(100)], "total_record_count": 900})

    alma.on("GET /jobs", page)
    process = _popen("--env", "sandbox", "list", stdout=subprocess.PIPE)
    assert asked.wait(30)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    took = time.monotonic() - begun
    release.set()
    assert (process.returncode, out, err) == (143, "", "")
    assert took < 20


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("--env", "sandbox", "list")])
@pytest.mark.parametrize(
    ("to", "codes", "told"),
    [
        (">/dev/full", (1,), "No space left on device"),
        (">&-", (1,), "stdout is closed"),
        ("| true", (0, 141), ""),
    ],
)
def test_what_cannot_be_written_is_told_once(
    site: FakeAlma, words: tuple[str, ...], to: str, codes: tuple[int, ...], told: str
) -> None:
    """A full disk is exit code 1 with a line, a closed stdout too; a pipe without a reader is 141."""
    site.jobs(JOBS)
    # argparse passes over what it cannot write of its help, where nothing is buffered.
    for unbuffered in ("",) if "--help" in words else ("", "1"):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {shlex.join([*PROGRAM, *words])} {to}"],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in codes
        assert ("Traceback" in done.stderr, "bug" in done.stderr) == (False, False)
        assert done.stderr.count(told) == 1 if told else done.stderr == ""


@pytest.mark.parametrize("words", [(KEY,), ("list", KEY), (f"--api-key={KEY}", "list"), ("--cmd", KEY)])
def test_a_key_on_the_command_line_is_not_repeated(almajob: Run, words: tuple[str, ...]) -> None:
    """It has no place there; the shell's history is bad enough."""
    assert almajob(*words).code == 2


def test_a_log_file_on_a_full_disk_is_no_reason_to_fail(site: FakeAlma, almajob_process: Run) -> None:
    """Nor for a traceback per line; it is said once."""
    site.jobs(JOBS)
    done = almajob_process("--log-file", "/dev/full", "--env", "sandbox", "list")
    assert done.code == 0
    assert done.err == "The log file /dev/full cannot be written: No space left on device.\n"


def test_without_a_working_directory(site: FakeAlma, almajob_process: Run, tmp_path: Path) -> None:
    """It was removed while the shell stood in it."""
    site.jobs(JOBS)
    gone = tmp_path / "gone"
    gone.mkdir()
    listing = shlex.join([*PROGRAM, "--env", "sandbox", "list"])
    command = f"cd {shlex.quote(str(gone))} && rmdir ../gone && {listing}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_main_works_in_a_thread_of_an_embedding_program(
    site: FakeAlma, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where signals cannot be caught."""
    site.jobs(JOBS)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["--env", "sandbox", "list"])))
    thread.start()
    thread.join(30)
    assert codes == [0]
    assert "ERP export" in capfd.readouterr().out
