"""The world around almajob: streams, terminals, signals, homes, limits, locales and encodings."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.run import Ending
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.fake_alma import STATUS_TABLE, FakeAlma, instance, job, started

PROGRAM = (sys.executable, "-m", "almajob", "--env", "sandbox")
ERP = "ERP export using profile FINANCE"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
ROOT = pytest.mark.skipif(
    os.getuid() != 0, reason="only root can be somebody that is not in the user database"
)


def _redirected(to: str, *words: str, environ: dict[str, str] | None = None) -> Result:
    """Run a command line with redirections of a shell."""
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {to}', "bash", *PROGRAM, *words],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@FULL
@pytest.mark.parametrize(
    ("to", "unbuffered", "code", "why"),
    [
        (">/dev/full", "", 1, "No space left on device."),
        (">/dev/full", "1", 1, "No space left on device."),
        (">&-", "", 1, "stdout is closed."),
        (">/dev/full 2>/dev/full", "", 1, ""),
        ("<&- >&- 2>&-", "", 1, ""),
        ("2>/dev/full", "", 0, ""),
        ("2>&-", "1", 0, ""),
        ("<&-", "", 0, ""),
    ],
)
def test_a_start_whose_result_is_lost_names_its_run(
    simulated: SimulatedAlma, almajob: Run, to: str, unbuffered: str, code: int, why: str
) -> None:
    """Exit code 1 where the result was lost, 0 where messages were; one POST, and the ledger knows it."""
    done = _redirected(to, "run", "--job", ERP, environ={"PYTHONUNBUFFERED": unbuffered})
    assert done.code == code
    assert simulated.log.count("POST /conf/jobs/*") == 1
    (known,) = json.loads(almajob("runs", "list", "-f", "json").out)
    assert known["state"] == "STARTED"
    if why:
        lines = done.err.splitlines()
        assert f" was started all the same: run {known['instance_id']} " in lines[-3]
        assert lines[-2:] == ["almajob: The result cannot be written.", f"  {why}"]
    elif code:
        assert done.err == ""
    elif "2>" not in to:
        assert f"run {known['instance_id']}\n" in done.out


@FULL
@pytest.mark.parametrize(("where", "lost"), [("full", 1), ("closed pipe", 141)])
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("sandbox", "run", "--job", "nosuch", "-f", "json"), None, ["nosuch"]),
        (
            ("production", "run", "--yes", "--job", ERP, "-f", "json"),
            9,
            ["It is unknown whether", "--adopt PROCESS_ID"],
        ),
        (
            ("sandbox", "run", "--job", ERP, "--wait"),
            None,
            ["ended with COMPLETED_FAILED", f"{ERP} was started all the same"],
        ),
    ],
)
def test_a_verdict_is_told_though_the_result_is_lost(
    simulated: SimulatedAlma,
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    lost: int,
    words: tuple[str, ...],
    code: int | None,
    told: list[str],
) -> None:
    """Refused, failed or in doubt; and that last is exit code 9 all the same."""
    simulated.set_ending(ERP, "COMPLETED_FAILED")
    if code is not None:
        simulated.faults.add("reset-after", "POST /conf/jobs/*")
    with _stdout(where) as stdout, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        done = almajob("--env", *words)
    assert done.code == (code or lost)
    assert [text for text in told if done.err.count(text) != 1] == [], done.err
    assert ("The result cannot be written" in done.err) == (where == "full")


@contextmanager
def _stdout(where: str) -> Iterator[TextIO]:
    """A stream to which nothing can be written."""
    if where == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    with open(descriptor, "w") as stream:
        yield stream


@FULL
@pytest.mark.parametrize(
    ("words", "code"),
    [((), 2), (("lsit",), 2), (("run", "--job", "nobody"), 5), (("status", "--id", "99"), 4)],
)
def test_a_full_stderr_keeps_the_exit_code(
    simulated: SimulatedAlma, words: tuple[str, ...], code: int
) -> None:
    """Python's own would be 120, whatever happened; nor is a full stdout told where there is no result."""
    for to in ("2>/dev/full", ">/dev/full 2>/dev/full"):
        assert _redirected(to, *words).code == code


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_head_ends_a_long_list_without_a_word(site: FakeAlma, almajob: Run, unbuffered: str) -> None:
    """141, whether or not Python buffers."""
    site.jobs([job(f"S{number}", f"Job {number} {'x' * 80}") for number in range(1000)])
    almajob("--env", "sandbox", "list")
    environ = {"PYTHONUNBUFFERED": unbuffered}
    done = _redirected("| head -1", "list", "-f", "value", "-c", "Id", "-c", "Name", environ=environ)
    assert (done.code, done.err) == (141, "")
    assert done.out.startswith("S0\tJob 0 x")
    assert len(done.out.splitlines()) == 1


