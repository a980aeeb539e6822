"""What people read where something goes wrong, as ``python -m tests.tools.messages`` prints it.

Each situation is made in the simulator and its command typed. The words are for a reader; what holds for all
of them is tested: the exit code, the length, plain English, and that nothing but the result is on stdout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.screens import run_on_terminal
from tests.tools.messages import find_banned

ERP = "ERP export using profile FINANCE"
EXPORT = "Export Bibliographic records"
DUMP = "Publishing Platform Job FTP Dump"
SANDBOX = ("--env", "sandbox")
PRODUCTION = ("--env", "production")
_MOST_LINES = 8

Prepare = Callable[[SimulatedAlma, Run], object]


class Situation(NamedTuple):
    """Something that goes wrong.

    Attributes:
        code: how the command ends.
        words: of its command line.
        prepare: makes the situation.
        hint: a part of what is to be typed next, or of the reason.
    """

    code: int
    words: tuple[str, ...]
    hint: str
    prepare: Prepare = lambda _alma, _run: None


def _fault(name: str, on: str = "GET *", times: int | None = None) -> Prepare:
    return lambda alma, _run: alma.faults.add(name, on, times=times)


def _write(name: str, text: str) -> Prepare:
    return lambda _alma, _run: Path(name).write_text(text, "utf-8")


def _configure(text: str, mode: int = 0o600) -> Prepare:
    def write(_alma: SimulatedAlma, _run: Run) -> None:
        path = Path("other.ini")
        path.write_text(text, "utf-8")
        path.chmod(mode)

    return write


def _start(*words: str) -> Prepare:
    return lambda _alma, run: run(*SANDBOX, "run", *words)


def _let_fail(alma: SimulatedAlma, _run: Run) -> None:
    alma.set_ending(ERP, "COMPLETED_FAILED")


def _fail_once(alma: SimulatedAlma, run: Run) -> None:
    _let_fail(alma, run)
    run(*SANDBOX, "run", "--job", ERP, "--run-key", "may", "--wait")


OTHER = ("--ini-file", "other.ini", "--env", "sandbox")
PARAMS = ("--allow-unknown", "--params", "payload.xml")
SITUATIONS = {
    # The command line.
    "a command that does not exist": Situation(2, ("lst",), "list"),
    "a subcommand that does not exist": Situation(2, ("runs", "lst"), "runs list"),
    "no job": Situation(2, (*SANDBOX, "run"), "list"),
    "an option that does not exist": Situation(2, (*SANDBOX, "list", "--nmae", "x"), "--name"),
    "a length of time that is none": Situation(2, (*SANDBOX, "wait", "--id", "1", "--timeout", "soon"), "2h"),
    "a time that is none": Situation(2, (*SANDBOX, "history", "--job", ERP, "--since", "then"), "7d"),
    "a column that does not exist": Situation(2, (*SANDBOX, "list", "-c", "nmae"), "name"),
    "a format that does not exist": Situation(2, (*SANDBOX, "list", "-f", "xml"), "json"),
    "a condition that is none": Situation(2, (*SANDBOX, "wait", "--id", "1", "--fail-if", "many"), "> 0"),
    "a status that does not exist": Situation(
        2, (*SANDBOX, "wait", "--id", "1", "--accept", "COMPLETED_FAIL"), "COMPLETED_FAILED"
    ),
    "two waits in one": Situation(2, (*SANDBOX, "run", "--job", ERP, "--timeout", "2h"), "--wait"),
    "two environments": Situation(2, (*SANDBOX, "list", *PRODUCTION), "--env"),
    "two jobs": Situation(2, (*SANDBOX, "run", "--job", ERP, "--job", EXPORT), "--job"),
    "a parameter without a value": Situation(
        2, (*SANDBOX, "run", "--job", ERP, "--param", "x"), "NAME=VALUE"
    ),
    "an empty run key": Situation(2, (*SANDBOX, "run", "--job", ERP, "--run-key", ""), "empty"),
    # The configuration file.
    "no configuration file": Situation(7, ("--ini-file", "none.ini", *SANDBOX, "list"), "none.ini"),
    "no environment": Situation(2, ("list",), "--env"),
    "an environment that does not exist": Situation(7, ("--env", "sandbx", "list"), "sandbox"),
    "no key": Situation(7, (*OTHER, "list"), "set-key", _configure("[sandbox]\nregion = na\n")),
    "a region that does not exist": Situation(
        7, (*OTHER, "list"), "eu", _configure("[sandbox]\nregion = mars\napi_key = simulator-sandbox-key\n")
    ),
    "a setting that does not exist": Situation(
        7, (*OTHER, "list"), "region", _configure("[sandbox]\nregoin = na\napi_key = simulator-sandbox-key\n")
    ),
    "a file that others can read": Situation(
        7,
        (*OTHER, "list"),
        "chmod 600",
        _configure("[sandbox]\nregion = na\napi_key = simulator-sandbox-key\n", 0o644),
    ),
    "a key of the other environment": Situation(
        7,
        (*SANDBOX, "config", "check"),
        "sandbox",
        lambda alma, _run: Path("../almajob.ini").write_text(
            f"[sandbox]\napi_key = simulator-production-key\nbase_url = {alma.base_url}\n"
        ),
    ),
    # Alma.
    "Alma does not answer": Situation(6, (*SANDBOX, "show", "M44"), "again", _fault("reset-before")),
    "a sign-in page answers": Situation(6, (*SANDBOX, "show", "M44"), "base_url", _fault("html-200")),
    "a redirect answers": Situation(6, (*SANDBOX, "show", "M44"), "redirect", _fault("redirect")),
    "Alma fails": Situation(6, (*SANDBOX, "show", "M44"), "again", _fault("503")),
    "Alma does not know the key": Situation(7, (*SANDBOX, "show", "M44"), "key", _fault("text-key-error")),
    "the day is used up": Situation(10, (*SANDBOX, "show", "M44"), "quota", _fault("daily", times=1)),
    "Alma is asked too often": Situation(4, (*SANDBOX, "show", "M44"), "second", _fault("per-second")),
    "a run that does not exist": Situation(4, (*SANDBOX, "status", "--id", "1"), "1"),
    # Names.
    "a job that does not exist": Situation(5, (*SANDBOX, "run", "--job", "ERP export using profil"), "list"),
    "a set that does not exist": Situation(
        5, (*SANDBOX, "run", "--job", EXPORT, "--allow-unknown", "--set", "Theses"), "Theses without"
    ),
    "a set without members": Situation(
        5, (*SANDBOX, "run", "--job", EXPORT, "--allow-unknown", "--set", "An empty set"), "members"
    ),
    "a set that does not fit": Situation(
        5, (*SANDBOX, "run", "--job", EXPORT, "--allow-unknown", "--set", "Lost items"), "set"
    ),
    "a manual job without its set": Situation(5, (*SANDBOX, "run", "--job", EXPORT), "--set"),
    "parameters for a job that takes none": Situation(
        5, (*SANDBOX, "run", "--job", ERP, "--param", "a=b"), "--allow-unknown"
    ),
    "a payload that is not there": Situation(5, (*SANDBOX, "run", "--params", "none.xml"), "none.xml"),
    "a payload that breaks off": Situation(
        5, (*SANDBOX, "run", "--job", EXPORT, *PARAMS), "line", _write("payload.xml", "<job><parameters>")
    ),
    "a run that was not started here": Situation(5, ("runs", "show", "nope"), "runs list"),
    "nothing was started here": Situation(5, (*SANDBOX, "status", "--id", "@last"), "Process ID"),
    # Starts.
    "no confirmation": Situation(5, (*PRODUCTION, "run", "--job", ERP), "--yes"),
    "the job is running": Situation(
        5, (*SANDBOX, "run", "--job", ERP), "--if-running", _start("--job", ERP, "-q")
    ),
    "a key that was used for another job": Situation(
        5,
        (*SANDBOX, "run", "--job", "M44", "--set", "Theses without a call number", "--run-key", "k"),
        "runs show",
        _start("--job", ERP, "--run-key", "k"),
    ),
    "a lost start": Situation(
        9,
        (*PRODUCTION, "run", "--job", ERP, "--yes"),
        "runs resolve",
        _fault("reset-after", "POST /conf/jobs/*", times=1),
    ),
    # Ends.
    "the job failed": Situation(3, (*SANDBOX, "run", "--job", ERP, "--wait"), "--accept", _let_fail),
    "the job failed before": Situation(
        3, (*SANDBOX, "run", "--job", ERP, "--run-key", "may", "--wait"), "--rerun-failed", _fail_once
    ),
    "a condition is true": Situation(
        3, (*SANDBOX, "run", "--job", ERP, "--wait", "--fail-if", "invoices >= 0"), "invoices"
    ),
    "the job has not ended": Situation(
        8,
        (*SANDBOX, "run", "--job", ERP, "--wait", "--timeout", "5s"),
        "wait",
        lambda alma, _run: alma.set_ending(ERP, seconds=7200),
    ),
    # Results.
    "a file that cannot be written": Situation(2, ("--log-file", "no/such/place", "list"), "Name another"),
}


@pytest.mark.parametrize("title", SITUATIONS)
def test_what_goes_wrong_is_explained(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    """The exit code is right, the message short, plain, and on stderr, and says what to type."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    situation = SITUATIONS[title]
    situation.prepare(simulated, almajob)
    done = almajob(*situation.words)
    print(f"\n{title}\n$ almajob {' '.join(situation.words)}\n{done.err}[exit code {done.code}]")
    assert done.code == situation.code, done.err
    first = next(place for place, line in enumerate(done.err.splitlines()) if line.startswith("almajob"))
    assert len(done.err.splitlines()[first:]) <= _MOST_LINES
    assert situation.hint in done.err
    assert find_banned(done.err) == []
    assert "Traceback" not in done.err


@pytest.mark.parametrize("title", SITUATIONS)
def test_a_message_fits_a_narrow_terminal(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    """No line is wider than 60 columns, and the exit code is the same.

    A word of a command is whole in any case: broken, as a long path may be, it would not be the same.
    """
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    situation = SITUATIONS[title]
    situation.prepare(simulated, almajob)
    seen = run_on_terminal(*situation.words, columns=60)
    assert seen.code == situation.code, seen.err.text
    assert [line for line in seen.list_too_wide() if " " in line.strip().removesuffix(" \\")] == []
