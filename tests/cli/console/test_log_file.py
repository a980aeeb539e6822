"""A log file is a file of its user's, or a stream; never a way to write elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.fake_alma import FakeAlma


@pytest.mark.parametrize(("log", "lines"), [("/dev/stderr", 1), ("/dev/null", 0), (">(cat >&2)", 1)])
def test_a_log_may_go_to_a_stream(site: FakeAlma, log: str, lines: int) -> None:
    """stderr, nowhere, or another program: as a container's logs do."""
    site.on("GET /jobs", {"total_record_count": 0})
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m almajob -q --env sandbox --log-file {log} list'],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("GET /conf/jobs: HTTP 200") == lines


@pytest.mark.parametrize("option", ["--log-file", "--log-json"])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_log_file_has_a_name(site: FakeAlma, almajob: Run, option: str, is_after: bool) -> None:
    """A script's variable may be empty: it is said, instead of logging nothing."""
    words = ["list", option, ""] if is_after else [option, "", "list"]
    done = almajob("--env", "sandbox", *words)
    assert (done.code, f"{option}: must not be empty" in done.err) == (2, True), done.err
    assert site.calls() == []


@pytest.mark.parametrize("is_after", [False, True])
def test_messages_and_calls_go_to_two_files(
    site: FakeAlma, almajob: Run, tmp_path: Path, is_after: bool
) -> None:
    """However the one file is written; nothing is made, and nothing is asked of Alma."""
    both = ["--log-file", str(tmp_path / "log"), "--log-json", str(tmp_path / "home" / ".." / "log")]
    done = almajob("--env", "sandbox", *(["list", *both] if is_after else [*both, "list"]))
    assert done.code == 2
    assert "almajob: --log-file and --log-json cannot be the same file." in done.err
    assert not (tmp_path / "log").exists()
    assert site.calls() == []


@pytest.mark.parametrize(("before", "after"), [(None, 0o600), (0o644, 0o644)])
def test_a_log_file_is_made_for_its_owner_and_else_stays(
    site: FakeAlma, almajob: Run, tmp_path: Path, before: int | None, after: int
) -> None:
    """Somebody else may have to read one that an administrator made. It is appended to, whatever -q says."""
    site.on("GET /jobs", {"total_record_count": 0})
    for option, part in (("--log-file", "GET /conf/jobs: HTTP 200"), ("--log-json", '"status": 200')):
        log = tmp_path / f"log{option}"
        if before is not None:
            log.touch()
            log.chmod(before)
        assert almajob("--env", "sandbox", "-q", option, str(log), "list", "--refresh").code == 0
        assert almajob("--env", "sandbox", "list", "--refresh", "-q", option, str(log)).code == 0
        assert log.read_text("utf-8").count(part) == 2
        assert log.stat().st_mode & 0o777 == after
