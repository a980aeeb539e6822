"""A log file is a file of its user's, or a stream; never a way to write elsewhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.fake_alma import FakeAlma


@pytest.mark.parametrize(
    ("plant", "part"),
    [
        (lambda path, victim: path.symlink_to(victim), "It is a symbolic link."),
        (lambda path, victim: path.symlink_to(victim.with_name("nowhere")), "symbolic link"),
        (lambda path, victim: path.hardlink_to(victim), "It is a hard link to another file."),
        (lambda path, _victim: os.mkfifo(path), "No such device"),
    ],
)
def test_a_log_file_is_no_way_to_write_elsewhere(
    site: FakeAlma, almajob: Run, tmp_path: Path, plant: Callable[[Path, Path], None], part: str
) -> None:
    """Exit code 2, before anything is done."""
    log, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_text("precious")
    plant(log, victim)
    done = almajob("--env", "sandbox", "--log-file", str(log), "list")
    assert (done.code, part in done.err) == (2, True), done.err
    assert (victim.read_text(), (tmp_path / "nowhere").exists()) == ("precious", False)
    assert site.calls() == []


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


def test_a_log_file_that_cannot_be_made_private_is_let_go(
    site: FakeAlma, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk without modes, for one: exit code 2, and no descriptor is left open."""

    def fchmod(_descriptor: int, _mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.fchmod", fchmod)
    log = tmp_path / "log"
    done = almajob("--env", "sandbox", "--log-file", str(log), "list")
    assert (done.code, "Operation not permitted." in done.err) == (2, True)
    assert log.exists()
    assert log not in [Path(os.path.realpath(each)) for each in Path("/dev/fd").iterdir()]
    assert site.calls() == []


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


@pytest.mark.parametrize("option", ["--log-file", "--log-json"])
@pytest.mark.parametrize(("before", "after"), [(None, 0o600), (0o644, 0o644)])
def test_a_log_file_is_made_for_its_owner_and_else_stays(
    almajob: Run, tmp_path: Path, option: str, before: int | None, after: int
) -> None:
    """Somebody else may have to read one that an administrator made."""
    log = tmp_path / "log"
    if before is not None:
        log.touch()
        log.chmod(before)
    assert almajob(option, str(log), "config", "show").code == 0
    assert log.stat().st_mode & 0o777 == after