NAMES = (
    *(
        "Ärger ✓",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u0130stanbul \u0131s\u0131",
        "\U0001f600 \U0001f469\u200d\U0001f469",
        "日本語 ソ表",
    ),
    *("a\u202eb\u200fc", "e\u0301 combining", "two\u2028lines", "quoted \"x\", \\ and 'y'"),
)
_BOTH = """
import sys
from almajob.cli.app import main
codes = [main(["--env", "sandbox", "list", "-f", form]) for form in ("json", "csv", "table")]
codes.append(main(["--env", "sandbox", "run", "--job", "S0", "-f", "json", "--noindent"]))
sys.exit(max(codes))
"""


@pytest.mark.parametrize(
    ("environ", "encoding"),
    [
        ({"LC_ALL": "C"}, "utf-8"),
        ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
        ({"LC_ALL": "xx_YY.BOGUS"}, "utf-8"),
        ({"LANG": "tr_TR.UTF-8"}, "utf-8"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
        ({"PYTHONIOENCODING": "cp1252:strict"}, "cp1252"),
        ({"PYTHONIOENCODING": "utf-16"}, "utf-16"),
        ({"PYTHONIOENCODING": "shift_jis"}, "shift_jis"),
    ],
)
def test_every_name_is_told_in_every_encoding(site: FakeAlma, environ: dict[str, str], encoding: str) -> None:
    """JSON has each name as it is; what the encoding lacks is spelled out elsewhere; nothing is lost."""
    jobs = [job(f"S{number}", name) for number, name in enumerate(NAMES)]
    site.jobs(jobs)
    site.on("POST /jobs/S0", started(jobs[0], "77"))
    site.on("GET /jobs/S0/instances/77", instance("77", jobs[0], "RUNNING"))
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "LC_"))}
    done = subprocess.run(
        [sys.executable, "-c", _BOTH], env={**kept, **environ}, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    out = done.stdout.decode(encoding)
    listed, end = json.JSONDecoder().raw_decode(out)
    assert tuple(each["name"] for each in listed) == NAMES
    rest = out[end:].lstrip("\n")
    table = rest.index("+--")
    rows = list(csv.reader(io.StringIO(rest[:table], newline="")))[1:]
    spelled = [name.encode(encoding, "backslashreplace").decode(encoding) for name in NAMES]
    assert [row[0] for row in rows] == [f"S{number}" for number in range(len(NAMES))]
    assert [row[1] for row in rows] == spelled
    assert len(rest[table:].splitlines()) == len(NAMES) + 4 + 1
    assert json.loads(rest.splitlines()[-1])["job_name"] == NAMES[0]
    assert site.calls("POST") == ["POST /jobs/S0?op=run"]


def _set(name: str, value: str | None) -> Callable[[pytest.MonkeyPatch, Path], None]:
    def change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.format(tmp=tmp_path))
        if name == "TZ":
            time.tzset()

    return change


@pytest.fixture
def _zone_given_back() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_zone_given_back")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("HOME", "{tmp}/not/there/yet"), 0),
        (_set("HOME", "/dev/null"), 5),
        (_set("HOME", "relative"), 5),
        (_set("PATH", ""), 0),
        (_set("TMPDIR", "/not/there"), 0),
        (_set("TERM", None), 0),
        (_set("COLUMNS", "1"), 0),
        (_set("COLUMNS", "0"), 0),
        (_set("COLUMNS", "abc"), 0),
        (_set("TZ", None), 0),
        (_set("TZ", ""), 0),
        (_set("TZ", ":/etc/localtime"), 0),
        (_set("TZ", "Nowhere/Atlantis"), 0),
        (_set("TZ", "/etc/passwd"), 0),
        (_set("TZ", "ODD-25:99"), 0),
    ],
)
def test_odd_surroundings(
    simulated: SimulatedAlma,
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Callable[[pytest.MonkeyPatch, Path], None],
    code: int,
) -> None:
    """All works, or it is refused before anything is sent; a list needs no place to keep things in."""
    change(monkeypatch, tmp_path)
    assert almajob("--env", "sandbox", "list").code == 0
    done = almajob("--env", "sandbox", "run", "--job", ERP, "--once-per", "hour", "--wait")
    assert done.code == code
    assert "bug" not in done.err
    assert simulated.log.count("POST /conf/jobs/*") == (code == 0)
    for words in (("history", "--job", ERP), ("runs", "list"), ("status", "--id", "@last")):
        assert almajob("--env", "sandbox", *words).code in (0, code)


