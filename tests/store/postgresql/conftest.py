"""A ledger's database behind a network that can fail, and one of a server that demands passwords or TLS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import trustme
from psycopg import sql

from tests.support.places import Home, prepare
from tests.support.postgres import USER, Cluster, Database, need_programs
from tests.support.tcp_relay import TcpRelay, relay_to_port

PASSWORD = "Pa55word/Canary+of=the~Ledger&Zq81:@x"
"""Of the roles ``secret`` and ``secure``; it may be written nowhere."""
_HBA = """
local all all trust
host all barred 127.0.0.1/32 reject
host all secret 127.0.0.1/32 scram-sha-256
hostssl all secure 127.0.0.1/32 scram-sha-256
hostnossl all secure 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""


@pytest.fixture
def relay(ledger_database: Database) -> Iterator[TcpRelay]:
    """The network in front of the server."""
    with relay_to_port(ledger_database.cluster.port) as running:
        yield running


@pytest.fixture
def far_home(postgresql_home: Home, relay: TcpRelay, ledger_database: Database) -> Home:
    """The ledger, as it is reached over that network."""
    url = f"postgresql://{USER}@127.0.0.1:{relay.port}/{ledger_database.name}"
    return postgresql_home._replace(url=url)


@dataclass(frozen=True)
class StrictServer:
    """A server with TLS, on which ``secret`` and ``secure`` have a password, and ``secure`` needs TLS.

    Attributes:
        database: with a ledger that they may use.
        authority: that has vouched for the server as ``localhost``.
    """

    cluster: Cluster
    database: Database
    authority: trustme.CA = field(default_factory=trustme.CA)

    def url(self, user: str = USER, host: str = "127.0.0.1", more: str = "") -> str:
        """Return the address of the ledger for a user."""
        return f"postgresql://{user}@{host}:{self.cluster.port}/{self.database.name}{more}"

    def run(self, statement: str) -> None:
        """Run a statement as the administrator."""
        self.database.run(statement)


@pytest.fixture(scope="package")
def _strict_server() -> Iterator[StrictServer]:
    # It could also have a standby.
    with Cluster(need_programs(), wal_level="replica", max_wal_senders="2") as cluster:
        server = StrictServer(cluster, cluster.make_database())
        prepare(server.database)
        certificate = server.authority.issue_cert("localhost")
        cluster.write("server.crt", certificate.cert_chain_pems[0].bytes())
        cluster.write("server.key", certificate.private_key_pem.bytes())
        cluster.write("pg_hba.conf", _HBA.encode())
        for name in ("secret", "secure", "barred", "stranger"):
            cluster.run(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(PASSWORD)
                )
            )
        for role in ("secret", "secure"):
            server.run(f"GRANT USAGE ON SCHEMA almajob TO {role}")
            server.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA almajob TO {role}")
        cluster.run("ALTER SYSTEM SET ssl = on")
        cluster.restart()
        yield server


@pytest.fixture
def strict(_strict_server: StrictServer) -> Iterator[StrictServer]:
    """Such a server, with a database of the test's own."""
    database = _strict_server.cluster.make_database(_strict_server.database.name)
    yield replace(_strict_server, database=database)
    database.drop()
