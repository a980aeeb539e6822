"""Any bytes that Alma could answer are what was asked for, or an error, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

from almajob.alma import pagination
from almajob.alma.client import Alma
from almajob.alma.http import body_parser
from almajob.alma.http.error_responses import error_in
from almajob.alma.http.response import Reading, clock_of
from almajob.alma.http.session import Session
from almajob.alma.job_instances import Instance, Submission
from almajob.alma.models import JobFilter
from almajob.errors import AlmajobError
from almajob.jobs import counter_conditions
from almajob.jobs.condition_parser import parse as parse_condition
from almajob.runs.evidence.start_outcome import judge
from almajob.store.ledger.record import State
from almajob.text import time_format
from almajob.text.busy import show_nothing
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried
from tests.support.fake_alma import STATUS_TABLE, error, instance, job, started

JOB = job("M44", "Export")
RUN = instance(
    "77",
    JOB,
    "COMPLETED_SUCCESS",
    start_time="2025-10-05T09:11:33Z",
    end_time="2025-10-05T09:12:00.1Z",
    alert=[{"value": "alert_general_success", "desc": "ok"}],
    counter=[{"type": {"value": "c.jobs.bib", "desc": "Bib"}, "value": "12"}],
)
REAL: Sequence[Any] = (
    JOB,
    {"job": [job(f"M{number}", "A job") for number in range(12)], "total_record_count": 24},
    RUN,
    {"job_instance": [RUN, {**RUN, "id": "78"}], "total_record_count": 2},
    started(JOB, "77"),
    error("402216"),
    {"web_service_result": error("UNAUTHORIZED")},
    STATUS_TABLE,
    {"environment_type": {"value": "SANDBOX"}, "institution": {"value": "01X", "desc": "X"}},
    {"id": "1", "name": "S", "content": {"value": "ITEM"}, "number_of_members": {"value": 3, "link": "x"}},
    {"set": [{"id": "1", "name": "S"}], "total_record_count": 1},
    {"event": [{"id": "1", "entity": {"value": "u"}, "message": {"desc": "no"}}], "total_record_count": 1},
    {"match": [{"incoming_record_id": "5", "mms_ids": "99,98"}], "total_record_count": 1},
    {"test": "GET - OK; institutionCode: 01X;"},
)
NAMES = (
    *("id", "name", "value", "desc", "job", "job_instance", "job_info", "status", "type"),
    *("total_record_count", "row", "submit_time", "start_time", "end_time", "counter", "alert"),
    *("additional_info", "link", "errorsExist", "error", "errorList", "errorCode", "errorMessage"),
    *("trackingId", "web_service_result", "progress", "set", "event", "match", "mms_ids", "message"),
    *("entity", "code", "description", "institution", "environment_type", "", "\ud800", "é"),
)
SCALARS: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 10**30, -0.0, 1e308, float("inf"), float("nan"), "M44", "77", "RUNNING"),
    *("FAILED", "2025-10-05T09:11:32.592Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("20251005T", [], {}, "/almaws/v1/conf/jobs/M44/instances/77", "402222", "DAILY_THRESHOLD"),
    *("triggered on Sun, 05 Oct 2025 09:11:32",),
    *NASTY,
)
STATUSES = (200, 200, 200, 200, 204, 302, 400, 401, 404, 429, 500, 503)
_NOW = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


@dataclass
class _Answering:
    """A session with an Alma that gives one answer to everything."""

    status: int
    body: bytes
    calls: int = 0
    url: str = "https://alma.invalid/almaws/v1"
    busy = staticmethod(show_nothing)

    def get(self, *_asked: object, **_how: object) -> Reading:
        self.calls += 1
        # A list of Alma's has a thousand pages at most, and is read twice at most.
        assert self.calls <= 2100
        found = error_in(self.status, self.body, "alma.invalid")
        if found is not None:
            raise found
        return Reading(body_parser.parse(self.body), *clock_of("Sun, 05 Oct 2025 09:11:32 GMT", 0.1))

    write = get


DAY = date(2025, 10, 5)
ASKED: Sequence[Callable[[Alma], Any]] = (
    lambda alma: alma.job("M44"),
    lambda alma: alma.jobs_page(JobFilter(), 0),
    lambda alma: pagination.read_jobs(alma, JobFilter()),
    lambda alma: alma.instance("77"),
    lambda alma: alma.look("77", patience=1.0)[0],
    lambda alma: alma.instances_page("M44", offset=0),
    lambda alma: pagination.read_instances(alma, "M44", since=DAY, until=DAY),
    lambda alma: alma.submit("M44"),
    lambda alma: alma.general(),
    lambda alma: alma.code_table("systemJobStatus"),
    lambda alma: alma.set("1"),
    lambda alma: alma.sets_page("", 0),
    lambda alma: list(pagination.read_pages(lambda offset: alma.events_page("77", offset), "events")),
    lambda alma: list(pagination.read_pages(lambda offset: alma.matches_page("7", "x", offset), "matches")),
    lambda alma: alma.test_read(),
    lambda alma: alma.call("GET", "/users"),
    lambda alma: list(alma.pages("/users")),
)


def _body(choices: Choices) -> bytes:
    how = choices.below(8)
    if how == 0:
        return choices.rest
    if how == 1:
        return ("{" + choices.text(('"a"', ":", ",", "{", "}", "[", "]", "1", "null", *NASTY), 30)).encode(
            "utf-8", "replace"
        )
    if how == 2:
        # The same again: as deep, or as long, as a hostile one.
        return choices.damaged(
            choices.one_of((b'{"a":', b"[", b'{"errorList":', b'{"job":[')) * choices.one_of((2, 900, 50_000))
        )
    if how == 3:
        document = choices.document(NAMES, SCALARS)
    else:
        document = choices.changed(choices.one_of(REAL), NAMES, SCALARS)
    return choices.damaged(json.dumps(document).encode())


@tried()
def test_any_answer_is_what_was_asked_for_or_an_error(data: bytes) -> None:
    """Whatever is asked: a model, or an error of almajob in at most six lines."""
    choices = Choices(data)
    asked = choices.one_of(ASKED)
    session = _Answering(choices.one_of(STATUSES), _body(choices))
    try:
        found = asked(Alma(cast(Session, session)))
    except AlmajobError as error:
        assert len(str(error).splitlines()) <= 6
        return
    if isinstance(found, Instance):
        _check_run(found)
    elif isinstance(found, pagination.Listing):
        for run in found.instances:
            assert run.id.isdigit()
            _check_run(run)


def _check_run(run: Instance) -> None:
    """What is shown and decided of a run is something for any run."""
    assert run.seconds is None or run.seconds >= 0
    assert run.has_ended in (True, False)
    for moment in (run.submit_time, run.start_time, run.end_time):
        if isinstance(moment, datetime):
            assert time_format.format_utc(moment).endswith("Z")
            assert time_format.format_time(moment, now=_NOW)
    for condition in ("bib > 0", "Bib == x"):
        try:
            assert parse_condition(condition).holds(run) in (True, False)
        except counter_conditions.CannotJudge as why:
            assert str(why)


@tried(5000)
def test_any_answer_to_a_start_proves_something_or_nothing(data: bytes) -> None:
    """An answer that names a run of the job proves a start, a listed refusal that there was none."""
    choices = Choices(data)
    status = choices.one_of((200, 200, 400, 429, 500))
    real = choices.one_of((started(JOB, "77"), error("402222"), error("402216"), error("GENERAL_ERROR")))
    body = choices.damaged(json.dumps(choices.changed(real, NAMES, SCALARS)).encode())
    answer: Submission | AlmajobError
    try:
        answer = Alma(cast(Session, _Answering(status, body))).submit("M44")
    except AlmajobError as error_:
        answer = error_
    found = judge("M44", answer)
    assert found.reason
    if found.state is State.STARTED:
        assert status == 200
        assert found.instance_id.isdigit()
        assert f"jobs/M44/instances/{found.instance_id}" in body.decode("utf-8", "replace").replace(
            "\\/", "/"
        )
    else:
        assert found.instance_id == ""
        assert (found.state is State.NOT_STARTED) <= (status in (200, 400, 429))
