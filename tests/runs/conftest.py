"""What starts are tested with: a real connection, a real ledger, and time that passes in sleep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.runs.start_request import Deps, Target
from almajob.store.directory.file_locks import FileLocks
from almajob.store.ledger.ledger import Ledger
from tests.support.clocks import FastClock
from tests.support.fake_alma import KEY, FakeAlma
from tests.support.ledgers import open_ledger

LAB = Target("lab", "sandbox", "lab:key")


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    made = Alma(Session(alma.url, Key(KEY), TimeLimits(2, 1, 2)))
    yield made
    made.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "state" / "ledger")


@pytest.fixture
def time() -> FastClock:
    return FastClock()


@pytest.fixture
def deps(connection: Alma, ledger: Ledger, time: FastClock, tmp_path: Path) -> Deps:
    return Deps(LAB, connection, ledger, FileLocks(tmp_path / "state" / "locks"), time.clock)
