"""Hosts that share a ledger in PostgreSQL, as real processes: one run for each key, whatever breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from almajob.alma.models import JobFilter
from almajob.alma.rate_limit.rates import Rates
from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.errors import AlmajobError
from almajob.runs.start_request import StartOptions
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from almajob.system import clock
from tests.support.clocks import FastClock
from tests.support.ledgers import list_records
from tests.support.places import Home
from tests.support.postgres import Cluster, Database
from tests.support.processes import PROCESSES, exit_codes
from tests.support.thoroughness import STRIDE
from tests.whole.mortal import Site, make_simulated_clock
from tests.whole.test_many_processes import JOBS
from tests.whole.test_rate import find_worst_window

HOST_COUNT = 12
START = "POST /conf/jobs/*"
SCHEDULED = "ERP export using profile FINANCE"
STARTER_COUNT, START_COUNT = 10, 200 // STRIDE
CALLER_COUNT, CALL_COUNT = 48 // STRIDE + 2, 6
PACE = Rates()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    rules = Rules(checks_parameters=False, thresholds=False, seconds=0.0)
    with Simulator(Institution(Clock(speed=0), rules)) as running:
        yield running


def _write_ini(directory: Path, simulator: Simulator, pace: str = "") -> Path:
    ini = directory / "almajob.ini"
    ini.touch(mode=0o600)
    ini.write_text(
        "".join(
            f"[{name}]\napi_key = simulator-{name}-key\nbase_url = {simulator.base_url}\n{pace}"
            for name in ("sandbox", "production")
        )
    )
    return ini


def _environ_of_host(directory: Path, host: int, url: str) -> dict[str, str]:
    return {
        "ALMAJOB_INI": str(directory / "almajob.ini"),
        "ALMAJOB_CACHE_DIR": str(directory / f"cache{host}"),
        "ALMAJOB_STATE_DIR": str(directory / f"state{host}"),
        "ALMAJOB_LEDGER": url,
    }


def _start_once(directory: Path, number: int, url: str, all_ready: Barrier) -> None:
    with Context(Options(env="sandbox"), _environ_of_host(directory, number, url)) as context:
        all_ready.wait()
        options = StartOptions(run_key="nightly", allow_unknown=True)
        run = context.runs.start(JOBS[0], (), options, look=False)
    (directory / f"named.{number}").write_text(run.instance.id)


def test_twelve_hosts_with_one_key_start_one_run(
    simulator: Simulator, ledger_database: Database, tmp_path: Path
) -> None:
    """At the same moment, each with a state directory of its own: one POST, twelve times the same answer."""
    _write_ini(tmp_path, simulator, "calls_per_second = 1000\nburst = 100\n")
    all_ready = PROCESSES.Barrier(HOST_COUNT)
    each = [(tmp_path, number, ledger_database.url, all_ready) for number in range(HOST_COUNT)]
    assert exit_codes(_start_once, each) == [0] * HOST_COUNT
    assert simulator.institution.log.count(START) == 1
    (run,) = simulator.institution.sandbox.runs()
    assert [(tmp_path / f"named.{number}").read_text() for number in range(HOST_COUNT)] == [
        run.id
    ] * HOST_COUNT


def _command(key: str) -> tuple[str, ...]:
    start = ("--env", "production", "run", "--yes", "--job", SCHEDULED, "--run-key", key)
    return (*start, "--if-running", "start", "-q", "-f", "json")


@pytest.mark.parametrize("who_first", [0, 1])
def test_two_hosts_never_take_one_instance_for_two_runs(
    simulator: Simulator, ledger_database: Database, tmp_path: Path, who_first: int
) -> None:
    """Two keys, one scheduled job, nobody else starts it; the first POST is lost before Alma has it."""
    more = f"sole_starter = yes\n[almajob]\nledger = {ledger_database.url}\n"
    sites = [Site(tmp_path / f"host{number}", simulator, more_ini=more) for number in (0, 1)]
    commands = [_command("nightly"), _command("weekly")]
    simulator.institution.faults.add("reset-before", START)
    told: list[dict[int, str]] = []
    for hours_later in (0, 2, 2, 2):
        simulator.institution.clock.advance(3600.0 * hours_later)
        # Both at once: whoever is second waits for the lock of the job.
        living = [(host, sites[host].start(*commands[host])) for host in (who_first, 1 - who_first)]
        ended = {host: process.ended() for host, process in living}
        assert all("Traceback" not in each.err and "a bug" not in each.err for each in ended.values()), ended
        shown: dict[int, Any] = {host: json.loads(each.out) for host, each in ended.items() if each.code == 0}
        told.append({host: str(answer["instance_id"]) for host, answer in shown.items()})
        assert len(set(told[-1].values())) == len(told[-1])
    runs = [run.id for run in simulator.institution.production.runs()]
    assert sorted(told[-1].values()) == sorted(runs)
    assert len(runs) == 2
    assert simulator.institution.log.count(START) >= 3
    # What was said once stays.
    assert all(answers[host] == told[-1][host] for answers in told for host in answers)
    records = list_records(Home(str(tmp_path / "host0" / "state"), ledger_database.url).open_ledger())
    assert sorted(record.instance_id for record in records if record.has_run) == sorted(runs)


def _call_alma(directory: Path, number: int, url: str, all_ready: Barrier) -> None:
    """Call Alma from one of five hosts, in one of the institution's two environments."""
    env = ("sandbox", "production")[number % 2]
    with Context(Options(env=env), _environ_of_host(directory, number % 5, url)) as context:
        all_ready.wait()
        for _call in range(CALL_COUNT):
            context.alma.jobs_page(JobFilter(), 0)


