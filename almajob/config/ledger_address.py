"""Where the ledger is to be, as the configuration says, and where the password of its database comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from almajob.config.environments import is_yes
from almajob.config.ini_reader import HeldSecret, Setting
from almajob.errors import ConfigurationError
from almajob.system.key_variables import LEDGER_PASSWORD
from almajob.text.redaction import Secret

if TYPE_CHECKING:
    from almajob.config.keys.secret_source import KeySource, SecretNames
    from almajob.text.database_address import DatabaseAddress

LEDGER = "ALMAJOB_LEDGER"
"""The variable that says where the ledger is."""
DIRECTORY = "directory"
"""What means the state directory, as if nothing were said."""
_PASSWORD = "ledger_password"  # noqa: S105  # its name
PASSWORD_SETTINGS = tuple(f"{_PASSWORD}_{way}" for way in ("file", "command", "keyring"))
_HELD = HeldSecret("the password of the ledger", _PASSWORD, LEDGER_PASSWORD, "almajob_ledger_password")


def read_ledger(
    general: Mapping[str, Setting], environ: Mapping[str, str]
) -> tuple[Setting | None, DatabaseAddress | None]:
    """Return what is said of the place of the ledger, and the database that is meant; None for the directory.

    Raises:
        ConfigurationError: it is no address of a database, or one with a password.
    """
    given = Setting(environ[LEDGER], LEDGER) if environ.get(LEDGER) else general.get("ledger")
    if given is None or given.text.strip() == DIRECTORY:
        return given, None
    from almajob.text.database_address import BadAddress, parse_database_address

    try:
        return given, parse_database_address(given.text)
    except BadAddress as error:
        # From now on it is hidden.
        Secret(error.password)
        name = "" if given.source == LEDGER else ": ledger"
        raise ConfigurationError(
            f"{given.source}{name} does not say where the ledger is.", reason=str(error), hint=error.hint
        ) from None


def find_password_source(general: Mapping[str, Setting], environ: Mapping[str, str]) -> KeySource | None:
    """Return where the password of the database will come from, without fetching it.

    None where that is left to libpq: PGPASSWORD, PGPASSFILE, ~/.pgpass.
    """
    from almajob.config.keys.secret_source import find_source

    keyring = f"{_PASSWORD}_keyring"
    ways: dict[str, Setting | None] = {name: general.get(name) for name in PASSWORD_SETTINGS}
    if _is_for_another(general.get("ledger"), environ.get(LEDGER)):
        # Such as that of the owner, who makes the tables: whose password the ini names is no use there.
        ways = {}
    if not is_yes(general, keyring, default=False):
        ways[keyring] = None
    return find_source(_names(), ways, environ)


def _is_for_another(named: Setting | None, wanted: str | None) -> bool:
    """Whether a variable names another database, or user, than the configuration file and its password."""
    if named is None or named.text.strip() == DIRECTORY or not wanted or wanted.strip() == DIRECTORY:
        return False
    from almajob.text.database_address import BadAddress, parse_database_address

    try:
        return str(parse_database_address(named.text)) != str(parse_database_address(wanted))
    except BadAddress:
        return True


def read_password(source: KeySource | None, environ: Mapping[str, str]) -> Secret | None:
    """Fetch the password of the database; None where that is left to libpq.

    Raises:
        ConfigurationError: it is not where it should be.
    """
    from almajob.config.keys.secret_source import read_text

    if source is None:
        # Known here, it is hidden in whatever is shown.
        return Secret(environ["PGPASSWORD"]) if environ.get("PGPASSWORD") else None
    password = Secret(read_text(_names(), source))
    if not password.reveal():
        raise ConfigurationError(
            "The password of the ledger is empty.", reason=f"It comes from {source.place} ({source.way})."
        )
    return password


def _names() -> SecretNames:
    from almajob.config.keys.secret_source import SecretNames

    return SecretNames("password", "the ledger", _HELD, user="ledger", keep="keyring set almajob ledger")
