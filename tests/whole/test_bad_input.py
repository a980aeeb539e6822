"""Bad input, end to end: the exit code of the table, a message that helps, and nothing on stdout."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug import Response

from tests.conftest import Run
from tests.support.fake_alma import KEY, FakeAlma, answer, error, instance, job, started

ERP = job("S1", "ERP export")
COMMANDS = {
    "list": ("list",),
    "show": ("show", "ERP export"),
    "run": ("run", "--job", "ERP export"),
    "status": ("status", "--id", "77"),
}


@pytest.fixture(params=list(COMMANDS.values()), ids=list(COMMANDS))
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return tuple(request.param)


def _assert_fails(done: object, code: int, *parts: str) -> None:
    assert done.out == ""  # type: ignore[attr-defined]
    err = done.err  # type: ignore[attr-defined]
    assert done.code == code, err  # type: ignore[attr-defined]
    for part in parts:
        assert part in err
    # Messages, and what went before; each at most six lines.
    assert len(err.splitlines()) <= 8


def test_no_ini(almajob: Run, command: tuple[str, ...]) -> None:
    """The way to the sample, and to the demo."""
    _assert_fails(almajob("--env", "sandbox", *command), 7, "almajob.ini.sample", "--env demo")


INIS = {
    "without a key": ("[sandbox]\nregion = na\n", 7, "There is no API key for sandbox"),
    "no equals sign": (f"[sandbox]\napi_key {KEY}\n", 7, "line 2 is neither a [section]"),
    "unknown environment": (
        f"[lab]\nkind = sandbox\nregion = na\napi_key = {KEY}\n",
        7,
        "has no environment 'sandbox'",
    ),
    "unknown region": (f"[sandbox]\nregion = mars\napi_key = {KEY}\n", 7, "na, eu, ap, aps, ca, cn"),
    "misspelled": (f"[sandbox]\nregoin = na\napi_key = {KEY}\n", 7, "Did you mean region?"),
    "two words for a key": (f"[sandbox]\nregion = na\napi_key = {KEY} {KEY}\n", 7, "has a blank"),
    "http elsewhere": (f"[sandbox]\nbase_url = http://alma.example\napi_key = {KEY}\n", 7, "in the clear"),
}


@pytest.mark.parametrize(("text", "code", "part"), INIS.values(), ids=INIS)
def test_a_bad_ini(
    write_ini: Callable[..., Path], almajob: Run, command: tuple[str, ...], text: str, code: int, part: str
) -> None:
    """File, line, setting; never the content of the line."""
    write_ini(text)
    _assert_fails(almajob("--env", "sandbox", *command), code, part)


def test_a_group_readable_ini(write_ini: Callable[..., Path], almajob: Run, command: tuple[str, ...]) -> None:
    """With the chmod that cures it."""
    path = write_ini(f"[sandbox]\nregion = na\napi_key = {KEY}\n", 0o640)
    _assert_fails(almajob("--env", "sandbox", *command), 7, f"chmod 600 {path}")


def test_an_ini_that_is_not_there(almajob: Run, command: tuple[str, ...]) -> None:
    """Named by --ini-file."""
    _assert_fails(
        almajob("--ini-file", "nowhere.ini", "--env", "sandbox", *command), 7, "nowhere.ini cannot be read"
    )


def test_an_unknown_id(site: FakeAlma, almajob: Run) -> None:
    """Alma's own answer, with its code and tracking id."""
    site.on("GET /jobs/ALL/instances/99", error("402218", "Invalid job instance id."), status=400)
    _assert_fails(
        almajob("--env", "sandbox", "status", "--id", "99"), 4, "[Alma: 402218 Invalid", "E01-", "Process ID"
    )


@pytest.mark.parametrize("name", ["X123", "M12x", "123456", "S", "m44", "../M44"])
def test_a_job_id_of_the_wrong_form(site: FakeAlma, almajob: Run, name: str) -> None:
    """It is taken for a name, and no job has it."""
    site.jobs([ERP])
    for words in (("run", "--job", name), ("show", name)):
        _assert_fails(
            almajob("--env", "sandbox", *words), 5, f"No job has the name or id {name!r}", "list --name WORD"
        )
    assert site.calls("POST") == []


ANSWERS = {
    "html": (Response("<html>Sign in</html>", 200, content_type="text/html"), 6, "a web page (HTML)"),
    "truncated json": (Response('{"job": [{"id": "M', 200), 6, "breaks off"),
    "empty": (Response("", 200), 6, "an empty answer"),
    "50 MB": (Response(b'{"job": [' + b" " * 50_000_000, 200), 6, "larger than 8 MiB"),
    "key refused": (answer(error("UNAUTHORIZED"), 400), 7, "config check"),
    "html 401": (Response("<html>", 401, content_type="text/html"), 7, "regional gateway"),
    "plain text key error": (Response("Invalid API Key", 400), 7, "Read/write"),
    "quota": (answer(error("DAILY_THRESHOLD"), 429), 10, "used up"),
    "inner error": (answer(error("GENERAL_ERROR"), 500), 6, "Alma failed"),
    "redirect": (
        Response("", 302, {"Location": "https://elsewhere.invalid"}),
        6,
        "redirects the request",
    ),
    "list of nothing": (Response("[]", 200), 6, "did not answer as Alma does"),
    "deep": (Response('{"a":' * 100_000, 200), 6, "damaged"),
}


