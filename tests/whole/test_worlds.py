"""Worlds in which a start was once made twice, denied, or taken for another: real processes, real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from tests.support.relay import Relay, relay_to
from tests.whole.mortal import Ended, Site

START = "POST /conf/jobs/*"
HOUR = 3600.0
DAY = 24 * HOUR
TAGGED = "M44"
UNTAGGED = "ERP export using profile FINANCE"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    rules = Rules(checks_parameters=False, seconds=20.0)
    with Simulator(Institution(Clock(speed=0), rules)) as running:
        yield running


@pytest.fixture
def relay(simulator: Simulator) -> Iterator[Relay]:
    with relay_to(simulator.base_url) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, simulator: Simulator) -> Site:
    return Site(tmp_path / "site", simulator)


def _command(job: str, key: str = "nightly", environment: str = "sandbox", *more: str) -> tuple[str, ...]:
    words = ("run", "--yes", "--allow-unknown", "--job", job, "--run-key", key, "-q", "-f", "json", *more)
    return ("--env", environment, *words)


def _shown(ended: Ended) -> Any:
    assert "Traceback" not in ended.err, ended.err
    return json.loads(ended.out)


def _runs(simulator: Simulator, environment: str = "sandbox") -> list[str]:
    return [run.id for run in simulator.institution.worlds[environment.upper()].runs()]


@pytest.mark.parametrize("dies", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize("job", [TAGGED, UNTAGGED])
def test_a_process_that_stands_still_before_it_sends(
    site: Site, simulator: Simulator, job: str, dies: bool
) -> None:
    """For more than an hour; the request leaves then, its answer is lost, and the run is listed late.

    Nobody says that it was not started, and the same command starts nothing beside it.
    """
    simulator.institution.faults.add("reset-after", START)
    simulator.institution.faults.add("listing-lag", "GET *", times=None)
    stopped = site.start(*_command(job), stops_at_post=True, dies_after_post=dies)
    stopped.wait_until_stopped()
    simulator.institution.clock.advance(HOUR + 100)
    os.kill(stopped.pid, signal.SIGCONT)
    first = stopped.ended()
    for _moment in range(1000):
        # What was sent arrives, though its sender is dead.
        if _runs(simulator):
            break
        threading.Event().wait(0.01)
    (run,) = _runs(simulator)
    if dies:
        assert first.code == -signal.SIGKILL
    else:
        assert (first.code, _shown(first)["instance_id"]) == (0, run)
    again = site.run(*_command(job))
    assert (again.code, _shown(again)["instance_id"]) == (0, run)
    assert _runs(simulator) == [run]


def test_a_ledger_that_was_restored_from_a_backup(site: Site, simulator: Simulator) -> None:
    """A manual job is found by its tag, days later and also once the ledger has been written to again."""
    started = [_shown(site.run(*_command(TAGGED, "first")))["instance_id"]]
    backup = shutil.copytree(site.ledger, site.directory / "backup")
    simulator.institution.clock.advance(3 * DAY)
    for key in ("second", "third"):
        started.append(_shown(site.run(*_command(TAGGED, key)))["instance_id"])
        simulator.institution.clock.advance(3 * DAY)
    shutil.rmtree(site.ledger)
    backup.rename(site.ledger)
    assert _shown(site.run(*_command(TAGGED, "second")))["instance_id"] == started[1]
    simulator.institution.clock.advance(3 * DAY)
    assert _shown(site.run(*_command(TAGGED, "third")))["instance_id"] == started[2]
    assert sorted(_runs(simulator)) == sorted(started)


def test_two_sections_that_lead_to_one_alma(site: Site, simulator: Simulator) -> None:
    """No start of a job is sent beside one that is in doubt, and a run key is the same run in both."""
    same = "[lab2]\nkind = sandbox\napi_key = simulator-sandbox-key\nbase_url = {url}\n"
    site = Site(site.directory, simulator, more_ini=same)
    simulator.institution.faults.add("reset-before", START)
    assert site.run(*_command(UNTAGGED)).code == 9
    beside = site.run(*_command(UNTAGGED, "another", "lab2"))
    assert (beside.code, _shown(beside)["retry_safe"]) == (5, True)
    assert "Nothing was sent: the outcome of an earlier start of" in beside.err
    assert _shown(site.run(*_command(UNTAGGED, "nightly", "lab2")))["retry_safe"] is False
    assert _runs(simulator) == []
    first = site.run(*_command(TAGGED, "weekly"))
    second = site.run(*_command(TAGGED, "weekly", "lab2"))
    assert _shown(first)["instance_id"] == _shown(second)["instance_id"]
    assert len(_runs(simulator)) == 1


@pytest.mark.parametrize("job", [TAGGED, UNTAGGED])
def test_a_proxy_that_answers_a_start_with_an_earlier_one(
    site: Site, simulator: Simulator, relay: Relay, job: str
) -> None:
    """Nothing ran: that is unknown, not a start, and the earlier run is not waited for."""
    site = Site(site.directory, simulator, base_url=relay.base_url)
    assert site.run(*_command(job, "first")).code == 0
    relay.replays = True
    simulator.institution.clock.advance(DAY)
    ended = site.run(*_command(job, "second", "sandbox", "--wait"))
    assert (ended.code, _shown(ended)["instance_id"], _shown(ended)["retry_safe"]) == (9, None, False)
    assert "The answer is an older one" in ended.err
    assert (len(_runs(simulator)), relay.posts) == (1, 2)


@pytest.mark.parametrize("job", [TAGGED, UNTAGGED])
def test_a_proxy_that_sends_a_start_twice(site: Site, simulator: Simulator, relay: Relay, job: str) -> None:
    """Alma refuses the copy: the run is there, and is found; nobody waits for a slot to start another."""
    site = Site(site.directory, simulator, base_url=relay.base_url)
    relay.resends = True
    ended = site.run(*_command(job, "nightly", "sandbox", "--wait-for-slot", "1h"))
    (run,) = _runs(simulator)
    assert (ended.code, _shown(ended)["instance_id"]) == (0, run)
    assert relay.posts == 1


def test_in_production_the_copy_of_an_untagged_start_is_for_a_person(
    site: Site, simulator: Simulator, relay: Relay
) -> None:
    """It cannot be told that the run is ours; it is not denied either."""
    site = Site(site.directory, simulator, base_url=relay.base_url)
    relay.resends = True
    ended = site.run(*_command(UNTAGGED, "nightly", "production"))
    assert (ended.code, _shown(ended)["retry_safe"]) == (9, False)
    assert _runs(simulator, "production")[0] in ended.err
