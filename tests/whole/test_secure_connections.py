"""A server that cannot prove who it is gets nothing: no key, no start, and a message that says so."""

from __future__ import annotations

import json
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from urllib3.util.ssl_ import create_urllib3_context

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from tests.conftest import Run
from tests.support.raw_server import RawServer, saying

ERP = "ERP export using profile FINANCE"
KEY = "simulator-sandbox-key"
DAY = timedelta(days=1)
NAMES = ("localhost", "127.0.0.1")
Write = Callable[..., Path]
COMMANDS = {"list": ("list", "-f", "json"), "run": ("run", "--job", ERP, "-f", "json")}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """The certificate of the authority that signed the server's, as an inspecting proxy's is given."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _context(
    authority: trustme.CA,
    names: tuple[str, ...] = NAMES,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_before=since, not_after=until).configure_cert(context)
    return context


def _old(authority: trustme.CA) -> ssl.SSLContext:
    """A server that has not been renewed since TLS 1.1."""
    context = _context(authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _with_other_ciphers(authority: trustme.CA) -> ssl.SSLContext:
    context = _context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    return context


def _simulator(authority: trustme.CA, write_ini: Write, host: str = "127.0.0.1") -> Simulator:
    """Make a simulator that can prove who it is, and name it as the sandbox."""
    simulator = Simulator(Institution(), tls=_context(authority))
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = https://{host}:{simulator.port}\n")
    return simulator


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    authority: trustme.CA,
    ca_file: Path,
    almajob: Run,
    write_ini: Write,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    host: str,
) -> None:
    """By the variables that requests reads; for a name and for an address."""
    monkeypatch.setenv(variable, str(ca_file))
    with _simulator(authority, write_ini, host):
        done = almajob("--env", "sandbox", "list")
    assert (done.code, done.err) == (0, "")
    assert ERP in done.out


def _refused(almajob: Run, command: str, *parts: str) -> None:
    """Exit code 6; nothing was started, and that is certain; why, in six lines."""
    done = almajob("--env", "sandbox", *COMMANDS[command])
    assert done.code == 6
    for part in parts:
        assert part in done.err
    assert len(done.err.splitlines()) <= 6
    if command == "run":
        shown = json.loads(done.out)
        assert (shown["state"], shown["retry_safe"]) == ("NOT_STARTED", True)


NOW = datetime.now(UTC)
SERVERS: dict[str, tuple[Callable[[trustme.CA], ssl.SSLContext | None], str]] = {
    "another name": (
        lambda known: _context(known, ("elsewhere.example",)),
        "for another name. OpenSSL says: IP address mismatch",
    ),
    "unknown authority": (lambda _known: _context(trustme.CA()), "OpenSSL says: unable to get local issuer"),
    "expired": (
        lambda known: _context(known, since=NOW - 2 * DAY, until=NOW - DAY),
        "has expired, or this machine's clock is wrong",
    ),
    "not yet valid": (
        lambda known: _context(known, since=NOW + DAY, until=NOW + 2 * DAY),
        "not valid yet, or this machine's clock is wrong",
    ),
    "TLS 1.1": (_old, "OpenSSL says: "),
    "other ciphers": (_with_other_ciphers, "No secure connection"),
    "no TLS": (lambda _known: None, "OpenSSL says: wrong version number"),
}


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("make", "part"), SERVERS.values(), ids=SERVERS)
def test_a_server_that_cannot_be_trusted_gets_nothing(
    authority: trustme.CA,
    ca_file: Path,
    almajob: Run,
    write_ini: Write,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[trustme.CA], ssl.SSLContext | None],
    part: str,
    command: str,
) -> None:
    """No request with the key in it: the connection ends before there is one."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    with RawServer(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), make(authority), patience=0.2) as server:
        write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = https://127.0.0.1:{server.port}\n")
        _refused(almajob, command, part)
    assert server.connections > 0
    assert not [request for request in server.received if b"HTTP/" in request or KEY.encode() in request]


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("REQUESTS_CA_BUNDLE", "missing.pem", "certificate settings of this machine"),
        ("REQUESTS_CA_BUNDLE", "rubbish.pem", "names has no certificates"),
        ("REQUESTS_CA_BUNDLE", "damaged.pem", "names has no certificates"),
        ("CURL_CA_BUNDLE", "rubbish.pem", "names has no certificates"),
        ("REQUESTS_CA_BUNDLE", ".", "not signed by an authority that is trusted here"),
        # requests has authorities of its own, and does not look there.
        ("SSL_CERT_FILE", "ca.pem", "not signed by an authority that is trusted here"),
        ("PYTHONHTTPSVERIFY", "0", "not signed by an authority that is trusted here"),
    ],
)
def test_a_wrong_setting_of_certificates_trusts_nobody(
    authority: trustme.CA,
    ca_file: Path,
    almajob: Run,
    write_ini: Write,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    part: str,
    command: str,
) -> None:
    """Neither everybody, nor an end without a word."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    ca_file.with_name("rubbish.pem").write_text("rubbish\n", "ascii")
    ca_file.with_name("damaged.pem").write_text(f"{begin}\nAAAA\n{end}\n", "ascii")
    monkeypatch.setenv(variable, value if value == "0" else str(ca_file.parent / value))
    with _simulator(authority, write_ini) as simulator:
        _refused(almajob, command, part)
    assert simulator.institution.log.total == 0


def _lax_authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Make the certificate of an authority whose basic constraints are not critical, as of many proxies."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A proxy that inspects")])
    public = key.public_key()
    return (
        _certificate(name, name, public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    return builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)


def _signed_by(key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, path: Path) -> ssl.SSLContext:
    own = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(x509.Name([]), authority.subject, own.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_an_authority_that_python_refuses_from_3_13_on_is_told(
    almajob: Run, write_ini: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In OpenSSL's words, with what to do; that it is expired or for another name is not said."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _lax_authority(key)
    (tmp_path / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))

    # As urllib3 makes them from Python 3.13 on.
    def make_strict(*given: Any, **more: Any) -> ssl.SSLContext:
        context = create_urllib3_context(*given, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr("urllib3.connection.create_urllib3_context", make_strict)
    with Simulator(Institution(), tls=_signed_by(key, authority, tmp_path / "server.pem")) as simulator:
        write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = https://127.0.0.1:{simulator.port}\n")
        done = almajob("--env", "sandbox", "list")
    assert (done.code, done.out) == (6, "")
    assert "OpenSSL says: Basic Constraints of CA cert not marked critical." in done.err
    assert "breaks a rule that Python checks from 3.13 on" in done.err
    assert "Until then run almajob with Python 3.11 or 3.12" in done.err
    assert "expired" not in done.err
