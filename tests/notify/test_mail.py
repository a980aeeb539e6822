"""Mails, as a real SMTP server gets them, and as it refuses them."""

from __future__ import annotations

import email.message
import socket
import ssl
import stat
from pathlib import Path

import pytest
import trustme

from almajob.errors import ConfigurationError
from almajob.notify.notifier import SendFailed
from tests.support.mail_server import PASSWORD, USER, MailServer
from tests.support.notifications import ENDED, make, make_named, make_notifier

TO = "Ada Lovelace <ada@example.org>, ops@example.org"
HOSTILE = "x\r\nBcc: eve@example.org\r\n\r\nbody \x1b[31m\u202e\u2028y"


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _settings(server: MailServer, security: str = "none", **more: object) -> dict[str, object]:
    return {
        "type": "mail",
        "to": TO,
        "from": "almajob <jobs@example.edu>",
        "smtp": f"127.0.0.1:{server.port}",
        "security": security,
        **more,
    }


def test_a_mail_has_what_is_enough_to_act_on(tmp_path: Path) -> None:
    """Job, environment, status, alerts, counters, how long and how long usually, what to type."""
    with MailServer() as server:
        make_notifier(tmp_path, _settings(server)).send(make())
    (mail,) = server.mails
    assert server.recipients == [["ada@example.org", "ops@example.org"]]
    assert mail["Subject"] == "FAILED: Loans <sync> & *more* (production)"
    assert mail["From"] == "almajob <jobs@example.edu>"
    assert mail["To"] == TO
    body = mail.get_content()
    for part in (
        "ended with COMPLETED_FAILED.",
        "Job:          Loans <sync> & *more* (M44)",
        "Environment:  production",
        "Process ID:   9563643081200561",
        "Status:       COMPLETED_FAILED (Completed with Errors)",
        "Took:         1 h 05 min (usually 30 min 00 s)",
        "  3 records failed.",
        "  Records that failed: 3",
        "  Its report: almajob --env production status 9563643081200561",
    ):
        assert part in body


def test_mails_of_a_job_are_a_thread_that_nobody_answers_automatically(tmp_path: Path) -> None:
    """Each event has an id of its own, for good, and all of a job refer to the same one."""
    with MailServer() as server:
        for notification in (make(), make(), make(id="another")):
            make_notifier(tmp_path, _settings(server)).send(notification)
    first, again, other = server.mails
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"] == other["In-Reply-To"]
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["X-Auto-Response-Suppress"] == "All"
    assert first["Message-ID"].endswith("@example.edu>")


def test_a_name_cannot_add_a_header(tmp_path: Path) -> None:
    """Nor steer a terminal, nor turn the text around; other alphabets stay as they are."""
    with MailServer() as server:
        for name in (HOSTILE, "Überträge 貸出 " * 40):
            make_notifier(tmp_path, _settings(server)).send(make_named(name))
    hostile, long = server.mails
    assert hostile.keys() == long.keys()
    assert "Bcc" not in hostile
    assert server.recipients[0] == ["ada@example.org", "ops@example.org"]
    assert not {"\x1b", "\u202e", "\u2028"} & set(f"{hostile['Subject']}{hostile.get_content()}")
    assert str(long["Subject"]).startswith("FAILED: Überträge 貸出")
    assert "Überträge 貸出" in long.get_content()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_tls_after_a_login(tmp_path: Path, authority: trustme.CA, security: str) -> None:
    """With a certificate that is trusted, and a password that stands in a file."""
    secret = tmp_path / "smtp.key"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    secret.chmod(0o600)
    with MailServer(_context(authority), is_tls=security == "tls", needs_login=True) as server:
        given = _settings(server, security, ca_file="ca.pem", user=USER, password_file="smtp.key")
        make_notifier(tmp_path, given).send(make())
        assert len(server.mails) == 1
        del given["ca_file"]
        with pytest.raises(SendFailed, match=r"(?i)certificate") as failed:
            make_notifier(tmp_path, given).send(make())
        assert failed.value.is_down
        secret.write_text("Another-password", "utf-8")
        with pytest.raises(SendFailed, match="refuses the login: 535"):
            make_notifier(tmp_path, {**given, "ca_file": "ca.pem"}).send(make())
    assert len(server.mails) == 1


