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
        assert "everybody" not in told
        keys = dict(re.findall(r"key for (.+): (\S+)", told))
        assert set(keys) >= {"sandbox", "production", "guest"}
        assert _call(url, keys["sandbox"]).status_code == 503
        assert _call(url, keys["sandbox"]).json()["total_record_count"] == 1000
        assert _call(url, keys["production"], "/general").json()["environment_type"] == "PRODUCTION"
        assert requests.get(f"{url}/simulator/state", timeout=10).json()["speed"] == 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_where_others_can_reach_it_they_are_answered_by_name() -> None:
    """In a container or behind a proxy. It warns, and tells the address that it listens on, too."""
    options = ("--host", "0.0.0.0", "--allow-host", "alma.test", "--webhook-host", "0.0.0.0")
    with _serving(*options) as (url, told, _process):
        port = url.rpartition(":")[2]
        assert f"It listens on 0.0.0.0:{port}: everybody who can reach this machine can use it" in told
        state = requests.get(f"{url}/simulator/state", headers={"Host": "alma.test"}, timeout=10)
        assert state.status_code == 200
        # A listener elsewhere is called where it is named; 0.0.0.0 is this machine, but not by its name.
        hooks = [
            requests.post(f"{url}/simulator/webhooks", json={"url": f"http://{host}:9/"}, timeout=20)
            for host in ("0.0.0.0", "192.0.2.7")
        ]
        assert [answer.status_code for answer in hooks] == [200, 400]


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
        (("--host", ""), "must not be empty"),
        (("--allow-host", "http://x"), "'http://x' is no host"),
    ],
)
def test_wrong_options_are_told(almajob: Run, options: tuple[str, ...], part: str) -> None:
    """Exit code 2."""
    done = almajob("simulator", "serve", "--port", "0", *options)
    assert (done.code, done.out) == (2, "")
    assert part in done.err


ODD = ("-1", "1e10", "10000000000", "9" * 20, "9" * 5000, "nan", "inf", "-inf", "1e999", "1_0", "\u0663", "")
NUMBERS = {
    "--port": "must be a whole number from 0 to 65,535",
    "--jobs": "must be a whole number from 0 to 100,000",
    "--speed": "must be a number from 0 to 1,000,000",
    "--seed": "must be a whole number, from 0, of 18 digits at most",
    "--run-seconds": "must be ",
    "--activity": "must be ",
}


@pytest.mark.parametrize("option", NUMBERS)
def test_an_odd_number_is_told_with_its_range(almajob: Run, option: str) -> None:
    """Exit code 2 in two lines; no list of ten billion jobs is made, and nothing is called a bug."""
    for odd in ODD:
        if option == "--seed" and odd == "10000000000":
            continue
        done = almajob("simulator", "serve", f"{option}={odd}")
        assert (done.code, done.out) == (2, ""), odd
        assert f"argument {option}: {NUMBERS[option]}" in done.err
        assert len(done.err.splitlines()) == 2


def test_a_port_in_use_is_told(almajob: Run) -> None:
    """With what to type instead."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = almajob("simulator", "serve", "--port", str(listener.getsockname()[1]))
    assert done.code == 5
    assert "--port" in done.err
