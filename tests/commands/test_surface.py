"""What somebody types who has just met almajob, what is answered, and with which exit code."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
import unicodedata
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from almajob.cli.app import main
from almajob.simulator.world.clock import Clock as WorldClock
from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.screens import run_on_terminal
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
UCLA = "ERP export using profile UCLA Invoices PA"
SIS = "Users SYNCHRONIZE using profile SIS"
ENV = ("--env", "sandbox")
DEMO = ("--env", "demo")
NAMES = ("-f", "value", "-c", "name")
START = "POST /conf/jobs/*"


def _start_elsewhere(alma: SimulatedAlma, name: str, status: str = "COMPLETED_SUCCESS") -> str:
    """Let a run of a job begin and end, without almajob."""
    alma.set_ending(name, status, seconds=60)
    world = alma.institution.sandbox
    run_id = world.submit(next(job for job in world.jobs if job.name == name), []).id
    alma.clock.advance(3600)
    return run_id


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--name", "*[Video]*"), ["Add 245 sf h [Video]"]),
        (("--name", "[video]"), ["Add 245 sf h [Video]"]),
        (("--name", "export phys"), ["Export Physical items", "Export Physical items labels"]),
        (("--name", "GIFT"), ["gift", "gift"]),
        (("--name", "Export Physical item?"), ["Export Physical items"]),
        (("--category", "export", "--type", "Manual", "--name", "url"), ["Export URLs"]),
    ],
)
def test_jobs_are_searched_by_any_part_of_their_name(
    almajob: Run, words: tuple[str, ...], names: list[str]
) -> None:
    """Only * and ? are patterns, and case does not count: not in names, not in types, not in categories."""
    done = almajob(*DEMO, "list", *words, *NAMES)
    assert (done.code, done.out.splitlines(), done.err) == (0, names, "")


def test_names_are_sorted_as_in_a_catalogue(almajob: Run) -> None:
    """Small and capital letters together, and a shorter name before the longer one that begins with it.

    Names that are numbers come first.
    """
    names = almajob(*DEMO, "list", "--sort-column", "name", *NAMES).out.splitlines()
    assert names == sorted(names, key=lambda name: (not name.isdecimal(), name.casefold()))
    assert names.index("Export Physical items") + 1 == names.index("Export Physical items labels")
    assert almajob(*DEMO, "list", "--sort-column", "Name", *NAMES).out.splitlines() == names


@pytest.mark.parametrize("columns", [50, 80, 140])
def test_what_must_be_copied_is_whole_in_any_terminal(
    simulated: SimulatedAlma, almajob: Run, columns: int
) -> None:
    """Process IDs, run ids and statuses stand in one piece, and no table is wider than the terminal."""
    one, two = (_start_elsewhere(simulated, name, "COMPLETED_FAILED") for name in (ERP, SIS))
    assert almajob(*ENV, "run", ERP, "--run-key", "k").code == 0
    (row,) = json.loads(almajob("runs", "list", "-f", "json").out)
    for words, whole in (
        ((*ENV, "history", ERP), [one, "COMPLETED_FAILED"]),
        ((*ENV, "status", one, two), [one, two]),
        (("runs", "list"), [row["id"]]),
        (("runs", "list", "--open"), []),
        (("quota",), []),
    ):
        seen = run_on_terminal(*words, columns=columns)
        assert (seen.code, seen.list_too_wide()) == (0, []), words
        assert [text for text in whole if text not in seen.out.text] == [], seen.out.text


def test_an_option_of_several_words_swallows_no_name(simulated: SimulatedAlma, almajob: Run) -> None:
    """What follows the status that is accepted is still the job, or the saved run."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=60)
    assert almajob(*ENV, "run", ERP, "--save", "invoices").code == 0
    for name in ("invoices", ERP):
        done = almajob(*ENV, "run", "--wait", "--accept", "COMPLETED_FAILED", name)
        assert (done.code, ERP in done.out) == (0, True)
    without = almajob(*ENV, "run", "--accept", "COMPLETED_FAILED", "invoices")
    assert (without.code, without.out) == (2, "")
    assert "Add --wait." in without.err
    assert simulated.log.count(START) == 2


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("run", "--job", "M44", "--job", "M46", "--dry-run"), "--job"),
        (("history", "--job", "M44", "--job", "M46"), "--job"),
        (("list", "--name", "ERP*", "--name", "Export*"), "--name"),
        (("list", "--type", "manual", "--type", "scheduled"), "--type"),
        (("run", "M44", "--dry-run", "--env", "production", "--yes"), "--env"),
    ],
)
def test_two_values_where_one_counts_are_refused(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], option: str
) -> None:
    """With both of them in the message; no one is taken for the other, and no call is made."""
    done = almajob(*ENV, *words)
    assert (done.code, done.out, simulated.log.total) == (2, "", 0)
    assert re.search(rf"{option} is given twice, with different values: '\S+' and '\S+'\.", done.err)


