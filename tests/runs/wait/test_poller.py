"""Runs are followed to their ends on one schedule, by their status alone, through failures."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.errors import AlmaFailed, AlmajobError, AlmaRefused, KeyRefused, QuotaUsedUp, Unreachable
from almajob.runs.wait.poller import LOOKS_PER_SECOND, Poller
from almajob.runs.wait.watched_run import OUTAGE, Over, WaitOptions, WatchedRun
from almajob.system.clock import Clock
from tests.benchmarks.polling import cost
from tests.support.clocks import FastClock

Answer = Instance | Exception


def _seen(status: str, **more: Any) -> Instance:
    return Instance("77", status=Code(status), **more)


def _refused(
    code: str, kind: type[AlmaRefused | KeyRefused | QuotaUsedUp | AlmaFailed] = AlmaRefused
) -> AlmajobError:
    return kind("Alma said no.", code=code, text="", tracking_id="", http_status=400)


ENDED = datetime(2026, 11, 22, tzinfo=UTC)
NO_ANSWER = Unreachable("No answer.")
HIDDEN = _refused("402218")


class Script:
    """An Alma that answers looks at a run one after the other; the last answer stays.

    Args:
        time: is asked when each look comes.
        answers: a failure is raised, a run is shown as old as the clock says.
    """

    def __init__(self, time: FastClock, *answers: Answer) -> None:
        self.time = time
        self.begun = time.elapsed()
        self.answers: Iterator[Answer] = iter(answers)
        self.last = answers[-1]
        self.looks: list[float] = []

    def __call__(self, run: WatchedRun, patience: float) -> tuple[Instance, float | None]:
        assert patience >= 1
        self.looks.append(self.time.elapsed() - self.begun)
        found = next(self.answers, self.last)
        if isinstance(found, Exception):
            raise found
        return found, self.time.elapsed() - self.begun


def _follow(
    time: FastClock, *answers: Answer, run: WatchedRun | None = None, options: WaitOptions | None = None
) -> tuple[WatchedRun, Script]:
    script = Script(time, *answers)
    run = run or WatchedRun("77")
    Poller([run], script, options or WaitOptions(), time.clock, chance=lambda: 0.5).follow()
    return run, script


@pytest.fixture
def time() -> FastClock:
    return FastClock(start=1000.0)


def test_the_end_is_what_the_status_says(time: FastClock) -> None:
    """FINALIZING with an end time is not the end; an abort without one is."""
    steps = [_seen("QUEUED"), _seen("RUNNING"), _seen("FINALIZING", end_time=ENDED), _seen("SYSTEM_ABORTED")]
    run, script = _follow(time, *steps)
    assert (run.over, run.instance) == (Over.ENDED, steps[-1])
    assert script.looks == [0, 2, 5, 9.5]


def test_an_unknown_status_goes_on_until_there_is_an_end_time(time: FastClock) -> None:
    """And is shown."""
    run, script = _follow(time, *[_seen("BRAND_NEW")] * 4, _seen("BRAND_NEW", end_time=ENDED))
    assert run.over is Over.ENDED
    assert len(script.looks) == 5


@pytest.mark.parametrize("told", [-1e9, None, 0.0])
def test_a_clock_of_almas_that_is_wrong_costs_no_calls(time: FastClock, told: float | None) -> None:
    """The run is at least as old as the wait."""
    looks = 0

    def look(_run: WatchedRun, _patience: float) -> tuple[Instance, float | None]:
        nonlocal looks
        looks += 1
        return _seen("FAILED" if time.elapsed() > 87_400 else "RUNNING"), told

    Poller([WatchedRun("77")], look, WaitOptions(), time.clock).follow()
    assert looks < 340


@pytest.mark.parametrize(
    "odd", [_seen("", end_time=ENDED), _seen("NEW", end_time="false"), _seen("finalizing")]
)
def test_an_odd_answer_is_no_end(time: FastClock, odd: Instance) -> None:
    """No status at all, an end time that is none, small letters."""
    run, script = _follow(time, odd, _seen("COMPLETED_SUCCESS"))
    assert (run.over, len(script.looks)) == (Over.ENDED, 2)


def test_every_change_is_told_once(time: FastClock, caplog: pytest.LogCaptureFixture) -> None:
    """One line per status, however often it is seen; one for a series of failures, one for their end."""
    with caplog.at_level("INFO", "almajob"):
        _follow(time, *[_seen("RUNNING")] * 3, *[NO_ANSWER] * 4, _seen("RUNNING"), _seen(""), _seen("FAILED"))
    assert [record.getMessage() for record in caplog.records] == [
        "Run 77: RUNNING",
        "Run 77 cannot be seen at the moment: No answer.",
        "Run 77: RUNNING; it can be seen again",
        "Run 77 cannot be seen at the moment: Alma shows it without a status.",
        "Run 77: FAILED",
    ]


def test_how_a_run_stands_is_told_where_it_was_seen_before(
    time: FastClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And the first look waits."""
    run = WatchedRun("77", instance=_seen("QUEUED"))
    with caplog.at_level("INFO", "almajob"):
        _, script = _follow(time, _seen("COMPLETED_SUCCESS"), run=run)
    assert caplog.messages == ["Run 77: QUEUED", "Run 77: COMPLETED_SUCCESS"]
    assert script.looks == [2]


