"""A key is what a header can carry; it is hidden as every secret is."""

from __future__ import annotations

import hashlib

import pytest

from almajob.alma.api_key import Key
from almajob.text.redaction import redact

TEXT = "l7xx0123456789abcdef0123456789abcdef"


def test_it_is_a_secret() -> None:
    """With a name of its own."""
    assert f"{Key(TEXT)} {Key(TEXT)!r}" == "Key(hidden) Key(hidden)"
    assert Key(TEXT).reveal() == TEXT
    assert Key(TEXT) == Key(TEXT) != Key(TEXT[:-1])


@pytest.mark.parametrize(
    "text", ["", "two words", " word", "line\nbreak", "l7xx\u00e9", "tab\there", "\x7f", "\udc80"]
)
def test_what_cannot_be_a_header_is_no_key(text: str) -> None:
    """Refused without being quoted."""
    with pytest.raises(ValueError, match=r"is empty|has a blank") as caught:
        Key(text)
    said = "has a blank, a line break or a character that no key has" if text else "is empty"
    assert str(caught.value) == said


def test_what_is_no_key_is_hidden_all_the_same() -> None:
    """It may be a key with something behind it."""
    with pytest.raises(ValueError, match="has a blank"):
        Key("an-odd-key of-a-test")
    assert redact("It was an-odd-key of-a-test.") == "It was (hidden)."


def test_any_printable_ascii_is_a_key() -> None:
    """Also what Alma's keys do not have."""
    assert Key("!~").reveal() == "!~"


def test_a_fingerprint_tells_keys_apart_and_not_what_they_are() -> None:
    """Stable, as it is in directories' names; different for different keys, and no part of the key."""
    assert Key(TEXT).fingerprint == hashlib.sha256(b"almajob key\0" + TEXT.encode()).hexdigest()[:12]
    assert Key(TEXT).fingerprint == "f63279b7e171"
    assert Key(TEXT).fingerprint != Key(TEXT[:-1] + "0").fingerprint
