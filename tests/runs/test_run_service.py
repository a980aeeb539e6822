"""Runs, as commands and plugins use them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug import Response

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import Code
from almajob.errors import AlmaRefused, OutcomeUnknown, Refused
from almajob.jobs.job_lookup import Catalogue
from almajob.jobs.status_descriptions import StatusTable
from almajob.runs import run_service
from almajob.runs.evidence.unknown_outcome import is_twice
from almajob.runs.job_lock import LOCK_WAIT, name_job_locks
from almajob.runs.ledger_queries import Wanted, list_runs
from almajob.runs.run_reference import find_record
from almajob.runs.run_service import Runs
from almajob.runs.start_request import StartOptions
from almajob.store.cache import Cache
from almajob.store.directory.file_locks import FileLocks
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import OPEN, Certainty, Record, State, checksum
from almajob.system.file_lock import lock_file
from tests.runs.conftest import LAB
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, answer, error, instance, job, started
from tests.support.ledgers import directory_of, list_records, write_steps

ERP = job("S1", "ERP export")
APPEARED = instance("77", ERP, "RUNNING", submit_time="2999-01-01T00:00:00Z")


@pytest.fixture
def runs(alma: FakeAlma, ledger: Ledger, tmp_path: Path) -> Iterator[Runs]:
    cache = Cache(tmp_path / "cache")
    connection = Alma(Session(alma.url, Key(KEY)))
    alma.jobs([ERP, job("S2", "Bursar")])
    alma.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    catalogue = Catalogue(lambda: connection, cache, environment="lab", identity="x", refresh=False)
    table = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    yield Runs(
        lambda: connection, lambda: catalogue, ledger, lambda: LAB, table.description, environment="lab"
    )
    cache.close()
    connection.close()


@pytest.mark.parametrize("trouble", [answer(error("402218"), 400), Response("<html>", 200), answer({}, 500)])
def test_after_a_start_nothing_reports_failure(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture, trouble: Response
) -> None:
    """A status that cannot be seen is a warning; the run is named all the same."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on("GET /jobs/S1/instances/77", trouble)
    run = runs.start("S1")
    assert run.instance.id == "77"
    assert run.instance.submit_time is not None
    assert run.description == ""
    assert "The job was started; its status cannot be read at the moment" in caplog.text


def test_another_runs_success_is_not_this_ones(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers about another run are no answers, at the start and while waiting."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    alma.on(
        "GET /jobs/S1/instances/77",
        *[instance("78", ERP, "COMPLETED_SUCCESS")] * 3,
        instance("77", ERP, "FAILED", job_info={}),
    )
    ended = runs.follow(runs.start("S1"))
    assert (ended.instance.id, ended.instance.status.value) == ("77", "FAILED")
    assert ended.verdict is not None
    assert "is about run 78" in caplog.text
    assert {call for call in alma.calls() if "instances/" in call} == {"GET /jobs/S1/instances/77"}


