"""A secret is carried, and shown nowhere; what is shown is cleaned of it."""

from __future__ import annotations

import base64
import copy
import html
import json
import logging
import pickle
import re
import resource
import traceback
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, quote_from_bytes

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.redaction import HIDDEN, Secret, is_shown_in, redact, redact_all, redact_lines
from tests.support.canary import key_in

TEXT = "an-unusual-key-of-a-test"
ALMAS = "l7xx5ec4e7ca4a4115ec4e7cb9d0113f7a62"
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)


@dataclass(frozen=True)
class Keeper:
    """What has a secret among its fields."""

    secret: Secret


class Pair(NamedTuple):
    """The same, as a tuple."""

    name: str
    secret: Secret


class Own(Secret):
    """One with a name of its own."""


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (repr, "Secret(hidden)"),
        (str, "Secret(hidden)"),
        (format, "Secret(hidden)"),
        (lambda secret: f"{secret:>16}", "  Secret(hidden)"),
        (lambda secret: "%s %r" % (secret, secret), "Secret(hidden) Secret(hidden)"),  # noqa: UP031
        (lambda secret: "{} {!r}".format(secret, secret), "Secret(hidden) Secret(hidden)"),  # noqa: UP032
        (lambda secret: str([secret, {"a": secret}]), "[Secret(hidden), {'a': Secret(hidden)}]"),
        (lambda secret: repr(Keeper(secret)), "Keeper(secret=Secret(hidden))"),
        (lambda secret: str(asdict(Keeper(secret))), "{'secret': Secret(hidden)}"),
        (lambda secret: str(astuple(Keeper(secret))), "(Secret(hidden),)"),
        (lambda secret: repr(Pair("x", secret)), "Pair(name='x', secret=Secret(hidden))"),
        (lambda secret: str(Pair("x", secret)._asdict()), "{'name': 'x', 'secret': Secret(hidden)}"),
        (lambda secret: str(ValueError(secret)), "Secret(hidden)"),
        (lambda secret: repr(Own(secret.reveal())), "Own(hidden)"),
        (lambda secret: json.dumps(secret, default=str), '"Secret(hidden)"'),
        (
            lambda secret: logging.LogRecord("x", 20, "", 0, "%s", (secret,), None).getMessage(),
            "Secret(hidden)",
        ),
    ],
)
def test_no_way_of_showing_shows_it(shown: Callable[[Secret], str], told: str) -> None:
    """Alone, in what holds it, and through each of Python's ways of formatting."""
    assert shown(Secret(TEXT)) == told


@pytest.mark.parametrize(
    "write",
    [
        pickle.dumps,
        lambda secret: pickle.dumps(Keeper(secret), protocol=0),
        json.dumps,
        lambda secret: json.dumps(Pair("x", secret)),
        yaml.dump,
        lambda secret: secret.__reduce__(),
        lambda secret: secret.__getstate__(),
        bytes,
        list,
        len,
        # Nor has a debugger's list of attributes the text.
        vars,
    ],
)
def test_no_way_of_writing_takes_it(write: Callable[[Any], object]) -> None:
    """Refused, with words that do not have it either."""
    with pytest.raises(TypeError) as caught:
        write(Secret(TEXT))
    assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_a_traceback_with_all_variables_does_not_show_it() -> None:
    """As some logging libraries write one."""
    secret = Secret(TEXT)
    try:
        raise ValueError(secret)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "Secret(hidden)" in "".join(told.format())
    assert TEXT not in "".join(told.format())


def test_a_copy_is_the_same() -> None:
    """So that settings can be copied, and the copy has no other way to show it."""
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(Keeper(secret)).secret is secret


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Secret(TEXT), True),
        (Own(TEXT), True),
        (Secret(TEXT[:-1]), False),
        (Secret("x" + TEXT[1:]), False),
        (Secret(""), False),
        (Secret("\u00e9\udc80"), False),
        (TEXT, False),
        (None, False),
    ],
)
def test_two_are_the_same_where_their_texts_are(other: object, same: bool) -> None:
    """A bare text is no secret."""
    assert (Secret(TEXT) == other) is same
    assert (Secret(TEXT) != other) is not same
    assert (len({Secret(TEXT), other}) == 1) is same
    # It does not stand in for the text in any table.
    assert hash(Secret(TEXT)) != hash(TEXT)


