"""Whatever is wrong with the database, in words for those who start jobs; and nothing is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from almajob.errors import Refused
from almajob.runs.ledger_place import choose_place
from almajob.store.errors import Damaged
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.postgresql import connection as connections
from almajob.store.postgresql import locks, postgres_place
from almajob.store.postgresql.connection import NotCertain, TooSlow
from almajob.store.postgresql.errors import explain
from almajob.store.postgresql.postgres_place import PostgresPlace
from almajob.text.database_address import parse_database_address
from almajob.text.redaction import Secret
from tests.store.postgresql.conftest import PASSWORD, StrictServer
from tests.support.places import Home
from tests.support.postgres import USER, Database

Open = Callable[..., PostgresPlace]
SPARE = "almajob ledger init"


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Open]:
    """Opens a place, closed at the end."""
    made: list[PostgresPlace] = []

    def make(url: str, password: str = "") -> PostgresPlace:
        place = choose_place(
            str(tmp_path), parse_database_address(url), lambda: Secret(password) if password else None
        )
        assert isinstance(place, PostgresPlace)
        made.append(place)
        return place

    yield make
    for place in made:
        place.close()


def _refusal(place: PostgresPlace) -> LedgerUnusable:
    """Return how the ledger is refused, to those who read and those who change it alike."""
    with pytest.raises(LedgerUnusable) as reading, place.read(1.0):
        pass
    with pytest.raises(LedgerUnusable) as changing, place.change(1.0, is_of_start=True):
        pass
    assert str(reading.value) == str(changing.value)
    shown = str(reading.value)
    assert len(shown.splitlines()) <= 6
    assert "Traceback" not in shown
    assert "nothing is started" in shown.lower()
    assert reading.value.exit_code == 5
    return reading.value


@pytest.mark.parametrize(
    ("url", "reason", "hint"),
    [
        ("postgresql://almajob@127.0.0.1:1/x", "cannot be reached", "is up"),
        ("postgresql://%2Fno%2Fsuch/x", "cannot be reached", "is up"),
        ("postgresql://almajob@127.0.0.1:{port}/missing", "no such database", "createdb"),
        ("postgresql://nobody@127.0.0.1:{port}/{name}", "does not know this user", "user"),
        ("postgresql://secret@127.0.0.1:{port}/{name}", "asks for a password", "ledger_password_file"),
        ("postgresql://secure@127.0.0.1:{port}/{name}", "asks for a password", "ledger_password_file"),
        ("postgresql://barred@127.0.0.1:{port}/{name}", "this user, or this machine, in", "pg_hba"),
        ("postgresql://stranger@127.0.0.1:{port}/{name}", "not let this user read", "init --role"),
        ("postgresql://almajob@127.0.0.1:{port}/postgres", "has no ledger yet", "Type: almajob ledger init"),
    ],
)
def test_why_a_database_cannot_be_used_is_said(
    strict: StrictServer, open_place: Open, url: str, reason: str, hint: str
) -> None:
    place = open_place(url.format(port=strict.cluster.port, name=strict.database.name))
    refused = _refusal(place)
    assert reason in refused.reason
    assert hint in refused.hint


def test_a_wrong_password_is_refused_and_shown_nowhere(strict: StrictServer, open_place: Open) -> None:
    """Not even by whoever looks into the error."""
    wrong = f"{PASSWORD}-wrong"
    refused = _refusal(open_place(strict.url("secret"), wrong))
    assert "does not accept the user or the password" in refused.reason
    assert not _find(PASSWORD, refused)


def _find(secret: str, error: BaseException) -> bool:
    """Whether a text stands anywhere in an error and in those that it comes from."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        waiting += [each.__cause__, each.__context__]
        texts = [str(each), repr(each), repr(vars(each)), repr(getattr(each, "pgconn", None))]
        if any(secret in text for text in texts):
            return True
    return False


def test_psycopgs_own_errors_would_show_the_password(strict: StrictServer) -> None:
    """The reason why they go no further; once they do not, that can be left out."""
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(
            host="127.0.0.1", port=strict.cluster.port, user="secret", password="no-such-Pa55word", dbname="x"
        )
    assert _find("no-such-Pa55word", caught.value)


def test_a_read_only_database_takes_no_change(ledger_database: Database, open_place: Open) -> None:
    """Such as a standby; what it has can be read."""
    ledger_database.run(f"ALTER DATABASE {ledger_database.name} SET default_transaction_read_only = on")
    place = open_place(ledger_database.url)
    with place.read(1.0) as rows:
        assert rows.list("") == []
    with pytest.raises(LedgerUnusable) as caught, place.change(1.0) as rows:
        rows.put({"a": 1})
    assert "read-only, as a standby is" in caught.value.reason