def test_a_start_is_told_even_where_the_work_on_it_breaks_off(
    alma: FakeAlma, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C, SIGTERM or a bug, just after Alma confirmed: the run is named."""
    alma.on("POST /jobs/S1", started(ERP, "77"))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("almajob.alma.client.Alma.instance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.start("S1")
    assert "Resume: almajob --env lab wait 77" in caplog.text


def test_a_run_of_another_job_by_id_is_told_apart_from_no_run(alma: FakeAlma, runs: Runs) -> None:
    """Alma says the same of both."""
    alma.on("GET /jobs/M9/instances/77", error("402218"), status=400)
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    with pytest.raises(Refused, match="is not of the job 'M9'"):
        runs.look("77", "M9")


def test_a_job_that_cannot_be_checked_is_said_so(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Alma's answer leaves out which job it is."""
    alma.on("GET /jobs/ALL/instances/77", {"id": "77", "status": {"value": "RUNNING"}})
    assert runs.look("77", "ERP export").instance.id == "77"
    assert "is not checked" in caplog.text


def test_an_interrupted_wait_says_how_to_go_on(
    alma: FakeAlma, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The job does not stop with almajob."""
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    alma.on("GET /jobs/S1/instances/77", instance("77", ERP, "RUNNING"))
    run = runs.look("77")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("almajob.runs.wait.poller.Poller.follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.follow(run)
    assert "The job goes on in Alma. Resume: almajob --env lab wait 77" in caplog.text


@pytest.mark.parametrize(
    ("named", "call"),
    [
        (None, "GET /jobs/ALL/instances/77"),
        ("S1", "GET /jobs/S1/instances/77"),
        ("ERP export", "GET /jobs/ALL/instances/77"),
    ],
)
def test_a_look_is_one_call_however_the_job_is_named(
    alma: FakeAlma, runs: Runs, named: str | None, call: str
) -> None:
    """No list is read for it; the code table comes once a day."""
    alma.on(call, instance("77", ERP, "RUNNING"))
    runs.look("77", named)
    assert alma.calls() == [call, "GET /code-tables/systemJobStatus"]
    runs.look("77", named)
    assert alma.calls()[2:] == [call]


def test_a_run_of_another_job_is_not_shown_as_this_ones(alma: FakeAlma, runs: Runs) -> None:
    """The name that was given is compared with what Alma says."""
    alma.on("GET /jobs/ALL/instances/77", instance("77", ERP, "RUNNING"))
    with pytest.raises(Refused, match="is not of the job 'Other'") as caught:
        runs.look("77", "Other")
    assert "'ERP export' (S1)" in str(caught.value)


def test_descriptions_come_from_the_table_then_the_answer_then_from_here(
    alma: FakeAlma, tmp_path: Path
) -> None:
    """A table that cannot be read is no reason to fail."""
    connection = Alma(Session(alma.url, Key(KEY)))
    cache = Cache(tmp_path / "cache2")
    alma.on("GET /code-tables/systemJobStatus", error("40166411"), status=400)
    table = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    assert table.description(Code("FAILED", "Schlug fehl")) == "Schlug fehl"
    assert table.description(Code("FAILED")) == "Failed"
    assert table.description(Code("BRAND_NEW")) == ""
    assert len(alma.calls()) == 1
    alma.on(
        "GET /code-tables/systemJobStatus", {"row": [{"code": "FAILED", "description": "From the table"}]}
    )
    fresh = StatusTable(lambda: connection, cache, identity="x", refresh=True)
    assert fresh.description(Code("FAILED", "Schlug fehl")) == "From the table"
    kept = StatusTable(lambda: connection, cache, identity="x", refresh=False)
    assert kept.description(Code("FAILED")) == "From the table"
    assert len(alma.calls()) == 2
    alma.on("GET /code-tables/systemJobStatus", {"total_record_count": 0})
    assert (
        StatusTable(lambda: connection, cache, identity="y", refresh=False).description(Code("FAILED"))
        == "Failed"
    )
    cache.close()
    connection.close()


def _start(runs: Runs, name: str, options: StartOptions, ask: Callable[[str], bool] | None = None) -> Record:
    record = runs.start(name, (), options, ask=ask, look=False).record
    assert record is not None
    return record


def _doubtful(
    alma: FakeAlma, runs: Runs, ask: Callable[[str], bool] | None = None, *appeared: object
) -> Record:
    """Make a start that gets no answer; give its record."""
    later = {"job_instance": list(appeared), "total_record_count": len(appeared)}
    alma.on("POST /jobs/S1", Response("<html>", 502))
    alma.on("GET /jobs/S1/instances", {"total_record_count": 0}, later)
    try:
        return _start(runs, "ERP export", StartOptions(run_key="k"), ask)
    except OutcomeUnknown as unknown:
        assert isinstance(unknown.record, Record)
        return unknown.record


def test_a_start_in_doubt_is_settled_later(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """By looking again, once Alma shows it."""
    record = _doubtful(alma, runs)
    assert runs.recover(record).state is State.ABSENT
    alma.on("GET /jobs/S1/instances", {"job_instance": [APPEARED], "total_record_count": 1})
    assert runs.recover(record).state is State.AMBIGUOUS
    assert len(alma.calls("POST")) == 1
    assert [item.state for item in list_records(ledger)] == [State.AMBIGUOUS]


def test_a_person_says_which_run_it_is(alma: FakeAlma, runs: Runs) -> None:
    """Alma is asked whether there is such a run of the job."""
    record = _doubtful(alma, runs)
    alma.on("GET /jobs/S1/instances/99", error("402218"), status=400)
    with pytest.raises(AlmaRefused):
        runs.resolve(record, instance_id="99", by="user eve")
    alma.on("GET /jobs/S1/instances/77", instance("77", ERP, "RUNNING"))
    resolved = runs.resolve(record, instance_id="77", by="user eve")
    assert (resolved.state, resolved.instance_id, resolved.certainty) == (
        State.ADOPTED,
        "77",
        Certainty.CONFIRMED,
    )
    assert resolved.trail[-1].reason == "user eve says that it is run 77"
    assert _start(runs, "S1", StartOptions(run_key="k")).instance_id == "77"
    with pytest.raises(Refused, match="is known: run 77"):
        runs.resolve(record, by="user eve")


def test_a_person_says_that_nothing_was_started(alma: FakeAlma, runs: Runs) -> None:
    """Then the key is free again."""
    record = _doubtful(alma, runs)
    assert runs.resolve(record, by="user eve").state is State.NOT_STARTED
    alma.on("POST /jobs/S1", started(ERP, "78"))
    assert _start(runs, "S1", StartOptions(run_key="k")).instance_id == "78"


def test_a_run_cannot_be_two_starts(alma: FakeAlma, runs: Runs) -> None:
    """What another start has is refused."""
    alma.on("POST /jobs/S1", started(ERP, "76"))
    _start(runs, "S1", StartOptions(run_key="first"))
    record = _doubtful(alma, runs)
    alma.on("GET /jobs/S1/instances/76", instance("76", ERP, "RUNNING"))
    with pytest.raises(Refused, match="is the one of another start"):
        runs.resolve(record, instance_id="76", by="user eve")


@pytest.mark.parametrize("says_yes", [True, False])
def test_at_a_terminal_the_person_is_asked(alma: FakeAlma, runs: Runs, says_yes: bool) -> None:
    """Where exactly one run fits; the question names it."""
    asked = []

    def ask(question: str) -> bool:
        asked.append(question)
        return says_yes

    alma.on("GET /jobs/S1/instances/77", APPEARED)
    record = _doubtful(alma, runs, ask, APPEARED)
    assert record.state is (State.ADOPTED if says_yes else State.AMBIGUOUS)
    (question,) = asked
    assert "77 (ERP export)" in question
    assert "exl_api" in question


def test_nobody_is_asked_about_two(alma: FakeAlma, runs: Runs) -> None:
    """That is for runs show and runs resolve."""
    two = (APPEARED, {**APPEARED, "id": "78"})
    record = _doubtful(alma, runs, lambda _question: pytest.fail("asked"), *two)
    assert record.state is State.AMBIGUOUS


def test_a_persons_word_on_one_of_two_is_no_double_start(
    alma: FakeAlma, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """The other candidate was somebody else's, and is forgotten."""
    record = _doubtful(alma, runs, None, APPEARED, {**APPEARED, "id": "78"})
    assert len(record.candidates) == 2
    alma.on("GET /jobs/S1/instances/78", {**APPEARED, "id": "78"})
    resolved = runs.resolve(record, instance_id="78", by="user eve")
    assert not is_twice(resolved)
    assert _start(runs, "S1", StartOptions(run_key="k")).instance_id == "78"
    assert "more than once" not in caplog.text


def test_a_busy_job_is_said_to_be_busy(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """With who has it, after the wait that was asked for; nothing is sent."""
    path = directory_of(ledger).with_name("locks") / f"{checksum('lab:S1')[:16]}.lock"
    with lock_file(path, wait=0, note="process 7 on a-host"):
        with pytest.raises(Refused, match="Another almajob is busy") as caught:
            _start(runs, "S1", StartOptions(lock_wait=0.05))
        assert caught.value.reason == "It is process 7 on a-host."
    assert alma.calls("POST") == []
    assert LOCK_WAIT == 60


def test_the_locks_of_run_keys_are_removed(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """Those of killed processes a day later; those of jobs, of which there are few, stay."""
    directory = directory_of(ledger).with_name("locks")
    alma.on("POST /jobs/S1", *(started(ERP, str(run)) for run in range(76, 79)))
    for number in range(3):
        _start(runs, "S1", StartOptions(run_key=f"key {number}", if_running="start"))
    held, old, new = (directory / f"{name}.lock" for name in ("held", "old", "new"))
    for path in (held, old, new):
        path.touch(0o600)
    os.utime(old, (0, 0))
    os.utime(held, (0, 0))
    with lock_file(held, wait=0):
        runs.close()
        left = set(directory.iterdir())
    of_job = {directory / f"{checksum(name)[:16]}.lock" for name in name_job_locks("lab", "lab:key", "S1")}
    assert left == {held, new} | of_job


def test_a_run_is_held_though_somebody_asks_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks has the lock for a moment, too."""
    locks = FileLocks(tmp_path / "locks")
    path = tmp_path / "locks" / f"{checksum('run')[:16]}.lock"
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    asking = os.open(path, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    flock, operations = fcntl.flock, []

    def until_it_is_answered(descriptor: int, operation: int) -> None:
        operations.append(operation)
        if len(operations) == 2:
            os.close(asking)
        flock(descriptor, operation)

    monkeypatch.setattr("almajob.store.directory.file_locks._GLANCE", 30.0)
    monkeypatch.setattr(fcntl, "flock", until_it_is_answered)
    locks.hold("run")
    assert locks.is_held("run")
    locks.release()
    assert not locks.is_held("run")
    assert list((tmp_path / "locks").iterdir()) == []


def test_what_was_told_is_not_told_again(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """The next command without a key is another run; so is one beside a command that is still busy."""
    alma.on("POST /jobs/S1", *(started(ERP, run) for run in ("76", "77", "78")))
    assert _start(runs, "S1", StartOptions()).instance_id == "76"
    assert _start(runs, "S1", StartOptions()).instance_id == "77"
    runs.unreported.note_shown()
    assert _start(runs, "S1", StartOptions()).instance_id == "78"
    assert {record.is_told for record in list_records(ledger) if record.instance_id < "78"} == {True}
    runs.unreported.note_shown()
    runs.close()
    assert set(directory_of(ledger).with_name("locks").glob("*.lock")) == {
        directory_of(ledger).with_name("locks") / f"{checksum(name)[:16]}.lock"
        for name in name_job_locks("lab", "lab:key", "S1")
    }


def test_a_start_whose_process_is_busy_keeps_no_other_from_being_looked_for(
    alma: FakeAlma, runs: Runs, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for shortly, and nothing is said of what was sent: its process may have sent it."""
    alma.on("POST /jobs/S1", Response("<html>", 502))
    with pytest.raises(OutcomeUnknown):
        _start(runs, "S1", StartOptions(run_key="k"))
    (record,) = list_records(ledger)
    assert run_service._RECOVER_WAIT < LOCK_WAIT / 10
    monkeypatch.setattr(run_service, "_RECOVER_WAIT", 0.05)
    path = directory_of(ledger).with_name("locks") / f"{checksum('lab:S1')[:16]}.lock"
    with lock_file(path, wait=0, note="process 7 on a-host"), pytest.raises(Refused) as caught:
        runs.recover(record)
    assert (caught.value.message, caught.value.reason) == (
        "Another almajob is busy with this job or run key.",
        "It is process 7 on a-host.",
    )


def test_a_run_of_perhaps_another_alma_is_not_looked_for_here(
    alma: FakeAlma, runs: Runs, ledger: Ledger
) -> None:
    """Its section leads elsewhere now: neither a run key nor @last is taken for a Process ID there."""
    alma.on("POST /jobs/S1", started(ERP, "77"))
    record = _start(runs, "S1", StartOptions(run_key="k"))
    assert runs.process_id("k") == runs.process_id("@last") == "77"
    ledger.amend(record, identity="lab:another key", institution="01OTHER_INST")
    for text in ("k", "@last"):
        with pytest.raises(Refused, match="was started with another key or address"):
            runs.process_id(text)
    assert runs.process_id("77") == "77"


def test_a_run_is_found_by_any_of_its_names(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """Id, run key, Process ID; several are listed, none is said."""
    alma.on("POST /jobs/S1", started(ERP, "76"), started(ERP, "78"))
    record = _start(runs, "S1", StartOptions(run_key="k"))
    for text in (record.id, "k", "76"):
        assert find_record(ledger, text) == record
        with pytest.raises(Refused, match="has no run"):
            find_record(ledger, text, environment="production")
    alma.on("GET /jobs/S1/instances/76", instance("76", ERP, "FAILED"))
    second = _start(runs, "S1", StartOptions(run_key="k", rerun_failed=True))
    assert find_record(ledger, "k") == second
    write_steps(ledger, replace(second, id="other", environment="production", identity="production:else:key"))
    with pytest.raises(Refused, match="2 runs in the ledger are called 'k'") as caught:
        find_record(ledger, "k")
    assert f"{second.id} ({second.environment}, run {second.instance_id})" in caught.value.reason
    assert find_record(ledger, "k", environment="production").id == "other"


def test_what_is_in_doubt_is_listed_first(alma: FakeAlma, runs: Runs, ledger: Ledger) -> None:
    """Then the newest; a limit leaves out none that is in doubt."""
    doubtful = _doubtful(alma, runs)
    later = []
    for number in range(3):
        alma.on("POST /jobs/S2", started(job("S2", "Bursar"), str(number)))
        later.append(_start(runs, "S2", StartOptions(run_key=str(number))))
    assert list(list_runs(ledger)) == [doubtful, *reversed(later)]
    assert list(list_runs(ledger, limit=2)) == [doubtful, later[-1]]
    assert list(list_runs(ledger, Wanted(jobs=["Bursar"]), limit=1)) == [later[-1]]
    assert list(list_runs(ledger, Wanted(states=OPEN))) == [doubtful]
    assert list(list_runs(ledger, Wanted("production"))) == []
