"""``almajob report``: the same runs as Alma, history and the page have; written whole, sent by mail."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.mail_server import MailServer

SANDBOX, PRODUCTION = ("--env", "sandbox"), ("--env", "production")
ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
IMPORT = "Metadata Import using profile Vendor Records"
DAY = 86_400.0


def _submit(simulated: SimulatedAlma, *names: str, world: str = "sandbox") -> list[str]:
    there = getattr(simulated.institution, world)
    jobs = {job.name: job for job in there.jobs}
    return [there.submit(jobs[name], []).id for name in names]


@pytest.fixture
def busy(simulated: SimulatedAlma) -> SimulatedAlma:
    """A sandbox in which three jobs ran on a few days; one failed twice, one goes on."""
    for day in range(4):
        simulated.set_ending(SIS, "COMPLETED_FAILED" if day > 1 else "COMPLETED_SUCCESS")
        simulated.set_ending(IMPORT, "COMPLETED_WARNING")
        _submit(simulated, ERP, SIS, IMPORT)
        simulated.clock.advance(DAY)
    simulated.set_ending(ERP, seconds=100_000)
    _submit(simulated, ERP)
    simulated.clock.advance(7200)
    return simulated


def _report(almajob: Run, *words: str, env: str = "sandbox", code: int = 0) -> list[dict[str, Any]]:
    done = almajob("--env", env, "report", *words, "-f", "json")
    assert done.code == code, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def test_report_history_and_alma_agree_run_for_run(busy: SimulatedAlma, almajob: Run) -> None:
    """The same runs in the same order with the same numbers; and the page has a row for each."""
    (row,) = _report(almajob, "-o", "report.html")
    history = json.loads(almajob(*SANDBOX, "history", "--limit", "all", "-f", "json").out)
    shared = ("instance_id", "job_id", "job_name", "status", "passed", "submit_time", "end_time", "seconds")
    assert [{key: run[key] for key in shared} for run in row["runs"]] == [
        {key: run[key] for key in shared} for run in history
    ]
    there = busy.institution.sandbox.runs()
    assert sorted(run["instance_id"] for run in row["runs"]) == sorted(run.id for run in there)
    outcomes = Counter(run["outcome"] for run in row["runs"])
    assert outcomes == {"good": 6, "warning": 4, "bad": 2, "running": 1}
    assert {name: row[name] for name in outcomes} == outcomes
    assert (row["total"], row["success_rate"]) == (13, round(10 / 12, 4))
    assert "| 83.3 % " in almajob(*SANDBOX, "report").out
    html = Path("report.html").read_text("utf-8")
    assert sorted(re.findall(r"<tr><td>(\d+)<td>", html)) == sorted(run.id for run in there)
    failed = [run["instance_id"] for run in history if run["passed"] is False]
    assert [each["instance_id"] for each in row["failures"]] == failed
    for each in row["failures"]:
        (shown,) = json.loads(almajob(*SANDBOX, "status", each["instance_id"], "-f", "json").out)
        assert each["counters"] == shown["counters"]
        assert each["alerts"] == shown["alerts"]
        assert f"almajob --env sandbox status {each['instance_id']}" in " ".join(each["next_steps"])
        assert f"Process ID {each['instance_id']}" in html


@pytest.mark.parametrize(
    "words",
    [
        ("--passed", "no"),
        ("--running",),
        ("--status", "COMPLETED_WARNING"),
        ("--name", "export"),
        ("--since", "2d"),
        ("--until", "2d"),
        ("--limit", "3"),
        (ERP, SIS),
    ],
)
def test_the_filters_are_those_of_history(busy: SimulatedAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """With the same runs; what leaves out runs of a job leaves out rates, too."""
    (row,) = _report(almajob, *words)
    limit = () if "--limit" in words else ("--limit", "all")
    history = json.loads(almajob(*SANDBOX, "history", *words, *limit, "-f", "json").out)
    assert [run["instance_id"] for run in row["runs"]] == [run["instance_id"] for run in history]
    assert 0 < row["total"] < 13
    is_filtered = words[0] in ("--passed", "--running", "--status", "--limit")
    assert row["filters"] == ([" ".join(words)] if is_filtered else [])
    assert (row["success_rate"] is None) is is_filtered


def test_the_last_thirty_days_are_reported(simulated: SimulatedAlma, almajob: Run) -> None:
    """Where nobody says otherwise; they end with --until, where that is given."""
    old = _submit(simulated, ERP)
    simulated.clock.advance(31 * DAY)
    new = _submit(simulated, ERP)
    simulated.clock.advance(3600)
    assert [run["instance_id"] for run in _report(almajob)[0]["runs"]] == new
    assert [run["instance_id"] for run in _report(almajob, "--until", "20d")[0]["runs"]] == old
    assert _report(almajob, "--since", "60d")[0]["total"] == 2


def test_a_start_without_a_known_outcome_is_in_it(busy: SimulatedAlma, almajob: Run) -> None:
    """Of this environment and these jobs, with what to do."""
    busy.faults.add("reset-after", "POST /conf/jobs/*")
    job = next(job for job in busy.institution.production.jobs if "export" in job.name.lower())
    started = almajob(*PRODUCTION, "run", job.id, "--yes", "--run-key", "nightly")
    assert started.code == 9, started.err
    done = almajob(*PRODUCTION, "report", "-o", "r.html", "-f", "json")
    (start,) = done.row["open_starts"]
    (listed,) = json.loads(almajob("runs", "list", "--open", "-f", "json").out)
    assert {key: start[key] for key in ("id", "state", "run_key", "retry_safe", "created")} == {
        key: listed[key] for key in ("id", "state", "run_key", "retry_safe", "created")
    }
    assert f"runs settle {start['id']}" in Path("r.html").read_text("utf-8")
    assert _report(almajob)[0]["open_starts"] == []
    assert almajob(*PRODUCTION, "report", "--name", "no such", "-f", "json").row["open_starts"] == []


def test_a_saved_run_that_did_not_start_is_in_it(busy: SimulatedAlma, almajob: Run) -> None:
    """At the times of its schedule, until a run of its job; of a job that is not there nothing is known."""
    names = (ERP, SIS, IMPORT)
    other = next(job for job in busy.institution.sandbox.jobs if job.name not in names)
    with Path(os.environ["ALMAJOB_INI"]).open("a", encoding="utf-8") as ini:
        ini.write(
            f"[run:nightly]\njob@sandbox = {ERP}\nat@sandbox = *-*-* *:30 UTC\n"
            f"[run:other]\njob@sandbox = {other.id}\nat@sandbox = daily UTC\n"
            "[run:gone]\njob@sandbox = No such job\nat@sandbox = daily UTC\n"
        )
    (row,) = _report(almajob, "--since", "2d")
    found = {each["saved_run"]: each for each in row["did_not_run"]}
    assert found["nightly"]["basis"] == "schedule"
    since, now = (datetime.fromisoformat(row[name]) for name in ("since", "created"))
    submitted = [datetime.fromisoformat(run["submit_time"]) for run in _report(almajob, ERP)[0]["runs"]]
    missed = [datetime.fromisoformat(each) for each in found["nightly"]["expected"]]
    first = since.replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)
    due = [first + timedelta(hours=number) for number in range(60)]
    due = [each for each in due if since <= each < now - timedelta(minutes=10)]
    assert missed == [
        each
        for each in due
        if not any(-60 <= (run - each).total_seconds() < 3600 - 60 for run in submitted)
        and (each != due[-1] or not any(run > each for run in submitted))
    ]
    assert 40 < len(missed) < len(due)
    assert len(found["other"]["expected"]) == 2
    assert set(found) == {"nightly", "other"}
    assert [each["saved_run"] for each in _report(almajob, ERP, "--since", "2d")[0]["did_not_run"]] == [
        "nightly"
    ]


def test_a_file_is_written_whole_or_not_at_all(busy: SimulatedAlma, almajob: Run) -> None:
    """One that is there stays, before Alma is asked at all, until --overwrite replaces it."""
    assert almajob(*SANDBOX, "report", "-o", "r.html").code == 0
    before, calls = Path("r.html").read_bytes(), busy.log.count("GET *")
    done = almajob(*SANDBOX, "report", "-o", "r.html")
    assert (done.code, done.out) == (5, "")
    assert "r.html is there already." in done.err
    assert "--overwrite replaces it." in done.err
    assert busy.log.count("GET *") == calls
    assert Path("r.html").read_bytes() == before
    busy.clock.advance(60)
    done = almajob(*SANDBOX, "report", "-o", "r.html", "--overwrite")
    assert done.code == 0
    assert re.search(r"Wrote r\.html \(\d+ KiB\)\.", done.err)
    assert Path("r.html").read_bytes() != before
    assert stat.S_IMODE(Path("r.html").stat().st_mode) & 0o111 == 0
    calls = busy.log.count("GET *")
    for words in (["no-such/r.html"], ["."], [".", "--overwrite"]):
        done = almajob(*SANDBOX, "report", "-o", *words)
        assert (done.code, done.out) == (5, "")
        assert f"{words[0]} cannot be written." in done.err
        assert "Name another file." in done.err
    assert busy.log.count("GET *") == calls
    assert [each.name for each in Path().iterdir()] == ["r.html"]


def test_a_page_goes_into_a_pipe(busy: SimulatedAlma, almajob_process: Run, almajob: Run) -> None:
    """With nothing else, in whatever encoding."""
    assert almajob(*SANDBOX, "-q", "report", "-o", "-").out.startswith("<!DOCTYPE html>\n")
    done = almajob(*SANDBOX, "report", "-o", "-", "-f", "json")
    assert (done.code, done.out) == (2, "")
    assert "-o - and -f json both write to stdout." in done.err
    done = almajob_process(
        *("--env", "demo", "report", "-o", "-"), environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert done.out.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--timezone", "Asia/Kolkata"), r"Times: Asia/Kolkata, UTC\+05:30\."),
        (("--utc",), r"Times: UTC\."),
        ((), r"Times: CES?T, UTC\+0[12]:00\."),
    ],
)
def test_times_are_in_the_chosen_zone(
    busy: SimulatedAlma, almajob: Run, berlin: None, words: tuple[str, ...], shown: str
) -> None:
    """That of the option, else of --utc, else of the machine."""
    assert re.search(shown, almajob(*SANDBOX, "report", *words, "-o", "-").out)


def test_where_no_job_matches_that_is_said(busy: SimulatedAlma, almajob: Run) -> None:
    """A report that is empty for another reason looks the same."""
    done = almajob(*SANDBOX, "report", "--name", "no such job", "-f", "json")
    assert (done.code, json.loads(done.out)[0]["total"]) == (0, 0)
    assert "No job matches." in done.err


def test_periods_at_the_ends_of_the_calendar_are_refused(busy: SimulatedAlma, almajob: Run) -> None:
    """Where neither the day before nor another time zone can be reckoned with; far ones make a page."""
    page = ("report", ERP, "-o", "r.html", "--overwrite")
    for words in (("--until", "0001-01-01"), ("--since", "9999-12-30"), ("--until", "9999-12-31T23:00")):
        done = almajob(*SANDBOX, *page, *words)
        assert (done.code, done.out) == (2, "")
        assert f"argument {words[0]}: must be between the years 1000 and 9000" in done.err
    for words in (("--until", "1000-01-01"), ("--since", "9000-12-31"), ("--since", "99999d")):
        assert almajob(*SANDBOX, *page, *words, "--timezone", "Asia/Tokyo").code == 0


def test_wrong_options_are_refused_before_anything_is_asked(busy: SimulatedAlma, almajob: Run) -> None:
    """With what to write instead."""
    calls = busy.log.count("GET *")
    for words, message in (
        (("--timezone", "Mars/Base"), "there is no time zone 'Mars/Base'"),
        (("--overwrite",), "--overwrite needs a file."),
        (("--since", "1d", "--until", "2d"), "--since is not before --until."),
        ((ERP, "--name", "x"), "both choose jobs"),
    ):
        done = almajob(*SANDBOX, "report", *words)
        assert (done.code, done.out) == (2, ""), words
        assert message in done.err
    assert busy.log.count("GET *") == calls


def test_without_jinja2_facts_are_printed_and_no_page(
    busy: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the message says what to install, before Alma is asked."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "almajob.report.page", raising=False)
    assert _report(almajob)[0]["total"] == 13
    calls = busy.log.count("GET *")
    done = almajob(*SANDBOX, "report", "-o", "r.html")
    assert (done.code, done.out) == (7, "")
    assert "pip install jinja2" in done.err
    assert busy.log.count("GET *") == calls
    assert not Path("r.html").exists()


def test_several_environments_are_in_one_report(busy: SimulatedAlma, almajob: Run) -> None:
    """Each with its own runs, jobs and quota; each named once."""
    ids = _submit(busy, ERP, world="production")
    rows = _report(almajob, "-o", "r.html", env="sandbox,production,sandbox")
    assert [row["environment"] for row in rows] == ["sandbox", "production"]
    assert [run["instance_id"] for run in rows[1]["runs"]] == ids
    html = Path("r.html").read_text("utf-8")
    assert ids[0] in html
    assert 'aria-label="Timeline, production"' in html


def test_an_environment_that_cannot_be_read_is_told_in_the_report(busy: SimulatedAlma, almajob: Run) -> None:
    """The others are there all the same, and the exit code says so; with none there is no report."""
    _add_section("[lab]\nregion = eu\n[annex]\nregion = eu\n")
    rows = _report(almajob, "-o", "r.html", env="sandbox,lab", code=7)
    assert [(row["environment"], row["total"]) for row in rows] == [("sandbox", 13), ("lab", None)]
    assert rows[1]["error"]["code"] == "configuration_error"
    assert {name for name, value in rows[1].items() if value is not None} == {"environment", "error"}
    table = almajob("--env", "sandbox,lab", "report")
    assert (table.code, "| sandbox " in table.out, "| lab " in table.out) == (7, True, False)
    assert "It could not be read" in Path("r.html").read_text("utf-8")
    done = almajob("--env", "lab,annex", "report", "-o", "other.html")
    assert (done.code, done.out) == (7, "")
    assert not Path("other.html").exists()


def test_of_a_job_that_could_not_be_read_nothing_is_said(busy: SimulatedAlma, almajob: Run) -> None:
    """It is named on the page, in the JSON and in a mail, and not said to have missed its schedule."""
    sis = next(job.id for job in busy.institution.sandbox.jobs if job.name == SIS)
    _add_section(f"[run:nightly]\njob@sandbox = {sis}\nat@sandbox = *-*-* *:30 UTC\n")
    (row,) = _report(almajob, ERP, SIS, "--since", "2d")
    assert ([each["saved_run"] for each in row["did_not_run"]], row["unread_jobs"]) == (["nightly"], [])
    busy.faults.add("reset-before", f"GET /conf/jobs/{sis}/instances", times=4)
    (row,) = _report(almajob, ERP, SIS, "--since", "2d", "-o", "r.html", code=3)
    assert (row["did_not_run"], row["unread_jobs"]) == ([], [{"job_id": sis, "job_name": SIS}])
    html = Path("r.html").read_text("utf-8")
    assert "The runs of these jobs could not be read" in html
    assert "the runs of 1 job could not be read" in html


def _add_section(text: str) -> None:
    with Path(os.environ["ALMAJOB_INI"]).open("a", encoding="utf-8") as ini:
        ini.write(text)


def test_a_report_is_sent_by_mail(busy: SimulatedAlma, almajob: Run) -> None:
    """As an attachment, with the main facts in the text; the file is the one that -o writes."""
    with MailServer() as server:
        _add_section(
            "[notify:team]\ntype = mail\nto = Ada <ada@example.org>, ops@example.org\n"
            "from = jobs@example.edu\n"
            f"smtp = 127.0.0.1:{server.port}\nsecurity = none\n"
        )
        done = almajob(*SANDBOX, "report", "--mail", "team", "-o", "r.html", "-f", "json")
        assert done.code == 0, done.err
        (mail,) = server.mails
    assert server.recipients == [["ada@example.org", "ops@example.org"]]
    assert mail["Subject"] == "Alma jobs in sandbox: 2 of 13 runs did not end well."
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"{SIS} (COMPLETED_FAILED, {done.row['failures'][0]['instance_id']})" in body.get_content()
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content_type() == "text/html"
    assert re.fullmatch(r"almajob-\d{4}-\d\d-\d\d\.html", attachment.get_filename() or "")
    assert attachment.get_payload(decode=True) == Path("r.html").read_bytes()


def test_only_a_mail_carries_a_report(busy: SimulatedAlma, almajob: Run) -> None:
    """Other sections, wrong ones and those that are not there are refused before Alma is asked."""
    _add_section(
        "[notify:chat]\ntype = command\ncommand = true\n[notify:nobody]\ntype = mail\n"
        "[notify:ops]\ntype = mail\nto = ops@example.org\nsmtp = 127.0.0.1:9\nsecurity = none\n"
    )
    calls = busy.log.count("GET *")
    for name, message in (
        ("chat", "[notify:chat] is of the type command, and a report is sent by mail only."),
        ("nobody", "[notify:nobody] has no recipient."),
        ("team", "no section [notify:team]"),
    ):
        done = almajob(*SANDBOX, "report", "--mail", name)
        assert (done.code, done.out) == (7, "")
        assert message in done.err
    assert busy.log.count("GET *") == calls
    done = almajob(*SANDBOX, "report", "--mail", "ops", "-o", "r.html")
    assert (done.code, done.out) == (6, "")
    assert "The report could not be sent to ops." in done.err
    assert Path("r.html").exists()