def _limited(flag: str, most: int) -> tuple[str, ...]:
    return ("bash", "-c", f'ulimit -{flag} {most}; exec "$@"', "bash")


_NOBODY = "import os, sys; os.setreuid(12345, 0); os.environ.pop('HOME'); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.parametrize(
    ("program", "words", "codes"),
    [
        (("setsid", "--wait"), ("run", "--job", ERP), (0,)),
        # Either there are enough, or nothing is sent.
        (_limited("n", 20), ("run", "--job", ERP), (0,)),
        (_limited("n", 10), ("run", "--job", ERP), (0, 5, 6)),
        (_limited("n", 7), ("run", "--job", ERP), (0, 5, 6)),
        (_limited("n", 7), ("list",), (0, 6)),
        (_limited("f", 0), ("run", "--job", ERP), (5,)),
        pytest.param((sys.executable, "-c", _NOBODY), ("run", "--job", ERP), (5,), marks=ROOT),
    ],
    ids=["no terminal", "20 files", "10 files", "7 files", "7 files: list", "no byte", "no user"],
)
def test_a_process_with_little(
    simulated: SimulatedAlma,
    almajob: Run,
    program: tuple[str, ...],
    words: tuple[str, ...],
    codes: tuple[int, ...],
) -> None:
    """No controlling terminal, few files, no room, no name: what is said is true of what crossed the wire."""
    done = subprocess.run(
        [*program, *PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    posts = simulated.log.count("POST /conf/jobs/*")
    assert posts == (done.returncode == 0 and words[0] == "run")
    assert len(json.loads(almajob("runs", "list", "-f", "json").out)) == posts


@pytest.fixture
def institution(write_ini: Callable[..., Path]) -> Iterator[Institution]:
    """A simulator whose time is moved by hand: its job lasts ten minutes."""
    with Simulator(Institution(Clock())) as simulator:
        write_ini(f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {simulator.base_url}\n")
        simulator.institution.rules.endings[ERP] = Ending("COMPLETED_SUCCESS", 600, None)
        yield simulator.institution


@pytest.fixture
def waiting(
    institution: Institution, tmp_path: Path
) -> Callable[..., tuple[subprocess.Popen[str], int, Path]]:
    """Start a wait on a terminal of its own, with its result in a pipe, and give the terminal's other end."""

    def start(*program: str) -> tuple[subprocess.Popen[str], int, Path]:
        world = institution.sandbox
        run_id = world.submit(next(each for each in world.jobs if each.name == ERP), []).id
        log = tmp_path / "log"
        master, slave = os.openpty()
        words = ("--log-file", str(log), "wait", "--id", run_id, "--interval", "1", "-f", "json")
        process = subprocess.Popen(
            ["setsid", "--ctty", *program, *PROGRAM, *words],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
            text=True,
        )
        os.close(slave)
        _until(lambda: log.exists() and "QUEUED" in log.read_text("utf-8"))
        return process, master, log

    return start


def _until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


Waiting = Callable[..., tuple[subprocess.Popen[str], int, Path]]


def test_a_terminal_that_is_closed_ends_a_wait(waiting: Waiting) -> None:
    """129, and the log has how to go on; the bars that cannot be taken away any more are no failure."""
    process, master, log = waiting()
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (129, "")
    said = log.read_text("utf-8")
    assert "The job goes on in Alma. Resume: almajob --env sandbox wait" in said
    assert "Traceback" not in said
    assert "bug" not in said


def test_under_nohup_the_wait_goes_on(waiting: Waiting, institution: Institution) -> None:
    """Without the terminal: nothing is drawn any more, and the result comes."""
    process, master, log = waiting("bash", "-c", 'trap "" HUP; exec "$@"', "bash")
    os.close(master)
    looks = log.read_text("utf-8").count("/instances/")
    # It has looked, and drawn, again.
    _until(lambda: log.read_text("utf-8").count("/instances/") > looks + 1)
    institution.clock.advance(600)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)[0]["status"] == "COMPLETED_SUCCESS"
    assert "bug" not in log.read_text("utf-8")


def test_a_wait_that_was_stopped_goes_on(waiting: Waiting, institution: Institution) -> None:
    """Ctrl-Z, and fg after the job has ended."""
    process, master, log = waiting()
    process.send_signal(signal.SIGSTOP)
    institution.clock.advance(3600)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert json.loads(out)[0]["status"] == "COMPLETED_SUCCESS"
    assert "Traceback" not in log.read_text("utf-8")
