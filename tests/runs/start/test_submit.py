"""A start over a real connection, with a real ledger: one POST, told honestly, found again."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from werkzeug import Request, Response

from almajob.alma.client import Alma
from almajob.alma.models import Code, Job, Parameter
from almajob.errors import (
    AlmajobError,
    AlmaRefused,
    ConfigurationError,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from almajob.runs.evidence.start_outcome import REFUSAL_CODES
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run_key import make_tags
from almajob.runs.start import recover, submit
from almajob.runs.start.plan import Plan, make_plan
from almajob.runs.start.preflight import choose_key
from almajob.runs.start.start_limits import NoSlot
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Certainty, Record, State, Transition
from tests.runs.conftest import LAB
from tests.store.ledger.test_record import new
from tests.support.clocks import FastClock
from tests.support.fake_alma import FakeAlma, answer, error, instance, job, started
from tests.support.ledgers import directory_of, list_open, list_records, write_steps

DAY = 86_400.0

ERP = job("S1", "ERP export")
FOUND = Job("S1", "ERP export")
EXPORT = job("M44", "Export records", "MANUAL", "EXPORT")
MANUAL = Job("M44", "Export records", Code("MANUAL"))
PRODUCTION = replace(LAB, kind="production", environment="production")


@pytest.fixture(autouse=True)
def _jobs(alma: FakeAlma) -> Iterator[None]:
    alma.jobs([ERP, EXPORT])
    GIVEN_UP.clear()
    yield
    GIVEN_UP.set()


@pytest.fixture
def alma_keeps_time(monkeypatch: pytest.MonkeyPatch, time: FastClock) -> None:
    """What Alma's Date header says moves on as this machine's time does."""
    monkeypatch.setattr("almajob.alma.http.session.clock_of", lambda *_: (time.now(), 0.5))


def _start(
    deps: Deps,
    found: Job = FOUND,
    parameters: tuple[Parameter, ...] = (),
    *,
    target: Target = LAB,
    **options: Any,
) -> Record:
    options.setdefault("is_confirmed", True)
    request = StartRequest(found, Parameters.of(parameters), StartOptions(**options))
    request, begun = choose_key(request, target.environment, deps.clock.now()), deps.clock.elapsed()
    while True:
        try:
            return submit.start(request, replace(deps, target=target)).record
        except AlmajobError as error:
            submit.wait_for_slot(error, request.options.wait_for_slot, begun, deps.clock)


def _listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {**({"job_instance": list(items)} if items else {}), "total_record_count": len(items)}


def _lose_the_answer(
    alma: FakeAlma,
    reply: Callable[[], Response] = lambda: Response("<html>", 502),
    *,
    ids: tuple[str, ...] = ("77",),
    submitted: Callable[[], datetime] | None = None,
) -> None:
    """Have a manual job started, answered with something else, and listed by its day, under the name sent."""
    sent: list[str] = []

    def accept(request: Request) -> Response:
        sent.append(request.get_json()["parameter"][0]["value"])
        return reply()

    def listing(request: Request) -> Response:
        more = {}
        shown = sent
        if submitted is not None:
            when = submitted()
            since, until = (request.args[f"submit_date_{end}"] for end in ("from", "to"))
            shown = sent if since <= when.date().isoformat() <= until else []
            more = {"submit_time": when.isoformat()}
        runs = [instance(run, EXPORT, "RUNNING", name=name, **more) for name in shown for run in ids]
        return answer(_listed(*runs))

    alma.on("POST /jobs/M44", accept)
    alma.on("GET /jobs/M44/instances", listing)


@pytest.mark.parametrize(
    "link",
    [
        "/almaws/v1/conf/jobs/{job}/instances/{id}",
        "https://api-na.hosted.exlibrisgroup.com/almaws/v1/conf/jobs/{job}/instances/{id}",
        "https://evil.invalid/almaws/v1/conf/jobs/{job}/instances/{id}",
    ],
)
def test_a_confirmed_start_names_its_run(alma: FakeAlma, deps: Deps, ledger: Ledger, link: str) -> None:
    """One POST; the link's last segment is the run, wherever the link points; the ledger has it."""
    alma.on("POST /jobs/S1", started(ERP, "77", link))
    found = _start(deps)
    assert (found.instance_id, found.certainty) == ("77", Certainty.CONFIRMED)
    assert found.submit_time == "2025-10-05T09:11:32+00:00"
    assert alma.calls("POST") == ["POST /jobs/S1?op=run"]
    assert list_records(ledger) == [found]
    assert [step.state for step in found.trail] == [State.PREPARED, State.SENDING, State.STARTED]


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_a_listed_refusal_proves_that_nothing_was_started(
    alma: FakeAlma, deps: Deps, ledger: Ledger, code: str
) -> None:
    """It is raised as it is, after one POST; the ledger knows that it may be started again."""
    alma.on("POST /jobs/S1", error(code), status=400)
    with pytest.raises(AlmajobError) as caught:
        _start(deps)
    assert caught.value.exit_code in (4, 7, 10)
    assert len(alma.calls("POST")) == 1
    (record,) = list_records(ledger)
    assert (record.state, record.is_retry_safe, caught.value.record) == (State.NOT_STARTED, True, record)
    assert code in record.trail[-1].reason


GIVEN_UP = threading.Event()


def _slow(_request: Request) -> Response:
    """Answer when nobody waits any more."""
    GIVEN_UP.wait(60)
    return answer(started(ERP, "77"))


