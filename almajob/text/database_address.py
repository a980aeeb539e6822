"""The address of a PostgreSQL database, as a URL has it: read, checked and shown without a secret."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

SOCKETS = "/var/run/postgresql"
"""Where a server of this machine has its socket, on Debian and elsewhere."""
PORT = "5432"
_URL = re.compile(r"postgres(?:ql)?://(?P<server>[^/?#]*)(?:/(?P<database>[^/?#]*))?(?:\?(?P<more>[^#]*))?")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LOCAL = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1|[/@].*", re.IGNORECASE)
_ENCRYPTED = ("require", "verify-ca", "verify-full")
_OF_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
OPTIONS = ("sslmode", *_OF_FILES)
"""What may follow the question mark."""
EXAMPLE = "postgresql://almajob@db.example.edu/almajob"

_OTHERWISE = "For a ledger in a directory, leave it out, and set ALMAJOB_STATE_DIR."


class BadAddress(ValueError):
    """A text that is no such address; its message quotes nothing of it.

    Args:
        problem: a sentence.
        hint: what to do about it.
        password: that stands in the text, and belongs nowhere else; empty where none does.
    """

    def __init__(self, problem: str, hint: str = "", password: str = "") -> None:
        super().__init__(problem)
        self.hint = hint or f"Write, for example: {EXAMPLE}"
        self.password = password


class DatabaseAddress(NamedTuple):
    """Where a database is, and how it is reached.

    Attributes:
        hosts: names, addresses or directories of sockets, with their ports; of several the one is meant that
            can be written to.
        database: its name.
        user: whom to be there; empty for libpq's choice, which is the name of the user here.
        options: of ``OPTIONS``, those that were given.
    """

    hosts: tuple[tuple[str, str], ...]
    database: str
    user: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        user = f"{quote(self.user)}@" if self.user else ""
        hosts = [(f"[{host}]" if ":" in host else quote(host, "@"), port) for host, port in self.hosts]
        if self.hosts == ((SOCKETS, PORT),):
            hosts = [("", PORT)]
        servers = ",".join(host if port == PORT else f"{host}:{port}" for host, port in hosts)
        return f"postgresql://{user}{servers}/{quote(self.database)}"

    @property
    def is_local(self) -> bool:
        """Whether no byte leaves this machine on the way there."""
        return all(_LOCAL.fullmatch(host) for host, _port in self.hosts)

    @property
    def parameters(self) -> dict[str, str]:
        """How libpq is told; with a value for whatever a variable such as PGHOSTADDR would say otherwise."""
        # A server of this machine is asked without encryption first, as that is quicker.
        return {
            "host": ",".join(host for host, _port in self.hosts),
            "port": ",".join(port for _host, port in self.hosts),
            "hostaddr": "",
            "dbname": self.database,
            "sslmode": "allow" if self.is_local else "verify-full",
            # With Kerberos there is another encryption, for which the certificate counts nothing.
            "gssencmode": "disable",
            "target_session_attrs": "read-write" if len(self.hosts) > 1 else "any",
            **({"user": self.user} if self.user else {}),
            **dict(self.options),
        }


def parse_database_address(text: str) -> DatabaseAddress:
    """Read an address: ``postgresql://[USER@]HOST[:PORT][,HOST…]/DATABASE[?sslmode=…]``.

    Raises:
        BadAddress: it is none, has a password in it, or leads off this machine without encryption.
    """
    found = _URL.fullmatch(text.strip())
    user, at, servers = found["server"].rpartition("@") if found else ("", "", "")
    user, colon, password = user.partition(":")
    more = [part.partition("=") for part in (found["more"] or "").split("&") if part] if found else []
    password = password or next((value for name, _, value in more if name == "password"), "")
    if colon or password:
        raise BadAddress(
            "The address has a password in it.",
            "Remove it, and name its source: ledger_password_file, ledger_password_command,\n"
            "ledger_password_keyring = yes, or a line in ~/.pgpass.",
            unquote(password),
        )
    database = unquote(found["database"] or "") if found else ""
    if not found or (at and not user):
        hint = "" if "://" in text else f"Write, for example: {EXAMPLE}\n{_OTHERWISE}"
        raise BadAddress("It is not the address of a PostgreSQL database.", hint)
    if not database:
        raise BadAddress("The address does not name a database.")
    options = {}
    for name, _, value in more:
        if name not in OPTIONS or name in options or not value:
            raise BadAddress(f"After the question mark there may be {', '.join(OPTIONS)}, each once.")
        options[name] = unquote(value)
    address = DatabaseAddress(_parse_hosts(servers), database, unquote(user), tuple(options.items()))
    if "\0" in "".join([*address.parameters.values()]) or any("," in host for host, _port in address.hosts):
        raise BadAddress("It is not the address of a PostgreSQL database.")
    mode = options.get("sslmode", "")
    if mode and mode not in ("disable", "allow", "prefer", *_ENCRYPTED):
        raise BadAddress("sslmode is not one that PostgreSQL knows.", f"Use one of {', '.join(_ENCRYPTED)}.")
    if mode and mode not in _ENCRYPTED and not address.is_local:
        raise BadAddress(
            f"sslmode={mode} would send what the ledger has over the network without TLS.",
            "Leave it out: the certificate of the server is checked then (verify-full).",
        )
    return address


def _parse_hosts(servers: str) -> tuple[tuple[str, str], ...]:
    found = []
    for server in servers.split(","):
        host = _HOST.fullmatch(server or SOCKETS)
        if not host or not 0 < int(host[2] or PORT) < 65536:
            raise BadAddress("The address has a host or a port that is none.")
        found.append((unquote(host[1].strip("[]")), host[2] or PORT))
    return tuple(found)
