"""Killed at any point, with any fault: the same command finds out, and nothing is started twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules, World
from tests.support.places import DIRECTORY, POSTGRESQL
from tests.support.postgres import Database
from tests.support.thoroughness import IN_CI, sample
from tests.whole.mortal import Ended, Site, site_with_ledger

START = "POST /conf/jobs/*"
FAULTS = ("accepted-500", "reset-after", "reset-before", "no-link", "503", "text-key-error")
ALIKE = (
    *("accepted-502", "accepted-truncated", "relative-link", "foreign-link", "per-second"),
    *("html-200", "redirect"),
)
"""Faults that leave what one of the others leaves: a death at each fourth moment will do."""
UNTAGGED_FAULTS = ("accepted-500", "reset-before", "no-link")
TAGGED = ("production", "M44")
UNTAGGED = ("sandbox", "S9563600010000561")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    rules = Rules(checks_parameters=False, seconds=20.0)
    with Simulator(Institution(Clock(speed=0), rules)) as running:
        yield running


def _runs(simulator: Simulator, environment: str) -> list[str]:
    world: World = simulator.institution.worlds[environment.upper()]
    return [run.id for run in world.runs()]


def _check(ended: Ended, simulator: Simulator, environment: str) -> None:
    """What a command says is true, and it says it in its own words."""
    assert "Traceback" not in ended.err, ended.err
    assert "a bug in almajob" not in ended.err, ended.err
    runs = _runs(simulator, environment)
    shown = json.loads(ended.out)
    if ended.code == 0:
        assert runs == [shown["instance_id"]]
    elif ended.code == 9:
        assert shown["retry_safe"] is False
    else:
        assert (runs, shown["retry_safe"]) == ([], True), ended.err


def _command(environment: str, job: str) -> tuple[str, ...]:
    return (
        "--env",
        environment,
        "run",
        "--yes",
        "--allow-unknown",
        "--job",
        job,
        "--run-key",
        "nightly",
        "-q",
        "-f",
        "json",
    )


def _life(
    simulator: Simulator,
    place: Path,
    fault: str | None,
    what: tuple[str, str],
    dies_at: int,
    database: Database | None = None,
) -> Ended:
    """Play one story: a command that dies, the same half a minute later, and again an hour later."""
    environment, job = what
    site = site_with_ledger(place, simulator, database)
    simulator.institution.reset()
    simulator.institution.rules.seconds = 20.0
    if fault:
        simulator.institution.faults.add(fault, START)
    command = _command(environment, job)
    first = site.run(*command, dies_at=dies_at)
    if not dies_at:
        _check(first, simulator, environment)
        return first
    assert first.code == -9
    for later in (30.0, 3600.0):
        simulator.institution.clock.advance(later)
        _check(site.run(*command), simulator, environment)
        assert len(_runs(simulator, environment)) <= 1
    return first


@pytest.mark.parametrize(
    ("database", "fault", "step"),
    [
        (DIRECTORY, None, 1),
        *((DIRECTORY, fault, 1) for fault in FAULTS),
        *((DIRECTORY, fault, 4) for fault in ALIKE),
        (POSTGRESQL, None, 1),
        *((POSTGRESQL, fault, 1) for fault in (FAULTS if IN_CI else ())),
    ],
    indirect=["database"],
)
def test_a_tagged_start_survives_every_death(
    simulator: Simulator, tmp_path: Path, database: Database | None, fault: str | None, step: int
) -> None:
    """In production: no second start, no wrong word, no traceback; after an hour nothing is in doubt.

    In a database, the locks of the dead are free at once.
    """
    points = _life(simulator, tmp_path / "whole", fault, TAGGED, 0, database).points
    assert points >= 10
    for point in sample(range(points, 0, -step)):
        _life(simulator, tmp_path / str(point), fault, TAGGED, point, database)
        if not _runs(simulator, "production"):
            # It died before anything was sent, and the fault met the second start.
            assert simulator.institution.log.count(START) > 0
            simulator.institution.clock.advance(3600)
            site_with_ledger(tmp_path / str(point), simulator, database).run(*_command(*TAGGED))
        assert len(_runs(simulator, "production")) == 1, point


@pytest.mark.parametrize(
    ("database", "fault"),
    [
        *((DIRECTORY, fault) for fault in (None, *UNTAGGED_FAULTS)),
        *((POSTGRESQL, fault) for fault in ((None, *UNTAGGED_FAULTS) if IN_CI else UNTAGGED_FAULTS[:1])),
    ],
    indirect=["database"],
)
def test_an_untagged_start_survives_every_death(
    simulator: Simulator, tmp_path: Path, database: Database | None, fault: str | None
) -> None:
    """In a sandbox, where the only run that fits is ours."""
    points = _life(simulator, tmp_path / "whole", fault, UNTAGGED, 0, database).points
    for point in sample(range(1, points + 1)):
        _life(simulator, tmp_path / str(point), fault, UNTAGGED, point, database)


def test_a_command_without_a_key_survives_every_death(simulator: Simulator, tmp_path: Path) -> None:
    """Half a minute later the same command shows what the dead one started, or starts it.

    Unless the dead one had shown it: then the same command is another run.
    """
    untold = 0
    command = ("--env", "production", "run", "--yes", "--allow-unknown", "--job", "M44", "-q", "-f", "json")
    points = Site(tmp_path / "whole", simulator).run(*command).points
    for point in range(1, points + 1):
        simulator.institution.reset()
        site = Site(tmp_path / str(point), simulator)
        dead = site.run(*command, dies_at=point)
        assert dead.code == -9
        if dead.out:
            assert [json.loads(dead.out)["instance_id"]] == _runs(simulator, "production")
            continue
        untold += 1
        simulator.institution.clock.advance(30.0)
        again = site.run(*command)
        _check(again, simulator, "production")
        if again.code == 9:
            # Nothing was sent, but nobody can know that before an hour has passed.
            simulator.institution.clock.advance(3600.0)
            _check(site.run(*command), simulator, "production")
        assert len(_runs(simulator, "production")) == 1, point
    assert untold >= 8
