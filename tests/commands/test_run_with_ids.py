"""``almajob run --ids``: the set that is made for a run, when it starts, and what becomes of the set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.world.sets import SimulatedSet
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

JOB = "Export Bibliographic records"
RUN = ("--env", "sandbox", "run", "M44")
START = "POST /conf/jobs/*"
MAKING = "POST /conf/sets*"
IDS = [str(99_700_000_000_561 + 10_000 * number) for number in range(12)]


@pytest.fixture
def ids(tmp_path: Path) -> str:
    """A file of ids; one of them comes twice."""
    path = tmp_path / "ids.txt"
    path.write_text("\n".join([*IDS, IDS[0]]))
    return str(path)


def _ours(simulated: SimulatedAlma, environment: str = "SANDBOX") -> list[SimulatedSet]:
    worlds = simulated.institution.worlds
    return [each for each in worlds[environment].sets if each.name.startswith("almajob ")]


def _payload(simulated: SimulatedAlma) -> dict[str, Any]:
    (start,) = simulated.log.requests(START)
    return {item["name"]["value"]: item["value"] for item in json.loads(start.raw)["parameter"]}


def test_a_set_is_made_and_the_job_started_on_it(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Each id once; the set is named after job and run key, and kept unless something else is said."""
    done = almajob(*RUN, "--ids", ids, "--run-key", "may", "-f", "json")
    assert done.code == 0, done.err
    (made,) = _ours(simulated)
    assert sorted(made.members) == IDS
    assert made.name.startswith(f"almajob {JOB} may ")
    assert made.content == "BIB_MMS"
    assert _payload(simulated)["set_id"] == made.id
    assert done.row["run_key"] == "may"


@pytest.mark.parametrize(
    ("when", "end", "is_kept"),
    [
        *(("never", "COMPLETED_SUCCESS", True), ("never", "FAILED", True)),
        *(("good", "COMPLETED_SUCCESS", False), ("good", "FAILED", True)),
        *(("always", "COMPLETED_SUCCESS", False), ("always", "FAILED", False)),
    ],
)
def test_the_set_is_deleted_when_the_run_has_ended_as_demanded(
    simulated: SimulatedAlma, almajob: Run, ids: str, when: str, end: str, is_kept: bool
) -> None:
    """And only then; the exit code is that of the run."""
    simulated.set_ending("M44", end, seconds=60)
    done = almajob(*RUN, "--ids", ids, "--wait", "--delete-set", when, "-f", "json")
    assert done.code == (3 if end == "FAILED" else 0)
    assert len(_ours(simulated)) == int(is_kept)
    deletions = simulated.log.requests("DELETE /conf/sets/*")
    assert len(deletions) == int(not is_kept)
    assert "was deleted" in done.err or is_kept


@pytest.mark.parametrize("command", ["wait", "run"])
def test_a_later_command_deletes_the_set(
    simulated: SimulatedAlma, almajob: Run, ids: str, command: str
) -> None:
    """The one that waits, or the same once more, however long after the first."""
    run = (*RUN, "--ids", ids, "--run-key", "may", "--delete-set", "good")
    done = almajob(*run)
    assert "is deleted by the command that waits for the run, once it has ended well" in done.err
    assert len(_ours(simulated)) == 1
    simulated.clock.advance(7200)
    again = almajob("--env", "sandbox", "wait", "may") if command == "wait" else almajob(*run)
    assert again.code == 0, again.err
    assert _ours(simulated) == []
    assert simulated.log.count(START) == 1


