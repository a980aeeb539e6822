"""The simulator's answers: Alma's paths, parameters, shapes, codes and forms."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from almajob.alma.http.body_parser import parse
from almajob.alma.status_codes import STATUSES
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock

START = 1_760_000_000.0
ERP = "S9563600010000561"
IMPORT = "S9563600070000561"
SIS = "S9563600050000561"
EXPORT = "M44"
JSON = {"Accept": "application/json"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Institution(Clock(0, START))) as running:
        yield running


class Client:
    """Calls the simulator as a program in another language would."""

    def __init__(self, simulator: Simulator, key: str = "simulator-sandbox-key") -> None:
        self.url = f"{simulator.base_url}/almaws/v1/conf"
        self.key = key

    def call(self, method: str, path: str, document: Any = None, **params: str) -> requests.Response:
        headers = {**JSON, "Authorization": f"apikey {self.key}"}
        return requests.request(
            method, self.url + path, params=params, json=document, headers=headers, timeout=10
        )

    def get(self, path: str, **params: str) -> Any:
        answer = self.call("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, job_id: str, **parameters: str) -> str:
        listed = [{"name": {"value": name}, "value": value} for name, value in parameters.items()]
        answer = self.call("POST", f"/jobs/{job_id}", {"parameter": listed}, op="run")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["additional_info"]["link"].rsplit("/", 1)[1])

    def code(self, method: str, path: str, document: Any = None, **params: str) -> str:
        answer = self.call(method, path, document, **params)
        assert answer.status_code == 400
        (error,) = answer.json()["errorList"]["error"]
        assert error["trackingId"]
        return str(error["errorCode"])


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(simulator)


def _set_id(client: Client, name: str) -> str:
    return str(client.get("/sets", q=f"name~{name}")["set"][0]["id"])


def test_the_list_has_almas_pages_and_filters(client: Client) -> None:
    """Ten by default, a hundred at most; an empty list has no array; list items have five members."""
    everything = client.get("/jobs", limit="100")
    assert len(everything["job"]) == everything["total_record_count"] == 88
    assert set(everything["job"][0]) == {"id", "name", "type", "category", "link"}
    assert len(client.get("/jobs")["job"]) == 10
    assert client.get("/jobs", limit="5", offset="80")["job"] == everything["job"][80:85]
    assert client.get("/jobs", limit="0") == {"total_record_count": 88}
    assert {job["type"]["value"] for job in client.get("/jobs", type="SCHEDULED")["job"]} == {"SCHEDULED"}
    assert {job["category"]["value"] for job in client.get("/jobs", category="EXPORT")["job"]} == {"EXPORT"}
    profile = client.get("/integration-profiles", q="code~FINANCE")["integration_profile"][0]["id"]
    names = [job["name"] for job in client.get("/jobs", type="SCHEDULED", profile_id=profile)["job"]]
    assert names == ["ERP export using profile FINANCE", "ERP import using profile FINANCE"]
    link = client.get(f"/jobs/{ERP}")["related_profile"]["link"]
    assert client.get(link.removeprefix(client.url))["id"] == profile
    assert client.code("GET", "/integration-profiles/77") == "60304"
    assert client.get("/jobs", profile_id="77") == {"total_record_count": 0}
    # As in Alma, where an empty one answers with unrelated jobs.
    assert client.get("/jobs", profile_id="")["total_record_count"] == 88


def test_a_start_is_answered_as_alma_does(client: Client) -> None:
    """The job with its parameters in their order, and a sentence and a link that name the run."""
    set_id = _set_id(client, "Theses")
    given = [("task_x", ""), ("set_id", set_id), ("job_name", "Mine")]
    listed = [{"name": {"value": name}, "value": value} for name, value in given]
    answer = client.call("POST", f"/jobs/{EXPORT}", {"parameter": listed}, op="run").json()
    assert answer["parameter"] == listed
    assert answer["content"] == {"value": "BIB_MMS", "desc": "All Titles"}
    run_id = answer["additional_info"]["link"].rsplit("/", 1)[1]
    assert (
        answer["additional_info"]["value"] == f"Job no. {run_id} triggered on Thu, 09 Oct 2025 08:53:20 GMT"
    )
    shown = client.get(f"/jobs/ALL/instances/{run_id}")
    assert shown["name"] == "Mine - 2025-10-09 3:53 AM"
    assert shown == client.get(f"/jobs/{EXPORT}/instances/{run_id}")


def test_a_start_takes_xml_and_a_job_that_is_sent_back(client: Client) -> None:
    """Bare values for names and numbers, and members that are only read, are taken as Alma takes them."""
    set_id = _set_id(client, "Theses")
    parameter = f"<parameter><name>set_id</name><value>{set_id}</value></parameter>"
    body = f"<job><parameters>{parameter}</parameters></job>"
    headers = {"Authorization": f"apikey {client.key}", "Content-Type": "application/xml"}
    answer = requests.post(f"{client.url}/jobs/{EXPORT}?op=run", data=body, headers=headers, timeout=10)
    assert answer.status_code == 200
    found = parse(answer.content)
    assert found["parameter"] == [{"name": "set_id", "value": set_id}]
    assert found["additional_info"]["link"].startswith(client.url)
    whole = client.get(f"/jobs/{ERP}")
    assert client.call("POST", f"/jobs/{ERP}", whole, op="run").status_code == 200


def test_instances_are_listed_newest_first_and_filtered(client: Client, simulator: Simulator) -> None:
    """By status and by days, the last one included."""
    clock = simulator.institution.clock
    ids = []
    for _ in range(3):
        ids.append(client.start(ERP))
        clock.advance(86400)
    path = f"/jobs/{ERP}/instances"
    assert [run["id"] for run in client.get(path)["job_instance"]] == ids[::-1]
    assert [run["id"] for run in client.get(path, limit="1", offset="1")["job_instance"]] == [ids[1]]
    assert client.get(path, status="RUNNING") == {"total_record_count": 0}
    assert client.get(path, status="COMPLETED_SUCCESS")["total_record_count"] == 3
    days = {"submit_date_from": "2025-10-10", "submit_date_to": "2025-10-10"}
    assert [run["id"] for run in client.get(path, **days)["job_instance"]] == [ids[1]]
    assert client.get("/jobs/M3/instances") == {"total_record_count": 0}


def test_an_import_has_a_file_matches_and_actions(client: Client, simulator: Simulator) -> None:
    """Only an import has; in MARC XML or binary."""
    run_id = client.start(IMPORT)
    simulator.institution.clock.advance(3600)
    path = f"/jobs/{IMPORT}/instances/{run_id}"
    assert client.get(path)["action"][0]["members"] == 2
    assert client.get(f"{path}/matches", population="SINGLE_MATCHES")["total_record_count"] == 2
    (match,) = client.get(f"{path}/matches", population="MULTI_MATCHES")["match"]
    assert match["mms_ids"].count(",") == 1
    assert b"MARC21" in client.call("GET", f"{path}/download").content
    assert client.call("GET", f"{path}/download", download_format="BINARY").content.endswith(b"\x1d")
    assert client.code("GET", f"{path}/matches") == "40166410"
    assert client.code("GET", f"{path}/events") == "60332"
    other = client.start(ERP)
    assert client.code("GET", f"/jobs/ALL/instances/{other}/download") == "402218"
    assert client.code("GET", f"/jobs/ALL/instances/{other}/matches", population="MULTI_MATCHES") == "402119"


def test_a_run_of_the_student_system_has_events(client: Client) -> None:
    """The users that were rejected, in pages."""
    run_id = client.start(SIS)
    found = client.get(f"/jobs/{SIS}/instances/{run_id}/events", limit="5", offset="10")
    assert (len(found["event"]), found["total_record_count"]) == (2, 12)


def test_sets_can_be_made_filled_and_deleted(client: Client) -> None:
    """Their members are counted; the list leaves the count out."""
    made = client.call(
        "POST",
        "/sets",
        {"name": "Mine", "content": {"value": "ITEM"}, "members": {"member": [{"id": "11"}, {"id": "12"}]}},
    ).json()
    path = f"/sets/{made['id']}"
    assert made["number_of_members"]["value"] == 2
    assert "number_of_members" not in client.get("/sets", q="name~Mine")["set"][0]
    more = {"members": {"member": [{"id": "12"}, {"id": "13"}]}}
    assert client.code("POST", path, more, op="add_members") == "60115"
    added = client.call("POST", path, more, op="add_members", fail_on_invalid_id="false").json()
    assert added["number_of_members"]["value"] == 3
    assert client.call("POST", path, more, op="delete_members").json()["number_of_members"]["value"] == 1
    assert client.call("POST", path, more, op="replace_members").json()["number_of_members"]["value"] == 2
    assert [member["id"] for member in client.get(f"{path}/members")["member"]] == ["12", "13"]
    renamed = client.call("PUT", path, {"name": "Yours", "description": "Of May"}).json()
    assert (renamed["name"], renamed["description"]) == ("Yours", "Of May")
    assert renamed["number_of_members"]["value"] == 2
    assert client.get("/sets", q="name~Yours")["set"][0]["id"] == made["id"]
    gone = client.call("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.code("GET", path) == "60107"


def test_neighbouring_calls(client: Client) -> None:
    """Code tables, the two tests and where a key leads."""
    rows = client.get("/code-tables/systemJobStatus")["row"]
    assert {row["code"] for row in rows} == set(STATUSES)
    names = {table["name"] for table in client.get("/code-tables")["code_table"]}
    assert {"systemJobStatus", "HPaTaskChain.type", "systemJobsGroups", "SetContentType"} <= names
    for name in names:
        assert client.get(f"/code-tables/{name}")["row"]
    assert client.get("/test")["value"].startswith("GET - OK - institutionCode: ")
    assert client.call("POST", "/test", {}).json() == {"value": "POST - OK"}
    assert client.get("/general")["environment_type"] == "SANDBOX"


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [
        ("GET", "/jobs/123456", {}, "402215"),
        ("GET", "/jobs/X1", {}, "402215"),
        ("GET", "/jobs/M999999", {}, "402216"),
        ("GET", "/jobs/M999999/instances", {}, "402216"),
        ("GET", "/jobs/M44/instances", {"submit_date_from": "soon"}, "402217"),
        ("GET", "/jobs/M44/instances", {"status": "DONE"}, "40166410"),
        ("POST", "/jobs/M44", {}, "402220"),
        ("POST", "/jobs/M44", {"op": "stop"}, "402221"),
        ("POST", "/jobs/M44", {"op": "run"}, "402228"),
        ("POST", "/jobs/O9563600080000561", {"op": "run"}, "402249"),
        ("POST", "/jobs/S9563600110000561", {"op": "run"}, "402248"),
        ("GET", "/jobs/ALL/instances/1", {}, "402218"),
        ("GET", "/jobs", {"type": "X"}, "40166410"),
        ("GET", "/jobs", {"category": "X"}, "40166410"),
        ("GET", "/jobs", {"limit": "101"}, "40166410"),
        ("GET", "/jobs", {"limit": "x"}, "40166410"),
        ("GET", "/jobs", {"offset": "-1"}, "40166410"),
        ("GET", "/code-tables/nowhere", {}, "40166411"),
        ("GET", "/sets/77", {}, "60107"),
        ("GET", "/sets", {"q": "colour~red"}, "60106"),
        ("GET", "/sets", {"q": "nonsense"}, "60106"),
        ("GET", "/integration-profiles", {"type": "X"}, "40166404"),
        ("DELETE", "/sets/77", {}, "402264"),
        ("PUT", "/sets/77", {}, "402228"),
        ("GET", "/sets", {"content_type": "X"}, "40166410"),
        ("POST", "/sets", {}, "402261"),
    ],
)
def test_everything_bad_is_a_400_with_almas_code(
    client: Client, method: str, path: str, params: dict[str, str], code: str
) -> None:
    """There is no 404."""
    assert client.code(method, path, **params) == code


@pytest.mark.parametrize(
    ("op", "members", "code"),
    [
        ("add_members", [{"id": "x"}], "60116"),
        ("add_members", [{"id": "1"}] * 2, "60119"),
        ("add_members", [{"id": "99100000000561"}], "60115"),
        ("add_members", [{"id": ""}], "60114"),
        ("add_members", [], "60113"),
        ("add_members", [{"id": "1"}] * 1001, "60118"),
        ("empty", [{"id": "1"}], "60111"),
    ],
)
def test_members_that_are_none_are_refused(client: Client, op: str, members: list[Any], code: str) -> None:
    """And a logical set has none of its own."""
    set_id, logical = _set_id(client, "Lost"), _set_id(client, "All_electronic")
    document = {"members": {"member": members}}
    assert client.code("POST", f"/sets/{set_id}", document, op=op) == code
    assert client.code("POST", f"/sets/{logical}", document, op="add_members") == "60112"


def test_a_sets_name_is_its_own(client: Client) -> None:
    """A second one of that name is refused; who made it can be searched for."""
    document = {"name": "Mine", "content": "ITEM"}
    assert client.call("POST", "/sets", document).status_code == 200
    assert client.code("POST", "/sets", document) == "402263"
    assert client.code("PUT", f"/sets/{_set_id(client, 'Lost')}", document) == "402263"
    assert client.get("/sets", q="created_by~exl_api")["total_record_count"] == 6


def _make_set(client: Client, **query: str) -> dict[str, Any]:
    document = {"name": f"Made {len(query)} {sorted(query.values())}", "content": {"value": "BIB_MMS"}}
    return client.call("POST", "/sets", document, **query).json()  # type: ignore[no-any-return]


def test_a_set_made_of_others_is_filled_after_the_answer(client: Client, simulator: Simulator) -> None:
    """It has no members at first, then some, then all, by the clock of the world."""
    theses, logical = _set_id(client, "Theses"), _set_id(client, "All_electronic")
    run_id = client.start(IMPORT)
    simulator.institution.clock.advance(7200)
    sources = [
        ({"from_logical_set": logical}, 25),
        ({"set1": theses, "set2": logical}, 25),
        ({"combine": "OR", "set1": theses, "set2": logical}, 120),
        ({"combine": "NOT", "set1": theses, "set2": logical}, 95),
        ({"job_instance_id": run_id, "population": "IMPORTED_RECORDS_NO_MATCH"}, 5),
    ]
    for query, count in sources:
        made = _make_set(client, **query)
        assert made["number_of_members"]["value"] == 0
        simulator.institution.clock.advance(2)
        half = client.get(f"/sets/{made['id']}")["number_of_members"]["value"]
        assert half == client.get(f"/sets/{made['id']}/members")["total_record_count"] == count // 2
        simulator.institution.clock.advance(2)
        assert client.get(f"/sets/{made['id']}")["number_of_members"]["value"] == count


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from_logical_set": "77"}, "402264"),
        ({"from_logical_set": "theses"}, "402264"),
        ({"set1": "theses"}, "402264"),
        ({"combine": "XOR", "set1": "theses", "set2": "logical"}, "60204"),
        ({"combine": "AND", "set1": "theses", "set2": "lost"}, "60205"),
        ({"combine": "AND", "set1": "lost", "set2": "lost"}, "402265"),
        ({"population": "SINGLE_MATCHES"}, "500127"),
        ({"job_instance_id": "1", "population": "SINGLE_MATCHES"}, "402218"),
        ({"job_instance_id": "erp", "population": "SINGLE_MATCHES"}, "402267"),
        ({"job_instance_id": "import", "population": "SINGLE"}, "402266"),
        ({"job_instance_id": "import", "population": "SINGLE_MATCHES"}, "402266"),
    ],
)
def test_sources_of_sets_that_are_refused(client: Client, query: dict[str, str], code: str) -> None:
    """What is not there, does not fit, or has not ended."""
    known = {
        "theses": _set_id(client, "Theses"),
        "logical": _set_id(client, "All_electronic"),
        "lost": _set_id(client, "Lost"),
        "erp": client.start(ERP),
        "import": client.start(IMPORT),
    }
    document = {"name": "Mine", "content": "BIB_MMS"}
    given = {name: known.get(value, value) for name, value in query.items()}
    assert client.code("POST", "/sets", document, **given) == code


@pytest.mark.parametrize(
    ("members", "code"),
    [({"type": "LOGICAL"}, "402262"), ({"private": "maybe"}, "60209")],
)
def test_sets_that_cannot_be_made(client: Client, members: dict[str, str], code: str) -> None:
    """Logical ones, and those that are neither private nor public."""
    assert client.code("POST", "/sets", {"name": "Mine", "content": "ITEM", **members}) == code


def test_members_that_are_not_there_and_ids_of_another_type(client: Client) -> None:
    """Each has a code of its own, unless it may be passed over."""
    path = f"/sets/{_set_id(client, 'Lost')}"
    gone = {"members": {"member": [{"id": "1"}]}}
    assert client.code("POST", path, gone, op="delete_members") == "60117"
    kept = client.call("POST", path, gone, op="delete_members", fail_on_invalid_id="false").json()
    assert kept["number_of_members"]["value"] == 40
    odd = {"members": {"member": [{"id": "x y"}]}}
    assert client.code("POST", path, odd, op="add_members", id_type="BARCODE") == "60120"


def test_concurrent_changes_of_sets_lose_nothing(client: Client, simulator: Simulator) -> None:
    """Forty sets from eight threads have forty ids; forty members added at once are all there."""
    before = len(list(simulator.institution.sandbox.sets))
    set_id = _set_id(client, "An_empty")

    def change(number: int) -> None:
        client.call("POST", "/sets", {"name": f"Set {number}", "content": "ITEM"})
        client.call(
            "POST", f"/sets/{set_id}", {"members": {"member": [{"id": str(number)}]}}, op="add_members"
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(1, 41)))
    assert len(list(simulator.institution.sandbox.sets)) == before + 40
    assert client.get(f"/sets/{set_id}")["number_of_members"]["value"] == 40


@pytest.mark.parametrize("text", ["\\ud800", "\\u0001"])
def test_text_that_cannot_be_answered_spoils_nothing(client: Client, text: str) -> None:
    """Half a surrogate pair is refused; a control character is no XML, and comes back as a question mark."""
    body = f'{{"parameter": [{{"name": {{"value": "job_name"}}, "value": "{text}"}}]}}'
    headers = {**JSON, "Authorization": f"apikey {client.key}"}
    answer = requests.post(f"{client.url}/jobs/{ERP}?op=run", data=body, headers=headers, timeout=10)
    assert answer.status_code == (400 if "d800" in text else 200)
    as_xml = requests.get(
        f"{client.url}/jobs/{ERP}/instances", headers={"Authorization": headers["Authorization"]}, timeout=10
    )
    assert parse(as_xml.content)["total_record_count"] == ("0" if "d800" in text else "1")


# The members of captured answers, in their order.
CAPTURED = {
    "/jobs": ["id", "name", "type", "category", "link"],
    f"/jobs/{EXPORT}": ["id", "name", "description", "type", "category", "content", "link"],
    "instance": [
        *(
            "id",
            "name",
            "progress",
            "status",
            "external_id",
            "submitted_by",
            "submit_time",
            "start_time",
            "end_time",
        ),
        *("status_date", "alert", "counter", "job_info", "link"),
    ],
    "submit": [
        *("id", "name", "description", "type", "category", "content", "parameter", "additional_info", "link"),
    ],
}


def test_answers_differ_from_captured_ones_in_values_only(client: Client, simulator: Simulator) -> None:
    """List, job, submit and instance: the same members in the same order."""
    assert list(client.get("/jobs")["job"][0]) == CAPTURED["/jobs"]
    assert list(client.get("/jobs")) == ["job", "total_record_count"]
    assert list(client.get(f"/jobs/{EXPORT}")) == CAPTURED[f"/jobs/{EXPORT}"]
    listed = [{"name": {"value": "set_id"}, "value": _set_id(client, "Theses")}]
    started = client.call("POST", f"/jobs/{EXPORT}", {"parameter": listed}, op="run").json()
    assert list(started) == CAPTURED["submit"]
    assert list(started["additional_info"]) == ["value", "link"]
    simulator.institution.clock.advance(3600)
    shown = client.get(f"/jobs/ALL/instances/{started['additional_info']['link'].rsplit('/', 1)[1]}")
    assert list(shown) == CAPTURED["instance"]
    assert list(shown["job_info"]) == ["id", "name", "description", "type", "category", "link"]


# --- forms ---

READS = [
    "/jobs",
    f"/jobs/{ERP}",
    f"/jobs/{ERP}/instances",
    "/code-tables/systemJobStatus",
    "/sets",
    "/general",
    "/test",
]


@pytest.mark.parametrize("path", READS)
def test_xml_and_json_say_the_same(client: Client, path: str) -> None:
    """XML where nothing is asked for, JSON by Accept or by format; numbers and booleans are text in XML."""
    client.start(ERP)
    headers = {"Authorization": f"apikey {client.key}"}
    as_xml = requests.get(client.url + path, headers=headers, timeout=10)
    assert as_xml.headers["Content-Type"] == "application/xml;charset=UTF-8"
    as_json = requests.get(f"{client.url}{path}?format=json", headers=headers, timeout=10)
    assert as_json.headers["Content-Type"] == "application/json;charset=UTF-8"
    found = parse(as_xml.content)
    assert _as_text(found.get("test", found)) == _as_text(as_json.json().get("test", as_json.json()))


def _as_text(document: Any) -> Any:
    if isinstance(document, dict):
        # In XML a value without neighbours is bare text.
        if set(document) == {"value"}:
            return _as_text(document["value"])
        return {name: _as_text(value) for name, value in document.items()}
    if isinstance(document, list):
        return [_as_text(item) for item in document]
    return str(document).lower() if isinstance(document, bool) else str(document)


def test_errors_come_in_the_form_that_was_asked_for_but_the_gateways(client: Client) -> None:
    """The gateway answers in XML whatever was asked for."""
    plain = {"Authorization": f"apikey {client.key}"}
    as_xml = requests.get(f"{client.url}/jobs/X", headers=plain, timeout=10)
    assert as_xml.headers["Content-Type"].startswith("application/xml")
    assert "<errorCode>402215</errorCode>" in as_xml.text
    for headers in (JSON, {**JSON, "Authorization": "apikey nonsense"}, {**JSON, "Authorization": "Basic x"}):
        answer = requests.get(f"{client.url}/jobs", headers=headers, timeout=10)
        assert answer.status_code == 400
        assert "<errorCode>UNAUTHORIZED</errorCode>" in answer.text
        assert "trackingId" not in answer.text


@pytest.mark.parametrize(
    ("key", "reads", "writes", "leads_to"),
    [
        ("simulator-sandbox-key", True, True, "SANDBOX"),
        ("simulator-sandbox-readonly-key", True, False, "SANDBOX"),
        ("simulator-guest-key", True, False, "SANDBOX"),
        ("simulator-production-key", True, True, "PRODUCTION"),
        ("simulator-production-readonly-key", True, False, "PRODUCTION"),
    ],
)
def test_the_key_decides_the_environment_and_what_may_be_done(
    simulator: Simulator, key: str, reads: bool, writes: bool, leads_to: str
) -> None:
    """Both environments have one address; their runs are their own."""
    client = Client(simulator, key)
    assert (client.call("GET", "/test").status_code == 200) is reads
    assert (client.call("POST", "/test", {}).status_code == 200) is writes
    assert client.get("/general")["environment_type"] == leads_to


def test_the_key_may_stand_in_the_query(simulator: Simulator) -> None:
    """Whatever its case; the log does not show it."""
    url = f"{simulator.base_url}/almaws/v1/conf/test?apiKey=simulator-guest-key&format=json"
    assert requests.get(url, timeout=10).status_code == 200
    (entry,) = simulator.institution.log.requests()
    assert entry.key == "guest"
    assert "simulator-guest-key" not in repr(simulator.institution.log.requests())


def test_calls_are_counted_down_to_none(client: Client, simulator: Simulator) -> None:
    """Refused ones too; then every call is refused until the next day."""
    simulator.institution.gateway.remaining = 2
    assert client.call("GET", "/test").headers["X-Exl-Api-Remaining"] == "1"
    assert client.call("GET", "/jobs/X").headers["X-Exl-Api-Remaining"] == "0"
    spent = client.call("GET", "/test")
    assert (spent.status_code, "DAILY_THRESHOLD" in spent.text) == (429, True)
    simulator.institution.clock.advance(86400)
    assert client.call("GET", "/test").headers["X-Exl-Api-Remaining"] == "99999"


def test_the_date_is_the_simulators(client: Client) -> None:
    """So that a clock that differs from the machine's can be met."""
    assert client.call("GET", "/test").headers["Date"] == "Thu, 09 Oct 2025 08:53:20 GMT"