def test_a_run_that_has_ended_before_is_not_looked_at(time: FastClock) -> None:
    """As one that was adopted under its run key."""
    run, script = _follow(time, NO_ANSWER, run=WatchedRun("77", instance=_seen("FAILED")))
    assert (run.over, script.looks) == (Over.ENDED, [])


@pytest.mark.parametrize(
    "failure",
    [
        NO_ANSWER,
        _refused("GENERAL_ERROR", AlmaFailed),
        _refused("PER_SECOND_THRESHOLD"),
        _refused("402219"),
        _refused(""),
        ValueError("a bug of ours"),
    ],
)
def test_looks_that_fail_do_not_end_the_wait(time: FastClock, failure: Exception) -> None:
    """Not the first look, and not for an hour."""
    run, script = _follow(time, *[failure] * 14, _seen("COMPLETED_SUCCESS"))
    assert run.over is Over.ENDED
    assert 2300 < script.looks[-1] < OUTAGE
    assert script.looks[:4] == [0, 5, 15, 35]


@pytest.mark.parametrize("failure", [HIDDEN, _refused("UNAUTHORIZED", KeyRefused), _refused("", QuotaUsedUp)])
def test_what_was_seen_once_is_not_given_up_at_once(time: FastClock, failure: Exception) -> None:
    """A key that is exchanged, a list that lags, a used-up quota: all may pass."""
    run, _ = _follow(time, _seen("RUNNING"), *[failure] * 10, _seen("COMPLETED_SUCCESS"))
    assert run.over is Over.ENDED


def test_an_hour_of_nothing_but_failures_ends_it(time: FastClock) -> None:
    """From the last time that it was seen."""
    run, script = _follow(time, _seen("RUNNING"), *[NO_ANSWER] * 13, _seen("RUNNING"), NO_ANSWER)
    assert run.over is Over.OUTAGE
    seen_last = script.looks[14]
    assert OUTAGE <= script.looks[-1] - seen_last < OUTAGE + 700
    assert not run.has_ended


def test_one_failed_look_is_no_outage(time: FastClock) -> None:
    """However long the pause before it was: an outage is counted from its first failure."""
    answers: list[Answer] = [_seen("RUNNING"), NO_ANSWER, _seen("FAILED")]
    run, _ = _follow(time, *answers, options=WaitOptions(interval=7200, outage=60))
    assert run.over is Over.ENDED


def test_answers_that_say_nothing_are_an_outage_too(time: FastClock) -> None:
    """A wait for them would never end."""
    run, _ = _follow(time, _seen(""))
    assert run.over is Over.OUTAGE


def test_the_options_of_a_wait_can_be_typed() -> None:
    """Without exponents."""
    options = WaitOptions(interval=15 * 86400.0, outage=14.5)
    assert options.words() == "--interval 1296000s --outage 14.5s"


def test_how_long_failures_are_survived_can_be_said(time: FastClock) -> None:
    """Shorter, too."""
    run, script = _follow(time, NO_ANSWER, options=WaitOptions(outage=60))
    assert run.over is Over.OUTAGE
    assert 60 <= script.looks[-1] < 120


@pytest.mark.parametrize("failure", [HIDDEN, _refused("UNAUTHORIZED", KeyRefused), _refused("", QuotaUsedUp)])
def test_a_run_that_was_never_seen_is_given_up_at_once(time: FastClock, failure: AlmajobError) -> None:
    """A slip in its id, or the wrong key."""
    run, script = _follow(time, failure)
    assert (run.over, run.error, script.looks) == (Over.REFUSED, failure, [0])


