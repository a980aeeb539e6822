"""The fixtures that come with almajob, in a test suite of somebody else."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import json
from datetime import UTC, datetime

import pytest

JOB = "ERP export using profile FINANCE"


def test_a_job_that_takes_eight_hours(alma, almajob):
    alma.set_ending(JOB, "COMPLETED_FAILED", seconds=8 * 3600)
    started = json.loads(almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json").stdout)
    alma.clock.advance(8 * 3600)
    done = almajob("--env", "sandbox", "status", "--id", started["instance_id"], "-f", "json")
    assert done.code == 0
    assert json.loads(done.stdout)["status"] == "COMPLETED_FAILED"
    assert alma.log.count("POST /conf/jobs/*") == 1


def test_the_environments_are_two(alma, almajob):
    assert almajob("--env", "production", "run", "--yes", "--job", JOB).code == 0
    assert len(alma.institution.production.runs()) == 1
    assert alma.institution.sandbox.runs() == []


def test_a_lost_answer_is_looked_for(alma, almajob):
    alma.faults.add("reset-after", "POST /conf/jobs/*")
    assert almajob("--env", "sandbox", "run", "--job", JOB).code == 0
    alma.faults.add("reset-before", "POST /conf/jobs/*")
    begun = alma.clock()
    done = almajob("--env", "sandbox", "run", "--job", JOB, "--if-running", "start")
    assert (done.code, done.stdout) == (9, "")
    assert "starts nothing before that is settled" in done.stderr
    assert alma.clock() - begun > 110


@pytest.mark.parametrize("alma_begins", [datetime(2026, 12, 31, 23, 58)])
def test_a_year_ends(alma, almajob):
    started = json.loads(almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json").stdout)
    assert started["submit_time"].startswith(datetime(2026, 12, 31, 23, 58).astimezone(UTC).isoformat()[:16])


def test_an_unused_fault_fails(alma):
    alma.faults.add("503", "GET /conf/never")


def test_an_unexpected_call_fails(alma):
    import urllib.error, urllib.request

    try:
        urllib.request.urlopen(alma.base_url + "/almaws/v1/users")
    except urllib.error.HTTPError:
        pass
"""


def test_the_fixtures_work_in_any_suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by pytest itself; unexpected calls and unused faults fail the test that made them."""
    for name in list(os.environ):
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=6, errors=2)
    told = result.stdout.str()
    assert "faults that never happened: ['503 on GET /conf/never']" in told
    assert "calls that the simulator does not know: ['GET /users']" in told
