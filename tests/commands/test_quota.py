"""``almajob quota``, ``--ignore-quota``: what is known of the calls that are left, and one all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

ENV = ("--env", "sandbox")


def _quota(almajob: Run, *words: str) -> list[dict[str, Any]]:
    told = almajob(*words, "quota", "-f", "json")
    assert told.code == 0
    rows: list[dict[str, Any]] = json.loads(told.out)
    return rows


def test_nothing_is_known_before_the_first_call(simulated: SimulatedAlma, almajob: Run) -> None:
    """And nothing is asked to find out; sandbox and production are one institution's."""
    (row,) = _quota(almajob)
    assert row == {
        "environments": ["sandbox", "production"],
        "state": "unknown",
        "calls_left": None,
        "as_of": None,
        "next_call": None,
        "resets_at": None,
        "calls_per_second": 6.0,
        "burst": 3,
        "quota_floor": 5000,
        "why": None,
        "calls_a_day": None,
        "percent_left": None,
    }
    assert simulated.log.total == 0


def test_few_calls_slow_down_what_can_wait(simulated: SimulatedAlma, almajob: Run) -> None:
    """Said once an hour, by whichever command meets it; a wait looks a quarter as often."""
    simulated.institution.gateway.remaining = 6000
    almajob("--env", "production", "list")
    (row,) = _quota(almajob, *ENV)
    assert (row["environments"], row["state"], row["calls_left"]) == (["sandbox"], "enough", 5999)
    assert row["as_of"].endswith("Z")
    simulated.institution.gateway.remaining = 900
    first, second = almajob(*ENV, "list", "--refresh"), almajob(*ENV, "list", "--refresh")
    assert "Alma has 899 API calls left for today" in first.err
    assert second.err == ""
    (row,) = _quota(almajob)
    assert (row["state"], row["calls_left"], row["calls_per_second"]) == ("low", 898, 1.0)
    simulated.set_ending("S9563600010000561", seconds=600)
    looks = []
    for remaining in (90_000, 900):
        simulated.institution.gateway.remaining = remaining
        before = simulated.log.count("GET /conf/jobs/*/instances/*")
        assert almajob(*ENV, "run", "--job", "S9563600010000561", "--wait").code == 0
        looks.append(simulated.log.count("GET /conf/jobs/*/instances/*") - before)
    assert looks[1] < looks[0] / 2