def test_the_same_command_is_the_same_run(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Also when the set is gone: no second set is made, and nothing is started."""
    run = (*RUN, "--ids", ids, "--run-key", "may", "--wait", "--delete-set", "good", "-f", "json")
    first = almajob(*run)
    made = simulated.log.count(MAKING)
    again = almajob(*run)
    assert (first.code, again.code) == (0, 0)
    assert again.row["instance_id"] == first.row["instance_id"]
    assert (simulated.log.count(MAKING), simulated.log.count(START)) == (made, 1)


def test_a_run_key_belongs_to_its_ids(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Other ids under the same key are refused, and nothing is made of them."""
    run = (*RUN, "--ids", ids, "--run-key", "may")
    assert almajob(*run).code == 0
    Path(ids).write_text("\n".join(IDS[:3]))
    made = simulated.log.count(MAKING)
    again = almajob(*run)
    assert again.code == 5
    assert "The run key 'may' was used with other ids." in again.err
    assert (simulated.log.count(MAKING), simulated.log.count(START)) == (made, 1)


def test_once_per_day_is_once_for_the_same_ids(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Other ids are other work, as other parameters are."""
    run = (*RUN, "--ids", ids, "--once-per", "day", "-f", "json")
    first, again = almajob(*run), almajob(*run)
    assert again.row["instance_id"] == first.row["instance_id"]
    simulated.clock.advance(4000)
    Path(ids).write_text("\n".join(IDS[:3]))
    assert almajob(*run).row["instance_id"] != first.row["instance_id"]
    assert (len(_ours(simulated)), simulated.log.count(START)) == (2, 2)


def test_without_a_key_a_finished_command_is_another_run(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """As any run is: what has told its result is done."""
    run = (*RUN, "--ids", ids, "--wait", "-f", "json")
    first, again = almajob(*run), almajob(*run)
    assert again.row["instance_id"] != first.row["instance_id"]
    assert len(_ours(simulated)) == 2


def test_nothing_is_made_for_a_start_that_is_refused(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """The job is running already: that is asked before the set is made."""
    assert almajob(*RUN, "--set", "Theses without a call number").code == 0
    done = almajob(*RUN, "--ids", ids)
    assert done.code == 5
    assert "is running already" in done.err
    assert simulated.log.count(MAKING) == 0


def test_a_plan_shows_the_set_and_its_calls(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """And sends nothing."""
    plan = almajob(*RUN, "--ids", ids, "--run-key", "may", "--dry-run", "-f", "json").row
    assert (plan["action"], plan["ids"], plan["set_calls"]) == ("start", 12, 6)
    assert plan["set"].endswith(", to be made of 12 ids")
    assert simulated.log.count("POST *") == 0
    assert almajob(*RUN, "--ids", ids, "--run-key", "may").code == 0
    again = almajob(*RUN, "--ids", ids, "--run-key", "may", "--dry-run", "-f", "json").row
    assert (again["action"], again["set_calls"]) == ("show the run that this is, and start nothing", 0)


def test_too_few_calls_are_left(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """A set that today's calls are not enough for is not begun."""
    simulated.institution.gateway.remaining = 8
    done = almajob(*RUN, "--ids", ids)
    assert done.code == 10
    assert "To make the set takes 6 calls, and Alma takes" in done.err
    assert simulated.log.count("POST *") == 0


def test_production_is_asked_once_before_the_set_is_made(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """The question shows how many ids there are; nobody there means that nothing is made."""
    run = ("--env", "production", "run", "M44", "--ids", ids)
    refused = almajob(*run)
    assert refused.code == 5
    assert simulated.log.count("POST *") == 0
    with Terminal(*run, size=(60, 200)) as terminal:
        asked = terminal.until(lambda text: text.endswith("starts nothing:"))
        terminal.type("M44\r")
        assert terminal.end() == 0, terminal.text
        assert terminal.text.count("This starts a job in production.") == 1
    assert "made for this start, of 12 ids" in asked
    assert len(_ours(simulated, "PRODUCTION")) == 1
    assert simulated.log.count(START) == 1


def test_a_job_that_works_on_no_set(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Nothing is made for it, and a scheduled one is called by what it is."""
    done = almajob("--env", "sandbox", "run", "ERP export using profile FINANCE", "--ids", ids)
    assert (done.code, done.out, simulated.log.count("POST *")) == (5, "", 0)
    assert "is not a manual job, and takes no set; nothing was sent." in done.err
    assert "almajob list --type manual" in done.err


def test_how_a_name_was_understood_is_said_once(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Though the job is looked for before its set is made, and again for the start."""
    done = almajob("--env", "sandbox", "run", JOB.upper(), "--ids", ids, "--dry-run")
    assert (done.code, done.err.count("Using the job")) == (0, 1)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--set", "Lost items"), "--ids and --set both say what to work on."),
        (("--param", "set_id=1"), "--ids and --param set_id both say what to work on."),
        (("--if-running", "attach"), "--if-running attach does not go with --ids"),
        (
            ("--run-key", "k", "--rerun-failed", "--delete-set", "always"),
            "--rerun-failed needs the set of the run that failed",
        ),
        (("--save", "x", "--rejected", "r.txt"), "--rejected FILE cannot be saved"),
    ],
)
def test_what_contradicts_the_ids(
    simulated: SimulatedAlma, almajob: Run, ids: str, more: tuple[str, ...], problem: str
) -> None:
    """It is refused before anything is sent."""
    done = almajob(*RUN, "--ids", ids, *more)
    assert done.code == 2
    assert problem in done.err
    assert simulated.log.count() == 0


@pytest.mark.parametrize(
    "option", ["--id-type=BARCODE", "--id-column=MMS Id", "--skip-invalid", "--delete-set=good"]
)
def test_options_without_ids(simulated: SimulatedAlma, almajob: Run, option: str) -> None:
    """They would do nothing."""
    done = almajob(*RUN, option)
    assert done.code == 2
    assert "Add --ids FILE." in done.err


def test_a_saved_run_with_ids(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """It keeps the file, and how it is read; the ids are those of the day."""
    saved = almajob(*RUN, "--ids", ids, "--delete-set", "good", "--save", "weekly", "-f", "json")
    assert saved.code == 0, saved.err
    assert saved.row["ids"] == ids
    assert simulated.log.count("POST *") == 0
    done = almajob("--env", "sandbox", "run", "weekly", "--wait")
    assert done.code == 0, done.err
    assert (_ours(simulated), simulated.log.count(START)) == ([], 1)


def test_a_saved_run_says_what_its_ids_are(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """Which column of the file has them, and of what type they are, as it is sent."""
    path = tmp_path / "books.csv"
    path.write_text("Title,Number\nMoby-Dick,9780142437247\n")
    options = ("--id-type", "ISBN", "--id-column", "Number", "--skip-invalid")
    assert almajob(*RUN, "--ids", str(path), *options, "--save", "weekly").code == 0
    almajob("--env", "sandbox", "run", "weekly", "--yes")
    (adding,) = simulated.log.requests("POST /conf/sets/*")
    assert adding.query["id_type"] == "ISBN"
    assert json.loads(adding.raw)["members"]["member"] == [{"id": "9780142437247"}]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("ids = ids.txt\nset = Lost items", "the run has ids, of which a set is made for it"),
        ("delete_set = good", "the run has no ids"),
        ("ids = ids.txt\ndelete_set = soon", "delete_set is one of never, good, always"),
    ],
)
def test_a_saved_run_whose_ids_are_wrong(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, lines: str, problem: str
) -> None:
    """The configuration file is refused, with its line."""
    ini = tmp_path / "almajob.ini"
    ini.write_text(f"{ini.read_text()}\n[run:weekly]\njob = M44\n{lines}\n")
    done = almajob("--env", "sandbox", "run", "weekly")
    assert done.code == 7
    assert problem in done.err


def test_a_set_that_somebody_has_changed(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """A start whose own set has more or fewer members than it was made with is not made."""
    simulated.faults.add("503", START, times=None)
    run = (*RUN, "--ids", ids, "--run-key", "may")
    almajob(*run)
    simulated.faults.clear()
    (made,) = _ours(simulated)
    world = simulated.institution.worlds["SANDBOX"]
    world.happen(lambda: {"kind": "members", "id": made.id, "members": IDS[:5]})
    simulated.clock.advance(7200)
    done = almajob(*run)
    assert done.code in (5, 9)
    assert len(world.runs()) == 0


def test_ids_that_alma_does_not_know(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path
) -> None:
    """Nothing is started; with --skip-invalid the job is, on the rest, and what was left out is in a file."""
    unknown = "9" * 25
    Path(ids).write_text("\n".join([*IDS, unknown]))
    run, left_out = (*RUN, "--ids", ids, "--run-key", "may"), tmp_path / "rejected.txt"
    refused = almajob(*run)
    assert refused.code in (3, 4)
    assert "--skip-invalid" in refused.err
    assert simulated.log.count(START) == 0
    done = almajob(*run, "--skip-invalid", "--rejected", str(left_out))
    assert done.code == 0, done.err
    assert left_out.read_text() == f"{unknown}\n"
    (made,) = _ours(simulated)
    assert sorted(made.members) == IDS
    assert simulated.log.count(START) == 1


@pytest.mark.parametrize("fault", ["", "reset-after", "reset-before", "accepted-500"])
def test_barcodes_that_alma_does_not_know(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path, fault: str
) -> None:
    """A set lists no barcodes: so those that are refused are found by adding fewer at a time."""
    unknown = ["B-1", "B-2", "B-3"]
    Path(ids).write_text("\n".join([unknown[0], *IDS[:5], unknown[1], *IDS[5:], unknown[2]]))
    left_out = tmp_path / "rejected.txt"
    run = (*RUN, "--ids", ids, "--id-type", "BARCODE", "--skip-invalid", "--run-key", "may")
    plan = almajob(*run, "--rejected", str(left_out), "--dry-run", "-f", "json").row
    assert plan["set_calls"] == 6 + 500
    if fault:
        for nth in (2, 3, 4):
            change = "POST /conf/sets/*"
            simulated.institution.interruptions.add(change, "after", _fail(simulated, fault), nth)
    done = almajob(*run, "--rejected", str(left_out))
    assert done.code == 0, done.err
    assert left_out.read_text().splitlines() == unknown
    assert f"Alma did not take 3 of the ids; 3 of them are in {left_out}." in done.err
    (made,) = _ours(simulated)
    assert sorted(made.members) == IDS
    assert simulated.log.count("POST /conf/sets/*") <= 30


def _fail(simulated: SimulatedAlma, fault: str) -> Callable[[], None]:
    def fail() -> None:
        simulated.faults.add(fault, "POST /conf/sets/*")

    return fail


def test_more_barcodes_are_unknown_than_calls_can_find(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were found are in the file, and how many there are is said."""
    monkeypatch.setattr("almajob.sets.making.MOST_SIFTING_CALLS", 5)
    Path(ids).write_text("\n".join([*(f"B-{number}" for number in range(40)), *IDS]))
    left_out = tmp_path / "rejected.txt"
    options = ("--id-type", "BARCODE", "--skip-invalid", "--rejected", str(left_out))
    done = almajob(*RUN, "--ids", ids, *options)
    assert done.code == 0, done.err
    found = left_out.read_text().splitlines()
    assert f"Alma did not take 40 of the ids; {len(found)} of them are in" in done.err
    assert "Which the others are is not known" in done.err
    assert simulated.log.count("POST /conf/sets/*") <= 1 + 5
    (made,) = _ours(simulated)
    assert sorted(made.members) == IDS


def test_a_set_of_that_name_is_somebody_elses(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """It is neither filled nor used, and nothing is started."""
    name = almajob(*RUN, "--ids", ids, "--run-key", "may", "--dry-run", "-f", "json").row["set"]
    name = name.partition(",")[0]
    world = simulated.institution.worlds["SANDBOX"]
    theirs = {"name": name, "content": "BIB_MMS", "description": "", "members": IDS[:2]}
    world.happen(lambda: {"kind": "set", "id": "1234", "at": simulated.clock(), **theirs})
    done = almajob(*RUN, "--ids", ids, "--run-key", "may", "--delete-set", "always", "--wait")
    assert done.code == 5
    assert "that almajob has not made; it was not changed" in done.err
    (kept,) = _ours(simulated)
    assert kept.members == tuple(IDS[:2])
    assert simulated.log.count(START) == 0


@pytest.mark.parametrize("count", [2501])
def test_making_a_set_takes_few_calls(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, count: int
) -> None:
    """At most 3, one for each thousand ids, and 2."""
    path = tmp_path / "many.txt"
    path.write_text("\n".join(str(10**12 + number) for number in range(count)))
    assert almajob(*RUN, "--ids", str(path), "--wait", "--delete-set", "good").code == 0
    calls = simulated.log.count("* /conf/sets*")
    # The start reads its set once.
    assert calls - 1 <= 3 + -(-count // 1000) + 2
