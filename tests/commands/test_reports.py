"""``almajob history``, ``events``, ``matches`` and ``download``, over the wire."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from werkzeug import Response

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.fake_alma import FakeAlma

ENV = ("--env", "sandbox")
ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
IMPORT = "Metadata Import using profile Vendor Records"


def _ended(alma: SimulatedAlma, name: str) -> str:
    world = alma.institution.sandbox
    run = world.submit(next(job for job in world.jobs if job.name == name), [])
    alma.clock.advance(3600)
    return run.id


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory."""
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_history_lists_a_jobs_runs(simulated: SimulatedAlma, almajob: Run) -> None:
    """The one that goes on first, then the newest, with how long they took."""
    old, new = _ended(simulated, ERP), _ended(simulated, ERP)
    simulated.set_ending(ERP, seconds=7200)
    running = _ended(simulated, ERP)
    shown = json.loads(almajob(*ENV, "history", "--job", ERP, "-f", "json").out)
    assert [row["instance_id"] for row in shown] == [running, new, old]
    assert [row["passed"] for row in shown] == [None, True, True]
    assert [row["seconds"] is None for row in shown] == [True, False, False]
    table = almajob(*ENV, "history", "--job", ERP, "--limit", "1").out
    assert running in table
    assert "ago)" in table
    assert new not in table
    recent = almajob(*ENV, "history", "--job", ERP, "--since", "61m", "-f", "value", "-c", "instance_id").out
    assert recent.split() == [running]
    nothing = almajob(*ENV, "history", "--job", ERP, "--status", "failed", "-f", "json")
    assert (nothing.code, json.loads(nothing.out)) == (0, [])
    assert f"Alma lists no such run of {ERP}" in nothing.err
    refused = almajob(*ENV, "history", "--job", ERP, "--status", "nonsense")
    assert (refused.code, refused.out) == (2, "")


def test_events_are_read_page_by_page(simulated: SimulatedAlma, almajob: Run) -> None:
    """All of them, whatever the page; with every member that Alma sends."""
    run_id = _ended(simulated, SIS)
    shown = json.loads(almajob(*ENV, "events", "--id", run_id, "-f", "json").out)
    assert len(shown) == 12
    assert shown[0]["entity"] == "user000"
    assert shown[0]["fields"]["message"] == shown[0]["message"] == "The user group is not valid."
    assert "user011" in almajob(*ENV, "events", "--id", run_id).out
    other = almajob(*ENV, "events", "--id", _ended(simulated, ERP))
    assert (other.code, other.out) == (4, "")
    assert "Only jobs of the Student Information System have events." in other.err


def test_matches_of_both_populations(simulated: SimulatedAlma, almajob: Run) -> None:
    """Their MMS ids as an array; in a table as a text."""
    run_id = _ended(simulated, IMPORT)
    single = json.loads(almajob(*ENV, "matches", "--id", run_id, "--population", "single", "-f", "json").out)
    multi = json.loads(almajob(*ENV, "matches", "--id", run_id, "--population", "multi", "-f", "json").out)
    assert [len(row["mms_ids"]) for row in single] == [1, 1]
    assert [len(row["mms_ids"]) for row in multi] == [2]
    assert (
        ", ".join(multi[0]["mms_ids"])
        in almajob(*ENV, "matches", "--id", run_id, "--population", "multi").out
    )


def test_a_file_is_downloaded_whole(simulated: SimulatedAlma, almajob: Run, place: Path) -> None:
    """With its user's own mode, and nothing beside it; what is there is not replaced unless that is said."""
    run_id = _ended(simulated, IMPORT)
    file = place / "records.xml"
    download = (*ENV, "download", "--id", run_id, "--output", str(file))
    before = os.umask(0o027)
    try:
        shown = json.loads(almajob(*download, "-f", "json").out)
    finally:
        os.umask(before)
    assert shown == {
        "environment": "sandbox",
        "instance_id": run_id,
        "file": str(file),
        "bytes": file.stat().st_size,
    }
    assert file.read_bytes().startswith(b"<?xml")
    assert file.stat().st_mode & 0o777 == 0o640
    file.write_text("mine")
    refused = almajob(*download)
    assert (refused.code, refused.out, file.read_text()) == (5, "", "mine")
    assert "--overwrite replaces it" in refused.err
    assert simulated.log.count("GET */download") == 1
    # Its user may have closed it to others.
    file.chmod(0o600)
    assert almajob(*download, "--form", "binary", "--overwrite").code == 0
    assert (file.read_bytes()[-2:], file.stat().st_mode & 0o777) == (b"\x1e\x1d", 0o600)
    assert [path.name for path in place.iterdir()] == ["records.xml"]


