"""A key is what a header can carry; it is hidden as every secret is."""

from __future__ import annotations

import hashlib

import pytest

from almajob.alma.key import Key
from almajob.secret import redact

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


@pytest.mark.parametrize(
    ("key", "echo"),
    [
        (TEXT, b'{"name": "\\u006c7xx0123456789abcdef0123456789abcdef"}'),
        (TEXT, b'{"name": "l7xx0123456789abcdef0123456789abcde\\u0066"}'),
        (TEXT, b"<name>&#108;7xx0123456789abcdef0123456789abcdef</name>"),
        (TEXT, b"<name>&#x6C;7xx0123456789abcdef0123456789abcdef</name>"),
        ("a/key/of/slashes", b'"a\\/key\\/of\\/slashes"'),
        ('a"key"of"quotes', b'"a\\"key\\"of\\"quotes"'),
        ("a\\key\\of\\backslashes", b'"a\\\\key\\\\of\\\\backslashes"'),
        ("a&key&of&ands", b"<name>a&amp;key&amp;of&amp;ands</name>"),
        ("a'key<of>all", b"a&apos;key&lt;of&gt;all"),
    ],
)
def test_a_key_that_comes_back_in_escapes_is_hidden_too(key: str, echo: bytes) -> None:
    """The whole answer, as nobody in good faith writes so."""
    assert Key(key).hidden_in(echo) == b"(hidden)"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"<{TEXT}>{TEXT}".encode(), b"<(hidden)>(hidden)"),
        (f'{{"\\u00e9 &#233;": "{TEXT}"}}'.encode(), b'{"\\u00e9 &#233;": "(hidden)"}'),
        (b'{"name": "\\u00e9 &#233; &amp; \\/"}', b'{"name": "\\u00e9 &#233; &amp; \\/"}'),
        (b"\xff\xfe no text", b"\xff\xfe no text"),
        (TEXT[1:].encode(), TEXT[1:].encode()),
        (b"", b""),
    ],
)
def test_the_rest_of_an_answer_stays_as_it_is(body: bytes, told: bytes) -> None:
    """A key that stands in it as it is is taken out; other escapes stay."""
    assert Key(TEXT).hidden_in(body) == told


@pytest.mark.parametrize(("key", "told"), [("exports", b"all exports!"), ("exports!", b"all (hidden)")])
def test_a_short_word_of_a_test_server_stays_in_answers(key: str, told: bytes) -> None:
    """From eight characters on it is taken for a key."""
    assert Key(key).hidden_in(b"all exports!") == told
    assert (Key(key).hidden_in(b"all \\u0065xports!") == b"(hidden)") is (len(key) == 8)
