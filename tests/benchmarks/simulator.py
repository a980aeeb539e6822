"""How fast the simulator answers: ``python -m tests.benchmarks.simulator``.

Printed, and compared with the smallest answer that the same server can give in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import requests

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules

HEADERS = {"Authorization": "apikey simulator-sandbox-key", "Accept": "application/json"}
ERP = "S9563600010000561"


def _milliseconds(ask: Callable[[], object], rounds: int = 50) -> tuple[float, float]:
    ask()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begun) * 1000)
    return min(taken), statistics.median(taken)


def main() -> None:
    """Measure, and print a table in Markdown."""
    clock = Clock(0, 1_760_000_000.0)
    institution = Institution(clock, Rules(thresholds=False), job_count=10_000)
    world = institution.sandbox
    job = next(item for item in world.jobs if item.id == ERP)
    for _ in range(100_000):
        world.submit(job, [])
    clock.advance(86400)
    with Simulator(institution) as running, requests.Session() as session:

        def get(path: str) -> Callable[[], requests.Response]:
            return lambda: session.get(
                f"{running.base_url}/almaws/v1/conf{path}", headers=HEADERS, timeout=30
            )

        cases = {
            "smallest answer (conf/test)": get("/test"),
            "first page of 100 of 10,000 jobs": get("/jobs?limit=100"),
            "last page of 100 of 10,000 jobs": get("/jobs?limit=100&offset=9900"),
            "first page of 100 of 100,000 instances": get(f"/jobs/{ERP}/instances?limit=100"),
            "last page of 100 of 100,000 instances": get(f"/jobs/{ERP}/instances?limit=100&offset=99900"),
            "the same, by status": get(f"/jobs/{ERP}/instances?limit=100&status=COMPLETED_SUCCESS"),
            "the same, by day": get(f"/jobs/{ERP}/instances?limit=100&submit_date_from=2025-10-09"),
            "one of 100,000 instances": get(f"/jobs/ALL/instances/{world.runs()[50_000].id}"),
        }
        measured = {name: _milliseconds(ask) for name, ask in cases.items()}
        smallest = measured["smallest answer (conf/test)"][0]
        print("| answer | best, ms | median, ms | times the smallest |\n|---|---:|---:|---:|")
        for name, (best, median) in measured.items():
            print(f"| {name} | {best:.1f} | {median:.1f} | {best / smallest:.1f} |")
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < 5:
            cases["one of 100,000 instances"]()
            count += 1
        print(f"\nOne client, one connection, five seconds: {count / 5:.0f} requests a second.")


if __name__ == "__main__":
    main()
