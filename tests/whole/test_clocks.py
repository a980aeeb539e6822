"""Clocks that are wrong or jump, and nights in which they are set: nothing is started twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from almajob.runs.run_key import make_period_key
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from almajob.text import time_format
from almajob.text.time_parsing import parse_moment
from tests.conftest import Run
from tests.support.clocks import FAKETIME, fake_time

ERP = "ERP export using profile FINANCE"
ENV = ("--env", "sandbox")
HOUR = 3600.0

# A line of JSON for each command line: its exit code, stdout and stderr.
# Python's own sleep is clock_nanosleep to a time by the monotonic clock, which faketime fails with EINVAL.
_COMMANDS = """
import contextlib, io, json, select, sys, time
time.sleep = lambda seconds: select.select([], [], [], max(seconds, 0)) and None
from almajob.cli.app import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["--env", "sandbox", *words])
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@pytest.fixture
def institution(write_ini: Callable[..., Path]) -> Iterator[Institution]:
    """A simulator with the right time."""
    with Simulator(Institution(Clock())) as simulator:
        write_ini(SimulatedAlma(simulator).ini)
        yield simulator.institution


def _at(fake: str, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run command lines in a process whose clock is wrong."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, json.dumps(commands)],
        env={**os.environ, **fake_time(fake)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    found = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(found) == len(commands)
    assert not any("Traceback" in err or "bug" in err for _code, _out, err in found), found
    return found


@pytest.mark.skipif(FAKETIME is None, reason="Debian's faketime is not installed")
@pytest.mark.parametrize(
    ("fake", "is_warned", "is_fresh_here"),
    [
        ("-3601", True, True),
        ("-60", False, True),
        ("+1d", True, False),
        ("@1970-01-01 00:00:05", True, False),
        ("@2038-01-19 03:14:06", True, False),
        ("@2106-02-07 06:28:14", True, False),
    ],
)
def test_a_wrong_clock_changes_nothing_but_what_it_says(
    institution: Institution, almajob: Run, fake: str, is_warned: bool, is_fresh_here: bool
) -> None:
    """An hour back, a day ahead, 1970, both sides of 2038 and 2106: each command works, and a start is one.

    What such a process kept in the cache is used by it, and by others only if it is not from the future.
    """
    once = ("run", "--job", ERP, "--run-key", "tonight", "-f", "json")
    found = _at(
        fake,
        ("list", "--refresh"),
        ("list", "-f", "json"),
        once,
        once,
        ("status", "--id", "@last", "-f", "json"),
        ("history", "--job", ERP, "-f", "json"),
        ("runs", "list", "-f", "json"),
        ("cache", "show"),
    )
    assert [code for code, _out, _err in found] == [0] * len(found)
    assert institution.log.count("GET /conf/jobs") == 1
    assert institution.log.count("POST /conf/jobs/*") == 1
    assert ("This machine's clock is " in found[2][2]) is is_warned
    first, again, (seen,) = (json.loads(found[number][1]) for number in (2, 3, 4))
    assert first["instance_id"] == again["instance_id"] == seen["instance_id"]
    assert [each["instance_id"] for each in json.loads(found[5][1])] == [first["instance_id"]]
    # With the right time again: one start, the last one, and found by its key.
    assert almajob(*ENV, "list").code == 0
    assert institution.log.count("GET /conf/jobs") == (1 if is_fresh_here else 2)
    assert json.loads(almajob(*ENV, *once).out)["instance_id"] == first["instance_id"]
    assert almajob(*ENV, "status", "--id", "@last", "-f", "json").row["instance_id"]
    assert institution.log.count("POST /conf/jobs/*") == 1


@pytest.fixture
def jumping(simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clock jumps by these seconds, one after the other, each time that almajob waits."""
    jumps: list[float] = []
    off = 0.0
    right = clocks.system()

    def sleep(seconds: float) -> None:
        nonlocal off
        right.sleep(seconds)
        if jumps:
            off += jumps.pop(0)

    moved = clocks.Clock(lambda: right.now() + off, right.elapsed, sleep, right.since_boot)
    monkeypatch.setattr("almajob.system.clock.SYSTEM", moved)
    return jumps


@pytest.mark.parametrize("jump", [-HOUR, HOUR, 86400.0, -30 * 86400.0])
def test_a_clock_that_jumps_does_not_change_a_wait(
    simulated: SimulatedAlma, almajob: Run, jumping: list[float], jump: float
) -> None:
    """A look a minute, the same end, time limits by the time that went by; and one POST."""
    simulated.set_ending(ERP, seconds=1800)
    jumping[:] = [0.0, 0.0, jump]
    command = (*ENV, "run", "--job", ERP, "--wait", "--interval", "60", "--timeout", "1h", "-f", "json")
    done = almajob(*command)
    assert (done.code, done.row["status"]) == (0, "COMPLETED_SUCCESS")
    # It lasts half an hour.
    assert 20 <= simulated.log.count("GET /conf/jobs/*/instances/*") <= 32
    assert simulated.log.count("POST /conf/jobs/*") == 1
    simulated.clock.advance(HOUR)
    assert jumping == []
    simulated.set_ending(ERP, seconds=7200)
    jumping[:] = [jump]
    before = simulated.clock()
    assert almajob(*ENV, "run", "--job", ERP, "--wait", "--timeout", "10m").code == 8
    assert 600 <= simulated.clock() - before < 700


def test_what_was_started_last_is_so_after_the_clock_was_put_right(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start of tomorrow, made while the clock was a day ahead, is not the last one for a day."""
    right = clocks.system()
    monkeypatch.setattr("almajob.system.clock.SYSTEM", right._replace(now=lambda: right.now() + 86400))
    assert almajob(*ENV, "run", "--job", ERP, "--run-key", "ahead").code == 0
    simulated.clock.advance(HOUR)
    monkeypatch.setattr("almajob.system.clock.SYSTEM", right)
    started = json.loads(almajob(*ENV, "run", "--job", ERP, "--run-key", "right", "-f", "json").out)
    seen = almajob(*ENV, "status", "--id", "@last", "-f", "json").row
    assert seen["instance_id"] == started["instance_id"]
    assert simulated.log.count("POST /conf/jobs/*") == 2


@contextmanager
def _in(zone: str) -> Iterator[None]:
    """Put this process into another time zone for a block."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
NIGHTS = [
    # Where, the night, how long its day is, the first and the last offset.
    (BERLIN, date(2026, 3, 29), 23.0, "+01:00", "+02:00"),
    (BERLIN, date(2026, 10, 25), 25.0, "+02:00", "+01:00"),
    (NEW_YORK, date(2026, 3, 8), 23.0, "-05:00", "-04:00"),
    (NEW_YORK, date(2026, 11, 1), 25.0, "-04:00", "-05:00"),
    # Half an hour.
    (LORD_HOWE, date(2026, 10, 4), 23.5, "+10:30", "+11:00"),
    (LORD_HOWE, date(2026, 4, 5), 24.5, "+11:00", "+10:30"),
]


@pytest.mark.parametrize(("zone", "day", "hours", "first", "last"), NIGHTS)
def test_a_night_in_which_clocks_are_set(zone: str, day: date, hours: float, first: str, last: str) -> None:
    """Its day has as many hours as it has: for --since, for --once-per, and in what tables show."""
    with _in(zone):
        now = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
        begins, ends = (parse_moment(f"{day}", now, ends_day=ends_day) for ends_day in (False, True))
        assert (ends - begins).total_seconds() == hours * HOUR
        minutes = [time_format.to_local(begins.timestamp() + 60 * step) for step in range(int(hours * 60))]
        assert {each.date() for each in minutes} == {day}
        assert time_format.to_local(begins.timestamp() - 60).date() == day - timedelta(days=1)
        days = {make_period_key("day", "e", "M1", "p", each) for each in minutes}
        assert len(days) == 1
        keys = [make_period_key("hour", "e", "M1", "p", each) for each in minutes]
        # An hour that comes twice is two; none is longer than sixty minutes, or has a gap.
        assert len(set(keys)) == -(-hours // 1)
        assert max(map(keys.count, keys)) == 60
        assert sum(one != other for one, other in pairwise(keys)) == len(set(keys)) - 1
        shown = [time_format.format_time(each, now=each.timestamp()) for each in minutes]
        assert shown[0] == f"{day} 00:00:00{first} (just now)"
        assert shown[-1] == f"{day} 23:59:00{last} (just now)"
        assert len(set(shown)) == len(shown)


@pytest.mark.parametrize(
    ("night", "runs"),
    [(NIGHTS[0], 5), (NIGHTS[3], 5), (NIGHTS[4], 6), (NIGHTS[5], 6)],
)
def test_the_starts_of_such_a_night(
    write_ini: Callable[..., Path],
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    night: tuple[str, date, float, str, str],
    runs: int,
) -> None:
    """A cron line of every half hour, --once-per hour and day: a run each, all in that day's history."""
    zone, day, _hours, *offsets = night
    once, history = (*ENV, "run", "--job", ERP, "--once-per"), (*ENV, "history", "--job", ERP, "--since")
    with _in(zone):
        clock = Clock(speed=0, start=parse_moment(f"{day}", 0.0).timestamp())
        monkeypatch.setattr("almajob.system.clock.SYSTEM", clocks.Clock(clock, clock, clock.advance, clock))
        with Simulator(Institution(clock)) as simulator:
            alma = SimulatedAlma(simulator)
            alma.set_ending(ERP, seconds=60)
            write_ini(alma.ini)
            keys = set()
            for _half_hour in range(10):
                done = almajob(*once, "hour", "-f", "json")
                keys.add(json.loads(done.out)["run_key"])
                alma.clock.advance(120)
                assert (done.code, almajob(*once, "day").code) == (0, 0)
                alma.clock.advance(1680)
            assert len(keys) == runs
            assert alma.log.count("POST /conf/jobs/*") == runs + 1
            told = almajob(*history, f"{day}")
            listed = json.loads(almajob(*history, f"{day}", "-f", "json").out)
            later = json.loads(almajob(*history, f"{day + timedelta(days=1)}", "-f", "json").out)
    assert len({each["instance_id"] for each in listed}) == runs + 1
    assert later == []
    assert all(offset in told.out for offset in offsets)
