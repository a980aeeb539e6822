"""The places in which a ledger can be kept, each with a name by which a test asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from almajob.runs.ledger_place import choose_place
from almajob.store.ledger.ledger import TURN_SECONDS, Ledger
from almajob.store.ledger.place import Place
from almajob.store.postgresql.connection import connect
from almajob.store.postgresql.schema import initialize
from almajob.store.schema import LEDGER_FORMAT
from almajob.text.database_address import parse_database_address
from tests.support.postgres import Database

DIRECTORY, POSTGRESQL = "directory", "postgresql"
KINDS = (DIRECTORY, POSTGRESQL)


class Home(NamedTuple):
    """A ledger that processes share: each of them opens it for itself.

    Attributes:
        state: the state directory of one host.
        url: of the database; empty where the ledger is in the state directory.
    """

    state: str
    url: str = ""

    @property
    def kind(self) -> str:
        """Which kind of place it is."""
        return POSTGRESQL if self.url else DIRECTORY

    def open(self) -> Place:
        """Return its place, as another process would have it."""
        return choose_place(self.state, parse_database_address(self.url) if self.url else None)

    def open_ledger(self) -> Ledger:
        """Return the ledger, as another process would have it."""
        return Ledger(self.open())

    def on_another_host(self, name: str) -> Home:
        """Return the same ledger from another machine; of a directory, from the same."""
        return self._replace(state=str(Path(self.state).with_name(name))) if self.url else self


def prepare(database: Database) -> None:
    """Make in a database what the ledger needs, as ``almajob ledger init`` does."""
    connection = connect(parse_database_address(database.url), None)
    try:
        initialize(connection)
    finally:
        connection.close()


def read_rows(place: Place) -> dict[str, Any]:
    """Return all that is kept in a place, as a backup has it."""
    with place.read(TURN_SECONDS) as rows:
        return rows.get(rows.list(f"{LEDGER_FORMAT}:"))


def restore_rows(place: Place, backup: dict[str, Any]) -> None:
    """Put a place back to what a backup has."""
    with place.change(TURN_SECONDS) as rows:
        rows.delete(rows.list(f"{LEDGER_FORMAT}:"))
        rows.put(backup)
