"""Runs, as commands and plugins use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug import Response

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import Code
from almajob.errors import Refused
from almajob.jobs.job_lookup import Catalogue
from almajob.jobs.status_descriptions import StatusTable
from almajob.runs.run_service import Runs
from almajob.runs.start.start_service import Starts
from almajob.store.cache import Cache
from almajob.store.ledger import Ledger
from tests.runs.conftest import LAB
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, answer, error, instance, job, started

ERP = job("S1", "ERP export")


@pytest.fixture
def runs(alma: FakeAlma, ledger: Ledger, tmp_path: Path) -> Iterator[Runs]:
    cache = Cache(tmp_path / "cache")
    connection = Alma(Session(alma.url, Key(KEY)))
    alma.jobs([ERP])
    alma.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    catalogue = Catalogue(lambda: connection, cache, environment="lab", identity="x", refresh=False)
    table = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    starts = Starts(lambda: connection, lambda: catalogue, ledger, lambda: LAB, environment="lab")
    yield Runs(lambda: connection, starts, table, environment="lab")
    cache.close()
    connection.close()


def test_a_started_run_is_shown_as_alma_shows_it(alma: FakeAlma, runs: Runs) -> None:
    """With its status, and the table's description."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on("GET /jobs/S1/instances/77", instance("77", ERP, "QUEUED"))
    run = runs.start("ERP export")
    assert (run.instance.id, run.instance.status.value, run.description) == (
        "77",
        "QUEUED",
        "Queued (from the table)",
    )


@pytest.mark.parametrize("trouble", [answer(error("402218"), 400), Response("<html>", 200), answer({}, 500)])
def test_after_a_start_nothing_reports_failure(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture, trouble: Response
) -> None:
    """A status that cannot be seen is a warning; the run is named all the same."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on("GET /jobs/S1/instances/77", trouble)
    run = runs.start("S1")
    assert run.instance.id == "77"
    assert run.instance.submit_time is not None
    assert run.description == ""
    assert "The job was started; its status cannot be seen just now" in caplog.text


def test_another_runs_success_is_not_this_ones(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers about another run are no answers, at the start and while waiting."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on(
        "GET /jobs/S1/instances/77",
        *[instance("78", ERP, "COMPLETED_SUCCESS")] * 3,
        instance("77", ERP, "FAILED", job_info={}),
    )
    ended = runs.follow(runs.start("S1"))
    assert (ended.instance.id, ended.instance.status.value) == ("77", "FAILED")
    assert ended.verdict is not None
    assert "is about run 78" in caplog.text
    assert {call for call in alma.calls() if "instances/" in call} == {"GET /jobs/S1/instances/77"}


def test_a_start_is_told_even_where_the_work_on_it_breaks_off(
    alma: FakeAlma, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C, SIGTERM or a bug, just after Alma confirmed: the run is named."""
    alma.on("POST /jobs/S1", started(ERP, "77"))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("almajob.alma.client.Alma.instance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.start("S1")
    assert "Resume: almajob --env lab wait --id 77" in caplog.text


def test_a_run_of_another_job_by_id_is_told_apart_from_no_run(alma: FakeAlma, runs: Runs) -> None:
    """Alma says the same of both."""
    alma.on("GET /jobs/M9/instances/77", error("402218"), status=400)
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    with pytest.raises(Refused, match="is not of the job 'M9'"):
        runs.look("77", "M9")


def test_a_job_that_cannot_be_checked_is_said_so(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Alma's answer leaves out which job it is."""
    alma.on("GET /jobs/ALL/instances/77", {"id": "77", "status": {"value": "RUNNING"}})
    assert runs.look("77", "ERP export").instance.id == "77"
    assert "is not checked" in caplog.text


def test_a_run_is_followed_and_judged(alma: FakeAlma, runs: Runs) -> None:
    """By the job and id that started it."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on("GET /jobs/S1/instances/77", instance("77", ERP, "COMPLETED_FAILED"))
    ended = runs.follow(runs.start("S1"))
    assert ended.verdict is not None
    assert "Completed with Errors (from the table)" in str(ended.verdict)


def test_an_interrupted_wait_says_how_to_go_on(
    alma: FakeAlma, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The job does not stop with almajob."""
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    alma.on("GET /jobs/S1/instances/77", instance("77", ERP, "RUNNING"))
    run = runs.look("77")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("almajob.runs.wait.poller.Poller.follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.follow(run)
    assert "The job goes on in Alma. Resume: almajob --env lab wait --id 77" in caplog.text


@pytest.mark.parametrize(
    ("named", "call"),
    [
        (None, "GET /jobs/ALL/instances/77"),
        ("S1", "GET /jobs/S1/instances/77"),
        ("ERP export", "GET /jobs/ALL/instances/77"),
    ],
)
def test_a_look_is_one_call_however_the_job_is_named(
    alma: FakeAlma, runs: Runs, named: str | None, call: str
) -> None:
    """No list is read for it; the code table comes once a day."""
    alma.on(call, instance("77", ERP, "RUNNING"))
    runs.look("77", named)
    assert alma.calls() == [call, "GET /code-tables/systemJobStatus"]
    runs.look("77", named)
    assert alma.calls()[2:] == [call]


def test_a_run_of_another_job_is_not_shown_as_this_ones(alma: FakeAlma, runs: Runs) -> None:
    """The name that was given is compared with what Alma says."""
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    with pytest.raises(Refused, match="is not of the job 'Other'") as caught:
        runs.look("77", "Other")
    assert "'ERP export' (S1)" in str(caught.value)


def test_descriptions_come_from_the_table_then_the_answer_then_from_here(
    alma: FakeAlma, tmp_path: Path
) -> None:
    """A table that cannot be read is no reason to fail."""
    connection = Alma(Session(alma.url, Key(KEY)))
    cache = Cache(tmp_path / "cache2")
    alma.on("GET /code-tables/systemJobStatus", error("40166411"), status=400)
    table = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    assert table.description(Code("FAILED", "Schlug fehl")) == "Schlug fehl"
    assert table.description(Code("FAILED")) == "Failed"
    assert table.description(Code("BRAND_NEW")) == ""
    assert len(alma.calls()) == 1
    alma.on(
        "GET /code-tables/systemJobStatus", {"row": [{"code": "FAILED", "description": "From the table"}]}
    )
    fresh = StatusTable(lambda: connection, cache, identity="x", refresh=True)
    assert fresh.description(Code("FAILED", "Schlug fehl")) == "From the table"
    kept = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    assert kept.description(Code("FAILED")) == "From the table"
    assert len(alma.calls()) == 2
    alma.on("GET /code-tables/systemJobStatus", {"total_record_count": 0})
    assert (
        StatusTable(lambda: connection, cache, identity="y", refresh=False).description(Code("FAILED"))
        == "Failed"
    )
    cache.close()
    connection.close()
