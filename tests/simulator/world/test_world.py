"""A world is what happened in it, seen at the time of its clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from almajob.alma.status_codes import STATUSES
from almajob.simulator.api.jobs import Exchange, instance_list
from almajob.simulator.errors import Refusal
from almajob.simulator.http.messages import Call
from almajob.simulator.world import reports
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.job_data import PRODUCTION, SANDBOX, built_in_jobs, jobs
from almajob.simulator.world.journal import FileJournal
from almajob.simulator.world.lifecycle import ENDS, ORDER, cut_plan, members, spread_plan
from almajob.simulator.world.run import API, STAFF, SYSTEM, Ending, Run
from almajob.simulator.world.world import Rules, World

ERP = "ERP export using profile FINANCE"
START = 1_760_000_000.0


def _world(**rules: object) -> World:
    return World(SANDBOX, Clock(0, START), rules=Rules(**rules))  # type: ignore[arg-type]


def _start(world: World, name: str, **parameters: str) -> Run:
    job = next(job for job in world.jobs if job.name == name)
    return world.submit(job, parameters.items())


def _set_id(world: World, name: str) -> str:
    return next(item.id for item in world.sets if item.name == name)


# --- the catalogue ---


def test_the_catalogue_has_what_breaks_naive_readers() -> None:
    """At least sixty jobs of three types; names twice, of digits only, with two blanks; ids once."""
    found = built_in_jobs()
    names = [job.name for job in found]
    assert len(found) >= 60
    assert {job.type for job in found} == {"MANUAL", "SCHEDULED", "OTHER"}
    assert len({job.id for job in found}) == len(found)
    assert max(Counter(names).values()) == 2
    assert "20190311" in names
    assert any("  " in name for name in names)
    assert names == sorted(names, key=str.casefold)


def test_an_institutions_own_jobs_have_other_ids_in_production() -> None:
    """Delivered ones have the same everywhere."""
    sandbox, production = built_in_jobs(SANDBOX), built_in_jobs(PRODUCTION)
    same = [one.id for one, other in zip(sandbox, production, strict=True) if one.id == other.id]
    assert "M44" in same
    assert 0 < len(same) < len(sandbox)
    assert [job.name for job in sandbox] == [job.name for job in production]


@pytest.mark.parametrize("count", [0, 5, 88, 10_000])
def test_a_world_can_have_any_number_of_jobs(count: int) -> None:
    """The built-in ones first; every id once."""
    assert len({job.id for job in jobs(SANDBOX, count)}) == count


@pytest.mark.parametrize("count", [-1, 100_001, 10**10])
def test_a_world_has_no_more_jobs_than_fit_into_memory(count: int) -> None:
    """It is refused before any is made."""
    with pytest.raises(ValueError, match="from 0 to 100,000 jobs"):
        jobs(SANDBOX, count)


# --- what a start needs ---


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("Export Bibliographic records", {}, "402228"),
        ("Export Bibliographic records", {"set_id": ""}, "402229"),
        ("Export Bibliographic records", {"set_id": "77"}, "402229"),
        ("Authorities - Preferred Term Correction", {}, "402248"),
        ("PO Line - Packaging", {}, "402249"),
        ("Calculate Operational and FilingValue Task.", {}, "402231"),
    ],
)
def test_a_start_that_alma_refuses(name: str, parameters: dict[str, str], code: str) -> None:
    """Nothing is started by it."""
    world = _world()
    with pytest.raises(Refusal) as caught:
        _start(world, name, **parameters)
    assert caught.value.code == code
    assert world.runs() == []


def test_the_same_job_does_not_overlap_itself() -> None:
    """With another set it may run; when it has ended, too."""
    world = _world()
    _start(world, ERP)
    with pytest.raises(Refusal) as caught:
        _start(world, ERP)
    assert caught.value.code == "60347"
    name = "Export Bibliographic records"
    _start(world, name, set_id=_set_id(world, "Theses without a call number"))
    _start(world, name, set_id=_set_id(world, "All electronic theses"))
    world.clock.advance(3600)
    assert _start(world, ERP)


def test_three_jobs_of_the_api_run_at_once() -> None:
    """A fourth has to wait; what the staff started does not count."""
    starts = [ERP, "Metadata Import using profile Vendor Records", "Export to bursar using profile BURSAR"]
    world = _world()
    for name in starts:
        _start(world, name)
    with pytest.raises(Refusal) as caught:
        _start(world, "Send Requests to Remote Storage")
    assert caught.value.code == "402222"


def test_others_start_jobs_too(tmp_path: Path) -> None:
    """The system and the staff, whether somebody looks or not; they do not count for the API."""
    watched, left_alone = _world(activity=900), _world(activity=900)
    for _ in range(192):
        watched.clock.advance(900)
        watched.runs()
    left_alone.clock.advance(192 * 900)
    assert [run.id for run in watched.runs()] == [run.id for run in left_alone.runs()]
    assert len(watched.runs()) == 192
    assert {run.by for run in watched.runs()} == {SYSTEM, STAFF}
    assert {run.job.type for run in watched.runs()} == {"SCHEDULED", "MANUAL"}
    for name in (
        ERP,
        "Metadata Import using profile Vendor Records",
        "Export to bursar using profile BURSAR",
    ):
        assert _start(watched, name)
    with pytest.raises(ValueError, match="activity"):
        Rules(activity=0)


def test_old_runs_still_count_as_running() -> None:
    """However many runs of others came after them."""
    world = _world(activity=10, endings={ERP: Ending(seconds=8 * 3600)})
    _start(world, ERP)
    world.clock.advance(7 * 3600)
    with pytest.raises(Refusal) as caught:
        _start(world, ERP)
    assert caught.value.code == "60347"


def test_one_job_starts_five_times_an_hour() -> None:
    """The sixth has to wait until the first is an hour old."""
    world = _world(seconds=1)
    for _ in range(5):
        _start(world, ERP)
        world.clock.advance(2)
    with pytest.raises(Refusal) as caught:
        _start(world, ERP)
    assert caught.value.code == "402223"
    world.clock.advance(3600 - 10)
    assert _start(world, ERP)


# --- runs ---


def test_a_run_goes_through_its_states() -> None:
    """QUEUED without a start time, FINALIZING with an end time, and an end with a report."""
    world = _world()
    run = _start(world, ERP, job_name="Nightly")
    seen = [run.instance("", world.clock())]
    for _ in range(200):
        world.clock.advance(1)
        shown = run.instance("", world.clock())
        if shown["status"] != seen[-1]["status"]:
            seen.append(shown)
    assert [shown["status"]["value"] for shown in seen] == [*ORDER, "COMPLETED_SUCCESS"]
    assert "start_time" not in seen[0]
    assert "counter" not in seen[3]
    assert "end_time" in seen[3]
    assert seen[4]["counter"]
    assert seen[4]["alert"][0]["value"] == "alert_general_success"
    assert seen[0]["name"] == "Nightly - 2025-10-09 3:53 AM"
    assert seen[0]["submitted_by"] == {"value": "exl_api", "desc": "Ex Libris, API"}


@pytest.mark.parametrize("status", sorted(ENDS))
def test_every_end_can_be_had(status: str) -> None:
    """For the next runs of a job, by its name; the report and the progress fit."""
    world = _world(endings={ERP: Ending(status, 8 * 3600)})
    run = _start(world, ERP)
    world.clock.advance(8 * 3600 - 1)
    assert run.instance("", world.clock())["status"]["value"] == "FINALIZING"
    world.clock.advance(2)
    shown = run.instance("", world.clock())
    assert shown["status"] == {"value": status, "desc": STATUSES[status].description}
    assert ("end_time" in shown) is (status != "SYSTEM_ABORTED")
    assert (shown["progress"] == 0) is (status in ("FAILED", "SKIPPED"))


def test_a_run_can_be_ended_from_outside() -> None:
    """As somebody who aborts it in Alma does; one that has ended stays as it was."""
    world = _world()
    run = _start(world, "Publishing Platform Job General Publishing")
    world.clock.advance(1300)
    world.end(run, "USER_ABORTED")
    assert world.runs()[0].instance("", world.clock())["status"]["value"] == "USER_ABORTED"
    world.end(world.runs()[0], "FAILED")
    assert world.runs()[0].instance("", world.clock())["status"]["value"] == "USER_ABORTED"


def test_an_end_from_outside_does_not_rewrite_the_past() -> None:
    """The start stays, or there was none; the progress stops where it was."""
    plan = spread_plan(100)
    before = members(plan, 0, 60)
    after = members(cut_plan(plan, 60, "USER_ABORTED"), 0, 70)
    assert (after["start_time"], after["progress"]) == (before["start_time"], before["progress"])
    assert after["end_time"].endswith("00:01:00.000Z")
    assert "start_time" not in members(cut_plan(plan, 5, "USER_ABORTED"), 0, 70)
    assert members(cut_plan(plan, 60, "FAILED"), 0, 70)["progress"] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"status": "RUNNING"}, {"status": "X"}, {"seconds": -1}, {"seconds": float("nan")}, {"progress": "x"}],
)
def test_what_is_no_ending_is_refused(wrong: dict[str, object]) -> None:
    """Before any run goes so."""
    with pytest.raises(ValueError, match=r"ends with|numbers"):
        Ending(**wrong)  # type: ignore[arg-type]


def test_the_reports_are_of_the_kind_of_job() -> None:
    """An import has actions, a failed transfer a counter of words, and each kind its own counters."""
    by_name = {job.name: job for job in built_in_jobs()}
    found = reports.make_report(
        by_name["Metadata Import using profile Vendor Records"], "1", "COMPLETED_SUCCESS", ""
    )
    assert {action["population"]["value"] for action in found["action"]} >= {
        "SINGLE_MATCHES",
        "MULTI_MATCHES",
    }
    found = reports.make_report(by_name["Publishing Platform Job FTP Dump"], "1", "COMPLETED_FAILED", "")
    assert found["counter"][-1]["value"] == "Download zip file for manual FTP."
    kinds = {reports.kind_of(job).counted for job in built_in_jobs()}
    assert len(kinds) >= 6


def test_progress_is_never_a_way_to_tell_the_end() -> None:
    """0 where it fails, above 100 with errors; a clock that went back is the beginning."""
    assert members(spread_plan(10, "FAILED"), 0, 5)["progress"] == 0
    assert members(spread_plan(10, "COMPLETED_FAILED", 101.3), 0, 11)["progress"] == 101.3
    assert members(spread_plan(10), 100, 0)["status"]["value"] == "QUEUED"


# --- the journal ---


def test_a_world_outlives_its_process(tmp_path: Path) -> None:
    """Runs, ends and sets are there again, and ids go on."""
    path = tmp_path / "world.jsonl"
    first = World(SANDBOX, Clock(0, START), FileJournal(path))
    run = _start(first, ERP)
    first.end(run, "USER_ABORTED")
    told = {"name": "Mine", "content": "ITEM", "description": "", "members": ["1"]}
    first.happen(lambda: {"kind": "set", "id": first.sets.next_id(), "at": 1.0, **told})
    again = World(SANDBOX, Clock(0, START + 60), FileJournal(path))
    assert [found.state(again.clock()) for found in again.runs()] == ["USER_ABORTED"]
    assert _set_id(again, "Mine")
    assert int(_start(again, ERP).id) > int(run.id)
    assert [found.id for found in first.runs()] == [found.id for found in again.runs()]
    assert path.stat().st_mode & 0o077 == 0


def test_processes_share_a_world_without_losing_a_run(tmp_path: Path) -> None:
    """Eight at once, ten starts each: eighty runs with eighty ids."""
    path = tmp_path / "world.jsonl"
    program = (
        "import sys; from pathlib import Path; from almajob.simulator.institution import demo\n"
        "world = demo(Path(sys.argv[1])).sandbox\n"
        "for _ in range(10): world.submit(world.jobs[0], [])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(8)]
    assert [process.wait(60) for process in running] == [0] * 8
    assert len({run.id for run in World(SANDBOX, journal=FileJournal(path)).runs()}) == 80


def test_half_a_line_of_a_killed_process_does_not_count(tmp_path: Path) -> None:
    """The next one writes over it."""
    path = tmp_path / "world.jsonl"
    _start(World(SANDBOX, Clock(0, START), FileJournal(path)), ERP)
    with path.open("ab") as file:
        file.write(b'{"kind": "run", "id": "95')
    world = World(SANDBOX, Clock(0, START + 9999), FileJournal(path))
    assert len(world.runs()) == 1
    _start(world, ERP)
    assert len([json.loads(line) for line in path.read_text("utf-8").splitlines()]) == 2


def test_a_file_that_was_cut_meanwhile_is_told(tmp_path: Path) -> None:
    """And not written into with a hole."""
    path = tmp_path / "world.jsonl"
    world = World(SANDBOX, Clock(0, START), FileJournal(path))
    _start(world, ERP)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="cut or replaced"):
        world.runs()


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", '{"kind": "party"}', '{"kind": "run"}', '{"kind": "end", "id": "1"}', "[" * 100_000),
        '{"kind": "set", "id": "1", "at": 1e99, "name": "x", "content": "ITEM", "description": "",'
        ' "members": []}',
        '{"kind": "run", "id": "1", "job_id": "M44", "at": 1, "name": "\\ud800", "by": ["x", "y"],'
        ' "parameters": [], "seconds": null, "status": null, "progress": null}',
    ],
)
def test_a_file_that_is_no_world_is_refused(tmp_path: Path, line: str) -> None:
    """It is not overwritten either."""
    path = tmp_path / "world.jsonl"
    path.write_text(f"{line}\n", "utf-8")
    with pytest.raises(ValueError, match="it is not a simulator's world"):
        World(SANDBOX, journal=FileJournal(path))
    assert path.read_text("utf-8") == f"{line}\n"


# --- any sequence of calls ---


class AnySequence(RuleBasedStateMachine):
    """Starts, ends, time and other people, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = _world(activity=1000)
        self.known: dict[str, str] = {}

    @rule(index=st.integers(0, 87), set_index=st.integers(0, 4))
    def start(self, index: int, set_index: int) -> None:
        """Start any job."""
        job, chosen = self.world.jobs[index], list(self.world.sets)[set_index]
        try:
            self.world.submit(job, [("set_id", chosen.id)] if job.needs_set else [])
        except Refusal as refusal:
            assert refusal.code in {"402222", "402223", "402231", "402248", "402249", "60347"}

    @rule(seconds=st.floats(0, 4000))
    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.world.runs())
    @rule(index=st.integers(0, 1000), status=st.sampled_from(["USER_ABORTED", "SYSTEM_ABORTED", "FAILED"]))
    def end(self, index: int, status: str) -> None:
        """End any run."""
        runs = self.world.runs()
        self.world.end(runs[index % len(runs)], status)

    @invariant()
    def at_most_three_of_the_api_run(self) -> None:
        """Whatever happens."""
        now = self.world.clock()
        assert sum(run.by == API and not run.has_ended(now) for run in self.world.runs()) <= 3

    @invariant()
    def runs_are_never_lost_and_only_go_forward(self) -> None:
        """Every run that was there is there, once, and no earlier than it was."""
        now = self.world.clock()
        runs = self.world.runs()
        states = {run.id: run.state(now) for run in runs}
        assert len(states) == len(runs)
        rank = {name: place for place, name in enumerate(ORDER)}
        for run_id, before in self.known.items():
            after = states[run_id]
            assert rank.get(after, 9) >= rank.get(before, 9)
            assert before in ORDER or after == before
        self.known = states
        assert len(runs) == sum(len(self.world.runs(job.id)) for job in self.world.jobs)

    @invariant()
    def the_lists_count_right(self) -> None:
        """Whatever the page, the count is that of all."""
        for run in self.world.runs()[-3:]:
            call = Call("GET", ("jobs", run.job.id, "instances"), {"limit": "1"})
            exchange = Exchange(self.world, call, "", self.world.clock())
            _root, document = instance_list(exchange, run.job.id)
            assert document["total_record_count"] == len(self.world.runs(run.job.id))
            assert len(document["job_instance"]) == 1


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=30, deadline=None,
                                    suppress_health_check=list(HealthCheck))  # fmt: skip
