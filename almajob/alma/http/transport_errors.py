"""An exchange that failed before an answer came: what certainly did not arrive, and what may have.

Only failures that are raised before anything is sent count as not sent. The exceptions' own texts are not
used: they quote URLs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from almajob.errors import AlmajobError, BrokenOff, NotAlma, NotSent, OwnFault, Unreachable
from almajob.system.deadline import DeadlinePassed, NoThread

if TYPE_CHECKING:
    import requests

SIZE_LIMIT = 8 * 2**20
"""The most decoded bytes that one answer may have; a page of 100 jobs has about 30,000."""


# Why a certificate was not accepted, by OpenSSL's numbers: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_UNTRUSTED = {
    0: "Its certificate is not valid for this name, has expired, or is signed by nobody known here.",
    9: "Its certificate is not valid yet, or this machine's clock is wrong.",
    10: "Its certificate has expired, or this machine's clock is wrong.",
    **dict.fromkeys((18, 19, 20, 21), "Its certificate is signed by nobody known here."),
    **dict.fromkeys((62, 64), "Its certificate is for another name."),
}
# The parts of OpenSSL that read files, before there is a connection.
_OF_FILES = {"X509", "PEM"}


def too_large(host: str) -> NotAlma:
    """Return the error of an answer that is too large to be Alma's."""
    return NotAlma(
        f"The answer of {host} is larger than {SIZE_LIMIT >> 20} MiB.",
        hint="Alma does not answer so: check region or base_url in the ini.",
    )


def damaged_answer(host: str) -> NotAlma:
    """Return the error of an answer that cannot be unpacked, or put together."""
    return NotAlma(
        f"The answer of {host} is damaged.",
        hint="A proxy may be in between; if not, check region or base_url in the ini.",
    )


def not_sent(host: str, error: Exception) -> NotSent:
    """Return the error of a request that something here kept from being sent."""
    if isinstance(error, NotSent):
        return error
    if isinstance(error, AlmajobError):
        return OwnFault(error.message, reason=error.reason, hint=error.hint)
    return OwnFault(f"Nothing was sent to {host}.", reason=f"almajob failed before: {type(error).__name__}.")


def failure(broken: Exception, host: str) -> Unreachable:
    """Judge what ended an exchange.

    Args:
        broken: a RequestException, the OSError or ValueError of a wrong proxy or certificate setting, or what
            ``deadline.run_within`` raises by itself.
    """
    if isinstance(broken, NoThread):
        return OwnFault(
            f"{host} was not called: this machine gives almajob no more threads.",
            hint="Raise the limit of processes (ulimit -u, TasksMax= of systemd), or give it more memory.",
        )
    if isinstance(broken, DeadlinePassed):
        if broken.was_permitted:
            return _broken_off(host, "The time limit was reached.")
        return NotSent(
            f"{host} was not reached in time; nothing was sent.",
            reason="The time limit passed before there was a connection.",
            hint="Check this machine's network, name servers and proxy settings (HTTPS_PROXY), "
            "or try again later.",
        )
    import requests

    cause = getattr(broken.args[0], "reason", None) if broken.args else None
    kind = type(cause).__name__
    if not isinstance(broken, requests.RequestException) or _is_bad_setting(broken):
        # requests refuses most wrong settings before it sends; of the others that is not certain.
        certain = isinstance(broken, requests.RequestException)
        return (OwnFault if certain else Unreachable)(
            f"{host} cannot be called with the proxy or certificate settings of this machine.",
            hint="Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and REQUESTS_CA_BUNDLE; base_url in the ini too.",
        )
    if isinstance(broken, requests.exceptions.SSLError):
        return _no_secure_connection(cause, host)
    if kind == "NameResolutionError":
        return NotSent(
            f"There is no host {host}, or no name server answers.",
            hint="Check region or base_url in the ini, and this machine's network.",
        )
    through_proxy = _never_got_through(cause)
    if through_proxy or kind in {"NewConnectionError", "ConnectTimeoutError"}:
        return (OwnFault if through_proxy else NotSent)(
            f"No connection to {host} could be made.",
            hint="Check this machine's network and proxy settings (HTTPS_PROXY), or try again later; "
            "for a server of your own, whether it is running.",
        )
    if isinstance(broken, requests.exceptions.ContentDecodingError):
        return damaged_answer(host)
    is_late = isinstance(broken, requests.Timeout)
    return _broken_off(host, "The time limit was reached." if is_late else "The connection broke.")


def _broken_off(host: str, reason: str) -> BrokenOff:
    return BrokenOff(
        f"{host} did not answer completely.", reason=reason, hint="Try again; if it stays, Alma may be down."
    )


def _never_got_through(cause: object) -> bool:
    """Whether a proxy was not reached, or refused to connect to the server.

    urllib3 calls a connection that broke after the request was sent a ProxyError too, where there is a proxy.
    """
    if type(cause).__name__ != "ProxyError":
        return False
    first = getattr(cause, "original_error", None)
    return type(first).__name__ in {"NewConnectionError", "ConnectTimeoutError", "NameResolutionError"} or (
        isinstance(first, OSError) and str(first).startswith("Tunnel connection failed")
    )


def _is_bad_setting(broken: requests.RequestException) -> bool:
    import requests.exceptions as kinds

    # InvalidURL, InvalidSchema and InvalidProxyURL are ValueErrors too, as are broken proxy settings.
    return isinstance(broken, (kinds.InvalidURL, kinds.InvalidSchema, kinds.MissingSchema))


def _no_secure_connection(cause: object, host: str) -> Unreachable:
    import ssl

    first = next(iter(getattr(cause, "args", ())), None)
    if isinstance(first, ssl.SSLCertVerificationError):
        return OwnFault(
            f"{host} could not prove that it is {host}.",
            reason=_UNTRUSTED.get(getattr(first, "verify_code", 0), _UNTRUSTED[0]),
            hint="Check region or base_url; REQUESTS_CA_BUNDLE names an inspecting proxy's certificate.",
        )
    if getattr(first, "library", "") in _OF_FILES:
        return OwnFault(
            f"No secure connection to {host} came about.",
            reason="The file of certificates that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names has none.",
            hint="Name a file of certificates in PEM format.",
        )
    return BrokenOff(
        f"No secure connection to {host} came about.",
        reason="It may not speak TLS, or none newer than 1.1, or ask for a certificate of this machine.",
        hint="Check region, base_url and any proxy.",
    )