def test_too_many_connections_are_named(ledger_database: Database, open_place: Open) -> None:
    ledger_database.run(f"ALTER DATABASE {ledger_database.name} CONNECTION LIMIT 0")
    assert "too many connections" in _refusal(open_place(ledger_database.url)).reason


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ("schema_version = 99", "newer almajob", "a newer one"),
        ("row_format = 99", "newer almajob", "a newer one"),
        ("schema_version = 0", "older almajob", SPARE),
        ("row_format = 1", "older almajob", SPARE),
    ],
)
def test_another_version_of_the_tables_is_not_touched(
    ledger_database: Database, open_place: Open, change: str, message: str, hint: str
) -> None:
    """Neither read nor written."""
    place = open_place(ledger_database.url)
    Ledger(place).keep_fact("x", 1)
    ledger_database.run(f"UPDATE almajob.version SET {change}")
    refused = _refusal(place)
    assert message in refused.message
    assert hint in refused.hint


def test_a_version_that_is_missing_is_damage(ledger_database: Database, open_place: Open) -> None:
    ledger_database.run("DELETE FROM almajob.version")
    assert "version of its tables is missing" in _refusal(open_place(ledger_database.url)).reason


def test_a_row_that_is_no_json_is_damage(ledger_database: Database, open_place: Open) -> None:
    """Whoever changed it by hand is told what to do."""
    place = open_place(ledger_database.url)
    with place.change(1.0) as rows:
        rows.put({"a": 1})
    ledger_database.run("UPDATE almajob.rows SET value = '{'")
    with pytest.raises(LedgerUnusable) as caught, place.read(1.0) as rows:
        rows.get(["a"])
    assert "Monitor Jobs" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (psycopg.errors.DiskFull(), "disk of the database server is full"),
        (psycopg.errors.AdminShutdown(), "shuts down"),
        (psycopg.errors.CrashShutdown(), "shuts down"),
        (psycopg.errors.CannotConnectNow(), "shuts down"),
        (psycopg.errors.IdleInTransactionSessionTimeout(), "stopped for so long"),
        (psycopg.errors.QueryCanceled(), "took too long"),
        (psycopg.errors.LockNotAvailable(), "another process keeps it locked"),
        (psycopg.errors.DeadlockDetected(), "another process keeps it locked"),
        (psycopg.errors.TooManyConnections(), "too many connections"),
        (psycopg.errors.OutOfMemory(), "no memory left"),
        (psycopg.errors.DataCorrupted(), "database is damaged"),
        (psycopg.errors.IoError(), "disk of the database server fails"),
        (psycopg.errors.ConnectionFailure(), "connection with the database server was lost"),
        (psycopg.OperationalError("the connection is lost"), "connection with the database server was lost"),
        (psycopg.errors.UndefinedFunction("ERROR:  no such\nDETAIL: secret"), "the database failed: no such"),
        (psycopg.InterfaceError("what it is"), "the database failed: what it is"),
        (TooSlow("x"), "did not answer in time"),
        (NotCertain("the server answered ROLLBACK to COMMIT"), "it is not certain that the change is kept"),
        (Damaged("a row is missing"), "a row is missing"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_failure_has_words_and_a_next_step(error: Exception, reason: str) -> None:
    trouble = explain(error)
    assert reason in trouble.reason
    assert "DETAIL" not in trouble.reason
    assert trouble.hint
    assert len(trouble.hint.splitlines()) <= 3


def test_without_psycopg_it_is_said_what_to_install(
    open_place: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    place = open_place("postgresql://almajob@127.0.0.1:1/x")
    for use in (place.need, place.locks.check, place.count_bytes):
        with pytest.raises(LedgerUnusable) as caught:
            use()
        assert "psycopg" in caught.value.message
        assert caught.value.hint == "Type: pip install 'psycopg[binary]'"
    assert not place.locks.is_held("x")


def test_a_change_is_flushed_and_limited_whatever_the_user_is_set_to(
    ledger_database: Database, open_place: Open
) -> None:
    """A stronger promise than ours stays; one that is weaker does not, nor does one without an end."""
    for setting, wanted in {"off": "on", "local": "on", "remote_apply": "remote_apply"}.items():
        ledger_database.run(
            f"ALTER ROLE {USER} IN DATABASE {ledger_database.name} SET synchronous_commit = {setting}"
        )
        place = open_place(ledger_database.url)
        with place.change(7.0) as rows:
            show = "SELECT current_setting(%s)"
            assert rows._run(show, "synchronous_commit") == [(wanted,)]
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                assert rows._run(show, name) != [("0",)]
            assert rows._run(show, "transaction_isolation") == [("read committed",)]
        with place.read(7.0) as rows:
            assert rows._run(show, "transaction_isolation") == [("repeatable read",)]
            assert rows._run(show, "statement_timeout") != [("0",)]


def test_a_commit_that_waits_for_a_standby_in_vain_is_not_certain(
    strict: StrictServer, open_place: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on one disk, and not on the other: so nothing is sent. PostgreSQL itself would wait for ever."""
    monkeypatch.setattr(postgres_place, "_STATEMENT", 0.3)
    place = open_place(strict.url())
    Ledger(place).keep_fact("x", 1)
    strict.cluster.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    strict.cluster.restart()
    try:
        with pytest.raises(LedgerUnusable) as caught:
            Ledger(place).keep_fact("x", 2, wait=5.0)
        assert "did not answer in time" in caught.value.reason
    finally:
        strict.cluster.run("ALTER SYSTEM RESET synchronous_standby_names")
        strict.cluster.run("SELECT pg_reload_conf()")


def test_a_commit_whose_wait_was_cancelled_is_not_certain(
    strict: StrictServer, open_place: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says COMMIT all the same, with a warning."""
    place = open_place(strict.url())
    Ledger(place).keep_fact("x", 1)
    found = place.database.connect(0.0)
    run = found.execute

    def execute(query: object, *rest: object, **options: object) -> object:
        done = run(query, *rest, **options)  # type: ignore[call-overload]
        if query == "COMMIT":
            found.warnings.append("canceling wait for synchronous replication due to user request")
        return done

    monkeypatch.setattr(found, "execute", execute)
    with pytest.raises(LedgerUnusable) as caught:
        Ledger(place).keep_fact("x", 2)
    assert "not certain that the change is kept: canceling wait" in caught.value.reason


def test_a_commit_that_undoes_is_not_taken_for_one(postgresql_home: Home) -> None:
    """Of a transaction that has failed, PostgreSQL answers ROLLBACK."""
    place = postgresql_home.open()
    with pytest.raises(LedgerUnusable) as caught, place.change(1.0) as rows:
        rows.put({"a": 1})
        with pytest.raises(psycopg.Error):
            rows._run("SELECT 1/0")  # type: ignore[attr-defined]
    assert "the server answered ROLLBACK to COMMIT" in caught.value.reason
    with place.read(1.0) as rows:
        assert rows.list("") == []
    place.close()


# TLS.


@pytest.fixture
def authority_file(strict: StrictServer, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    strict.authority.cert_pem.write_to_path(path)
    return path


def test_a_server_with_a_certificate_is_trusted_by_its_authority(
    strict: StrictServer, open_place: Open, authority_file: Path
) -> None:
    more = f"?sslmode=verify-full&sslrootcert={authority_file}"
    place = open_place(strict.url("secure", "localhost", more), PASSWORD)
    Ledger(place).keep_fact("x", 1)
    assert place.database.connect(0.0).pgconn.ssl_in_use


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("localhost", "?sslmode=verify-full"),
        ("localhost", "?sslmode=verify-ca&sslrootcert={other}"),
        ("127.0.0.1", "?sslmode=verify-full&sslrootcert={own}"),
        ("localhost", "?sslmode=verify-full&sslrootcert=/no/such/file"),
    ],
    ids=["nobody vouches", "another one vouches", "another host", "no file"],
)
def test_a_server_that_nobody_vouches_for_gets_no_password(
    strict: StrictServer, open_place: Open, authority_file: Path, tmp_path: Path, host: str, more: str
) -> None:
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    place = open_place(strict.url("secure", host, more.format(own=authority_file, other=other)), PASSWORD)
    refused = _refusal(place)
    assert "certificate of the database server cannot be trusted" in refused.reason
    assert "sslrootcert=FILE" in refused.hint


def test_a_server_without_tls_is_refused_where_it_is_demanded(
    ledger_database: Database, open_place: Open
) -> None:
    refused = _refusal(open_place(f"{ledger_database.url}?sslmode=require"))
    assert "No connection with TLS" in refused.reason


# Poolers.


def test_a_pooler_that_shares_connections_is_refused(
    postgresql_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands would have the same lock there, as both are one connection to PostgreSQL."""
    place = postgresql_home.open()
    assert isinstance(place, PostgresPlace)
    own = place.database.connect(0.0)

    class SharedConnection:
        run = own.run

        def drop(self) -> None:
            """Give it back."""

    monkeypatch.setattr(connections, "connect", lambda *_: SharedConnection())
    with pytest.raises(Refused) as caught:
        place.locks.check()
    assert "pooler" in caught.value.reason
    assert "pool_mode = session" in caught.value.hint
    # It has a number of its own, so it is noticed before the first lock.
    monkeypatch.setattr(locks, "_find_process", lambda _connection: -1)
    with pytest.raises(Refused, match="Locks have no effect"), place.locks.lock("x", 0):
        pass
    place.close()


def test_a_pooler_that_changes_connections_is_refused(
    postgresql_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgresql_home.open()
    numbers = iter(range(100))
    monkeypatch.setattr(locks, "_find_process", lambda _connection: next(numbers))
    with pytest.raises(Refused, match="Locks have no effect"):
        place.locks.check()
    place.close()
