"""The n-th operation fails: never a second start, never a wrong exit code, never a traceback, never silence.

As curl's own tests do. Each command runs once for each of its operations and each way of failing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from almajob.runs.evidence.start_outcome import Outcome
from almajob.store.ledger.record import State
from tests.support.thoroughness import sample
from tests.whole.torture import KINDS, Step, Torture
from tests.whole.tortured import SUBJECTS, Bench, bench, play, steps_of

TESTED = Path(__file__).parents[2] / "docs" / "how-it-is-tested.md"

Choice = Callable[[Sequence[tuple[int, Step]]], Sequence[tuple[int, Step]]]
_LIST_FROM_ALMA = """
    close 7, commit 1, connect 2, directory 2, lock 2, look 16, open 8, read 4, receive 5, rename 1,
    send 2, sql 34, sync 1, thread 3, write 4"""
_RUN = """
    close 17, commit 5, connect 3, directory 4, lock 12, look 28, open 19, read 4, receive 5, rename 3,
    send 6, sql 42, sync 2, thread 5, write 10"""
_WAIT_AFTER_RUN = """
    close 1, commit 2, connect 3, directory 1, look 1, open 1, read 1, receive 3, rename 1, send 3, sync 1,
    thread 5, write 1"""
_WAIT = """
    close 7, commit 1, connect 1, lock 4, look 18, open 8, read 4, receive 4, send 4, sql 11, thread 4,
    write 3"""


def _counts(text: str) -> dict[str, int]:
    return {kind: int(count) for kind, count in re.findall(r"(\w+)\s+(\d+)", text)}


FEWEST: dict[str, dict[str, int]] = {
    "list, nothing cached": _counts(_LIST_FROM_ALMA),
    "list, from the cache": _counts("close 2, look 7, open 3, read 2, sql 5, write 1"),
    "run": _counts(_RUN),
    "run --wait": _counts(_WAIT_AFTER_RUN),
    "wait": _counts(_WAIT),
}
"""How many operations of each kind a command has at least; where there are fewer, some are not seen."""


class Walks:
    """The walks through the operations of the commands, on one bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._steps: dict[str, list[Step]] = {}

    def steps(self, name: str) -> list[Step]:
        """Return the operations of a command; of ``run --wait`` only those that ``run`` does not have."""
        if name not in self._steps:
            known = set(self.steps("run")) if name == "run --wait" else set()
            found = steps_of(self.bench, SUBJECTS[name])
            self._steps[name] = [step for step in found if step not in known]
        return self._steps[name]

    def walk(self, name: str, kind: str, choose: Choice = list) -> Counter[int]:
        """Make operations of a kind fail at every moment; count the exit codes.

        Args:
            name: the command.
            kind: of the operations.
            choose: which of them fail; all where it is not given.

        Raises:
            AssertionError: a command does not hold; a note says which operation failed, and when.
        """
        codes: Counter[int] = Counter()
        steps = [step for step in self.steps(name) if step.kind == kind]
        for moment in KINDS[kind].moments:
            for turn, step in choose(list(enumerate(steps))):
                torture = Torture(step, moment, turn)
                try:
                    ended = play(self.bench, SUBJECTS[name], torture)
                except Exception as error:
                    error.add_note(f"{moment} the {kind} number {turn + 1} of {len(steps)}: {step.lines}")
                    raise
                codes[ended.code] += torture.is_met
        return codes


def figures() -> list[tuple[str, int, Counter[int]]]:
    """Count for each command: its operations, and with which exit codes it ends where they fail."""
    rows = []
    with bench() as made:
        walks = Walks(made)
        for name in SUBJECTS:
            codes: Counter[int] = Counter()
            for kind in KINDS:
                codes += walks.walk(name, kind)
            rows.append((name, len(walks.steps(name)), codes))
    return rows


@pytest.fixture(scope="module")
def walks() -> Iterator[Walks]:
    with bench() as made:
        yield Walks(made)


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in FEWEST.items() for kind in kinds])
def test_whatever_fails_the_command_holds(walks: Walks, name: str, kind: str) -> None:
    """At most one run, an exit code that is true, words for it; the same command then ends with the run."""
    codes = walks.walk(name, kind, sample)
    print(f"{name}, {kind}: {codes.total()} failures, exit codes {dict(sorted(codes.items()))}")
    assert codes.total() >= len(sample(range(FEWEST[name][kind]))) * len(KINDS[kind].moments)


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_operation_is_left_out(walks: Walks, name: str) -> None:
    """A kind that a command has is one of those above."""
    assert {step.kind for step in walks.steps(name)} == set(FEWEST[name])


def test_the_docs_tell_how_many_there_are(walks: Walks) -> None:
    """python -m tests.tools.generated_docs --measured counts; a quarter off is other versions' doing."""
    part = TESTED.read_text("utf-8").split("<!-- torture: ")[1].split("<!-- end of torture -->")[0]
    told = {name: int(count) for name, count in re.findall(r"^\| `([^|]+)` \| (\d+) \|", part, re.MULTILINE)}
    assert told == {name: pytest.approx(len(walks.steps(name)), rel=0.25) for name in SUBJECTS}


def test_the_torture_can_fail(walks: Walks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start without an answer that counts as not made is denied, and then made twice."""
    assert walks.steps("run")
    monkeypatch.setattr(
        "almajob.runs.start.submit.judge",
        lambda _job, error: Outcome(State.NOT_STARTED, "no answer", error=error),
    )
    with pytest.raises(AssertionError):
        walks.walk("run", "receive")
