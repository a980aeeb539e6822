"""The commands: what crosses the wire, what is printed, the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.config.environments import ENVIRONMENT_SETTINGS
from tests.conftest import Run
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, answer, error, instance, job

ERP = job("S1", "ERP export using profile FINANCE")
JOBS = [job("M1", "00806748 test", "MANUAL"), ERP, job("M3", "gift", "MANUAL"), job("M4", "gift", "MANUAL")]
ENV = ("--env", "sandbox")


@pytest.fixture
def alma_with_jobs(site: FakeAlma) -> FakeAlma:
    site.jobs(JOBS)
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    return site


# --- list ---


def test_list_prints_four_columns(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Ids, names, types and categories of all jobs; stderr is silent."""
    done = almajob(*ENV, "list", "-f", "json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert list(rows[0]) == ["id", "name", "type", "category"]
    assert rows[1] == {"id": "S1", "name": ERP["name"], "type": "SCHEDULED", "category": "ERP"}
    assert [row["id"] for row in rows] == ["M1", "S1", "M3", "M4"]


def test_a_second_list_asks_nothing_and_refresh_does(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """--force and --refresh are the same."""
    for words, calls in (([], 1), ([], 1), (["--refresh"], 2), (["--force"], 3), ([], 3)):
        assert almajob(*ENV, "list", *words).code == 0
        assert len(alma_with_jobs.calls()) == calls


def test_list_filters_as_alma_does_and_by_name(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """type= and profile_id= are sent; what is sought in the name stays here."""
    done = almajob(
        *(*ENV, "list", "--type", "Manual", "--profile-id", "7"),
        *("--name", "GIFT", "-f", "value", "-c", "ID"),
    )
    assert done.out.split() == ["M3", "M4"]
    assert alma_with_jobs.requests[0].args.to_dict() == {
        "type": "MANUAL",
        "profile_id": "7",
        "limit": "100",
        "offset": "0",
    }


def test_list_knows_the_categories_of_its_jobs(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """In any case; another one is refused here, with those that there are, and what may be meant."""
    listed = json.loads(almajob(*ENV, "list", "-f", "json").out)
    known = sorted({value for row in listed for name, value in row.items() if name.lower() == "category"})
    for category in known:
        done = almajob(*ENV, "list", "--category", category.lower(), "-f", "json")
        assert json.loads(done.out) == [row for row in listed if category in row.values()]
    done = almajob(*ENV, "list", "--category", known[0][:-2])
    assert (done.code, done.out) == (2, "")
    assert f"Did you mean {known[0]}?" in done.err
    assert ", ".join(known) in done.err
    assert len(alma_with_jobs.calls()) == 1


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


def test_run_with_an_ambiguous_or_unknown_name_starts_nothing(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """Candidates with ids, or the three nearest names."""
    for name, part in (
        ("gift", "M3 (ERP) 'gift'; M4"),
        ("ERP exprt", "Did you mean: 'ERP export using profile FINANCE' (S1)?"),
    ):
        done = almajob(*ENV, "run", "--job", name)
        assert (done.code, done.out) == (5, "")
        assert part in done.err
    assert alma_with_jobs.calls("POST") == []


# --- status ---


def test_status_is_one_call(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """The table of statuses comes once a day; then one GET answers, with the job or without."""
    for path in ("ALL", "S1"):
        alma_with_jobs.on(f"GET /jobs/{path}/instances/77", instance("77", ERP, "RUNNING", progress=12))
    almajob(*ENV, "list")
    almajob(*ENV, "status", "--id", "77")
    for words in (("--id", "77"), ("--job", ERP["name"], "--id", "77"), ("--id=77", "--job=S1")):
        before = len(alma_with_jobs.requests)
        shown = almajob(*ENV, "status", *words, "-f", "json").row
        assert len(alma_with_jobs.requests) == before + 1
        told = (shown["status"], shown["description"], shown["progress"])
        assert told == ("RUNNING", "Running (from the table)", 12)


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
def test_whatever_alma_says_of_a_run_is_printed(
    alma_with_jobs: FakeAlma, almajob: Run, odd: dict[str, Any]
) -> None:
    """None of it is an error, in any format."""
    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, **odd))
    for form in ("table", "json", "value", "yaml"):
        done = almajob(*ENV, "status", "--id", "77", "-f", form)
        assert (done.code, done.err) == (0, "")
        assert "77" in done.out
        for shown in ("By hand.", "209", "2025-10-05Z", "BRAND_NEW"):
            assert (shown in done.out) or shown not in str(odd) or form == "yaml"


def test_a_table_shows_local_time_with_its_offset(
    alma_with_jobs: FakeAlma, almajob: Run, berlin: None
) -> None:
    """JSON has UTC with Z."""
    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    assert "2025-10-05 11:11:32+02:00" in almajob(*ENV, "status", "--id", "77").out


# --- config and cache ---


def test_config_show_names_every_setting_of_an_environment(
    write_ini: Callable[..., Path], almajob: Run
) -> None:
    """What the ini says with its line, all else as a default; of the key, by which setting it comes."""
    given = {"calls_per_second": "2.5", "burst": "3", "quota_floor": "70", "institution": "01X_INST"}
    lines = [f"{setting} = {value}" for setting, value in given.items()]
    sandbox = ["[sandbox]", "region = na", "api_key_keyring = yes", *lines]
    ini = write_ini("\n".join([*sandbox, "[production]", "region = na", f"api_key = {KEY}", "deadline = 4"]))
    rows = {row["setting"]: row for row in json.loads(almajob("config", "show", "-f", "json").out)}
    told = {name: rows[f"sandbox.{name}"] for name in given}
    assert {name: row["value"] for name, row in told.items()} == given
    assert [row["source"] for row in told.values()] == [f"{ini}, line {number}" for number in range(4, 8)]
    assert rows["sandbox.api_key"]["source"] == f"{ini}, line 3 (api_key_keyring)"
    assert list(rows["production.api_key"].values())[1:] == ["(hidden)", f"{ini}, line 10"]
    assert rows["production.deadline"]["value"] == "4 s"
    assert rows["demo.base_url"]["source"] == "built in"
    named_otherwise = {"region", "domain", "api_key_file", "api_key_command", "api_key_keyring"}
    named_otherwise |= {name for name in ENVIRONMENT_SETTINGS if name.startswith("webhook_secret")}
    assert {f"production.{name}" for name in set(ENVIRONMENT_SETTINGS) - named_otherwise} <= set(rows)
    told = {name: rows[f"production.{name}"] for name in given}
    assert [row["value"] for row in told.values()] == ["15", "5", "5000", None]
    assert {row["source"] for row in told.values()} == {"default"}
    chosen = json.loads(almajob("config", "show", "--env", "demo", "-f", "json").out)
    shown = {row["setting"].partition(".")[0] for row in chosen}
    assert shown == {"ini_file", "env", "cache_dir", "state_dir", "demo"}


def test_config_show_survives_an_environment_that_is_wrong(
    write_ini: Callable[..., Path], almajob: Run
) -> None:
    """It is shown as wrong, and the others as they are."""
    write_ini(
        f"[sandbox]\napi_key = {KEY}\nregion = mars\n[lab]\nkind = sandbox\nbase_url = http://localhost:1\n"
    )
    done = almajob("config", "show")
    assert done.code == 0
    assert "there is no such region" in done.out
    assert "lab.base_url" in done.out
    assert almajob("config", "show", "--env", "nowhere").code == 7


@pytest.mark.parametrize(
    ("posted", "general", "failed", "fix"),
    [
        ({"test": "POST - OK"}, {"environment_type": "SANDBOX"}, (), ""),
        # The key of the other environment, which conf/general knows; and one that may only read.
        ({"test": "POST - OK"}, {"environment_type": {"value": "PRODUCTION"}}, (7,), ""),
        (answer(error("UNAUTHORIZED"), 400), {}, (6,), "Read/write"),
    ],
)
def test_config_check_is_one_line_a_check(
    site: FakeAlma, almajob: Run, posted: object, general: object, failed: tuple[int, ...], fix: str
) -> None:
    """All are made, and one that fails has a fix, which is not to check again; exit code 0 or 7."""
    site.on("GET /test", {"test": "GET - OK - institutionCode: 01X_INST"})
    site.on("POST /test", posted)
    site.on("GET /general", general)
    done = almajob(*ENV, "config", "check", "-f", "json")
    rows = json.loads(done.out)
    assert (done.code, len(rows)) == (7 if failed else 0, 8)
    assert [place for place, row in enumerate(rows) if row["result"].startswith("failed")] == list(failed)
    assert all(rows[place]["fix"] and fix in rows[place]["fix"] for place in failed)
    assert "config check" not in done.out + done.err
    assert ("leads to production, not to sandbox" in done.out) is (failed == (7,))
    assert site.calls() == ["GET /test", "POST /test", "GET /general"]


@pytest.mark.parametrize(
    ("text", "code", "checks"),
    [
        ("[sandbox]\nregion = na\n", 7, 5),
        ("[sandbox]\nregion = mars\napi_key = x\n", 7, 4),
        ("nonsense\n", 7, 1),
        ("[almajob]\n", 7, 4),
    ],
)
def test_config_check_stops_where_the_ground_is_missing(
    write_ini: Callable[..., Path], almajob: Run, text: str, code: int, checks: int
) -> None:
    """The last line is the one that failed, with its fix."""
    write_ini(text)
    done = almajob(*ENV, "config", "check", "-f", "json")
    rows = json.loads(done.out)
    assert (done.code, len(rows)) == (code, checks)
    assert rows[-1]["result"].startswith("failed")
    assert rows[-1]["fix"]


def test_config_check_names_only_what_may_be_wrong(site: FakeAlma, almajob: Run) -> None:
    """A key that may read is a right one, of the right area, and allowed from here."""
    site.on("GET /test", answer(error("UNAUTHORIZED"), 400))
    refused = almajob(*ENV, "config", "check", "-f", "json")
    fix = json.loads(refused.out)[-1]["fix"]
    assert all(part in fix for part in ("area Configuration", "the right environment", "address"))
    assert "Read/write" not in fix + refused.err
    site.on("GET /test", {"test": "GET - OK"})
    site.on("POST /test", answer(error("UNAUTHORIZED"), 400))
    site.on("GET /general", {})
    read_only = almajob(*ENV, "config", "check", "-f", "json")
    fix = json.loads(read_only.out)[6]["fix"]
    assert fix == (
        "Give the key Read/write for the area Configuration at "
        "https://developers.exlibrisgroup.com/manage/keys/"
    )
    assert "address" not in read_only.err


def test_cache_show_and_clear(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """What is kept has the predecessor's names; cleared, the next list asks Alma."""
    assert "is empty" in almajob("cache", "show").err
    alma_with_jobs.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    almajob(*ENV, "list")
    almajob(*ENV, "status", "--id", "77")
    shown = json.loads(almajob("cache", "show", "-f", "json").out)
    assert [(row["name"], row["entries"]) for row in shown] == [
        ("codetable.systemJobStatus", 1),
        ("jobs.sandbox", 1),
    ]
    assert Path(shown[1]["directory"]).name == ".cache.jobs.sandbox"
    assert shown[1]["newest"].endswith("Z")
    done = almajob("cache", "clear")
    assert (done.code, done.out) == (0, "")
    assert "Removed 2" in done.err
    almajob(*ENV, "list")
    assert len([call for call in alma_with_jobs.calls() if call.startswith("GET /jobs?")]) == 2


def test_removing_a_cache_file_by_hand_forces_a_fresh_fetch(alma_with_jobs: FakeAlma, almajob: Run) -> None:
    """As the predecessor's manual says."""
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
