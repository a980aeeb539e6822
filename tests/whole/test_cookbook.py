"""The cookbook: each recipe is run as it stands there, by a shell, against a served simulator."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from almajob.testing import SimulatedAlma
from tests.tools.generated_docs import ROOT

PAGE = (ROOT / "docs" / "cookbook.md").read_text("utf-8")
ERP = "ERP export using profile FINANCE"
BURSAR = "Export to bursar using profile BURSAR"
_LISTED = "GET /conf/jobs/*/instances"
_NEEDS_JQ = pytest.mark.skipif(shutil.which("jq") is None, reason="one recipe uses jq")
# Takes what is to be fetched from stdin, as sftp -b - does.
_SFTP = '#!/bin/sh\necho "$@" >sftp-words\ncat >sftp-batch\n'


def _blocks(heading: str, language: str) -> list[str]:
    section = re.split(r"\n## ", PAGE.split(f"## {heading}\n")[1])[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def served(
    write_ini: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedAlma]:
    """A simulator whose runs end at once, and a PATH with almajob and a stand-in for sftp."""
    programs = tmp_path / "programs"
    programs.mkdir()
    almajob = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m almajob "$@"\n'
    for name, text in (("almajob", almajob), ("sftp", _SFTP)):
        (programs / name).write_text(text, "utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    with Simulator(Institution(Clock(), Rules(seconds=0.0))) as simulator:
        running = SimulatedAlma(simulator)
        write_ini(running.ini)
        yield running


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _cron_commands() -> list[str]:
    (crontab,) = _blocks("Cron, with mail only on trouble", "cron")
    lines = [line for line in crontab.splitlines() if line and not re.match(r"\w+=", line)]
    assert all(re.match(r"([\d*/,-]+ +){5}almajob -q ", line) for line in lines)
    return [re.split(r"\s+", line, maxsplit=5)[5].replace(r"\%", "%") for line in lines]


def _starts(served: SimulatedAlma) -> int:
    return served.log.count("POST /conf/jobs/*")


def test_cron_writes_no_mail_where_all_is_well(served: SimulatedAlma) -> None:
    """Each line, twice: the second time nothing is started again."""
    for _ in range(2):
        for command in _cron_commands():
            done = _run(command)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command
    assert _starts(served) == 2


def test_cron_s_mail_is_enough_to_act_on(served: SimulatedAlma) -> None:
    """The job, where, why, and what to type next."""
    served.set_ending(ERP, "COMPLETED_FAILED", seconds=0)
    done = _run(_cron_commands()[0])
    assert (done.returncode, done.stdout) == (3, "")
    for part in (ERP, "production", "COMPLETED_FAILED", "almajob --env production status"):
        assert part in done.stderr
    assert len(done.stderr.splitlines()) <= 8


def test_the_units_of_systemd_are_whole_and_their_command_works(
    served: SimulatedAlma, tmp_path: Path
) -> None:
    """Also called again, as after the exit codes that make it start anew."""
    service, timer = _blocks("A systemd service and its timer", "ini")
    units = {"almajob-invoices.service": service, "almajob-invoices.timer": timer}
    (start,) = re.findall("ExecStart=/opt/almajob/bin/(.*)\n", service)
    for _ in range(2):
        done = _run(start)
        assert (done.returncode, done.stderr) == (0, "")
    assert _starts(served) == 1
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    for text in units.values():
        parser.read_string(text)
    assert {"Service", "Timer", "Install"} <= set(parser)
    if shutil.which("systemd-analyze"):
        for name, text in units.items():
            local = re.sub("ExecStart=.*", "ExecStart=/bin/true", text)
            (tmp_path / name).write_text(local.replace("User=almajob\n", ""), "utf-8")
        found = _run(f"systemd-analyze verify {shlex.join(str(tmp_path / name) for name in units)}")
        assert "almajob-invoices" not in found.stderr


def test_jobs_in_a_row_stop_at_the_first_that_fails(served: SimulatedAlma) -> None:
    """And go on there once it is mended; what was done is not done again."""
    (script,) = _blocks("A chain of jobs", "sh")
    served.set_ending(ERP, "FAILED", seconds=0)
    done = _run(script)
    assert (done.returncode, _starts(served)) == (3, 2)
    assert ERP in done.stderr
    served.set_ending(ERP, "COMPLETED_SUCCESS", seconds=0)
    again = _run(script.replace('"invoices-$day"', '"invoices-$day" --rerun-failed'))
    assert (again.returncode, again.stdout, again.stderr, _starts(served)) == (0, "", "", 4)
    assert (_run(script).returncode, _starts(served)) == (0, 4)


def test_a_script_acts_on_a_counter(served: SimulatedAlma) -> None:
    """The number that the report has."""
    (script,) = _blocks("Act on a counter", "sh")
    done = _run(script)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ invoices were exported\.\n", done.stdout)


@_NEEDS_JQ
def test_the_file_of_an_export_is_fetched(served: SimulatedAlma) -> None:
    """By the name that the report tells; both ways to read it find the same."""
    (script,) = _blocks("Fetch the file of an export", "sh")
    done = _run(script)
    assert (done.returncode, done.stderr) == (0, "")
    batch = Path("sftp-batch").read_text("utf-8")
    name = _run("almajob -q --env production status @last --counter bibExport.link").stdout.strip()
    assert (batch, bool(name)) == (f"get exports/{name}*\n", True)
    assert Path("sftp-words").read_text("utf-8") == "-q -b - alma@files.library.example\n"


def test_a_job_works_on_what_an_import_has_loaded(served: SimulatedAlma) -> None:
    """Once, however often the script is run: one import, one set, one job on it."""
    (script,) = _blocks("A job on what an import has loaded", "sh")
    served.institution.rules.filling = 0.0
    for _ in range(2):
        done = _run(script)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    world = served.institution.production
    loaded, export = world.runs()
    made = world.sets.find(export.set_id)
    assert made is not None
    assert (made.name, len(made.members)) == (f"Loaded by {loaded.id}", 5)
    assert (_starts(served), served.log.count("POST /conf/sets")) == (2, 1)


def test_a_run_of_alma_s_own_schedule_is_waited_for(served: SimulatedAlma) -> None:
    """The next one, whatever ran before; afterwards the last one is asked for. Nothing is started."""
    waits, looks = _blocks("Wait for a run that Alma's schedule starts", "sh")
    world = served.institution.production
    job = next(job for job in world.jobs if job.name == BURSAR)
    served.set_ending(BURSAR, "FAILED", seconds=0)
    world.submit(job, [], ("System", ""))
    assert _run(looks).returncode == 3
    served.set_ending(BURSAR, "COMPLETED_SUCCESS", seconds=0)
    with subprocess.Popen(
        ["/bin/sh", "-c", waits.replace("--timeout 26h", "--timeout 26h --interval 1s")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        # With the second look the first has been answered, and the runs that were there are known.
        deadline = time.monotonic() + 60
        before = served.log.count(_LISTED)
        while served.log.count(_LISTED) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert served.log.count(_LISTED) >= before + 2
        world.submit(job, [], ("System", ""))
        out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out, err) == (0, "The fines are there.\n", "")
    assert _run(looks).stdout == "The fines are there.\n"
    assert _starts(served) == 0
