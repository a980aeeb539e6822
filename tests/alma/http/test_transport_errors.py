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
    certify_not_sent,
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
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    if code is not None:
        error.verify_code, error.verify_message = code, f"reason number {code}"
    return _behind(urllib3.exceptions.SSLError(error), kinds.SSLError)


def _not_read(library: str) -> Exception:
    """Return what a part of OpenSSL raises."""
    error: Any = ssl.SSLError("no certificate or crl found")
    error.library, error.reason = library, "NO_CERTIFICATE_OR_CRL_FOUND"
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
        (_behind(NO_NAME), NotSent, "cannot be found"),
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
        (_untrusted(10), OwnFault, "was not accepted"),
        (_untrusted(None), OwnFault, "was not accepted"),
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
        (9, "not valid yet, or this machine's clock is wrong. "),
        (10, "has expired, or this machine's clock is wrong. "),
        *(
            (number, "Its certificate is not signed by an authority that is trusted here. ")
            for number in (18, 19, 20, 21)
        ),
        *((number, "is for another name. ") for number in (62, 64)),
        *((number, "breaks a rule that Python checks from 3.13 on. ") for number in range(80, 95)),
        *((number, "") for number in (0, 1, 7, 8, 11, 17, 22, 61, 63, 65, 79, 95)),
    ],
)
def test_why_a_certificate_is_not_trusted_is_told(code: int, why: str) -> None:
    """By OpenSSL's number where that is a usual one; and always in OpenSSL's own words."""
    found = failure(_untrusted(code), HOST)
    assert found.reason.endswith(f"{why}OpenSSL says: reason number {code}.")
    assert ("Until then run almajob with Python 3.11 or 3.12" in found.hint) is (80 <= code < 95)
    if not why:
        assert found.reason.startswith("OpenSSL says")


def test_openssl_is_quoted_where_it_gives_no_number() -> None:
    """With its general reason; and it is said where there is none."""
    assert failure(_untrusted(None), HOST).reason == "OpenSSL says: certificate verify failed."
    assert failure(_not_read("PEM"), HOST).reason.endswith("OpenSSL says: no certificate or crl found.")
    assert failure(_not_read("SSL"), HOST).reason == "OpenSSL says: no certificate or crl found."
    broken = _behind(urllib3.exceptions.SSLError(ssl.SSLError("handshake")), kinds.SSLError)
    assert failure(broken, HOST).reason == "OpenSSL gives no reason."


def test_the_certificate_of_a_proxy_is_told_apart() -> None:
    """It is refused before anything is sent; another fault of its TLS proves nothing."""
    refused: Any = ssl.SSLCertVerificationError("certificate verify failed")
    refused.verify_code, refused.verify_message = 19, "self-signed certificate in certificate chain"
    found = failure(_through_a_proxy(urllib3.exceptions.SSLError(refused)), HOST)
    assert type(found) is OwnFault
    assert found.message == "The certificate of the proxy was not accepted."
    assert "OpenSSL says: self-signed certificate in certificate chain." in found.reason
    other: Any = ssl.SSLError("wrong version number")
    other.reason = "WRONG_VERSION_NUMBER"
    found = failure(_through_a_proxy(urllib3.exceptions.SSLError(other)), HOST)
    assert type(found) is BrokenOff
    assert found.reason == "OpenSSL says: wrong version number."


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
    assert found.message == f"{HOST} was not reached in time. Nothing was sent."
    assert "name servers and proxy settings" in found.hint


@pytest.mark.parametrize("kind", [BrokenOff, NotAlma])
def test_a_break_before_the_first_byte_is_certain(kind: type[Unreachable]) -> None:
    """In the same words; what is certain already stays what it is."""
    found = certify_not_sent(kind("It broke.", reason="Who knows.", hint="Try again."))
    assert type(found) is NotSent
    assert (found.message, found.reason, found.hint) == ("It broke.", "Who knows.", "Try again.")
    refused = Refused("It is full.")
    assert certify_not_sent(refused) is refused


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
    assert str(other) == f"Nothing was sent to {HOST}.\n  almajob itself failed first: ValueError."
