"""Every fault of the simulator meets every command that calls Alma: exit code, words, time, and the one POST.

The table is the specification: what a script sees where a fault happens once, and where it stays.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from almajob.simulator.faults import NAMES, SHAPES, Fault
from almajob.simulator.world.job_data import SANDBOX
from almajob.simulator.world.world import World
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run

ERP = "ERP export using profile FINANCE"
EXPORT = "Export Bibliographic records"
KEY = "simulator-sandbox-key"

# Exit codes where the fault happens to the first call that it can happen to, and to all of them; "-" is where
# it cannot happen at all. A read is tried four times, a look of wait again and again, a POST never. The last
# column is a run whose reads go well until the POST, and from then on the fault stays; those that take their
# time are left out of it, as all that is lost ends alike. A connection that is reset while it is being made
# may count as none, which is not tried again.
TABLE = """
                   | list  | run   | status | wait  | history | start
refused            | 0,6/6 | 0,6/6 | 0,6/6  | 0/6   | 0,6/6   | -
reset-before       | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | 9
reset-after        | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | 9
accepted-500       | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | 9
accepted-502       | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | 9
accepted-slow      | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | -
accepted-truncated | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | 9
no-link            | -     | 0/0   | -      | -     | -       | 0
relative-link      | -     | 0/0   | -      | -     | -       | 0
foreign-link       | -     | 0/0   | -      | -     | -       | 0
late-start         | -     | 0/0   | 4/4    | 4/4   | -       | 0
listing-lag        | -     | 0/0   | -      | -     | 0/0     | -
pages-shift        | 0/0   | 0/5   | -      | -     | -       | -
set-stays-empty    | -     | -     | -      | -     | -       | -
unknown-status     | -     | 0/0   | 0/0    | 0/3   | 0/0     | 0
per-second         | 0/4   | 0/4   | 0/4    | 0/6   | 0/4     | 4
daily              | 10/10 | 10/10 | 10/10  | 10/10 | 10/10   | 10
503                | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | 9
503-retry-after    | 0/6   | 0/6   | 0/6    | 0/6   | 0/6     | -
html-200           | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | 9
empty              | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | 9
html-401           | 7/7   | 7/7   | 7/7    | 7/7   | 7/7     | 9
text-key-error     | 7/7   | 7/7   | 7/7    | 7/7   | 7/7     | 9
error-object       | -     | 4/4   | 4/4    | 4/4   | 5/5     | -
errors-exist-text  | -     | 4/4   | 4/4    | 4/4   | 5/5     | -
drip               | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | -
huge               | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | 9
gzip-bomb          | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | -
redirect           | 6/6   | 6/6   | 6/6    | 0/6   | 6/6     | 9
clock-off          | 0/0   | 0/0   | 0/0    | 0/0   | 0/0     | 0
"""
# The shape of an error is seen only where there is one. An id that Alma does not know is no job, which is 5.
REFUSED = {
    "run": ("run", "--allow-unknown", "--job", EXPORT, "-f", "json"),
    "status": ("status", "--id", "1"),
    "wait": ("wait", "--id", "1"),
    "history": ("history", "--job", "S1"),
}
# After these nothing was started, says the table of exit codes.
NOTHING_STARTED = {4, 5, 6, 7, 10}
# Seconds: of a call, and of a pause within its answer. Short only where the fault takes its time, since a
# busy machine takes some, too.
PATIENT = (10.0, 5.0)
LIMITS = {"accepted-slow": (2.5, 0.5), "drip": (1.0, 1.0), "503-retry-after": (1.5, 1.5)}


class Case(NamedTuple):
    """One cell of the table.

    Attributes:
        stays: whether the fault happens to every call that it can happen to.
        codes: the exit codes that it may end with.
    """

    fault: str
    command: str
    stays: bool
    codes: frozenset[int]


def _rows() -> Iterator[tuple[str, dict[str, str]]]:
    header, *lines = [re.split(r"\s*\|\s*", line.strip()) for line in TABLE.strip("\n").splitlines()]
    for name, *cells in lines:
        yield name, dict(zip(header[1:], cells, strict=True))


def _cases() -> Iterator[Case]:
    for fault, cells in _rows():
        for command, cell in cells.items():
            if cell == "-":
                continue
            # A start has one form only.
            for stays, codes in zip((True, False), reversed(cell.split("/")), strict=False):
                yield Case(fault, command, stays, frozenset(map(int, codes.split(","))))


CASES = list(_cases())


def _id_of(case: Case) -> str:
    return f"{case.fault}-{case.command}-{'always' if case.stays else 'once'}"


def test_every_fault_has_a_row() -> None:
    """A fault that is added needs a decision for each command."""
    assert [name for name, _cells in _rows()] == list(NAMES)


@pytest.fixture(params=CASES, ids=_id_of)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def command(
    case: Case, simulated: SimulatedAlma, write_ini: Callable[..., Path], ready_ledger: None
) -> tuple[str, ...]:
    """The words of the command, and a world in which the fault can happen to it."""
    total, read = LIMITS.get(case.fault, PATIENT)
    limits = f"deadline = {total}\nread_timeout = {read}\nconnect_timeout = {read}\n"
    write_ini(simulated.ini.replace("base_url", f"{limits}base_url"))
    institution = simulated.institution
    if case.fault == "pages-shift":
        # A second page is read only of more than a hundred jobs.
        institution.worlds[SANDBOX] = World(SANDBOX, simulated.clock, rules=institution.rules, job_count=120)
    if case.fault in SHAPES:
        return REFUSED[case.command]
    if case.command in {"run", "start"}:
        return "run", "--job", ERP, "-f", "json"
    world = institution.sandbox
    job = next(job for job in world.jobs if job.name == ERP)
    run = world.submit(job, ())
    return {
        "list": ("list",),
        "status": ("status", "--id", run.id),
        "wait": ("wait", "--id", run.id, "--outage", "4", "--timeout", "1h"),
        "history": ("history", "--job", job.id),
    }[case.command]


def _strike(case: Case, simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the fault happen, for a start with its POST."""
    faults = simulated.faults
    if case.command != "start":
        faults.add(case.fault, times=None if case.stays else 1)
        return
    take = faults.take

    def take_from_the_post_on(method: str, path: str, *, further_page: bool = False) -> dict[str, Fault]:
        if method == "POST":
            faults.add(case.fault, times=None)
        return take(method, path, further_page=further_page)

    monkeypatch.setattr(faults, "take", take_from_the_post_on)


