"""A run is followed to its end, by its status alone, through failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from almajob.alma.models import Code, Instance
from almajob.errors import AlmajobError, StillRunning, Unreachable
from almajob.runs import wait
from almajob.runs.clock import Clock
from almajob.runs.wait import follow, pause, verdict


class HandClock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.time, lambda: self.time, self.sleep)


def _run(status: str, **more: object) -> Instance:
    return Instance("77", status=Code(status), **more)  # type: ignore[arg-type]


def _looks(*answers: Instance | AlmajobError) -> Callable[[float | None], Instance]:
    waiting: Iterator[Instance | AlmajobError] = iter(answers)
    last = answers[-1]

    def look(patience: float | None) -> Instance:
        assert patience is None or patience >= 1
        found = next(waiting, last)
        if isinstance(found, AlmajobError):
            raise found
        return found

    return look


def _follow(hand: HandClock, *answers: Instance | AlmajobError, timeout: float | None = None) -> Instance:
    return follow(_looks(*answers), "77", environment="lab", timeout=timeout, clock=hand.clock())


def test_the_end_is_what_the_status_says() -> None:
    """FINALIZING with an end time is not the end; an abort without one is."""
    hand = HandClock()
    steps = [_run("QUEUED"), _run("RUNNING"), _run("FINALIZING", end_time="x"), _run("SYSTEM_ABORTED")]
    assert _follow(hand, *steps).status.value == "SYSTEM_ABORTED"
    assert len(hand.slept) == 3


def test_every_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line per status, however often it is seen."""
    with caplog.at_level("INFO", "almajob"):
        _follow(HandClock(), *[_run("RUNNING")] * 5, _run(""), _run("COMPLETED_SUCCESS"))
    assert [record.getMessage() for record in caplog.records] == [
        "Run 77: RUNNING",
        "Run 77: no status yet",
        "Run 77: COMPLETED_SUCCESS",
    ]


def test_looks_that_fail_do_not_end_the_wait() -> None:
    """Nine minutes of failures, and then the end is seen."""
    hand = HandClock()
    failures = [Unreachable("No answer.")] * 20
    assert _follow(hand, _run("RUNNING"), *failures, _run("COMPLETED_SUCCESS"))


def test_ten_minutes_of_nothing_but_failures_do() -> None:
    """The message says that the job was started and goes on, and what to type."""
    hand = HandClock()
    with pytest.raises(StillRunning, match="cannot be seen any more") as caught:
        _follow(hand, _run("RUNNING"), Unreachable("No answer."))
    assert 600 <= sum(hand.slept) < 700
    assert "almajob --env lab status --id 77" in str(caught.value)


@pytest.mark.parametrize("timeout", [0.5, 30.0, 3600.0])
def test_a_time_limit_is_kept_to_the_second(timeout: float) -> None:
    """The last pause is shortened, and one more look made at the limit itself."""
    hand = HandClock()
    with pytest.raises(StillRunning, match=f"had not ended after {timeout:g} s"):
        _follow(hand, _run("RUNNING"), timeout=timeout)
    assert sum(hand.slept) == pytest.approx(timeout)


def test_the_pause_grows_with_the_time_gone_by() -> None:
    """A tenth of it, at least a second, at most a minute."""
    assert [pause(elapsed) for elapsed in (0, 5, 20, 300, 86400)] == [1, 1, 2, 30, 60]


@pytest.mark.parametrize(
    ("status", "good"),
    [
        ("COMPLETED_SUCCESS", True),
        ("COMPLETED_NO_BULKS", True),
        ("COMPLETED_WARNING", True),
        ("COMPLETED_FAILED", False),
        ("FAILED", False),
        ("SKIPPED", False),
        ("SYSTEM_ABORTED", False),
        ("USER_ABORTED", False),
        ("MANUAL_HANDLING_REQUIRED", False),
        ("BRAND_NEW", False),
    ],
)
def test_only_a_good_end_is_a_success(status: str, good: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Warnings pass with a message; a word that nobody knows does not pass."""
    found = verdict(_run(status, alerts=(Code("a", "Look at the report."),)), "as the table says")
    assert (found is None) is good
    if found is not None:
        assert found.exit_code == 3
        assert f"{status} (as the table says)" in str(found)
        assert "Look at the report." in str(found)
    assert ("ended with warnings" in caplog.text) is (status == "COMPLETED_WARNING")


def test_the_usual_clock_is_the_machines() -> None:
    """Without one of its own, the wait uses the monotonic clock, which no change of the time touches."""
    import time

    assert Clock().elapsed is time.monotonic
    assert wait.follow(_looks(_run("FAILED")), "77", environment="lab").status.value == "FAILED"
