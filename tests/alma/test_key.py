"""A key is carried, and never shown."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.key import Key
from almajob.secret import redact


def test_no_way_of_printing_shows_a_key() -> None:
    """repr, str, format and logging all hide it."""
    key = Key("an-unusual-key-of-a-test")
    assert "unusual" not in f"{key} {key!r} {key!s} {[key]}" + logging.Formatter().format(
        logging.LogRecord("x", logging.INFO, "", 0, "%s", (key,), None)
    )
    assert key.reveal() == "an-unusual-key-of-a-test"


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "l7xx\u00e9", "tab\there", "\x7f"])
def test_what_cannot_be_a_header_is_no_key(text: str) -> None:
    """Refused without being quoted."""
    with pytest.raises(ValueError, match=r"is empty|has a blank") as caught:
        Key(text)
    assert not text or text not in str(caught.value)


def test_a_fingerprint_tells_keys_apart_and_not_what_they_are() -> None:
    """Stable, different for different keys, and no part of the key."""
    one, other = Key("l7xx" + "0" * 32), Key("l7xx" + "1" * 32)
    assert one.fingerprint == Key(one.reveal()).fingerprint != other.fingerprint
    assert one.fingerprint not in one.reveal()


@pytest.mark.parametrize(
    "text",
    [
        "apikey l9zz0123456789",
        "GET /x?apikey=secret01230123&a=1",
        "l8xx0123456789abcdef0123456789abcdef",
        "L7XX0123456789ABCDEF",
    ],
)
def test_what_looks_like_a_key_is_blanked_out(text: str) -> None:
    """Even one that this process never saw."""
    assert "(hidden)" in redact(text)
    assert "0123" not in redact(text)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40), st.text(), st.text()
)
def test_a_known_key_is_blanked_out_wherever_it_stands(key: str, before: str, after: str) -> None:
    """Whatever surrounds it."""
    Key(key)
    assert key not in redact(before + key + after) or key in "(hidden)"


def test_a_short_word_of_a_test_server_does_not_spoil_messages() -> None:
    """A key such as "x" is no secret, and occurs in every other word."""
    Key("x")
    assert redact("the sandbox and its export") == "the sandbox and its export"


@pytest.mark.parametrize(
    "echo",
    [
        b'{"name": "\\u006c7xx0123456789abcdef0123456789abcdef"}',
        b"<name>&#108;7xx0123456789abcdef0123456789abcdef</name>",
        b"<name>&#x6C;7xx0123456789abcdef0123456789abcdef</name>",
    ],
)
def test_a_key_that_comes_back_in_escapes_is_hidden_too(echo: bytes) -> None:
    """The whole answer, as nobody in good faith writes so; other escapes stay."""
    key = Key("l7xx0123456789abcdef0123456789abcdef")
    assert key.hidden_in(echo) == b"(hidden)"
    assert key.hidden_in(b'{"name": "\\u00e9 &#233;"}') == b'{"name": "\\u00e9 &#233;"}'
