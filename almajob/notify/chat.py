"""Notifications in chats: Slack and Mattermost by their incoming webhooks, Teams by its Workflows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almajob.notify.http import Request, parse_url, send_request
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier
from almajob.text.redaction import Secret

_LONGEST_SLACK = 3500
# Teams takes 28 KB, of which the card is a part.
_LONGEST_TEAMS = 15_000
_COLORS = {
    "good": "Good",
    "warning": "Warning",
    "bad": "Attention",
    "unknown": "Attention",
    "late": "Warning",
}


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] of a chat."""

    url: Secret | None = None
    channel: str = ""
    ca_file: Path | None = None


class Slack(Notifier):
    """Post to a channel of Slack or Mattermost."""

    def check(self) -> None:
        """Read the settings, and send nothing."""
        parse_url(self.context.options(Settings()).url, self.context.name)

    def send(self, notification: Notification) -> None:
        """Post it."""
        _post(self, make_slack_message(notification, self.context.options(Settings()).channel))


class Teams(Notifier):
    """Post a card to a channel of Teams, by the workflow that a team has for that."""

    def check(self) -> None:
        """Read the settings, and send nothing."""
        parse_url(self.context.options(Settings()).url, self.context.name)

    def send(self, notification: Notification) -> None:
        """Post it."""
        _post(self, make_teams_message(notification))


def _post(notifier: Notifier, document: Any) -> None:
    settings = notifier.context.options(Settings())
    url = parse_url(settings.url, notifier.context.name)
    send_request(Request(url, json.dumps(document).encode(), ca_file=settings.ca_file))


def make_slack_message(notification: Notification, channel: str = "") -> dict[str, Any]:
    """Make what Slack's and Mattermost's incoming webhooks take.

    https://docs.slack.dev/messaging/formatting-message-text: three characters are escaped, and what stands in
    three backticks is shown as it is.
    """
    body = _cut(notification.text, _LONGEST_SLACK).replace("```", "'''")
    text = _escape_slack(f"{notification.subject}\n```\n{body}\n```")
    return {"text": text, **({"channel": channel} if channel else {})}


def _escape_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def make_teams_message(notification: Notification) -> dict[str, Any]:
    """Make what a workflow of Teams takes: an Adaptive Card, as an attachment.

    https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
    """
    lines = _cut(notification.text, _LONGEST_TEAMS).splitlines()
    color = _COLORS.get(notification.kind, "Default")
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": notification.subject,
        "body": [
            {
                "type": "TextBlock",
                "text": _escape_markdown(notification.subject),
                "weight": "Bolder",
                "size": "Medium",
                "color": color,
                "wrap": True,
            },
            {
                "type": "TextBlock",
                # A line break alone is a blank there.
                "text": "\n\n".join(_escape_markdown(line.strip()) for line in lines if line.strip()),
                "wrap": True,
            },
        ],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _escape_markdown(text: str) -> str:
    """Take from a text what would be a link, or another font: names come from elsewhere."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}\n…"
