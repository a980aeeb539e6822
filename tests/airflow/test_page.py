"""docs/airflow.md: what it tells to type in the first ten minutes leads to a green DAG."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.airflow.site import PROGRAMS
from tests.support.environments import ROOT

PAGE = (ROOT / "docs" / "airflow.md").read_text("utf-8")


def test_ten_minutes_are_enough(tmp_path: Path) -> None:
    """As it stands there, but for the installation, the port and the home directory."""
    if not PROGRAMS:
        pytest.fail("ALMAJOB_AIRFLOW does not name an environment with Airflow: see .ci/airflow")
    section = re.split(r"\n## ", PAGE.split("## Ten minutes\n")[1])[0]
    install, *blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert "pip install --use-pep517" in install
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    script = "\n".join(blocks).replace("8444", str(port))
    # Not a pipe: the simulator, which is left in the background, would keep it open.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            env={"PATH": f"{PROGRAMS}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=500)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        out = log.read().decode("utf-8", "replace")
    assert code == 0, out
    assert "state=success" in out