@pytest.mark.parametrize("status", ["COMPLETED_FAIL", "FOO"])
@pytest.mark.parametrize("words", [("wait", "1", "--accept"), ("history", ERP, "--status")])
def test_a_word_that_is_no_status_is_refused_with_those_that_are(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], status: str
) -> None:
    """And with the one that is meant, where one is near; Alma is not asked."""
    done = almajob(*ENV, *words, status)
    assert (done.code, done.out, simulated.log.total) == (2, "", 0)
    assert f"'{status}' is not a status. " in done.err
    assert ("Did you mean COMPLETED_FAILED? " in done.err) is (status == "COMPLETED_FAIL")
    assert re.search(r"Known statuses: .*COMPLETED_SUCCESS, .*MANUAL_HANDLING_REQUIRED\.\n", done.err)


def test_a_status_may_be_typed_in_almas_words(simulated: SimulatedAlma, almajob: Run) -> None:
    """As Alma's own pages show it, in any case."""
    run_id = _start_elsewhere(simulated, ERP, "COMPLETED_FAILED")
    for status in ("Completed with Errors", "completed_failed"):
        done = almajob(*ENV, "history", ERP, "--status", status, "-f", "value", "-c", "instance_id")
        assert (done.code, done.out) == (0, f"{run_id}\n")


def test_a_name_is_found_however_its_accents_are_written(simulated: SimulatedAlma, almajob: Run) -> None:
    """Two names that look the same on the screen are one."""
    name = "éxport combiñe"
    world = simulated.institution.sandbox
    world.jobs = tuple(
        replace(job, name=unicodedata.normalize("NFD", name)) if job.id == ERP_ID else job
        for job in world.jobs
    )
    world._by_id = {job.id: job for job in world.jobs}
    for form in ("NFC", "NFD"):
        done = almajob(*ENV, "show", unicodedata.normalize(form, name), "-f", "value", "-c", "id")
        assert (done.code, done.out) == (0, f"{ERP_ID}\n")
        done = almajob(*ENV, "list", "--name", unicodedata.normalize(form, "éx"), "-f", "value", "-c", "id")
        assert (done.code, done.out) == (0, f"{ERP_ID}\n")


def test_a_script_reads_why_nothing_was_started(simulated: SimulatedAlma, almajob: Run) -> None:
    """The JSON of a refusal has its code, its message and what to type, as the person's text has."""
    done = almajob(*ENV, "run", "--job", "nope", "-f", "json")
    error = done.row["error"]
    assert (done.code, done.row["state"], error["code"]) == (5, "NOT_STARTED", "not_found")
    assert done.err == f"almajob: {error['message']}\n  {error['hint']}\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("erp export",), [ERP, UCLA]),
        (("ERP export using profile",), [ERP, UCLA]),
        (("nonsense",), []),
        (("M44", "--set", "Theses"), ["Theses without a call number", "All electronic theses"]),
        (("M44", "--set", "Bücher"), []),
    ],
)
def test_what_may_be_meant_is_near_or_not_named(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], meant: list[str]
) -> None:
    """Names that begin with or hold what was typed, whatever its case; nothing where nothing is near."""
    done = almajob(*ENV, "run", *words)
    assert (done.code, done.out, simulated.log.count(START)) == (5, "", 0)
    told = "".join(line for line in done.err.splitlines() if "Did you mean" in line)
    assert re.findall(r"'([^']+)'", told) == meant


