"""The server that the tests begin: what they do to it happens, and it ends with them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Cluster, Database, is_alive, need_programs


def test_a_database_is_its_owners(database: Database) -> None:
    """By the address that people would write; what people read is not sorted by bytes."""
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT current_user, 'a' < 'B'").fetchall() == [("almajob", True)]
        assert connection.execute("SHOW is_superuser").fetchall() == [("off",)]


def test_connections_are_cut(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        assert database.cut_connections() == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert database.cut_connections() == 0


@pytest.mark.parametrize("end", ["kill", "stop", "restart"])
def test_what_was_committed_outlives_the_server(cluster: Cluster, database: Database, end: str) -> None:
    database.run("CREATE TABLE kept (number int)")
    database.run("INSERT INTO kept VALUES (1)")
    with psycopg.connect(database.url) as connection:
        getattr(cluster, end)()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    cluster.start()
    assert database.run("SELECT number FROM kept") == [(1,)]


_BEGIN = """\
import sys
from tests.support.postgres import Cluster, find_programs
with Cluster(find_programs()) as running:
    print(running.directory, running.process_id, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, None])
def test_a_server_ends_with_the_process_that_began_it(end: signal.Signals | None) -> None:
    """Even where that is killed; in all other cases nothing is left."""
    need_programs()
    with subprocess.Popen(
        [sys.executable, "-c", _BEGIN],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as beginner:
        assert beginner.stdout is not None
        directory, process_id = beginner.stdout.readline().split()
        assert is_alive(int(process_id))
        if end is not None:
            beginner.send_signal(end)
        beginner.communicate()
    while is_alive(int(process_id)):
        time.sleep(0.002)
    assert Path(directory).exists() == (end == signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)
