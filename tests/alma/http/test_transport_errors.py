"""What broke before an answer came: certainly not sent only where nothing can have been."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
import requests
import requests.exceptions as kinds
import urllib3

from almajob.alma.http.transport_errors import (
    SIZE_LIMIT,
    failure,
    not_sent,
    too_large,
)
from almajob.errors import BrokenOff, NotAlma, NotSent, OwnFault, Refused, Unreachable
from almajob.system.deadline import DeadlinePassed, NoThread

POOL = urllib3.HTTPConnectionPool("127.0.0.1")
HOST = "api-na.hosted.exlibrisgroup.com"
CONNECTION = urllib3.connection.HTTPConnection("127.0.0.1")
REFUSED = urllib3.exceptions.NewConnectionError(CONNECTION, "refused")
NO_NAME = urllib3.exceptions.NameResolutionError(HOST, CONNECTION, socket.gaierror(-2, "unknown"))
LATE = urllib3.exceptions.ConnectTimeoutError()


def _through_a_proxy(first: Exception) -> requests.RequestException:
    """Wrap as requests and urllib3 do where there is a proxy."""
    reason = urllib3.exceptions.ProxyError("Unable to connect to proxy", first)
    return requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(POOL, "/", reason))


@pytest.mark.parametrize(
    "first",
    [
        REFUSED,
        LATE,
        NO_NAME,
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
        ValueError("Tunnel connection failed"),
    ],
)
def test_a_connection_that_breaks_behind_a_proxy_may_have_sent_all(first: Exception) -> None:
    """urllib3 calls that a ProxyError too; the start must be looked for."""
    found = failure(_through_a_proxy(first), HOST)
    assert isinstance(found, BrokenOff)
    assert not isinstance(found, NotSent)


def _behind(reason: Exception, kind: type[requests.ConnectionError] = requests.ConnectionError) -> Exception:
    """Wrap as requests does what urllib3 gave up for."""
    return kind(urllib3.exceptions.MaxRetryError(POOL, "/", reason))


def _untrusted(code: int | None) -> Exception:
    """Return what the check of a certificate raises."""
    error: Any = ssl.SSLCertVerificationError("certificate verify failed")
    if code is not None:
        error.verify_code = code
    return _behind(urllib3.exceptions.SSLError(error), kinds.SSLError)


def _not_read(library: str) -> Exception:
    """Return what a part of OpenSSL raises."""
    error: Any = ssl.SSLError("no certificate or crl found")
    error.library = library
    return _behind(urllib3.exceptions.SSLError(error), kinds.SSLError)


SETTINGS = "cannot be called with the proxy or certificate settings of this machine"
NO_CONNECTION = "No connection to"
NO_ANSWER = "did not answer completely"


@pytest.mark.parametrize(
    ("broken", "kind", "what"),
    [
        (kinds.InvalidURL("x"), OwnFault, SETTINGS),
        (kinds.InvalidProxyURL("x"), OwnFault, SETTINGS),
        (kinds.InvalidSchema("x"), OwnFault, SETTINGS),
        (kinds.MissingSchema("x"), OwnFault, SETTINGS),
        (OSError("no such certificate bundle"), Unreachable, SETTINGS),
        (ValueError("a proxy without a host"), Unreachable, SETTINGS),
        (_behind(NO_NAME), NotSent, "There is no host"),
        (_behind(REFUSED), NotSent, NO_CONNECTION),
        (_behind(LATE, requests.ConnectTimeout), NotSent, NO_CONNECTION),
        (kinds.ContentDecodingError(urllib3.exceptions.DecodeError("gzip")), NotAlma, "is damaged"),
        (requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(POOL, "/", "late")), BrokenOff, NO_ANSWER),
        (requests.Timeout(), BrokenOff, NO_ANSWER),
        (requests.ConnectionError(), BrokenOff, NO_ANSWER),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("cut off")), BrokenOff, NO_ANSWER),
        (kinds.ChunkedEncodingError(urllib3.exceptions.ProtocolError("cut off")), BrokenOff, NO_ANSWER),
        (requests.exceptions.SSLError(), BrokenOff, "No secure connection"),
        (_behind(ssl.SSLError("handshake"), kinds.SSLError), BrokenOff, "No secure connection"),
        (
            _behind(urllib3.exceptions.SSLError(ssl.SSLError("handshake")), kinds.SSLError),
            BrokenOff,
            "No secure connection",
        ),
        (_untrusted(10), OwnFault, "could not prove that it is"),
        (_untrusted(None), OwnFault, "could not prove that it is"),
        (_not_read("X509"), OwnFault, "No secure connection"),
        (_not_read("PEM"), OwnFault, "No secure connection"),
        (_not_read("SSL"), BrokenOff, "No secure connection"),
    ],
)
def test_what_is_raised_proves_what_it_proves(broken: Exception, kind: type[Unreachable], what: str) -> None:
    """Exactly this kind, as a start is sent again only where it is certain that nothing arrived."""
    found = failure(broken, HOST)
    assert type(found) is kind
    assert what in found.message
    assert HOST in found.message
    assert found.hint
    assert len(str(found).splitlines()) <= 6


@pytest.mark.parametrize("name", ["AProxyError", "ZProxyError"])
def test_only_what_urllib3_calls_a_proxys_error_is_one(name: str) -> None:
    """Whatever else holds the same cause may have sent all."""
    cause: Any = type(name, (Exception,), {"original_error": OSError("Tunnel connection failed")})()
    assert type(failure(_behind(cause), HOST)) is BrokenOff


def test_the_first_argument_tells_why() -> None:
    """Whatever stands behind it."""
    broken = requests.ConnectionError(urllib3.exceptions.MaxRetryError(POOL, "/", REFUSED), "more")
    assert type(failure(broken, HOST)) is NotSent


def test_the_reason_of_a_broken_answer_is_told() -> None:
    """A connection that breaks is not one that is late."""
    assert failure(requests.ConnectionError(), HOST).reason == "The connection broke."
    for late in (requests.Timeout(), DeadlinePassed(was_permitted=True)):
        found = failure(late, HOST)
        assert type(found) is BrokenOff
        assert found.reason == "The time limit was reached."


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (9, "not valid yet"),
        (10, "has expired, or this machine's clock"),
        *((number, "Its certificate is signed by nobody known here.") for number in (18, 19, 20, 21)),
        *((number, "is for another name.") for number in (62, 64)),
        *(
            (number, "has expired, or is signed by nobody")
            for number in (0, 1, 7, 8, 11, 17, 22, 61, 63, 65, None)
        ),
    ],
)
def test_why_a_certificate_is_not_trusted_is_told(code: int | None, why: str) -> None:
    """By OpenSSL's number; where that is another or none, all that may be."""
    assert why in failure(_untrusted(code), HOST).reason


