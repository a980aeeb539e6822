"""One command in several environments: one result, in the order given, whatever some of them do."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from pathlib import Path

import pytest

from almajob.cli.connect import connect
from almajob.errors import WORST_FIRST
from almajob.store.cache import PACE
from tests.cli.many.conftest import ERP, KINDS, Consortium, hold
from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.screens import run_on_terminal
from tests.support.terminals import Terminal

PAGE = Path(__file__).parents[3] / "docs" / "many-institutions.md"
IDS = {"sandbox": "S9563600010000561", "production": "S9570600010000561"}


def test_rows_come_in_the_order_given_under_their_environment(consortium: Consortium, almajob: Run) -> None:
    """Also where a group is named; each environment once. The ids of a job differ."""
    done = almajob("--env", "south,@all", "list", "--name", ERP, "-f", "json")
    assert done.code == 0
    rows = [(row["environment"], row["id"]) for row in json.loads(done.out)]
    assert rows == [(name, IDS[KINDS[name]]) for name in ("south", "east", "west", "north")]


def test_a_group_of_one_has_the_form_of_several(consortium: Consortium, almajob: Run) -> None:
    """A script does not break when members leave; what shows one thing prints an array."""
    (row,) = json.loads(almajob("--env", "east,east", "show", ERP, "-f", "json").out)
    assert (row["environment"], row["id"], row["error"]) == ("east", IDS["sandbox"], None)


@pytest.mark.parametrize("words", [("report", "--output", "-"), ("top", "-f", "json")], ids=str)
def test_a_group_of_one_is_no_fault(consortium: Consortium, almajob: Run, words: tuple[str, ...]) -> None:
    """Nor of what is made of all environments together."""
    done = almajob("--env", "east,east", *words)
    assert done.code == 0, done.err
    assert done.out


def test_a_page_leaves_out_what_is_not_well_configured(consortium: Consortium) -> None:
    """``top`` shows the others, and says what is wrong when it has ended."""
    with Terminal("--env", "odd,east", "top", ERP, size=(24, 80)) as terminal:
        terminal.until(lambda text: "q leaves" in text and "east" in text)
        terminal.type("q")
        code = terminal.end()
        assert (code, "there is no such region" in terminal.text) == (7, True), terminal.text


def test_a_wrong_process_id_is_all_that_is_told(consortium: Consortium, almajob: Run) -> None:
    """That runs go on is not said of what nobody knows."""
    done = almajob("--env", "@labs", "wait", "9999999999")
    assert (done.code, "go on" in done.err) == (2, False), done.err


@pytest.mark.parametrize("kept", [{"east": 10**400}, {"east": "x", "west": -1}, [1], "x"], ids=type)
def test_odd_times_in_the_cache_are_ignored(consortium: Consortium, almajob: Run, kept: object) -> None:
    """They only say which environment begins."""
    with connect("east") as east:
        east.cache.put(PACE, "seconds", kept)
    assert almajob("--env", "@labs", "list", "--name", ERP, "-f", "json").code == 0


def test_one_that_is_down_or_wrong_hides_no_other(consortium: Consortium, almajob: Run) -> None:
    """Programs get a row for each, people a line for each; the worst exit code is that of all."""
    done = almajob("--env", "down,east,wrong,odd,west", "list", "--name", ERP, "-f", "json")
    rows = json.loads(done.out)
    assert [(row["environment"], (row["error"] or {}).get("code")) for row in rows] == [
        ("down", "unreachable"),
        ("east", None),
        ("wrong", "key_refused"),
        ("odd", "configuration_error"),
        ("west", None),
    ]
    assert done.code == 7
    for name in ("down", "wrong", "odd"):
        assert sum(line.startswith(f"{name}: ") for line in done.err.splitlines()) == 1, done.err
    assert "3 of 5 environments failed: down, wrong, odd." in done.err
    assert almajob("--env", "down,east", "list", "--name", ERP).code == 6


def test_a_table_has_the_rows_that_there_are(consortium: Consortium) -> None:
    """It fits 80 columns, and what is missing is said beside it."""
    seen = run_on_terminal("--env", "@all,down", "list", "--name", ERP, columns=80)
    assert seen.code == 6
    assert seen.list_too_wide() == []
    names = [line.split()[1] for line in seen.out.lines if ERP.split()[0] in line]
    assert names == list(KINDS)
    assert "environment" in seen.out.lines[1]
    assert "down: No connection" in seen.err.text


@pytest.mark.parametrize(
    "words",
    [
        ("show", ERP),
        ("history", ERP),
        ("status", ERP),
        ("quota",),
        ("sets", "list"),
        ("config", "check"),
        ("run", ERP, "--dry-run"),
        ("run", "M44", "--set", "Theses without a call number"),
        ("status", ERP, "--counter", "invoices"),
    ],
    ids=" ".join,
)
def test_each_command_fits_a_terminal(consortium: Consortium, almajob: Run, words: tuple[str, ...]) -> None:
    """With the environment in the first column, which is never left out."""
    assert almajob("--env", "east,west", "-q", "run", ERP).code == 0
    seen = run_on_terminal("--env", "@labs", *words, columns=80)
    # That it runs already is an answer to --dry-run, and that it has no counter yet one to --counter.
    assert seen.code in {"--dry-run": (5,), "--counter": (8,)}.get(words[-1 if len(words) < 4 else 2], (0,))
    assert seen.list_too_wide() == []
    assert seen.code or seen.out.lines[1].split()[1] == "environment"


def test_one_that_was_slow_is_asked_first_the_next_time(consortium: Consortium, almajob: Run) -> None:
    """So that it is not what the end is waited for; the rows stay in the order given."""
    asked: list[str] = []
    listed = []

    def take_a_second() -> None:
        threading.Event().wait(1.1)

    # It is not noted before it has taken a second.
    slow = consortium["north"].institution.interruptions
    slow.add("GET /conf/jobs", "after", take_a_second)
    command = ("--env", "@all", "list", "--refresh", "--at-once", "1", "--name", ERP, "-f", "json")
    for first in ("east", "north"):
        for name, alma in consortium.items():
            alma.institution.interruptions.add("GET /conf/jobs", "before", partial(asked.append, name))
        done = almajob(*command)
        listed.append([row["environment"] for row in json.loads(done.out)])
        assert asked[0] == first, done.err
        asked.clear()
        for alma in consortium.values():
            alma.institution.interruptions.clear()
    assert listed == [list(KINDS)] * 2


def test_a_slow_one_holds_up_no_other(consortium: Consortium, almajob: Run) -> None:
    """The first answers only when the last has: they are asked beside each other."""
    others = threading.Event()
    hold(consortium["east"], "GET /conf/jobs*", others)
    consortium["south"].institution.interruptions.add("GET /conf/jobs*", "after", others.set)
    done = almajob("--env", "@all", "list", "--name", ERP, "-f", "value", "-c", "environment")
    assert (done.code, done.out.split()) == (0, list(KINDS))


def test_at_once_bounds_how_many_are_asked(consortium: Consortium, almajob: Run) -> None:
    """With one at a time each is asked when the one before it is done."""
    under_way, most = [0], [0]

    def begin() -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])

    def end() -> None:
        under_way[0] -= 1

    for each in consortium.values():
        each.institution.interruptions.add("GET /conf/jobs*", "before", begin)
        each.institution.interruptions.add("GET /conf/jobs*", "after", end)
    assert almajob("--env", "@all", "list", "--at-once", "1").code == 0
    assert most == [1]


def test_stop_after_leaves_out_the_rest(consortium: Consortium, almajob: Run) -> None:
    """One that was not asked is told as such, and not called."""
    words = ("list", "--at-once", "1", "--stop-after", "1", "-f", "json")
    done = almajob("--env", "east,down,west", *words)
    rows = {row["environment"]: row["error"] for row in json.loads(done.out)}
    assert rows["east"] is None
    assert (rows["down"]["code"], rows["west"]["code"]) == ("unreachable", "left_out")
    assert done.code == 6
    assert "Nothing was done in west. --stop-after ended it after 1 failure." in done.err
    assert consortium["west"].log.count("*") == 0


def test_the_order_of_exit_codes_is_documented() -> None:
    """The page names all codes that an error can have, the worst first."""
    order = " · ".join(map(str, WORST_FIRST))
    assert order in PAGE.read_text("utf-8")


def test_what_works_in_one_environment_says_so(consortium: Consortium, almajob: Run) -> None:
    """And names the commands that take several; nothing is asked."""
    done = almajob("--env", "east,west", "sets", "show", "Theses")
    assert done.code == 2
    assert "almajob sets show works in one environment at a time." in done.err
    assert "These take several: config check, history, list," in done.err
    assert consortium["east"].log.count("*") == 0


def test_environments_that_are_not_there_are_named_together(consortium: Consortium, almajob: Run) -> None:
    """Before any is asked."""
    done = almajob("--env", "east,weast,noth", "list")
    assert done.code == 7
    assert "there is no environment 'weast', 'noth'" in done.err
    assert almajob("--env", "@al", "list").code == 7
    assert "Did you mean all?" in almajob("--env", "@al", "list").err
    assert almajob("--env", "east,,west", "list").code == 2
    assert consortium["east"].log.count("*") == 0


def test_the_environment_can_be_shown_and_sorted_by(consortium: Consortium, almajob: Run) -> None:
    """As any column of the result; one that is not there is refused before anybody is asked."""
    words = ("list", "--name", ERP, "-f", "value", "-c", "environment")
    assert almajob("--env", "@all", *words, "--sort-column", "environment").out.split() == sorted(KINDS)
    calls = consortium["east"].log.count("*")
    assert almajob("--env", "@all", "list", "-c", "nothing").code == 2
    assert consortium["east"].log.count("*") == calls


def test_a_form_for_one_thing_is_refused(consortium: Consortium, almajob: Run) -> None:
    """Assignments for a shell would overwrite each other."""
    done = almajob("--env", "@all", "show", ERP, "-f", "shell")
    assert done.code == 2
    assert "-f shell has a form for one environment only." in done.err


def test_counters_of_each(consortium: Consortium, almajob: Run) -> None:
    """With the environment; for people, too, as there is more than one value."""
    assert almajob("--env", "@labs", "run", ERP, "--run-key", "may", "--wait").code == 0
    words = ("status", "may", "--counter", "invoices")
    rows = json.loads(almajob("--env", "@labs", *words, "-f", "json").out)
    assert [row["environment"] for row in rows] == ["west", "east"]
    assert {row["counter"] for row in rows} == {"invoices"}
    assert almajob("--env", "@labs", *words).out.count("invoices") == 2


def test_what_is_done_in_no_environment_takes_any(consortium: Consortium, almajob: Run) -> None:
    """A script that sets ALMAJOB_ENV for all of its commands may have such a one."""
    assert almajob("--env", "@labs", "plugin", "list").code == 0


def test_the_plugin_of_the_page_works(
    consortium: Consortium, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command says that it is done in each, and its results are joined."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    write_plugin(tmp_path, "acme", "acme_members", source, {"acme-jobs": "Members"})
    monkeypatch.syspath_prepend(tmp_path)
    rows = json.loads(almajob("--env", "@labs", "acme-jobs", "-f", "json").out)
    assert [row["environment"] for row in rows] == ["west", "east"]
    assert all(row["jobs"] > 10 for row in rows)


def test_parameters_of_each(consortium: Consortium, almajob: Run) -> None:
    """As an array for programs, below each other for people; where none are known that is the error."""
    theses = ("run", "M44", "--set", "Theses without a call number")
    assert almajob("--env", "east,west", *theses).code == 0
    done = almajob("--env", "east,west,north", "params", "M44", "-f", "json")
    rows = {row["environment"]: row for row in json.loads(done.out)}
    assert done.code == 5
    assert list(rows) == ["east", "west", "north"]
    assert rows["east"]["parameters"] == {"set_id": "9563211250000561"} | rows["east"]["parameters"]
    assert (rows["north"]["parameters"], rows["north"]["error"]["code"]) == (None, "refused")
    text = almajob("--env", "east,west", "params", "M44").out
    assert text.startswith("east:\nPOST /almaws/v1/conf/jobs/M44?op=run\n<")
    assert "\nwest:\nPOST " in text


def test_what_is_logged_begins_with_its_environment(consortium: Consortium, almajob: Run) -> None:
    """Also each call, so that lines of several can be told apart."""
    done = almajob("-v", "--env", "east,west", "list")
    calls = [line for line in done.err.splitlines() if "GET " in line]
    assert {line.partition(": ")[0] for line in calls} == {"east", "west"}


def test_so_does_what_other_threads_log_for_it(consortium: Consortium, almajob: Run) -> None:
    """A wait looks in threads of its own, and long lists are read in several."""
    assert almajob("--env", "east,west", "-q", "run", ERP, "--run-key", "may").code == 0
    for words in (("wait", "may"), ("list", "--refresh")):
        done = almajob("-v", "--env", "east,west", *words)
        calls = [line for line in done.err.splitlines() if "GET " in line]
        assert {line.partition(": ")[0] for line in calls} == {"east", "west"}, done.err


def test_a_variable_names_several_and_the_file_does_not(
    consortium: Consortium, almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ALMAJOB_ENV is set for a script; a default in the file would be one for everybody."""
    monkeypatch.setenv("ALMAJOB_ENV", "@labs")
    assert almajob("list", "--name", ERP, "-f", "value", "-c", "environment").out.split() == ["west", "east"]
    monkeypatch.delenv("ALMAJOB_ENV")
    ini = tmp_path / "almajob.ini"
    ini.write_text(f"[almajob]\nenv = @all\n{ini.read_text('utf-8')}", "utf-8")
    done = almajob("list")
    assert (done.code, "several environments the default" in done.err) == (7, True)


