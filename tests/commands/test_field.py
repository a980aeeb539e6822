"""What people who run Alma's jobs bring along: their payloads, secrets, networks and habits."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from almajob.cli.app import main
from almajob.simulator.http.server import Simulator
from almajob.simulator.http.tls import tls_context
from almajob.simulator.institution import Institution
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.fake_alma import KEY, FakeAlma, answer, job
from tests.support.other_users import GROUP, UID, as_user

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
IMPORT = "Metadata Import using profile Vendor Records"
TWO_BLANKS = "Handle Duplicated Bibs  Job"
SET_ID = "9563211250000561"
ENV = ("--env", "sandbox")
START = "POST /conf/jobs/*"

Write = Callable[..., Path]

REPEATED = f"""<job><parameters>
<parameter><name>xxx</name><value/></parameter>
<parameter><name>task_ExportParams_exportFormat</name><value>MARC</value></parameter>
<parameter><name>xxx</name><value>false</value></parameter>
<parameter><name>xxx</name><value/></parameter>
<parameter><name>set_id</name><value>{SET_ID}</value></parameter>
</parameters></job>"""


def _sent(alma: SimulatedAlma) -> list[tuple[str, str]]:
    """Return the parameters of the one start, as they crossed the wire."""
    (entry,) = alma.log.requests(START)
    return [(item["name"]["value"], item["value"]) for item in json.loads(entry.body)["parameter"]]


def _end_run(alma: SimulatedAlma, name: str, status: str = "COMPLETED_SUCCESS") -> str:
    alma.set_ending(name, status, seconds=60)
    world = alma.institution.sandbox
    run_id = world.submit(next(each for each in world.jobs if each.name == name), []).id
    alma.clock.advance(3600)
    return run_id


def test_a_payload_with_several_parameters_of_one_name_is_sent_as_it_stands(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path
) -> None:
    """In its order, with a note; the same ones in another order are the same run, one fewer is another."""
    file = tmp_path / "old.xml"
    lines = REPEATED.splitlines()
    file.write_text(REPEATED)
    words = (*ENV, "run", "M44", "--params", str(file), "--once-per", "day", "--allow-unknown")
    done = almajob(*words)
    assert done.code == 0, done.err
    assert "xxx (3 times)" in done.err
    names = [(name, value) for name, value in _sent(simulated) if name != "job_name"]
    assert names == [
        ("xxx", ""),
        ("task_ExportParams_exportFormat", "MARC"),
        ("xxx", "false"),
        ("xxx", ""),
        ("set_id", SET_ID),
    ]
    file.write_text("\n".join([lines[0], *reversed(lines[1:-1]), lines[-1]]))
    again = almajob(*words)
    assert (again.code, again.out.startswith("Started before: ")) == (0, True)
    file.write_text("\n".join(line for line in lines if "false" not in line))
    other = almajob(*words, "--dry-run")
    assert "Started before" not in other.out + other.err
    assert simulated.log.count(START) == 1


def test_null_in_a_payload_is_nothing(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """Wherever a text need not be: a payload in which each description is null is sent as it is meant."""
    file = tmp_path / "payload.json"
    name = {"value": "set_id", "desc": None}
    payload = {"id": None, "name": None, "parameter": [{"name": name, "value": SET_ID}]}
    file.write_text(json.dumps(payload))
    done = almajob(*ENV, "run", "M44", "--params", str(file))
    assert done.code == 0, done.err
    assert ("set_id", SET_ID) in _sent(simulated)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is openssl's")
def test_why_a_certificate_is_refused_is_told_in_openssls_words(almajob: Run, write_ini: Write) -> None:
    """The one reason, and not a list of what it might have been; nothing is sent."""
    context, _certificate = tls_context()
    with Simulator(Institution(), tls=context) as simulator:
        write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = https://127.0.0.1:{simulator.port}\n")
        done = almajob(*ENV, "list")
        assert simulator.institution.log.total == 0
    assert (done.code, done.out) == (6, "")
    assert "OpenSSL says: self-signed certificate" in done.err
    assert "expired" not in done.err
    assert len(done.err.splitlines()) <= 6


@pytest.fixture
def mounted() -> Iterator[Path]:
    """A directory that all can reach, with a key of root's in it and a place for that user's state."""
    directory = Path(tempfile.mkdtemp(prefix="almajob-secret-", dir="/tmp"))
    directory.chmod(0o755)
    (directory / "state").mkdir(0o700)
    os.chown(directory / "state", UID, GROUP)
    path = directory / "key"
    path.write_text(f"{KEY}\n")
    os.chown(path, 0, GROUP)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files as root does")
@pytest.mark.parametrize(("mode", "group", "code"), [(0o440, GROUP, 6), (0o444, GROUP, 6), (0o444, 1, 7)])
def test_a_key_that_a_container_platform_mounts_is_used(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, mode: int, group: int, code: int
) -> None:
    """Root's, and for a group of the process to read; else the ways that work there are named.

    Exit code 6 says that only the connection is missing.
    """
    path = mounted / "key"
    path.chmod(mode)
    (mounted / "almajob.ini").write_text(
        f"[lab]\nkind = sandbox\nbase_url = http://127.0.0.1:9\napi_key_file = {path}\n"
    )
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(mounted / "state"))
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(mounted / "state" / "cache"))

    def ask() -> str:
        with io.StringIO() as written, redirect_stdout(written), redirect_stderr(written):
            ended = main(["--ini-file", str(mounted / "almajob.ini"), "--env", "lab", "show", "M44"])
            return f"{ended}\n{written.getvalue()}"

    told = as_user(ask, group=group)
    assert told.startswith(f"{code}\n"), told
    assert KEY not in told
    if code == 7:
        assert f"api_key_command = cat {path}" in told
        assert "ALMAJOB_API_KEY_" in told
        assert "chmod" not in told


def test_without_a_home_jobs_are_listed_and_the_state_directory_is_enough_to_start(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a place for the cache there is a warning, without one for the ledger no start."""
    monkeypatch.delenv("HOME")

    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    listed = almajob(*ENV, "list")
    assert (listed.code, ERP in listed.out, listed.err.count("no place for the cache")) == (0, True, 1)
    refused = almajob(*ENV, "run", ERP)
    assert (refused.code, "ALMAJOB_STATE_DIR" in refused.err) == (5, True)
    assert simulated.log.count(START) == 0
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "state"))
    assert almajob(*ENV, "run", ERP).code == 0
    assert simulated.log.count(START) == 1
    assert os.listdir() == []


