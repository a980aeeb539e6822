"""What a history of 88 jobs and 30 days costs: python -m tests.benchmarks.history."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from almajob.jobs.histories import EndRecords
from almajob.jobs.history import Period
from tests.jobs.test_histories import DAY, open_desk


def main() -> None:
    """Print a table."""
    with open_desk() as desk:
        desk.fill(30)
        since = Period(datetime.fromtimestamp(desk.world.clock() - 30 * DAY, UTC))
        records = EndRecords(0.0, time.time(), [])
        print(f"{len(desk.jobs)} jobs, 30 days, {len(desk.world.runs()):,} runs")
        print("| | calls | seconds |\n|---|---:|---:|")
        ways: dict[str, dict[str, Any]] = {
            "the first time": {},
            "again": {},
            "with a listener": {"records": records},
        }
        for name, more in ways.items():
            begun = time.perf_counter()
            calls = desk.count(partial(desk.read, wanted=since, **more))
            print(f"| {name} | {calls} | {time.perf_counter() - begun:.2f} |")
        desk.close()
        size = sum(path.stat().st_size for path in desk.database.parent.iterdir())
        print(f"The cache has {size / 2**20:.1f} MiB.")


if __name__ == "__main__":
    main()
