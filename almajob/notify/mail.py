"""Notifications by mail: through an SMTP server, or the sendmail of this machine."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from typing import NamedTuple

from almajob.errors import ConfigurationError, one_line
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier, SendFailed
from almajob.system.clock import system
from almajob.system.key_variables import list_for_child
from almajob.text.host_names import is_loopback
from almajob.text.redaction import Secret
from almajob.text.time_format import to_local

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SECONDS = 30.0
"""How long one answer of a server may take; some make everybody wait for half of that first."""


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] with ``type = mail``."""

    to: tuple[str, ...] = ()
    from_: str = ""
    smtp: str = ""
    security: str = "starttls"
    user: str = ""
    password: Secret | None = None
    ca_file: Path | None = None
    sendmail: Path = Path("/usr/sbin/sendmail")


class Page(NamedTuple):
    """A page that is sent by mail.

    Attributes:
        subject: of the mail.
        text: of the mail, for who does not open the page.
        html: the page.
        file_name: of the page.
    """

    subject: str
    text: str
    html: str
    file_name: str


class Mail(Notifier):
    """Send a mail for each notification; those of a job are a thread."""

    def check(self) -> None:
        """Read the settings, and send nothing."""
        settings = self._read()
        self._parse_server(settings)

    def send(self, notification: Notification) -> None:
        """Send a mail."""
        settings = self._read()
        sender = settings.from_ or _guess_sender()
        self._deliver(make_message(notification, sender, settings.to, self.context.name), settings)

    def send_page(self, page: Page) -> None:
        """Send a page as an attachment.

        Raises:
            SendFailed: it could not be sent.
            ConfigurationError: a setting is wrong.
        """
        settings = self._read()
        message = _begin_message(page.subject, settings.from_ or _guess_sender(), settings.to)
        message["Message-ID"] = make_msgid("almajob", _domain_of(str(message["From"])))
        message.set_content(f"{page.text}\n", cte="quoted-printable")
        # As bytes: the ends of its lines stay as they are.
        message.add_attachment(
            page.html.encode(),
            maintype="text",
            subtype="html",
            filename=page.file_name,
            params={"charset": "utf-8"},
        )
        self._deliver(message, settings)

    def _deliver(self, message: EmailMessage, settings: Settings) -> None:
        if not settings.smtp:
            _send_by_sendmail(settings.sendmail, message, settings.to)
            return
        host, port = self._parse_server(settings)
        try:
            refused = _send_by_smtp(message, host, port, settings)
        except smtplib.SMTPRecipientsRefused as error:
            raise SendFailed(f"{host} refuses all recipients: {_word_refused(error.recipients)}") from None
        except smtplib.SMTPAuthenticationError as error:
            raise SendFailed(f"{host} refuses the login: {_word_answer(error)}", is_down=True) from None
        except smtplib.SMTPResponseException as error:
            raise SendFailed(f"{host}: {_word_answer(error)}") from None
        except ssl.SSLError as error:
            raise SendFailed(f"{host}: {error.reason or 'no secure connection'}", is_down=True) from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SendFailed(f"{host}: {one_line(str(why))}", is_down=True) from None
        if refused:
            # Everybody else has got it, and would get it again.
            self.log.warning("[notify:%s] %s refuses %s", self.context.name, host, _word_refused(refused))

    def _read(self) -> Settings:
        settings = self.context.options(Settings())
        where = f"[notify:{self.context.name}]"
        if not settings.to:
            raise ConfigurationError(
                f"{where} has no recipient.", hint="Write there, for example: to = ops@example.edu"
            )
        for address in (*settings.to, *filter(None, [settings.from_])):
            try:
                found = _parse_address(address)
            except (ValueError, HeaderParseError, IndexError):
                found = None
            # It may have been read in another way than it was meant.
            if found is None or not (found.username and found.domain) or found.addr_spec not in address:
                raise ConfigurationError(f"{where}: this is not a mail address: {one_line(address)!r}.")
        if settings.security not in _PORTS:
            raise ConfigurationError(
                f"{where}: security is one of {', '.join(_PORTS)}.", hint="Write: security = starttls"
            )
        if (settings.user == "") != (settings.password is None):
            raise ConfigurationError(f"{where}: user and password go together.")
        return settings

    def _parse_server(self, settings: Settings) -> tuple[str, int]:
        host, _colon, port = settings.smtp.partition(":")
        if port and not (port.isdecimal() and 0 < int(port) < 2**16):
            raise ConfigurationError(
                f"[notify:{self.context.name}]: smtp is not a server.",
                hint="Write: smtp = HOST, or HOST:PORT",
            )
        if settings.password is not None and settings.security == "none" and not is_loopback(host):
            raise ConfigurationError(
                f"[notify:{self.context.name}] would send the password over the network in the clear.",
                hint="Write: security = starttls, or security = tls",
            )
        return host, int(port or _PORTS[settings.security])


