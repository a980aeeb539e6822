"""What a job was started with last is what its next payload is compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from almajob.alma.models import Code, Job, Parameter
from almajob.errors import Refused
from almajob.runs import lastpayload
from almajob.runs.parameters import Parameters
from almajob.store.ledger import Ledger
from tests.runs.realpayloads import PAYLOADS

EXPORT = Job("M44", "Export records", Code("MANUAL"))
LAST = PAYLOADS["M44"]


def _refuse(
    parameters: tuple[Parameter, ...], last: tuple[Parameter, ...] | None = LAST, job: Job = EXPORT
) -> None:
    lastpayload.refuse_unlike(Parameters.of(parameters, "x.xml"), last, job, environment="sandbox")


@pytest.mark.parametrize("job_id", PAYLOADS)
def test_what_was_kept_is_given_back(ledger: Ledger, job_id: str) -> None:
    """Whole and in order, for each environment and job; of another, nothing."""
    lastpayload.remember(ledger, "sandbox", job_id, PAYLOADS[job_id])
    assert lastpayload.recall(ledger, "sandbox", job_id) == PAYLOADS[job_id]
    assert lastpayload.recall(ledger, "production", job_id) is None
    assert lastpayload.recall(ledger, "sandbox", f"{job_id}0") is None
    _refuse(PAYLOADS[job_id], lastpayload.recall(ledger, "sandbox", job_id))


def test_a_start_without_parameters_says_nothing_of_them(ledger: Ledger) -> None:
    """What was known stays known."""
    lastpayload.remember(ledger, "sandbox", "M44", LAST)
    lastpayload.remember(ledger, "sandbox", "M44", ())
    assert lastpayload.recall(ledger, "sandbox", "M44") == LAST


def test_a_ledger_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    """The start stands."""
    (tmp_path / "file").write_text("")
    lastpayload.remember(Ledger(tmp_path / "file" / "ledger"), "sandbox", "M44", LAST)


def test_a_misspelled_name_is_told_with_what_was_meant() -> None:
    """With its source, and what to type."""
    wrong = replace(LAST[0], name="task_ExportBibParams_outputFromat_string")
    with pytest.raises(Refused, match="had no parameter of this name; nothing was sent") as caught:
        _refuse((wrong, *LAST[1:]))
    assert f"{wrong.name} (x.xml), did you mean {LAST[0].name}?" in caught.value.why
    assert "--allow-unknown" in caught.value.cure
    assert "almajob --env sandbox params M44" in caught.value.cure


def test_many_names_are_counted() -> None:
    """The message stays one."""
    many = tuple(Parameter(f"other_{number}", "") for number in range(12))
    with pytest.raises(Refused, match="of these 12 names") as caught:
        _refuse((*LAST, *many))
    assert "and 7 more" in caught.value.why


def test_a_payload_that_lost_its_set_is_refused() -> None:
    """An export of everything is not what was meant."""
    with pytest.raises(Refused, match="had a set, and this one has none"):
        _refuse(LAST[:3])


def test_a_part_of_the_last_one_is_enough() -> None:
    """Alma takes a part, and a set and a name for the run are always known."""
    _refuse((LAST[0], Parameter("set_id", "7")))
    _refuse((*PAYLOADS["M50173"], Parameter("a", "")), (Parameter("a", ""),))
    _refuse((Parameter("anything", ""),), None)


def test_a_job_that_is_not_manual_takes_no_parameters() -> None:
    """They would be ignored, and what was meant would not be done."""
    scheduled = replace(EXPORT, type=Code("SCHEDULED"))
    _refuse((), None, scheduled)
    with pytest.raises(Refused, match="takes no parameters; nothing was sent"):
        _refuse((Parameter("set_id", "7"),), None, scheduled)
