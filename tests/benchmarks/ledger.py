"""How long the ledger takes while many processes use it: ``python -m tests.benchmarks.ledger``.

One intention is three commits: PREPARED, SENDING, STARTED. Printed, and compared with what a bare fsync takes
in the same run.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from almajob.store.ledger import Ledger
from almajob.store.ledger_record import State
from tests.store.test_ledger_record import new

PROCESS_COUNT = 50
ROUNDS = 8


def _intend(directory: Path, number: int, all_ready: Barrier, taken: Queue[list[float]]) -> None:
    ledger = Ledger(directory)
    seconds = []
    all_ready.wait()
    for turn in range(ROUNDS):
        begun = time.perf_counter()
        record = new(id=f"{number}-{turn}", run_key=f"{number}-{turn}", job_id=f"S{number}")
        ledger.write(record)
        record = record.advance(State.SENDING, time.time(), "about to be sent", sent_at=time.time())
        ledger.write(record)
        ledger.write(record.advance(State.STARTED, time.time(), "Alma named it", instance_id="7"))
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


def main() -> None:
    """Measure, and print a table in Markdown."""
    with tempfile.TemporaryDirectory() as target:
        directory = Path(target, "state", "ledger")
        Ledger(directory).records()
        bare = _fsync(Path(target))
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
        kept = len(Ledger(directory).records())
    failed = sum(process.exitcode != 0 for process in processes)
    print(f"{PROCESS_COUNT} processes, {kept} intentions of three commits each, {failed} processes failed.\n")
    print("| of one intention | seconds | times a bare fsync |\n|---|---:|---:|")
    for name, place_in in (("median", 0.5), ("99th percentile", 0.99), ("longest", 1.0)):
        found = seconds[min(int(len(seconds) * place_in), len(seconds) - 1)]
        print(f"| {name} | {found:.2f} | {found / bare:.0f} |")


if __name__ == "__main__":
    main()
