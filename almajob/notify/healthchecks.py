"""Notifications as pings of Healthchecks, which raises an alarm where one does not come.

https://healthchecks.io/docs/http_api/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from almajob.errors import ConfigurationError, JobEndedBadly, OutcomeUnknown
from almajob.notify.http import Request, parse_url, send_request
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier
from almajob.text.redaction import Secret

_ENDINGS = {
    "start": "start",
    "good": "0",
    "warning": "0",
    "bad": str(JobEndedBadly.exit_code),
    "unknown": str(OutcomeUnknown.exit_code),
    # It changes nothing of the check, and stands in its log.
    "late": "log",
}
# Of what is longer, it keeps nothing.
_LONGEST_BODY = 100_000


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] with ``type = healthchecks``."""

    url: Secret | None = None
    ca_file: Path | None = None


class Healthchecks(Notifier):
    """Ping a check: when a run starts, and with the exit code when it has ended."""

    on = ("start", "good", "warning", "bad", "unknown", "late")

    def check(self) -> None:
        """Read the settings, and send nothing."""
        self._read_url()

    def send(self, notification: Notification) -> None:
        """Ping it."""
        address, question, query = self._read_url().partition("?")
        body = f"{notification.subject}\n\n{notification.text}".encode()[:_LONGEST_BODY]
        url = f"{address.rstrip('/')}/{_ENDINGS[notification.kind]}{question}{query}"
        settings = self.context.options(Settings())
        send_request(Request(url, body, content_type="text/plain; charset=utf-8", ca_file=settings.ca_file))

    def _read_url(self) -> str:
        url = parse_url(self.context.options(Settings()).url, self.context.name)
        if url.partition("?")[0].rstrip("/").rpartition("/")[2] in {*_ENDINGS.values(), "fail"}:
            raise ConfigurationError(
                f"The url of [notify:{self.context.name}] is not that of a check.",
                hint="Leave /start, /fail or the exit code out: almajob adds it.",
            )
        return url