@pytest.mark.parametrize(
    ("typed", "name"),
    [("m44", "Export Bibliographic records"), (ERP.lower(), ERP), (f"  {ERP} ", ERP), ("finance", "")],
)
def test_a_job_is_named_in_any_case(simulated: SimulatedAlma, almajob: Run, typed: str, name: str) -> None:
    """By name or id, with blanks around it; which job it is taken for is told. A part is not enough."""
    done = almajob(*ENV, "show", typed, "-f", "value", "-c", "name")
    assert (done.code, done.out.strip()) == (0 if name else 5, name)
    assert bool(name) is (repr(name) in done.err and repr(typed) in done.err)


def test_a_person_is_offered_the_jobs_to_choose_from() -> None:
    """By number, at a terminal; Enter chooses none."""
    with Terminal(*DEMO, "run", "erp export", "--dry-run") as terminal:
        seen = terminal.until(lambda text: "Type its number" in text)
        assert f"1) {ERP!r}" in seen
        assert f"2) {UCLA!r}" in seen
        terminal.type("\n")
        assert terminal.end() == 5


def test_a_lost_answer_is_told_in_sentences(simulated: SimulatedAlma, almajob: Run) -> None:
    """At once, with how long the search for the run may take; then where the run was found."""
    simulated.faults.add("reset-after", START)
    done = almajob(*ENV, "run", ERP)
    _starting, lost, *_ = done.err.splitlines()
    assert lost.endswith(
        " did not answer completely. The connection broke. "
        "Looking for the run in Alma, for up to two minutes."
    )
    assert re.fullmatch(rf"Started {ERP} in sandbox, found in Alma: run \d+\n", done.out)
    assert (done.code, ";" in lost) == (0, False)


@pytest.mark.parametrize("words", ["runs show @last", "wait @last", "events @last"])
def test_the_last_run_has_one_name_everywhere(simulated: SimulatedAlma, almajob: Run, words: str) -> None:
    """Also where a run is looked up in what was started from here."""
    none = almajob(*ENV, *words.split())
    assert (none.code, "Nothing was started in sandbox from here yet." in none.err) == (5, True)
    simulated.set_ending(SIS, "COMPLETED_SUCCESS", seconds=60)
    assert almajob(*ENV, "run", SIS).code == 0
    simulated.clock.advance(3600)
    assert almajob(*ENV, *words.split()).code == 0


def test_an_id_that_only_alma_may_know_is_not_asked_for_again(almajob: Run) -> None:
    """The message does not ask for what was typed, but says who can tell more."""
    done = almajob("runs", "show", "9863643080280561")
    assert (done.code, done.out) == (5, "")
    assert "almajob status 9863643080280561 asks Alma for it" in done.err
    assert "digits" not in done.err


@pytest.mark.parametrize("since", ["today", "7days", "7d", "2h", "yesterday"])
def test_a_history_begins_where_people_say(simulated: SimulatedAlma, almajob: Run, since: str) -> None:
    """Yesterday, today, seven days ago: a run of that time has a line, and an older one has none."""
    _start_elsewhere(simulated, ERP)
    # At noon, nine days later.
    hour = datetime.fromtimestamp(simulated.clock()).hour
    simulated.clock.advance(9 * 86400 + (12 - hour) * 3600)
    run_id = _start_elsewhere(simulated, ERP)
    done = almajob(*ENV, "history", ERP, "--since", since, "-f", "value", "-c", "instance_id")
    assert (done.code, done.out) == (0, f"{run_id}\n")
    wrong = almajob(*ENV, "history", ERP, "--since", "soonish")
    assert (wrong.code, "such as 7d" in wrong.err, "yesterday" in wrong.err) == (2, True, True)


