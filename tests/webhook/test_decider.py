"""What a message is worth: one call, one event, and the end of a run in a file; whatever happens between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.runs.wait.end_messages import SAMPLE, EndMessages, Message
from almajob.store.ledger.record import State
from almajob.testing import SimulatedAlma
from almajob.webhook.decider import Decider
from tests.conftest import Run
from tests.store.ledger.test_record import new
from tests.support.ledgers import list_records, open_ledger
from tests.support.observers import install_observer, read_observed, wait_until_told

JOB = "ERP export using profile FINANCE"
LOOK = "GET /conf/jobs/*/instances/*"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(path))
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    install_observer(site)
    # Neither calls nor waits of other processes are waited for.
    monkeypatch.setattr("almajob.webhook.decider._PACE", 0.0)
    monkeypatch.setattr("almajob.webhook.decider._HEAD_START", 0.0)
    monkeypatch.setattr("almajob.webhook.decider.Decider._note_failure", lambda *_given: 0.0)
    return path


class Desk:
    """A decider without its thread, and the messages that it works on."""

    def __init__(self, context: Context) -> None:
        found = context.runs.messages
        assert found is not None
        self.messages: EndMessages = found
        self._context = context
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what is not on disk."""
        runs = self._context.runs
        self._decider = Decider(
            self.messages,
            lambda: self._context.alma,
            runs.describe,
            self._context.ledger,
            environment="sandbox",
            kind="sandbox",
        )

    def take(self, instance_id: str, status: str = "", at: float = 0.0) -> bool:
        """Take a message, and decide what is due."""
        is_new = self.messages.keep(Message(instance_id, status, at or time.time()))
        self.decide()
        return is_new

    def decide(self) -> None:
        """Decide what is due, in two turns: ends of runs that were started from here have a second one."""
        self._decider.decide_due()
        self._decider.decide_due()


@pytest.fixture
def make_desk(state: Path, simulated: SimulatedAlma) -> Callable[[], Desk]:
    context = Context(Options(env="sandbox"))

    def make() -> Desk:
        desk = Desk(context)
        with desk.messages.listen():
            pass
        return desk

    return make


def _start_elsewhere(simulated: SimulatedAlma, status: str = "FAILED", seconds: float = 60) -> str:
    simulated.set_ending(JOB, status, seconds=seconds)
    world = simulated.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.name == JOB), []).id


def test_a_run_that_nobody_here_started_is_told_of_once(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], state: Path
) -> None:
    """With one call, however often the message comes; the event has no run of the ledger."""
    desk, run_id = make_desk(), _start_elsewhere(simulated)
    simulated.clock.advance(120)
    assert desk.take(run_id)
    assert not desk.take(run_id)
    assert simulated.log.count(LOOK) == 1
    wait_until_told(state)
    (event,) = read_observed(state.parent)
    assert (event["kind"], event["status"], event["verdict"]["is_good"]) == ("run_ended", "FAILED", False)
    assert (event["run"]["id"], event["run"]["run_key"], event["run"]["instance_id"]) == ("", "", run_id)
    assert (event["run"]["job_name"], event["environment"]["name"]) == (JOB, "sandbox")
    found = desk.messages.find_end(run_id)
    assert found is not None
    assert (found.status.value, found.job and found.job.name) == ("FAILED", JOB)
    assert [each.id for each in desk.messages.list_ends()] == [run_id]