@pytest.mark.parametrize(("first", "second", "code"), [("402229", "402228", 4), ("402229", "401874", 9)])
def test_all_errors_of_an_answer_are_told(
    site: FakeAlma, almajob: Run, first: str, second: str, code: int
) -> None:
    """The first with its tracking id, the others by code and text.

    Where one of them does not prove that nothing was started, the outcome is unknown.
    """
    site.jobs([job("M44", "Export Bibliographic records", "MANUAL", "EXPORT")])
    errors = [
        {"errorCode": first, "errorMessage": "The parameter a is wrong.", "trackingId": "E01-1"},
        {"errorCode": second, "errorMessage": "The parameter b is missing.", "trackingId": "E01-2"},
    ]
    refusal = {"errorsExist": True, "errorList": {"error": errors}, "result": None}
    site.on("POST /jobs/M44", answer(refusal, 400))
    done = almajob(*ENV, "run", "M44", "--param", "a=1", "-f", "json")
    assert done.code == code
    for part in (f"{first} The parameter a is wrong.", "E01-1", f"{second} The parameter b is missing."):
        assert part in done.err
    if code == 4:
        told = done.row["error"]
        assert (told["alma_code"], told["tracking_id"]) == (first, "E01-1")
        assert len(done.err.splitlines()) <= 6


def test_two_blanks_in_a_name_are_seen(simulated: SimulatedAlma, almajob: Run) -> None:
    """What was typed and what there is look different; the right name is found."""
    done = almajob(*ENV, "show", TWO_BLANKS.replace("  ", " "))
    assert (done.code, done.out) == (5, "")
    assert repr(TWO_BLANKS) in done.err
    assert repr(TWO_BLANKS.replace("  ", " ")) in done.err
    assert almajob(*ENV, "show", TWO_BLANKS).code == 0


def test_what_an_import_did_decides_what_comes_next(simulated: SimulatedAlma, almajob: Run) -> None:
    """Records of a population are shown, in JSON too, and decide with sums whether the end is a good one."""
    run_id = _end_run(simulated, IMPORT)
    (shown,) = json.loads(almajob(*ENV, "status", run_id, "-f", "json").out)
    members = {item["population"]: item["members"] for item in shown["actions"]}
    total = members["SINGLE_MATCHES"] + members["MULTI_MATCHES"]
    assert f"Multi matches: {members['MULTI_MATCHES']}" in almajob(*ENV, "status", run_id).out
    for condition, code in (
        (f"SINGLE_MATCHES + MULTI_MATCHES == {total}", 3),
        (f"SINGLE_MATCHES + MULTI_MATCHES > {total}", 0),
        ("NOT_ADDED_LOCKED > 0 and MULTI_MATCHES > 0", 0),
        ("NOT_ADDED_LOCKED > 0 or MULTI_MATCHES > 0", 3),
    ):
        assert almajob(*ENV, "wait", run_id, "--fail-if", condition).code == code, condition
    nothing = almajob(*ENV, "wait", run_id, "--nothing-if", "NOT_ADDED_LOCKED == 0")
    assert (nothing.code, "Nothing to do: " in nothing.err) == (0, True)


def test_a_run_that_others_started_is_waited_for_by_its_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """Its end is the exit code; with no run going on, that is said at once, with what to type."""
    none = almajob(*ENV, "wait", ERP)
    assert (none.code, none.out) == (5, "")
    assert f"almajob --env sandbox wait {ERP_ID} --next" in none.err
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=600)
    world = simulated.institution.sandbox
    run_id = world.submit(next(each for each in world.jobs if each.id == ERP_ID), []).id
    done = almajob(*ENV, "wait", ERP)
    assert (done.code, run_id in done.out, simulated.log.count(START)) == (3, True, 0)
    assert almajob(*ENV, "status", ERP, "--exit-status").code == 3


def test_a_job_is_named_by_its_profile(simulated: SimulatedAlma, almajob: Run) -> None:
    """By the profile's id, whatever the job is called: listed, shown and started."""
    profile = ("--profile-id", "7562276010000561")
    for command in ("list", "show", "run"):
        done = almajob(*ENV, command, *profile)
        assert (done.code, IMPORT in done.out) == (0, True)
    unknown = almajob(*ENV, "run", "--profile-id", "1")
    assert (unknown.code, unknown.out, simulated.log.count(START)) == (5, "", 1)
