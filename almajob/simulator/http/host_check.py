"""Whom the simulator answers: not a web page that a browser on this machine has open.

Any page may send a form or a text to 127.0.0.1, and a name of its own can be made to lead there (DNS
rebinding). Browsers tell so in headers that no page can change; other clients send none of these.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104
"""Addresses to listen on that stand for all addresses of this machine."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::([0-9]{1,5}))?")


class HostCheck:
    """Knows under which hosts a simulator is called.

    Args:
        host: the address that it listens on. On all addresses it can be called by each of them, as no page
            can claim an address, and by this machine's name.
        default_port: that of the scheme, which clients leave out.
        others: further hosts, such as those of a proxy or a container: ``NAME``, or ``NAME:PORT``.

    Attributes:
        port: the port that it listens on, once that is known.

    Raises:
        ValueError: one of the others is no host.
    """

    def __init__(self, host: str, default_port: int, others: Iterable[str] = ()) -> None:
        self.port = default_port
        self._default_port = default_port
        self._takes_any_address = host in WILDCARDS
        self._names = {socket.gethostname().lower() if self._takes_any_address else host.lower()}
        self._others = {_split(other) for other in others}

    def allows(self, header: str) -> bool:
        """Check the Host header of a request."""
        try:
            name, written_port = _split(header)
        except ValueError:
            return False
        if (name, written_port) in self._others or (name, None) in self._others:
            return True
        if (self._default_port if written_port is None else written_port) != self.port:
            return False
        is_address = self._takes_any_address and _parse_address(name) is not None
        return name in self._names or is_loopback(name) or is_address


def is_from_elsewhere(headers: Mapping[str, Any], own_origin: str) -> bool:
    """Whether a page of another origin has sent a request.

    Args:
        headers: of the request, as WSGI names them.
        own_origin: scheme, host and port under which the simulator was called.
    """
    origin = headers.get("HTTP_ORIGIN")
    site = str(headers.get("HTTP_SEC_FETCH_SITE", "none")).lower()
    return (origin is not None and origin.lower() != own_origin.lower()) or site not in (
        "same-origin",
        "none",
    )


def is_loopback(name: str) -> bool:
    """Whether a host, as a header or an address names it, is this machine and nobody else."""
    address = _parse_address(name)
    return name.lower() == "localhost" if address is None else address.is_loopback


def _parse_address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _split(host: str) -> tuple[str, int | None]:
    """Split a host from its port; None where it has none."""
    found = _HOST.fullmatch(host)
    if found is None:
        raise ValueError(f"{host!r} is no host; one is NAME or NAME:PORT")
    return found[1].strip("[]").lower(), int(found[2]) if found[2] else None
