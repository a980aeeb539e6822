"""The decisions behind the limits: who may call when, and what is learnt from an answer."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.rate_limit import rate_state
from almajob.alma.rate_limit.circuit_breaker import Down
from almajob.alma.rate_limit.daily_quota import Moment, UsedUp
from almajob.alma.rate_limit.rate_state import Go, RateState
from almajob.alma.rate_limit.rates import Rates, standard_rates
from almajob.alma.rate_limit.token_bucket import Wait
from tests.support.rate_states import FIELDS, change, make_state

PACE = Rates()
BOOTED, NOW = 5000.0, 1_790_000_000.0
HOST = "alma.example"
AT = Moment(BOOTED, NOW)
INTERVAL = 1 / 14


def _at(seconds: float) -> Moment:
    return Moment(BOOTED + seconds, NOW + seconds)


def slow_down(state: RateState, moment: Moment) -> RateState:
    return state._replace(bucket=state.bucket.slow_down(moment.booted))


def use_up(state: RateState, moment: Moment) -> RateState:
    return state._replace(quota=state.quota.use_up(moment))


def warn(state: RateState, moment: Moment) -> tuple[RateState, bool]:
    quota, is_due = state.quota.warn(PACE, moment.now)
    return state._replace(quota=quota), is_due


def _ask(known: RateState, seconds: float = 0.0, **kwargs: Any) -> tuple[RateState, Any]:
    return known.ask(PACE, _at(seconds), HOST, **kwargs)


def _times(count: int, *, known: RateState | None = None, rates: Rates = PACE) -> list[float]:
    """Return when so many calls are made by somebody who always waits as long as he is told."""
    known = known or make_state()
    made: list[float] = []
    seconds = 0.0
    while len(made) < count:
        known, verdict = known.ask(rates, _at(seconds), HOST)
        if isinstance(verdict, Go):
            made.append(seconds)
        else:
            assert isinstance(verdict, Wait)
            assert verdict.seconds > 0
            seconds += verdict.seconds + 1e-9
    return made


def test_the_standard_pace_is_less_than_alma_once_documented() -> None:
    """Calls a second and calls at once are less than its 25, and than its 10 for all programs in a sandbox.

    5,000 calls a day are kept for what matters.
    """
    assert PACE == standard_rates("production") == (15.0, 5, 5000)
    assert standard_rates("sandbox") == (6.0, 3, 5000)


def test_a_sandbox_is_called_less_than_ten_times_in_any_second() -> None:
    """By all who call at once, starts among them, after a pause, too."""
    known, rates = make_state(), standard_rates("sandbox")
    made: list[float] = []
    for tick in range(400):
        # A hundred seconds of nothing in the middle.
        seconds = tick / 100 + (100 if tick >= 200 else 0)
        for is_start in (True, False) * 5:
            known, verdict = known.ask(rates, _at(seconds), HOST, is_start=is_start)
            if isinstance(verdict, Go):
                made.append(seconds)
    worst = max(sum(1 for later in made if begin <= later < begin + 1) for begin in made)
    assert 6 <= worst < 10


def test_the_first_calls_go_at_once_and_the_others_evenly() -> None:
    """Three of the five at once are for anything; then one each fourteenth of a second."""
    made = _times(6)
    assert made[:3] == [0.0, 0.0, 0.0]
    assert made[3] == pytest.approx(INTERVAL)
    assert [made[4] - made[3], made[5] - made[4]] == pytest.approx([INTERVAL, INTERVAL])


def test_starts_have_room_where_all_else_has_none() -> None:
    """Two of the burst are theirs alone: others wait at the very moment."""
    known = make_state()
    for _call in range(3):
        known, verdict = _ask(known)
        assert verdict == Go()
    known, verdict = _ask(known)
    assert isinstance(verdict, Wait)
    for _call in range(2):
        known, verdict = _ask(known, is_start=True)
        assert verdict == Go()
    assert isinstance(_ask(known, is_start=True)[1], Wait)


def test_a_burst_of_one_is_no_burst() -> None:
    """Each call waits for the one before, and none waits for ever."""
    assert _times(3, rates=Rates(rate=2.0, burst=1)) == pytest.approx([0.0, 15 / 14 / 2, 15 / 14])
    assert _times(2, rates=Rates(rate=2.0, burst=2)) == pytest.approx([0.0, 15 / 14 / 2])


def test_after_a_pause_there_is_a_burst_again_and_no_more() -> None:
    """What was not used is not saved up."""
    known = make_state()
    for seconds in (0.0, 0.0, 0.0, 100.0, 100.0, 100.0):
        known, verdict = _ask(known, seconds)
        assert verdict == Go()
    assert isinstance(_ask(known, 100.0)[1], Wait)


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), min_size=1, max_size=120),
    st.floats(0.5, 100),
    st.integers(1, 30),
)
def test_no_second_has_more_calls_than_rate_and_burst(
    asked: list[tuple[float, bool]], rate: float, burst: int
) -> None:
    """Whoever asks, whenever: in no window of a second, open at one end, are more calls than promised."""
    known, seconds = make_state(), 0.0
    window: deque[float] = deque()
    for pause, is_start in asked:
        seconds += pause
        known, verdict = known.ask(Rates(rate, burst), _at(seconds), HOST, is_start=is_start)
        if isinstance(verdict, Go):
            window.append(seconds)
            while window[0] <= seconds - 1:
                window.popleft()
            assert len(window) <= rate + burst


def test_a_threshold_slows_all_calls_for_a_minute() -> None:
    """To 70 per cent; once for calls that were told together; again for a later one; down to a tenth."""
    known = slow_down(make_state(), AT)
    assert (known.bucket.share, known.bucket.slowed_until) == (0.7, BOOTED + 60)
    assert slow_down(known, _at(0.5)) == known
    assert known.get_rate(PACE, BOOTED + 59.9) == pytest.approx(10.5)
    assert known.get_rate(PACE, BOOTED + 60) == 15.0
    twice = slow_down(known, _at(1.0))
    assert twice.bucket.share == pytest.approx(0.49)
    assert twice.bucket.slowed_until == BOOTED + 61
    for second in range(2, 20):
        twice = slow_down(twice, _at(second))
    assert twice.bucket.share == 0.1
    assert slow_down(known, _at(60.0)).bucket.share == 0.7


def test_slowed_calls_keep_the_pace() -> None:
    """The pauses are longer by as much."""
    made = _times(5, known=make_state(slowed_until=BOOTED + 60, share=0.7))
    assert made[4] - made[3] == pytest.approx(INTERVAL / 0.7)


def test_nobody_calls_once_the_day_is_used_up() -> None:
    """Until midnight UTC; what is said tells since when, until when, and when a probe is due."""
    known = use_up(make_state(left=17), AT)
    midnight = 1_790_035_200.0
    assert (known.quota.left, known.quota.left_at, known.quota.used_up_at) == (0, NOW, NOW)
    assert (known.quota.used_up_until, known.quota.probe_at) == (midnight, BOOTED + 3600)
    assert midnight % 86400 == 0
    assert 0 < midnight - NOW <= 86400
    same, verdict = _ask(known, 60.0)
    assert verdict == UsedUp(NOW, midnight, 3540.0)
    assert same == known
    assert _ask(known, 3599.9, is_start=True)[1][2] == pytest.approx(0.1)
    assert _ask(known, midnight - NOW)[1] == Go()
    assert isinstance(_ask(known, midnight - NOW - 0.1)[1], Go)  # A probe; the next one has to wait.


def test_one_probe_an_hour_finds_out_for_all() -> None:
    """The one who comes first makes it; the others wait for another hour, unless it was served."""
    known = use_up(make_state(), AT)
    known, verdict = _ask(known, 3600.0)
    assert verdict == Go()
    assert known.quota.probe_at == BOOTED + 7200
    assert isinstance(_ask(known, 3600.0)[1], UsedUp)
    again = use_up(known, _at(3601.0))
    assert (again.quota.used_up_at, again.quota.probe_at) == (NOW, BOOTED + 7201)
    served = known.note_answer(_at(3601.0), HOST, 5, is_served=True)
    assert (served.quota.used_up_at, served.quota.used_up_until) == (0.0, 0.0)
    assert _ask(served, 3601.0)[1] == Go()


def test_an_error_does_not_prove_that_calls_are_left() -> None:
    """Only what was asked for does; but it is an answer."""
    known = use_up(make_state(failures=3, failed_host=HOST, failed_as="x"), AT)
    refused = known.note_answer(_at(1.0), HOST, None, is_served=False)
    assert isinstance(_ask(refused, 1.0)[1], UsedUp)
    assert (refused.breaker.failures, refused.breaker.failed_as, refused.quota.left) == (0, "", 0)


def test_a_person_may_ask_before() -> None:
    """And then counts as the hour's probe."""
    known = use_up(make_state(), AT)
    known, verdict = _ask(known, 10.0, ignores_quota=True)
    assert verdict == Go()
    assert known.quota.probe_at == BOOTED + 3610


