"""``almajob sets create``: one set of a name, whatever it is made of; others' sets are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from almajob import connect
from almajob.simulator.world.job_data import jobs
from almajob.simulator.world.sets import SimulatedSet
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

SANDBOX = ("--env", "sandbox", "sets")
CREATE = (*SANDBOX, "create", "Mine")
PRODUCTION = ("--env", "production", "sets", "create", "Mine")
IDS = [str(99_700_000_000_561 + 10_000 * number) for number in range(12)]
THESES, LOGICAL, EMPTY = "Theses without a call number", "All electronic theses", "An empty set"
MAKING = "POST /conf/sets*"
IMPORT = "Metadata Import using profile Vendor Records"


@pytest.fixture
def ids(tmp_path: Path) -> str:
    """A file of ids; one of them comes twice."""
    path = tmp_path / "ids.txt"
    path.write_text("\n".join([*IDS, IDS[0]]))
    return str(path)


def _find(simulated: SimulatedAlma, name: str = "Mine", environment: str = "SANDBOX") -> list[SimulatedSet]:
    return [each for each in simulated.institution.worlds[environment].sets if each.name == name]


def _run_import(simulated: SimulatedAlma, *, ends: bool = True) -> str:
    """Let an import run; its Process ID."""
    job = next(each for each in jobs("SANDBOX", None) if each.name == IMPORT)
    run = simulated.institution.sandbox.submit(job, [])
    if ends:
        simulated.clock.advance(3600)
    return run.id


def _sources(simulated: SimulatedAlma, ids: str) -> dict[str, tuple[tuple[str, ...], int]]:
    """Return the options of each source, with the number of members that it comes to."""
    run = _run_import(simulated)
    return {
        "ids": (("--ids", ids), 12),
        "run": (("--from-run", run, "--population", "imported_records_no_match"), 5),
        "matches": (("--from-run", run, "--population", "single"), 2),
        "logical": (("--from-logical", LOGICAL), 25),
        "and": (("--combine", f"{THESES} and {LOGICAL}"), 25),
        "or": (("--combine", f'"{THESES}" OR "{LOGICAL}"'), 120),
        "not": (("--combine", f"{THESES} not {LOGICAL}"), 95),
        "and not": (("--combine", f"{THESES} and not {LOGICAL}"), 95),
        "empty": (("--combine", f"{THESES} and {EMPTY}"), 0),
    }


SOURCES = ("ids", "run", "matches", "logical", "and", "or", "not", "and not", "empty")


@pytest.mark.parametrize("source", SOURCES)
def test_a_set_is_made_of_each_source(simulated: SimulatedAlma, almajob: Run, ids: str, source: str) -> None:
    """It has all members when the command ends, though Alma fills it only after its answer."""
    words, count = _sources(simulated, ids)[source]
    row = almajob(*CREATE, *words, "--description", "Of May", "-f", "json").row
    (made,) = _find(simulated)
    assert (row["action"], row["id"], row["members"]) == ("create", made.id, count)
    assert len(made.members_at(simulated.clock())) == count
    assert made.description.startswith("Of May [almajob:")
    assert (made.content, made.is_private) == ("BIB_MMS", True)
    assert simulated.log.count("POST /conf/sets") == 1


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_command_is_the_same_set(
    simulated: SimulatedAlma, almajob: Run, ids: str, source: str
) -> None:
    """It is shown, and nothing is sent to change it."""
    words, count = _sources(simulated, ids)[source]
    first = almajob(*CREATE, *words, "-f", "json").row
    sent = simulated.log.count(MAKING)
    again = almajob(*CREATE, *words, "-f", "json").row
    assert (again["action"], again["id"], again["members"]) == ("show", first["id"], count)
    assert simulated.log.count(MAKING) == sent


def test_a_program_and_the_command_line_make_the_same_set(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """Of the same name and ids: whoever comes second goes on with it, and changes nothing."""
    with connect("sandbox") as alma:
        made = alma.make_set("Mine", Path(ids).read_text("ascii").split(), "BIB_MMS")
    sent = simulated.log.count(MAKING)
    row = almajob(*CREATE, "--ids", ids, "-f", "json").row
    assert (row["action"], row["id"], row["members"]) == ("show", made.id, made.count)
    assert simulated.log.count(MAKING) == sent


@pytest.mark.parametrize(
    "fault", ["reset-after", "reset-before", "accepted-500", "accepted-truncated", "503"]
)
@pytest.mark.parametrize("source", ["ids", "run", "logical", "or"])
def test_a_lost_answer_makes_no_second_set(
    simulated: SimulatedAlma, almajob: Run, ids: str, source: str, fault: str
) -> None:
    """The set is found by its mark, and has its members."""
    words, count = _sources(simulated, ids)[source]
    simulated.faults.add(fault, "POST /conf/sets")
    row = almajob(*CREATE, *words, "-f", "json").row
    (made,) = _find(simulated)
    assert (row["id"], row["members"], len(made.members)) == (made.id, count, count)


def test_a_command_that_gave_up_is_gone_on_with(simulated: SimulatedAlma, almajob: Run) -> None:
    """After too many lost answers the exit code is 9; the same command finds the set that was made."""
    words = (*CREATE, "--from-logical", LOGICAL, "-f", "json")
    simulated.faults.add("reset-after", "POST /conf/sets")
    for _ in range(4):
        simulated.faults.add("503", "POST /conf/sets")
    gave_up = almajob(*words)
    assert gave_up.code == 9
    assert "The same command finds out." in gave_up.err
    (made,) = _find(simulated)
    row = almajob(*words).row
    assert (row["action"], row["id"], row["members"]) == ("continue", made.id, 25)
    assert len(_find(simulated)) == 1


def test_a_set_that_was_never_made_is_not_gone_on_with(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """After Alma has refused to make it, a plan is to make it, as before."""
    words = (*CREATE, "--ids", ids, "--content", "NONSENSE")
    assert almajob(*words).code == 4
    assert almajob(*words, "--dry-run", "-f", "json").row["action"] == "create"


def test_what_is_sent_for_2501_ids(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """A thousand a call, and no more than five calls besides: 3 + 3 + 2 are announced."""
    path = tmp_path / "many.txt"
    path.write_text("\n".join(str(99_700_000_000_561 + 10_000 * number) for number in range(2501)))
    plan = almajob(*CREATE, "--ids", str(path), "--dry-run", "-f", "json").row
    assert (plan["action"], plan["ids"], plan["calls"], plan["members"]) == ("create", 2501, 8, None)
    assert simulated.log.count("POST *") == 0
    before = simulated.log.count()
    assert almajob(*CREATE, "--ids", str(path), "-f", "json").row["members"] == 2501
    assert simulated.log.count() - before <= 8
    sizes = [len(json.loads(each.raw)["members"]["member"]) for each in simulated.log.requests(MAKING)[1:]]
    assert sizes == [1000, 1000, 501]


@pytest.mark.parametrize("source", ["ids", "logical"])
def test_a_set_of_the_name_that_somebody_else_has_made(
    simulated: SimulatedAlma, almajob: Run, ids: str, source: str
) -> None:
    """It stays as it is, and the message names it."""
    words, _count = _sources(simulated, ids)[source]
    before = _find(simulated, THESES)
    done = almajob(*SANDBOX, "create", THESES, *words)
    assert done.code == 5
    assert f"There is a set {THESES!r} that almajob has not made; it was not changed." in done.err
    assert _find(simulated, THESES) == before


def test_a_set_that_was_made_of_something_else(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Other ids, or another source, under the same name are refused before anything is sent."""
    assert almajob(*CREATE, "--ids", ids).code == 0
    before, sent = _find(simulated), simulated.log.count(MAKING)
    Path(ids).write_text("\n".join(IDS[:3]))
    for words in (("--ids", ids), ("--from-logical", LOGICAL), ("--ids", ids, "--content", "ITEM")):
        done = almajob(*CREATE, *words)
        assert (done.code, done.out) == (5, "")
        assert "was made of other ids, or from something else; it was not changed." in done.err
    assert (_find(simulated), simulated.log.count(MAKING)) == (before, sent)