UNKNOWN = {
    "500": answer(error("GENERAL_ERROR"), 500),
    "500 with a refusal's code": answer(error("402222"), 500),
    "502 html": Response("<html>Bad Gateway</html>", 502, content_type="text/html"),
    "inner error": answer(error("402224"), 400),
    "unlisted code": answer(error("999999"), 400),
    "4xx without Alma's body": Response("Not Found", 404),
    "401 html": Response("<html>", 401, content_type="text/html"),
    "3xx": Response("", 302, {"Location": "https://evil.invalid/"}),
    "200 html": Response("<html>Please sign in</html>", 200, content_type="text/html"),
    "200 without a link": answer(ERP),
    "200 with the link of another job": answer(started(job("S2", "x"), "77")),
    "200 with half a link": answer(
        {**ERP, "additional_info": {"value": "Job no.", "link": "/almaws/v1/conf/jobs/S1"}}
    ),
    "200 cut off": Response(json.dumps(started(ERP, "77"))[:40], 200),
    "200 empty": Response("", 200),
    "201 error": answer(error("402224"), 201),
    "xml of an unknown encoding": Response(
        b'<?xml version="1.0" encoding="big5"?><job/>', 200, content_type="application/xml"
    ),
    "408 that speaks of an api key": Response("Timed out; request with API key was forwarded on.", 408),
    "plain text key error": Response("Invalid API Key", 400),
    "a superscript for an id": answer(started(ERP, "²")),
    "slow": _slow,
}


@pytest.mark.parametrize("outcome", UNKNOWN.values(), ids=UNKNOWN)
def test_everything_else_is_looked_for_and_never_sent_again(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock, outcome: object
) -> None:
    """One POST, eight looks within two minutes, exit code 9; the same command only looks once more."""
    alma.on("POST /jobs/S1", outcome)
    with pytest.raises(OutcomeUnknown) as caught:
        _start(deps, run_key="k")
    assert len(alma.calls("POST")) == 1
    assert len([call for call in alma.calls() if "instances" in call]) == 1 + 8
    assert 80 < sum(time.naps) < 125
    message = str(caught.value)
    assert "'ERP export' (S1)" in message
    assert "Repeat the same command: it looks for the run, and starts nothing" in message
    assert "almajob --env lab runs settle" in message
    assert len(message.splitlines()) <= 6
    (record,) = list_records(ledger)
    assert (record.state, record.is_retry_safe) == (State.ABSENT, False)
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    assert len(alma.calls("POST")) == 1


