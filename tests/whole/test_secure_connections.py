"""A server that cannot prove who it is gets nothing: no key, no start, and a message that says so."""

from __future__ import annotations

import json
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

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
    "another name": (lambda known: _context(known, ("elsewhere.example",)), "for another name"),
    "unknown authority": (lambda _known: _context(trustme.CA()), "signed by nobody known here"),
    "expired": (
        lambda known: _context(known, since=NOW - 2 * DAY, until=NOW - DAY),
        "has expired, or this machine's clock is wrong",
    ),
    "not yet valid": (
        lambda known: _context(known, since=NOW + DAY, until=NOW + 2 * DAY),
        "not valid yet, or this machine's clock is wrong",
    ),
    "TLS 1.1": (_old, "none newer than 1.1"),
    "other ciphers": (_with_other_ciphers, "No secure connection"),
    "no TLS": (lambda _known: None, "No secure connection"),
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
        ("REQUESTS_CA_BUNDLE", "rubbish.pem", "names has none"),
        ("REQUESTS_CA_BUNDLE", "damaged.pem", "names has none"),
        ("CURL_CA_BUNDLE", "rubbish.pem", "names has none"),
        ("REQUESTS_CA_BUNDLE", ".", "signed by nobody known here"),
        # requests has authorities of its own, and does not look there.
        ("SSL_CERT_FILE", "ca.pem", "signed by nobody known here"),
        ("PYTHONHTTPSVERIFY", "0", "signed by nobody known here"),
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