def test_config_check_reads_groups(consortium: Consortium, almajob: Run, tmp_path: Path) -> None:
    """One that is wrong is told where it stands, with what to write."""
    ok = almajob("--env", "east", "config", "check", "-f", "csv")
    assert '"groups","all (4), labs (2)"' in ok.out
    ini = tmp_path / "almajob.ini"
    with ini.open("a", encoding="utf-8") as file:
        file.write("[group:bad]\nenvironments = east @labs\n")
    done = almajob("--env", "east", "config", "check", "-f", "csv")
    assert done.code == 7
    assert "@labs is a group, and a group has environments only." in done.out


def test_what_is_the_same_for_all_is_checked_once(consortium: Consortium, almajob: Run) -> None:
    """The file, the ledger and the locks stand with the first; keys and addresses with each."""
    done = almajob("--env", "@labs", "config", "check", "-f", "json")
    checks = {
        name: [row["check"] for row in json.loads(done.out) if row["environment"] == name] for name in KINDS
    }
    assert {"configuration file", "groups", "ledger", "locks", "API key"} <= set(checks["west"])
    assert checks["east"] == [name for name in checks["west"] if name[:3] in ("env", "API", "key")]


def test_a_bug_in_one_hides_no_other(
    consortium: Consortium, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a plugin raises there."""
    source = """
from almajob.plugin import Lister

class Members(Lister):
    "Fail in one of them."
    environments = "each"
    columns = ("name",)
    def take_action(self, parsed_args):
        if self.context.environment.name == "west":
            raise SystemExit(0)
        return self.columns, [(self.context.environment.name,)]
"""
    write_plugin(tmp_path, "acme", "acme_bug", source, {"acme-jobs": "Members"})
    monkeypatch.syspath_prepend(tmp_path)
    done = almajob("--env", "@labs", "acme-jobs", "-f", "json")
    assert (done.code, [row["name"] for row in json.loads(done.out)]) == (1, [None, "east"])
    assert "west: almajob failed on it: SystemExit" in done.err


def test_waits_for_all_at_once(consortium: Consortium, almajob: Run) -> None:
    """More than at a time are worked in elsewhere; a run is named as each environment knows it."""
    assert almajob("--env", "@all", "run", ERP, "--run-key", "may", "--yes").code == 0
    consortium["west"].set_ending(ERP, "COMPLETED_FAILED")
    done = almajob("--env", "@all", "wait", "may", "-f", "json")
    rows = [(row["environment"], row["passed"]) for row in json.loads(done.out)]
    assert (done.code, rows) == (0, [(name, True) for name in KINDS])


def test_process_ids_go_where_their_runs_are(consortium: Consortium, almajob: Run) -> None:
    """The ledger knows that; one of nobody's is refused, as all would have to be asked."""
    started = almajob("--env", "east,north", "run", ERP, "--yes", "-f", "json")
    ids = {row["environment"]: row["instance_id"] for row in json.loads(started.out)}
    assert ids["east"] != ids["north"]
    calls = consortium["west"].log.count("*")
    done = almajob("--env", "@all", "wait", *ids.values(), "-f", "json")
    assert {row["environment"]: row["instance_id"] for row in json.loads(done.out)} == ids
    assert consortium["west"].log.count("*") == calls
    refused = almajob("--env", "@all", "status", "9999999999999999")
    assert (refused.code, "It was not started from here." in refused.err) == (2, True)


def test_one_run_that_ended_badly_is_the_exit_code_of_all(consortium: Consortium, almajob: Run) -> None:
    """And the others are shown."""
    consortium["west"].set_ending(ERP, "COMPLETED_FAILED")
    done = almajob("--env", "@labs", "run", ERP, "--wait", "-f", "json")
    rows = {row["environment"]: row["passed"] for row in json.loads(done.out)}
    assert (done.code, rows) == (3, {"west": False, "east": True})


def test_the_shell_takes_several(
    consortium: Consortium, almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As an option of a command, and as what its commands go to."""
    script = tmp_path / "script"
    script.write_text(
        f"env @labs\nlist --name '{ERP}' -f value -c environment\n"
        f"list --env north,south --name '{ERP}' -f value -c environment\nenv\n",
        "utf-8",
    )
    with script.open(encoding="utf-8") as lines:
        monkeypatch.setattr("sys.stdin", lines)
        done = almajob("--env", "east", "shell")
    assert (done.code, done.out.split()) == (0, ["west", "east", "north", "south", "@labs"])


def test_some_that_hang_hold_up_no_other(
    consortium: Consortium, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are asked at a time: those that are slow are not counted any more."""
    monkeypatch.setattr("almajob.cli.many.each._SLOW", 0.1)
    others = threading.Event()
    for name in ("east", "west"):
        hold(consortium[name], "GET /conf/jobs*", others)
    consortium["south"].institution.interruptions.add("GET /conf/jobs*", "after", others.set)
    monkeypatch.setattr("almajob.commands.list.List.at_once", 2)
    done = almajob("--env", "@all", "list", "--name", ERP, "-f", "value", "-c", "environment")
    assert (done.code, done.out.split()) == (0, list(KINDS))
