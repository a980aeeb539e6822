"""What the ledger costs, and that it stays the same: ``python -m tests.benchmarks.ledger [RECORDS]``.

Printed are times, and what matters of them as ratios of two that were taken in turns in the same run: a start
with many records against one with few, many processes against a bare fsync.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.alma.models import Job
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.start.preflight import choose_key
from almajob.runs.start.submit import start
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.store import quick_read
from almajob.store.ledger.ledger import TURN_SECONDS, Ledger
from almajob.store.ledger.place import Place, Rows
from almajob.store.ledger.record import Certainty, Record, State, Transition
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.schema import LEDGER_FORMAT
from almajob.store.upkeep.contents import RECORD, Item
from almajob.store.upkeep.merge import merge
from almajob.system import clock as clocks
from tests.store.directory.format_1 import write_ledger
from tests.store.ledger.test_record import new
from tests.support.fake_alma import KEY, FakeAlma, job, started
from tests.support.ledgers import list_records, open_ledger
from tests.support.places import DIRECTORY, POSTGRESQL, Home, prepare
from tests.support.postgres import Cluster, Database, find_programs

FEW, MANY = 100, 100_000
STARTS = 40
PROCESS_COUNT = 50
ROUNDS = 8
_JOB = "S1"
_TARGET = Target("lab", "sandbox", "lab:key", has_limits=False)
_DAY = 86_400.0
# As many as a start has to look at, whatever else there is.
_RECENT = 20


def _make_record(number: int, count: int, now: float) -> Record:
    """Make one of so many records; the last of them are of yesterday, and the others old."""
    left = count - number
    at = now - (left * 60.0 if left <= _RECENT else 10 * _DAY + left * 60.0)
    record = new(
        id=f"20200101-{number:06x}",
        environment="lab",
        identity="lab:key",
        job_id=f"S{number % 200}",
        run_key=f"once-per-day:lab:S{number % 200}:0123456789:{number:08d}",
        trail=(Transition(State.PREPARED, at, "checked, nothing sent yet"),),
        baseline=tuple(str(9_563_643_080_000_561 + number + place) for place in range(10)),
    )
    record = record.advance(State.SENDING, at + 0.5, "about to be sent", sent_at=at)
    named = {"instance_id": str(9_563_643_080_000_561 + number), "certainty": Certainty.CONFIRMED}
    return record.advance(State.STARTED, at + 0.7, "Alma named it", **named)


def _fill(place: Place, count: int) -> None:
    now = time.time()
    items = (Item(RECORD, _make_record(number, count, now).to_json()) for number in range(count))
    with place.change(TURN_SECONDS) as opened:
        rows = SealedRows(opened)
        merge(rows, items)
        rows.flush()


class _Timed:
    """A place that notes how long each of its blocks took, and how many there were."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.seconds = 0.0
        self.uses = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)

    @contextlib.contextmanager
    def _measure(self, opening: Callable[[], contextlib.AbstractContextManager[Rows]]) -> Iterator[Rows]:
        begun = time.perf_counter()
        try:
            with opening() as rows:
                yield rows
        finally:
            self.seconds += time.perf_counter() - begun
            self.uses += 1

    def read(self, wait: float) -> contextlib.AbstractContextManager[Rows]:
        return self._measure(lambda: self._place.read(wait))

    def change(self, wait: float, **more: Any) -> contextlib.AbstractContextManager[Rows]:
        return self._measure(lambda: self._place.change(wait, **more))


def _compare_starts(name: str, homes: dict[int, Home], alma: FakeAlma) -> None:
    """Start a job in turns with ledgers of different sizes, and print what their ledgers took."""
    places = {count: _Timed(home.open()) for count, home in homes.items()}
    taken: dict[int, list[float]] = {count: [] for count in homes}
    found: dict[int, list[float]] = {count: [] for count in homes}
    connection = Alma(Session(alma.url, Key(KEY), TimeLimits(10, 10, 10)))
    for turn in range(STARTS):
        for count, place in places.items():
            ledger = Ledger(place)
            deps = Deps(_TARGET, connection, ledger, place.locks, clocks.system())
            options = StartOptions(is_confirmed=True, run_key=f"key {count} {turn}")
            request = StartRequest(Job(_JOB, "ERP"), Parameters.of(()), options)
            run_id = str(1000 * turn + count)
            alma.on(f"POST /jobs/{_JOB}", started(job(_JOB, "ERP"), run_id))
            place.seconds = place.uses = 0
            start(choose_key(request, "lab", time.time()), deps)
            taken[count].append(place.seconds)
            fresh, begun = Ledger(homes[count].open()), time.perf_counter()
            with fresh.read() as view:
                assert len(view.list_of_key(f"key {count} {turn}")) == 1
            found[count].append(time.perf_counter() - begun)
            fresh.place.close()
    few, many = homes
    print(
        f"| {name} | {place.uses} | {median(taken[few]) * 1000:.1f} | {median(taken[many]) * 1000:.1f}"
        f" | {median(taken[many]) / median(taken[few]):.2f} | {median(found[many]) * 1000:.1f} |"
    )
    for place in places.values():
        place.close()
    connection.close()


