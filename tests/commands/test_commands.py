"""The commands: what crosses the wire, what is printed, the exit code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.config.environments import ENVIRONMENT_SETTINGS
from tests.conftest import Run
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, error, instance, job, started

ERP = job("S1", "ERP export using profile FINANCE")
JOBS = [job("M1", "00806748 test", "MANUAL"), ERP, job("M3", "gift", "MANUAL"), job("M4", "gift", "MANUAL")]
ENV = ("--env", "sandbox")


@pytest.fixture
def alma_with_jobs(site: FakeAlma) -> FakeAlma:
    site.jobs(JOBS)
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    return site


# --- config check ---


@pytest.mark.parametrize("options", [(), ("-f", "json")])
def test_what_is_checked_does_not_hang_on_assertions(
    write_ini: Callable[..., Path], almajob_process: Run, options: tuple[str, ...]
) -> None:
    """Python leaves them out with -O: the table is the same, and its row says that there is no key."""
    write_ini("[sandbox]\nbase_url = http://127.0.0.1:9\n")
    check = (*ENV, "config", "check", *options)
    usual, optimized = (
        almajob_process(*check, environ={"PYTHONOPTIMIZE": level} if level else {}) for level in ("", "1")
    )
    assert (usual.code, optimized) == (7, usual)
    assert "failed: There is no API key for sandbox" in usual.out


# --- list ---


def test_list_prints_four_columns(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Ids, names, types and categories of all jobs; stderr is silent."""
    done = almajob(*ENV, "list", "-f", "json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert list(rows[0]) == ["ID", "Name", "Type", "Category"]
    assert rows[1] == {"ID": "S1", "Name": ERP["name"], "Type": "SCHEDULED", "Category": "ERP"}
    assert [row["ID"] for row in rows] == ["M1", "S1", "M3", "M4"]


def test_a_second_list_asks_nothing_and_refresh_does(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """--force and --refresh are the same."""
    for words, calls in (([], 1), ([], 1), (["--refresh"], 2), (["--force"], 3), ([], 3)):
        assert almajob(*ENV, "list", *words).code == 0
        assert len(alma_with_jobs.calls()) == calls


def test_list_filters_as_alma_does_and_by_name(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """type=, category= and profile_id= are sent; the pattern stays here."""
    done = almajob(
        *(*ENV, "list", "--type", "manual", "--category", "EXPORT", "--profile-id", "7"),
        *("--name", "*GIFT*", "-f", "value", "-c", "ID"),
    )
    assert done.out.split() == ["M3", "M4"]
    assert alma_with_jobs.requests[0].args.to_dict() == {
        "type": "MANUAL",
        "category": "EXPORT",
        "profile_id": "7",
        "limit": "100",
        "offset": "0",
    }


def test_nothing_found_is_no_error(site: FakeAlma, almajob: Run) -> None:
    """An empty list is [] on stdout, a note on stderr, exit code 0."""
    site.on("GET /jobs", {"total_record_count": 0})
    done = almajob(*ENV, "list", "-f", "json")
    assert (done.code, json.loads(done.out)) == (0, [])
    assert done.err == "No job matches.\n"


def test_list_as_csv_is_csv(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """With a header, readable by any library."""
    rows = list(csv.DictReader(io.StringIO(almajob(*ENV, "list", "-f", "csv").out)))
    assert rows[0] == {"ID": "M1", "Name": "00806748 test", "Type": "MANUAL", "Category": "ERP"}


# --- show ---


def test_show_asks_alma_anew(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Even where the list is kept."""
    almajob(*ENV, "list")
    alma_with_jobs.on("GET /jobs/S1", {**ERP, "description": "Now described", "schedule": {"value": "DAILY"}})
    done = almajob(*ENV, "show", "S1", "-f", "json")
    shown = json.loads(done.out)
    assert (shown["id"], shown["description"], shown["schedule"]) == ("S1", "Now described", "DAILY")
    assert alma_with_jobs.calls()[1:] == ["GET /jobs/S1"]


# --- run ---


def test_run_starts_a_job_by_its_name(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """One POST; job, run, submit time and status on stdout, the story on stderr."""
    alma_with_jobs.on("POST /jobs/S1", started(ERP, "77"))
    alma_with_jobs.on("GET /jobs/S1/instances/77", instance("77", ERP, "QUEUED"))
    done = almajob(*ENV, "run", "--job", ERP["name"], "-f", "json")
    shown = json.loads(done.out)
    assert done.code == 0
    assert {name: shown[name] for name in ("job_id", "instance_id", "submit_time", "status")} == {
        "job_id": "S1",
        "instance_id": "77",
        "submit_time": "2025-10-05T09:11:32.592Z",
        "status": "QUEUED",
    }
    assert shown["description"] == "Queued (from the table)"
    assert shown["start_time"] is None
    assert alma_with_jobs.calls("POST") == ["POST /jobs/S1?op=run"]
    assert done.err.splitlines() == [
        f"Starting {ERP['name']} (S1) in sandbox; run key {shown['run_key']}.",
        f"Started {ERP['name']}: run 77.",
    ]


def test_the_first_job_of_the_list_runs_like_any_other(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """In the predecessor it never could."""
    alma_with_jobs.on("POST /jobs/M1", started(JOBS[0], "78"))
    alma_with_jobs.on("GET /jobs/M1/instances/78", instance("78", JOBS[0], "QUEUED"))
    assert almajob(*ENV, "run", "--job", "00806748 test").code == 0
    assert alma_with_jobs.calls("POST") == ["POST /jobs/M1?op=run"]


@pytest.mark.parametrize(
    ("end", "code"), [("COMPLETED_SUCCESS", 0), ("COMPLETED_FAILED", 3), ("USER_ABORTED", 3)]
)
def test_run_wait_follows_to_the_end(alma_with_jobs: FakeAlma, almajob: Run, end: str, code: int) -> None:
    """The result is printed whole, and a bad end is exit code 3."""
    counter = {"type": {"value": "c.x", "desc": "Records"}, "value": "Download the file."}
    alma_with_jobs.on("POST /jobs/S1", started(ERP, "77"))
    alma_with_jobs.on(
        "GET /jobs/S1/instances/77",
        instance("77", ERP, "QUEUED"),
        instance("77", ERP, "RUNNING", start_time="2025-10-05T09:11:33Z"),
        instance(
            "77", ERP, end, progress=101.3, counter=[counter], alert=[{"value": "a", "desc": "See report."}]
        ),
    )
    done = almajob(*ENV, "run", "--job", "S1", "--wait", "-f", "json")
    shown = json.loads(done.out)
    assert done.code == code
    assert (shown["status"], shown["progress"]) == (end, 101.3)
    assert shown["counters"] == [{"code": "c.x", "text": "Records", "value": "Download the file."}]
    assert shown["alerts"] == [{"code": "a", "text": "See report."}]
    assert (f"ended with {end}" in done.err) is bool(code)
    assert len(alma_with_jobs.calls("POST")) == 1


def test_run_wait_with_a_time_limit(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Exit code 8; what was seen last is printed, and the message says how to look again."""
    alma_with_jobs.on("POST /jobs/S1", started(ERP, "77"))
    alma_with_jobs.on("GET /jobs/S1/instances/77", instance("77", ERP, "RUNNING"))
    done = almajob(*ENV, "run", "--job", "S1", "--wait", "--timeout", "0.2", "-f", "json")
    shown = json.loads(done.out)
    assert done.code == 8
    assert (shown["environment"], shown["instance_id"], shown["status"]) == ("sandbox", "77", "RUNNING")
    assert "almajob --env sandbox wait --id 77" in done.err


def test_an_unknown_column_is_refused_before_the_start(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """A typing error must not leave a job running with its number untold."""
    done = almajob(*ENV, "run", "--job", "S1", "-c", "instanceid")
    assert (done.code, done.out) == (2, "")
    assert "There is no column 'instanceid'" in done.err
    assert alma_with_jobs.calls() == []


def test_run_with_an_ambiguous_or_unknown_name_starts_nothing(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Candidates with ids, or the three nearest names."""
    for name, part in (
        ("gift", "M3 (ERP) 'gift'; M4"),
        ("ERP exprt", "Nearest: 'ERP export using profile FINANCE' (S1)"),
    ):
        done = almajob(*ENV, "run", "--job", name)
        assert (done.code, done.out) == (5, "")
        assert part in done.err
    assert alma_with_jobs.calls("POST") == []


def test_a_stale_list_starts_nothing(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """The id of the kept list is another job by now."""
    almajob(*ENV, "list")
    alma_with_jobs.on("GET /jobs/S1", job("S1", "Delete all users"))
    done = almajob(*ENV, "run", "--job", ERP["name"])
    assert done.code == 5
    assert "Delete all users" in done.err
    assert alma_with_jobs.calls("POST") == []


# --- status ---


@pytest.mark.parametrize(
    "words", [("--id", "77"), ("--job", ERP["name"], "--id", "77"), ("--id=77", "--job=S1")]
)
def test_status_is_one_call(alma_with_jobs: FakeAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """The table of statuses comes once a day; then one GET answers."""
    for path in ("ALL", "S1"):
        alma_with_jobs.on(f"GET /jobs/{path}/instances/77", instance("77", ERP, "RUNNING", progress=12))
    almajob(*ENV, "status", *words)
    before = len(alma_with_jobs.requests)
    done = almajob(*ENV, "status", *words, "-f", "json")
    assert done.code == 0
    assert len(alma_with_jobs.requests) == before + 1
    shown = json.loads(done.out)
    assert (shown["status"], shown["description"], shown["progress"]) == (
        "RUNNING",
        "Running (from the table)",
        12,
    )


ODD: dict[str, dict[str, Any]] = {
    "queued": {"status": "QUEUED"},
    "no milliseconds": {"status": "RUNNING", "submit_time": "2025-10-05T09:11:32Z"},
    "a date": {"status": "RUNNING", "status_date": "2025-10-05Z", "end_time": "2025-10-05Z"},
    "209 %": {"status": "RUNNING", "progress": 209.0},
    "no desc": {"status": "BRAND_NEW", "submitted_by": {"value": "System"}},
    "words": {
        "status": "FAILED",
        "counter": [{"type": {"value": "FTP has failed.", "desc": ""}, "value": "By hand."}],
    },
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("form", ["table", "json", "value", "yaml"])
def test_whatever_alma_says_of_a_run_is_printed(
    alma_with_jobs: FakeAlma, almajob: Run, odd: dict[str, Any], form: str
) -> None:
    """None of it is an error, in any format."""
    more = dict(odd)
    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, more.pop("status"), **more))
    done = almajob(*ENV, "status", "--id", "77", "-f", form)
    assert (done.code, done.err) == (0, "")
    assert "77" in done.out
    for shown in ("By hand.", "209", "2025-10-05Z", "BRAND_NEW"):
        assert (shown in done.out) or shown not in str(odd) or form == "yaml"


def test_a_table_shows_local_time_with_its_offset(
    alma_with_jobs: FakeAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has UTC with Z."""
    import time

    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        done = almajob(*ENV, "status", "--id", "77")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "2025-10-05 05:11:32-04:00" in done.out


# --- config and cache ---


def test_config_show_names_every_source_and_hides_the_key(site: FakeAlma, almajob: Run) -> None:
    """File and line, variable, or default."""
    rows = {row["Setting"]: row for row in json.loads(almajob("config", "show", "-f", "json").out)}
    assert rows["sandbox.api_key"]["Value"] == "(hidden)"
    assert rows["sandbox.api_key"]["Source"].endswith("almajob.ini, line 2")
    assert rows["sandbox.deadline"]["Value"] == "4 s"
    assert rows["demo.base_url"]["Source"] == "built in"
    chosen = json.loads(almajob("config", "show", "--env", "demo", "-f", "json").out)
    assert {row["Setting"].split(".")[0] for row in chosen} == {
        "ini_file",
        "env",
        "cache_dir",
        "state_dir",
        "demo",
    }


def test_config_show_names_every_setting_of_an_environment(
    write_ini: Callable[..., Path], almajob: Run
) -> None:
    """What the ini says with its line, and all else as a default; of the key, by which setting it comes."""
    given = {"calls_per_second": "2.5", "burst": "3", "quota_floor": "70", "institution": "01X_INST"}
    lines = [f"{setting} = {value}" for setting, value in given.items()]
    sandbox = ["[sandbox]", "region = na", "api_key_keyring = yes", *lines]
    ini = write_ini("\n".join([*sandbox, "[production]", "region = na"]))
    rows = {row["Setting"]: row for row in json.loads(almajob("config", "show", "-f", "json").out)}
    told = {name: rows[f"sandbox.{name}"] for name in given}
    assert {name: row["Value"] for name, row in told.items()} == given
    assert [row["Source"] for row in told.values()] == [f"{ini}, line {number}" for number in range(4, 8)]
    assert rows["sandbox.api_key"]["Source"] == f"{ini}, line 3 (api_key_keyring)"
    named_otherwise = {"region", "domain", "api_key_file", "api_key_command", "api_key_keyring"}
    for name in set(ENVIRONMENT_SETTINGS) - named_otherwise:
        assert f"production.{name}" in rows
    told = {name: rows[f"production.{name}"] for name in given}
    assert [row["Value"] for row in told.values()] == ["15", "5", "5000", ""]
    assert {row["Source"] for row in told.values()} == {"default"}


def test_config_show_survives_an_environment_that_is_wrong(
    write_ini: Callable[..., Path], almajob: Run
) -> None:
    """It is shown as wrong, and the others as they are."""
    write_ini(
        f"[sandbox]\napi_key = {KEY}\nregion = mars\n[lab]\nkind = sandbox\nbase_url = http://localhost:1\n"
    )
    done = almajob("config", "show")
    assert done.code == 0
    assert "no region of that name" in done.out
    assert "lab.base_url" in done.out
    assert almajob("config", "show", "--env", "nowhere").code == 7


def _test_calls(site: FakeAlma, general: dict[str, Any]) -> None:
    site.on("GET /test", {"test": "GET - OK - institutionCode: 01X_INST"})
    site.on("POST /test", {"test": "POST - OK"})
    site.on("GET /general", general)


def test_config_check_is_one_line_a_check(site: FakeAlma, almajob: Run) -> None:
    """All well: exit code 0, and nothing but the three test calls was made."""
    _test_calls(site, {"environment_type": "SANDBOX"})
    done = almajob(*ENV, "config", "check", "-f", "json")
    assert done.code == 0
    assert len(json.loads(done.out)) == 7
    assert site.calls() == ["GET /test", "POST /test", "GET /general"]


def test_config_check_finds_a_key_of_the_other_environment(site: FakeAlma, almajob: Run) -> None:
    """conf/general contradicts the ini: exit code 7."""
    _test_calls(site, {"environment_type": {"value": "PRODUCTION"}})
    done = almajob(*ENV, "config", "check", "-f", "json")
    assert done.code == 7
    assert "leads to production, not to sandbox" in done.out
    assert json.loads(done.out)[-1]["Cure"]


def test_config_check_tells_a_read_only_key(site: FakeAlma, almajob: Run) -> None:
    """The other checks are made all the same."""
    _test_calls(site, {})
    site.on("POST /test", error("UNAUTHORIZED"), status=400)
    done = almajob(*ENV, "config", "check", "-f", "json")
    rows = json.loads(done.out)
    assert done.code == 7
    assert [row["Result"].startswith("failed") for row in rows] == [False] * 5 + [True, False]
    assert "Read/write" in rows[5]["Cure"]


@pytest.mark.parametrize(
    ("text", "code", "checks"),
    [
        ("[sandbox]\nregion = na\n", 7, 4),
        ("[sandbox]\nregion = mars\napi_key = x\n", 7, 3),
        ("nonsense\n", 7, 1),
        ("[almajob]\n", 7, 3),
    ],
)
def test_config_check_stops_where_the_ground_is_missing(
    write_ini: Callable[..., Path], almajob: Run, text: str, code: int, checks: int
) -> None:
    """The last line is the one that failed, with its cure."""
    write_ini(text)
    done = almajob(*ENV, "config", "check", "-f", "json")
    rows = json.loads(done.out)
    assert (done.code, len(rows)) == (code, checks)
    assert rows[-1]["Result"].startswith("failed")
    assert rows[-1]["Cure"]


def test_cache_show_and_clear(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """What is kept has the predecessor's names; cleared, the next list asks Alma."""
    assert "is empty" in almajob("cache", "show").err
    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    almajob(*ENV, "list")
    almajob(*ENV, "status", "--id", "77")
    shown = json.loads(almajob("cache", "show", "-f", "json").out)
    assert [(row["Name"], row["Entries"]) for row in shown] == [
        ("codetable.systemJobStatus", 1),
        ("jobs.sandbox", 1),
    ]
    assert Path(shown[1]["Directory"]).name == ".cache.jobs.sandbox"
    assert shown[1]["Newest"].endswith("Z")
    done = almajob("cache", "clear")
    assert (done.code, done.out) == (0, "")
    assert "Removed 2" in done.err
    almajob(*ENV, "list")
    assert len([call for call in alma_with_jobs.calls() if call.startswith("GET /jobs?")]) == 2


def test_removing_a_cache_file_by_hand_forces_a_fresh_fetch(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """As the predecessor's manual says."""
    import shutil

    almajob(*ENV, "list")
    shutil.rmtree(Path.home() / ".cache/almajob/.cache.jobs.sandbox")
    assert almajob(*ENV, "list").err == ""
    assert len(alma_with_jobs.calls()) == 2


def test_two_environments_never_share_a_list(
    site: FakeAlma, write_ini: Callable[..., Path], almajob: Run
) -> None:
    """Nor does one environment whose key or address has changed."""
    site.jobs(JOBS)
    sections = "[{name}]\nkind = sandbox\napi_key = {key}\nbase_url = {url}\n"
    for name, key, url in (
        ("a", KEY, site.url),
        ("b", KEY, site.url),
        ("a", "other", site.url),
        ("a", KEY, site.url.replace("localhost", "127.0.0.1")),
        # The same address, spelled otherwise.
        ("a", KEY, site.url + "/"),
    ):
        write_ini(sections.format(name=name, key=key, url=url))
        assert almajob("--env", name, "list").code == 0
        assert almajob("--env", name, "list").code == 0
    assert len(site.calls()) == 4