def test_a_history_says_how_each_run_ended(simulated: SimulatedAlma, almajob: Run) -> None:
    """Of several jobs in one list: job, status, end, how long it took, counters."""
    for name in (ERP, SIS):
        _start_elsewhere(simulated, name)
    rows = json.loads(almajob(*ENV, "history", ERP, SIS, "-f", "json").out)
    assert [row["job_name"] for row in rows] == [SIS, ERP]
    for row in rows:
        assert all(row[name] for name in ("status", "end_time", "seconds", "counters"))
    seen = run_on_terminal(*ENV, "history", ERP, columns=80)
    assert " duration " in seen.out.lines[1]


def test_the_job_and_the_reason_are_seen_while_one_waits(simulated: SimulatedAlma) -> None:
    """In a terminal of 80 columns: name, status and next look in whole, and why a run cannot be seen."""
    simulated.set_ending(ERP, seconds=7200)
    world = simulated.institution.sandbox
    run_id = world.submit(next(job for job in world.jobs if job.name == ERP), []).id
    with Terminal(*ENV, "wait", run_id, "--interval", "1", size=(20, 80)) as terminal:
        shown = terminal.until(lambda text: "QUEUED" in text and "next look in" in text)
        assert re.search(rf"^{run_id} ERP export[^…]*… QUEUED .* next look in ", shown, re.MULTILINE)
        simulated.faults.add("reset-before", "GET /conf/jobs/*", times=10_000)
        shown = terminal.until(lambda text: "Cannot be seen: " in text)
        assert re.search(r"^Cannot be seen: 127\.0\.0\.1:\d+ did not answer", shown, re.MULTILINE)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert f"Resume: almajob --env sandbox wait {run_id}" in terminal.text
    simulated.faults.clear()


def test_a_wait_gives_the_terminal_back(simulated: SimulatedAlma) -> None:
    """Narrower, it clears all rows that its line has now; Ctrl-Z leaves a cursor and no line."""
    simulated.set_ending(ERP, seconds=7200)
    world = simulated.institution.sandbox
    run_id = world.submit(next(job for job in world.jobs if job.name == ERP), []).id
    shell = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    command = shlex.join([sys.executable, "-m", "almajob", *ENV, "wait", run_id, "--interval", "1"])
    with Terminal(program=shell, environ={"PS1": "$ "}, size=(20, 80)) as terminal:
        terminal.until(lambda text: text.endswith("$"))
        terminal.type(f"{command}\n")
        shown = terminal.until(lambda text: "next look" in text)
        assert 40 < len(shown.splitlines()[-1]) < 80
        terminal.resize(20, 40)
        # A terminal has broken the line into two.
        terminal.until(lambda text: "\r\x1b[1A\x1b[J" in terminal.written and "QUEUED" in text)
        terminal.type("\x1a")
        terminal.until(lambda text: "Stopped" in text and text.endswith("$"))
        assert "QUEUED" not in terminal.text
        assert not terminal.cursor_is_hidden
        terminal.type("fg\n")
        terminal.until(lambda text: "QUEUED" in text)
        terminal.press_ctrl_c()
        assert "QUEUED" not in terminal.until(lambda text: "Resume: " in text and text.endswith("$"))


