"""How long a report takes and how large it is: ``python -m tests.benchmarks.report``.

Printed, and compared with JSON of the same runs in the same process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from almajob.report.page import render
from almajob.report.views import report_values
from tests.support import reported_runs

KIB = 1024
ROUNDS = 3


def _best(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def main() -> None:
    """Measure, and print a table in Markdown."""
    print("| runs | page, KiB | bytes a run | facts, s | page, s | JSON, s | page to JSON |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count, days in ((566, 30), (7000, 90), (100_000, 365)):
        runs = reported_runs.make_runs(count, days=days)
        with mock.patch.object(reported_runs, "make_runs", return_value=runs):
            facts = reported_runs.make_facts(count, days=days)
            of_facts = _best(lambda: reported_runs.make_facts(count, days=days))  # noqa: B023
        values = [getattr(each, "machine_readable", lambda: None)() for each in report_values(facts)]
        size = len(render([facts]).encode())
        of_page = _best(lambda: render([facts]))  # noqa: B023
        of_json = _best(lambda: json.dumps(values))  # noqa: B023
        print(
            f"| {len(facts.runs):,} | {size / KIB:,.0f} | {size / len(facts.runs):.0f} "
            f"| {of_facts:.3f} | {of_page:.3f} | {of_json:.3f} | {of_page / of_json:.1f} |"
        )


if __name__ == "__main__":
    main()
