"""The ``requests`` session that carries every call: the key in one header, no redirects, no cookies."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from almajob import __version__
from almajob.alma.api_key import Key

if TYPE_CHECKING:
    import requests

AT_ONCE = 8
"""Connections that are kept, and calls that may be under way at once."""


def connect(key: Key) -> requests.Session:
    """Make a session; ``requests`` is imported here and not before."""
    import http.cookiejar

    from almajob.alma.http import abortable_connection

    session = _one_hop_session()
    session.auth = _authorization(key)
    session.headers.update(
        {
            "Accept": "application/json",
            "User-Agent": f"almajob/{__version__}",
            # A proxy that keeps to the rules asks Alma then.
            "Cache-Control": "no-cache",
        }
    )
    # A Session is promised to be thread-safe only as long as nothing in it changes.
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    made = abortable_connection.adapter(AT_ONCE)
    session.mount("https://", made)
    session.mount("http://", made)
    return session


def _one_hop_session() -> requests.Session:
    """Make a session for which no answer is a redirect.

    Even where none is followed, requests would read the whole body of one, and parse where it leads.
    """
    import requests

    class OneHop(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return OneHop()


def _authorization(key: Key) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Make the AuthBase that adds the key; unlike a header of the session, no .netrc replaces it."""
    import requests.auth

    class ApiKey(requests.auth.AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"apikey {key.reveal()}"
            return request

        def __repr__(self) -> str:
            return "ApiKey(hidden)"

    return ApiKey()


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
