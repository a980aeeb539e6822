"""What Alma sends, however it varies, becomes a model; nothing is an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Instance, Page, Submission, parse_time
from almajob.alma.models import Code, General, Job, Parameter, code_table_from_json

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
