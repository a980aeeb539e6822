"""docs/json.md is true: it has a line for every key of every command, and the type of every value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import almajob.errors
from almajob.cli.app import AlmaJob
from almajob.cli.plugins.command_manager import Installed
from almajob.commands.run import PLAN_COLUMNS
from almajob.entry_points import is_core
from almajob.errors import ERROR_CODES, EXIT_CODES, AlmaError, AlmajobError
from almajob.output.columns import Certainty, StartState
from almajob.output.saved_views import SAVED_COLUMNS
from almajob.store.ledger import record as ledger_record
from almajob.testing import SimulatedAlma
from tests.conftest import Run

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
ENV = ("--env", "sandbox")
Keys = dict[str, str]
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"
KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and re.fullmatch(TIME, value) is not None,
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array of strings": lambda value: (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    ),
    "array of objects": lambda value: (
        isinstance(value, list) and all(isinstance(each, dict) for each in value)
    ),
}


def _sections() -> dict[str, str]:
    parts = re.split(r"^###? (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _keys(title: str) -> Keys:
    """Return the keys that a section documents, with their types; first those of the sections it names."""
    text = _sections()[title]
    named = re.search(r"^.*Keys: (.+)$", text, re.MULTILINE)
    linked = re.findall(r"\[`?([^]`]+)`?\]\(#", named[1]) if named else []
    if "as `almajob runs show` prints it" in text:
        linked = ["almajob runs show"]
    found: Keys = {}
    for each in linked:
        found |= _keys(next(name for name in _sections() if name.strip("`").lower() == each.lower()))
    return found | dict(re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \|", text, re.MULTILINE))


def _top(keys: Keys) -> list[str]:
    return [key for key in keys if "." not in key]


def _commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    app = AlmaJob()
    for name, _entry in app.command_manager:
        if isinstance(found := app.command_manager.commands[name], Installed) and is_core(found.claims[0]):
            columns = getattr(app.command_manager.find_command(name.split())[0], "columns", ())
            if columns:
                yield name, tuple(columns)
    yield "run --dry-run", PLAN_COLUMNS
    yield "run --save", SAVED_COLUMNS


COMMANDS = dict(_commands())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_its_line_and_every_line_its_key(command: str) -> None:
    """In the order in which they are printed."""
    title = f"`almajob {command}`"
    assert title in _sections(), f"docs/json.md has no section {title}"
    assert _top(_keys(title)) == list(COMMANDS[command])


def test_no_section_is_of_a_command_that_is_not_there() -> None:
    """What was removed from the program is removed from the page."""
    titles = [title.strip("`").removeprefix("almajob ") for title in _sections() if title.startswith("`")]
    assert sorted(titles) == sorted(COMMANDS)


def test_all_keys_are_lower_snake_case() -> None:
    """As JSON's, so the headings of tables and CSV."""
    for columns in COMMANDS.values():
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column) for column in columns), columns


def _check(row: dict[str, Any], keys: Keys, prefix: str = "") -> None:
    """Compare an object with what is documented: no more keys and no fewer, each of a type named there."""
    here = {key.removeprefix(prefix): kind for key, kind in keys.items() if key.startswith(prefix)}
    top = {key: kind for key, kind in here.items() if "." not in key}
    assert list(row) == list(top)
    for key, kind in top.items():
        value = row[key]
        assert any(KINDS[each](value) for each in kind.split(" or ")), (prefix + key, kind, value)
        if kind.startswith("array of objects"):
            for element in value:
                _check(element, keys, f"{prefix}{key}[].")
        if key == "error" and value is not None:
            _check(value, _keys("An error"))
            assert value["code"] in ERROR_CODES


def _hold(almajob: Run, command: str, *words: str, codes: tuple[int, ...] = (0,)) -> Any:
    """Run a command and compare what it prints with its section; return that."""
    done = almajob(*ENV, *words, "-f", "json")
    assert done.code in codes, done.err
    shown = json.loads(done.out)
    for row in shown if isinstance(shown, list) else [shown]:
        _check(row, _keys(f"`almajob {command}`"))
    return shown


