"""A ledger as one text that a program keeps: what starts rely on, whatever keeps the text."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

import almajob as library
from almajob.errors import AlmajobError, JobBusy, OutcomeUnknown, Refused
from almajob.plugin import Context, Parameter, StartOptions
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.text_place import TextPlace
from almajob.testing import SimulatedAlma
from tests.store.ledger.everything import fill
from tests.support.ledgers import list_records
from tests.support.thoroughness import sample

ERP = "ERP export using profile FINANCE"
MANUAL = "Export Bibliographic records"
_STARTS = "POST /conf/jobs/*"
_KEY = StartOptions(run_key="task", allow_unknown=True)


class _Death(BaseException):
    """The process is killed."""


@dataclass
class Text:
    """What a program keeps; each version of it that was written.

    Attributes:
        before: called before each write, with its number.
    """

    versions: list[str] = field(default_factory=lambda: [""])
    before: Callable[[int], None] = lambda _number: None

    def read(self) -> str:
        return self.versions[-1]

    def write(self, text: str) -> None:
        self.before(len(self.versions))
        self.versions.append(text)


def _connect(simulated: SimulatedAlma, text: Text) -> Context:
    settings = {"base_url": simulated.base_url, "api_key": "simulator-sandbox-key"}
    return library.connect("sandbox", settings=settings, ledger=text)


def _start(simulated: SimulatedAlma, text: Text, job: str = ERP, run_key: str = "task") -> str:
    parameters = [] if job == ERP else [Parameter("set_id", _find_set(simulated))]
    with _connect(simulated, text) as alma:
        return alma.runs.start(job, parameters, replace(_KEY, run_key=run_key)).instance.id


def _find_set(simulated: SimulatedAlma) -> str:
    return next(each.id for each in simulated.institution.sandbox.sets if each.content == "BIB_MMS")


def test_records_are_there_for_whoever_reads_the_text() -> None:
    """All of them, from one text; what only reads writes nothing."""
    text = Text()
    made = fill(Ledger(TextPlace(text)), 5)
    written = len(text.versions)
    assert list_records(Ledger(TextPlace(text))) == made
    assert len(text.versions) == written


@pytest.mark.parametrize("damage", ["[]", "{", '{"a": 1}', None])
def test_a_damaged_text_starts_nothing(simulated: SimulatedAlma, damage: str | None) -> None:
    """Of whatever kind the damage is; None is a store that fails."""
    text = Text()
    _start(simulated, text)
    kept = text.read()
    if damage is None:
        text.read = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    elif damage == '{"a": 1}':
        text.versions.append(kept.replace("STARTED", "STARTER"))
    else:
        text.versions.append(damage)
    with pytest.raises(LedgerUnusable, match="cannot be used"):
        _start(simulated, text)
    assert simulated.log.count(_STARTS) == 1


def test_what_cannot_be_written_is_not_sent(simulated: SimulatedAlma) -> None:
    """A store that fails before the request leaves."""

    def fail(_number: int) -> None:
        raise ConnectionError("the store is away")

    with pytest.raises(LedgerUnusable) as refused:
        _start(simulated, Text(before=fail))
    assert refused.value.reason.startswith("The store is away.")
    assert simulated.log.count(_STARTS) == 0


@pytest.mark.parametrize("job", [ERP, MANUAL])
def test_who_dies_at_a_write_finds_the_run_again(simulated: SimulatedAlma, job: str) -> None:
    """At each of them, before it is done: the next process with the text sends no second start."""
    reference = Text()
    _start(simulated, reference, job)
    simulated.clock.advance(86400 * 3)
    assert len(reference.versions) > 4
    for number in sample(range(1, len(reference.versions))):
        before, run_key = simulated.log.count(_STARTS), f"task {number}"

        def die(reached: int, number: int = number) -> None:
            if reached == number:
                raise _Death

        text = Text(before=die)
        with pytest.raises(_Death):
            _start(simulated, text, job, run_key)
        text.before = lambda _number: None
        simulated.clock.advance(60)
        for _ in range(3):
            try:
                _start(simulated, text, job, run_key)
            except OutcomeUnknown as unknown:
                if unknown.candidates:
                    # Nothing of the only run that fits proves that it is this one.
                    with _connect(simulated, text) as alma:
                        alma.runs.resolve_start(run_key, unknown.candidates[0], by="somebody")
                simulated.clock.advance(4000)
        assert simulated.log.count(_STARTS) == before + 1
        simulated.clock.advance(86400 * 3)


def test_the_only_run_that_fits_is_never_taken_for_ours(simulated: SimulatedAlma) -> None:
    """In a sandbox, too: others start the same job with texts of their own. A tag proves it."""
    simulated.faults.add("reset-after", _STARTS)
    with pytest.raises(OutcomeUnknown) as unknown:
        _start(simulated, Text())
    (run,) = simulated.institution.sandbox.runs("S9563600010000561")
    assert unknown.value.candidates == (run.id,)
    simulated.faults.add("reset-after", _STARTS)
    assert _start(simulated, Text(), MANUAL)


def test_a_person_says_what_became_of_a_start(simulated: SimulatedAlma) -> None:
    """It was not started, so it may be; a run that is known is nobody else's."""
    text = Text()
    simulated.faults.add("reset-after", _STARTS)
    with _connect(simulated, text) as alma:
        with pytest.raises(OutcomeUnknown) as unknown:
            alma.runs.start(ERP, options=_KEY)
        alma.runs.resolve_start("task", by="somebody")
        with pytest.raises(Refused, match="is not unknown"):
            alma.runs.resolve_start("task", unknown.value.candidates[0], by="somebody")
        simulated.clock.advance(86400)
        assert alma.runs.start(ERP, options=_KEY).instance.id not in unknown.value.candidates
    assert simulated.log.count(_STARTS) == 2


def test_threads_take_turns_and_do_not_wait_for_ever() -> None:
    """One lock for each name, in this process."""
    locks = TextPlace(Text()).locks
    with locks.lock("job", 0), locks.lock("other", 0):
        raised: list[AlmajobError] = []

        def take() -> None:
            try:
                with locks.lock("job", 0):
                    pass
            except JobBusy as busy:
                raised.append(busy)

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        assert len(raised) == 1
    with locks.lock("job", 0):
        pass