def test_the_processes_of_five_hosts_keep_one_rate(ledger_database: Database, tmp_path: Path) -> None:
    """In CI fifty: no error, and no second has more calls than rate and burst."""
    with Simulator() as simulator:
        _write_ini(tmp_path, simulator)
        all_ready = PROCESSES.Barrier(CALLER_COUNT)
        each = [(tmp_path, number, ledger_database.url, all_ready) for number in range(CALLER_COUNT)]
        assert exit_codes(_call_alma, each) == [0] * CALLER_COUNT
        entries = simulator.institution.log.requests()
    assert len(entries) == CALLER_COUNT * CALL_COUNT
    worst = find_worst_window([entry.time for entry in entries])
    print(f"\n{len(entries)} calls of {CALLER_COUNT} processes on 5 hosts: {worst} in the worst second")
    assert worst <= PACE.rate + PACE.burst


def _start_stubbornly(directory: Path, number: int, url: str, keys: list[str], simulator_url: str) -> None:
    """Start a job under each key, with the same command until it says which run it is."""
    # An hour passes where somebody waits for one.
    clock.SYSTEM = make_simulated_clock(simulator_url, FastClock(time.time()))
    environ = _environ_of_host(directory, number % 3, url)
    with (directory / f"named.{number}").open("w") as named:
        for key in keys:
            while True:
                options = StartOptions(run_key=key, if_running="start", allow_unknown=True)
                try:
                    with Context(Options(env="sandbox"), environ) as context:
                        run = context.runs.start(JOBS[number % len(JOBS)], (), options, look=False)
                except AlmajobError as error:
                    named.write(f"{key} {type(error).__name__}\n")
                    clock.SYSTEM.sleep(60.0)
                    continue
                named.write(f"{key} {run.instance.id}\n")
                break


def test_a_server_that_is_killed_and_started_again_loses_nothing(
    simulator: Simulator, cluster: Cluster, ledger_database: Database, tmp_path: Path
) -> None:
    """By SIGKILL, several times in the middle of many starts: none is made twice, and no record is lost."""
    _write_ini(tmp_path, simulator, "calls_per_second = 1000\nburst = 100\n")
    keys = [f"key {number}" for number in range(START_COUNT)]
    shares = [keys[number::STARTER_COUNT] for number in range(STARTER_COUNT)]
    processes = [
        PROCESSES.Process(
            target=_start_stubbornly,
            args=(tmp_path, number, ledger_database.url, share, simulator.base_url),
        )
        for number, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    log = simulator.institution.log
    for part in (1, 2, 3):
        while log.count(START) < START_COUNT * part // 4 and any(each.is_alive() for each in processes):
            time.sleep(0.002)
        cluster.kill()
        cluster.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * STARTER_COUNT
    lines = [
        line.rsplit(" ", 1)
        for number in range(STARTER_COUNT)
        for line in (tmp_path / f"named.{number}").read_text().splitlines()
    ]
    named = {key: text for key, text in lines if text.isdigit()}
    failures = [text for _key, text in lines if not text.isdigit()]
    why = ", ".join(sorted(set(failures)))
    print(f"\n{START_COUNT} starts, 3 kills of the server: {len(failures)} commands failed ({why})")
    runs = [run.id for run in simulator.institution.sandbox.runs()]
    assert sorted(named) == sorted(keys)
    assert sorted(named.values()) == sorted(runs)
    records = list_records(Home(str(tmp_path / "state0"), ledger_database.url).open_ledger())
    assert {record.run_key: record.instance_id for record in records if record.has_run} == named
