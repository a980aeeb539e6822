"""The webhook listener as a real process, before the simulator, beside waits, and under fire."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.run import Ending
from almajob.simulator.world.world import Rules
from tests.conftest import Run
from tests.support.canary import assert_no_key_below, key_in
from tests.support.listeners import (
    SECRET,
    Listener,
    make_message,
    serve,
    sign,
    wait_until,
    write_listener_ini,
)
from tests.support.mail_server import MailServer
from tests.support.observers import install_observer, read_observed, wait_until_told
from tests.support.thoroughness import IN_CI

JOB = "ERP export using profile FINANCE"
OTHER = "Users EXPORT using profile SIS"
ENV = ("--env", "sandbox")
LOOK = "GET /conf/jobs/*/instances/*"
MESSAGES = 6000 if IN_CI else 300
"""How many come as fast as they can."""
SLOW_CLIENTS = 50
MOST_MEMORY = 60 * 2**20


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(path))
    return path


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An Alma whose runs end when the test says so."""
    with Simulator(Institution(Clock(speed=0), Rules(seconds=1000.0))) as running:
        ini = write_listener_ini(tmp_path / "almajob.ini", running.base_url)
        monkeypatch.setenv("ALMAJOB_INI", str(ini))
        yield running


def _run(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "almajob", *ENV, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_message_ends_a_wait_and_tells_of_every_other_run(
    simulator: Simulator, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, almajob_process: Run
) -> None:
    """One call for each run, from its start to the verdict; the secret is written nowhere."""
    site = tmp_path / "site"
    site.mkdir()
    install_observer(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    institution = simulator.institution
    with serve() as listener:
        tested = almajob_process(*ENV, "webhook", "test", listener.url, "-f", "json")
        assert (tested.code, {row["result"] for row in json.loads(tested.out)}) == (0, {"as needed"})
        assert institution.webhooks.listen(listener.url, SECRET)
        waiting = _run("run", JOB, "--wait", "-f", "json")
        wait_until(lambda: len(institution.sandbox.runs()) == 1)
        world = institution.sandbox
        other = world.submit(next(job for job in world.jobs if job.name == OTHER), []).id
        # Time stands still: the command waits for the message, or for its floor of five minutes.
        wait_until(lambda: _count_records(state) == 1)
        institution.clock.advance(5000)
        out, err = waiting.communicate(timeout=60)
        assert (waiting.returncode, json.loads(out)["status"]) == (0, "COMPLETED_SUCCESS"), err
        started = json.loads(out)["instance_id"]
        wait_until(lambda: len(list(state.glob("webhook/*/ended/*.json"))) == 2)
        wait_until_told(state)
        assert institution.log.count(f"GET /conf/jobs/*/instances/{started}") == 1
        assert institution.log.count(f"GET /conf/jobs/*/instances/{other}") == 1
        listed = almajob_process(*ENV, "webhook", "list", "-f", "json")
        assert {row["instance_id"] for row in json.loads(listed.out)} == {started, other}
        shown = almajob_process("metrics")
        status, served = listener.ask("GET", "/metrics")
        assert (status, _keep_still(served.decode())) == (200, _keep_still(shown.out))
        assert f'job="{OTHER}"' in shown.out
        # Another one is refused, and says so.
        second = almajob_process(*ENV, "webhook", "serve", "--listen", "127.0.0.1:0")
        assert (second.code, "Another listener runs for sandbox" in second.err) == (5, True)
        code, told = listener.end()
    assert code == 0, told
    wait_until_told(state)
    events = read_observed(tmp_path)
    ends = {
        event["run"]["instance_id"]: event["run"]["id"] for event in events if event["kind"] == "run_ended"
    }
    assert set(ends) == {started, other}
    assert ends[started]
    assert ends[other] == ""
    written = "".join((told, out, err, *(each.out + each.err for each in (tested, listed, shown, second))))
    assert not key_in(written, [SECRET])
    assert_no_key_below(tmp_path, [SECRET])


def test_a_bad_end_that_nobody_waited_for_is_a_mail_in_the_box(simulator: Simulator, state: Path) -> None:
    """From the webhook of a run that staff started, through the listener and its observers, to a mailbox."""
    institution = simulator.institution
    world = institution.sandbox
    institution.rules.endings[OTHER] = Ending("COMPLETED_FAILED", 90.0)
    with MailServer() as box:
        with Path(os.environ["ALMAJOB_INI"]).open("a", encoding="utf-8") as ini:
            ini.write(
                "notify = ops\n[notify:ops]\ntype = mail\nto = ada@example.org\nfrom = jobs@example.org\n"
                f"smtp = 127.0.0.1:{box.port}\nsecurity = none\n"
            )
        with serve() as listener:
            assert institution.webhooks.listen(listener.url, SECRET)
            run = world.submit(next(job for job in world.jobs if job.name == OTHER), []).id
            institution.clock.advance(100)
            wait_until(lambda: box.mails)
            code, told = listener.end()
        wait_until_told(state)
    (mail,) = box.mails
    assert (code, mail["Subject"]) == (0, f"FAILED: {OTHER} (sandbox)"), told
    assert {"COMPLETED_FAILED", run} <= set(re.findall(r"\w+", mail.get_content()))


def _keep_still(metrics: str) -> list[str]:
    """Return the lines whose values do not change while the listener does its work."""
    return [line for line in metrics.splitlines() if "_pending" not in line]


def _count_records(state: Path) -> int:
    """Count the starts that almajob knows to have been made."""
    done = subprocess.run(
        [sys.executable, "-m", "almajob", "runs", "list", "-f", "json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return sum(row["state"] == "STARTED" for row in json.loads(done.stdout))


@pytest.fixture
def lonely(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A listener's configuration whose Alma is down, so that all messages stay; returns where they are."""
    ini = write_listener_ini(tmp_path / "almajob.ini", "http://127.0.0.1:9")
    monkeypatch.setenv("ALMAJOB_INI", str(ini))
    return state / "webhook"


def _list_kept(directory: Path) -> set[str]:
    return {path.stem for path in directory.glob("*/incoming/*.json")}


def _memory_of(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    (line,) = (
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024


def test_bad_messages_and_slow_clients_keep_no_good_one_away(lonely: Path) -> None:
    """Each is refused; fifty clients that never finish their requests hold up nobody."""
    good, odd = make_message("77"), make_message("../../x")
    pretty = json.dumps(json.loads(good), indent=1).encode()
    signature = sign(good)["X-Exl-Signature"]
    with serve() as listener, ExitStack() as slow:
        for number in range(SLOW_CLIENTS):
            client = slow.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            client.sendall(head[: number + 1] if number % 2 else head + b"1234")
        for body, signed in (
            (good, ""),
            (good, signature[:-3]),
            (good, "forged"),
            (pretty, signature),
            (good[:-1], signature),
            (good + b"\n", signature),
        ):
            assert listener.send(body, signed) == 401
        assert _list_kept(lonely) == set()
        assert listener.send(good) == 200
        assert listener.send(odd) == 200
        deep = b'{"action":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
        assert (listener.send(deep), listener.send(b"junk"), listener.send(b"")) == (400, 400, 400)
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(b"POST / HTTP/1.0\r\nContent-Length: 2097152\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.0 413 ")
        assert listener.ask("PUT")[0] == 405
        assert listener.ask("GET", "/?challenge=a%20%22b")[1] == b'{"challenge": "a \\"b"}'
        assert [listener.ask("GET", path)[0] for path in ("/", "/?challenge=" + "x" * 5000)] == [404, 400]
        assert listener.ask("GET", "/?" + "x" * 20_000)[0] == 431
        assert listener.ask("GET", "/healthz")[0] == 200
        assert _list_kept(lonely) == {"77"}
        assert _memory_of(listener.process.pid) < MOST_MEMORY
        code, told = listener.end()
    assert code == 0
    assert "Traceback" not in told
    assert told.count("was refused") == 1, "whoever can reach it must not fill the log"


def test_no_message_is_lost_when_many_come_and_the_listener_is_killed(lonely: Path) -> None:
    """What was answered with 200 is there afterwards; then on a full disk nothing is promised."""
    accepted: set[str] = set()

    def send_all(listener: Listener, ids: list[str]) -> None:
        with ThreadPoolExecutor(4) as pool:
            for name, status in zip(ids, pool.map(lambda each: _try(listener, each), ids), strict=True):
                if status == 200:
                    accepted.add(name)

    ids = [str(1000 + number) for number in range(MESSAGES)]
    with serve() as listener, ThreadPoolExecutor(1) as sending:
        done = sending.submit(send_all, listener, ids)
        wait_until(lambda: len(_list_kept(lonely)) > MESSAGES // 3)
        assert _memory_of(listener.process.pid) < MOST_MEMORY
        listener.process.send_signal(signal.SIGKILL)
        done.result()
    assert accepted
    assert accepted <= _list_kept(lonely)
    with serve() as listener:
        send_all(listener, [name for name in ids if name not in accepted])
        assert accepted == set(ids) == _list_kept(lonely)
        assert _memory_of(listener.process.pid) < MOST_MEMORY
        resource.prlimit(listener.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert listener.send(make_message("77")) == 503
        assert "77" not in _list_kept(lonely)
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(listener.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert listener.send(make_message("77")) == 200
        assert "77" in _list_kept(lonely)
        # What has begun is answered, also after SIGTERM.
        body = make_message("78")
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            lines = [f"{name}: {value}" for name, value in sign(body).items()]
            head = "\r\n".join(["POST / HTTP/1.0", f"Content-Length: {len(body)}", *lines, "", ""])
            client.sendall(head.encode() + body[:9])
            wait_until(lambda: listener.ask("GET", "/healthz")[0] == 200)
            listener.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not _can_connect(listener.port))
            client.sendall(body[9:])
            assert client.recv(65536).startswith(b"HTTP/1.0 200 ")
        assert listener.process.wait(60) == 0


def _try(listener: Listener, name: str) -> int:
    """Send a message to a listener that may be killed meanwhile; 0 where no answer comes."""
    try:
        return listener.send(make_message(name))
    except (OSError, http.client.HTTPException):
        return 0


def _can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_socket_of_systemds_is_used(lonely: Path) -> None:
    """Passed on as descriptor 3; who connects before the listener runs is answered when it does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as early:
            early.sendall(b"GET /?challenge=early HTTP/1.0\r\n\r\n")
            # As systemd does: the process is exec'd with its own number in LISTEN_PID.
            script = 'exec 3<&"$1"; export LISTEN_FDS=1 LISTEN_PID=$$; shift; exec "$@"'
            words = [sys.executable, "-m", "almajob", *ENV, "webhook", "serve"]
            process = subprocess.Popen(
                ["bash", "-c", script, "bash", str(listening.fileno()), *words],
                pass_fds=[listening.fileno()],
                stderr=subprocess.PIPE,
                text=True,
                env=dict(os.environ),
            )
            try:
                assert Listener(process).port == port
                assert b'{"challenge": "early"}' in early.recv(65536) + early.recv(65536)
            finally:
                process.kill()
                process.communicate(timeout=60)


def test_without_a_listener_a_wait_polls_as_ever(simulator: Simulator, state: Path) -> None:
    """Also where there was one: what it left says nothing of new runs."""
    with serve() as listener:
        assert listener.ask("GET", "/?challenge=x")[0] == 200
        listener.end()
    simulator.institution.rules.seconds = 1.0
    waiting = _run("run", JOB, "--wait", "-q", "-f", "value", "-c", "status")
    wait_until(lambda: simulator.institution.sandbox.runs())
    simulator.institution.clock.advance(60)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (0, "COMPLETED_SUCCESS\n"), err


def test_a_history_of_ends_needs_no_calls(
    simulator: Simulator, state: Path, almajob_process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the listener has listened since Alma was asked; one that has ended is not believed."""
    institution = simulator.institution
    world, log = institution.sandbox, institution.log
    jobs = [next(job for job in world.jobs if job.name == name) for name in (JOB, OTHER)]

    def read(*words: str) -> tuple[int, list[str], str]:
        """Read the history of both jobs: how many calls it took, which runs it has, and what is said."""
        before = log.count("GET /conf/jobs/*/instances")
        done = almajob_process(*ENV, "history", JOB, OTHER, *words, "-f", "value", "-c", "instance_id")
        assert done.code == 0, done.err
        return log.count("GET /conf/jobs/*/instances") - before, done.out.split(), done.err

    with serve() as listener:
        assert institution.webhooks.listen(listener.url, SECRET)
        ids: list[str] = []
        for job in [*jobs, *jobs]:
            if len(ids) == len(jobs):
                assert read("--ended")[:2] == (2, ids[::-1])
            ids.append(world.submit(job, []).id)
            institution.clock.advance(5000)
            wait_until(lambda: len(list(state.glob("webhook/*/ended/*.json"))) == len(ids))
            wait_until(lambda: listener.pending == 0)
        calls, shown, said = read("--ended")
        assert (calls, shown) == (0, ids[::-1])
        assert "2 jobs were not asked for: the webhook listener, which heard from Alma " in said
        assert read("--passed", "no")[:2] == (0, [])
        # What goes on is known to Alma alone.
        running = world.submit(jobs[0], []).id
        assert read()[:2] == (2, [running, *ids[::-1]])
        assert read("--ended", "--refresh")[0] == 2
    assert read("--ended")[:2] == (2, ids[::-1])
