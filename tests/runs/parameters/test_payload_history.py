"""What a job was started with is what its next payload is compared with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from almajob.alma.models import Code, Job, Parameter
from almajob.errors import Refused
from almajob.runs.parameters import payload_history
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.parameters.payload_history import KnownPayload
from almajob.store.ledger.ledger import Ledger
from tests.support.ledgers import open_ledger
from tests.support.real_payloads import PAYLOADS

EXPORT = Job("M44", "Export records", Code("MANUAL"))
LAST = PAYLOADS["M44"]


def _known(*payloads: tuple[Parameter, ...]) -> KnownPayload:
    with tempfile.TemporaryDirectory() as directory:
        ledger = open_ledger(Path(directory) / "ledger")
        for sent in payloads:
            payload_history.remember(ledger, "sandbox", "M44", sent)
        found = payload_history.recall(ledger, "sandbox", "M44")
    assert found is not None
    return found


def _refuse(parameters: tuple[Parameter, ...], *earlier: tuple[Parameter, ...], job: Job = EXPORT) -> None:
    known = _known(*earlier) if earlier else None
    payload_history.refuse_unlike(Parameters.of(parameters, "x.xml"), known, job, "almajob --env sandbox")


@pytest.mark.parametrize("job_id", PAYLOADS)
def test_what_was_kept_is_given_back(ledger: Ledger, job_id: str) -> None:
    """Whole and in order, for each environment and job; of another, nothing."""
    payload_history.remember(ledger, "sandbox", job_id, PAYLOADS[job_id])
    found = payload_history.recall(ledger, "sandbox", job_id)
    assert found is not None
    assert found.last == PAYLOADS[job_id]
    assert payload_history.recall(ledger, "production", job_id) is None
    assert payload_history.recall(ledger, "sandbox", f"{job_id}0") is None
    _refuse(PAYLOADS[job_id], PAYLOADS[job_id])


def test_a_start_without_parameters_says_nothing_of_them(ledger: Ledger) -> None:
    """What was known stays known."""
    payload_history.remember(ledger, "sandbox", "M44", LAST)
    payload_history.remember(ledger, "sandbox", "M44", ())
    found = payload_history.recall(ledger, "sandbox", "M44")
    assert found is not None
    assert found.last == LAST


def test_a_ledger_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    """The start stands."""
    (tmp_path / "file").write_text("")
    payload_history.remember(open_ledger(tmp_path / "file" / "ledger"), "sandbox", "M44", LAST)


@pytest.mark.parametrize(
    "kept", [[["a", "b"]], "x", 7, {}, {"last": [["a"]], "may_be_empty": {}}, {"last": 7, "may_be_empty": []}]
)
def test_what_cannot_be_read_is_not_known(ledger: Ledger, kept: object) -> None:
    """As another almajob may have kept it; the next start puts it right."""
    ledger.keep_fact("payload:sandbox:M44", kept)
    assert payload_history.recall(ledger, "sandbox", "M44") is None
    payload_history.remember(ledger, "sandbox", "M44", LAST)
    found = payload_history.recall(ledger, "sandbox", "M44")
    assert found is not None
    assert found.last == LAST


def test_a_misspelled_name_is_told_with_what_was_meant() -> None:
    """Whatever its case, and with what to type."""
    for name in ("task_ExportBibParams_outputFromat_string", "TASK_exportbibparams_outputformat_string"):
        with pytest.raises(Refused, match="had a parameter of this name; nothing was sent") as caught:
            _refuse((LAST[0]._replace(name=name), *LAST[1:]), LAST)
        assert caught.value.reason == f"{name}, did you mean {LAST[0].name}?"
        assert "almajob --env sandbox params M44" in caught.value.hint
        assert "--allow-unknown" in caught.value.hint


def test_many_names_are_counted() -> None:
    """The message stays one."""
    many = tuple(Parameter(f"other_{number}", "") for number in range(12))
    with pytest.raises(Refused, match="of these 12 names") as caught:
        _refuse((*LAST, *many), LAST)
    assert "and 9 more" in caught.value.reason


def test_a_payload_that_lost_its_set_is_refused() -> None:
    """An export of everything is not what was meant."""
    with pytest.raises(Refused, match="had a set, and this one has none"):
        _refuse(LAST[:3], LAST)


def test_a_value_that_every_earlier_payload_had_must_not_be_empty() -> None:
    """A variable of a script that is not set; where an earlier one was empty, too, nobody minds."""
    emptied = (LAST[0]._replace(value=""), *LAST[1:])
    with pytest.raises(Refused, match=f"Earlier payloads of M44 had a value for {LAST[0].name}"):
        _refuse(emptied, LAST, LAST)
    with pytest.raises(Refused, match="had a value for"):
        _refuse((LAST[0]._replace(value=" "), *LAST[1:]), LAST)
    _refuse(emptied, LAST, emptied, LAST)
    _refuse(emptied, LAST[1:], LAST)
    _refuse((LAST[0]._replace(value="Null"), *LAST[1:]), LAST)
    blank = (LAST[0]._replace(value=" "), *LAST[1:])
    _refuse(blank, blank)


def test_runs_with_different_parameters_do_not_hinder_one_another() -> None:
    """What any earlier start had is known, whatever the last one had."""
    few = (LAST[0], LAST[-2])
    _refuse(LAST, LAST, few)
    _refuse(few, LAST, few, LAST)


def test_a_set_and_a_name_tell_nothing_of_a_job() -> None:
    """Every manual job takes them: the first whole payload is compared with nothing."""
    _refuse(LAST, PAYLOADS["M50173"])
    _refuse((Parameter("anything", ""),))
    with pytest.raises(Refused, match="had a set, and this one has none"):
        _refuse(LAST[:3], PAYLOADS["M50173"])
    _refuse((LAST[0], Parameter("set_id", "7")), LAST)


def test_a_job_that_is_not_manual_takes_no_parameters() -> None:
    """They would be ignored, and what was meant would not be done."""
    scheduled = EXPORT._replace(type=Code("SCHEDULED"))
    _refuse((), job=scheduled)
    with pytest.raises(Refused, match="takes no parameters; nothing was sent"):
        _refuse((Parameter("set_id", "7"),), job=scheduled)
