"""Any row of the ledger is a record as it was written, or damage; any line that is typed can be completed."""

from __future__ import annotations

import contextlib
import json
import shlex

from almajob.completion import quoting
from almajob.completion.candidates import find_candidates
from almajob.completion.grammar import Grammar, load_core
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Candidate, Certainty, Record, State, Transition, is_lawful
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.schema import LEDGER_FORMAT
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried
from tests.store.ledger.everything import ask, fill
from tests.store.ledger.test_record import new
from tests.support.memory_place import MemoryPlace, Shared

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


_PLACE = MemoryPlace()
fill(Ledger(_PLACE), 6)
_ROWS = dict(_PLACE.shared.rows)
_GROUPS = sorted({key.split(":")[1] for key in _ROWS} - {"record"})


@tried(300)
def test_any_row_is_read_or_damaged(data: bytes) -> None:
    """Rows that carry the right check, with anything in them: nothing else comes of it."""
    choices = Choices(data)
    group = choices.one_of(_GROUPS).removeprefix("~")
    keys = [key for key in _ROWS if key.startswith(f"{LEDGER_FORMAT}:{group}:")]
    key = choices.one_of(keys).removeprefix(f"{LEDGER_FORMAT}:").rpartition(":")[0]
    place = MemoryPlace(Shared(dict(_ROWS)))
    with place.change(0) as opened:
        rows = SealedRows(opened)
        rows.put({key: choices.changed(rows.get([key])[key], _NAMES, _SCALARS)})
        rows.flush()
    with contextlib.suppress(LedgerUnusable), Ledger(place).read() as view:
        ask(view)
    with contextlib.suppress(LedgerUnusable):
        Ledger(place).write(new(id="another"))


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
