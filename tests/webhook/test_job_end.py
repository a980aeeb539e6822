"""What is read of a message, and who has signed it; whatever else it has in it."""

from __future__ import annotations

import json

import pytest

from almajob.alma.http.body_parser import Unreadable
from almajob.runs.wait.end_messages import Message
from almajob.text.redaction import Secret
from almajob.webhook.job_end import read_message
from almajob.webhook.signature import is_signed, sign
from tests.support.listeners import make_message

BODY = b"The POST request body"
SIGNED = "e9SHoXK4MZrSGqhglMK4w+/u1pjYn0bfTEYtcFqj7CE="


def test_the_signature_is_almas() -> None:
    """The test vector of its documentation, with each of two secrets."""
    one, two = Secret("itsasecret"), Secret("another-secret")
    assert sign(one, BODY) == SIGNED
    assert is_signed(BODY, SIGNED, [one])
    assert is_signed(BODY, f" {SIGNED} ", [two, one])
    assert is_signed(BODY, sign(two, BODY), [one, two])


@pytest.mark.parametrize("wrong", ["", SIGNED[:-1], SIGNED[1:], SIGNED.lower(), "\u00e9", "=" * 9, "é" * 44])
def test_any_other_signature_is_wrong(wrong: str) -> None:
    """Missing, cut off, in other case, no base64; and the right one of other bytes."""
    secrets = [Secret("itsasecret")]
    assert not is_signed(BODY, wrong, secrets)
    assert not is_signed(BODY + b" ", SIGNED, secrets)
    assert not is_signed(BODY, SIGNED, [])


@pytest.mark.parametrize("action", ["JOB_END", "job_end"])
def test_a_message_tells_which_run_has_ended(action: str) -> None:
    """In the words of the real messages and of the documentation; Alma's own nulls do no harm."""
    body = make_message("9563643080000561", "FAILED", action=action, event=None, bib=None)
    assert read_message(body, 5.0) == Message("9563643080000561", "FAILED", 5.0)


def test_a_message_in_xml_tells_the_same() -> None:
    """Its job instance is an element."""
    body = (
        b"<webhook><id>77</id><action>JOB_END</action><job_instance><id>77</id>"
        b'<status desc="Failed">FAILED</status></job_instance></webhook>'
    )
    assert read_message(body, 1.0) == Message("77", "FAILED", 1.0)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"action": "LOAN_CREATED", "id": "7"},
        {"action": "JOB_END"},
        *(
            {"action": "JOB_END", "id": odd}
            for odd in ("../../x", "7/8", "", ".", "7\n", "\u0667", "7" * 31, None, 0.5)
        ),
        {"action": "JOB_END", "job_instance": [[]], "id": "x"},
        {"action": "JOB_END", "job_instance": {"id": "../../x"}, "id": "7"},
    ],
)
def test_what_tells_of_no_run_is_none(document: object) -> None:
    """Another kind of message, or an id that is none: it could be the name of a file anywhere."""
    assert read_message(json.dumps(document).encode(), 1.0) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b'{"action": "JOB_END"',
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"id": ' + b"9" * 5000 + b"}",
        b"<a>" * 50_000 + b"</a>" * 50_000,
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_document_is_refused(body: bytes) -> None:
    """Half of one, one that is nested 50,000 deep, a number of 5,000 digits, entities."""
    with pytest.raises(Unreadable):
        read_message(body, 1.0)