def test_a_run_that_was_started_here_is_there(time: FastClock) -> None:
    """Whatever Alma says."""
    run, _ = _follow(time, *[HIDDEN] * 5, _seen("FAILED"), run=WatchedRun("77", is_ours=True))
    assert run.over is Over.ENDED


def test_a_run_may_be_hidden_in_its_first_minute(time: FastClock) -> None:
    """And no longer, where the ledger knows of its start and nobody has seen it."""
    run, script = _follow(time, HIDDEN, HIDDEN, _seen("FAILED"), run=WatchedRun("77", started=30.0))
    assert (run.over, script.looks) == (Over.ENDED, [0, 5, 15])
    run, script = _follow(time, HIDDEN, run=WatchedRun("77", started=30.0))
    assert (run.over, script.looks) == (Over.REFUSED, [0, 5, 15, 35])


@pytest.mark.parametrize("timeout", [0.5, 30.0, 3600.0])
@pytest.mark.parametrize("answer", [_seen("RUNNING"), NO_ANSWER])
def test_a_time_limit_is_kept_to_the_second(time: FastClock, timeout: float, answer: Answer) -> None:
    """The last pause is shortened, and one more look made at the limit itself."""
    run, script = _follow(time, answer, options=WaitOptions(timeout=timeout, outage=1e9))
    assert run.over is Over.OUT_OF_TIME
    assert script.looks[-1] == pytest.approx(timeout)


def test_the_interval_can_be_said(time: FastClock) -> None:
    """Then it does not grow; failures still back off."""
    answers: list[Answer] = [*[_seen("RUNNING")] * 3, NO_ANSWER, _seen("RUNNING"), _seen("FAILED")]
    _, script = _follow(time, *answers, options=WaitOptions(interval=60))
    assert script.looks == [0, 60, 120, 180, 185, 245]


def test_one_look_that_hangs_does_not_keep_the_others_waiting() -> None:
    """The real clock, real threads: three runs end while a fourth gets no answer."""
    hangs = threading.Event()
    ended: list[str] = []

    def look(run: WatchedRun, patience: float) -> tuple[Instance, float | None]:
        if run.instance_id == "1":
            assert hangs.wait(20)
        ended.append(run.instance_id)
        if len(ended) == 3:
            hangs.set()
        return Instance(run.instance_id, status=Code("FAILED")), None

    runs = [WatchedRun(str(number)) for number in range(1, 5)]
    Poller(runs, look, clock=Clock()).follow()
    assert sorted(ended[:3]) == ["2", "3", "4"]
    assert all(run.over is Over.ENDED for run in runs)


class Crowd:
    """Many runs that last a while each; counts the looks of each second."""

    def __init__(self, time: FastClock, lengths: Sequence[float]) -> None:
        self.time = time
        self.lengths = dict(enumerate(lengths))
        self.begun = time.elapsed()
        self.moments: list[float] = []
        self.lock = threading.Lock()

    def __call__(self, run: WatchedRun, patience: float) -> tuple[Instance, float | None]:
        with self.lock:
            age = self.time.elapsed() - self.begun
            self.moments.append(age)
        status = "COMPLETED_SUCCESS" if age >= self.lengths[int(run.instance_id)] else "RUNNING"
        return Instance(run.instance_id, status=Code(status)), age

    def busiest_second(self) -> int:
        window: collections.deque[float] = collections.deque()
        most = 0
        for moment in sorted(self.moments):
            window.append(moment)
            while moment - window[0] >= 1:
                window.popleft()
            most = max(most, len(window))
        return most


def test_three_hundred_runs_share_one_rate(time: FastClock) -> None:
    """Never more looks within a second than the limit; all ends are seen."""
    crowd = Crowd(time, [number * 7.0 for number in range(300)])
    runs = [WatchedRun(str(number)) for number in range(300)]
    Poller(runs, crowd, WaitOptions(), time.clock).follow()
    assert all(run.over is Over.ENDED for run in runs)
    assert 1 < crowd.busiest_second() <= LOOKS_PER_SECOND


def test_a_time_limit_holds_for_a_crowd_too(time: FastClock) -> None:
    """What cannot be looked at any more within some seconds is given up as it was seen last."""
    crowd = Crowd(time, [1e9] * 300)
    runs = [WatchedRun(str(number)) for number in range(300)]
    Poller(runs, crowd, WaitOptions(timeout=120), time.clock).follow()
    assert all(run.over is Over.OUT_OF_TIME for run in runs)
    assert max(crowd.moments) < 120 + 6
    assert time.elapsed() - crowd.begun < 120 + 6


