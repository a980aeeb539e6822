"""Where the ledger is kept: in a directory of this machine, or in a database that several machines share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from almajob.errors import UsageError
from almajob.text.busy import Busy, show_nothing

if TYPE_CHECKING:
    from almajob.alma.rate_limit.call_account import CallAccount
    from almajob.config.settings import Settings
    from almajob.store.ledger.place import Place
    from almajob.text.database_address import DatabaseAddress
    from almajob.text.redaction import Secret

_NAME = "ledger"


def choose_place(
    state_dir: str | None,
    database: DatabaseAddress | None = None,
    find_password: Callable[[], Secret | None] = lambda: None,
    busy: Busy = show_nothing,
) -> Place:
    """Choose the place of the ledger; nothing is opened yet.

    Args:
        state_dir: the directory of what must not be lost; None where there is none.
        database: that has the ledger; None where the state directory has it.
        find_password: returns the password of the database; None where that is left to libpq.
        busy: shows people what takes long.
    """
    if database is not None:
        from almajob.store.postgresql.postgres_place import PostgresPlace

        # One for each database, as a test and the real one may take turns.
        name = hashlib.sha256(str(database).encode()).hexdigest()[:12]
        newest = Path(state_dir or os.devnull, f"ledger-{name}.newest")
        return PostgresPlace(database, newest, find_password)
    from almajob.store.directory.directory_place import DirectoryPlace, MissingPlace

    return DirectoryPlace(Path(state_dir, _NAME), busy) if state_dir else MissingPlace()


def place_of(settings: Settings, environ: Mapping[str, str], busy: Busy = show_nothing) -> Place:
    """Return the place of the ledger that the settings name; nothing is opened yet.

    Args:
        busy: shows people what takes long.

    Raises:
        ConfigurationError: a configuration file that is not trusted names it.
    """
    return _open_place(settings, environ, settings.database, busy)


def place_named(text: str, settings: Settings, environ: Mapping[str, str]) -> Place:
    """Return the place of a ledger that a person names; nothing is opened yet.

    Args:
        text: the address of a database; the directory of a ledger, or the state directory that has it;
            ``directory`` for that of the settings.

    Raises:
        UsageError: it is none of them.
    """
    from almajob.config.ledger_address import DIRECTORY
    from almajob.store.directory.directory_place import DirectoryPlace

    if "://" in text:
        return _open_place(settings, environ, _parse_address(text))
    if text == DIRECTORY:
        return _open_place(settings, environ, None)
    path = Path(text).expanduser().resolve()
    return DirectoryPlace(path if path.name == _NAME else path / _NAME)


def _parse_address(text: str) -> DatabaseAddress:
    from almajob.text.database_address import BadAddress, parse_database_address
    from almajob.text.redaction import Secret

    try:
        return parse_database_address(text)
    except BadAddress as error:
        # From now on it is hidden.
        Secret(error.password)
        raise UsageError("This is not where a ledger can be.", reason=str(error), hint=error.hint) from None


def _open_place(
    settings: Settings,
    environ: Mapping[str, str],
    database: DatabaseAddress | None,
    busy: Busy = show_nothing,
) -> Place:
    state_dir = settings.state_dir.text if settings.state_dir else None
    if database is None:
        return choose_place(state_dir, busy=busy)
    from almajob.config.ledger_address import find_password_source, read_password

    untrusted = settings.untrusted_ini()
    source = find_password_source(settings.general, environ)
    if untrusted is not None and settings.ledger is not None and settings.ledger.line:
        untrusted.refuse(f"It would keep the ledger in {database}.")
    if untrusted is not None and source is not None and source.given.line:
        untrusted.refuse("It would say where the password of the ledger comes from.")
    return choose_place(state_dir, database, lambda: read_password(source, environ))


def share_calls(place: Place, institution: str, local: CallAccount) -> CallAccount:
    """Return the account of an institution's calls: of all who use a ledger's database, else of this machine.

    Args:
        institution: its name, among all that are counted.
        local: of this machine.
    """
    from almajob.store.postgresql.call_account import SharedCalls
    from almajob.store.postgresql.postgres_place import PostgresPlace

    if not isinstance(place, PostgresPlace):
        return local
    return SharedCalls(place.database, institution, local)