@pytest.mark.parametrize(
    ("fault", "code"), [("html-200", 6), ("503", 6), ("html-401", 7), ("empty", 6), ("daily", 10)]
)
def test_what_is_no_file_is_not_saved(
    simulated: SimulatedAlma, almajob: Run, place: Path, fault: str, code: int
) -> None:
    """A sign-in page with HTTP 200 neither; the file that is there stays."""
    run_id = _ended(simulated, IMPORT)
    file = place / "records.xml"
    file.write_text("mine")
    simulated.faults.add(fault, "GET */download")
    done = almajob(*ENV, "download", "--id", run_id, "--output", str(file), "--overwrite")
    assert (done.code, done.out) == (code, "")
    assert file.read_text() == "mine"
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("fault", ["accepted-truncated", "reset-after", "reset-before"])
def test_a_download_that_breaks_off_begins_anew(
    simulated: SimulatedAlma, almajob: Run, place: Path, fault: str
) -> None:
    """And says so; after four times it gives up, and nothing is left."""
    run_id = _ended(simulated, IMPORT)
    download = (*ENV, "download", "--id", run_id, "--output", str(place / "records.xml"))
    simulated.faults.add(fault, "GET */download", times=3)
    done = almajob(*download)
    assert done.code == 0
    assert done.err.count("it begins again") == 3
    assert (place / "records.xml").read_bytes().endswith(b"</collection>")
    (place / "records.xml").unlink()
    simulated.faults.add(fault, "GET */download", times=4)
    assert almajob(*download).code == 6
    assert list(place.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path
) -> None:
    """Before anything is asked of Alma, where that can be known."""
    run_id = _ended(simulated, IMPORT)
    for output in (tmp_path, tmp_path / "nowhere" / "records.xml"):
        done = almajob(*ENV, "download", "--id", run_id, "--output", str(output))
        assert (done.code, done.out) == (5, "")
        assert f"{output} cannot be written." in done.err
    assert simulated.log.count("GET */download") == 0
    other = almajob(*ENV, "download", "--id", _ended(simulated, ERP), "--output", str(tmp_path / "x"))
    assert other.code == 4


XML = b"<?xml version='1.0'?><collection/>"
LONG = b"<html><body>" + b"Please sign in. " * 10_000 + b"</body></html>"
ERROR = b'{"errorsExist":true,"errorList":{"error":[]},"x":"' + b"x" * 100_000 + b'"}'
BROKEN = b"<?xml version='1.0'?><collection>" + b"<record/>" * 20_000


def _without_length(body: bytes) -> Response:
    answer = Response(body, headers={"Connection": "close"})
    answer.headers.remove("Content-Length")
    answer.automatically_set_content_length = False
    return answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(LONG), 6),
        (Response(ERROR), 4),
        (Response(XML, 206, {"Content-Range": "bytes 0-33/99"}), 6),
        (Response(gzip.compress(BROKEN)[:-500], headers={"Content-Encoding": "gzip"}), 6),
        (_without_length(BROKEN), 6),
    ],
)
def test_half_a_file_or_another_one_is_not_saved(
    site: FakeAlma, almajob: Run, place: Path, answer: Response, code: int
) -> None:
    """Large ones too; packed, partial, and without a length."""
    site.on("GET /jobs/ALL/instances/77/download", answer)
    done = almajob(*ENV, "download", "--id", "77", "--output", str(place / "records.xml"))
    assert (done.code, done.out) == (code, "")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("encoding", ["big5", "foo-8", "utf-16", "windows-1250"])
def test_a_whole_file_in_any_encoding_is_saved(
    site: FakeAlma, almajob: Run, tmp_path: Path, encoding: str
) -> None:
    """Also in one that nobody here can read."""
    text = f"<?xml version='1.0' encoding='{encoding}'?><collection/>"
    body = text.encode("ascii" if encoding == "foo-8" else encoding)
    site.on("GET /jobs/ALL/instances/77/download", lambda _request: Response(body, 200))
    file = tmp_path / "records.xml"
    assert almajob(*ENV, "download", "--id", "77", "--output", str(file)).code == 0
    assert file.read_bytes() == body
