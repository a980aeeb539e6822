"""Notifications by whatever Apprise knows, where it is installed: https://appriseit.com/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from almajob.errors import ConfigurationError
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier, SendFailed
from almajob.text.redaction import Secret

_TYPES = {"good": "success", "start": "info", "late": "warning", "warning": "warning"}


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] with ``type = apprise``."""

    url: Secret | None = None
    urls: Secret | None = None


class Services(Notifier):
    """Send by Apprise."""

    def check(self) -> None:
        """Read the settings, and send nothing."""
        self._make()

    def send(self, notification: Notification) -> None:
        """Send it to all of the section's addresses; one that fails means that it could not be sent."""
        apprise, services = self._make()
        result = services.notify(
            body=notification.text,
            title=notification.subject,
            notify_type=apprise.NotifyType(_TYPES.get(notification.kind, "failure")),
            body_format=apprise.NotifyFormat.TEXT,
        )
        # It is an object since 2.2, and true whatever it says.
        if result.status != apprise.AppriseResultStatus.SUCCESS:
            raise SendFailed(f"{result.failed_count} of {len(result.results)} services of Apprise failed")

    def _make(self) -> tuple[Any, Any]:
        try:
            import apprise
        except ImportError:
            raise ConfigurationError(
                f"[notify:{self.context.name}]: Apprise is not installed.",
                hint="Type: pip install 'apprise>=2.3'",
            ) from None
        where = f"[notify:{self.context.name}]"
        if not hasattr(apprise, "AppriseResultStatus"):
            raise ConfigurationError(
                f"{where}: this Apprise is too old.", hint="Type: pip install 'apprise>=2.3'"
            )
        settings = self.context.options(Settings())
        given = [each.reveal() for each in (settings.url, settings.urls) if each is not None]
        addresses = [url for text in given for url in re.split(r"[,\s]+(?=\w+://)", text)]
        if not addresses:
            raise ConfigurationError(
                f"{where} has no url.", hint="https://appriseit.com/services/ has them all."
            )
        services = apprise.Apprise()
        for number, address in enumerate(addresses, 1):
            # It is hidden in every message from now on.
            if not services.add(Secret(address).reveal()):
                raise ConfigurationError(
                    f"{where}: Apprise cannot read the {number}. address of its url.",
                    hint="https://appriseit.com/services/ has the forms of all services.",
                )
        return apprise, services
