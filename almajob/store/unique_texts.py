"""Many texts, each once, in the order in which they came, in a temporary file: memory does not grow."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager


class UniqueTexts:
    """Texts in a private temporary file; ``open_unique_texts`` makes one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;"
            "CREATE TABLE texts (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
        )

    def add(self, texts: Iterable[str]) -> None:
        """Add those that are not there yet."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO texts (text) VALUES (?)", ((each,) for each in texts)
        )

    def find_missing(self, texts: Iterable[str]) -> Iterator[str]:
        """Return those of some texts that are not there."""
        for text in texts:
            if self._connection.execute("SELECT 1 FROM texts WHERE text = ?", (text,)).fetchone() is None:
                yield text

    def count(self) -> int:
        """Count them."""
        (found,) = self._connection.execute("SELECT count(*) FROM texts").fetchone()
        return int(found)

    def digest(self) -> str:
        """Return the SHA-256 of all of them, in their order."""
        found = hashlib.sha256()
        for (text,) in self._connection.execute("SELECT text FROM texts ORDER BY number"):
            found.update(f"{text}\n".encode())
        return found.hexdigest()

    def chunks(self, size: int, start: int = 0) -> Iterator[tuple[str, ...]]:
        """Return them in pieces.

        Args:
            size: of each piece but the last.
            start: the number of the first piece that is wanted, from 0.
        """
        query = "SELECT text FROM texts ORDER BY number LIMIT -1 OFFSET ?"
        rows = self._connection.execute(query, (start * size,))
        while chunk := tuple(text for (text,) in rows.fetchmany(size)):
            yield chunk


@contextmanager
def open_unique_texts() -> Iterator[UniqueTexts]:
    """Make an empty collection of texts, whose file goes with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="almajob-") as directory,
        closing(sqlite3.connect(f"{directory}/texts")) as connection,
    ):
        yield UniqueTexts(connection)