def test_a_day_that_is_used_up_stops_all_calls(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 10 for each command, in both environments, and not one call; then one probe an hour."""
    simulated.institution.gateway.remaining = 0
    assert almajob(*ENV, "list").code == 10
    for words in (
        (*ENV, "list"),
        ("--env", "production", "list"),
        (*ENV, "run", "--job", "M44"),
        (*ENV, "status", "--id", "9563600050000561"),
        (*ENV, "wait", "--id", "9563600050000561"),
        (*ENV, "history", "--job", "M44"),
    ):
        told = almajob(*words)
        assert (told.code, "It has not been asked again" in told.err) == (10, True), words
    assert simulated.log.total == 1
    (row,) = _quota(almajob)
    assert (row["state"], row["calls_left"]) == ("used up", 0)
    assert row["next_call"] <= row["resets_at"]
    simulated.clock.advance(3601)
    simulated.institution.gateway.remaining = 50_000
    assert almajob(*ENV, "list").code == 0
    assert _quota(almajob)[0]["state"] == "enough"


def test_a_start_is_not_sent_on_a_day_that_is_used_up(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nothing is started, nothing is left in doubt; the same command starts it when there are calls again."""
    start = (*ENV, "run", "--job", "S9563600010000561", "--run-key", "k", "-f", "json")
    simulated.faults.add("daily", "POST /conf/jobs/*")
    for _time in range(2):
        told = almajob(*start)
        assert (told.code, json.loads(told.out)["state"]) == (10, "NOT_STARTED")
    assert simulated.log.count("POST *") == 1
    assert json.loads(almajob("runs", "list", "--open", "-f", "json").out) == []
    simulated.clock.advance(86400)
    assert almajob(*start).code == 0
    assert len(simulated.institution.sandbox.runs()) == 1


def test_a_wait_outlasts_a_day_that_is_used_up(simulated: SimulatedAlma, almajob: Run) -> None:
    """With one call an hour; it ends as soon as it can be seen that the job has."""
    job = "S9563600010000561"
    simulated.set_ending(job, "COMPLETED_FAILED", seconds=1800)
    simulated.faults.add("daily", "GET /conf/jobs/*/instances/*", times=5)
    told = almajob(*ENV, "run", "--job", job, "--wait")
    assert told.code == 3
    assert simulated.log.count("GET /conf/jobs/*/instances/*") == 6


def test_per_second_threshold_is_shown(simulated: SimulatedAlma, almajob: Run) -> None:
    """The rate of all drops by 30 per cent for a minute; the read is tried again."""
    simulated.faults.add("per-second", "GET /conf/jobs")
    assert almajob(*ENV, "list").code == 0
    (row,) = _quota(almajob)
    assert (row["state"], row["calls_per_second"]) == ("slowed", 4.2)
    simulated.clock.advance(60)
    assert _quota(almajob)[0]["calls_per_second"] == 6.0


def test_an_alma_that_is_down_is_left_alone(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten calls without an answer; exit code 6 at once, and nothing is started."""
    monkeypatch.setattr("random.uniform", lambda _low, _high: 0.0)
    simulated.faults.add("503", times=None)
    for _time in range(3):
        assert almajob(*ENV, "list").code == 6
    assert simulated.log.total == 10
    told = almajob(*ENV, "run", "--job", "M44")
    assert (told.code, simulated.log.total) == (6, 10)
    assert "did not answer 10 calls in a row; almajob pauses its calls for 30 s" in told.err
    (row,) = _quota(almajob)
    assert (row["state"], row["next_call"] > "2000") == ("down", True)
    assert "HTTP 503" in row["why"]
    simulated.faults.clear()
    simulated.clock.advance(30)
    assert almajob(*ENV, "list").code == 0
    assert _quota(almajob)[0]["state"] == "enough"


def test_institutions_are_counted_apart(write_ini: Callable[..., Path], almajob: Run) -> None:
    """By address and name; the ini may join them, and set what each may use."""
    write_ini(
        "[sandbox]\napi_key = x\nregion = eu\ncalls_per_second = 7.5\nburst = 1\nquota_floor = 0\n"
        "[production]\napi_key = x\nregion = eu\n"
        "[network-zone]\nkind = production\napi_key = x\nregion = eu\n"
        "[training]\nkind = sandbox\napi_key = x\nregion = eu\ninstitution = ours\n"
        "[test]\nkind = sandbox\napi_key = x\nregion = na\ninstitution = ours\n"
    )
    rows = _quota(almajob)
    assert [row["environments"] for row in rows] == [
        ["sandbox", "production"],
        ["network-zone"],
        ["training", "test"],
    ]
    assert [rows[0][name] for name in ("calls_per_second", "burst", "quota_floor")] == [7.5, 1, 0]


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("calls_per_second", ("0", "many", "1001", "nan")),
        ("burst", ("0", "2.5")),
        ("quota_floor", ("-1", "inf")),
    ],
)
def test_a_wrong_pace_is_told(
    write_ini: Callable[..., Path], almajob: Run, setting: str, values: tuple[str, ...]
) -> None:
    """Exit code 7, with its line."""
    for value in values:
        write_ini(f"[sandbox]\napi_key = x\nregion = eu\n{setting} = {value}\n")
        told = almajob("quota")
        assert told.code == 7
        assert f"almajob.ini, line 4: {setting} is not a" in told.err


def test_without_an_ini_there_is_nothing_to_tell(almajob: Run) -> None:
    """The demo has no limits."""
    told = almajob("quota")
    assert (told.code, told.err) == (
        0,
        "There is no quota to show: the demo has none.\n",
    )


def test_ignoring_the_quota_is_for_a_person(simulated: SimulatedAlma, almajob: Run) -> None:
    """In cron it would be a call of each command, for nothing."""
    told = almajob(*ENV, "list", "--ignore-quota")
    assert (told.code, simulated.log.total) == (2, 0)
    assert "--ignore-quota is for a person at a terminal" in told.err


def test_a_person_asks_once(simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path]) -> None:
    """One call, whatever the command; when it is served, all may call again."""
    simulated.institution.gateway.remaining = 0
    assert almajob(*ENV, "list").code == 10
    # The terminal's process has a clock of its own, which is not the simulator's.
    with Terminal(*ENV, "list", "--refresh", "--ignore-quota", "-f", "value") as terminal:
        assert terminal.end() == 10
    assert simulated.log.total == 2
    simulated.institution.gateway.remaining = 50_000
    with Terminal(*ENV, "list", "--refresh", "--ignore-quota", "-f", "value") as terminal:
        assert terminal.end() == 0
    assert almajob(*ENV, "list", "--refresh").code == 0


@pytest.mark.parametrize("wish", [("--once-per", "day"), ("--run-key", "k")])
def test_a_used_up_day_does_not_hide_what_was_started(
    simulated: SimulatedAlma, almajob: Run, wish: tuple[str, ...]
) -> None:
    """Without the job list, too: the ledger knows the job, and the run."""
    start = (*ENV, "run", "--job", "ERP export using profile FINANCE", *wish, "-f", "json")
    started = json.loads(almajob(*start).out)
    almajob("cache", "clear")
    simulated.institution.gateway.remaining = 0
    for _time in range(2):
        again = almajob(*start)
        shown = json.loads(again.out)
        assert (again.code, shown["state"], shown["instance_id"]) == (0, "STARTED", started["instance_id"])
    assert simulated.log.count("POST *") == 1


def test_what_a_start_needs_is_not_slowed(simulated: SimulatedAlma, almajob: Run) -> None:
    """Few calls are left for what matters: its reads do not queue behind one call a second."""
    simulated.institution.gateway.remaining = 900
    assert almajob(*ENV, "list").code == 0
    before = simulated.clock()
    assert almajob(*ENV, "run", "--job", "S9563600010000561", "-q").code == 0
    reads = [entry.time for entry in simulated.log.requests() if entry.time >= before]
    (sent,) = [entry.time for entry in simulated.log.requests("POST *")]
    assert len(reads) >= 4
    assert sent - before < 2.0


def _columns(table: str) -> list[str]:
    """Read the head of a table."""
    return [name.strip() for name in table.splitlines()[1].strip("|").split("|")]


def test_the_share_is_shown_where_a_gateway_says_how_many_a_day_has(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """With any answer, an error of Alma's included; people see no column that would be empty."""
    assert almajob(*ENV, "list").code == 0
    assert _quota(almajob, *ENV)[0]["percent_left"] is None
    assert _columns(almajob("quota").out) == ["environments", "state", "calls_left", "as_of"]
    simulated.institution.gateway.a_day = 200_000
    simulated.institution.gateway.remaining = 50_001
    # HTTP 400.
    assert almajob(*ENV, "status", "--id", "123").code == 4
    (row,) = _quota(almajob, *ENV)
    assert (row["calls_left"], row["calls_a_day"], row["percent_left"]) == (50_000, 200_000, 25.0)
    assert _columns(almajob("quota").out)[-1] == "percent_left"


def test_few_calls_are_an_alarm(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 3 and one text for a mail, with -q too; the table comes all the same."""
    simulated.institution.gateway.a_day = 100_000
    simulated.institution.gateway.remaining = 9_001
    assert almajob(*ENV, "list").code == 0
    before = simulated.log.total
    for floor, code in (("9001", 3), ("9000", 0), ("10%", 3), ("9%", 0), ("9.5 %", 3), ("100%", 3)):
        done = almajob(*ENV, "-q", "quota", "--fail-below", floor)
        assert done.code == code, floor
        assert "calls_left" in done.out
        assert bool(done.err) is (code == 3)
    assert almajob(*ENV, "-q", "quota", "--fail-below", "10%").err == (
        "almajob: sandbox has 9,000 API calls left (9% of 100,000): fewer than 10%.\n"
        "  All programs of the institution share them. The count starts again after midnight UTC.\n"
    )
    both = almajob("quota", "--fail-below", "9001").err
    assert both.startswith("almajob: sandbox and production have 9,000 API calls left")
    assert simulated.log.total == before


def test_a_share_is_compared_as_it_is(simulated: SimulatedAlma, almajob: Run) -> None:
    """99,998 of 100,000 calls, which is shown as 100 per cent, are fewer than 100 per cent."""
    simulated.institution.gateway.a_day = 100_000
    simulated.institution.gateway.remaining = 99_999
    assert almajob(*ENV, "list").code == 0
    assert almajob(*ENV, "-q", "quota", "--fail-below", "100%").code == 3
    assert almajob(*ENV, "-q", "quota", "--fail-below", "99.99%").code == 0


def test_a_used_up_day_is_below_any_floor(simulated: SimulatedAlma, almajob: Run) -> None:
    """Also below a share of a total that nobody knows."""
    simulated.institution.gateway.remaining = 0
    assert almajob(*ENV, "list").code == 10
    for floor in ("1", "1%"):
        done = almajob(*ENV, "quota", "--fail-below", floor)
        assert (done.code, "sandbox has 0 API calls left" in done.err) == (3, True)
    table = almajob(*ENV, "quota").out
    assert {"next_call", "resets_at"} <= set(_columns(table))


def test_what_is_not_known_is_neither_an_alarm_nor_all_clear(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path]
) -> None:
    """Exit code 5, and what to type; of several institutions one that has too few counts for more."""
    unknown = almajob(*ENV, "quota", "--fail-below", "1000")
    assert unknown.code == 5
    assert "not known yet" in unknown.err
    assert "Make a call first: almajob --env sandbox config check" in unknown.err
    assert almajob(*ENV, "config", "check").code == 0
    assert almajob(*ENV, "quota", "--fail-below", "1000").code == 0
    share = almajob(*ENV, "quota", "--fail-below", "5%")
    assert share.code == 5
    assert "Give a plain number: --fail-below 5000" in share.err
    simulated.clock.advance(86400)
    assert almajob(*ENV, "quota", "--fail-below", "1000").code == 5
    write_ini(f"{simulated.ini}[other]\nkind = sandbox\nregion = eu\napi_key = x\n")
    assert almajob(*ENV, "list", "--refresh").code == 0
    simulated.institution.gateway.remaining = 900
    assert almajob(*ENV, "list", "--refresh").code == 0
    assert almajob("quota", "--fail-below", "1000").code == 3
    assert almajob("quota", "--fail-below", "10").code == 5


def test_a_monitor_that_checks_nothing_is_no_success(almajob: Run) -> None:
    """The demo has no limits, and without a configuration file there is nothing to check."""
    done = almajob("quota", "--fail-below", "1000")
    assert done.code == 5
    assert "No calls are counted here" in done.err


@pytest.mark.parametrize("floor", ["0", "-1", "101%", "1.5", "many", "0%", "10%%", ""])
def test_a_floor_is_a_number_or_a_share(almajob: Run, floor: str) -> None:
    """Else the command line is wrong."""
    assert almajob("quota", f"--fail-below={floor}").code == 2
