"""Every command that prints a result, on terminals of several widths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from almajob.cli.command import Lister, ShowOne
from almajob.cli.plugins.command_manager import Commands, load_class
from almajob.entry_points import is_core
from almajob.testing import SimulatedAlma
from almajob.text.display_width import measure_width
from tests.conftest import Run
from tests.support.screens import Seen, run_on_terminal

ERP = "S9563600010000561"
NAME = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
IMPORT = "Metadata Import using profile Vendor Records"
WIDE = (
    "作業と作業の長い名前 Ünïcödé e\u0301e\u0301 😀 of the library of the university, with all its branches"
)
SANDBOX = ("--env", "sandbox")
WHOLE = {
    *("id", "instance_id", "job_id", "run_key", "tag", "status", "state", "certainty"),
    *("incoming_record_id", "mms_ids", "type"),
}
"""Members of JSON that a table never breaks."""


@dataclass
class Place:
    """A sandbox and a production in which something has happened."""

    runs: list[str]
    users: str
    records: str
    ledger_id: str
    output: Path
    url: str
    ids: str


@pytest.fixture
def place(
    simulated: SimulatedAlma,
    almajob: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    httpserver: HTTPServer,
) -> Place:
    """Runs of three jobs, one with a wide name: one failed, one goes on, one is saved, one is unknown."""
    world = simulated.institution.sandbox
    world.jobs = tuple(replace(job, name=WIDE) if job.id == ERP else job for job in world.jobs)
    world._by_id = {job.id: job for job in world.jobs}

    def submit(name: str) -> str:
        return world.submit(next(job for job in world.jobs if name in (job.id, job.name)), []).id

    users, records, ended = submit(SIS), submit(IMPORT), submit(ERP)
    simulated.clock.advance(3600)
    simulated.set_ending(ERP, "COMPLETED_FAILED")
    failed = submit(ERP)
    simulated.clock.advance(3600)
    simulated.set_ending(ERP, seconds=100_000)
    start = ("run", ERP, "--run-key", "invoices-of-may-2026", "-f", "json")
    started = json.loads(almajob(*SANDBOX, *start).out)["instance_id"]
    simulated.clock.advance(60)
    assert almajob(*SANDBOX, "run", ERP, "--once-per", "day", "--save", "invoices").code == 0
    simulated.faults.add("reset-after", "POST /conf/jobs/*")
    assert almajob("--env", "production", "run", NAME, "--yes", "--run-key", "unknown").code == 9
    (row,) = json.loads(almajob("runs", "list", "--open", "-f", "json").out)
    with (tmp_path / "almajob.ini").open("a", encoding="utf-8") as ini:
        ini.write("[notify:ops]\ntype = command\ncommand = true\n")
    almajob("config", "trust", str(tmp_path / "almajob.ini"))
    assert almajob("ledger", "export", "--output", str(tmp_path / "ledger.jsonl")).code == 0
    monkeypatch.setenv("ALMAJOB_WEBHOOK_SECRET_SANDBOX", "only-for-a-listener")
    httpserver.expect_request(re.compile("/.*")).respond_with_data("no listener", status=404)
    output = tmp_path / "records.xml"
    ids = tmp_path / "ids.txt"
    ids.write_text("99700000000561\n")
    url = httpserver.url_for("/")
    return Place([ended, failed, started], users, records, row["id"], output, url, str(ids))


Words = Callable[[Place], Sequence[str]]
_EMPTY = ("notify failure", "schedule list", "schedule remove", "sets prune")
"""What has nothing to list there."""
COMMANDS: dict[str, list[Words]] = {
    "list": [lambda _: SANDBOX, lambda _: (*SANDBOX, "--type", "scheduled")],
    "show": [lambda _: (*SANDBOX, ERP)],
    "history": [lambda _: (*SANDBOX, ERP), lambda _: (*SANDBOX, ERP, SIS)],
    "report": [lambda _: SANDBOX, lambda _: ("--env", "sandbox,production")],
    "status": [lambda found: (*SANDBOX, *found.runs), lambda found: (*SANDBOX, found.runs[1])],
    "wait": [lambda found: (*SANDBOX, *found.runs[:2])],
    "top": [lambda _: (*SANDBOX, ERP, SIS)],
    "run": [
        lambda _: (*SANDBOX, ERP, "--dry-run", "--if-running", "attach"),
        lambda _: ("--list-saved",),
        lambda _: (*SANDBOX, ERP, "--run-key", "invoices-of-may-2026"),
    ],
    "runs list": [lambda _: (), lambda _: ("--open",)],
    "runs show": [lambda found: (found.ledger_id,)],
    "runs settle": [lambda _: ()],
    "runs resolve": [lambda found: (found.ledger_id, "--not-started")],
    "ledger show": [lambda _: ()],
    "ledger check": [lambda _: ()],
    "ledger copy": [lambda found: ("--to", str(found.output.with_name("other")), "--dry-run")],
    "ledger import": [lambda found: (str(found.output.with_name("ledger.jsonl")),)],
    "ledger archive": [
        lambda found: ("--before", "60d", "--output", str(found.output.with_name("old.jsonl")), "--dry-run")
    ],
    "events": [lambda found: (*SANDBOX, found.users)],
    "matches": [lambda found: (*SANDBOX, found.records, "--population", "multi")],
    "download": [lambda found: (*SANDBOX, found.records, "--output", str(found.output), "--overwrite")],
    "quota": [lambda _: ()],
    "sets add": [lambda found: (*SANDBOX, "An empty set", "--ids", found.ids)],
    "sets create": [
        lambda found: (*SANDBOX, WIDE, "--ids", found.ids),
        lambda found: (*SANDBOX, WIDE, "--ids", found.ids, "--dry-run"),
    ],
    "sets remove": [lambda found: (*SANDBOX, "An empty set", "--ids", found.ids)],
    "sets replace": [lambda found: (*SANDBOX, "An empty set", "--ids", found.ids)],
    "sets list": [lambda _: SANDBOX],
    "sets members": [lambda _: (*SANDBOX, "Lost items")],
    "sets prune": [lambda _: (*SANDBOX, "--older-than", "1d", "--dry-run")],
    "sets show": [lambda _: (*SANDBOX, "Lost items")],
    "config check": [lambda _: SANDBOX],
    "config show": [lambda _: ()],
    "config trust": [lambda _: ("--list",)],
    "saved list": [lambda _: ()],
    "saved show": [lambda _: ("invoices",)],
    "cache show": [lambda _: ()],
    "check": [lambda _: ()],
    "notify failure": [lambda _: (*SANDBOX, "invoices")],
    "schedule install": [lambda _: (*SANDBOX, "invoices", "--at", "Mon..Fri 05:15", "--user", "--dry-run")],
    "schedule list": [lambda _: ()],
    "schedule remove": [lambda _: (*SANDBOX, "invoices", "--dry-run")],
    "notify list": [lambda _: ()],
    "notify pending": [lambda _: ()],
    "notify test": [lambda _: ("ops",)],
    "webhook list": [lambda _: SANDBOX],
    "webhook test": [lambda found: (*SANDBOX, found.url)],
    "plugin list": [lambda _: ()],
    "plugin check": [lambda _: ()],
    "plugin new": [lambda _: ("sets-report",)],
}
"""What is tried of each command."""


def _displaying() -> set[str]:
    """Name the commands that print a result."""
    points = [installed.claims[0] for installed in Commands().installed]
    found = {point.name.replace("_", " "): load_class(point) for point in points if is_core(point)}
    return {name for name, kind in found.items() if issubclass(kind, Lister | ShowOne)}


def test_every_command_that_prints_a_result_is_tried() -> None:
    """A new one gets a line above."""
    assert _displaying() == set(COMMANDS)


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_nothing_is_wider_than_the_terminal_and_no_id_is_broken(
    place: Place, almajob: Run, columns: int
) -> None:
    """Lists and single things alike, with names in any script."""
    wrong = []
    for name, tried in COMMANDS.items():
        for words in tried:
            line = (*name.split(), *words(place))
            seen = run_on_terminal(*line, columns=columns)
            whole = (
                set()
                if {"resolve", "new"}.intersection(line)
                else _find_whole(almajob(*line, "-f", "json").out)
            )
            wrong += [f"{' '.join(line)}: {text}" for text in seen.list_too_wide()]
            wrong += [f"{' '.join(line)}: broken: {text}" for text in _list_broken(seen, whole)]
            if name == "run" and seen.out.text.startswith("Started before: "):
                # A person is answered in words.
                assert place.runs[2] in seen.out.text
            elif name not in ("plugin check", "check", "notify pending", "webhook list", *_EMPTY):
                assert seen.out.lines[0].startswith("+--"), f"{line}: {seen.err.text}"
    assert wrong == []


def _find_whole(printed: str) -> set[str]:
    """Return the values of JSON that must not be broken, where they are long enough to be."""
    found: set[str] = set()

    def look(value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            for member, inner in value.items():
                look(inner, member.lower())
        elif isinstance(value, list):
            for inner in value:
                look(inner, name)
        elif name in WHOLE and isinstance(value, str) and len(value) > 8:
            found.add(value)

    look(json.loads(printed))
    return found


def _list_broken(seen: Seen, whole: set[str]) -> list[str]:
    """Return what begins as something that must be whole, and is not."""
    cells = [word for line in seen.out.lines for word in re.split(r"[| ,]+", line)]
    return [
        word
        for word in cells
        if len(word) > 6
        and not any(word in text for text in whole if text == word)
        and any(text.startswith(word.rstrip("…")) for text in whole)
    ]


@pytest.mark.parametrize(("columns", "shown"), [(80, "id status submit_time duration"), (60, "")])
def test_a_history_is_readable_at_80_columns(place: Place, columns: int, shown: str) -> None:
    """What was asked, how it ended and how long it took; at 60 the status is there, too."""
    seen = run_on_terminal(*SANDBOX, "history", ERP, columns=columns)
    headings = seen.out.lines[1].replace("|", " ").replace("process_", "").split()
    assert headings == (shown or "id status submit_time").split()
    assert place.runs[0] in seen.out.text
    assert "columns left out; -c shows them, -f json has all." in seen.err.text
    assert run_on_terminal(*SANDBOX, "-q", "history", ERP, columns=columns).err.text == ""


def test_what_is_asked_for_is_shown(place: Place) -> None:
    """With -c, also where names lose nearly all; by the heading of a table, too."""
    words = (
        *SANDBOX,
        "history",
        ERP,
        "-c",
        "job_name",
        "-c",
        "instance_id",
        "-c",
        "status",
        "-c",
        "duration",
    )
    seen = run_on_terminal(*words, columns=65)
    assert seen.out.lines[1].replace("|", " ").split()[1:] == ["process_id", "status", "duration"]
    assert seen.list_too_wide() == []
    assert seen.err.text == ""


def test_a_pipe_gets_full_width_and_no_colour(place: Place, almajob: Run) -> None:
    """Whatever the terminal's width; --max-width and the variable make it narrower."""
    out = almajob(*SANDBOX, "history", ERP).out
    assert "\x1b" not in out
    assert len(out.splitlines()[0]) > 110
    assert "ago)" in out
    narrow = almajob(*SANDBOX, "history", ERP, "--max-width", "70")
    assert max(map(len, narrow.out.splitlines())) <= 70
    assert "left out" in narrow.err


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_statuses_and_errors_are_in_colour(place: Place, environ: dict[str, str]) -> None:
    """Unless a person wants none, or the terminal has none; a colour takes no room in a table."""
    seen = run_on_terminal(*SANDBOX, "status", *place.runs, columns=100, environ=environ)
    words = {"COMPLETED_SUCCESS": "green", "COMPLETED_FAILED": "red", "QUEUED": "cyan"}
    shown = {word: seen.out.find_colours(word) for word in words}
    assert shown == {word: {"default" if environ else colour} for word, colour in words.items()}
    assert len({measure_width(line) for line in seen.out.lines}) == 1
    for words_ in (("show", "nothing"), ("show", "--nothing"), ("nothing",)):
        failed = run_on_terminal(*SANDBOX, *words_, columns=100, environ=environ)
        assert failed.err.lines[0].startswith("almajob")
        assert ("\x1b[1;31malmajob" in failed.err.written) is (not environ)
    assert "\x1b" not in run_on_terminal(*SANDBOX, "list", "-f", "json", columns=100).out.written
