"""What somebody may have put into a cache directory: rows, settings, a schema, links beside the database."""

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

from almajob.store.json_rows import SIZE_LIMIT

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
"""Is done to a cache directory."""


def sql(cache_dir: Path, *statements: str, **values: Any) -> None:
    """Change a cache directory's database by hand."""
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            database.execute(statement, named)


def _rows(cache_dir: Path, **columns: Any) -> None:
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    sql(cache_dir, f"UPDATE Cache SET {changes}", **columns)


def _pickled_file(cache_dir: Path, trap: Trap) -> None:
    (cache_dir / "x.val").write_bytes(trap.pickle)
    _rows(cache_dir, mode=MODE_PICKLE, filename="x.val", value=None)


def _pickled_key(cache_dir: Path, trap: Trap) -> None:
    sql(
        cache_dir,
        "INSERT OR IGNORE INTO Cache (key, raw, store_time, mode, value) VALUES (:key, 0, 1.0, 1, '7')",
        key=trap.pickle,
    )


# The five ways that are known, of which CVE-2025-69872 is the first.
ROWS: dict[str, Attack] = {
    "a pickled value": lambda cache_dir, trap: _rows(cache_dir, mode=MODE_PICKLE, value=trap.pickle),
    "a pickled file": _pickled_file,
    "a pickled key": _pickled_key,
    "a file elsewhere is read, absolute": lambda cache_dir, trap: _rows(
        cache_dir, mode=MODE_TEXT, filename=str(trap.precious), value=None
    ),
    "a file elsewhere is read, relative": lambda cache_dir, trap: _rows(
        cache_dir, mode=MODE_BINARY, filename=os.path.relpath(trap.precious, cache_dir), value=None
    ),
    "a file elsewhere is deleted, absolute": lambda cache_dir, trap: _rows(
        cache_dir, filename=str(trap.precious), expire_time=1.0
    ),
    "a file elsewhere is deleted, relative": lambda cache_dir, trap: _rows(
        cache_dir, filename=os.path.relpath(trap.precious, cache_dir)
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
    "a trigger that loses what is kept": lambda cache_dir, trap: sql(
        cache_dir,
        "CREATE TRIGGER lost AFTER INSERT ON Cache BEGIN DELETE FROM Cache WHERE rowid = NEW.rowid; END",
        "CREATE TRIGGER undone AFTER UPDATE ON Cache BEGIN DELETE FROM Cache WHERE rowid = NEW.rowid; END",
    ),
    "a trigger of ours that does something else": lambda cache_dir, trap: sql(
        cache_dir,
        "DROP TRIGGER Settings_count_insert",
        "CREATE TRIGGER Settings_count_insert AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END",
    ),
    "rows without an end": lambda cache_dir, trap: sql(cache_dir, *_endless("Cache", *_COLUMNS)),
    "settings without an end": lambda cache_dir, trap: sql(cache_dir, *_endless("Settings", "key", "value")),
    "no index": lambda cache_dir, trap: sql(cache_dir, "DROP INDEX Cache_key_raw"),
    "settings that throw out": lambda cache_dir, trap: sql(
        cache_dir,
        "UPDATE Settings SET value = 'least-recently-used' WHERE key = 'eviction_policy'",
        "UPDATE Settings SET value = 1 WHERE key = 'size_limit'",
    ),
    "settings that keep files": lambda cache_dir, trap: sql(
        cache_dir, "UPDATE Settings SET value = 0 WHERE key = 'disk_min_file_size'"
    ),
    "settings of another type": lambda cache_dir, trap: sql(cache_dir, "UPDATE Settings SET value = x'00'"),
    "a database that is a link": lambda cache_dir, trap: _linked(cache_dir / "cache.db", trap),
    "a journal that is a link": lambda cache_dir, trap: _link(cache_dir / "cache.db-journal", trap.precious),
}


def _linked(database: Path, trap: Trap) -> None:
    database.rename(elsewhere := trap.precious.with_name("elsewhere.db"))
    _link(database, elsewhere)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def plant_pragmas(cache_dir: Path) -> None:
    """Settings that diskcache would obey when it connects."""
    sql(
        cache_dir,
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


def not_utf8(cache_dir: Path, trap: Trap) -> None:
    """Text that is none, which Python's sqlite3 refuses to read."""
    sql(cache_dir, "UPDATE Cache SET value = CAST(x'5bff5d' AS TEXT)")


def of_another_format(cache_dir: Path, trap: Trap) -> None:
    """Rows as a later almajob may write them."""
    with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
        database.create_function("later", 1, _checked if cache_dir.name == "ledger" else _later)
        database.execute("UPDATE OR REPLACE Cache SET key = later(key)")


def _later(key: str) -> str:
    return f"9{key[1:]}"


def _checked(key: str) -> str:
    text = _later(key).rpartition(":")[0]
    return f"{text}:{zlib.crc32(text.encode()):08x}"
