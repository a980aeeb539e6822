"""The plugin's own tests, with what almajob brings for them."""

from __future__ import annotations

import pytest
from almajob_good import Hello, Nightly, Remember  # type: ignore[import-not-found]

from almajob.testing import RunAlmajob, SimulatedAlma, check_command

JOB = "ERP export using profile FINANCE"


@pytest.mark.parametrize("command", [Hello, Nightly, Remember])
def test_the_rules_are_kept(command: type) -> None:
    check_command(command)


def test_jobs_are_greeted(almajob: RunAlmajob) -> None:
    done = almajob("--env", "sandbox", "hello", "--at-most", "1", "-f", "json")
    (greeted,) = done.json
    assert greeted["greeting"] == "Hello, 00806748 test!"


@pytest.mark.parametrize(("status", "code"), [("COMPLETED_SUCCESS", 0), ("COMPLETED_FAILED", 3)])
def test_a_job_is_waited_for(alma: SimulatedAlma, almajob: RunAlmajob, status: str, code: int) -> None:
    alma.set_ending(JOB, status, seconds=8 * 3600)
    done = almajob("--env", "sandbox", "nightly", JOB, "-f", "json")
    assert (done.code, done.json["status"]) == (code, status)
    assert almajob("--env", "sandbox", "nightly", JOB).code == code
    assert alma.log.count("POST /conf/jobs/*") == 1


def test_a_word_is_remembered(almajob: RunAlmajob) -> None:
    assert almajob("remember", "colour").code == 5
    assert almajob("remember", "colour", "green").code == 0
    assert almajob("remember", "colour", "-f", "value", "-c", "word").stdout == "green\n"