def make_message(
    notification: Notification, sender: str, recipients: tuple[str, ...], name: str
) -> EmailMessage:
    """Make the mail of a notification.

    Args:
        name: of the section, so that two mails about one event have ids of their own.
    """
    facts = notification.facts
    domain = _domain_of(sender)
    # One for each job, which no mail has: so the first mail need not be known to belong to it.
    thread = f"<almajob.{_digest(facts.get('environment'), facts.get('job_id'))}@{domain}>"
    message = _begin_message(notification.subject, sender, recipients)
    message["Message-ID"] = f"<almajob.{_digest(notification.id, name)}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["X-Almajob-Kind"] = notification.kind
    # Not every server takes eight bits.
    message.set_content(f"{notification.text}\n", cte="quoted-printable")
    return message


def _begin_message(subject: str, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    message = EmailMessage(SMTP)
    message["Subject"] = subject
    message["From"] = _parse_address(sender)
    message["To"] = [_parse_address(each) for each in recipients]
    message["Date"] = format_datetime(to_local(system().now()))
    # RFC 3834, and what Exchange goes by: nobody's absence is an answer to it.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    return message


def _domain_of(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _parse_address(text: str) -> Address:
    name, plain = parseaddr(text)
    user, _at, domain = plain.rpartition("@")
    return Address(name, user, domain)


def _digest(*texts: object) -> str:
    return hashlib.sha256("\0".join(map(str, texts)).encode("utf-8", "replace")).hexdigest()[:32]


def _guess_sender() -> str:
    return f"almajob@{socket.getfqdn()}"


def _send_by_smtp(
    message: EmailMessage, host: str, port: int, settings: Settings
) -> dict[str, tuple[int, bytes]]:
    """Send a mail by an SMTP server; return the recipients that it refuses, where it takes others."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    server: smtplib.SMTP
    if settings.security == "tls":
        server = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=_SECONDS)
    try:
        if settings.security == "starttls":
            server.starttls(context=context)
        if settings.password is not None:
            server.login(settings.user, settings.password.reveal())
        refused = server.send_message(message)
    finally:
        # It has the mail, whatever it says to a farewell.
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
    return refused


def _send_by_sendmail(program: Path, message: EmailMessage, recipients: tuple[str, ...]) -> None:
    addresses = [parseaddr(each)[1] for each in recipients]
    try:
        done = subprocess.run(
            [program, "-i", "--", *addresses],
            input=message.as_bytes(policy=message.policy.clone(linesep="\n")),
            capture_output=True,
            timeout=2 * _SECONDS,
            env=list_for_child(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SendFailed(f"{program} did not end", is_down=True) from None
    except OSError as error:
        raise SendFailed(f"{program}: {error.strerror}", is_down=True) from None
    if done.returncode:
        written = one_line(done.stderr.decode("utf-8", "replace"))
        raise SendFailed(f"{program} ended with exit code {done.returncode}: {written}".rstrip(": "))


def _word_answer(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return one_line(
        f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    )


def _word_refused(refused: dict[str, tuple[int, bytes]]) -> str:
    return one_line(
        "; ".join(f"{to} ({code} {why.decode('utf-8', 'replace')})" for to, (code, why) in refused.items())
    )