def test_a_probe_that_has_to_wait_is_not_spent() -> None:
    """It is made a moment later."""
    known = use_up(make_state(free_at=BOOTED + 3600.5), AT)
    same, verdict = _ask(known, 3600.0)
    assert isinstance(verdict, Wait)
    assert verdict.seconds == pytest.approx(0.5 - 2 * INTERVAL)
    assert same.quota.probe_at == BOOTED + 3600


def test_a_day_that_is_over_by_the_clock_is_over() -> None:
    """A jump of the clock costs a call at most."""
    known = use_up(make_state(), AT)
    assert _ask(known, known.quota.used_up_until - NOW + 1)[1] == Go()


def test_few_calls_slow_all_but_starts() -> None:
    """Below the floor, one call a second; at the floor, none is slowed."""
    low = make_state(left=4999, left_at=NOW)
    assert low.quota.is_low(PACE)
    assert not make_state(left=5000).quota.is_low(PACE)
    assert not make_state().quota.is_low(PACE)
    assert low.get_rate(PACE, BOOTED) == 1.0
    assert low.get_rate(PACE, BOOTED, is_start=True) == 15.0
    assert low.get_rate(Rates(rate=0.5), BOOTED) == 0.5
    assert make_state(left=5000).get_rate(PACE, BOOTED) == 15.0
    made = _times(4, known=low)
    assert made[3] - made[2] == pytest.approx(15 / 14)


