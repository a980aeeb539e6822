"""Any row of the ledger is a record as it was written, or damage; any line that is typed can be completed."""

from __future__ import annotations

import contextlib
import json
import shlex

from almajob.completion import quoting
from almajob.completion.candidates import find_candidates
from almajob.completion.grammar import Grammar, load_core
from almajob.store import ledger as ledger_store
from almajob.store.errors import Damaged
from almajob.store.ledger_record import Candidate, Certainty, Record, State, Transition, is_lawful
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried
from tests.store.test_ledger_record import new

_NAMES = (
    *("trail", "state", "at", "reason", "baseline", "certainty", "candidates", "id", "attempt", "sent_at"),
    *("x",),
)
_SCALARS = (*State, *Certainty, None, True, 0, -1, 1.5, float("nan"), [], {}, *NASTY)
_WHOLE = json.loads(
    json.dumps(
        new(
            trail=(
                Transition(State.PREPARED, 1.0, "meant"),
                Transition(State.SENDING, 2.0, "sent"),
                Transition(State.UNKNOWN, 3.0, "?"),
            ),
            baseline=("1", "2"),
            candidates=(Candidate("77", "ERP", "2025-10-05T09:11:32Z", "x"),),
        ).to_json()
    )
)


@tried(5000)
def test_any_document_is_a_record_or_none(data: bytes) -> None:
    """What is read has gone a lawful way, and is written as it was read."""
    choices = Choices(data)
    raw = choices.changed(_WHOLE, _NAMES, _SCALARS)
    try:
        found = Record.from_json(raw)
    except ValueError as error:
        assert str(error)
        return
    assert is_lawful([step.state for step in found.trail])
    assert json.dumps(found.to_json(), sort_keys=True) == json.dumps(
        Record.from_json(found.to_json()).to_json(), sort_keys=True
    )


@tried(2000)
def test_any_key_of_a_row_is_read_or_damaged(data: bytes) -> None:
    """Keys that carry the right check, with anything in them."""
    choices = Choices(data)
    parts = choices.some_of(
        ("open", "done", "fact", "0000000001000", "sandbox", "M44", "k", "r1", ":", *NASTY[:-2]), 8
    )
    with contextlib.suppress(Damaged):
        found = ledger_store.parse_key(ledger_store.checked_key(*(parts or [""])))
        assert (found is None) == (parts[0] == "fact")


_TYPED = (
    *("almajob", " ", "--env", "=", "sandbox", "run", "runs", "--job", "-", "--cmd", "list", "'", '"', "\\"),
    *("$", "!", "\n", "--params", "settle", "--id=", "help", "complete", "$'", ";", "|", *NASTY),
)


@tried(2000)
def test_any_line_can_be_completed(data: bytes) -> None:
    """Up to the cursor, whatever stands there; every candidate can be typed."""
    choices = Choices(data)
    line = "almajob " + choices.text(_TYPED, 10)
    piece = line[len(line) - choices.below(8) :]
    said = quoting.read_line(line, piece)
    kind, found = find_candidates(Grammar(load_core()), said.words[1:], said.beginning, {"HOME": "/nowhere"})
    assert kind in ("words", "files")
    assert all(text.isprintable() and text for text, _what in found)


@tried(3000)
def test_what_is_quoted_for_a_shell_is_read_back(data: bytes) -> None:
    """In quotes of its own, or between those that are open."""
    choices = Choices(data)
    text = choices.text(_TYPED, 8).replace("\n", " ")
    quote = choices.one_of(("", "'", '"'))
    assert shlex.split(quote + quoting.in_quotes(text, quote)) == [text]
    if text:
        assert quoting.read_line(quote + quoting.in_backslashes(text, quote)).beginning == text