@pytest.mark.parametrize("step", ["asked", "kept", "told"])
def test_whatever_is_cut_off_is_done_later_and_once(
    simulated: SimulatedAlma,
    make_desk: Callable[[], Desk],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Before it is kept what Alma said, after it, and after observers are to be told; one event in all."""
    desk, run_id = make_desk(), _start_elsewhere(simulated)
    simulated.clock.advance(120)
    where = {
        "asked": "almajob.runs.wait.end_messages.EndMessages.keep_end",
        "kept": "almajob.store.ledger.ledger.Ledger.announce_other",
        "told": "almajob.runs.wait.end_messages.EndMessages.drop",
    }[step]

    def die(*_given: object) -> None:
        raise OSError(28, "cut off")

    with monkeypatch.context() as dying:
        dying.setattr(where, die)
        desk.take(run_id)
    assert desk.messages.list_pending() == [run_id]
    desk.begin_anew()
    desk.decide()
    assert desk.messages.list_pending() == []
    assert simulated.log.count(LOOK) == (2 if step == "asked" else 1)
    wait_until_told(state)
    assert len(read_observed(state.parent)) == 1


def test_a_run_of_the_ledger_has_ended_for_its_own_event(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], almajob: Run, state: Path
) -> None:
    """Where nobody waits for it; its record has the end."""
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=60)
    started = almajob("--env", "sandbox", "run", JOB, "-f", "json").row["instance_id"]
    simulated.clock.advance(120)
    desk, before = make_desk(), simulated.log.count(LOOK)
    desk.take(started)
    assert simulated.log.count(LOOK) == before + 1
    wait_until_told(state)
    events = read_observed(state.parent)
    assert [event["kind"] for event in events] == ["start_recorded", "run_ended"]
    assert events[0]["run"]["id"] == events[1]["run"]["id"] != ""
    # A wait that comes later tells of nothing more, and a second message neither.
    assert almajob("--env", "sandbox", "wait", started).code == 3
    desk.take(started)
    wait_until_told(state)
    assert len(read_observed(state.parent)) == 2


def test_forged_and_early_messages_cost_one_call_each(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], state: Path
) -> None:
    """Of a run that does not exist, and of one that goes on; nothing is told, and nothing is left."""
    desk, run_id = make_desk(), _start_elsewhere(simulated, seconds=600)
    simulated.clock.advance(30)
    desk.take("12345")
    desk.take(run_id, "COMPLETED_SUCCESS")
    assert simulated.log.count(LOOK) == 2
    assert (desk.messages.list_pending(), list(desk.messages.list_ends())) == ([], [])
    # By its own words it goes on: the one call is made a minute later.
    desk.take(run_id, "FINALIZING")
    assert (simulated.log.count(LOOK), desk.messages.list_pending()) == (2, [run_id])
    desk.begin_anew()
    simulated.clock.advance(3600)
    desk.take(run_id, "FINALIZING", at=time.time() - 61)
    assert simulated.log.count(LOOK) == 3
    wait_until_told(state)
    assert len(read_observed(state.parent)) == 1


def test_a_sample_costs_no_call(simulated: SimulatedAlma, make_desk: Callable[[], Desk]) -> None:
    """And leaves nothing."""
    desk = make_desk()
    desk.take(SAMPLE)
    assert (simulated.log.count("GET *"), desk.messages.list_pending()) == (0, [])


def test_while_alma_is_down_messages_wait(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], state: Path
) -> None:
    """And are decided when it is back; one whose answer is odd keeps no other waiting."""
    desk, run_id = make_desk(), _start_elsewhere(simulated)
    simulated.clock.advance(120)
    simulated.faults.add("503", LOOK)
    desk.messages.keep(Message(run_id, "", time.time()))
    desk._decider.decide_due()
    assert desk.messages.list_pending() == [run_id]
    desk.begin_anew()
    desk.decide()
    assert desk.messages.list_pending() == []
    wait_until_told(state)
    assert len(read_observed(state.parent)) == 1


def test_an_old_end_is_kept_and_told_to_nobody(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], state: Path
) -> None:
    """A message that is replayed after days is no news."""
    desk, run_id = make_desk(), _start_elsewhere(simulated)
    simulated.clock.advance(3 * 86400)
    desk.take(run_id)
    assert [each.id for each in desk.messages.list_ends()] == [run_id]
    wait_until_told(state)
    assert read_observed(state.parent) == []


def test_a_start_whose_run_is_not_known_yet_is_not_taken_for_a_strangers(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk], state: Path
) -> None:
    """As when the message is quicker than the ledger, or the answer to the start was lost."""
    desk, run_id = make_desk(), _start_elsewhere(simulated, "COMPLETED_SUCCESS")
    job_id = next(job.id for job in simulated.institution.sandbox.jobs if job.name == JOB)
    ledger = open_ledger(state / "ledger")
    record = replace(new(), environment="sandbox", job_id=job_id, job_name=JOB)
    ledger.write(record)
    record = record.advance(State.SENDING, record.created_at, "now")
    ledger.write(record)
    simulated.clock.advance(120)
    desk.take(run_id)
    assert desk.messages.list_pending() == [run_id]
    ledger.write(record.advance(State.STARTED, record.created_at, "Alma says so", instance_id=run_id))
    desk.begin_anew()
    desk.decide()
    assert (desk.messages.list_pending(), simulated.log.count(LOOK)) == ([], 1)
    (kept,) = list_records(ledger)
    assert kept.end_status == "COMPLETED_SUCCESS"
    wait_until_told(state)
    assert [event["run"]["id"] for event in read_observed(state.parent)] == [record.id]


def test_a_message_that_comes_too_early_is_a_doubt(
    simulated: SimulatedAlma, make_desk: Callable[[], Desk]
) -> None:
    """Its run ends without another one, so the ends of the next day are asked for."""
    desk, run_id = make_desk(), _start_elsewhere(simulated)
    desk.messages.note_heard()
    with desk.messages.listen():
        assert desk.messages.find_records() is not None
        desk.take(run_id)
        assert desk.messages.count_pending() == 0
        assert desk.messages.find_records() is None
    assert (desk.messages.directory / "since").stat().st_mtime > time.time() + 80_000
