"""The page on Python: each of its programs is run as it stands there, against a simulator."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import nbformat
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from almajob import plugin
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from almajob.testing import SimulatedAlma
from tests.support.environments import ROOT
from tests.support.pages import FILE, read_page

PAGE = read_page("python-api.md")
PROGRAMS: dict[str, str] = dict(FILE.findall(PAGE))
ERP = "ERP export using profile FINANCE"
_STARTS = "POST /conf/jobs/*"


@pytest.fixture
def served(write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAlma]:
    """A simulator whose runs end at once; programs find almajob wherever they are."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Simulator(Institution(Clock(), Rules(seconds=0.0))) as simulator:
        running = SimulatedAlma(simulator)
        write_ini(running.ini.replace("\nbase_url", "\ncalls_per_second = 1000\nbase_url"))
        yield running


def _run(name: str) -> subprocess.CompletedProcess[str]:
    Path(name).write_text(PROGRAMS[name], "utf-8")
    # With what Python would otherwise not tell, such as a socket that was left open.
    return subprocess.run(
        [sys.executable, "-W", "error", name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_programs_of_the_page_are_run() -> None:
    """Those here, and the cells of the notebook."""
    assert sorted(PROGRAMS) == sorted(
        [
            *("script.py", "nightly.py", "production.py", "sets.py", "pool.py", "loop.py", "app.py"),
            *("careful.py", "logs.py"),
        ]
    )
    assert PAGE.count("```python") == len(PROGRAMS) + len(_cells())


def test_five_lines_start_a_job_wait_and_read_a_counter(served: SimulatedAlma) -> None:
    """And print nothing else."""
    done = _run("script.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"COMPLETED_SUCCESS \d+\n", done.stdout)
    assert served.log.count(_STARTS) == 1
    assert len([line for line in PROGRAMS["script.py"].splitlines() if line]) <= 5


def test_the_nightly_program_starts_once(served: SimulatedAlma) -> None:
    """However often it is run; a bad end is an exception each time."""
    for _ in range(2):
        done = _run("nightly.py")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert served.log.count(_STARTS) == 1


def test_production_needs_a_word_of_consent(served: SimulatedAlma) -> None:
    """The first start of the program sends nothing."""
    done = _run("production.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "not_confirmed\n", "")
    assert served.log.count(_STARTS) == 1


def test_other_calls_list_sets_with_their_members(served: SimulatedAlma) -> None:
    """Those of the sandbox that are of titles."""
    done = _run("sets.py")
    assert (done.returncode, done.stderr) == (0, "")
    sets = [each for each in served.institution.sandbox.sets if each.content == "BIB_MMS"]
    assert done.stdout.splitlines() == [f"{each.name} {len(each.members)}" for each in sets]


def test_threads_share_a_context(served: SimulatedAlma) -> None:
    """A line for each scheduled job."""
    done = _run("pool.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert ERP in done.stdout
    assert len(done.stdout.splitlines()) > 10


def test_asyncio_follows_two_runs(served: SimulatedAlma) -> None:
    """Each in a thread."""
    done = _run("loop.py")
    # On a busy machine Python's development mode tells how long the steps of a loop take.
    stderr = re.sub(r"^Executing <Task .* took [\d.]+ seconds\n", "", done.stderr, flags=re.MULTILINE)
    assert (done.returncode, done.stdout, stderr) == (0, "True True\n", "")
    assert served.log.count(_STARTS) == 2


def test_errors_are_exceptions_with_exit_codes(served: SimulatedAlma) -> None:
    """The table has each of those that a program meets."""
    done = _run("careful.py")
    assert (done.returncode, done.stdout, done.stderr) == (
        5,
        "",
        "No job has the name or id 'No such job'.\n",
    )
    codes = {name: int(code) for name, code in re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)}
    assert {name: getattr(plugin, name).exit_code for name in codes} == codes
    assert list(codes.values()) == list(range(2, 11))


def test_keys_are_blanked_out_in_the_programs_own_messages(served: SimulatedAlma) -> None:
    """As the page shows, by what a key looks like."""
    done = _run("logs.py")
    (shown,) = re.findall(r"^`logs\.py` prints `(.+)`:$", PAGE, re.MULTILINE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{shown}\n")


def _cells() -> list[str]:
    (section,) = re.findall(r"^## Notebooks\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(r"```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_a_notebook(served: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells in a real kernel: they show their last values, and nothing is written to stdout or stderr."""
    for directory in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(directory, str(Path(directory).absolute()))
    cells = [nbformat.v4.new_code_cell(cell) for cell in _cells()]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    run = ExecutePreprocessor(timeout=60, kernel_name="python3")  # type: ignore[no-untyped-call]
    run.preprocess(notebook, {"metadata": {"path": "."}})
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert [output.output_type for output in outputs] == ["execute_result"] * 2
    assert outputs[0].data["text/plain"] == repr(ERP)
    assert "'c.jobs.erp.invoices': " in outputs[1].data["text/plain"]
    assert served.log.count(_STARTS) == 1


def test_forked_workers(served: SimulatedAlma) -> None:
    """Gunicorn connects before it forks its workers; each answer is about the run that was asked for."""
    world = served.institution.sandbox
    jobs = [job for job in world.jobs if job.type == "SCHEDULED" and not job.is_chain]
    runs = [world.submit(job, (), by=("system", "Job Scheduler")).id for job in jobs]
    Path("app.py").write_text(PROGRAMS["app.py"], "utf-8")
    (command,) = re.findall(r"^\$ gunicorn (.*)$", PAGE, re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, descriptor = listening.getsockname()[1], listening.fileno()
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *command.split(), "--bind", f"fd://{descriptor}"],
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDEVMODE": "1"},
        )
        try:

            def ask(run: str) -> str:
                connection = HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", f"/{run}")
                answer = connection.getresponse().read()
                connection.close()
                return str(json.loads(answer)["id"])

            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(ask, runs * 10))
        finally:
            server.terminate()
            out, _log = server.communicate(timeout=60)
    assert found == runs * 10
    assert (server.returncode, out) == (0, "")
