"""A plugin that calls Alma itself: what it sends, prints and exits with, whatever goes wrong on the way."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob.entry_points import GROUP
from almajob.test_kit.simulated_alma import SimulatedAlma
from almajob.testing import check_command
from tests.conftest import Run
from tests.support.distributions import write_distribution
from tests.support.environments import PLUGINS
from tests.support.terminals import Terminal

CREATE = ("acme", "create", "Theses of May")
POST = "POST /conf/sets"
COMMANDS = {"acme create": "almajob_sets:Create", "acme members": "almajob_sets:Members"}


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin of the guide is installed."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(PLUGINS / "sets" / "almajob_sets.py", site)
    write_distribution(site, "almajob-sets", {GROUP: COMMANDS})
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("almajob_sets", None)


def _names(alma: SimulatedAlma) -> list[str]:
    return [made.name for world in alma.institution.worlds.values() for made in world.sets]


def test_the_commands_follow_the_rules() -> None:
    """As the guide says that each command does."""
    import almajob_sets  # type: ignore[import-not-found]

    check_command(almajob_sets.Create)
    check_command(almajob_sets.Members)


def test_a_set_is_made_and_its_members_are_listed(simulated: SimulatedAlma, almajob: Run) -> None:
    """One POST, with the document that the command describes; all pages of a set of 300."""
    made = almajob("--env", "sandbox", *CREATE, "-f", "json")
    assert made.code == 0, made.err
    assert (made.row["name"], made.row["members"]) == ("Theses of May", 0)
    (sent,) = simulated.log.requests(POST)
    assert sent.json["content"] == {"value": "BIB_MMS"}
    (large,) = [each for each in simulated.institution.sandbox.sets if len(each.members) == 300]
    listed = json.loads(almajob("--env", "sandbox", "acme", "members", large.id, "-f", "json").out)
    assert [member["id"] for member in listed] == list(large.members)


@pytest.mark.parametrize(
    ("fault", "code", "is_made"),
    [
        *((f"accepted-{how}", 9, True) for how in ("500", "502", "truncated")),
        *(("reset-after", 9, True), ("huge", 9, True), ("gzip-bomb", 9, True), ("reset-before", 9, False)),
        *(("503", 9, False), ("503-retry-after", 9, False), ("html-200", 9, False), ("empty", 9, False)),
        *(("html-401", 9, False), ("text-key-error", 9, False), ("redirect", 9, False)),
        *(("per-second", 4, False), ("daily", 10, False)),
    ],
)
def test_whatever_goes_wrong_one_write_is_sent(
    simulated: SimulatedAlma, almajob: Run, fault: str, code: int, *, is_made: bool
) -> None:
    """Where Alma has accepted it, nothing says that it has not."""
    simulated.faults.add(fault, POST)
    done = almajob("--env", "sandbox", *CREATE)
    assert (done.code, done.out) == (code, "")
    assert simulated.log.count(POST) == 1
    assert ("Theses of May" in _names(simulated)) is is_made
    if code == 9:
        assert "It is unknown whether Alma accepted POST /conf/sets." in done.err
        assert "job " not in done.err.replace("almajob", "")
    assert len(done.err.strip().splitlines()) <= 6


def test_alma_may_refuse(simulated: SimulatedAlma, almajob: Run) -> None:
    """A second set of the same name."""
    almajob("--env", "sandbox", *CREATE)
    again = almajob("--env", "sandbox", *CREATE)
    assert again.code == 4
    assert "402263" in again.err
    assert simulated.log.count(POST) == 2


def test_production_needs_consent(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nobody can be asked here: nothing is sent without --yes."""
    refused = almajob("--env", "production", *CREATE)
    assert refused.code == 5
    assert "POST /conf/sets in production was not confirmed; nothing was sent." in refused.err
    assert simulated.log.count("*") == 0
    assert almajob("--env", "production", *CREATE, "--yes").code == 0
    assert simulated.log.count(POST) == 1


@pytest.mark.parametrize(("typed", "code", "sent"), [("y", 0, 1), ("n", 5, 0), ("", 5, 0)])
def test_a_person_is_asked_in_production(
    simulated: SimulatedAlma, tmp_path: Path, typed: str, code: int, sent: int
) -> None:
    """What is sent, and where to, is on the screen; nothing but yes sends it."""
    path = {"PYTHONPATH": str(tmp_path / "site")}
    with Terminal("--env", "production", *CREATE, environ=path) as terminal:
        terminal.until(lambda text: "Send POST /conf/sets to production? [y/N]" in text)
        terminal.type(f"{typed}\r")
        assert terminal.end() == code
    assert simulated.log.count(POST) == sent


def test_a_read_only_environment_is_only_read(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "yes")
    assert almajob("--env", "sandbox", *CREATE, "--yes").code == 5
    set_id = next(iter(simulated.institution.sandbox.sets)).id
    assert almajob("--env", "sandbox", "acme", "members", set_id).code == 0
    assert simulated.log.count(POST) == 0


def test_an_id_stays_an_id(simulated: SimulatedAlma, almajob: Run) -> None:
    """One that is a path is refused here, and one that is odd by Alma."""
    assert almajob("--env", "sandbox", "acme", "members", "../jobs").code == 5
    assert simulated.log.count("*") == 0
    assert almajob("--env", "sandbox", "acme", "members", "7?x#y").code == 4
    assert simulated.log.count("GET /conf/sets/7[?]x#y/members") == 1


def test_a_call_has_a_line_in_the_log(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """With its path, and without its body."""
    log = tmp_path / "calls.jsonl"
    simulated.faults.add("accepted-500", POST)
    almajob("--env", "sandbox", "--log-json", str(log), *CREATE)
    line = json.loads(log.read_text("utf-8").splitlines()[-1])
    told = {name: line[name] for name in ("environment", "method", "path", "status", "attempt", "error")}
    assert told == {
        "environment": "sandbox",
        "method": "POST",
        "path": "/conf/sets",
        "status": 500,
        "attempt": 1,
        "error": "AlmaFailed",
    }
    assert "Theses" not in log.read_text("utf-8")
