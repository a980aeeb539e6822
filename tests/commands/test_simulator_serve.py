"""``almajob simulator serve``: a stand-alone Alma in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.conftest import Run


@contextmanager
def _serving(*options: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "almajob", "simulator", "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if "Ctrl-C" in line:
            break
    found = re.search(r"at (https?://\S+);", told)
    assert found, told
    try:
        yield found[1], told, process
    finally:
        process.kill()
        process.communicate()


def _call(url: str, key: str, path: str = "/jobs?limit=1", verify: str | None = None) -> requests.Response:
    headers = {"Authorization": f"apikey {key}", "Accept": "application/json"}
    return requests.get(f"{url}/almaws/v1/conf{path}", headers=headers, timeout=10, verify=verify)


def test_it_serves_until_it_is_told_to_stop() -> None:
    """It tells its address and its keys; SIGTERM ends it at once."""
    with _serving("--jobs", "1000", "--fault", "503", "--speed", "60") as (url, told, process):
        keys = dict(re.findall(r"key for (.+): (\S+)", told))
        assert set(keys) >= {"sandbox", "production", "guest"}
        assert _call(url, keys["sandbox"]).status_code == 503
        assert _call(url, keys["sandbox"]).json()["total_record_count"] == 1000
        assert _call(url, keys["production"], "/general").json()["environment_type"] == "PRODUCTION"
        assert requests.get(f"{url}/simulator/state", timeout=10).json()["speed"] == 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_it_speaks_tls() -> None:
    """And tells which certificate to trust."""
    with _serving("--tls") as (url, told, _process):
        found = re.search(r"REQUESTS_CA_BUNDLE=(\S+)", told)
        assert found
        assert url.startswith("https://")
        assert _call(url, "simulator-guest-key", verify=found[1]).ok


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--fault", "nonsense"), "there is no fault 'nonsense'"),
        (("--speed", "-1"), "a speed is a number"),
        (("--jobs", "-5"), "no fewer than 0 jobs"),
        (("--port", "99999"), "port must be 0-65535"),
    ],
)
def test_wrong_options_are_told(almajob: Run, options: tuple[str, ...], part: str) -> None:
    """Exit code 2."""
    done = almajob("simulator", "serve", "--port", "0", *options)
    assert (done.code, done.out) == (2, "")
    assert part in done.err


def test_a_port_in_use_is_told(almajob: Run) -> None:
    """With what to type instead."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = almajob("simulator", "serve", "--port", str(listener.getsockname()[1]))
    assert done.code == 5
    assert "--port" in done.err
