"""The limits that processes keep together: a file, a lock, and what is said where nobody may call."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almajob.alma import call_log
from almajob.alma.rate_limit import limiter
from almajob.alma.rate_limit.call_account import Known
from almajob.alma.rate_limit.daily_quota import Moment
from almajob.alma.rate_limit.limiter import Limiter, Permit
from almajob.alma.rate_limit.rate_state import RateState
from almajob.alma.rate_limit.rates import Rates
from almajob.alma.rate_limit.shared_state import SharedState
from almajob.errors import (
    AlmajobError,
    AlmaRefused,
    BrokenOff,
    CallsUsedUp,
    KeyRefused,
    NotAlma,
    NotSent,
    OwnFault,
    QuotaUsedUp,
    Unreachable,
)
from tests.support.clocks import FastClock
from tests.support.rate_states import make_state

HOST = "alma.example"
NOW = 1_790_000_000.0


@pytest.fixture
def time() -> FastClock:
    return FastClock(start=NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "limits" / "one"


@pytest.fixture
def limits(file: Path, time: FastClock) -> Limiter:
    return _limits(file, time)


def _limits(file: Path | None, time: FastClock, floor: int = 5000) -> Limiter:
    return Limiter(SharedState(file), Rates(floor=floor), lambda: time.clock)


def _own_state(limits: Limiter) -> RateState:
    """Return what this process alone knows."""
    assert isinstance(limits._shared, SharedState)
    return limits._shared._own


def _alma_error(kind: type[Any], code: str = "") -> AlmajobError:
    error: AlmajobError = kind("Alma said no.", code=code, text="", tracking_id="", http_status=429)
    return error


def test_calls_wait_for_their_turn(limits: Limiter, time: FastClock) -> None:
    """Three at once, and then no sooner than an even pace lets them; the pauses are slept, not burnt."""
    for _call in range(3):
        limits.admit(HOST, 1.0)
    assert time.naps == []
    begun = time.slept
    for _call in range(28):
        limits.admit(HOST, 10.0)
    assert time.slept - begun >= 28 / 14 - 1e-6
    assert time.slept - begun < 28 / 14 + 28 / 15
    assert len(time.naps) == 28


def test_what_a_start_needs_need_not_wait(limits: Limiter, time: FastClock) -> None:
    """Its reads neither, while it is prepared."""
    for _call in range(3):
        limits.admit(HOST, 1.0)
    with call_log.of_start("nightly"):
        limits.admit(HOST, 0.0)
    with pytest.raises(NotSent):
        limits.admit(HOST, 0.0)


def test_a_start_need_not_wait(limits: Limiter, time: FastClock) -> None:
    """Where all others have to."""
    for _call in range(3):
        limits.admit(HOST, 1.0)
    limits.admit(HOST, 0.0, is_start=True)
    assert time.naps == []


def test_who_would_wait_too_long_is_told_so(limits: Limiter, time: FastClock) -> None:
    """It is certain that nothing was sent."""
    for _call in range(3):
        limits.admit(HOST, 1.0)
    with pytest.raises(NotSent) as told:
        limits.admit(HOST, 0.01)
    assert "alma.example was not called: other calls used up the rate limit for 0 s." in str(told.value)
    assert "calls_per_second" in told.value.hint
    assert time.naps == []


def test_two_processes_share_one_pace(file: Path, time: FastClock) -> None:
    """What one used, the other has not."""
    one, other = _limits(file, time), _limits(file, time)
    one.admit(HOST, 1.0)
    other.admit(HOST, 1.0)
    one.admit(HOST, 1.0)
    with pytest.raises(NotSent):
        other.admit(HOST, 0.0)


def test_a_longer_text_leaves_nothing_behind(limits: Limiter, file: Path) -> None:
    """What is written covers what was there."""
    limits.report(HOST, BrokenOff("\N{GRINNING FACE}" * 300), None)
    assert limits.read_state()[0].breaker.failed_as == "\N{GRINNING FACE}" * 200
    limits.report(HOST, None, "5")
    assert limits.read_state()[0] == make_state(left=5, left_at=NOW, warned_at=NOW)
    assert file.stat().st_size == 4096


def test_a_process_that_was_stopped_with_the_lock_holds_nobody_up(
    limits: Limiter, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a second the others go on by themselves."""
    limits.admit(HOST, 0.0)
    descriptor = os.open(file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with caplog.at_level(logging.DEBUG, logger="almajob"):
            limits.admit(HOST, 0.0)
        assert "locked by a process that does not go on" in caplog.text
        assert json.loads(file.read_bytes())["free_at"] == pytest.approx(NOW + 1 / 14)
        assert _own_state(limits).bucket.free_at == pytest.approx(NOW + 2 / 14)
    finally:
        os.close(descriptor)


def test_a_lock_that_is_let_go_is_waited_for(limits: Limiter, file: Path) -> None:
    """As it is, a moment later."""
    limits.admit(HOST, 0.0)
    descriptor = os.open(file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    release = threading.Timer(0.1, os.close, (descriptor,))
    release.start()
    limits.admit(HOST, 0.0)
    release.join()
    assert json.loads(file.read_bytes())["free_at"] == pytest.approx(NOW + 2 / 14)


def test_a_permit_reports_once_what_came_of_its_call(limits: Limiter) -> None:
    """At the end of its block; where the day's calls are used up, it knows when the next may be made."""
    with limits.admit(HOST, 0.0) as permit:
        permit.use(0.0)
        permit.note(_alma_error(QuotaUsedUp, "DAILY_THRESHOLD"), "0")
        assert limits.read_state()[0].quota.used_up_at == 0
    assert limits.read_state()[0].quota.used_up_at == NOW
    assert "One call may try again from" in permit.explain(_alma_error(QuotaUsedUp)).hint
    refused = _alma_error(AlmaRefused)
    assert permit.explain(refused) is refused
    limits.report(HOST, None, "9000", 200)
    permit.report()
    assert limits.read_state()[0].quota.left == 9000


def test_a_permit_that_has_expired_is_asked_for_again(
    limits: Limiter, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that was thought about for long takes its turn anew; without a limiter nothing is counted."""
    monkeypatch.setattr(limiter, "_VALID_SECONDS", -1.0)
    limits.admit(HOST, 0.0).use(0.0)
    assert json.loads(file.read_bytes())["free_at"] == pytest.approx(NOW + 2 / 14)
    with Permit() as permit:
        permit.use(0.0)
        permit.note(None)


def test_nobody_calls_after_daily_threshold(limits: Limiter, file: Path, time: FastClock) -> None:
    """Neither this process nor another, until the probe of the hour; exit code 10 says so, with the times."""
    limits.report(HOST, _alma_error(QuotaUsedUp, "DAILY_THRESHOLD"), "0")
    with pytest.raises(CallsUsedUp) as told:
        _limits(file, time).admit(HOST, 60.0)
    assert told.value.exit_code == 10
    assert str(told.value) == (
        "The institution's API calls for today are used up.\n"
        "  Alma said so at 14:13:20 (+0000). It has not been asked again.\n"
        "  One call may try again from 15:13:20 (+0000) on. "
        "Alma should reset the count at 2026-09-22 00:00 (+0000).\n"
        "  almajob quota shows what is known. --ignore-quota lets a person make one call before then."
    )
    time.advance(3600)
    limits.admit(HOST, 0.0)
    with pytest.raises(CallsUsedUp):
        limits.admit(HOST, 0.0)


def test_a_person_asks_once_before(limits: Limiter) -> None:
    """One call, and not a second one."""
    limits.report(HOST, _alma_error(QuotaUsedUp), None)
    limits.ignore_quota_once()
    limits.admit(HOST, 0.0)
    with pytest.raises(CallsUsedUp):
        limits.admit(HOST, 0.0)


def test_what_ignores_the_quota_keeps_to_the_pace(limits: Limiter, time: FastClock) -> None:
    """And is not used up by waiting."""
    limits.report(HOST, _alma_error(QuotaUsedUp), None)
    limits.ignore_quota_once()
    limits.admit(HOST, 0.0)
    limits.ignore_quota_once()
    limits.admit(HOST, 2.0)
    assert len(time.naps) == 1


def test_alma_is_left_alone_while_it_is_down(limits: Limiter, file: Path, time: FastClock) -> None:
    """After ten calls without an answer; what is said has the last reason, and when to try again."""
    for _call in range(10):
        limits.report(HOST, BrokenOff("alma.example did not answer completely."))
    with pytest.raises(NotSent) as told:
        _limits(file, time).admit(HOST, 60.0)
    assert str(told.value) == (
        "alma.example did not answer 10 calls in a row; almajob pauses its calls for 30 s.\n"
        "  The last one: alma.example did not answer completely.\n"
        "  Try again from 14:13:50 (+0000) on."
    )
    time.advance(30)
    limits.admit(HOST, 0.0)


def test_others_wait_for_the_one_who_finds_out(limits: Limiter, file: Path, time: FastClock) -> None:
    """As long as they may; then they are told as before."""
    for _call in range(10):
        limits.report(HOST, BrokenOff("no answer"))
    time.advance(30)
    limits.admit(HOST, 0.0)
    with pytest.raises(NotSent, match="did not answer 10 calls in a row"):
        limits.admit(HOST, 3.0)
    assert 2.0 < sum(time.naps) <= 3.0
    limits.admit(HOST, 60.0)
    assert sum(time.naps) == pytest.approx(30.3, abs=0.7)
    limits.report(HOST, None, "9000", 200)
    limits.admit(HOST, 0.0)


@pytest.mark.parametrize(
    ("error", "status", "counts"),
    [
        (BrokenOff("x"), 0, True),
        (NotSent("x"), 0, True),
        (NotAlma("x"), 502, True),
        (NotAlma("x"), 503, True),
        (NotAlma("x"), 504, True),
        (None, 503, True),
        (NotAlma("x"), 200, False),
        (NotAlma("x"), 500, False),
        (_alma_error(AlmaRefused, "402216"), 400, False),
        (_alma_error(KeyRefused, "UNAUTHORIZED"), 400, False),
        (None, 200, False),
    ],
)
def test_what_counts_as_no_answer(
    limits: Limiter, error: AlmajobError | None, status: int, counts: bool
) -> None:
    """Connections that fail and a gateway that has nothing behind it; all else is an answer."""
    for _call in range(9):
        limits.report(HOST, BrokenOff("before"))
    limits.report(HOST, error, None, status)
    known = limits.read_state()[0]
    assert known.breaker.failures == (10 if counts else 0)
    assert known.breaker.failed_as == (error.message if error and counts else "")


def test_a_fault_of_this_machine_says_nothing_of_alma(limits: Limiter) -> None:
    """Neither that it is down, nor that it is back."""
    for _call in range(9):
        limits.report(HOST, BrokenOff("before"))
    before = limits.read_state()[0]
    for fault in (OwnFault("a wrong proxy setting"), Unreachable("a wrong certificate bundle")):
        limits.report(HOST, fault)
    assert limits.read_state()[0] == before


def test_per_second_threshold_slows_everybody(limits: Limiter, file: Path, time: FastClock) -> None:
    """By 30 per cent, in another process too; any other refusal does not."""
    limits.report(HOST, _alma_error(AlmaRefused, "402216"), "9000")
    assert limits.read_state()[0] == make_state(left=9000, left_at=NOW)
    limits.report(HOST, _alma_error(AlmaRefused, "PER_SECOND_THRESHOLD"), "9000")
    assert _limits(file, time).read_state()[0].bucket.share == 0.7


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("0", 0),
        (" 99 ", 99),
        ("99999999999", 99999999999),
        *((text, None) for text in ("", "-1", "1.5", "many", "²", "٣", "9" * 12, "9" * 5000)),
        (None, None),
    ],
)
def test_the_header_is_read_where_it_is_a_number(
    limits: Limiter, header: str | None, left: int | None
) -> None:
    """Whatever else stands there is not believed."""
    limits.report(HOST, None, header)
    assert limits.read_state()[0].quota.left == left


def test_the_header_of_something_that_is_not_alma_is_not_believed(limits: Limiter) -> None:
    """A proxy's page says nothing of the quota; an error of Alma's does."""
    limits.report(HOST, NotAlma("x"), "3", 200)
    assert limits.read_state()[0].quota.left is None
    limits.report(HOST, _alma_error(KeyRefused), "4", 400)
    assert limits.read_state()[0].quota.left == 4


def test_few_calls_are_warned_of_once_an_hour(
    limits: Limiter, file: Path, time: FastClock, caplog: pytest.LogCaptureFixture
) -> None:
    """By whichever process sees it first."""
    limits.report(HOST, None, "4999")
    _limits(file, time).report(HOST, None, "4998")
    assert [record.getMessage() for record in caplog.records] == [
        "Alma has 4,999 API calls left for today, for all programs of the institution: "
        "almajob slows down what can wait."
    ]
    assert limits.is_low
    time.advance(3600)
    limits.report(HOST, None, "4000")
    assert len(caplog.records) == 2


def test_a_floor_of_nothing_warns_of_nothing(file: Path, time: FastClock) -> None:
    """As the ini may say."""
    limits = _limits(file, time, floor=0)
    limits.report(HOST, None, "0")
    assert not limits.is_low


@pytest.mark.parametrize("written", [OSError(28, "No space left on device"), 17])
def test_a_full_disk_costs_nothing_but_what_is_shared(
    limits: Limiter, file: Path, time: FastClock, monkeypatch: pytest.MonkeyPatch, written: OSError | int
) -> None:
    """This process still keeps the pace, and knows what it was told; when there is room, all do again."""

    def full(*_args: object) -> int:
        if isinstance(written, OSError):
            raise written
        return written

    limits.admit(HOST, 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        for _call in range(2):
            limits.admit(HOST, 0.0)
        with pytest.raises(NotSent):
            limits.admit(HOST, 0.0)
        limits.report(HOST, _alma_error(QuotaUsedUp))
        with pytest.raises(CallsUsedUp):
            limits.admit(HOST, 0.0)
        assert limits.read_state()[0].quota.left == 0
    time.advance(3600)
    limits.admit(HOST, 0.0)
    assert json.loads(file.read_bytes())["left"] == 0


def test_ctrl_c_while_the_lock_is_waited_for(
    limits: Limiter, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays open, and the next one gets it."""
    limits.admit(HOST, 0.0)
    descriptor = os.open(file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    is_open = len(os.listdir("/proc/self/fd"))

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("time.sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            limits.admit(HOST, 0.0)
    assert len(os.listdir("/proc/self/fd")) == is_open
    os.close(descriptor)
    limits.admit(HOST, 0.0)


@pytest.mark.parametrize(("module", "name"), [(fcntl, "flock"), (os, "pread"), (os, "close"), (os, "pwrite")])
def test_no_failure_of_the_file_fails_a_call(
    limits: Limiter, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """A file system without locks, a disk that breaks: this process keeps the limits by itself."""

    def broken(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(module, name, broken)
        for _call in range(3):
            limits.admit(HOST, 0.0)
        limits.report(HOST, None, "8")
        assert _own_state(limits).quota.left == 8


def test_who_has_waited_longer_comes_first(
    limits: Limiter, file: Path, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wakes at the very moment, and the spread shrinks with each second that one has waited."""
    monkeypatch.setattr("random.random", lambda: 0.5)
    other, sleep = _limits(file, time), time.sleep

    def overtaken(seconds: float) -> None:
        sleep(seconds)
        if len(time.naps) == 1:
            other.admit(HOST, 0.0)

    monkeypatch.setattr(time, "sleep", overtaken)
    for _call in range(3):
        limits.admit(HOST, 0.0)
    limits.admit(HOST, 1.0)
    first = 1 / 14 + 0.5 / 15
    assert time.naps == pytest.approx([first, 2 / 14 - first + 0.5 / 15 / (1 + first)], abs=1e-6)


def test_who_may_wait_just_as_long_does(
    limits: Limiter, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the moment; and the time of the machine is what counts, however long it has been running."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    for _call in range(3):
        limits.admit(HOST, 0.0)
    with pytest.raises(NotSent):
        limits.admit(HOST, 1 / 14 - 1e-3)
    limits.admit(HOST, 1 / 14 + 1e-3)
    assert len(time.naps) == 1


class _OtherClock:
    """An account by whose clock all who use it go: an hour ahead of this machine's."""

    def __init__(self) -> None:
        self.known = Known(make_state(), Moment(NOW + 3600, NOW + 3600))

    @contextlib.contextmanager
    def edit(self, _seconds: float) -> Iterator[Known]:
        yield self.known

    def read(self) -> Known:
        return self.known


def test_the_clock_of_an_account_counts_for_all_who_use_it(time: FastClock) -> None:
    """Not that of this machine, which another machine does not have."""
    account = _OtherClock()
    limits = Limiter(account, Rates(), lambda: time.clock)
    with limits.admit(HOST, 1.0) as permit:
        permit.note(None, left="123")
    state, moment = limits.read_state()
    assert moment.now == NOW + 3600
    assert (state.quota.left, state.quota.left_at) == (123, NOW + 3600)
