"""Notifications as a request of one's own: any method, headers, and a template of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almajob.errors import ConfigurationError
from almajob.notify.http import JSON, Request, parse_url, send_request
from almajob.notify.notification import Notification
from almajob.notify.notifier import Notifier
from almajob.text.redaction import Secret

_METHODS = ("POST", "PUT", "PATCH")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Settings:
    """The settings of a section [notify:NAME] with ``type = webhook``."""

    url: Secret | None = None
    method: str = "POST"
    headers: Secret | None = None
    token: Secret | None = None
    body: str = ""
    ca_file: Path | None = None


class Webhook(Notifier):
    """Send the facts as JSON, or what a template makes of them."""

    def check(self) -> None:
        """Read the settings, and send nothing."""
        self._make_request(None)

    def send(self, notification: Notification) -> None:
        """Send them."""
        send_request(self._make_request(notification))

    def _make_request(self, notification: Notification | None) -> Request:
        settings = self.context.options(Settings())
        where = f"[notify:{self.context.name}]"
        method = settings.method.upper()
        if method not in _METHODS:
            raise ConfigurationError(f"{where}: method is one of {', '.join(_METHODS)}.")
        headers = _parse_headers(settings.headers, where)
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        template = _parse_template(settings.body, where)
        facts = notification.facts if notification else {}
        document = dict(facts) if template is None else fill_in(template, facts)
        return Request(
            parse_url(settings.url, self.context.name),
            json.dumps(document).encode(),
            method,
            headers.pop("Content-Type", JSON),
            headers,
            settings.ca_file,
        )


def fill_in(template: Any, facts: Mapping[str, Any]) -> Any:
    """Fill in facts where a template names them in braces; a text that is nothing else becomes their value.

    What is no fact of this notification is null, or nothing.
    """
    match template:
        case str():
            alone = _PLACEHOLDER.fullmatch(template)
            if alone:
                return facts.get(alone[1])
            return _PLACEHOLDER.sub(lambda found: _show(facts.get(found[1])), template)
        case list():
            return [fill_in(each, facts) for each in template]
        case dict():
            return {name: fill_in(each, facts) for name, each in template.items()}
    return template


def _show(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _parse_template(text: str, where: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"{where}: body is not JSON.", hint="""Write, for example: body = '{"text": "{subject}"}'"""
        ) from None


def _parse_headers(given: Secret | None, where: str) -> dict[str, str]:
    headers = {}
    for each in re.split(r",\s*(?=[\w-]+\s*:)", given.reveal()) if given else ():
        name, colon, value = each.partition(":")
        value = value.strip()
        if not (_HEADER.fullmatch(name.strip()) and colon and value.isascii() and value.isprintable()):
            # Not quoted: it may be the secret.
            raise ConfigurationError(
                f"{where}: headers cannot be read.", hint="Write: headers = X-Team: systems, X-Token: ..."
            )
        headers["-".join(part.capitalize() for part in name.strip().split("-"))] = value
    return headers