def test_who_looks_for_a_lost_run_shows_it(simulated: SimulatedAlma) -> None:
    """How long it still takes is counted down; Ctrl-C leaves what to type, and that nobody knows yet."""
    simulated.faults.add("reset-before", START)
    with Terminal(*ENV, "run", ERP, size=(24, 80)) as terminal:
        terminal.until(lambda text: "1 min 59 s left" in text)
        terminal.until(lambda text: "1 min 58 s left" in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert " left" not in terminal.text
        assert "It is unknown whether" in terminal.text
        assert "almajob --env sandbox runs settle " in terminal.text


def test_a_run_of_the_demo_is_seen_on_its_way(almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued and running, before it ends within a quarter of a minute."""
    monkeypatch.delenv("ALMAJOB_DEMO_SECONDS")
    world = WorldClock(speed=0)
    monkeypatch.setattr("almajob.simulator.institution.Clock", lambda: world)
    passing = Clock(world, world, lambda seconds: world.advance(max(seconds, 0.0)), world)
    monkeypatch.setattr("almajob.system.clock.SYSTEM", passing)
    begun = world()
    done = almajob(*DEMO, "run", ERP, "--wait")
    assert (done.code, 6 < world() - begun < 15) == (0, True)
    seen = re.findall(r"\(run \d+\): ([A-Z_]+)$", done.err, re.MULTILINE)
    assert (seen[0], seen[-1], "RUNNING" in seen) == ("QUEUED", "COMPLETED_SUCCESS", True)


@pytest.mark.parametrize("group", ["runs", "config", "cache", "plugin", "saved", "simulator"])
def test_a_group_lists_its_commands(almajob: Run, group: str) -> None:
    """On stdout where help was asked for, else on stderr with exit code 2."""
    bare, asked, long = (almajob(*words) for words in ((group,), ("help", group), (group, "--help")))
    assert (bare.code, bare.out) == (2, "")
    assert (asked.code, asked.err, long.code, long.out) == (0, "", 0, asked.out)
    assert bare.err == asked.out
    assert f"Usage: almajob {group} COMMAND [options]" in asked.out


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("start", 2, "almajob run JOB starts a job."),
        ("stop", 2, "Alma has no call that stops a job. Stop it in Alma: Admin > Monitor Jobs, Running."),
        ("cancel 956", 2, "Alma has no call that stops a job."),
        ("logs", 2, "almajob status RUN shows a run's counters and alerts"),
        ("watch", 2, "almajob wait RUN follows a run to its end"),
        ("run list", 5, "Did you mean almajob runs list?"),
        ("run show k", 2, "Did you mean almajob runs show?"),
        ("plugin check lits", 2, "Did you mean: list"),
        ("show M44 --jsn", 2, "almajob show: unrecognized arguments: --jsn"),
    ],
)
def test_a_word_of_other_programs_is_answered(
    simulated: SimulatedAlma, almajob: Run, words: str, code: int, hint: str
) -> None:
    """With the command that does it here, or where it is done in Alma; nothing is started."""
    done = almajob(*ENV, *words.split())
    assert (done.code, done.out, simulated.log.count(START)) == (code, "", 0)
    assert hint in done.err


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_help_begins_with_what_the_command_does(columns: int) -> None:
    """One line of usage, then its own options, the output's and the global ones; no line is too wide."""
    seen = run_on_terminal("run", "--help", columns=columns)
    assert (seen.code, seen.err.text, seen.list_too_wide()) == (0, "", [])
    assert seen.out.lines[0] == "Usage: almajob run JOB|SAVED [options]"
    headings = [line for line in seen.out.lines if re.fullmatch(r"[A-Z][a-z ]+:", line)]
    own = ["Parameters:", "Production:", "Starting only once:", "Waiting:"]
    assert [each for each in headings if each in own] == own
    assert headings[:2] == ["Arguments:", "Options:"]
    assert headings[-3:] == ["Output options:", "Global options:", "Examples:"]


def test_common_commands_come_first(almajob: Run) -> None:
    """Jobs before settings, and what is rarely needed last, each with a line of its own."""
    done = almajob("--help")
    places = [done.out.index(f"\n  {name} ") for name in ("list", "run", "runs list", "config check")]
    assert (done.code, places) == (0, sorted(places))
    assert places[-1] < done.out.index("\n  cache clear ")
    assert "Run almajob COMMAND --help for details." in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize(
    "words",
    [
        (*ENV, "list"),
        (*ENV, "show", "M44"),
        (*ENV, "config", "check"),
        (*ENV, "cache", "show"),
        ("config", "show"),
        ("plugin", "list"),
        ("runs", "list"),
        (*ENV, "quota"),
    ],
)
def test_members_of_json_are_named_alike(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """In small letters with underscores, whichever command prints them."""
    almajob(*ENV, "run", ERP)
    shown = json.loads(almajob(*words, "-f", "json").out)
    rows = shown if isinstance(shown, list) else [shown]
    assert rows
    assert [name for row in rows for name in row if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_one_run_and_several_have_one_form(simulated: SimulatedAlma, almajob: Run) -> None:
    """Where several may be named, JSON is a list in any case."""
    one, two = (_start_elsewhere(simulated, name) for name in (ERP, SIS))
    for ids in ((one,), (one, two)):
        shown = json.loads(almajob(*ENV, "status", *ids, "-f", "json").out)
        assert [row["instance_id"] for row in shown] == list(ids)


@pytest.mark.parametrize("by_option", [False, True])
def test_a_job_and_a_run_are_named_alike_everywhere(
    simulated: SimulatedAlma, almajob: Run, *, by_option: bool
) -> None:
    """As an argument or by the option, whichever command it is."""
    run_id = _start_elsewhere(simulated, SIS, "COMPLETED_FAILED")
    for command in ("show", "history", "run"):
        assert almajob(*ENV, command, *(("--job",) if by_option else ()), ERP).code == 0
    for command in ("status", "events"):
        assert almajob(*ENV, command, *(("--id",) if by_option else ()), run_id).code == 0
    assert almajob(*ENV, "wait", *(("--id",) if by_option else ()), run_id).code == 3


def test_a_value_is_split_by_tabs(almajob: Run) -> None:
    """Names have blanks."""
    done = almajob(*DEMO, "list", "--name", "url", "-f", "value")
    assert (done.code, done.out) == (0, "M52\tExport URLs\tMANUAL\tEXPORT\n")


def test_nothing_found_is_said_once_and_not_with_quiet(simulated: SimulatedAlma, almajob: Run) -> None:
    """No empty table on stdout; a note on stderr, which -q leaves out."""
    for words, note in (
        (("runs", "list"), "started from here"),
        (("runs", "settle"), "unknown outcome"),
        ((*ENV, "history", ERP), ERP_ID),
        ((*ENV, "saved", "list"), "almajob run --save NAME"),
    ):
        done, quiet = almajob(*words), almajob(*words, "-q")
        assert (done.code, done.out, quiet.code, quiet.out, quiet.err) == (0, "", 0, "", "")
        assert (note in done.err, done.err.count("\n")) == (True, 1)


def test_the_ledgers_states_are_told_in_words(simulated: SimulatedAlma, almajob: Run) -> None:
    """People read what happened and whether it is safe to repeat; programs get the states themselves."""
    simulated.faults.add("reset-after", START)
    almajob(*ENV, "run", ERP, "--run-key", "k")
    for words in (("runs", "list"), ("runs", "show", "k")):
        done = almajob(*words)
        assert (done.code, "found in Alma" in done.out) == (0, True)
        assert re.findall("ADOPTED|AMBIGUOUS|PREPARED|certainty|retry_safe", done.out) == []
    (row,) = json.loads(almajob("runs", "list", "-f", "json").out)
    assert (row["state"], row["retry_safe"]) == ("ADOPTED", False)


def test_a_list_says_how_old_it_is(simulated: SimulatedAlma, almajob: Run) -> None:
    """With -v, and how to read it anew; with --refresh, or its older name, it is read anew."""
    almajob(*ENV, "list")
    simulated.clock.advance(7300)
    calls = simulated.log.total
    assert re.search(r"The job list of sandbox .* 2 h ago; --refresh ", almajob(*ENV, "-v", "list").err)
    assert simulated.log.total == calls
    for option in ("--refresh", "--force"):
        calls = simulated.log.total
        assert " ago" not in almajob(*ENV, "list", "-v", option).err
        assert simulated.log.total > calls


def test_a_bad_end_is_red_where_colours_are_seen(simulated: SimulatedAlma) -> None:
    """And a good one green; in a pipe, and with NO_COLOR, there is none."""
    failed = _start_elsewhere(simulated, SIS, "FAILED")
    good = _start_elsewhere(simulated, ERP)
    words = (*ENV, "status", failed, good)
    seen = run_on_terminal(*words, columns=140)
    assert (seen.out.find_colours("FAILED"), seen.out.find_colours("COMPLETED_SUCCESS")) == (
        {"red"},
        {"green"},
    )
    assert "\x1b" not in run_on_terminal(*words, columns=140, environ={"NO_COLOR": "1"}).out.written
    error = run_on_terminal(*ENV, "show", "nonsense", columns=140)
    assert error.err.find_colours("almajob:") == {"red"}


def test_a_broken_plugin_is_named_with_how_to_see_why(
    almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its distribution, its class and its error; what is to be typed shows the line of its source."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    write_plugin(site, "almajob-broken", "aj_broken", "import nothing_of_this_name\n", {"hello": "Hello"})
    done = almajob("hello")
    assert (done.code, done.out) == (7, "")
    assert "almajob-broken 1.2 (aj_broken:Hello)" in done.err
    assert "No module named 'nothing_of_this_name'" in done.err
    assert "put --debug before the command's name" in done.err
    assert main(["--debug", "hello"]) == 7
    assert f'File "{site}/aj_broken.py", line 1' in capfd.readouterr().err
    assert almajob(*DEMO, "list", "--name", "url").code == 0


def test_production_starts_nothing_that_nobody_confirmed(simulated: SimulatedAlma, almajob: Run) -> None:
    """Without a terminal the start is refused, with both ways on; with --yes it is made, once."""
    words = ("--env", "production", "run", ERP, "--run-key", "k")
    done = almajob(*words)
    assert (done.code, done.out, simulated.log.count(START)) == (5, "", 0)
    assert "--dry-run" in done.err
    assert "--yes" in done.err
    for _ in range(2):
        assert almajob(*words, "--yes").code == 0
    assert simulated.log.count(START) == 1


@pytest.mark.parametrize("line", ["show M44; list", "show M44 && list", "show M44 || list"])
def test_a_line_of_the_shell_is_one_command(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Several are refused with what to type instead, and none of them is run; the next line is."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\nshow M44 -f value -c id\n"))
    done = almajob(*ENV, "shell")
    assert done.out == "M44\n"
    assert "one command per line" in done.err
    assert f"in line 1: {line}" in done.err


def test_the_first_start_says_how_to_begin(almajob: Run) -> None:
    """Without a configuration file: one command makes it, and the demo needs none."""
    for words, code in ((("list",), 2), ((*ENV, "list"), 7)):
        done = almajob(*words)
        assert (done.code, done.out) == (code, "")
        assert "almajob config set-key sandbox --region na" in done.err
        (line,) = [line for line in done.err.splitlines() if "without a key: almajob " in line]
        assert almajob(*shlex.split(line.partition(": almajob ")[2])).code == 0


def test_the_older_scripts_lines_work_beside_the_new(simulated: SimulatedAlma, almajob: Run) -> None:
    """In any order and either spelling; both name the same run."""
    words = ("--env=sandbox", "--cmd=run", f"--job={ERP}")
    assert almajob(*words).code == 0
    run_id = simulated.institution.sandbox.runs()[-1].id
    for line in (
        ("--cmd", "status", "--job", ERP, "--id", run_id, "--env", "sandbox"),
        (*ENV, "status", run_id),
        ("status", "--id", run_id, "--env=sandbox"),
    ):
        done = almajob(*line, "-f", "json", "-c", "instance_id", "-c", "status")
        assert (done.code, done.row) == (0, {"instance_id": run_id, "status": "QUEUED"})


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("M44", "--set", "Lost items"), "ITEM"),
        (("M44", "--set", "An empty set"), "9563211250030561"),
        (("M44", "--param", "set_id=9999999999999"), "9999999999999"),
        (("M44", "--set", "No such set"), "No such set"),
        (("M44",), "--set"),
    ],
)
def test_a_set_that_does_not_fit_starts_nothing(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], part: str
) -> None:
    """Of another kind, empty, unknown or not named: said before anything is sent, with its name or id."""
    done = almajob(*ENV, "run", *words)
    assert (done.code, done.out, simulated.log.count(START)) == (5, "", 0)
    assert part in done.err
    assert len(done.err.splitlines()) <= 6


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("quota --help", "Show the remaining API quota (makes no API call)."),
        ("cache clear", "Removed 1 cached list from "),
        ("config set-key sandbox l7xx", "Do not pass an API key on the command line."),
        ("wait --help", "-v, --verbose log each API call -q, --quiet show only warnings and errors"),
        ("wait --help", "polling interval (default: 10% of the elapsed time, 5s to 5m"),
        ("run --help", "send parameters that differ suspiciously from earlier runs"),
        ("run --help", "give up after this long without a successful answer"),
        ("history --help", "running ones first, then the newest"),
        ("config check", "check result fix"),
        ("--env nope list", "Known environments: sandbox, production, demo."),
    ],
)
def test_texts_are_plain_english(simulated: SimulatedAlma, almajob: Run, words: str, line: str) -> None:
    """In the words of the field, as other programs of its kind write them."""
    almajob(*ENV, "list")
    done = almajob(*ENV, *words.split()) if "--env" not in words else almajob(*words.split())
    assert line in " ".join((done.out + done.err).replace("|", " ").split())