def _measure_starts(target: Path, many: int) -> None:
    print(
        f"\n| place | uses a start | ms with {FEW} | ms with {many:,} | ratio | ms to open and find a key |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    with FakeAlma() as alma, contextlib.ExitStack() as closing:
        alma.jobs([job(_JOB, "ERP")])
        databases: list[Database] = []
        programs = find_programs()
        if programs is not None:
            cluster = closing.enter_context(Cluster(programs))
            databases = [cluster.make_database() for _ in range(2)]
        for kind in (DIRECTORY, POSTGRESQL)[: 1 + bool(databases)]:
            homes = {}
            for place, count in enumerate((FEW, many)):
                url = ""
                if kind == POSTGRESQL:
                    prepare(databases[place])
                    url = databases[place].url
                homes[count] = Home(str(target / kind / str(count)), url)
                _fill(homes[count].open(), count)
            _compare_starts(kind, homes, alma)
        _measure_commands(
            target / DIRECTORY / str(many), many, cluster.make_database() if databases else None
        )
    ledger, begun = str(target / DIRECTORY / str(many) / "ledger"), time.perf_counter()
    count = len(quick_read.newest(ledger, f"{LEDGER_FORMAT}:record:", limit=200))
    print(f"\nThe newest {count} of {many:,} for a completion: {time.perf_counter() - begun:.3f} s.")


def _measure_commands(state: Path, many: int, empty: Database | None) -> None:
    """Measure whole processes with a ledger of many records: the list of the newest, and a copy of all."""
    commands = {"runs list": ["runs", "list"]}
    if empty is not None:
        prepare(empty)
        commands["ledger copy"] = ["ledger", "copy", "--to", empty.url]
    environ = {"PATH": os.environ["PATH"], "HOME": str(state), "ALMAJOB_STATE_DIR": str(state)}
    print(f"\n| with {many:,} records | seconds | of the processor |\n|---|---:|---:|")
    for name, words in commands.items():
        taken = []
        for _ in range(1 if name == "ledger copy" else 5):
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, "-m", "almajob", *words]
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
            seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            taken.append((seconds, processor))
        print(f"| `{name}` | {min(taken)[0]:.2f} | {min(taken)[1]:.2f} |", flush=True)


def _migrate(directory: Path, answer: Queue[tuple[float, float]]) -> None:
    begun = time.perf_counter()
    with open_ledger(directory).read() as view:
        view.count()
    taken = time.perf_counter() - begun
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    answer.put((taken, int(peak) / 1024))


def _measure_migration(target: Path, many: int) -> None:
    now = time.time()
    directory = target / "old" / "ledger"
    for first in range(0, many, 5000):
        numbers = range(first, min(first + 5000, many))
        write_ledger(directory, [_make_record(number, many, now) for number in numbers])
    context = multiprocessing.get_context("spawn")
    answer: Queue[tuple[float, float]] = context.Queue()
    process = context.Process(target=_migrate, args=(directory, answer))
    process.start()
    taken, memory = answer.get()
    process.join()
    print(f"\n{many:,} records of format 1 in today's: {taken:.1f} s, {memory:.0f} MiB of memory at most.")


def _intend(directory: Path, number: int, all_ready: Barrier, taken: Queue[list[float]]) -> None:
    ledger = open_ledger(directory)
    seconds = []
    all_ready.wait()
    for turn in range(ROUNDS):
        begun = time.perf_counter()
        name = f"{number}-{turn}"
        record = new(id=name, run_key=name, job_id=f"S{number}")
        ledger.write(record)
        record = record.advance(State.SENDING, time.time(), "about to be sent", sent_at=time.time())
        ledger.write(record)
        ledger.write(record.advance(State.STARTED, time.time(), "Alma named it", instance_id=name))
        seconds.append(time.perf_counter() - begun)
    taken.put(seconds)


def _fsync(directory: Path, rounds: int = 50) -> float:
    """Measure the best of some bare writes that reach the disk, in seconds."""
    best = 1.0
    with (directory / "bare").open("wb") as file:
        for _ in range(rounds):
            begun = time.perf_counter()
            file.write(b"x" * 2000)
            file.flush()
            os.fsync(file.fileno())
            best = min(best, time.perf_counter() - begun)
    return best


def _measure_crowd(target: Path) -> None:
    directory = target / "state" / "ledger"
    list_records(open_ledger(directory))
    bare = _fsync(target)
    taken: Queue[list[float]] = multiprocessing.Queue()
    all_ready = multiprocessing.Barrier(PROCESS_COUNT)
    processes = [
        multiprocessing.Process(target=_intend, args=(directory, number, all_ready, taken))
        for number in range(PROCESS_COUNT)
    ]
    for process in processes:
        process.start()
    seconds = sorted(second for _ in processes for second in taken.get())
    for process in processes:
        process.join()
    kept = len(list_records(open_ledger(directory)))
    failed = sum(process.exitcode != 0 for process in processes)
    print(f"{PROCESS_COUNT} processes, {kept} intentions of three commits each, {failed} processes failed.\n")
    print("| of one intention | seconds | times a bare fsync |\n|---|---:|---:|")
    for name, place_in in (("median", 0.5), ("99th percentile", 0.99), ("longest", 1.0)):
        found = seconds[min(int(len(seconds) * place_in), len(seconds) - 1)]
        print(f"| {name} | {found:.2f} | {found / bare:.0f} |")


def main(many: int = MANY) -> None:
    """Measure, and print tables in Markdown."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as target:
        _measure_crowd(Path(target))
        _measure_starts(Path(target), many)
        _measure_migration(Path(target), many)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
