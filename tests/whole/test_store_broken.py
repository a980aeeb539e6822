"""Stores that are damaged, foreign, locked or shared by many: the cache is passed over, no start is sent."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import diskcache
import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.processes import PROCESSES
from tests.whole.crowd import LIST, list_twice
from tests.whole.limited import place_for_anybody, run_limited

JOB = "ERP export using profile FINANCE"
STARTS, LISTS = "POST /conf/jobs/*", "GET /conf/jobs"
PROCESS_COUNT = 50
START = ("--env", "sandbox", "run", "--job", JOB, "-q")


def _cached() -> Path:
    return Path.home() / ".cache/almajob/.cache.jobs.sandbox"


def _ledger() -> Path:
    return Path.home() / ".local/state/almajob/ledger"


@pytest.fixture
def jobs(almajob: Run, simulated: SimulatedAlma) -> str:
    """What ``list`` prints; the cache has it now."""
    return almajob(*LIST).out


@pytest.fixture
def ledger(almajob: Run, simulated: SimulatedAlma) -> Path:
    """A ledger with one run, which has ended."""
    assert almajob(*START).code == 0
    simulated.clock.advance(3600)
    return _ledger()


def _cut_off(sixteenths: int) -> Callable[[Path], None]:
    def cut_off(cache_dir: Path) -> None:
        os.truncate(cache_dir / "cache.db", (cache_dir / "cache.db").stat().st_size * sixteenths // 16)

    return cut_off


def _foreign_application(cache_dir: Path) -> None:
    (cache_dir / "cache.db").unlink()
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
        database.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR)")


def _foreign_diskcache(cache_dir: Path) -> None:
    """As a script that uses diskcache makes one: with its settings, and pickles."""
    shutil.rmtree(cache_dir)
    with diskcache.Cache(str(cache_dir)) as cache:
        cache.set("jobs", [{"id": object}])
    cache_dir.chmod(0o700)


def _directory(cache_dir: Path) -> None:
    (cache_dir / "cache.db").unlink()
    (cache_dir / "cache.db").mkdir()


def _file(cache_dir: Path) -> None:
    shutil.rmtree(cache_dir)
    cache_dir.write_text("O:8:stdClass", "utf-8")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda cache_dir: (cache_dir / "cache.db").write_bytes(b"\xff\x00" * 5000),
    "a text": lambda cache_dir: (cache_dir / "cache.db").write_text("[sandbox]\nregion = na\n", "utf-8"),
    "a directory for a database": _directory,
    "a file for a directory": _file,
    "no database": lambda cache_dir: (cache_dir / "cache.db").unlink(),
    "another application's": _foreign_application,
    "another diskcache": _foreign_diskcache,
    **{f"{part} sixteenths": _cut_off(part) for part in range(16)},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_a_miss_and_one_warning(
    almajob: Run, simulated: SimulatedAlma, jobs: str, damage: Callable[[Path], object]
) -> None:
    """The list is right; what was there is moved away; the next list comes from the cache again.

    SQLite may not miss an end that it need not read; then the list is right all the same.
    """
    damage(_cached())
    before = simulated.log.count(LISTS)
    first = almajob(*LIST)
    asked = simulated.log.count(LISTS) > before
    assert asked or damage in (DAMAGE["14 sixteenths"], DAMAGE["15 sixteenths"])
    assert (first.code, first.out) == (0, jobs)
    assert (first.err.count("Alma is asked instead"), len(first.err.splitlines())) == (asked, asked)
    assert len(list(_cached().parent.glob("*.damaged-*"))) == asked
    before = simulated.log.count(LISTS)
    again = almajob(*LIST)
    assert (again.code, again.out, again.err) == (0, jobs, "")
    assert simulated.log.count(LISTS) == before


def _assert_unusable(done: Result, simulated: SimulatedAlma, cure: str) -> None:
    assert (done.code, done.out) == (5, "")
    assert "nothing is started" in done.err
    assert cure in done.err
    assert len(done.err.splitlines()) <= 6
    assert simulated.log.count(STARTS) == 1


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_ledger_starts_nothing(
    almajob: Run, simulated: SimulatedAlma, ledger: Path, damage: Callable[[Path], object]
) -> None:
    """Exit code 5, and the way out; it is left where it is."""
    damage(ledger)
    _assert_unusable(almajob(*START), simulated, f"mv {ledger} {ledger}.damaged")
    assert ledger.exists()


HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _held(path: Path, *statements: str) -> Iterator[None]:
    """Hold a database in another process while the block runs."""
    argv = [sys.executable, "-c", HOLD, str(path / "cache.db"), *statements]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield
        assert holder.poll() is None
        holder.communicate()


IMMEDIATE, EXCLUSIVE = "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"
ALONE = "PRAGMA locking_mode = EXCLUSIVE"


@pytest.mark.parametrize("statement", [IMMEDIATE, EXCLUSIVE])
def test_a_write_lock_does_not_keep_a_list_waiting(
    almajob: Run, simulated: SimulatedAlma, jobs: str, statement: str
) -> None:
    """It is read from the cache, without a word and without a call."""
    before = simulated.log.count()
    with _held(_cached(), statement):
        done = almajob(*LIST)
    assert (done.code, done.out, done.err) == (0, jobs, "")
    assert simulated.log.count() == before


@pytest.mark.parametrize(
    ("statements", "more"),
    [((ALONE, "UPDATE Settings SET value = 0 WHERE key = 'hits'"), ()), ((IMMEDIATE,), ("--refresh",))],
    ids=["nobody else may read", "nothing can be kept"],
)
def test_a_lock_that_stays_is_not_waited_for(
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    jobs: str,
    statements: tuple[str, ...],
    more: tuple[str, ...],
) -> None:
    """One second, one warning, and the list from Alma."""
    monkeypatch.setattr("almajob.store.cache._TURNS", 1)
    with _held(_cached(), *statements):
        begun = time.monotonic()
        done = almajob(*LIST, *more)
        took = time.monotonic() - begun
    assert (done.code, done.out) == (0, jobs)
    assert done.err.count("another process keeps its database locked") == 1
    assert len(done.err.splitlines()) == 1
    # A busy machine may take its time for the rest.
    assert 0.9 < took < 10
    again = almajob(*LIST)
    assert (again.code, again.out, again.err) == (0, jobs, "")


@pytest.mark.parametrize("statement", [IMMEDIATE, EXCLUSIVE, ""], ids=["writing", "alone", "its turn"])
def test_a_ledger_that_another_process_has_starts_nothing(
    almajob: Run,
    simulated: SimulatedAlma,
    monkeypatch: pytest.MonkeyPatch,
    ledger: Path,
    statement: str,
) -> None:
    """It is waited for as long as promised; then the message says how to find that process."""
    from almajob.system.file_lock import lock_file

    monkeypatch.setattr("almajob.store.ledger.ledger.TURN_SECONDS", 0.3)
    lock = ledger.with_name("ledger.lock")
    with _held(ledger, statement) if statement else lock_file(lock, wait=0):
        begun = time.monotonic()
        done = almajob(*START)
        took = time.monotonic() - begun
    _assert_unusable(done, simulated, f"fuser -v {lock} {ledger / 'cache.db'}")
    assert "nother process" in done.err
    assert 0.3 <= took < 10
    assert almajob(*START).code == 0


def test_fifty_processes_share_a_cache(tmp_path: Path) -> None:
    """All at once, first without a cache and then with it: right lists, no word, a whole database."""
    with Simulator(Institution(Clock(speed=0))) as simulator:
        ini = tmp_path / "almajob.ini"
        ini.touch(mode=0o600)
        ini.write_text(f"[sandbox]\napi_key = {simulator.key}\nbase_url = {simulator.base_url}\n", "utf-8")
        all_ready = PROCESSES.Barrier(PROCESS_COUNT + 1, timeout=120)
        processes = [
            PROCESSES.Process(target=list_twice, args=(tmp_path, number, all_ready))
            for number in range(PROCESS_COUNT)
        ]
        for process in processes:
            process.start()
        counts = []
        for _moment in range(4):
            all_ready.wait()
            counts.append(simulator.institution.log.count(LISTS))
        for process in processes:
            process.join()
        expected = [job.name for job in simulator.institution.sandbox.jobs]
    assert [process.exitcode for process in processes] == [0] * PROCESS_COUNT
    shown = {path.read_text("utf-8") for path in tmp_path.glob("*.out")}
    assert len(list(tmp_path.glob("*.out"))) == 2 * PROCESS_COUNT
    assert [[job["name"] for job in json.loads(text)] for text in shown] == [expected]
    # On a busy machine it takes long enough to be told.
    assert {path.read_text("utf-8") for path in tmp_path.glob("*.err")} <= {"", "Reading jobs\n"}
    _begun, cold, _begun_again, warm = counts
    assert warm == cold > 0
    cache_dir = tmp_path / "cache" / ".cache.jobs.sandbox"
    assert {path.name for path in cache_dir.parent.iterdir()} == {cache_dir.name, "README"}
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM Cache").fetchall() == [(1,)]


@pytest.fixture
def place(simulated: SimulatedAlma) -> Iterator[Path]:
    with place_for_anybody(simulated.ini) as made:
        yield made


@pytest.mark.parametrize("limit", ["read-only", "full"])
@pytest.mark.parametrize("environment", ["sandbox", "production"], ids=["warm", "cold"])
def test_a_cache_that_cannot_be_written(place: Path, jobs: str, limit: str, environment: str) -> None:
    """The list is right, with one warning, and nothing half made is left behind."""
    done = run_limited(place, limit, ("--env", environment, *LIST[2:]), LIST)
    assert (done.code, done.out) == (0, jobs), done.err
    assert done.err.count("Alma is asked instead") == len(done.err.splitlines()) == 1
    assert not list(place.rglob("*.new.*"))
    assert not list(place.rglob("*.damaged-*"))


@pytest.mark.parametrize("limit", ["read-only", "full"])
@pytest.mark.parametrize("before", [(LIST, ("runs", "list")), (LIST,)], ids=["there", "to be made"])
def test_a_ledger_that_cannot_be_written(
    simulated: SimulatedAlma, place: Path, limit: str, before: tuple[tuple[str, ...], ...]
) -> None:
    """Nothing is sent; the cure is room or a place, and not to move the ledger away."""
    done = run_limited(place, limit, *before, START)
    assert (done.code, done.out) == (5, ""), done.err
    # The locks of jobs, which come first, are refused to a reader, too.
    assert re.search("Without (it|locks) a job could (start|be started) twice", done.err)
    assert "ALMAJOB_STATE_DIR" in done.err
    assert ".damaged" not in done.err
    assert simulated.log.count(STARTS) == 0
