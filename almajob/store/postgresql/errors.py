"""What PostgreSQL, or the way to it, can raise, in words for people: why it failed, and what to do."""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg

from almajob.store.errors import Damaged
from almajob.store.postgresql.connection import NotCertain, NotConnected, TooSlow
from almajob.system.private_files import hint_of

ASK = "Ask whoever runs the database server"
INIT = "Type: almajob ledger init"


class Trouble(NamedTuple):
    """Why something failed, and what to do about it.

    Attributes:
        reason: some words without a capital and a full stop.
        hint: what to do or type.
        is_passing: whether it may be over in a moment, as while a server starts.
    """

    reason: str
    hint: str
    is_passing: bool = False


_AGAIN = "Try again."
_IS_UP = f"{ASK} whether it is up and can be reached from here."
_DOWN = Trouble("the database server shuts down, or is being restarted", "Try again in a minute.", True)
_RIGHTS = Trouble(
    "the database does not let this user read and write the tables of almajob",
    "The owner of the schema gives the rights: almajob ledger init --role USER",
)
_MISSING = Trouble("the database has no ledger yet", INIT)
_READ_ONLY = Trouble(
    "the database is read-only, as a standby is",
    "Name the server that can be written to in [almajob] ledger, or ALMAJOB_LEDGER.",
)
_TOO_MANY = Trouble("the database server has too many connections", f"Try again. {ASK}.", True)
_LOST = Trouble("the connection with the database server was lost", _AGAIN, True)
_OF_STATE = {
    "57P01": _DOWN,
    "57P02": _DOWN,
    "57P03": _DOWN,
    "57P05": _LOST,
    "25P03": Trouble("this process was stopped for so long that the database gave up on it", _AGAIN, True),
    "57014": Trouble("the database took too long", f"Try again. {ASK} if it persists."),
    "55P03": Trouble("another process keeps it locked", "Try again. If it persists, see pg_stat_activity."),
    "40P01": Trouble("another process keeps it locked", _AGAIN),
    "25006": _READ_ONLY,
    "53100": Trouble("the disk of the database server is full", f"{ASK}."),
    "53200": Trouble("the database server has no memory left", f"{ASK}."),
    "53300": _TOO_MANY,
    "42501": _RIGHTS,
    "42P01": _MISSING,
    "42703": _MISSING,
    "3F000": _MISSING,
    "XX001": Trouble("the database is damaged", f"{ASK}, and restore a backup."),
    "XX002": Trouble("the database is damaged", f"{ASK}, and restore a backup."),
    "58030": Trouble("the disk of the database server fails", f"{ASK}."),
}
_PASSWORD = Trouble(
    "the database server does not accept the user or the password",
    "Check the user in [almajob] ledger, and ledger_password_file or where else the password is.",
)
# While a connection is made, there are words only, and they may be in any language.
_IN_WORDS = (
    ("no password supplied", Trouble(
        "the database server asks for a password, and there is none",
        "Set ledger_password_file or ledger_password_command in [almajob], or add it to ~/.pgpass.",
    )),
    ("password authentication failed", _PASSWORD),
    ("authentication failed", _PASSWORD),
    ("pg_hba.conf", Trouble(
        "the database server does not let this user, or this machine, in",
        f"{ASK} to add a line to its pg_hba.conf: hostssl, for this machine's address.",
    )),
    (r"role .* does not exist", Trouble("the database server does not know this user", "Check the user.")),
    (r"database .* does not exist", Trouble(
        "the database server has no such database",
        "Check its name in [almajob] ledger, or create it: createdb -O OWNER NAME",
    )),
    ("permission denied for database|not permitted to log in", Trouble(
        "the database server does not let this user in", f"{ASK} for GRANT CONNECT ON DATABASE, and LOGIN."
    )),
    ("too many connections|remaining connection slots|too many clients", _TOO_MANY),
    ("starting up|shutting down|in recovery mode|not yet accepting", _DOWN),
    ("session is read-only|session is not read-write|in hot standby", _READ_ONLY),
    ("certificate|root.crt|verify-full", Trouble(
        "the certificate of the database server cannot be trusted",
        "Name the file of the authority that vouches for it: add ?sslrootcert=FILE to the address.",
    )),
    ("does not support SSL|SSL was required|SSL error|no encryption", Trouble(
        "no connection with TLS can be made with the database server",
        f"{ASK} to switch it on (ssl = on). Off this machine almajob does without it for nobody.",
    )),
    ("could not translate host name|Name or service|No address", Trouble(
        "the host of the database server is not known", "Check the address in [almajob] ledger."
    )),
    ("timeout expired|timed out", Trouble("the database server does not answer", _IS_UP, True)),
    ("refused|No such file or directory|No route|unreachable", Trouble(
        "the database server cannot be reached", _IS_UP, True
    )),
)  # fmt: skip


def explain(error: Exception) -> Trouble:
    """Return why something failed, and what to do about it, without a word that may hold a secret."""
    if isinstance(error, TooSlow):
        return Trouble("the database server did not answer in time", _IS_UP, True)
    if isinstance(error, NotCertain):
        return Trouble(f"it is not certain that the change is kept: {error}", f"{ASK}.")
    if isinstance(error, psycopg.Error):
        return _explain_server(error)
    if isinstance(error, Damaged):
        return Trouble(
            str(error),
            "Look in Alma (Admin > Monitor Jobs) what was started lately; then restore a backup.\n"
            "Runs that it lacks are searched for by their tags. Those of scheduled jobs have none.",
        )
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Trouble(text.rstrip(".") or type(error).__name__, hint_of(error) or _AGAIN)


def _explain_server(error: psycopg.Error) -> Trouble:
    text, state = str(error), error.sqlstate or ""
    # In the server's own language; its first line has no data in it.
    said = re.split(r"(?:FATAL|ERROR): +", text.splitlines()[0] if text else "")[-1]
    if isinstance(error, NotConnected):
        for pattern, trouble in _IN_WORDS:
            if re.search(pattern, text):
                return trouble
        return Trouble(f"the database server cannot be reached: {said}".rstrip(": ."), _IS_UP)
    if state in _OF_STATE:
        return _OF_STATE[state]
    if isinstance(error, psycopg.OperationalError) and state[:2] in ("", "08"):
        return _LOST
    return Trouble(f"the database failed: {said}".rstrip(": ."), f"{ASK}.")


def is_lost(error: Exception) -> bool:
    """Whether the connection on which something was sent is of no use any more."""
    return isinstance(error, (TooSlow, NotCertain)) or (
        isinstance(error, psycopg.OperationalError)
        and not isinstance(error, NotConnected)
        and ((error.sqlstate or "08")[:2] == "08" or (error.sqlstate or "")[:4] in ("57P0", "25P0"))
    )
