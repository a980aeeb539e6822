"""``almajob sets add``, ``remove`` and ``replace``: the named set, once a person agrees, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.simulator.world.sets import SimulatedSet
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

SANDBOX, PRODUCTION = ("--env", "sandbox", "sets"), ("--env", "production", "sets")
THESES, LOGICAL = "Theses without a call number", "All electronic theses"
CHANGE = "POST /conf/sets/*"
NEW = [str(99_700_000_000_561 + 10_000 * number) for number in range(3)]
COMMANDS = ("add", "remove", "replace")


def _find(simulated: SimulatedAlma, environment: str = "SANDBOX") -> SimulatedSet:
    sets = simulated.institution.worlds[environment].sets
    return next(each for each in sets if each.name == THESES)


@pytest.fixture
def ids(simulated: SimulatedAlma, tmp_path: Path) -> str:
    """A file with three ids that are not in the set, and two that are, one of them twice."""
    path = tmp_path / "ids.txt"
    old = _find(simulated).members[:2]
    path.write_text("\n".join([*NEW, *old, old[0]]))
    return str(path)


EXPECTED: dict[str, Callable[[tuple[str, ...]], list[str]]] = {
    "add": lambda before: [*before, *NEW],
    "remove": lambda before: list(before[2:]),
    "replace": lambda before: [*NEW, *before[:2]],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", ["", "reset-after", "reset-before", "accepted-500"])
def test_the_members_are_changed_once(
    simulated: SimulatedAlma, almajob: Run, ids: str, command: str, fault: str
) -> None:
    """By name and by id, whatever answer is lost, and the same command changes nothing more."""
    before = _find(simulated)
    for named in (THESES, before.id):
        if fault:
            simulated.faults.add(fault, CHANGE)
        row = almajob(*SANDBOX, command, named, "--ids", ids, "-f", "json").row
        after = _find(simulated)
        assert sorted(after.members) == sorted(EXPECTED[command](before.members))
        assert (row["id"], row["name"], row["ids"], row["members"]) == (
            *(before.id, THESES, 5),
            len(after.members),
        )
    assert row["members_before"] == row["members"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [THESES.upper(), "Nowhere", LOGICAL])
def test_a_set_that_cannot_be_changed(
    simulated: SimulatedAlma, almajob: Run, ids: str, command: str, name: str
) -> None:
    """A name in another case is another name, and a logical set has no members of its own."""
    done = almajob(*SANDBOX, command, name, "--ids", ids)
    assert (done.code, done.out) == (5, "")
    assert "nothing was sent." in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_production_is_confirmed_by_the_id(
    simulated: SimulatedAlma, almajob: Run, ids: str, command: str
) -> None:
    """Without a person, or with something else typed, nothing is sent; --yes agrees beforehand."""
    words = (*PRODUCTION, command, THESES, "--ids", ids)
    refused = almajob(*words)
    assert (refused.code, "Add --yes." in refused.err) == (5, True)
    found = _find(simulated, "PRODUCTION")
    for typed, code in ((THESES, 5), (found.id, 0)):
        assert simulated.log.count("POST *") == 0
        with Terminal(*words, size=(60, 200)) as terminal:
            asked = terminal.until(lambda text: text.endswith("Type the set's id:"))
            terminal.type(f"{typed}\r")
            assert terminal.end() == code, terminal.text
    assert f"{found.id}  {THESES}, 120 members" in asked
    assert _find(simulated, "PRODUCTION").members != found.members
    assert almajob(*words, "--yes").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_environment(
    simulated: SimulatedAlma, almajob: Run, ids: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Nothing is read, asked or sent."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob(*SANDBOX, command, THESES, "--ids", ids).code == 5
    assert simulated.log.count() == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_too_few_calls_are_left(simulated: SimulatedAlma, almajob: Run, ids: str, command: str) -> None:
    """Then no change is begun."""
    simulated.institution.gateway.remaining = 6
    done = almajob(*SANDBOX, command, THESES, "--ids", ids)
    assert done.code == 10, done.err
    assert "To change the set takes 6 calls" in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("create", "New"), 3, "The set New is filled in part, by 0 of 5 ids. The same command goes on."),
        (("add", THESES), 10, "is changed in part, by 0 of 5 ids. The same command goes on."),
    ],
)
def test_the_calls_of_the_day_end_where_ids_are_sent(
    simulated: SimulatedAlma, almajob: Run, ids: str, words: tuple[str, ...], code: int, part: str
) -> None:
    """Alma may not say beforehand how many are left. The error says how far it is, and what goes on."""
    simulated.faults.add("daily", "POST /conf/sets/*")
    done = almajob(*SANDBOX, *words, "--ids", ids)
    assert done.code == code, done.err
    assert part in done.err


@pytest.mark.parametrize("command", ["add", "replace"])
def test_ids_that_alma_does_not_take_are_written(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path, command: str
) -> None:
    """One a line; the others are in the set."""
    rejected, odd = tmp_path / "rejected.txt", "9" * 21
    Path(ids).write_text("\n".join([*NEW, odd]))
    done = almajob(*SANDBOX, command, THESES, "--ids", ids, "--rejected", str(rejected), "-f", "json")
    assert done.code == 0, done.err
    assert rejected.read_text() == f"{odd}\n"
    assert set(NEW) <= set(_find(simulated).members)


@pytest.mark.parametrize(
    "words",
    [
        ("sets", "add", THESES),
        ("sets", "replace", THESES),
        ("sets", "create", "New", "--skip-invalid"),
        ("run", "M44", "--allow-unknown", "--skip-invalid"),
    ],
)
def test_the_file_of_ids_is_not_replaced(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """However it is written: the ids would be lost."""
    before = Path(ids).read_bytes()
    link = tmp_path / "link.txt"
    link.symlink_to(ids)
    for rejected in (ids, str(link), str(Path(ids).parent / "." / Path(ids).name)):
        done = almajob("--env", "sandbox", *words, "--ids", ids, "--rejected", rejected)
        assert done.code == 2
        assert "--rejected would replace the file of ids" in done.err
    assert Path(ids).read_bytes() == before
    assert simulated.log.count("*") == 0


def test_a_file_for_rejected_ids_that_cannot_be_written(
    simulated: SimulatedAlma, almajob: Run, ids: str, tmp_path: Path
) -> None:
    """It is found out before anything is sent."""
    words = ("add", THESES, "--ids", ids, "--rejected", str(tmp_path / "none" / "rejected.txt"))
    done = almajob(*SANDBOX, *words)
    assert (done.code, simulated.log.count("POST *")) == (5, 0)
    assert "rejected.txt cannot be written." in done.err


def test_a_table_on_standard_input(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a pipe brings it, with a column that is named."""
    table = tmp_path / "table.csv"
    table.write_text(f"Title;MMS Id\nA;{NEW[0]}\n")
    with table.open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        done = almajob(*SANDBOX, "add", THESES, "--ids", "-", "--id-column", "MMS Id", "-f", "json")
    assert (json.loads(done.out)["members"], json.loads(done.out)["members_before"]) == (121, 120)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("add", THESES), "required: --ids"),
        (("add", "--ids", "x"), "required: SET"),
        (("remove", THESES, "--ids", "x", "--rejected", "y"), "unrecognized arguments: --rejected"),
        (
            ("add", THESES, "--ids", "x", "--id-type", "BARCODE", "--rejected", "y"),
            "--rejected does not go with --id-type",
        ),
    ],
)
def test_command_lines_that_are_wrong(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], part: str
) -> None:
    """They are refused before anything is sent."""
    done = almajob(*SANDBOX, *words)
    assert (done.code, part in done.err) == (2, True), done.err
    assert simulated.log.count() == 0