@given(st.text(PRINTABLE, min_size=8, max_size=40), st.text(), st.text())
def test_a_known_one_is_blanked_out_wherever_it_stands(text: str, before: str, after: str) -> None:
    """Whatever surrounds it."""
    Secret(text)
    assert text not in redact(before + text + after) or text in HIDDEN * 3


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda text: f"b{text.encode()!r}",
        repr,
        lambda text: repr(f"'{text}\""),
        lambda text: repr(f"'{text}"),
        json.dumps,
        lambda text: json.dumps(json.loads(json.dumps([text]))),
        quote,
        lambda text: quote(text, ""),
        lambda text: quote_from_bytes(text.encode(), "/:"),
        lambda text: f"https://alma.invalid/x?apikey={quote(text, '')}&y=1",
    ],
)
@pytest.mark.parametrize(
    "text", ["aB3-_.~x", "odd\"key'of\\a/test", "with+plus=and%41", "with'quote", 'with"two"', "back\\slash"]
)
def test_it_is_blanked_out_in_every_spelling_of_our_messages(text: str, spell: Callable[[str], str]) -> None:
    """Python's and JSON's quotes, and addresses, for whatever characters a key may have."""
    spelled = spell(text)
    Secret(text)
    told = redact(f"before {spelled} after")
    assert HIDDEN in told
    assert told.startswith("before ")
    assert told.endswith(" after")
    assert not [part for part in (spelled.strip("\"'"), text) if part in told]


def test_only_the_secret_is_blanked_out() -> None:
    """Exactly it, each time, and nothing around it; of a piece, from fifteen letters and digits on."""
    Secret(TEXT)
    piece = TEXT[4:-1]
    assert redact(f"<{TEXT}>{TEXT}-{piece}-{piece[:-1]}") == f"<{HIDDEN}>{HIDDEN}-{HIDDEN}-{piece[:-1]}"


def test_of_two_the_longer_one_goes_first() -> None:
    """Else its rest would stay."""
    for length in (8, 12, 10, 9, 11):
        Secret("abcdefghijkl"[:length])
    assert redact("abcdefghijkl, abcdefghi, abcdefgh") == f"{HIDDEN}, {HIDDEN}, {HIDDEN}"


@pytest.mark.parametrize(("length", "is_hidden"), [(0, False), (1, False), (7, False), (8, True), (9, True)])
def test_a_short_word_of_a_test_server_does_not_spoil_messages(length: int, is_hidden: bool) -> None:
    """A key such as "test" is no secret, and occurs in every other word; from eight characters on it is."""
    word = "exportable"[:length]
    assert Secret(word).reveal() == word
    assert (redact("an exportable job") != "an exportable job") is is_hidden
    assert is_shown_in("an exportable job") is is_hidden
    assert str(Secret(word)) == "Secret(hidden)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("apikey l9zz0123456789", "apikey (hidden)"),
        ("GET /x?apikey=secret01230123&a=1", "GET /x?apikey=(hidden)&a=1"),
        ("GET /x?apikey%3Dsecret01230123&a=1", "GET /x?apikey%3D(hidden)&a=1"),
        ("apikey%20secret01230123", "apikey%20(hidden)"),
        ("APIKEY secret01230123", "APIKEY (hidden)"),
        ("X-Api-Key: secret01230123.", "X-Api-Key: (hidden)."),
        ('{"api_key": "secret01230123"}', '{"api_key": "(hidden)"}'),
        ("api_key = secret01230123", "api_key = (hidden)"),
        ("apikey='secret0-_123'", "apikey='(hidden)'"),
        ("ALMAJOB_API_KEY_LAB=a/test: not found", "ALMAJOB_API_KEY_LAB=(hidden) not found"),
        ("apikey secret0-_12", "apikey secret0-_12"),
        ("l8xx0123456789abcdef0123456789abcdef", "(hidden)"),
        ("L7XX0123456789ABCDEF", "(hidden)"),
        ("%20l7xx01234567.", "%20(hidden)."),
        (r"\nl7xx01234567\n", r"\n(hidden)\n"),
        ("l7xx0123456", "l7xx0123456"),
        ("l9xx0123456789", "l9xx0123456789"),
        (
            "There is no API key for production-environment.",
            "There is no API key for production-environment.",
        ),
        ("api_key_command = pass-show-the-key", "api_key_command = pass-show-the-key"),
    ],
)
def test_what_looks_like_a_key_is_blanked_out(text: str, told: str) -> None:
    """Even one that this process never saw; what only resembles one stays."""
    assert redact(text) == told


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        (f"x{TEXT}x", True),
        (TEXT[1:], True),
        (TEXT[-14:], False),
        (TEXT.upper(), True),
        ("odd%2Fkey%2Bof-a-test", True),
        ("xl7xx01234567", True),
        ("L8XX0123456A", True),
        ("l7xx0123456", False),
        ("apikey=secret01230123", False),
        ("", False),
    ],
)
def test_what_has_one_in_it_is_told(text: str, is_shown: bool) -> None:
    """Known ones, in any spelling, and what looks like a key of Alma's; a word before it proves nothing."""
    Secret(TEXT)
    Secret("odd/key+of-a-test")
    assert is_shown_in(text) is is_shown


