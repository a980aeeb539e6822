"""One method an endpoint: the path and what is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import Parameter
from almajob.errors import NotAlma, ReadOnly
from tests.support.fake_alma import KEY, FakeAlma, instance, job, started

ERP = job("S1", "ERP export")


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    made = Alma(Session(alma.url, Key(KEY)))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ([], b"<job/>"),
        (
            [Parameter("b", "<1> & \u00e9\r\u202e"), Parameter("a", "")],
            "<job>\n\t<parameters>\n"
            "\t\t<parameter>\n\t\t\t<name>b</name>\n"
            "\t\t\t<value>&lt;1&gt; &amp; \u00e9&#13;&#8238;</value>\n\t\t</parameter>\n"
            "\t\t<parameter>\n\t\t\t<name>a</name>\n\t\t\t<value></value>\n\t\t</parameter>\n"
            "\t</parameters>\n</job>".encode(),
        ),
    ],
)
def test_parameters_go_as_xml_where_that_is_wanted(
    alma: FakeAlma, connection: Alma, sent: list[Parameter], body: bytes
) -> None:
    """In the form of Alma's API Information panel, and called XML; the answer is wanted as JSON."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    assert connection.submit("S1", sent, as_xml=True).instance_id == "77"
    (request,) = alma.requests
    assert request.get_data() == body
    assert request.headers["Content-Type"] == "application/xml"
    assert request.headers["Accept"] == "application/json"


def test_a_read_only_session_sends_no_post(alma: FakeAlma) -> None:
    """Not even the one that changes nothing; it reads all the same."""
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "QUEUED"))
    made = Alma(Session(alma.url, Key(KEY), read_only="almajob.ini, line 4"))
    for call in (lambda: made.submit("S1"), made.test_write):
        with pytest.raises(ReadOnly) as caught:
            call()
        assert (caught.value.exit_code, caught.value.reason) == (5, "It is made so by almajob.ini, line 4.")
    assert made.instance("77").id == "77"
    made.close()
    assert [request.method for request in alma.requests] == ["GET"]


def test_a_set_is_read_with_its_members(alma: FakeAlma, connection: Alma) -> None:
    """A number as JSON has it, or as text; absent in a list; another set's answer is none."""
    one = {"id": "7", "name": "Theses", "content": {"value": "BIB_MMS"}, "number_of_members": {"value": 3}}
    alma.on("GET /sets/7", one, {**one, "number_of_members": "3"}, {"id": "7", "name": "Theses"}, {"id": "8"})
    assert [connection.set("7").members for _ in range(3)] == [3, 3, None]
    with pytest.raises(NotAlma, match="about set 7 is about set 8"):
        connection.set("7")


@pytest.mark.parametrize("name", ["../../users", "a/b", "a?op=run", "..", ".", "", "a b", "M44#x", "é"])
def test_no_id_leads_to_another_call(alma: FakeAlma, connection: Alma, name: str) -> None:
    """What is no id of Alma's is not even sent: requests would take an escaped ".." for a way up."""
    for call in (connection.job, connection.submit, connection.instance, connection.code_table):
        with pytest.raises(NotAlma, match="not an Alma id"):
            call(name)
    assert alma.requests == []


def test_an_answer_about_something_else_is_none(alma: FakeAlma, connection: Alma) -> None:
    """Another run's success must not be taken for this one's."""
    alma.on("GET /jobs/S1", job("S2", "Other"))
    alma.on("GET /jobs/ALL/instances/77", instance("78", ERP, "COMPLETED_SUCCESS"))
    with pytest.raises(NotAlma, match="The answer about job S1 is about job S2"):
        connection.job("S1")
    with pytest.raises(NotAlma, match="The answer about run 77 is about run 78"):
        connection.instance("77")


@pytest.mark.parametrize(
    ("asked", "named", "is_taken"),
    [("S1", "S1", True), ("S1", "S2", False), ("S1", "1", True), ("S1", "", True), ("ALL", "S2", True)],
)
def test_a_run_of_another_job_is_none(
    alma: FakeAlma, connection: Alma, asked: str, named: str, is_taken: bool
) -> None:
    """Where the job was named, and the answer names another one in the form that ids of jobs have."""
    alma.on(f"GET /jobs/{asked}/instances/77", instance("77", job(named, "x"), "COMPLETED_SUCCESS"))
    for read in (connection.instance, lambda *words: connection.look(*words, patience=5.0)[0]):
        if is_taken:
            assert read("77", asked).id == "77"
        else:
            with pytest.raises(NotAlma, match="The answer about a run of S1 is about a run of S2"):
                read("77", asked)


def test_an_old_answer_is_no_end(alma: FakeAlma, connection: Alma, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that by its own Date is older than an answer before it; that a run goes on may be told by it."""
    hours = iter((12, 11, 11, 13))
    monkeypatch.setattr("almajob.alma.http.session.clock_of", lambda *_: (next(hours) * 3600.0, 0.5))
    going, ended = instance("77", ERP, "RUNNING"), instance("77", ERP, "COMPLETED_SUCCESS")
    alma.on("GET /jobs/ALL/instances/77", going, ended, going, ended)
    assert not connection.instance("77").has_ended
    with pytest.raises(NotAlma, match="The answer about run 77 is outdated"):
        connection.instance("77")
    assert not connection.instance("77").has_ended
    assert connection.instance("77").has_ended


def test_an_answer_without_its_subject_is_none(alma: FakeAlma, connection: Alma) -> None:
    """An empty object where a job or a run should be is an error, not an empty job."""
    alma.on("GET /jobs/S1", {"total_record_count": 0})
    alma.on("GET /jobs/ALL/instances/77", {})
    with pytest.raises(NotAlma, match="no job in it"):
        connection.job("S1")
    with pytest.raises(NotAlma, match="no run in it"):
        connection.instance("77")


def test_nothing_else_of_a_test_answer_is_shown(alma: FakeAlma, connection: Alma) -> None:
    """Its form is "subject to changes"; a server that echoes what it was sent must not show the key."""
    alma.on("GET /test", {"test": f"GET - OK - {KEY}"})
    assert connection.test_read() == ""