def test_few_calls_are_warned_of_once_an_hour() -> None:
    """By one process for all; a clock that went back does not silence it."""
    low = make_state(left=10)
    told, is_due = warn(low, AT)
    assert is_due
    assert told == change(low, warned_at=NOW)
    assert warn(told, AT) == (told, False)
    assert warn(told, _at(3599.9)) == (told, False)
    assert warn(told, _at(3600.0))[1]
    assert warn(told, _at(-1.0))[1]
    assert warn(use_up(low, AT), AT)[1] is False
    assert warn(make_state(left=5000), AT) == (make_state(left=5000), False)


def test_an_answer_tells_how_many_calls_are_left() -> None:
    """With its time; one that does not tell leaves what was known."""
    known = make_state().note_answer(AT, HOST, 300, is_served=True)
    assert (known.quota.left, known.quota.left_at) == (300, NOW)
    assert known.note_answer(_at(9.0), HOST, None, is_served=True) == known


def _failed(known: RateState, times: int, seconds: float = 0.0, how: str = "no answer") -> RateState:
    for _time in range(times):
        known = known.note_failure(_at(seconds), HOST, how)
    return known


def test_ten_failures_and_alma_is_down() -> None:
    """Then nobody calls for 30 seconds; what is said tells how many there were, and how the last one went."""
    known = _failed(make_state(), 9)
    assert _ask(known)[1] == Go()
    known = _failed(known, 1, 2.0, "nothing at all")
    assert (known.breaker.failures, known.breaker.failed_at, known.breaker.failed_host) == (
        10,
        BOOTED + 2,
        HOST,
    )
    same, verdict = _ask(known, 31.0)
    assert verdict == Down(1.0, 10, "nothing at all", is_probed=False)
    assert same == known
    assert _ask(known, 31.9, is_start=True)[1][0] == pytest.approx(0.1)
    assert _ask(known, 32.0)[1] == Go()


def test_one_call_finds_out_for_all_whether_alma_is_back() -> None:
    """The others wait for its answer; where it fails, or who made it is dead, it is another's turn."""
    known, verdict = _ask(_failed(make_state(), 10), 30.0)
    assert verdict == Go()
    assert known.breaker.probed_at == BOOTED + 30
    assert _ask(known, 31.0)[1] == Down(29.0, 10, "no answer", is_probed=True)
    back = known.note_answer(_at(31.5), HOST, None, is_served=False)
    assert (
        back.breaker.failures,
        back.breaker.failed_at,
        back.breaker.probed_at,
        back.breaker.failed_host,
        back.breaker.failed_as,
    ) == (
        0,
        0,
        0,
        "",
        "",
    )
    assert _ask(back, 31.5)[1] == Go()
    worse = known.note_failure(_at(32.0), HOST, "again")
    assert _ask(worse, 33.0)[1] == Down(29.0, 11, "again", is_probed=False)
    assert _ask(known, 60.0)[1] == Go()