@pytest.mark.parametrize(("reply", "code", "part"), ANSWERS.values(), ids=ANSWERS)
def test_a_bad_answer(
    site: FakeAlma, almajob: Run, command: tuple[str, ...], reply: Response, code: int, part: str
) -> None:
    """Whatever it is that answers."""
    site.on("GET /jobs", reply)
    site.on("GET /jobs/ALL/instances/77", reply)
    _assert_fails(almajob("--env", "sandbox", *command), code, part)
    assert site.calls("POST") == []


def test_an_empty_list_is_an_answer(site: FakeAlma, almajob: Run) -> None:
    """{"total_record_count": 0} lists nothing, and a job cannot be found in it."""
    site.on("GET /jobs", {"total_record_count": 0})
    done = almajob("--env", "sandbox", "list", "-f", "json")
    assert (done.code, json.loads(done.out)) == (0, [])
    _assert_fails(almajob("--env", "sandbox", "run", "--job", "ERP export"), 5, "lists no jobs")


def test_nobody_listens(write_ini: Callable[..., Path], almajob: Run, command: tuple[str, ...]) -> None:
    """Connection refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = http://127.0.0.1:{port}\n")
    _assert_fails(almajob("--env", "sandbox", *command), 6, "No connection to 127.0.0.1", "proxy")


def test_a_host_that_does_not_exist(
    write_ini: Callable[..., Path], almajob: Run, command: tuple[str, ...]
) -> None:
    """A typing error in base_url."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = https://api-na.nowhere.invalid\n")
    _assert_fails(
        almajob("--env", "sandbox", *command),
        6,
        "The host api-na.nowhere.invalid cannot be found",
        "base_url",
    )


STARTS = {
    "refused": (answer(error("402222", "Execution threshold reached."), 400), 4, "at most 3 jobs"),
    "parameters": (answer(error("402228", "Mandatory parameter is missing."), 400), 4, "API Information"),
    "scheduled": (
        answer(error("402248", "Cannot submit scheduled job."), 400),
        4,
        "Of the scheduled jobs only",
    ),
    "quota": (answer(error("DAILY_THRESHOLD"), 429), 10, "used up"),
    "read-only key": (answer(error("UNAUTHORIZED"), 400), 7, "Read/write"),
    "accepted, then 500": (answer(error("GENERAL_ERROR"), 500), 9, "starts nothing until"),
    "accepted, then html": (Response("<html>", 502, content_type="text/html"), 9, "starts nothing until"),
    "accepted, no link": (answer(ERP), 9, "without naming the run"),
}


@pytest.mark.parametrize(("reply", "code", "part"), STARTS.values(), ids=STARTS)
def test_a_start_that_fails(site: FakeAlma, almajob: Run, reply: Response, code: int, part: str) -> None:
    """One POST, and the code says whether something may be running now."""
    site.jobs([ERP])
    site.on("POST /jobs/S1", reply)
    _assert_fails(almajob("--env", "sandbox", "run", "--job", "ERP export"), code, part)
    assert len(site.calls("POST")) == 1


def test_xml_answers_are_understood(site: FakeAlma, almajob: Run) -> None:
    """From the list to the end of a run."""

    def xml(text: str) -> Response:
        return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', 200, content_type="application/xml")

    listed = (
        '<job link="x"><id>S1</id><name>ERP export</name>'
        '<type desc="Scheduled">SCHEDULED</type><category>ERP</category>{}</job>'
    )
    link = (
        '<additional_info link="/almaws/v1/conf/jobs/S1/instances/77">'
        "Job no. 77 triggered on Sun, 05 Oct 2025 09:11:32 GMT</additional_info>"
    )
    site.on("GET /jobs", xml(f'<jobs total_record_count="1">{listed.format("")}</jobs>'))
    site.on("GET /jobs/S1", xml(listed.format("")))
    site.on("GET /jobs/S1/instances", xml('<job_instances total_record_count="0"/>'))
    site.on("GET /general", xml("<general><environment_type>SANDBOX</environment_type></general>"))
    site.on("POST /jobs/S1", xml(listed.format(link)))
    site.on(
        "GET /jobs/S1/instances/77",
        xml(
            '<job_instance><id>77</id><progress>101.3</progress><status desc="Failed">FAILED</status>'
            "<counters><counter><type desc='Records'>c</type><value>7</value></counter></counters>"
            "<job_info><id>S1</id><name>ERP export</name></job_info></job_instance>"
        ),
    )
    site.on(
        "GET /code-tables/systemJobStatus",
        xml(
            "<code_table><rows><row><code>FAILED</code><description>From XML</description></row></rows>"
            "</code_table>"
        ),
    )
    done = almajob("--env", "sandbox", "run", "--job", "ERP export", "--wait", "-f", "json")
    shown = done.row
    assert done.code == 3
    assert (shown["status"], shown["description"], shown["progress"]) == ("FAILED", "From XML", 101.3)
    assert shown["counters"] == [{"code": "c", "text": "Records", "value": "7"}]


def test_a_whole_day_without_a_cache(site: FakeAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache directory that cannot be made: everything works, with one warning."""
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", "/dev/null/cache")
    site.jobs([ERP])
    site.on("POST /jobs/S1", started(ERP, "77"))
    site.on("GET /jobs/S1/instances/77", instance("77", ERP, "COMPLETED_SUCCESS"))
    site.on("GET /code-tables/systemJobStatus", error("40166411"), status=400)
    done = almajob("--env", "sandbox", "run", "--job", "ERP export", "--wait")
    assert done.code == 0
    assert done.err.count("cannot be used") == 1