def test_an_answer_that_is_too_large_is_none_of_almas() -> None:
    """The limit is told in MiB, and is one that every real answer keeps to."""
    assert SIZE_LIMIT == 8_388_608
    assert too_large(HOST).message == f"The answer of {HOST} is larger than {SIZE_LIMIT // 1_048_576} MiB."


def test_a_call_that_was_not_begun_sent_nothing() -> None:
    """This machine gives no more threads; the host is not to blame."""
    found = failure(NoThread(), HOST)
    assert type(found) is OwnFault
    assert found.message.startswith(f"{HOST} was not called")
    assert "ulimit -u" in found.hint


def test_a_call_that_came_too_late_to_be_sent_sent_nothing() -> None:
    """Which is told, with what may have taken so long."""
    found = failure(DeadlinePassed(), HOST)
    assert type(found) is NotSent
    assert found.message == f"{HOST} was not reached in time; nothing was sent."
    assert "name servers and proxy settings" in found.hint


def test_what_keeps_a_call_from_being_sent_is_told_in_its_own_words() -> None:
    """It is a fault of this machine; another error's name is enough, as its text may be anything."""
    own = NotSent("Too old.")
    assert not_sent(HOST, own) is own
    refused = not_sent(HOST, Refused("The ledger cannot be used.", reason="It is full.", hint="Make room."))
    assert type(refused) is OwnFault
    assert (refused.message, refused.reason, refused.hint) == (
        "The ledger cannot be used.",
        "It is full.",
        "Make room.",
    )
    other = not_sent(HOST, ValueError("secret"))
    assert type(other) is OwnFault
    assert str(other) == f"Nothing was sent to {HOST}.\n  almajob failed before: ValueError."
