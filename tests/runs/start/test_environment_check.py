"""Where a key leads: asked once a day, remembered where Alma is silent, refused where it is clearly wrong."""

from __future__ import annotations

import logging

import pytest
from werkzeug import Response

from almajob.alma.client import Alma
from almajob.errors import AlmaRefused, ConfigurationError, KeyRefused, NotAlma
from almajob.runs.start.environment_check import Proof, find_proof, refuse_contradiction
from almajob.store.ledger.ledger import Ledger
from tests.support.fake_alma import FakeAlma, answer, error
from tests.support.ledgers import read_fact

NOW = 1_760_000_000.0
DAY = 86400.0
SANDBOX = {"environment_type": {"value": "SANDBOX"}, "institution": {"value": "01X"}}
KNOWN = Proof("01X", "SANDBOX", NOW)
CALL = "GET /general"


def _asked(alma: FakeAlma) -> int:
    return len(alma.calls("GET"))


def test_what_alma_says_of_a_key_is_kept(alma: FakeAlma, connection: Alma, ledger: Ledger) -> None:
    """With its time; and for that key alone."""
    alma.on(CALL, SANDBOX)
    assert find_proof(connection, ledger, "a", NOW) == KNOWN
    assert read_fact(ledger, "place:a") == {
        "institution": "01X",
        "environment_type": "SANDBOX",
        "asked_at": NOW,
    }
    find_proof(connection, ledger, "b", NOW)
    assert _asked(alma) == 2


@pytest.mark.parametrize(
    ("later", "calls"),
    [(NOW, 2), (0.0, 1), (1.0, 1), (DAY - 1, 1), (DAY, 2), (DAY + 1, 2), (-0.5, 2), (-DAY, 2)],
)
def test_alma_is_asked_once_a_day(
    alma: FakeAlma, connection: Alma, ledger: Ledger, later: float, calls: int
) -> None:
    """And where the clock was put back, since when that was is then not known."""
    alma.on(CALL, SANDBOX)
    find_proof(connection, ledger, "a", NOW)
    found = find_proof(connection, ledger, "a", NOW + later)
    assert found.asked_at == (NOW if calls == 1 else NOW + later)
    assert _asked(alma) == calls


def test_what_was_said_before_counts_where_alma_is_silent(
    alma: FakeAlma, connection: Alma, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked again next time."""
    caplog.set_level(logging.INFO)
    alma.on(CALL, SANDBOX, Response("<html>", 500))
    find_proof(connection, ledger, "a", NOW)
    assert find_proof(connection, ledger, "a", NOW + DAY) == KNOWN
    assert "cannot be checked now" in caplog.text
    assert read_fact(ledger, "place:a")["asked_at"] == NOW


def test_without_an_answer_and_without_a_memory_nothing_is_known(
    alma: FakeAlma, connection: Alma, ledger: Ledger
) -> None:
    """The start ends there; nothing is kept."""
    alma.on(CALL, Response("<html>", 500))
    with pytest.raises(NotAlma):
        find_proof(connection, ledger, "a", NOW)
    assert read_fact(ledger, "place:a") is None


@pytest.mark.parametrize("code", ["UNAUTHORIZED", "402219"])
def test_a_key_that_may_not_ask_is_no_obstacle(
    alma: FakeAlma, connection: Alma, ledger: Ledger, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is known of it then, and that is kept for a day."""
    caplog.set_level(logging.INFO)
    alma.on(CALL, answer(error(code), 400))
    assert find_proof(connection, ledger, "a", NOW) == Proof("", "", NOW)
    assert find_proof(connection, ledger, "a", NOW + 1) == Proof("", "", NOW)
    assert _asked(alma) == 1
    assert "may not ask" in caplog.text


def test_a_key_that_may_not_ask_any_more_keeps_what_was_said(
    alma: FakeAlma, connection: Alma, ledger: Ledger
) -> None:
    """It still leads there; the next question is tomorrow's."""
    alma.on(CALL, SANDBOX, answer(error("FORBIDDEN"), 403))
    find_proof(connection, ledger, "a", NOW)
    assert find_proof(connection, ledger, "a", NOW + DAY) == Proof("01X", "SANDBOX", NOW + DAY)


def test_too_many_calls_say_nothing_of_a_key(alma: FakeAlma, connection: Alma, ledger: Ledger) -> None:
    """It is no refusal of the key."""
    refusal = answer(error("PER_SECOND_THRESHOLD"), 429)
    refusal.headers["Retry-After"] = "0"
    alma.on(CALL, refusal)
    with pytest.raises(AlmaRefused) as caught:
        find_proof(connection, ledger, "a", NOW)
    assert not isinstance(caught.value, KeyRefused)
    assert read_fact(ledger, "place:a") is None


@pytest.mark.parametrize(("word", "is_told"), [("TRAINING", True), ("Production", False), ("SANDBOX", False)])
def test_a_word_that_nobody_knows_proves_nothing(
    alma: FakeAlma,
    connection: Alma,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    word: str,
    is_told: bool,
) -> None:
    """It is told to who wants to know."""
    caplog.set_level(logging.INFO)
    alma.on(CALL, {"environment_type": {"value": word}})
    assert find_proof(connection, ledger, "a", NOW) == Proof("", word, NOW)
    assert ("proves nothing" in caplog.text) is is_told


def test_what_is_no_proof_in_the_ledger_is_asked_again(
    alma: FakeAlma, connection: Alma, ledger: Ledger
) -> None:
    """As if nothing were known."""
    alma.on(CALL, SANDBOX)
    ledger.keep_fact("place:a", "SANDBOX")
    assert find_proof(connection, ledger, "a", NOW) == KNOWN


@pytest.mark.parametrize(
    ("found", "kind", "is_refused"),
    [
        ("PRODUCTION", "sandbox", True),
        ("Sandbox", "production", True),
        ("PRODUCTION", "production", False),
        ("sandbox", "sandbox", False),
        ("TRAINING", "production", False),
        ("", "production", False),
        ("a", "production", False),
    ],
)
def test_only_a_clear_contradiction_is_refused(found: str, kind: str, is_refused: bool) -> None:
    """A key of production in a sandbox's section, or the other way round."""
    proof = Proof("01X", found, NOW)
    if not is_refused:
        refuse_contradiction(proof, "lab", kind)
        return
    with pytest.raises(ConfigurationError) as caught:
        refuse_contradiction(proof, "lab", kind)
    assert caught.value.message == (
        f"The key of [lab] leads to {found.lower()}, not to {kind}. Nothing was started."
    )
    assert "for the institution 01X" in caught.value.reason
    assert "almajob --env lab config check" in caught.value.hint


def test_a_contradiction_of_an_unnamed_institution() -> None:
    """Alma may leave its code out."""
    with pytest.raises(ConfigurationError) as caught:
        refuse_contradiction(Proof("", "PRODUCTION", NOW), "lab", "sandbox")
    assert caught.value.reason == "Alma reports this for the institution that the key belongs to."
