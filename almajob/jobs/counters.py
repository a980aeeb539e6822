"""The counters of a run's report as a mapping, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from almajob.alma.job_instances import Counter, Instance
from almajob.jobs.counter_conditions import CannotJudge, find_counters, read_number

Count = int | float | str
"""A number, or the words that Alma puts in its place."""


class Counters(Mapping[str, Count]):
    """The counters of a run's report, then the populations of an import.

    ``counters["asset_failed"]`` finds one as ``--fail-if`` does: by its code, the end of its code behind a
    full stop, or its text. Iteration names them by their codes. Where a report has several lines of one code,
    it is the first; ``run.instance.counters`` has all.
    """

    def __init__(self, report: Instance) -> None:
        self._report = report

    def __getitem__(self, name: str) -> Count:
        """Return the value of a counter.

        Raises:
            KeyError: there is none of that name, or several; it lists those that there are.
        """
        try:
            return _read(find_counters(name, self._report)[0])
        except CannotJudge as problem:
            raise KeyError(str(problem)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(counter.code or counter.text for counter in self._listed))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"Counters({dict(self)!r})"

    @property
    def _listed(self) -> tuple[Counter, ...]:
        return (*self._report.counters, *self._report.populations)


def _read(counter: Counter) -> Count:
    number = read_number(counter.value)
    if number is None:
        return counter.value
    return int(number) if number == number.to_integral_value() else float(number)