def test_the_ninth_failure_is_not_the_tenth() -> None:
    """A call that is made after nine failures is no probe, and keeps nobody else from calling."""
    known, verdict = _ask(_failed(make_state(), 9))
    assert verdict == Go()
    assert known.breaker.probed_at == 0.0


def test_another_host_is_not_down() -> None:
    """Nor do its answers say that this one is back; a failure of its own begins the count anew."""
    known = _failed(make_state(), 10)
    asked, verdict = known.ask(PACE, AT, "other.example")
    assert verdict == Go()
    assert asked.breaker.probed_at == 0.0
    assert known.note_answer(AT, "other.example", None, is_served=True).breaker.failures == 10
    other = known.note_failure(AT, "other.example", "x")
    assert (other.breaker.failures, other.breaker.failed_host) == (1, "other.example")


def test_what_failed_long_ago_says_nothing() -> None:
    """After five minutes without a call nobody is a probe, and nobody waits for one."""
    known = _failed(make_state(), 10)
    assert known.forget_stale(_at(299.9)).breaker.failures == 10
    forgotten = known.forget_stale(_at(300))
    assert (forgotten.breaker.failures, forgotten.breaker.failed_at) == (0, 0.0)
    assert _ask(known, 1000.0)[1] == Go()
    assert _ask(known, 1000.0)[0].breaker.probed_at == 0.0
    assert known.forget_stale(_at(-1)).breaker.failures == 0


def test_times_that_nobody_made_are_forgotten() -> None:
    """Nobody waits for a moment that is days away; what may be, is kept."""
    before = make_state(free_at=9e5, slowed_until=9e5, share=0.5, probe_at=9e5, probed_at=9e5)
    found = before.forget_stale(Moment(100.0, NOW))
    assert found == change(before, free_at=0.0, slowed_until=0.0, probe_at=3700.0, probed_at=0.0)
    edge = make_state(3700.0, 160.0, probe_at=3700.0, failures=2, failed_at=100.0, probed_at=100.0)
    assert edge.forget_stale(Moment(100.0, NOW)) == edge
    assert make_state(free_at=9e5).ask(PACE, Moment(100.0, NOW), HOST)[1] == Go()


def test_another_pace_does_not_forget_what_this_one_made() -> None:
    """Environments of one institution may each have its own: a slow one stays slow beside a quick one."""
    slow = Rates(rate=0.1, burst=1)
    known, verdict = make_state().ask(slow, AT, HOST)
    assert verdict == Go()
    assert known.ask(PACE, _at(0.2), HOST)[0] == known
    assert isinstance(known.ask(slow, _at(0.2), HOST)[1], Wait)
    slowest = change(known, share=0.1, slowed_until=BOOTED + 60)
    assert isinstance(slowest.ask(slow, _at(0.2), HOST)[1], Wait)


def test_what_was_noted_of_a_day_counts_for_that_day() -> None:
    """Calls left are others tomorrow; a day that is used up ends; a wrong clock's day never began."""
    known = make_state(left=3, left_at=NOW)
    midnight = 1_790_035_200.0
    last = Moment(BOOTED, midnight - 0.1)
    assert known.forget_stale(last) == known
    assert known.forget_stale(Moment(BOOTED, midnight)) == make_state()
    used_up = use_up(make_state(), AT)
    assert used_up.forget_stale(last) == used_up
    assert used_up.forget_stale(_at(-3600.0)).quota.used_up_at == NOW
    for wrong in (midnight, NOW - 3600.1, NOW - 86400, NOW + 86400):
        assert used_up.forget_stale(Moment(BOOTED, wrong)).quota.used_up_at == 0.0
    year_2038 = use_up(make_state(), Moment(BOOTED, 2_147_483_648.0))
    assert year_2038.ask(PACE, AT, HOST)[1] == Go()


@pytest.mark.parametrize(
    ("kept", "share"), [(0.0, 0.1), (0.05, 0.1), (0.1, 0.1), (0.7, 0.7), (1.0, 1.0), (9.0, 1.0)]
)
def test_a_share_that_cannot_be_is_none(kept: float, share: float) -> None:
    """Nothing divides by nothing."""
    assert make_state(share=kept).forget_stale(AT).bucket.share == share


