"""The one schema that a cache directory may have: what diskcache makes of an empty database.

A trigger could lose a record in silence, a view could be read without an end. So nothing is asked of a
database that has anything more, or anything else, in its schema.
"""

from __future__ import annotations

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

CACHE_FORMAT = 1
"""The first part of every key of the cache: entries of another format are not found."""
LEDGER_FORMAT = 2
"""The same of the ledger. What a newer almajob wrote is refused, and what an older one wrote is migrated."""
# Word for word, as SQLite keeps them; a test compares them with what the installed diskcache makes.
_OURS = frozenset(
    {
        "CREATE TABLE Settings ( key TEXT NOT NULL UNIQUE, value)",
        "CREATE TABLE Cache ( rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL,"
        " expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, tag BLOB,"
        " size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB)",
        "CREATE UNIQUE INDEX Cache_key_raw ON Cache(key, raw)",
        "CREATE INDEX Cache_expire_time ON Cache (expire_time)",
        "CREATE TRIGGER Settings_count_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN"
        ' UPDATE Settings SET value = value + 1 WHERE key = "count"; END',
        "CREATE TRIGGER Settings_count_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN"
        ' UPDATE Settings SET value = value - 1 WHERE key = "count"; END',
        "CREATE TRIGGER Settings_size_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN"
        ' UPDATE Settings SET value = value + NEW.size WHERE key = "size"; END',
        "CREATE TRIGGER Settings_size_update AFTER UPDATE ON Cache FOR EACH ROW BEGIN"
        ' UPDATE Settings SET value = value + NEW.size - OLD.size WHERE key = "size"; END',
        "CREATE TRIGGER Settings_size_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN"
        ' UPDATE Settings SET value = value - OLD.size WHERE key = "size"; END',
    }
)
# What ANALYZE leaves behind, as somebody may have typed it: figures that only SQLite's planner reads.
_HARMLESS = frozenset(
    {
        "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
        "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
    }
)


def is_ours(database: sqlite3.Connection) -> bool:
    """Whether a database has the schema of a cache directory, and nothing besides.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    found = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 50")
    return frozenset(sql for (sql,) in found) - _HARMLESS == _OURS
