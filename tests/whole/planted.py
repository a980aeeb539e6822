"""What somebody else may have put into a drawer's database: rows, settings, a schema, links beside it."""

from __future__ import annotations

import os
import pickle
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almajob.store.diskcache_directory import SIZE_LIMIT

MODE_RAW, MODE_BINARY, MODE_TEXT, MODE_PICKLE = 1, 2, 3, 4
STOLEN = "STOLEN"
"""Stands in the file that must not be read."""


class _Exploit:
    """Unpickled, it makes a file."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.flag), "w")


@dataclass(frozen=True)
class Trap:
    """Files outside the store: one that code would make, one that nobody may read or remove."""

    flag: Path
    precious: Path

    @classmethod
    def at(cls, directory: Path) -> Trap:
        """Set it."""
        trap = cls(directory / "code-ran", directory / "precious.json")
        trap.precious.write_text(trap.content, "utf-8")
        return trap

    @property
    def content(self) -> str:
        """As a job list, a code table or a word would be kept."""
        return f'[{{"id": "M1", "name": "{STOLEN}"}}]'

    @property
    def pickle(self) -> bytes:
        """Code, for who unpickles it."""
        return pickle.dumps(_Exploit(self.flag))

    def check(self, *shown: str) -> None:
        """Fail where code ran, the file is gone or changed, or what was shown has its content."""
        assert not self.flag.exists()
        assert self.precious.read_text("utf-8") == self.content
        assert not any(STOLEN in text for text in shown)


Attack = Callable[[Path, Trap], object]
"""Is done to a drawer, given by its directory."""


def sql(drawer: Path, *statements: str, **values: Any) -> None:
    """Change a drawer's database by hand."""
    with closing(sqlite3.connect(drawer / "cache.db")) as database, database:
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            database.execute(statement, named)


def _rows(drawer: Path, **columns: Any) -> None:
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    sql(drawer, f"UPDATE Cache SET {changes}", **columns)


def _pickled_file(drawer: Path, trap: Trap) -> None:
    (drawer / "x.val").write_bytes(trap.pickle)
    _rows(drawer, mode=MODE_PICKLE, filename="x.val", value=None)


def _pickled_key(drawer: Path, trap: Trap) -> None:
    sql(
        drawer,
        "INSERT OR IGNORE INTO Cache (key, raw, store_time, mode, value) VALUES (:key, 0, 1.0, 1, '7')",
        key=trap.pickle,
    )


# The five ways that are known, of which CVE-2025-69872 is the first.
ROWS: dict[str, Attack] = {
    "a pickled value": lambda drawer, trap: _rows(drawer, mode=MODE_PICKLE, value=trap.pickle),
    "a pickled file": _pickled_file,
    "a pickled key": _pickled_key,
    "a file elsewhere is read, absolute": lambda drawer, trap: _rows(
        drawer, mode=MODE_TEXT, filename=str(trap.precious), value=None
    ),
    "a file elsewhere is read, relative": lambda drawer, trap: _rows(
        drawer, mode=MODE_BINARY, filename=os.path.relpath(trap.precious, drawer), value=None
    ),
    "a file elsewhere is deleted, absolute": lambda drawer, trap: _rows(
        drawer, filename=str(trap.precious), expire_time=1.0
    ),
    "a file elsewhere is deleted, relative": lambda drawer, trap: _rows(
        drawer, filename=os.path.relpath(trap.precious, drawer)
    ),
}


def _endless(table: str, *columns: str) -> tuple[str, ...]:
    listed = ", ".join(f"number AS {column}" for column in columns)
    return (
        f"ALTER TABLE {table} RENAME TO Hidden",
        f"CREATE VIEW {table} AS WITH RECURSIVE endless(number) AS"
        f" (SELECT 1 UNION ALL SELECT number + 1 FROM endless) SELECT {listed} FROM endless",
    )


_COLUMNS = ("rowid", "key", "raw", "store_time", "expire_time", "tag", "mode", "filename", "value")