def test_a_server_that_has_no_tls_gets_no_password(tmp_path: Path) -> None:
    """Where it was to have some."""
    with MailServer() as server:
        given = _settings(server, "starttls", user=USER, password=PASSWORD)
        with pytest.raises(SendFailed, match="STARTTLS"):
            make_notifier(tmp_path, given).send(make())
    assert server.mails == []


def test_a_recipient_who_is_refused_keeps_no_other_from_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a warning: whoever got the mail must not get it again. If all are refused, it was not sent."""
    with MailServer() as server:
        server.refused = {"ada@example.org"}
        make_notifier(tmp_path, _settings(server)).send(make())
        assert "refuses ada@example.org (550 no such user)" in caplog.text
        server.refused |= {"ops@example.org"}
        with pytest.raises(SendFailed, match="refuses all recipients"):
            make_notifier(tmp_path, _settings(server)).send(make())
    assert server.recipients == [["ops@example.org"]]


def test_a_server_that_does_not_want_a_mail_says_why(tmp_path: Path) -> None:
    """One that is busy may take it later."""
    with MailServer() as server:
        server.answer = lambda _envelope: "451 try again later"
        with pytest.raises(SendFailed, match="451 try again later"):
            make_notifier(tmp_path, _settings(server)).send(make())


def test_a_server_that_is_down_or_silent_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is tried there for now."""
    monkeypatch.setattr("almajob.notify.mail._SECONDS", 0.2)
    with MailServer() as server:
        pass
    with pytest.raises(SendFailed, match=r"127\.0\.0\.1: Connection refused") as failed:
        make_notifier(tmp_path, _settings(server)).send(make())
    assert failed.value.is_down
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = {**_settings(server), "smtp": f"127.0.0.1:{silent.getsockname()[1]}"}
        with pytest.raises(SendFailed) as failed:
            make_notifier(tmp_path, given).send(make())
    assert failed.value.is_down


def test_without_a_server_the_machines_sendmail_gets_it(tmp_path: Path) -> None:
    """With the recipients as its arguments, and no shell in between."""
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/mail\n', "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    given = {"type": "mail", "to": TO, "from": "jobs@example.edu", "sendmail": program}
    make_notifier(tmp_path, given).send(make())
    assert (tmp_path / "args").read_text() == "-i -- ada@example.org ops@example.org\n"
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes())
    assert mail["To"] == TO
    assert b"\r" not in (tmp_path / "mail").read_bytes()
    program.write_text("#!/bin/sh\necho no >&2\nexit 75\n", "utf-8")
    with pytest.raises(SendFailed, match="exit code 75: no"):
        make_notifier(tmp_path, given).send(make())
    with pytest.raises(SendFailed, match="No such file"):
        make_notifier(tmp_path, {**given, "sendmail": tmp_path / "none"}).send(make())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": ""}, "has no recipient"),
        ({"to": "ada"}, "not a mail address"),
        ({"to": "a b@example.org"}, "not a mail address"),
        ({"security": "ssl"}, "security is one of"),
        ({"smtp": "host:port"}, "smtp is not a server"),
        ({"user": "ada"}, "go together"),
        ({"smtp": "mail.example.org", "security": "none", "user": "a", "password": "b" * 8}, "in the clear"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Before anything is sent."""
    given = {"type": "mail", "to": "ada@example.org", "smtp": "mail.example.org", **changes}
    with pytest.raises(ConfigurationError, match=message):
        make_notifier(tmp_path, given).check()


def test_the_id_of_an_event_is_not_that_of_its_mail() -> None:
    """What a mail says of itself is a digest, as ids may have any character."""
    assert ENDED.id not in str(make().subject)
