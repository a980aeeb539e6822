"""A context that was used before a fork: each process gets its own answers, and leaves nothing open."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

import almajob as library
from almajob.plugin import Context, StartOptions
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.system.sharing.forks import forget_in_children
from almajob.testing import SimulatedAlma
from tests.support.fake_alma import KEY, FakeAlma
from tests.support.forks import fork, list_open
from tests.support.ledgers import list_records
from tests.support.thoroughness import sample

ERP = "ERP export using profile FINANCE"
_STARTS = "POST /conf/jobs/*"
_FORK = multiprocessing.get_context("fork")
_LOOKS = 1250
_RUNS = {str(9_563_000_000_000 + number): f"S{number}" for number in range(40)}


@pytest.fixture
def runs(site: FakeAlma, write_ini: Callable[..., Path]) -> Iterator[FakeAlma]:
    """An Alma with many runs, each of a job of its own, that may be called as often as one likes."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {site.url}\ncalls_per_second = 1000\nburst = 100\n")
    assert site.many_runs(len(_RUNS)) == _RUNS
    yield site


def _look_around(alma: Context, child: int) -> list[str]:
    """Look at many runs; return what is wrong with any answer."""
    wrong = []
    for turn in sample(sample(range(_LOOKS))):
        asked = list(_RUNS)[(turn * 7 + child) % len(_RUNS)]
        alma.cache.put("jobs.sandbox", f"{child}", turn)
        found = alma.runs.look(asked)
        kept = alma.cache.get("jobs.sandbox", f"{child}")
        if (found.instance.id, found.label, kept and kept.value) != (
            asked,
            f"Job {_RUNS[asked]} (run {asked})",
            turn,
        ):
            wrong.append(f"{asked}: {found.label}, {kept}")
    return wrong


def _wait_for_end(reading: int, writing: int) -> bool:
    """Live until the parent closes its end of a pipe."""
    os.close(writing)
    return os.read(reading, 1) == b""


def _be_a_child(alma: Context, child: int) -> list[list[str]]:
    """Look around, end with the context, and return what was wrong, and what is open that was not."""
    before = list_open()
    wrong = _look_around(alma, child)
    alma.close()
    return [wrong, sorted(list_open() - before)]


def test_each_child_gets_its_own_answers(runs: FakeAlma) -> None:
    """10,000 looks in 8 children, while their parent, too, looks around."""
    before = list_open()
    with library.connect("sandbox") as alma:
        _look_around(alma, 100)
        alma.store.set("x", 1)
        children = [fork(partial(_be_a_child, alma, child)) for child in sample(range(8))]
        assert _look_around(alma, 101) == []
        assert [wait() for wait in children] == [[[], []]] * len(children)
        assert alma.store.get("x") == 1
    # The server of this test has its own: sockets, and what its threads wait for them with.
    left = list_open() - before
    assert [each for each in left if "socket:" not in each and "[eventpoll]" not in each] == []


def _answer(alma: Context, child: int, answers: SimpleQueue[list[list[str]]]) -> None:
    answers.put(_be_a_child(alma, child))


def test_so_do_those_of_multiprocessing(runs: FakeAlma) -> None:
    """Which are forked while other threads look around."""
    with library.connect("sandbox") as alma:
        wrong: list[list[str]] = []
        threads = [
            threading.Thread(target=lambda number=number: wrong.append(_look_around(alma, number)))
            for number in (200, 201)
        ]
        for thread in threads:
            thread.start()
        answers: SimpleQueue[list[list[str]]] = _FORK.SimpleQueue()
        children = [_FORK.Process(target=_answer, args=(alma, child, answers)) for child in sample(range(8))]
        for child in children:
            child.start()
        assert [answers.get() for _ in children] == [[[], []]] * len(children)
        for child in children:
            child.join()
        for thread in threads:
            thread.join()
        assert wrong == [[], []]


def test_a_child_has_no_connection_of_its_parent(runs: FakeAlma) -> None:
    """Also none that is just being made, or whose server has closed it behind the answer."""
    port = int(runs.url.rpartition(":")[2].partition("/")[0])
    stop = threading.Event()

    def go_on(alma: Context) -> None:
        while not stop.is_set():
            alma.alma.instance(next(iter(_RUNS)))

    with library.connect("sandbox") as alma:
        threads = [threading.Thread(target=go_on, args=(alma,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            children = [fork(lambda: _list_connections(port)) for _ in sample(range(30))]
            assert [wait() for wait in children] == [[]] * len(children)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _list_connections(port: int) -> list[str]:
    """Return which connections to a port of this machine this process has open."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    inodes = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}")}
    return sorted(each for each in list_open() if each.split()[1] in inodes)


def test_a_child_can_start_what_its_parent_has_not(simulated: SimulatedAlma) -> None:
    """The same run key in several processes starts one job; each process gets the run."""

    def start(alma: Context) -> str:
        return alma.runs.start(ERP, options=StartOptions(run_key="tonight")).instance.id

    with library.connect("sandbox") as alma:
        alma.catalogue.jobs()
        children = [fork(lambda: start(alma)) for _ in range(3)]
        ids = {start(alma), *(wait() for wait in children)}
    assert len(ids) == 1
    assert simulated.log.count(_STARTS) == 1


def test_a_child_leaves_the_start_of_its_parent_alone(simulated: SimulatedAlma) -> None:
    """When it closes the context, the start is not reported yet, and its parent is still busy with it."""
    simulated.set_ending(ERP, seconds=3600.0)
    with library.connect("sandbox") as alma:
        record = alma.runs.start(ERP).record
        assert record is not None
        fork(alma.close)()
        (kept,) = list_records(alma.ledger)
        assert not kept.is_told
        assert alma.runs._locks.is_held(record.id)
        # Nor does a child that lives keep it busy.
        reading, writing = os.pipe()
        wait = fork(partial(_wait_for_end, reading, writing))
    locks = alma.runs._locks
    assert not locks.is_held(record.id)
    os.close(writing)
    os.close(reading)
    assert wait() is True
    (kept,) = list_records(alma.ledger)
    assert kept.is_told


def test_a_child_reaches_the_demo_of_its_parent() -> None:
    """And does not stop it."""
    before = list_open()
    with library.connect("demo") as alma:
        names = [job.name for job in alma.catalogue.jobs()]

        def read_and_close() -> list[str]:
            found = alma.alma.general().institution
            alma.close()
            return [found, *(each for each in list_open() - before if "socket:" in each)]

        institution = alma.alma.general().institution
        assert fork(read_and_close)() == [institution]
        assert alma.catalogue.find(names[0]).name == names[0]
        assert alma.alma.general().institution == institution


def test_a_child_does_not_keep_the_port_of_a_simulator() -> None:
    """Whoever calls when the parent has ended is refused at once, and does not wait."""
    before = list_open()
    with Simulator(Institution(Clock())) as simulator:
        forget_in_children(simulator)
        listening = {each for each in list_open() - before if "socket:" in each}
        assert len(listening) == 1
        assert fork(lambda: sorted(list_open() & listening))() == []
