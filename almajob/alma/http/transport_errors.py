"""An exchange that failed before an answer came: what certainly did not arrive, and what may have.

Only failures that are raised before anything is sent count as not sent. The exceptions' own texts are not
used: they quote URLs. What OpenSSL itself says has at most the name of a host in it, and is always shown.
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
_STRICT = range(80, 95)
_UNTRUSTED = {
    9: "Its certificate is not valid yet, or this machine's clock is wrong.",
    10: "Its certificate has expired, or this machine's clock is wrong.",
    **dict.fromkeys((18, 19, 20, 21), "Its certificate is not signed by an authority that is trusted here."),
    **dict.fromkeys((62, 64), "Its certificate is for another name."),
    **dict.fromkeys(
        _STRICT, "Its certificate, or that of its authority, breaks a rule that Python checks from 3.13 on."
    ),
}
_PROXYS_CERTIFICATE = "REQUESTS_CA_BUNDLE names the file with the certificate of an inspecting proxy."
_STRICT_ADVICE = (
    "If an inspecting proxy made it, ask for a proxy certificate that follows RFC 5280.\n"
    "Until then run almajob with Python 3.11 or 3.12, which do not check them."
)
# The parts of OpenSSL that read files, before there is a connection.
_OF_FILES = {"X509", "PEM"}


def too_large(host: str) -> NotAlma:
    """Return the error of an answer that is too large to be Alma's."""
    return NotAlma(
        f"The answer of {host} is larger than {SIZE_LIMIT >> 20} MiB.",
        hint="Alma's answers are smaller: check region or base_url in the configuration file.",
    )


def damaged_answer(host: str) -> NotAlma:
    """Return the error of an answer that cannot be unpacked, or put together."""
    return NotAlma(
        f"The answer of {host} is damaged.",
        hint="A proxy may be in between. If not, check region or base_url in the configuration file.",
    )


def not_sent(host: str, error: Exception) -> NotSent:
    """Return the error of a request that something here kept from being sent."""
    if isinstance(error, NotSent):
        return error
    if isinstance(error, AlmajobError):
        return OwnFault(error.message, reason=error.reason, hint=error.hint)
    return OwnFault(
        f"Nothing was sent to {host}.", reason=f"almajob itself failed first: {type(error).__name__}."
    )


def certify_not_sent(error: AlmajobError) -> AlmajobError:
    """Return an error that says what is certain, where not one byte of a request has left."""
    if isinstance(error, BrokenOff | NotAlma):
        return NotSent(error.message, reason=error.reason, hint=error.hint)
    return error


def failure(broken: Exception, host: str) -> Unreachable:
    """Judge what ended an exchange.

    Args:
        broken: a RequestException, the OSError or ValueError of a wrong proxy or certificate setting, or what
            ``deadline.run_within`` raises by itself.
    """
    if isinstance(broken, NoThread):
        return OwnFault(
            f"{host} was not called: almajob cannot start another thread on this machine.",
            hint="Raise the limit of processes (ulimit -u, TasksMax= of systemd), or give it more memory.",
        )
    if isinstance(broken, DeadlinePassed):
        if broken.was_permitted:
            return _broken_off(host, "The time limit was reached.")
        return NotSent(
            f"{host} was not reached in time. Nothing was sent.",
            reason="The time limit passed before a connection was made.",
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
            hint="Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and REQUESTS_CA_BUNDLE, and base_url.",
        )
    if isinstance(broken, requests.exceptions.SSLError):
        return _no_secure_connection(cause, host)
    if kind == "NameResolutionError":
        return NotSent(
            f"The host {host} cannot be found, or no name server answers.",
            hint="Check region or base_url in the configuration file, and this machine's network.",
        )
    of_proxy = getattr(cause, "original_error", None) if kind == "ProxyError" else None
    if type(of_proxy).__name__ == "SSLError":
        return _no_secure_connection(of_proxy, "the proxy")
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
        f"{host} did not answer completely.",
        reason=reason,
        hint="Try again. If it persists, Alma may be down.",
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
    openssl = _describe_openssl(first)
    if isinstance(first, ssl.SSLCertVerificationError):
        code = getattr(first, "verify_code", 0)
        is_strict = code in _STRICT
        return OwnFault(
            f"The certificate of {host} was not accepted.",
            reason=f"{_UNTRUSTED.get(code, '')} {openssl}".strip(),
            hint=_STRICT_ADVICE if is_strict else f"Check region or base_url. {_PROXYS_CERTIFICATE}",
        )
    message = f"No secure connection to {host} could be made."
    if getattr(first, "library", "") in _OF_FILES:
        return OwnFault(
            message,
            reason=f"The file that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names has no certificates. {openssl}",
            hint="Name a file of certificates in PEM format.",
        )
    return BrokenOff(
        message,
        reason=openssl,
        hint="The server may not support TLS 1.2 or newer, or may ask for a client certificate.\n"
        "Check region, base_url and any proxy.",
    )


def _describe_openssl(error: object) -> str:
    """Return OpenSSL's own reason as a sentence."""
    reason = str(getattr(error, "reason", None) or "").replace("_", " ").lower()
    # Of a certificate the reason is only that it was not accepted.
    text = str(getattr(error, "verify_message", None) or reason)
    return f"OpenSSL says: {text.rstrip('.')}." if text else "OpenSSL gives no reason."
