"""Whatever answers in Alma's place: an exit code and a few words, and no start that is said to be certain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.errors import AlmajobError
from almajob.runs.evidence.start_outcome import judge
from almajob.store.ledger.record import State
from tests.conftest import Run
from tests.support.fake_alma import KEY
from tests.support.hostile_answers import ANSWERS, BOMBS
from tests.support.raw_server import RawServer, saying


@pytest.mark.parametrize(("code", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_read(
    almajob: Run,
    write_ini: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    answer: bytes,
) -> None:
    """The exit code of the table, at most six lines, no steering of the terminal, a list that is JSON."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    with RawServer(saying(answer)) as server:
        write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {server.url}\n")
        done = almajob("--env", "sandbox", "list", "-f", "json")
    assert done.code == code, done.err
    assert len(done.err.splitlines()) <= 6
    assert len(done.err) < 2000
    assert "a bug in" not in done.err
    # That would be advice about what is well.
    assert "settings of this machine" not in done.err
    assert done.err.replace("\n", "").isprintable()
    assert "root:" not in done.out
    if code == 0:
        assert len(json.loads(done.out)) <= 4
    else:
        assert done.out == ""


@pytest.mark.parametrize("answer", [answer for _code, answer in ANSWERS.values()], ids=ANSWERS)
def test_a_start(answer: bytes) -> None:
    """One POST; none of it proves that the job was started, or that it was not."""
    with RawServer(saying(answer)) as server:
        alma = Alma(Session(server.url, Key(KEY), TimeLimits(10, 10, 10)))
        try:
            outcome = judge("M1", alma.submit("M1", []))
        except AlmajobError as error:
            outcome = judge("M1", error)
        alma.close()
    assert outcome.state is State.UNKNOWN
    assert len(server.received) == 1
    assert server.received[0].startswith(b"POST ")


# In a process of its own, as that of the tests has been larger before.
MEASURE = """
import sys
from almajob.alma.api_key import Key
from almajob.alma.http.session import Session
from almajob.errors import Unreachable

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024

good, *bombs = sys.argv[1:]
Session(good, Key("k" * 16)).get("/conf/test")
before = peak()
for bomb in bombs:
    try:
        Session(bomb, Key("k" * 16)).get("/conf/test", attempts=1)
    except Unreachable as error:
        print(peak() - before, error.message)
"""
MEGABYTES = 100


def test_no_bomb_fills_the_memory() -> None:
    """Neither packed nor plain: each is left off at 8 MiB, and all together need less than 100 MB."""
    with ExitStack() as servers:
        answers = (b"HTTP/1.1 200 OK\r\n\r\n{}", *BOMBS.values())
        urls = [servers.enter_context(RawServer(saying(answer))).url for answer in answers]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *urls], capture_output=True, text=True, timeout=60, check=True
        )
    told = [line.partition(" ") for line in done.stdout.splitlines()]
    assert len(told) == len(BOMBS)
    assert [
        what for _grown, _, what in told if "larger than" not in what and "did not answer" not in what
    ] == []
    print(done.stdout)
    assert max(int(grown) for grown, _, _what in told) < MEGABYTES, done.stdout