def test_a_bug_of_ours_while_the_answer_is_read_is_unknown_too(
    alma: FakeAlma, deps: Deps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alma may have accepted the request."""

    def buggy(*_: object, **__: object) -> None:
        raise TypeError

    alma.on("POST /jobs/S1", started(ERP, "77"))
    monkeypatch.setattr("almajob.alma.client.Submission.from_json", buggy)
    with pytest.raises(OutcomeUnknown, match="It is unknown whether") as caught:
        _start(deps)
    assert "TypeError" in caught.value.reason


@pytest.mark.parametrize(
    ("has_left", "state", "told"),
    [
        (True, State.UNKNOWN, "It is unknown whether"),
        (False, State.NOT_STARTED, "was not started: almajob was interrupted before anything was sent."),
    ],
)
def test_an_interruption_during_the_start_is_not_silent(
    deps: Deps,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    has_left: bool,
    state: State,
    told: str,
) -> None:
    """Ctrl-C: Alma may have the request already, but only where a byte of it may have left."""

    def interrupted(*_: object, before_sending: Callable[[], None], **__: object) -> None:
        if has_left:
            before_sending()
        raise KeyboardInterrupt

    monkeypatch.setattr(Alma, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _start(deps)
    assert told in caplog.text
    assert [record.state for record in list_records(ledger)] == [state]


# --- tags ---


def test_a_manual_job_is_sent_with_a_tag(alma: FakeAlma, deps: Deps) -> None:
    """In front of job_name, which is made as Alma's wizard does where there is none; order is kept."""
    alma.on("POST /jobs/M44", started(EXPORT, "77"), started(EXPORT, "78"))
    alma.on("GET /sets/1", {"id": "1", "name": "Theses", "number_of_members": {"value": 3}})
    first = _start(deps, MANUAL)
    named = (Parameter("set_id", "1"), Parameter("job_name", "Mine"), Parameter("x", ""))
    second = _start(deps, MANUAL, named)
    bodies = [request.get_json() for request in alma.requests if request.method == "POST"]
    assert bodies[0]["parameter"] == [
        {"name": {"value": "job_name"}, "value": f"{first.tag} Export records - via API"}
    ]
    assert [item["value"] for item in bodies[1]["parameter"]] == ["1", f"{second.tag} Mine", ""]
    assert first.tag != second.tag


def test_without_tags_nothing_is_added(alma: FakeAlma, deps: Deps) -> None:
    """tag = no; and a scheduled job takes no parameters."""
    alma.on("POST /jobs/M44", started(EXPORT, "77"))
    alma.on("POST /jobs/S1", started(ERP, "78"))
    _start(deps, MANUAL, target=replace(LAB, has_tags=False))
    _start(deps)
    assert [request.get_json() for request in alma.requests if request.method == "POST"] == [{}, {}]


@pytest.mark.parametrize("number", [0, 1], ids=["today's", "an earlier almajob's"])
def test_after_a_lost_ledger_the_tag_is_found(
    alma: FakeAlma, deps: Deps, ledger: Ledger, number: int
) -> None:
    """The same key, and no second POST; earlier tags were made of more names."""
    alma.on("POST /jobs/M44", started(EXPORT, "77"))
    first = _start(deps, MANUAL, run_key="k")
    shutil.rmtree(directory_of(ledger))
    tag = make_tags(first)[number]
    assert (tag == first.tag) is (number == 0)
    shown = instance("77", EXPORT, "COMPLETED_SUCCESS", name=f"Export {tag} - 2026-11-22 4:11 AM")
    alma.on("GET /jobs/M44/instances", _listed(shown))
    again = _start(deps, MANUAL, run_key="k")
    assert (again.instance_id, again.state, again.certainty) == ("77", State.ADOPTED, Certainty.TAGGED)
    assert len(alma.calls("POST")) == 1


def test_two_runs_with_our_tag_are_told(alma: FakeAlma, deps: Deps) -> None:
    """Alma started it twice: the first is ours, and the exit code is 9."""
    _lose_the_answer(alma, ids=("78", "77"))
    with pytest.raises(OutcomeUnknown, match="more than once from one request: runs 77, 78") as caught:
        _start(deps, MANUAL, run_key="k")
    assert isinstance(caught.value.record, Record)
    assert caught.value.record.instance_id == "77"
    assert _start(deps, MANUAL, run_key="k").instance_id == "77"
    assert len(alma.calls("POST")) == 1


def _days_listed(alma: FakeAlma) -> int:
    """Return how many days before its own the last start listed the job's runs, and forget the requests."""
    asked = next(request.args for request in alma.requests if "submit_date_from" in request.args)
    alma.requests.clear()
    since, until = (date.fromisoformat(asked[name]) for name in ("submit_date_from", "submit_date_to"))
    return (until - since).days - 2


def test_a_ledger_that_knows_nothing_of_the_job_is_taken_for_a_new_one(
    alma: FakeAlma, deps: Deps, ledger: Ledger
) -> None:
    """Then our tag is looked for in a month of runs; the same id in another environment is another job."""
    for days_ago in range(40, 0, -1):
        write_steps(
            ledger, _earlier(f"r{days_ago}", deps.clock.now() - days_ago * DAY, run_key=f"k{days_ago}")
        )
    alma.on("POST /jobs/M44", started(EXPORT, "77"), started(EXPORT, "78"))
    _start(deps, MANUAL, run_key="first")
    assert _days_listed(alma) == 1
    alma.on("GET /general", {"environment_type": "PRODUCTION"})
    _start(deps, MANUAL, target=replace(PRODUCTION, identity="production:key"), run_key="second")
    assert _days_listed(alma) == 31


def _earlier(record_id: str, at: float, **more: Any) -> Record:
    """Return a start that was not made."""
    trail = (Transition(State.PREPARED, at, ""), Transition(State.NOT_STARTED, at, ""))
    return new(id=record_id, environment="lab", job_id="M44", trail=trail, **more)


@pytest.mark.usefixtures("alma_keeps_time")
def test_what_a_ledger_may_have_missed_is_searched_by_the_tag(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """For as long as nothing was written, and for a month after it lost a record that it had."""
    for days_ago in range(40, 5, -1):
        write_steps(
            ledger, _earlier(f"r{days_ago}", deps.clock.now() - days_ago * DAY, run_key=f"k{days_ago}")
        )
    alma.on("POST /jobs/M44", *(started(EXPORT, str(number)) for number in range(77, 99)))
    kept = shutil.copytree(directory_of(ledger), directory_of(ledger).with_name("backup"))
    _start(deps, MANUAL, run_key="after six days")
    assert _days_listed(alma) == 6
    shutil.rmtree(directory_of(ledger))
    kept.rename(directory_of(ledger))
    for days_later in range(1, 20):
        time.slept += DAY
        _start(deps, MANUAL, run_key=f"later {days_later}")
        assert _days_listed(alma) == 6 + days_later


@pytest.mark.usefixtures("alma_keeps_time")
def test_a_run_of_another_ledger_is_noticed_by_its_tag(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """Then this one may have missed others, too: from then on a month is searched."""
    for days_ago in range(40, 0, -1):
        write_steps(
            ledger, _earlier(f"r{days_ago}", deps.clock.now() - days_ago * DAY, run_key=f"k{days_ago}")
        )
    alma.on("POST /jobs/M44", started(EXPORT, "77"), started(EXPORT, "78"))
    theirs = instance("70", EXPORT, "COMPLETED_SUCCESS", name="[aj:ABCDEFGH23] Theses")
    alma.on("GET /jobs/M44/instances", _listed(theirs), _listed())
    _start(deps, MANUAL, run_key="first")
    # After a look at two days.
    assert _days_listed(alma) == 1
    time.slept += DAY
    _start(deps, MANUAL, run_key="second")
    assert _days_listed(alma) == 31


@pytest.mark.parametrize("hours", [0, -3, 3, 60])
def test_a_run_that_a_lost_ledger_may_have_had_is_for_a_person(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock, hours: int
) -> None:
    """A scheduled job has no tag: what ran in the time that is lost may be this run key's.

    However many hours this machine's clock is ahead of Alma's.
    """
    time.jump = hours * 3600.0
    alma.on("POST /jobs/S1", started(ERP, "77"), started(ERP, "78"))
    write_steps(ledger, _earlier("r", deps.clock.now() - DAY, run_key="x"))
    kept = shutil.copytree(directory_of(ledger), directory_of(ledger).with_name("backup"))
    _start(deps, run_key="k")
    when = datetime.fromtimestamp(deps.clock.now() - time.jump, UTC).isoformat()
    alma.on("GET /jobs/S1/instances", _listed(instance("77", ERP, "COMPLETED_SUCCESS", submit_time=when)))
    shutil.rmtree(directory_of(ledger))
    kept.rename(directory_of(ledger))
    time.slept += 600
    with pytest.raises(OutcomeUnknown) as caught:
        _start(deps, run_key="k")
    assert "Candidates: 77 (submitted " in caught.value.reason
    assert len(alma.calls("POST")) == 1
    (record,) = list_open(ledger)
    recover.resolve(record, deps, found=None, by="a person")
    assert _start(deps, run_key="k").instance_id == "78"


def test_looks_that_fail_decide_nothing(alma: FakeAlma, deps: Deps, ledger: Ledger) -> None:
    """The start stays unknown; the next look that succeeds finds it."""
    alma.on("POST /jobs/M44", Response("<html>", 502))
    alma.on("GET /jobs/M44/instances", _listed(), *[Response("<html>", 401)] * 9)
    with pytest.raises(OutcomeUnknown):
        _start(deps, MANUAL, run_key="k")
    (record,) = list_records(ledger)
    assert record.state is State.UNKNOWN
    alma.on("GET /jobs/M44/instances", _listed(instance("77", EXPORT, "RUNNING", name=f"x {record.tag}")))
    found = _start(deps, MANUAL, run_key="k")
    assert (found.instance_id, found.certainty) == ("77", Certainty.TAGGED)


def test_a_clock_that_is_days_off_is_noticed(
    alma: FakeAlma, deps: Deps, time: FastClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Alma's own time says which days are asked for."""
    from datetime import timedelta

    today = datetime.now(UTC).date()
    time.jump = 10 * 86_400
    alma.on("POST /jobs/S1", started(ERP, "77"))
    _start(deps)
    asked = [
        request.args["submit_date_from"] for request in alma.requests if "submit_date_from" in request.args
    ]
    assert asked[-1] == str(today - timedelta(days=1))
    assert re.search(r"This machine's clock is (10 days 0 h|9 days 23 h) ahead of Alma's", caplog.text)


# --- the same run ---


def test_the_same_key_starts_nothing_twice(alma: FakeAlma, deps: Deps) -> None:
    """It is the same run, and Alma is not asked for it."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    first = _start(deps, run_key="k")
    calls = len(alma.calls())
    assert _start(deps, run_key="k") == first
    assert len(alma.calls()) == calls


def test_a_key_stands_for_one_start(alma: FakeAlma, deps: Deps) -> None:
    """Not for another job, nor for other parameters."""
    alma.on("POST /jobs/M44", started(EXPORT, "77"))
    _start(deps, MANUAL, run_key="k")
    with pytest.raises(Refused, match="run key 'k' was used for 'Export records' \\(M44\\)"):
        _start(deps, run_key="k")
    with pytest.raises(Refused, match="used with other parameters"):
        _start(deps, MANUAL, (Parameter("x", "1"),), run_key="k")
    assert len(alma.calls("POST")) == 1


def test_without_a_key_each_command_is_another_run(alma: FakeAlma, deps: Deps, ledger: Ledger) -> None:
    """Unless the last one was cut short before it could say what it had started."""
    alma.on("POST /jobs/S1", started(ERP, "77"), started(ERP, "78"))
    first = _start(deps)
    deps.locks.release()
    assert _start(deps) == first
    ledger.write(replace(first, is_told=True))
    assert _start(deps).instance_id == "78"


def test_a_failed_run_is_started_again_on_request(alma: FakeAlma, deps: Deps) -> None:
    """--rerun-failed: not while it runs, nor when it ended well; with a tag of its own."""
    alma.on("POST /jobs/M44", started(EXPORT, "77"), started(EXPORT, "78"))
    first = _start(deps, MANUAL, run_key="k")
    for status in ("RUNNING", "COMPLETED_SUCCESS"):
        alma.on("GET /jobs/M44/instances/77", instance("77", EXPORT, status))
        assert _start(deps, MANUAL, run_key="k", rerun_failed=True).instance_id == "77"
    alma.on("GET /jobs/M44/instances/77", instance("77", EXPORT, "FAILED"))
    second = _start(deps, MANUAL, run_key="k", rerun_failed=True)
    assert (second.instance_id, second.attempt) == ("78", 2)
    assert second.tag != first.tag
    assert _start(deps, MANUAL, run_key="k").instance_id == "78"


def test_an_open_start_of_another_key_comes_first(alma: FakeAlma, deps: Deps) -> None:
    """Nothing of a job is started beside a start that is in doubt."""
    alma.on("POST /jobs/S1", Response("<html>", 502), started(ERP, "78"))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="a")
    with pytest.raises(Refused, match=r"outcome of an earlier start .* is unknown") as caught:
        _start(deps, run_key="b")
    assert "Its run key is 'a'" in caught.value.reason
    assert caught.value.record is not None
    assert (caught.value.record.run_key, caught.value.record.state) == ("b", State.NOT_STARTED)
    assert len(alma.calls("POST")) == 1


def test_after_an_hour_an_absent_start_counts_as_not_made(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Alma's clock and by ours; then the same command starts it."""
    alma.on("POST /jobs/S1", Response("<html>", 502), started(ERP, "78"))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="a")
    time.slept += 4000
    # Alma's Date header has not moved: it is not an hour later there.
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="a")
    # From now on it moves as ours does.
    monkeypatch.setattr("almajob.alma.http.session.clock_of", lambda *_: (time.now(), 0.5))
    assert _start(deps, run_key="a").instance_id == "78"
    states = [record.state for record in list_records(ledger)]
    assert states == [State.NOT_STARTED, State.STARTED]


# --- before a start ---


def test_a_running_job_is_not_started_beside_itself(alma: FakeAlma, deps: Deps) -> None:
    """refuse names the run, attach takes it, start starts another one."""
    running = instance("70", ERP, "RUNNING", submitted_by={"value": "jdoe"})
    alma.on("GET /jobs/S1/instances", _listed(running))
    alma.on("POST /jobs/S1", started(ERP, "77"))
    with pytest.raises(Refused, match="is running already: run 70 since 2025-10-05 09:11:32") as caught:
        _start(deps)
    assert "--if-running attach" in caught.value.hint
    attached = _start(deps, if_running="attach")
    assert attached.tag == ""
    assert (attached.instance_id, attached.certainty) == ("70", Certainty.INFERRED)
    assert alma.calls("POST") == []
    assert _start(deps, run_key="k", if_running="start").instance_id == "77"


def test_a_key_of_another_environment_starts_nothing(alma: FakeAlma, deps: Deps) -> None:
    """A clear contradiction, whatever its case; remembered, so that it is told without a call."""
    alma.on("GET /general", {"environment_type": "Production"})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="leads to production, not to sandbox"):
            _start(deps)
    assert alma.calls() == ["GET /general"]


def test_a_list_with_gaps_starts_nothing(alma: FakeAlma, deps: Deps) -> None:
    """A start without an answer could not be found again."""
    alma.on("GET /jobs/S1/instances", {"total_record_count": 7})
    with pytest.raises(Refused, match="has gaps"):
        _start(deps)
    assert alma.calls("POST") == []


def test_two_institutions_of_one_name_are_kept_apart(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """The same environment name and the same job id in another ini: neither settles the other's starts.

    Where the inis do not name them, they may be one that was renamed: under one run key nothing is started.
    """
    alma.on("POST /jobs/S1", Response("<html>", 502), started(ERP, "78"), started(ERP, "79"))
    one, other = replace(LAB, institution="one"), replace(LAB, institution="two", identity="lab:another key")
    with pytest.raises(OutcomeUnknown):
        _start(deps, target=one, run_key="k")
    time.slept += 5000
    alma.on("GET /general", {"environment_type": "SANDBOX", "institution": {"value": "01OTHER_INST"}})
    with pytest.raises(Refused, match="cannot be looked for with this key"):
        _start(deps, target=replace(other, institution=""), run_key="k")
    assert _start(deps, target=replace(other, institution=""), run_key="another").instance_id == "78"
    assert _start(deps, target=other, run_key="k").instance_id == "79"
    assert [record.state for record in list_records(ledger)] == [State.ABSENT, State.STARTED, State.STARTED]


def test_a_run_key_of_perhaps_another_alma_is_for_a_person(alma: FakeAlma, deps: Deps) -> None:
    """The section leads elsewhere now, and its key may not ask where: it is not started, nor said to be."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    _start(deps, run_key="k")
    alma.on("GET /general", error("UNAUTHORIZED"), status=400)
    with pytest.raises(Refused, match=r"is unknown whether .* was started here") as caught:
        _start(deps, target=replace(LAB, identity="lab:another key"), run_key="k")
    assert caught.value.exit_code == 5
    assert "institution = NAME" in caught.value.hint
    assert len(alma.calls("POST")) == 1


def test_a_sandbox_that_becomes_production_is_another_alma(alma: FakeAlma, deps: Deps) -> None:
    """Its section keeps its name, and the institution has one name in both."""
    alma.on("POST /jobs/S1", started(ERP, "77"), started(ERP, "78"))
    assert _start(deps, run_key="k").instance_id == "77"
    alma.on("GET /general", {"environment_type": "PRODUCTION", "institution": {"value": "01FAKE_INST"}})
    live = replace(LAB, kind="production", identity="lab:another key")
    assert _start(deps, target=live, run_key="k").instance_id == "78"


# --- between here and Alma ---


@pytest.mark.parametrize("headers", [{}, {"Age": "3600"}])
def test_an_earlier_answer_proves_no_start(
    alma: FakeAlma, deps: Deps, ledger: Ledger, headers: dict[str, str]
) -> None:
    """A proxy answers with what Alma said of a run that is known, or that it has kept for an hour."""
    shown = [instance("70", ERP, "COMPLETED_SUCCESS")] if not headers else []
    alma.on("GET /jobs/S1/instances", _listed(*shown))
    alma.on("POST /jobs/S1", answer(started(ERP, "70"), headers=headers))
    with pytest.raises(OutcomeUnknown, match="It is unknown whether"):
        _start(deps, run_key="k")
    (record,) = list_records(ledger)
    assert (record.state, record.instance_id) == (State.ABSENT, "")
    assert len(alma.calls("POST")) == 1


def test_an_old_list_starts_nothing(alma: FakeAlma, deps: Deps) -> None:
    """A cache on the way kept it: it has neither the last run nor one that is running."""
    alma.on("GET /jobs/S1/instances", answer(_listed(), headers={"Age": "60"}))
    with pytest.raises(Refused, match="A proxy answered with an old list") as caught:
        _start(deps)
    assert "pass Alma's answers on" in caught.value.hint
    assert alma.calls("POST") == []


def test_the_run_of_another_start_proves_no_start(alma: FakeAlma, deps: Deps) -> None:
    """Even one that Alma does not list any more."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    _start(deps, run_key="a")
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="b")


@pytest.mark.parametrize("code", ["402222", "402223", "60347", "PER_SECOND_THRESHOLD"])
def test_a_refusal_that_our_own_run_explains_is_not_believed(
    alma: FakeAlma, deps: Deps, ledger: Ledger, code: str
) -> None:
    """A proxy sent the request twice: one look shows the run that the first one started."""
    _lose_the_answer(alma, lambda: answer(error(code), 400))
    found = _start(deps, MANUAL, run_key="k", wait_for_slot=600)
    assert (found.instance_id, found.certainty) == ("77", Certainty.TAGGED)
    assert len(alma.calls("POST")) == 1


def test_where_alma_is_called_too_often_a_refusal_for_that_is_believed(alma: FakeAlma, deps: Deps) -> None:
    """The look for a copy's run is refused for the same reason: it is no copy that was one too many."""
    too_often = answer(error("PER_SECOND_THRESHOLD"), 429)
    # Four tries are made in the two seconds that a call may take here.
    too_often.headers["Retry-After"] = "0"
    alma.on("POST /jobs/S1", too_often)
    alma.on("GET /jobs/S1/instances", _listed(), *[too_often] * 4)
    with pytest.raises(AlmaRefused):
        _start(deps, run_key="k")


def test_a_refusal_that_another_run_explains_costs_one_look(alma: FakeAlma, deps: Deps) -> None:
    """And no other refusal costs any."""
    for code, looks in (("402222", 1), ("402228", 0)):
        alma.reset()
        alma.on("GET /general", {"environment_type": "SANDBOX"})
        alma.on("GET /jobs/S1", ERP)
        alma.on("GET /jobs/S1/instances", _listed())
        alma.on("POST /jobs/S1", error(code), status=400)
        with pytest.raises(AlmaRefused):
            _start(deps, run_key=code)
        after = alma.calls()[alma.calls().index("POST /jobs/S1?op=run") + 1 :]
        assert [call.partition("?")[0] for call in after] == ["GET /jobs/S1/instances"] * looks


@pytest.mark.parametrize(
    "more",
    [
        '{"errorCode": "402224"}',
        '{"errorCode": "402228", "link": "/instances/77"}',
        r'{"errorCode": "402228", "link": "\/instances\/77"}',
    ],
)
def test_a_refusal_that_says_something_else_besides_proves_nothing(
    alma: FakeAlma, deps: Deps, more: str
) -> None:
    """Another error that is no refusal, or a run, however it is spelled."""
    body = f'{{"errorsExist": true, "errorList": {{"error": [{{"errorCode": "402228"}}, {more}]}}}}'
    alma.on("POST /jobs/S1", Response(body, 400))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")


def test_a_signal_just_before_a_start_is_sent_leaves_no_doubt(
    alma: FakeAlma, deps: Deps, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when SENDING is on disk already: nothing was sent, and the same command starts it."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    write = Ledger.write

    def interrupted(self: Ledger, record: Record) -> None:
        write(self, record)
        if record.state is State.SENDING:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _start(deps, run_key="k")
    assert [record.state for record in list_records(ledger)] == [State.NOT_STARTED]
    assert alma.calls("POST") == []
    assert _start(deps, run_key="k").instance_id == "77"


# --- time ---


def test_what_was_checked_an_hour_ago_is_not_sent(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine stood still while the start's connection was made: nothing is sent, and that is certain."""
    find = socket.getaddrinfo

    def slow(*address: Any, **more: Any) -> Any:
        if list_open(ledger):
            time.slept += 4000
        return find(*address, **more)

    monkeypatch.setattr("socket.getaddrinfo", slow)
    with pytest.raises(NotSent, match="stood still for 1 h 06 min"):
        _start(deps, run_key="k")
    assert [record.state for record in list_records(ledger)] == [State.NOT_STARTED]
    assert alma.calls("POST") == []


@pytest.mark.usefixtures("alma_keeps_time")
def test_an_age_counts_from_when_the_request_could_leave_last(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """Its process stood still for hours before it sent anything: what is not listed yet may be there soon."""

    def late(_request: Request) -> Response:
        time.slept += 8000
        return Response("<html>", 502)

    alma.on("POST /jobs/S1", late, started(ERP, "78"))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    assert time.naps[-8:] == pytest.approx([2, 3, 5, 8, 13, 20, 30, 39], abs=1)
    assert [record.state for record in list_records(ledger)] == [State.ABSENT]
    time.slept += 3000
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    time.slept += 700
    assert _start(deps, run_key="k").instance_id == "78"


def test_a_machine_that_does_not_know_how_long_it_stood_still_asks_for_almas_day(
    alma: FakeAlma, deps: Deps, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock has not gone on while it was paused, and Alma's has, by days: the run is listed there."""
    paused: list[float] = []
    monkeypatch.setattr("almajob.alma.http.session.clock_of", lambda *_: (time.now() + sum(paused), 0.5))

    def late() -> Response:
        paused.append(5 * DAY)
        return Response("<html>", 502)

    _lose_the_answer(alma, late, submitted=lambda: datetime.fromtimestamp(time.now() + sum(paused), UTC))
    found = _start(deps, MANUAL, run_key="k")
    assert (found.instance_id, found.certainty) == ("77", Certainty.TAGGED)


@pytest.mark.usefixtures("alma_keeps_time")
def test_what_an_earlier_almajob_left_absent_is_settled_too(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """It did not keep when it looked first: that is then the first look of this one."""
    alma.on("POST /jobs/S1", Response("<html>", 502), started(ERP, "78"))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    (record,) = list_records(ledger)
    ledger.amend(record, missing_at=None, missing_at_alma=None)
    time.slept += 4000
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    time.slept += 4000
    assert _start(deps, run_key="k").instance_id == "78"


@pytest.mark.usefixtures("alma_keeps_time")
@pytest.mark.parametrize("days", [-5, 5])
def test_where_almas_clocks_disagree_nothing_follows_from_an_age(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock, days: int
) -> None:
    """Its list of days lacks a run whose submit time is far from its Date header's."""
    submitted = datetime.fromtimestamp(time.now() + days * DAY, UTC)
    _lose_the_answer(alma, submitted=lambda: submitted)
    with pytest.raises(OutcomeUnknown):
        _start(deps, MANUAL, run_key="k")
    time.slept += 4000
    assert _start(deps, MANUAL, run_key="k").instance_id == "77"
    assert len(alma.calls("POST")) == 1


def test_with_another_key_of_nobody_knows_where_nothing_is_settled(
    alma: FakeAlma, deps: Deps, ledger: Ledger
) -> None:
    """Keys that may not ask: it may be the same institution or not; a person decides."""
    alma.on("GET /general", error("UNAUTHORIZED"), status=400)
    alma.on("POST /jobs/S1", Response("<html>", 502))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="k")
    with pytest.raises(Refused, match="cannot be looked for with this key") as caught:
        _start(deps, target=replace(LAB, identity="lab:another key"), run_key="k")
    assert "runs resolve" in caught.value.hint
    assert [record.state for record in list_records(ledger)] == [State.ABSENT]


@pytest.mark.parametrize(
    "listing", [{"message": "maintenance"}, {}, {"job_instance": [{}], "total_record_count": 1}]
)
def test_what_is_no_list_is_no_empty_list(alma: FakeAlma, deps: Deps, listing: dict[str, Any]) -> None:
    """Without a count, or with runs that have no id, nothing is started."""
    alma.on("GET /jobs/S1/instances", listing)
    with pytest.raises(Refused, match="has gaps"):
        _start(deps)


def test_the_month_is_that_of_the_key(alma: FakeAlma, deps: Deps, monkeypatch: pytest.MonkeyPatch) -> None:
    """West of Greenwich its last evening is of the next one by UTC; runs are listed since it began."""
    import time as system

    from almajob.system.clock import Clock

    monkeypatch.setenv("TZ", "America/Los_Angeles")
    system.tzset()
    evening = datetime(2026, 12, 1, 3, 0, tzinfo=UTC).timestamp()
    monkeypatch.setattr("almajob.alma.http.session.clock_of", lambda *_: (None, 0.0))
    alma.on("POST /jobs/S1", started(ERP, "77"))
    try:
        found = _start(replace(deps, clock=Clock(lambda: evening)), once_per="month")
    finally:
        monkeypatch.undo()
        system.tzset()
    assert found.run_key.endswith(":2026-11")
    (listed,) = [request.args for request in alma.requests if "submit_date_from" in request.args]
    assert listed["submit_date_from"] <= "2026-10-31"
    assert listed["submit_date_to"] >= "2026-12-02"


# --- Alma's limits ---


def _api_runs(time: FastClock, *ages: float, status: str = "COMPLETED_SUCCESS") -> list[dict[str, Any]]:
    return [
        instance(
            str(60 + number),
            ERP,
            status,
            submit_time=datetime.fromtimestamp(time.now() - age, UTC).isoformat(),
        )
        for number, age in enumerate(ages)
    ]


def test_the_sixth_start_within_an_hour_is_not_sent(alma: FakeAlma, deps: Deps, time: FastClock) -> None:
    """The message says when the next one is possible; waiting for it is an option."""
    alma.on("GET /jobs/S1/instances", _listed(*_api_runs(time, 60, 600, 1200, 1800, 3500)))
    with pytest.raises(NoSlot, match="started 5 times") as caught:
        _start(deps)
    assert caught.value.free_in is not None
    assert 60 < caught.value.free_in < 110
    assert "The next slot is free at " in caught.value.hint
    assert alma.calls("POST") == []
    with pytest.raises(NoSlot):
        _start(deps, wait_for_slot=60.0)
    assert time.naps == []


def test_three_running_jobs_are_all_that_alma_takes(
    alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock
) -> None:
    """Those of other jobs are known from the ledger; Alma is asked about them where it matters."""
    alma.on("POST /jobs/M44", started(EXPORT, "90"), started(EXPORT, "91"), started(EXPORT, "92"))
    for key in "abc":
        _start(deps, MANUAL, run_key=key)
    for run in ("90", "91", "92"):
        alma.on(f"GET /jobs/M44/instances/{run}", instance(run, EXPORT, "RUNNING"))
    with pytest.raises(NoSlot, match="3 jobs that were started by the API are running") as caught:
        _start(deps)
    assert caught.value.free_in is None
    assert alma.calls("POST") == ["POST /jobs/M44?op=run"] * 3
    alma.on("GET /jobs/M44/instances/91", instance("91", EXPORT, "FAILED"))
    alma.on("POST /jobs/S1", started(ERP, "77"), started(ERP, "78"))
    assert _start(deps).instance_id == "77"
    assert _start(deps, target=replace(LAB, has_limits=False), run_key="x", if_running="start")


def test_a_slot_is_waited_for(alma: FakeAlma, deps: Deps, ledger: Ledger, time: FastClock) -> None:
    """Where Alma itself refuses for now: the same key again, one POST for each try."""
    alma.on(
        "POST /jobs/S1",
        answer(error("402222"), 400),
        answer(error("60347"), 400),
        answer(started(ERP, "77")),
    )
    found = _start(deps, run_key="k", wait_for_slot=600.0)
    assert found.instance_id == "77"
    # Before each of them one look whether it is our own run that was in the way.
    assert time.naps == [2.0, 30.0, 2.0, 30.0]
    states = [record.state for record in list_records(ledger)]
    assert states == [State.NOT_STARTED, State.NOT_STARTED, State.STARTED]
    assert {record.run_key for record in list_records(ledger)} == {"k"}


def test_a_wait_for_a_slot_ends(alma: FakeAlma, deps: Deps, time: FastClock) -> None:
    """With Alma's own refusal, after one last try."""
    # What the calls take on a busy machine is no part of the wait.
    time.start = time.now()
    alma.on("POST /jobs/S1", error("402222"), status=400)
    with pytest.raises(AlmaRefused):
        _start(deps, wait_for_slot=70.0)
    # The look after the last refusal is no wait for a slot.
    assert sum(time.naps) == pytest.approx(72.0)
    assert len(alma.calls("POST")) == 4


# --- the ledger comes first ---


@pytest.fixture
def first_bytes(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> list[str]:
    """Note what is on disk whenever the first bytes of a POST are about to leave."""
    noted: list[str] = []
    send = socket.socket.sendall

    def watching(self: socket.socket, data: Any, *more: Any) -> None:
        if bytes(data).startswith(b"POST /"):
            # Read as any other process would.
            with sqlite3.connect(directory_of(ledger) / "cache.db") as database:
                noted.extend(
                    text for (text,) in database.execute("SELECT value FROM Cache") if "trail" in text
                )
            database.close()
        send(self, data, *more)

    monkeypatch.setattr(socket.socket, "sendall", watching)
    return noted


def test_sending_is_on_disk_before_the_first_byte_leaves(
    alma: FakeAlma, deps: Deps, first_bytes: list[str]
) -> None:
    """With everything that is needed to look for the run."""
    alma.on("GET /jobs/S1/instances", _listed(instance("70", ERP, "COMPLETED_SUCCESS")))
    alma.on("POST /jobs/S1", started(ERP, "77"))
    _start(deps, run_key="k")
    (row,) = first_bytes
    record = Record.from_json(json.loads(row)["value"])
    assert (record.state, record.run_key, record.baseline) == (State.SENDING, "k", ("70",))
    assert record.sent_at is not None


@pytest.mark.parametrize("number", [1, 2])
def test_what_cannot_be_written_is_not_sent(
    alma: FakeAlma, deps: Deps, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Neither PREPARED nor SENDING: exit code 5, and no POST."""
    write = Ledger.write
    writes = []

    def failing(self: Ledger, record: Record) -> None:
        writes.append(record)
        if len(writes) == number:
            raise LedgerUnusable("The ledger cannot be used.")
        write(self, record)

    monkeypatch.setattr(Ledger, "write", failing)
    with pytest.raises(LedgerUnusable):
        _start(deps)
    assert alma.calls("POST") == []


def test_after_a_confirmed_start_a_full_disk_is_a_warning(
    alma: FakeAlma, deps: Deps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is named; the next command with this key looks for it."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    write = Ledger.write

    def failing(self: Ledger, record: Record) -> None:
        if record.state is State.STARTED:
            raise LedgerUnusable("The ledger cannot be used.", reason="No space left on device.")
        write(self, record)

    monkeypatch.setattr(Ledger, "write", failing)
    assert _start(deps, run_key="k").instance_id == "77"
    assert "What became of the run k (run 77) cannot be saved: No space left on device." in caplog.text


def test_a_ledger_that_fails_after_the_start_was_sent_proves_nothing(
    alma: FakeAlma, deps: Deps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 9, and never "nothing was sent"."""
    working = Ledger.read

    def failing(self: Ledger, **more: Any) -> Any:
        if alma.calls("POST"):
            raise LedgerUnusable("The ledger cannot be used.")
        return working(self, **more)

    monkeypatch.setattr(Ledger, "read", failing)
    alma.on("POST /jobs/S1", Response("<html>", 502))
    with pytest.raises(OutcomeUnknown) as caught:
        _start(deps, run_key="k")
    assert caught.value.record is not None
    assert (caught.value.record.state, caught.value.record.is_retry_safe) == (State.UNKNOWN, False)


def test_looks_that_take_long_do_not_add_up(
    alma: FakeAlma, deps: Deps, time: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those whose time has passed are left out; the last is made."""
    from almajob.alma.pagination import Listing, read_instances

    def slow(*args: Any, **kwargs: Any) -> Listing:
        time.slept += 20
        return read_instances(*args, **kwargs)

    monkeypatch.setattr("almajob.runs.start.recover.read_instances", slow)
    alma.on("POST /jobs/S1", Response("<html>", 502))
    begun = time.elapsed()
    with pytest.raises(OutcomeUnknown):
        _start(deps)
    assert 120 < time.elapsed() - begun < 200


# --- a plan ---


def test_a_plan_says_what_would_be_done_and_sends_nothing(alma: FakeAlma, deps: Deps, ledger: Ledger) -> None:
    """A start, the run that it already is, a start in doubt, a run that would be taken."""

    def plan(found: Job, **options: Any) -> Plan:
        request = choose_key(
            StartRequest(found, options=StartOptions(**options)), LAB.environment, deps.clock.now()
        )
        return make_plan(request, deps)

    planned = plan(MANUAL, run_key="k")
    assert (planned.action, planned.record.run_key) == ("start", "k")
    assert planned.request is not None
    assert planned.request.url == f"{alma.url}/almaws/v1/conf/jobs/M44?op=run"
    assert planned.record.tag in str(planned.request.body)
    assert (alma.calls("POST"), list_records(ledger)) == ([], [])
    alma.on("POST /jobs/M44", started(EXPORT, "77"))
    _start(deps, MANUAL, run_key="k")
    assert plan(MANUAL, run_key="k").record.instance_id == "77"
    alma.on("POST /jobs/S1", Response("<html>", 502))
    with pytest.raises(OutcomeUnknown):
        _start(deps, run_key="x")
    assert plan(FOUND).action.startswith("look first")
    alma.on("GET /jobs/M44/instances", _listed(instance("80", EXPORT, "RUNNING")))
    assert plan(MANUAL, if_running="attach").record.instance_id == "80"
    with pytest.raises(Refused, match="is running already"):
        plan(MANUAL)