def test_a_set_that_is_gone_is_made_again(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Whether it was deleted by a command, or in Alma."""
    first = almajob(*CREATE, "--ids", ids, "-f", "json").row
    assert almajob(*SANDBOX, "delete", "Mine").code == 0
    second = almajob(*CREATE, "--ids", ids, "-f", "json").row
    simulated.institution.sandbox.happen(lambda: {"kind": "drop set", "id": second["id"]})
    third = almajob(*CREATE, "--ids", ids, "-f", "json").row
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert [each.id for each in _find(simulated)] == [third["id"]]


@pytest.mark.parametrize("end", ["refused", "deleted in Alma"])
def test_a_name_is_free_again_where_no_set_is_there(
    simulated: SimulatedAlma, almajob: Run, ids: str, end: str
) -> None:
    """Alma refused to make it, or somebody has deleted it: then it can be made of something else."""
    if end == "refused":
        simulated.answers.add_error("POST /conf/sets", "60206", "Sets combine operation failed.")
        done = almajob(*CREATE, "--combine", f"{THESES} or {LOGICAL}")
        assert (done.code, "Look at both sets in Alma" in done.err) == (4, True), done.err
    else:
        made = almajob(*CREATE, "--from-logical", LOGICAL, "-f", "json").row
        simulated.institution.sandbox.happen(lambda: {"kind": "drop set", "id": made["id"]})
    simulated.answers.clear()
    row = almajob(*CREATE, "--ids", ids, "-f", "json").row
    assert (row["action"], row["members"], len(_find(simulated))) == ("create", 12, 1)


def test_ids_that_alma_does_not_know(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """The set is not complete, and the exit code 3; with --skip-invalid they are left out, and written."""
    path, rejected = tmp_path / "ids.txt", tmp_path / "rejected.txt"
    odd = "9" * 21
    path.write_text("\n".join([*IDS, odd]))
    done = almajob(*CREATE, "--ids", str(path))
    assert done.code == 3
    assert "--skip-invalid" in done.err
    words = (*CREATE, "--ids", str(path), "--skip-invalid", "--rejected", str(rejected), "-f", "json")
    row = almajob(*words).row
    assert (row["action"], row["ids"], row["members"], row["rejected"]) == ("continue", 13, 12, 1)
    assert rejected.read_text() == f"{odd}\n"
    assert len(_find(simulated)) == 1


def test_barcodes_that_alma_does_not_know(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """They are found though a set lists its members by other ids, and written."""
    path, rejected = tmp_path / "ids.txt", tmp_path / "rejected.txt"
    path.write_text("\n".join([*IDS, "B-1"]))
    words = ("--ids", str(path), "--id-type", "BARCODE", "--skip-invalid", "--rejected", str(rejected))
    row = almajob(*CREATE, *words, "-f", "json").row
    assert (row["members"], row["rejected"], rejected.read_text()) == (12, 1, "B-1\n")


def test_a_set_that_somebody_has_changed(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """The same command refuses to take it for what it made, and changes nothing."""
    made = almajob(*CREATE, "--ids", ids, "-f", "json").row
    happen = {"kind": "members", "id": made["id"], "members": IDS[:5]}
    simulated.institution.sandbox.happen(lambda: happen)
    done = almajob(*CREATE, "--ids", ids, "-f", "json")
    assert (done.code, done.out) == (5, "")
    assert "had 12 members when it was filled, and has 5 now." in done.err
    assert [each.members for each in _find(simulated)] == [tuple(IDS[:5])]


@pytest.mark.parametrize("source", ["logical", "or", "not"])
def test_a_set_that_alma_fills_slowly(simulated: SimulatedAlma, almajob: Run, ids: str, source: str) -> None:
    """It is waited for as long as members come, in looks that become rare."""
    words, count = _sources(simulated, ids)[source]
    simulated.institution.rules.filling = 1000.0
    begun = simulated.clock()
    assert almajob(*CREATE, *words, "-f", "json").row["members"] == count
    assert simulated.clock() - begun >= 1000
    assert simulated.log.count("GET /conf/sets/*") < 50


def test_a_set_that_alma_does_not_fill(simulated: SimulatedAlma, almajob: Run) -> None:
    """After ten minutes without a member the exit code is 3, and the same command looks again."""
    simulated.faults.add("set-stays-empty", "POST /conf/sets")
    words = (*CREATE, "--from-logical", LOGICAL, "-f", "json")
    begun = simulated.clock()
    done = almajob(*words)
    assert (done.code, json.loads(done.out)["members"]) == (3, 0)
    assert "has 0 members; 25 are missing." in done.err
    assert simulated.clock() - begun >= 600
    (made,) = _find(simulated)
    happen = {"kind": "members", "id": made.id, "members": list(made.members)}
    simulated.institution.sandbox.happen(lambda: happen)
    assert almajob(*words).row["members"] == 25
    assert simulated.log.count("POST /conf/sets") == 1


@pytest.mark.parametrize("source", ["ids", "logical"])
def test_too_few_calls_are_left(simulated: SimulatedAlma, almajob: Run, ids: str, source: str) -> None:
    """Then nothing is begun, though nobody has called Alma before."""
    words, _count = _sources(simulated, ids)[source]
    simulated.institution.gateway.remaining = 6
    done = almajob(*CREATE, *words)
    assert done.code == 10, done.err
    assert "To make the set takes " in done.err
    assert simulated.log.count("POST *") == 0


def test_production_is_confirmed_by_the_name(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """Without a person, or with something else than the name typed, nothing is sent."""
    words = (*PRODUCTION, "--ids", ids)
    refused = almajob(*words)
    assert refused.code == 5
    assert "was not confirmed; nothing was sent." in refused.err
    for typed, code in (("yes", 5), ("Mine", 0)):
        assert simulated.log.count("POST *") == 0
        with Terminal(*words, size=(60, 200)) as terminal:
            asked = terminal.until(lambda text: text.endswith("Type the set's name:"))
            terminal.type(f"{typed}\r")
            assert terminal.end() == code, terminal.text
    assert "made of 12 ids of ids.txt" in asked
    assert len(_find(simulated, environment="PRODUCTION")) == 1
    sent = simulated.log.count("POST *")
    # What is there is shown to anybody; what would have to be made again is not made.
    assert almajob(*words).code == 0
    (made,) = _find(simulated, environment="PRODUCTION")
    simulated.institution.production.happen(lambda: {"kind": "drop set", "id": made.id})
    assert almajob(*words).code == 5
    assert simulated.log.count("POST *") == sent
    assert almajob(*words, "--yes").code == 0
    assert len(_find(simulated, environment="PRODUCTION")) == 1


def test_a_read_only_environment(
    simulated: SimulatedAlma, almajob: Run, ids: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read, asked or sent."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob(*CREATE, "--ids", ids).code == 5
    assert simulated.log.count() == 0


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--ids", "x", "--description", "x" * 501), 2, "has more than 500 characters"),
        (("--ids", "x", "--description", "\x1b[31mred"), 2, "has a character in it that cannot be printed"),
        (("--combine", "A and"), 2, "does not name two sets."),
        (("--combine", "and B"), 2, "does not name two sets."),
        (("--combine", "not B"), 2, "does not name two sets."),
        (("--combine", THESES), 2, "does not name two sets."),
        (("--combine", "A and B and C"), 2, "Alma combines two sets at a time."),
        (("--combine", f"{THESES} and Nowhere"), 5, "There is no set 'Nowhere'; nothing was sent."),
        (("--combine", f"{THESES} and Lost items"), 5, "cannot be combined; nothing was sent."),
        (("--combine", f"{THESES} and {THESES}"), 5, "cannot be combined with itself"),
        (("--from-logical", THESES), 5, "is not a logical set; nothing was sent."),
        (("--from-logical", "All electronic thesis"), 5, f"Did you mean: {LOGICAL!r}?"),
        (("--from-run", "1", "--population", "single"), 4, "402218"),
        (("--from-run", "1"), 2, "--from-run and --population go together"),
        (("--from-logical", LOGICAL, "--population", "single"), 2, "--from-run and --population go together"),
        (("--from-logical", LOGICAL, "--content", "ITEM"), 2, "--content says something of --ids."),
        (("--combine", "A and B", "--skip-invalid"), 2, "--skip-invalid says something of --ids."),
        (("--ids", "x", "--rejected", "y"), 2, "Add --skip-invalid."),
        (("--ids", "x", "--combine", "A and B"), 2, "not allowed with argument"),
        ((), 2, "is required"),
        (("--ids", "nowhere.txt"), 5, "nowhere.txt cannot be read."),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], code: int, part: str
) -> None:
    """With what to do about it."""
    done = almajob(*CREATE, *words)
    assert (done.code, done.out) == (code, ""), done.err
    assert part in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize(
    ("job", "ends", "population", "part"),
    [
        (IMPORT, False, "single", "has not ended; nothing was sent."),
        (IMPORT, True, "singles", "Did you mean SINGLE_MATCHES?"),
        (IMPORT, True, "NOT_ADDED_LOCKED", "has no records that are NOT_ADDED_LOCKED"),
        ("ERP export using profile FINANCE", True, "single", "has no records to make a set of"),
    ],
)
def test_runs_without_such_records(
    simulated: SimulatedAlma, almajob: Run, job: str, ends: bool, population: str, part: str
) -> None:
    """One that goes on, another population, an empty one, and another job than an import."""
    found = next(each for each in jobs("SANDBOX", None) if each.name == job)
    run = simulated.institution.sandbox.submit(found, [])
    simulated.clock.advance(7200 if ends else 1)
    done = almajob(*CREATE, "--from-run", run.id, "--population", population)
    assert (done.code, done.out) == (5, "")
    assert part in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize("name", ["12", " ", "a\nb"])
def test_names_that_no_set_should_have(simulated: SimulatedAlma, almajob: Run, ids: str, name: str) -> None:
    """Digits alone are an id elsewhere."""
    assert almajob(*SANDBOX, "create", name, "--ids", ids).code == 2
    assert simulated.log.count() == 0


def test_what_else_is_said_of_the_set(simulated: SimulatedAlma, almajob: Run, ids: str) -> None:
    """A set of barcodes is of items; --public lets others see it."""
    made = almajob(*CREATE, "--ids", ids, "--id-type", "BARCODE", "--public", "-f", "json").row
    (found,) = _find(simulated)
    assert (made["content"], found.content, found.is_private) == ("ITEM", "ITEM", False)
    adding = simulated.log.requests("POST /conf/sets/*")
    assert [each.query.get("id_type") for each in adding] == ["BARCODE"]


def test_ctrl_c_while_it_is_filled(simulated: SimulatedAlma, almajob: Run) -> None:
    """What was begun is named, and the same command goes on."""
    words = (*CREATE, "--from-logical", LOGICAL)
    simulated.interrupt("POST /conf/sets")
    done = almajob(*words)
    assert done.code == 130
    assert "The set Mine may not be complete. The same command goes on where it stopped." in done.err
    assert almajob(*words, "-f", "json").row["members"] == 25
    assert len(_find(simulated)) == 1
