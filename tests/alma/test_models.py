"""What Alma sends, however it varies, becomes a model; nothing is an error."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma import job_instances, models, sets
from almajob.alma.job_instances import Action, Counter, Event, Instance, Match, Page, Submission, parse_time
from almajob.alma.models import Code, General, Job, Parameter, code_table_from_json
from almajob.alma.sets import Set

PUBLISHING = {
    "id": "38205463100006421",
    "name": "Publishing Platform Job Incremental Publishing",
    "progress": 101.3,
    "status": {"value": "COMPLETED_FAILED", "desc": "Completed with Errors"},
    "submitted_by": {"value": "System"},
    "submit_time": "2024-06-11T17:00:11.594Z",
    "start_time": "2024-06-11T17:20:13Z",
    "end_time": "2024-06-11T18:27:10.961Z",
    "status_date": "2024-06-11Z",
    "alert": [{"value": "alert_general_error", "desc": "The job completed with errors."}],
    "counter": [
        {"type": {"value": "label.new.records", "desc": "New Records"}, "value": "66"},
        {"type": {"value": "FTP has failed.", "desc": ""}, "value": "Download zip file for manual FTP."},
    ],
    "job_info": {"id": "S32986800410006421", "name": "Publishing Platform Job Incremental Publishing"},
}


def test_an_ended_run_is_read_whole() -> None:
    """Words for a counter, 101.3 per cent, times with and without milliseconds, a date with a Z."""
    run = Instance.from_json(PUBLISHING)
    assert run.progress == 101.3
    assert run.start_time == datetime(2024, 6, 11, 17, 20, 13, tzinfo=UTC)
    assert run.status_date == "2024-06-11Z"
    assert run.counters[1].value == "Download zip file for manual FTP."
    assert run.job is not None
    assert run.job.id == "S32986800410006421"


def test_a_queued_run_lacks_most_members() -> None:
    """What is not known yet is absent, and reads as nothing."""
    run = Instance.from_json({"id": "1", "status": {"value": "QUEUED"}})
    assert (run.start_time, run.progress, run.counters, run.job) == (None, None, (), None)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("2025-10-05T09:11:32.592Z", datetime(2025, 10, 5, 9, 11, 32, 592000, tzinfo=UTC)),
        ("2025-10-05T09:11:32Z", datetime(2025, 10, 5, 9, 11, 32, tzinfo=UTC)),
        ("2025-10-05T09:11:32", datetime(2025, 10, 5, 9, 11, 32, tzinfo=UTC)),
        ("2025-10-05T11:11:32+02:00", datetime(2025, 10, 5, 9, 11, 32, tzinfo=UTC)),
        ("2025-10-05Z", "2025-10-05Z"),
        ("2025-10-05", "2025-10-05"),
        ("soon", "soon"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00"),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_or_kept_as_it_came(raw: object, read: object) -> None:
    """What is no time is still shown."""
    assert parse_time(raw) == read


@pytest.mark.parametrize(
    ("link", "instance_id"),
    [
        (
            "https://api-eu.hosted.exlibrisgroup.com/almaws/v1/conf/jobs/M50216/instances/3896509020005506",
            "3896509020005506",
        ),
        ("/almaws/v1/conf/jobs/M50216/instances/3896509020005506", "3896509020005506"),
        ("/almaws/v1/conf/jobs/M50216/instances/3896509020005506/", "3896509020005506"),
        ("/almaws/v1/conf/jobs/M50216/instances/1?x=https://evil/instances/2", "1"),
        ("/almaws/v1/conf/jobs/M50216/instances/", ""),
        ("/almaws/v1/conf/jobs/M50216", ""),
        ("/almaws/v1/conf/jobs/M50216/instances/../x", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_the_instance_id_is_the_last_segment_of_the_link(link: str, instance_id: str) -> None:
    """Absolute or relative; anything else is no id at all."""
    found = Submission.from_json({"id": "M50216", "additional_info": {"value": "Job no.", "link": link}})
    assert found.instance_id == instance_id
    assert found.job_id == ("M50216" if instance_id else "")


def test_a_submission_without_a_link_has_no_id() -> None:
    """Neither a missing nor a bare additional_info is an error."""
    assert Submission.from_json({}).instance_id == ""
    assert Submission.from_json({"additional_info": "Job no. 1"}) == Submission("", "", "Job no. 1")


def test_an_empty_list_has_no_array() -> None:
    """Alma leaves the key out."""
    assert Page.of({"total_record_count": 0}, "job", Job.from_json) == Page((), 0)
    assert Page.of({"job": {"id": "M1", "name": "A"}}, "job", Job.from_json) == Page((Job("M1", "A"),), None)


def test_a_job_is_kept_with_the_members_of_the_list() -> None:
    """What is kept reads back as the same job."""
    job = Job("M44", "Export  twice ", Code("MANUAL", "Manual"), Code("EXPORT", ""))
    assert Job.from_json(job.to_json()) == job


def test_a_parameter_is_sent_as_alma_wants_it() -> None:
    """The name is an object, the value bare text; read, both forms do."""
    parameter = Parameter("set_id", "1")
    assert parameter.to_json() == {"name": {"value": "set_id"}, "value": "1"}
    assert Parameter.from_json(parameter.to_json()) == parameter
    assert Parameter.from_json({"name": "set_id", "value": 1}) == parameter


def test_general_tells_where_a_key_leads() -> None:
    """As an object or as a word."""
    assert General.from_json({"environment_type": "SANDBOX", "institution": {"value": "01X"}}) == General(
        "SANDBOX", "01X"
    )
    assert General.from_json({"environment_type": {"value": "PRODUCTION"}}).environment_type == "PRODUCTION"


def test_a_code_table_is_read_by_code() -> None:
    """Only code and description count."""
    assert code_table_from_json({"row": [{"code": "A", "description": "a", "enabled": True}]}) == {"A": "a"}


_NAMES = [
    "id",
    "name",
    "value",
    "desc",
    "status",
    "counter",
    "type",
    "job_info",
    "alert",
    "submit_time",
    "progress",
    "job",
    "row",
]
_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize("raw", ["NaN", "inf", "1e999", "-Infinity", "half", None, [], {}])
def test_a_progress_that_is_no_number_is_none(raw: object) -> None:
    """It is an adornment, and JSON knows no infinity."""
    assert Instance.from_json({"id": "1", "progress": raw}).progress is None


@given(st.dictionaries(st.sampled_from(_NAMES), _ANY))
def test_any_json_becomes_a_model(raw: dict[str, Any]) -> None:
    """No shape makes reading fail; what cannot be read is absent."""
    for model in (Job, Instance, Submission, General, Parameter):
        assert isinstance(model.from_json(raw), model)
    assert isinstance(code_table_from_json(raw), dict)


def _code(value: str) -> dict[str, str]:
    return {"value": value, "desc": f"{value} in words"}


ANSWERS: dict[type[Any], dict[str, Any]] = {
    Code: _code("MANUAL"),
    Parameter: {"name": _code("set_id"), "value": _code("7")},
    Job: {
        **{name: f"the {name}" for name in ("id", "name", "description", "next_run")},
        **{name: _code(name) for name in ("type", "category", "content", "schedule", "creator")},
        "related_profile": {"value": "9", "link": "https://…"},
    },
    General: {"environment_type": "SANDBOX", "institution": _code("01X")},
    Submission: {
        "id": "M44",
        "additional_info": {"value": "Job no. 7 triggered", "link": "/almaws/v1/conf/jobs/M44/instances/7"},
    },
    Counter: {"type": _code("new"), "value": "66"},
    Action: {"type": _code("CREATE_SET"), "population": _code("NOT_ADDED_LOCKED"), "members": 3},
    Instance: {**PUBLISHING, "status": _code("QUEUED"), "job_info": {"id": "S1", "type": _code("SCHEDULED")}},
    Event: {"id": "1", "entity": _code("user"), "message": _code("rejected"), "value": "other"},
    Match: {"incoming_record_id": "1", "mms_ids": _code("99,98")},
    Set: {"id": "7", "name": "Theses", "content": _code("BIB_MMS"), "number_of_members": _code("120")},
}


def test_every_model_is_tried_with_nulls() -> None:
    """One that is new needs an answer above."""
    found = {
        each
        for module in (models, job_instances, sets)
        for each in vars(module).values()
        if isinstance(each, type) and hasattr(each, "from_json") and each.__module__ == module.__name__
    }
    assert found == set(ANSWERS)


@given(data=st.data())
@pytest.mark.parametrize("model", ANSWERS)
def test_null_is_read_as_nothing(model: Any, data: st.DataObject) -> None:
    """Whatever member of an answer is null, on any level: it is read as where it is absent."""
    # Of an event all is kept as it came.
    kept = {"fields": None}
    with_null, without = _damage(ANSWERS[model], data)
    found, expected = model.from_json(with_null), model.from_json(without)
    assert _fields(found) | kept == _fields(expected) | kept


def _fields(model: Any) -> dict[str, Any]:
    return (
        model._asdict()
        if hasattr(model, "_asdict")
        else {name: getattr(model, name) for name in model.__slots__}
    )


def _damage(answer: Any, data: st.DataObject) -> tuple[Any, Any]:
    """Return an answer with some of its members null, and the same one without them."""
    if isinstance(answer, list):
        pairs = [_damage(item, data) for item in answer]
        return [None, *(with_null for with_null, _ in pairs)], [without for _, without in pairs]
    if not isinstance(answer, dict):
        return answer, answer
    with_null: dict[str, Any] = {}
    without: dict[str, Any] = {}
    for name, value in answer.items():
        if data.draw(st.booleans(), label=name):
            with_null[name] = None
        else:
            with_null[name], without[name] = _damage(value, data)
    return with_null, without


def test_a_list_may_be_null_or_have_nulls_in_it() -> None:
    """It has nothing in it, then; a total that is null is not known."""
    for raw in ({"job": None, "total_record_count": None}, {"job": [None, None]}):
        assert Page.of(raw, "job", Job.from_json) == Page((), None)
    assert code_table_from_json({"row": [{"code": "A", "description": None}, None]}) == {"A": ""}
    assert code_table_from_json({"row": None}) == {}


def test_a_code_is_a_text_with_a_description() -> None:
    """So a plugin can compare a status or a category, look it up, and return it as a value."""
    code = Code("COMPLETED_SUCCESS", "Completed Successfully")
    assert code == "COMPLETED_SUCCESS"
    assert code in {"COMPLETED_SUCCESS": 1}
    assert (str(code), f"{code}", code.value, type(code.value)) == (*["COMPLETED_SUCCESS"] * 3, str)
    assert code.desc == pickle.loads(pickle.dumps(code)).desc == "Completed Successfully"
    assert repr(code) == "Code('COMPLETED_SUCCESS', 'Completed Successfully')"
    assert not Code.from_json(None)
