"""``AlmaHook``: a connection of Airflow's as what almajob starts and follows jobs with."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseHook

import almajob
from almajob.plugin import AlmajobError, Refused

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from almajob.plugin import Context, LedgerText

_OPTIONS = ("kind", "region", "institution", "sole_starter")
# A section of a configuration file could not have these names.
_TAKEN = {"demo", "almajob"}
_LONGEST_NAME = 64


class _NoLedger:
    """Is for what starts nothing."""

    def read(self) -> str:
        return ""

    def write(self, text: str) -> None:
        raise OSError("a look at a run writes nothing")


class AlmaHook(BaseHook):
    """Connects with an Alma.

    Args:
        alma_conn_id: the id of a connection of the type *Ex Libris Alma*.
    """

    conn_name_attr = "alma_conn_id"
    default_conn_name = "alma_default"
    conn_type = "alma"
    hook_name = "Ex Libris Alma"

    def __init__(self, alma_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.alma_conn_id = alma_conn_id

    def get_conn(self) -> Context:
        """Return almajob's context, for a ``with`` block; see docs/python-api.md.

        It has the ledger of the connection, or else that of this machine.
        """
        found = self.get_connection(self.alma_conn_id)
        return self._open(found, **self._read_ledger(found))

    def open(self, text: LedgerText) -> Context:
        """Return almajob's context, for a task.

        Args:
            text: keeps the ledger of the task, where the connection names none.
        """
        found = self.get_connection(self.alma_conn_id)
        shared = self._read_ledger(found)
        return self._open(found, **shared) if shared else self._open(found, ledger=text)

    async def aopen(self) -> Context:
        """Return almajob's context for looks at runs alone, without blocking the loop."""
        found = await self.aget_connection(self.alma_conn_id)
        return await asyncio.to_thread(self._open, found, ledger=_NoLedger())

    @property
    def has_ledger(self) -> bool:
        """Whether the connection names a ledger for all tasks, in PostgreSQL."""
        return bool(self.get_connection(self.alma_conn_id).extra_dejson.get("ledger"))

    @property
    def monitor_jobs(self) -> str:
        """The address of Alma's page *Monitor Jobs*; empty where the connection has none."""
        return str(self.get_connection(self.alma_conn_id).extra_dejson.get("monitor_jobs") or "")

    def test_connection(self) -> tuple[bool, str]:
        """Ask Alma where the key leads, and read the ledger if there is one."""
        try:
            with self.get_conn() as context:
                general = context.alma.call("GET", "/conf/general")
                institution, kind = (_code(general.get(name)) for name in ("institution", "environment_type"))
                wanted = context.environment.kind
                if kind.lower() in {"sandbox", "production"} - {wanted}:
                    return False, f"The key leads to {kind}, and the connection says {wanted}."
                if self._read_ledger(self.get_connection(self.alma_conn_id)):
                    _read_ledger_once(context)
                return True, f"{institution} ({kind})"
        except AlmajobError as error:
            return False, " ".join(filter(None, (error.message, error.reason)))

    def _open(self, connection: Connection, **ledger: Any) -> Context:
        name = re.sub(r"[^A-Za-z0-9_-]", "-", connection.conn_id or "").strip("-_")[:_LONGEST_NAME]
        extra = connection.extra_dejson
        settings = {option: _word(extra.get(option)) for option in _OPTIONS}
        settings |= {"base_url": _address(connection), "api_key": connection.password or ""}
        return almajob.connect(
            f"airflow-{name}" if name in _TAKEN or not name else name,
            settings={"kind": "sandbox", **{key: value for key, value in settings.items() if value}},
            **ledger,
        )

    def _read_ledger(self, connection: Connection) -> dict[str, str]:
        """Return where the database of the ledger is, and its password, for ``almajob.connect``."""
        named = connection.extra_dejson.get("ledger")
        if not named:
            return {}
        found = self.get_connection(str(named))
        user = f"{quote(found.login)}@" if found.login else ""
        port = f":{found.port}" if found.port else ""
        options = {name: found.extra_dejson.get(name) for name in ("sslmode", "sslrootcert")}
        query = "&".join(f"{name}={quote(str(value), '/')}" for name, value in options.items() if value)
        address = f"postgresql://{user}{found.host or ''}{port}/{quote(found.schema or '')}"
        password = {"ledger_password": found.password} if found.password else {}
        return {"ledger": f"{address}?{query}" if query else address, **password}


def _read_ledger_once(context: Context) -> None:
    """Make sure that the ledger can be read.

    Raises:
        Refused: it cannot.
    """
    try:
        context.runs.process_id("@last")
    except Refused as refused:
        if refused.kind == "ledger_unusable":
            raise
    except AlmajobError:
        # What became of the last start is not asked.
        pass


def _code(value: Any) -> str:
    return str(value.get("value", "") if isinstance(value, dict) else value or "")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value or "")


def _address(connection: Connection) -> str:
    """Return the address of an own server; empty where the region says it.

    A connection that was given as a URI has its parts apart.
    """
    host = connection.host or ""
    if not host:
        return ""
    address = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    has_port = urlsplit(address).netloc.rpartition("]")[2].count(":")
    return address if has_port or not connection.port else f"{address.rstrip('/')}:{connection.port}"