def test_alma_that_answers_with_a_number_serves_again() -> None:
    """Also where the answer itself is a refusal, as of a wrong id; a 0 is no such number."""
    known = use_up(make_state(), AT)
    assert known.note_answer(_at(5.0), HOST, 9, is_served=False).quota.used_up_at == 0.0
    assert known.note_answer(_at(5.0), HOST, 0, is_served=False).quota.used_up_at == NOW


def test_a_probe_that_nobody_heard_is_made_again_soon() -> None:
    """After a minute, and not after an hour; no later than it was due."""
    known = use_up(make_state(), AT)
    known, verdict = _ask(known, 3600.0)
    assert verdict == Go()
    lost = known.note_failure(_at(3601.0), HOST, "no answer")
    assert lost.quota.probe_at == BOOTED + 3661
    assert _ask(lost, 3661.0)[1] == Go()
    assert lost.note_failure(_at(3600.5), HOST, "x").quota.probe_at == BOOTED + 3660.5
    assert lost.note_failure(_at(3602.0), HOST, "x").quota.probe_at == BOOTED + 3661


def test_a_machine_that_was_started_anew_has_another_clock() -> None:
    """What is of day and hour is kept."""
    known = change(KNOWN, failures=11)
    assert known.forget_boot_times() == change(
        known, free_at=0.0, slowed_until=0.0, probe_at=0.0, failures=0, failed_at=0.0, probed_at=0.0
    )


KNOWN = make_state(1.5, 2.5, 0.7, 400, 3.0, 4.0, 5.0, 6.0, 7.0, 90_000, 3, 8.0, 9.0, HOST, "it broke")


def test_what_is_kept_comes_back() -> None:
    """As it was, through JSON."""
    for known in (KNOWN, make_state(), make_state(left=None, failed_as="ü")):
        assert rate_state.from_json(json.loads(json.dumps(known.to_json()))) == known


def test_what_an_earlier_almajob_kept_is_not_lost() -> None:
    """It knew nothing of how many calls a day has; that the day's are used up must not be forgotten."""
    earlier = {name: value for name, value in KNOWN.to_json().items() if name != "a_day"}
    assert rate_state.from_json(earlier) == change(KNOWN, a_day=None)


def test_how_many_calls_a_day_has_outlasts_the_day() -> None:
    """It is seldom said, and the same tomorrow; what is left is not."""
    known = make_state().note_answer(AT, HOST, 300, 100_000, is_served=True)
    assert (known.quota.left, known.quota.a_day) == (300, 100_000)
    later = known.note_answer(_at(1.0), HOST, 299, None, is_served=True)
    assert (later.quota.left, later.quota.a_day) == (299, 100_000)
    tomorrow = later.forget_stale(_at(2 * 86400.0))
    assert (tomorrow.quota.left, tomorrow.quota.a_day) == (None, 100_000)


NO_NUMBERS: tuple[object, ...] = (True, "1", -1, 2.5e11, [])
WRONG: list[tuple[str, object]] = [
    *(
        (name, wrong)
        for name in FIELDS
        if not name.startswith("failed_") or name == "failed_at"
        for wrong in NO_NUMBERS
    ),
    *((name, None) for name in FIELDS if name not in ("left", "a_day")),
    *((name, float("nan")) for name in ("free_at", "left", "share")),
    ("left", 1.5),
    ("a_day", 1.5),
    ("failures", 1.5),
    ("failed_as", 5),
    ("failed_host", 5),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_what_is_no_such_thing_is_nothing_known(name: str, wrong: object) -> None:
    """A damaged file is as good as none: it is a hint."""
    assert rate_state.from_json({**KNOWN.to_json(), name: wrong}) == make_state()


def test_other_documents_are_nothing_known() -> None:
    """Too little, too much, or something else."""
    fields = KNOWN.to_json()
    assert rate_state.from_json({**fields, "more": 1}) == make_state()
    assert rate_state.from_json({name: fields[name] for name in list(fields)[1:]}) == make_state()
    documents: tuple[object, ...] = (None, [], "x", 5, {})
    for document in documents:
        assert rate_state.from_json(document) == make_state()
    assert rate_state.from_json({**fields, "free_at": 0, "left": 0, "failures": 0}).quota.left == 0
