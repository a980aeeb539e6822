"""What broke before an answer came: certainly not sent only where nothing can have been."""

from __future__ import annotations

import pytest
import requests
import urllib3

from almajob.alma.failures import failure
from almajob.errors import BrokenOff, NotSent

POOL = urllib3.HTTPConnectionPool("127.0.0.1")
HOST = "api-na.hosted.exlibrisgroup.com"


def _through_a_proxy(first: Exception) -> requests.RequestException:
    """Wrap as requests and urllib3 do where there is a proxy."""
    reason = urllib3.exceptions.ProxyError("Unable to connect to proxy", first)
    return requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(POOL, "/", reason))


@pytest.mark.parametrize(
    "first",
    [
        urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("127.0.0.1"), "refused"),
        urllib3.exceptions.ConnectTimeoutError(),
        OSError("Tunnel connection failed: 403 Forbidden"),
    ],
)
def test_a_proxy_that_lets_nothing_through_has_sent_nothing(first: Exception) -> None:
    """Not reached, or it refused to connect."""
    assert isinstance(failure(_through_a_proxy(first), HOST), NotSent)


@pytest.mark.parametrize(
    "first",
    [
        ConnectionResetError(104, "Connection reset by peer"),
        urllib3.exceptions.ProtocolError("Connection aborted."),
        OSError("EOF"),
    ],
)
def test_a_connection_that_breaks_behind_a_proxy_may_have_sent_all(first: Exception) -> None:
    """urllib3 calls that a ProxyError too; the start must be looked for."""
    found = failure(_through_a_proxy(first), HOST)
    assert isinstance(found, BrokenOff)
    assert not isinstance(found, NotSent)