def test_saved_runs_are_listed_shown_started_and_deleted(simulated: SimulatedAlma, almajob: Run) -> None:
    """Each by a command of its own; one that is there is replaced only where that is said."""
    save = (*ENV, "run", ERP, "--once-per", "day", "--save", "invoices")
    assert (almajob(*save).code, almajob(*save).code, almajob(*save, "--replace").code) == (0, 5, 0)
    assert "invoices" in almajob("saved", "list").out
    assert ERP_ID in almajob("saved", "show", "invoices").out
    assert almajob(*ENV, "run", "invoices").out.startswith(f"Started {ERP} in sandbox: run ")
    assert almajob("saved", "delete", "invoices").code == 0
    gone = almajob("saved", "show", "invoices")
    assert (gone.code, gone.out) == (5, "")


def test_a_start_is_answered_in_one_line(simulated: SimulatedAlma, almajob: Run) -> None:
    """Also at a terminal; with --wait in a short table whose rows all have a value."""
    seen = run_on_terminal(*ENV, "run", ERP, columns=80)
    assert (seen.code, len(seen.out.lines)) == (0, 1)
    assert re.fullmatch(rf"Started {ERP} in sandbox: run \d+", seen.out.text)
    simulated.clock.advance(3600)
    seen = run_on_terminal(*ENV, "run", ERP, "--wait", columns=80)
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in seen.out.lines if line[0] == "|"]
    assert [field for field, value in rows if not value] == []
    assert {"status", "duration"} <= {field for field, _value in rows}
    assert "state" not in seen.out.text
    assert "seconds" not in seen.out.text


def test_what_is_there_is_not_overwritten(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """--force only fetches anew; --overwrite is what replaces a file."""
    run_id = _start_elsewhere(simulated, "Metadata Import using profile Vendor Records")
    place = tmp_path / "records"
    words = (*ENV, "download", run_id, "--output", str(place))
    assert almajob(*words).code == 0
    place.write_text("mine")
    done = almajob(*words, "--force")
    assert (done.code, "--overwrite" in done.err, place.read_text()) == (5, True, "mine")
    assert almajob(*words, "--overwrite").code == 0
    assert place.read_text() != "mine"