SCHEMAS: dict[str, Attack] = {
    "a trigger that loses what is kept": lambda drawer, trap: sql(
        drawer,
        "CREATE TRIGGER lost AFTER INSERT ON Cache BEGIN DELETE FROM Cache WHERE rowid = NEW.rowid; END",
        "CREATE TRIGGER undone AFTER UPDATE ON Cache BEGIN DELETE FROM Cache WHERE rowid = NEW.rowid; END",
    ),
    "a trigger of ours that does something else": lambda drawer, trap: sql(
        drawer,
        "DROP TRIGGER Settings_count_insert",
        "CREATE TRIGGER Settings_count_insert AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END",
    ),
    "rows without an end": lambda drawer, trap: sql(drawer, *_endless("Cache", *_COLUMNS)),
    "settings without an end": lambda drawer, trap: sql(drawer, *_endless("Settings", "key", "value")),
    "no index": lambda drawer, trap: sql(drawer, "DROP INDEX Cache_key_raw"),
    "settings that throw out": lambda drawer, trap: sql(
        drawer,
        "UPDATE Settings SET value = 'least-recently-used' WHERE key = 'eviction_policy'",
        "UPDATE Settings SET value = 1 WHERE key = 'size_limit'",
    ),
    "settings that keep files": lambda drawer, trap: sql(
        drawer, "UPDATE Settings SET value = 0 WHERE key = 'disk_min_file_size'"
    ),
    "settings of another type": lambda drawer, trap: sql(drawer, "UPDATE Settings SET value = x'00'"),
    "a database that is a link": lambda drawer, trap: _linked(drawer / "cache.db", trap),
    "a journal that is a link": lambda drawer, trap: _link(drawer / "cache.db-journal", trap.precious),
}


def _linked(database: Path, trap: Trap) -> None:
    database.rename(elsewhere := trap.precious.with_name("elsewhere.db"))
    _link(database, elsewhere)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def plant_pragmas(drawer: Path) -> None:
    """Settings that diskcache would obey when it connects."""
    sql(
        drawer,
        "INSERT INTO Settings VALUES ('sqlite_query_only', 1)",
        "INSERT INTO Settings VALUES ('sqlite_busy_timeout', 2147483647)",
        "INSERT INTO Settings VALUES ('sqlite_locking_mode', 'exclusive')",
        "INSERT INTO Settings VALUES ('sqlite_max_page_count', 1)",
        "INSERT INTO Settings VALUES (x'ff', 1)",
    )


VALUES: dict[str, Any] = {
    "no zlib": b"\x00\x01",
    "a bomb": zlib.compress(b" " * (SIZE_LIMIT + 1)),
    "a bomb of lists": zlib.compress(b"[" + b"[]," * (SIZE_LIMIT // 3) + b"[]]"),
    "a huge text": " " * (SIZE_LIMIT + 1),
    "deep": "[" * 100_000,
    "deep and whole": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a long number": "9" * 10_000,
    "cut off": '[{"id": "M4',
    "nothing": None,
    "an integer": 7,
    "not a number": "NaN",
    "infinite": 9e999,
    "a word": '"word"',
    "null": "null",
    "lists": "[[], [[]], 7, null]",
    "an object": '{"value": 7, "sum": []}',
}


def not_utf8(drawer: Path, trap: Trap) -> None:
    """Text that is none, which Python's sqlite3 refuses to read."""
    sql(drawer, "UPDATE Cache SET value = CAST(x'5bff5d' AS TEXT)")


def of_another_format(drawer: Path, trap: Trap) -> None:
    """Rows as a later almajob may write them."""
    with closing(sqlite3.connect(drawer / "cache.db")) as database, database:
        database.create_function("later", 1, _checked if drawer.name == "ledger" else _later)
        database.execute("UPDATE OR REPLACE Cache SET key = later(key)")


def _later(key: str) -> str:
    return f"9{key[1:]}"


def _checked(key: str) -> str:
    text = _later(key).rpartition(":")[0]
    return f"{text}:{zlib.crc32(text.encode()):08x}"