def test_what_is_printed_has_the_types_that_are_named(simulated: SimulatedAlma, almajob: Run) -> None:
    """Of lists, of starts that succeed and fail, of what is known and of what is not."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=60)
    assert isinstance(_hold(almajob, "list", "list"), list)
    assert isinstance(_hold(almajob, "show", "show", "M44"), dict)
    started = _hold(almajob, "run", "run", "--job", ERP)
    run_id = started["instance_id"]
    assert _hold(almajob, "run", "run", "--job", ERP, codes=(5,))["error"]["code"] == "already_running"
    assert _hold(almajob, "run", "run", "--job", "nothing such", codes=(5,))["error"]["code"] == "not_found"
    (going_on,) = _hold(almajob, "status", "status", "--id", run_id)
    assert going_on["error"] is None
    (ended,) = _hold(almajob, "wait", "wait", "--id", run_id, codes=(3,))
    assert ended["error"]["code"] == "job_failed"
    assert len(_hold(almajob, "status", "status", "--id", run_id, "123", codes=(4,))) == 2
    assert _hold(almajob, "history", "history", "--job", ERP)
    (report,) = _hold(almajob, "report", "report")
    assert len(report["runs"]) == len(report["failures"]) == 1
    assert _hold(almajob, "runs list", "runs", "list")
    assert isinstance(_hold(almajob, "runs show", "runs", "show", run_id), dict)
    assert _hold(almajob, "cache show", "cache", "show")
    assert _hold(almajob, "quota", "quota")


def test_the_same_holds_for_the_ledger(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """Empty or not, copied or only asked."""
    _hold(almajob, "ledger show", "ledger", "show")
    almajob(*ENV, "run", "--job", ERP)
    assert _hold(almajob, "ledger show", "ledger", "show")["records"] == 1
    assert _hold(almajob, "ledger check", "ledger", "check")["problems"] == []
    copy = ("ledger", "copy", "--to", str(tmp_path / "other"))
    assert _hold(almajob, "ledger copy", *copy, "--dry-run")["dry_run"] is True
    assert _hold(almajob, "ledger copy", *copy)["added"] == 1
    assert almajob("ledger", "export", "--output", str(tmp_path / "export")).code == 0
    assert _hold(almajob, "ledger import", "ledger", "import", str(tmp_path / "export"))["same"] == 1
    archive = ("ledger", "archive", "--before", "60d", "--output", str(tmp_path / "archive"))
    assert _hold(almajob, "ledger archive", *archive)["records"] == 0


def test_the_same_holds_for_what_is_configured(simulated: SimulatedAlma, almajob: Run) -> None:
    """Settings, checks, saved runs, and what a dry run shows."""
    assert _hold(almajob, "config show", "config", "show")
    assert _hold(almajob, "config check", "config", "check")
    export = ("run", "--job", "M44", "--allow-unknown", "--param", "job_name=x")
    assert isinstance(_hold(almajob, "run --dry-run", *export, "--dry-run"), dict)
    saving = ("run", "--job", "M44", "--set", "Theses without a call number", "--save", "theses")
    assert isinstance(_hold(almajob, "run --save", *saving), dict)
    assert _hold(almajob, "saved list", "saved", "list")
    assert isinstance(_hold(almajob, "saved show", "saved", "show", "theses"), dict)
    assert _hold(almajob, "plugin list", "plugin", "list")
    _hold(almajob, "plugin check", "plugin", "check", "list")
    assert _hold(almajob, "plugin new", "plugin", "new", "hello")


def test_a_start_in_doubt_has_its_whole_history(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 9; the ledger's record is shown and settled in the same form."""
    simulated.faults.add("reset-before", "POST /conf/jobs/*")
    shown = _hold(almajob, "run", "run", "--job", ERP, "--run-key", "k", codes=(9,))
    assert (shown["error"]["code"], shown["retry_safe"]) == ("outcome_unknown", False)
    assert len(_hold(almajob, "runs show", "runs", "show", "k")["trail"]) > 2
    assert _hold(almajob, "runs settle", "runs", "settle", codes=(9,))
    assert _hold(almajob, "runs resolve", "runs", "resolve", "k", "--not-started")["state"] == "NOT_STARTED"


def _errors(kind: type[AlmajobError] = AlmajobError) -> Iterator[type[AlmajobError]]:
    if kind.__module__.startswith("almajob."):
        yield kind
    for each in kind.__subclasses__():
        yield from _errors(each)


def test_each_kind_of_error_has_a_code_that_is_documented() -> None:
    """And no code is left without an error, nor a code of two exit codes."""
    found = {kind.kind: set[int]() for kind in _errors()}
    for kind in _errors():
        found[kind.kind].add(kind.exit_code)
    assert set(found) == set(ERROR_CODES)
    assert {code: codes for code, codes in found.items() if len(codes) > 1} == {}
    assert {code for codes in found.values() for code in codes} <= set(EXIT_CODES)


def test_what_alma_said_is_in_the_error() -> None:
    """Its code and its tracking id, each in a member of its own; null where there is none."""
    error = AlmaError("No.", code="402216", text="t", tracking_id="E01-1", http_status=400)
    assert error.to_json() == {
        "code": "error",
        "message": "No.",
        "reason": None,
        "hint": None,
        "alma_code": "402216",
        "tracking_id": "E01-1",
    }
    plain = almajob.errors.Refused("No.", hint="Yes.").to_json()
    assert (plain["code"], plain["hint"], plain["alma_code"]) == ("refused", "Yes.", None)


def test_people_get_words_for_every_state() -> None:
    """None of the ledger's own words stands in a table."""
    assert set(StartState.WORDS) == {state.value for state in ledger_record.State}
    assert set(Certainty.WORDS) == {certainty.value for certainty in ledger_record.Certainty}
    assert not set(StartState.WORDS) & set(StartState.WORDS.values())