def _spelled(pattern: str, text: str) -> str:
    return "".join(pattern.format(character, ord(character)) for character in text)


DISGUISES: dict[str, str] = {
    "both cases": ALMAS.title(),
    "two lines": f"{ALMAS[:9]}\r\n    {ALMAS[9:]}",
    "NULs": "\0".join(ALMAS),
    "a list": json.dumps(list(ALMAS)),
    "an address in an address": _spelled("%25{1:02x}", ALMAS),
    "an address thrice": _spelled("%2525{1:02x}", ALMAS),
    "an address on two lines": f"{ALMAS[:9]}%0D%0a{ALMAS[9:]}",
    "JSON in JSON": json.dumps(_spelled("\\u{1:04X}", ALMAS)).strip('"'),
    "JSON on two lines": f"{ALMAS[:9]}\\n{ALMAS[9:]}",
    "XML with zeros": _spelled("&#00{1};", ALMAS),
    "XML in hex with zeros": _spelled("&#X00{1:x};", ALMAS),
    "XML without an end": "&#108&#55;xx" + ALMAS[4:],
    "XML in XML": _spelled("&amp;#{1};", ALMAS),
    "XML in JSON": _spelled("\\u0026#{1};", ALMAS),
    "XML in an address": _spelled("%26%23{1}%3b", ALMAS),
    "HTML": f"{ALMAS[:9]}&nbsp;&shy;{ALMAS[9:]}",
    "one letter": f"\\u006c{ALMAS[1:]}",
    "without its first": ALMAS[1:],
    "without its last": ALMAS[:-1],
    "hex": ALMAS.encode().hex(),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_it_is_blanked_out_in_disguise(name: str) -> None:
    """Where something between us and a person put it so; what stands around it stays."""
    Secret(ALMAS)
    told = redact(f"before 1 {DISGUISES[name]} after 2")
    assert told.startswith("before 1 ")
    assert told.endswith(" after 2")
    assert not re.search("[0-9A-Za-z]", told[9:-8].replace(HIDDEN, "")), told
    assert is_shown_in(DISGUISES[name])


@pytest.mark.parametrize("before", ["", "a", "ap", "apikey "])
def test_it_is_blanked_out_in_base64(before: str) -> None:
    """At any place; but for a few characters at its ends, in which others have a part."""
    Secret(ALMAS)
    told = redact(f"Basic {base64.b64encode(f'{before}{ALMAS}:x'.encode()).decode()} after")
    assert HIDDEN in told
    assert len(told) <= len(f"Basic {HIDDEN} after") + len(base64.b64encode(before.encode())) + 6


def test_one_without_a_letter_in_the_middle_is_hidden_too() -> None:
    """Both halves are long enough to find the rest by trying."""
    Secret(ALMAS)
    assert redact(f"<{ALMAS[:17]}{ALMAS[18:]}>") == f"<{HIDDEN}{HIDDEN}>"


@pytest.mark.parametrize(
    "text",
    [
        "100% of 50%",
        "P&I; R&D; &unknown; &#; &#x; &#20013; &#xe9;",
        r"C:\users\x, \u4e2d\u6587 \u",
        "%e9 %4 %zz &#1086;&#1087;",
        ALMAS[4:18],
        "",
    ],
)
def test_other_escapes_stay(text: str) -> None:
    """Names have marks in them, and what they look like is nobody's business but theirs."""
    Secret(ALMAS)
    assert redact(text) == text
    assert not is_shown_in(text)


def test_a_long_text_is_hidden_whole() -> None:
    """To find the place takes memory, and nobody reads so much; without a key it stays."""
    Secret(ALMAS)
    assert redact(f"{'x ' * 2**15}{ALMAS.upper()}") == HIDDEN
    long = f"{'x ' * 2**15}{'%41' * 2000} {ALMAS[4:16].upper()}"
    assert redact(long) == long


def test_a_document_is_redacted_in_all_its_texts() -> None:
    """In lists, in members and in their names; one that has no secret is handed back as it is."""
    Secret(ALMAS)
    document = {"a": [{"b": ALMAS, "n": 1, "t": None}, f"x{ALMAS.upper()}"], ALMAS: True}
    hidden = {"a": [{"b": HIDDEN, "n": 1, "t": None}, f"x{HIDDEN}"], HIDDEN: True}
    assert redact_all(document) == redact_all(document, json.dumps(document)) == hidden
    harmless = {"a": "b" * 40}
    assert redact_all(harmless) is redact_all(harmless, json.dumps(harmless)) is harmless


def test_a_short_one_is_found_in_a_document_as_it_is_written_only() -> None:
    """A word of a test server has too few letters to be looked for in disguise."""
    Secret("exports!")
    document = {"a": "all exports!", "b": "ALL EXPORTS!"}
    for source in ("", json.dumps(document), json.dumps(document).replace("e", "\\u0065")):
        assert redact_all(document, source) == {"a": f"all {HIDDEN}", "b": "ALL EXPORTS!"}


@pytest.mark.parametrize("secret", [ALMAS, "exports!"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", ""])
def test_printed_lines_lose_the_secret_and_nothing_else(secret: str, ends: str) -> None:
    """Escapes in them stay; lines without a secret are handed back as they are."""
    Secret(secret)
    harmless = f"a\\u0062 %41{ends}"
    assert redact_lines(harmless) is harmless
    assert redact_lines(f"{harmless}\n{secret}, {secret}{ends}") == f"{harmless}\n{HIDDEN}, {HIDDEN}{ends}"


# Forms of a letter, and what may stand behind one.
FORMS = ("{0}", "{0}", "%{1:02x}", "%{1:02X}", "\\u{1:04x}", "\\x{1:02X}", "&#{1};", "&#x{1:x};", "&#0{1};")
BEHIND = (" ", "\n", "\t ", "\u200b", "&#8203;", "\\u200B", "''", "%0a", "\\n", "&nbsp;")
LETTERS = st.sampled_from([*FORMS, '"{0}"', *(f"{{0}}{sign}" for sign in BEHIND)])


@given(
    st.lists(LETTERS, min_size=len(ALMAS), max_size=len(ALMAS)),
    st.lists(st.booleans(), min_size=len(ALMAS), max_size=len(ALMAS)),
    st.sampled_from([str, quote, lambda text: json.dumps(text)[1:-1], html.escape]),
)
def test_no_mixture_of_disguises_shows_it(
    forms: list[str], capitals: list[bool], whole: Callable[[str], str]
) -> None:
    """Each character in a form of its own, and all of it packed once more."""
    Secret(ALMAS)
    letters = [each.upper() if capital else each for each, capital in zip(ALMAS, capitals, strict=True)]
    spelled = "".join(form.format(each, ord(each)) for form, each in zip(forms, letters, strict=True))
    told = redact(f"<{whole(spelled)}>")
    assert not key_in(told, [ALMAS])
    assert HIDDEN in told


def test_from_a_secret_on_there_are_no_core_files() -> None:
    """The soft limit only, so that whoever needs one can have it; of one byte, which is none."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        Secret("x")
        assert resource.getrlimit(resource.RLIMIT_CORE) == (1 if before[1] else 0, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_where_the_limit_cannot_be_changed_a_secret_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sandbox that forbids it."""

    def refuse(*_given: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert str(Secret(TEXT)) == "Secret(hidden)"


def test_of_a_secret_address_the_host_may_be_named() -> None:
    """It says which server refused; what follows the host, and a password before it, is blanked out."""
    kept = [Secret("https://hooks.chat.example/services/T0123/B4567/abcdefgh")]
    kept.append(Secret("https://somebody:a-long-password@mail.chat.example/a-long-path/of-it"))
    shown = redact(
        "hooks.chat.example and mail.chat.example refused "
        "https://hooks.chat.example/services/T0123/B4567/abcdefgh "
        "and https://somebody:a-long-password@mail.chat.example/a-long-path/of-it"
    )
    assert shown == (
        f"hooks.chat.example and mail.chat.example refused https://hooks.chat.example{HIDDEN} "
        f"and https://{HIDDEN}@mail.chat.example{HIDDEN}"
    )
    assert len(kept) == 2