@pytest.mark.parametrize(("length", "calls"), [(1800.0, 52), (28_800.0, 145), (86_400.0, 340)])
def test_an_end_is_noticed_soon_and_at_few_calls(length: float, calls: int) -> None:
    """On average after 6 % of the length and 3 seconds, and never more than 300 seconds late."""
    found = cost(length, trials=20)
    assert found.calls <= calls
    assert found.mean_delay <= 0.06 * length + 3
    assert found.longest_delay <= 300


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_thousands_of_looks_leave_nothing_behind(time: FastClock) -> None:
    """Neither threads nor open files."""
    files, threads = _open_files(), set(threading.enumerate())
    _, script = _follow(time, *[_seen("RUNNING")] * 2000, _seen("FAILED"), options=WaitOptions(interval=1))
    assert len(script.looks) == 2001
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
    assert set(threading.enumerate()) <= threads
    assert _open_files() <= files


def test_the_display_is_asked_to_draw_while_nothing_happens(time: FastClock) -> None:
    """At its own pace."""
    drawn: list[float] = []

    class Clockwork:
        tick = 1.0

        def show_change(self, run: WatchedRun, text: str) -> None:
            pass

        def draw(self, runs: Sequence[WatchedRun], now: float) -> None:
            drawn.append(now - 1000.0)

    run = WatchedRun("77")
    script = Script(time, _seen("RUNNING"), _seen("FAILED"))
    Poller([run], script, WaitOptions(interval=10), time.clock, Clockwork()).follow()
    assert {float(second) for second in range(11)} <= set(drawn)


class _Told:
    """Messages of a listener that a test lets come and go."""

    def __init__(self, time: FastClock, *, comes: float = float("inf"), ends: float = float("inf")) -> None:
        self.time = time
        self.begun = time.elapsed()
        self.comes = comes
        self.ends = ends
        self.is_stuck = False

    @property
    def is_relied_on(self) -> bool:
        return self.time.elapsed() - self.begun < self.ends

    def find_end(self, _instance_id: str) -> Instance | None:
        came = self.time.elapsed() - self.begun >= self.comes
        return _seen("COMPLETED_SUCCESS") if came and not self.is_stuck else None

    def is_overdue(self, _instance_id: str) -> bool:
        return self.is_stuck and self.time.elapsed() - self.begun >= self.comes


def _follow_told(time: FastClock, told: _Told, *answers: Answer, run: WatchedRun | None = None) -> Script:
    script = Script(time, *answers)
    messages: Any = told
    run = run or WatchedRun("77", is_ours=True, started=0.0)
    Poller([run], script, WaitOptions(), time.clock, chance=lambda: 0.5, messages=messages).follow()
    assert run.over is Over.ENDED
    return script


def test_a_message_ends_a_wait_without_a_look(time: FastClock) -> None:
    """Within half a second, of a run that was started now; until then there is a look every five minutes."""
    assert _follow_told(time, _Told(time, comes=200.0), _seen("RUNNING")).looks == []
    assert 1200 <= time.elapsed() <= 1201
    assert _follow_told(time, _Told(time, comes=1000.0), _seen("RUNNING")).looks == [300, 600, 900]


def test_a_run_that_others_started_is_looked_at_once_at_first(time: FastClock) -> None:
    """It may have ended before the listener began."""
    script = _follow_told(time, _Told(time, comes=200.0), _seen("RUNNING"), run=WatchedRun("77"))
    assert script.looks == [0]
    assert _follow_told(time, _Told(time), _seen("FAILED"), run=WatchedRun("77")).looks == [0]


def test_where_the_listener_ends_a_wait_polls_as_without_one(time: FastClock) -> None:
    """From within five seconds on."""
    script = _follow_told(time, _Told(time, ends=100.0), *[_seen("RUNNING")] * 2, _seen("FAILED"))
    assert script.looks[0] <= 107
    assert len(script.looks) == 3
    assert script.looks[-1] < 200


def test_a_message_that_the_listener_cannot_decide_is_looked_at_once(time: FastClock) -> None:
    """As when its calls fail; and then every five minutes."""
    told = _Told(time, comes=50.0)
    told.is_stuck = True
    script = _follow_told(time, told, *[_seen("RUNNING")] * 2, _seen("FAILED"))
    assert script.looks == [50, 350, 650]
