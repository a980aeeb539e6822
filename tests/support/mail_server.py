"""A real SMTP server on a loopback port, with a box of the mails that it has taken."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "ada", "Smtp-Password.of-a~test"


class MailServer:
    """The server; used in a ``with`` block.

    Args:
        context: for STARTTLS; without one there is none.
        is_tls: whether each connection begins with TLS.
        needs_login: whether it takes mails of those alone who have logged in.

    Attributes:
        mails: what it has taken, the oldest first.
        recipients: of each.
        answer: makes its answer to a mail, by the envelope; it takes none whose answer is no 250.
        refused: recipients that it refuses.
    """

    def __init__(
        self, context: ssl.SSLContext | None = None, *, is_tls: bool = False, needs_login: bool = False
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer: Callable[[Envelope], str] = lambda _envelope: "250 taken"
        self.refused: set[str] = set()
        self._context = context
        self._is_tls = is_tls
        self._needs_login = needs_login
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> MailServer:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            self._make, "127.0.0.1", 0, ssl=self._context if self._is_tls else None
        )

    def _make(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example.org",
            loop=self._loop,
            tls_context=None if self._is_tls else self._context,
            require_starttls=bool(self._context and not self._is_tls),
            authenticator=_authenticate,
            auth_required=self._needs_login,
            auth_require_tls=False,
        )

    # aiosmtpd's names.
    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answer(envelope)
        if answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.mails.append(message_from_bytes(content, policy=policy.default))
            self.recipients.append(list(envelope.rcpt_tos))
        return answer


def _authenticate(_server: SMTP, _session: Any, _envelope: Any, _way: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)
