"""The schema ``almajob`` of a database: what is in it, how it is made, and how an older one is upgraded."""

from __future__ import annotations

import re
from typing import NamedTuple

from psycopg.errors import InsufficientPrivilege, UndefinedObject

from almajob.store.ledger.record import checksum
from almajob.store.postgresql.connection import Connection
from almajob.store.schema import LEDGER_FORMAT

STEPS = (
    """
    CREATE TABLE almajob.version (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        schema_version integer NOT NULL,
        row_format integer NOT NULL
    );
    INSERT INTO almajob.version (schema_version, row_format) VALUES (1, 2);
    COMMENT ON TABLE almajob.version IS 'Of this schema; "almajob ledger init" upgrades it.';

    CREATE TABLE almajob.rows (key text COLLATE "C" PRIMARY KEY, value text NOT NULL) WITH (fillfactor = 80);
    COMMENT ON TABLE almajob.rows IS
        'The ledger of almajob, which must not be changed by hand: each row carries a check.';

    CREATE UNLOGGED TABLE almajob.calls (
        institution text COLLATE "C" PRIMARY KEY,
        state text NOT NULL
    ) WITH (fillfactor = 50);
    COMMENT ON TABLE almajob.calls IS
        'How many calls of Alma were made lately, by all machines together; may be emptied.';

    CREATE VIEW almajob.runs AS
        SELECT record->>'id' AS id,
            record->>'environment' AS environment,
            record->>'job_id' AS job_id,
            record->>'job_name' AS job_name,
            record->>'run_key' AS run_key,
            record->'trail'->-1->>'state' AS state,
            record->>'instance_id' AS process_id,
            record->>'end_status' AS end_status,
            to_timestamp((record->'trail'->0->>'at')::double precision) AS created_at,
            record->>'holder' AS started_by
        FROM (
            SELECT value::json->'value' AS record FROM almajob.rows
            WHERE key >= '2:record:' AND key < '2:record;'
        ) AS records;
    COMMENT ON VIEW almajob.runs IS 'All runs, for people; "almajob runs list" knows more.';
    """,
)
"""What makes each version of the schema from the one before; the first makes it from nothing."""
VERSION = len(STEPS)
"""Which this almajob uses."""
_RIGHTS = (
    "GRANT USAGE ON SCHEMA almajob TO {role}",
    "GRANT SELECT ON almajob.version, almajob.runs TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON almajob.rows, almajob.calls TO {role}",
)
CHANGE = int(checksum("almajob change")[:15], 16)
"""The number of the advisory lock of whoever changes the ledger."""
_SECONDS = 60.0


class Versions(NamedTuple):
    """What is in a database: the version of its schema, and the format of its rows; 0 where there is none."""

    schema: int = 0
    rows: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether this almajob may read and write it."""
        return self == CURRENT

    @property
    def is_newer(self) -> bool:
        """Whether a newer almajob made it."""
        return self.schema > VERSION or self.rows > LEDGER_FORMAT


CURRENT = Versions(VERSION, LEDGER_FORMAT)


class Refusal(Exception):
    """A schema that cannot be made, upgraded or used by others.

    Args:
        problem: a sentence.
        hint: what to do about it.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


_BY_OWNER = (
    "Let the owner of the database do it:\nALMAJOB_LEDGER=postgresql://OWNER@HOST/DATABASE "
    "almajob ledger init --role USER"
)


def initialize(connection: Connection, role: str = "") -> Versions:
    """Make the schema, or upgrade it; nothing happens where it is there, or a newer one.

    Args:
        role: who is to use it besides its owner; nobody where it is empty.

    Returns:
        What there was before.

    Raises:
        psycopg.Error: that cannot be done; nothing is changed.
        Refusal: the user may not do it, the database is not in UTF-8, or there is no such role.
    """
    limit = f"{_SECONDS * 1000:.0f}"
    # In the same turn as all changes: nobody writes to what is being upgraded, and nobody else upgrades it.
    ((encoding,),), _settings, _lock, ((is_there,),) = connection.run(
        f"""
        SHOW server_encoding;
        BEGIN ISOLATION LEVEL READ COMMITTED;
        SELECT set_config('statement_timeout', '{limit}', true), set_config('lock_timeout', '{limit}', true),
            set_config('synchronous_commit', 'on', true);
        SELECT pg_advisory_xact_lock({CHANGE});
        SELECT to_regclass('almajob.version') IS NOT NULL;
        """,
        seconds=2 * _SECONDS,
    )
    if encoding != "UTF8":
        raise Refusal(
            f"Its encoding is {encoding}, which does not have every character.",
            "Create one with: createdb --encoding UTF8 --template template0 NAME",
        )
    before = _read(connection) if is_there else Versions()
    if not before.is_newer:
        try:
            for statements in _list_steps(connection, before):
                connection.run(statements, seconds=_SECONDS)
            if role:
                _grant(connection, role)
        except InsufficientPrivilege:
            raise Refusal("This user may not change it.", _BY_OWNER) from None
    connection.commit_now(seconds=_SECONDS)
    return before


def _list_steps(connection: Connection, before: Versions) -> list[str]:
    """List the statements that are still to be run."""
    if before.is_usable:
        return []
    steps = list(STEPS[before.schema :])
    (((is_there,),),) = connection.run("SELECT to_regnamespace('almajob') IS NOT NULL", seconds=_SECONDS)
    if not is_there:
        steps.insert(0, "CREATE SCHEMA almajob")
    return steps


def _grant(connection: Connection, role: str) -> None:
    quoted = '"' + re.sub('"', '""', role) + '"'
    connection.warnings.clear()
    try:
        for right in _RIGHTS:
            connection.run(right.format(role=quoted), seconds=_SECONDS)
    except UndefinedObject:
        raise Refusal(f"There is no role {role}.", f"Create it: createuser --pwprompt {quoted}") from None
    # Who may not grant a right is only warned.
    if connection.warnings:
        raise Refusal(f"This user may not let {role} use it.", _BY_OWNER)


def _read(connection: Connection) -> Versions:
    (((schema, rows),),) = connection.run(
        "SELECT schema_version, row_format FROM almajob.version", seconds=_SECONDS
    )
    return Versions(schema, rows)
