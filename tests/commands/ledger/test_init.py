"""``ledger init``: the tables of a shared ledger, made once, however often and by how many at once."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from almajob.store.ledger.ledger import Ledger
from tests.conftest import Run
from tests.support.places import Home
from tests.support.postgres import USER, Cluster, Database
from tests.support.processes import PROCESSES, exit_codes
from tests.support.thoroughness import STRIDE

ERP = "ERP export using profile FINANCE"


@pytest.fixture(autouse=True)
def _ledger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "database" in request.fixturenames:
        monkeypatch.setenv("ALMAJOB_LEDGER", request.getfixturevalue("database").url)


def test_it_is_made_once_and_says_so(almajob: Run, database: Database) -> None:
    """Before, whoever needs it is told how to make it; then it is used."""
    for words in (("runs", "list"), ("--env", "demo", "run", ERP)):
        done = almajob(*words)
        assert done.code == 5
    missing = almajob("runs", "list")
    assert "The database has no ledger yet." in missing.err
    assert "Type: almajob ledger init" in missing.err
    made = almajob("ledger", "init")
    assert (made.code, made.out) == (0, "")
    assert made.err == f"The ledger {database.url} was made.\n"
    again = almajob("ledger", "init")
    assert (again.code, again.err) == (0, f"The ledger {database.url} was there already.\n")
    assert almajob("runs", "list").code == 0


def test_a_directory_needs_none(almajob: Run) -> None:
    """And has no roles."""
    done = almajob("ledger", "init")
    state = Path.home() / ".local" / "state" / "almajob"
    assert done.err == f"The ledger is the directory {state}/ledger, which is made when it is first used.\n"
    assert done.code == 0
    refused = almajob("ledger", "init", "--role", "almajob")
    assert refused.code == 5
    assert "no database role can use" in refused.err


def test_a_role_gets_what_it_needs_and_no_more(
    almajob: Run, cluster: Cluster, database: Database, tmp_path: Path
) -> None:
    """It keeps records and counts calls; it changes no table, and lets nobody else in."""
    role = f"r{database.name}"
    cluster.run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    try:
        done = almajob("ledger", "init", "--role", role)
        assert done.err == f"The ledger {database.url} was made, and the role {role} may use it.\n"
        home = Home(str(tmp_path), database.url.replace(f"{USER}@", f"{role}@"))
        ledger = home.open_ledger()
        ledger.keep_fact("x", 1)
        with ledger.read() as view:
            assert view.fact("x") == 1
        ledger.place.close()
        with psycopg.connect(home.url, autocommit=True) as connection:
            connection.execute("SELECT * FROM almajob.runs")
            for statement in (
                "CREATE TABLE almajob.other ()",
                "DROP TABLE almajob.rows",
                "TRUNCATE almajob.rows",
                "UPDATE almajob.version SET schema_version = 7",
                "GRANT SELECT ON almajob.rows TO PUBLIC",
            ):
                try:
                    connection.execute(statement)
                except psycopg.errors.InsufficientPrivilege:
                    continue
                assert statement.startswith("GRANT"), statement
            (grants,) = connection.execute(
                "SELECT count(*) FROM information_schema.role_table_grants "
                "WHERE table_schema = 'almajob' AND grantee = 'PUBLIC'"
            ).fetchone() or (None,)
            assert grants == 0
    finally:
        database.run(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        cluster.run(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("role", ["nobody of that name", 'x"; DROP SCHEMA almajob CASCADE; --'])
def test_a_role_that_is_none_changes_nothing(almajob: Run, database: Database, role: str) -> None:
    done = almajob("ledger", "init", "--role", role)
    assert done.code == 5
    assert f"There is no role {role}." in done.err
    assert database.run("SELECT to_regnamespace('almajob')") == [(None,)]


def test_who_does_not_own_the_database_is_told_who_can(
    almajob: Run, cluster: Cluster, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(f"o{database.name}")))
    monkeypatch.setenv("ALMAJOB_LEDGER", database.url.replace(f"{USER}@", f"o{database.name}@"))
    done = almajob("ledger", "init")
    assert done.code == 5
    assert "This user may not change it." in done.err
    assert "postgresql://OWNER@HOST/DATABASE almajob ledger init --role USER" in done.err
    cluster.run(sql.SQL("DROP ROLE {}").format(sql.Identifier(f"o{database.name}")))


def test_what_a_newer_almajob_made_is_left_alone(almajob: Run, database: Database) -> None:
    assert almajob("ledger", "init").code == 0
    database.run("UPDATE almajob.version SET schema_version = 99")
    done = almajob("ledger", "init")
    assert done.code == 5
    assert "made or upgraded by a newer almajob" in done.err
    assert database.run("SELECT schema_version FROM almajob.version") == [(99,)]


def test_a_database_that_has_not_every_character_is_refused(
    almajob: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = sql.Identifier(f"l{database.name}")
    database.cluster.run(
        sql.SQL(
            "CREATE DATABASE {} OWNER {} ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
        ).format(name, sql.Identifier(USER))
    )
    try:
        url = database.url.replace(f"/{database.name}", f"/l{database.name}")
        monkeypatch.setenv("ALMAJOB_LEDGER", url)
        done = almajob("ledger", "init")
        assert done.code == 5
        assert "Its encoding is LATIN1" in done.err
        assert "createdb --encoding UTF8" in done.err
    finally:
        database.cluster.run(sql.SQL("DROP DATABASE {}").format(name))


def test_a_schema_that_the_administrator_made_is_used(almajob: Run, database: Database) -> None:
    """Where the owner of the ledger may not make one itself."""
    database.run(f"CREATE SCHEMA almajob AUTHORIZATION {USER}")
    assert almajob("ledger", "init").err == f"The ledger {database.url} was made.\n"


def _initialize(state: str, url: str, all_ready: PROCESSES.Barrier) -> None:  # type: ignore[name-defined]
    place = Home(state, url).open()
    all_ready.wait()
    place.initialize()
    Ledger(place).keep_fact("x", 1)


def test_many_at_once_make_one(database: Database, tmp_path: Path) -> None:
    all_ready = PROCESSES.Barrier(8)
    each = [(str(tmp_path), database.url, all_ready)] * 8
    assert exit_codes(_initialize, each) == [0] * 8
    assert database.run("SELECT schema_version, row_format FROM almajob.version") == [(1, 2)]


def test_a_reader_sees_the_runs_in_a_view(almajob: Run, database: Database) -> None:
    """For those who know SQL; whatever stands in a run key."""
    assert almajob("ledger", "init").code == 0
    run = almajob("--env", "demo", "run", ERP, "--run-key", "a\\u0000b", "-f", "json").row
    found = database.run("SELECT environment, job_name, run_key, state, process_id FROM almajob.runs")
    assert found == [("demo", ERP, "a\\u0000b", "STARTED", run["instance_id"])]


def test_the_ledger_is_checked(almajob: Run, database: Database) -> None:
    """By config check: where it is, and whether it can be used."""
    done = almajob("--env", "demo", "config", "check", "-f", "value")
    assert done.code == 7
    assert "ledger\tfailed: " in done.out
    assert "has no ledger yet" in done.out
    assert "Type: almajob ledger init" in done.out
    assert "\nlocks\t" not in done.out
    assert almajob("ledger", "init").code == 0
    done = almajob("--env", "demo", "config", "check", "-f", "value")
    assert done.code == 0
    assert f"ledger\tusable: {database.url}" in done.out
    assert f"locks\tusable: in {database.url}" in done.out


def _initialize_and_die(state: str, url: str, dies_at: int) -> None:
    """Make the schema in a process that is killed at a numbered wait for the server."""
    from almajob.store.postgresql.connection import Connection

    poll, points = Connection._poll, itertools.count(1)

    def polling(self: Connection, wanted: int) -> int:
        if next(points) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return poll(self, wanted)

    Connection._poll = polling  # type: ignore[method-assign]
    Home(state, url).open().initialize()


def test_whenever_it_is_killed_the_next_one_makes_it_whole(cluster: Cluster, tmp_path: Path) -> None:
    """It is there whole, or not at all; the same command ends the same."""
    cluster.start()
    deaths = 0
    for dies_at in itertools.count(1, STRIDE):
        database = cluster.make_database()
        try:
            (code,) = exit_codes(_initialize_and_die, [(str(tmp_path), database.url, dies_at)])
            place = Home(str(tmp_path), database.url).open()
            assert place.initialize().endswith((" was made.", " was there already."))
            Ledger(place).keep_fact("x", 1)
            place.close()
            assert database.run("SELECT schema_version, row_format FROM almajob.version") == [(1, 2)]
        finally:
            database.drop()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
    assert deaths > 0