def test_a_fault_meets_a_command(
    case: Case,
    command: tuple[str, ...],
    simulated: SimulatedAlma,
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code of the table, told in six lines, in time; of a start what is said is true."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    world = simulated.institution.sandbox
    before = {run.id for run in world.runs()}
    _strike(case, simulated, monkeypatch)
    begun = time.monotonic()
    done = almajob("--env", "sandbox", *command)
    took = time.monotonic() - begun
    assert done.code in case.codes, done.err
    _assert_told(done)
    assert took < _calls_that_fail(case) * LIMITS.get(case.fault, PATIENT)[0] + 2
    started = {run.id for run in world.runs()} - before
    assert simulated.log.count("POST *") <= 1
    assert len(started) <= 1
    if case.command in {"run", "start"}:
        _assert_true(done, started)
    else:
        assert simulated.log.count("POST *") == 0


def _calls_that_fail(case: Case) -> int:
    """Return how often the time limit of a call may be reached."""
    if case.command == "start":
        # The POST, and eight looks for what may have come of it.
        return 9
    # A read that fails ends its command; only a wait comes back, here once.
    return 2 if case.command == "wait" and case.stays else 1


def _assert_told(done: Result) -> None:
    """An error has at most six lines, and only a failure has one."""
    lines = done.err.splitlines()
    errors = [place for place, line in enumerate(lines) if line.startswith("almajob: ")]
    assert len(errors) == (0 if done.code == 0 else 1), done.err
    for place in errors:
        assert len(lines[place:]) <= 6, done.err
    assert KEY not in done.out + done.err
    assert "a bug in" not in done.err
    assert "almajob failed on the answer" not in done.err


def _assert_true(done: Result, started: set[str]) -> None:
    """What is said of a start agrees with what Alma has."""
    shown = json.loads(done.out)
    if done.code == 0:
        assert {shown["instance_id"]} == started
    if done.code in NOTHING_STARTED:
        assert (started, shown["state"], shown["retry_safe"]) == (set(), "NOT_STARTED", True)
    if done.code == 9:
        assert shown["retry_safe"] is False
        assert shown["instance_id"] is None
