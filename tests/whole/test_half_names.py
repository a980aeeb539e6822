"""A job named by half a name: forgiven, chosen by a person, or refused; never another one than was meant."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
BURSAR = "Export to bursar using profile BURSAR"
PRODUCTION = ("--env", "production", "run")
SANDBOX = ("--env", "sandbox", "run")


@pytest.fixture
def live(write_ini: Callable[..., Path]) -> Iterator[SimulatedAlma]:
    """A simulator for processes of their own, whose time is the real one."""
    with Simulator(Institution(Clock())) as simulator:
        running = SimulatedAlma(simulator)
        write_ini(running.ini)
        yield running


def _started(alma: SimulatedAlma) -> int:
    return alma.log.count("POST /conf/jobs/*")


def test_a_forgiven_name_starts_the_one_job_and_says_which(simulated: SimulatedAlma, almajob: Run) -> None:
    """On stderr; also in production, where --yes stands in the command."""
    for words in ((*SANDBOX, f" {ERP.lower()}"), (*PRODUCTION, ERP.upper(), "--yes")):
        done = almajob(*words, "-f", "json")
        assert done.code == 0
        assert json.loads(done.out)["job_name"] == ERP
        assert f"Using the job {ERP!r} (S" in done.err
    assert _started(simulated) == 2


def test_yes_does_not_count_for_the_name_of_a_profile(simulated: SimulatedAlma, almajob: Run) -> None:
    """Another job may be the only one of that profile tomorrow; by its profile's id it is named plainly."""
    assert almajob(*SANDBOX, "bursar").code == 0
    done = almajob(*PRODUCTION, "bursar", "--yes")
    assert (done.code, done.out) == (5, "")
    assert "'bursar' is not the job's exact name." in done.err
    assert "name it by its id, with --yes: S" in done.err
    assert _started(simulated) == 1
    by_id = almajob(*PRODUCTION, "--profile-id", "7562275970000561", "--yes", "-f", "json")
    assert (by_id.code, json.loads(by_id.out)["job_name"]) == (0, BURSAR)


def test_the_older_spelling_starts_in_production_only_what_it_names_exactly(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """As its cron lines have no --yes, and the older script took no other name."""
    older = ("--env", "production", "--cmd", "run", "--job")
    for name in (ERP.lower(), f" {ERP}", "bursar"):
        done = almajob(*older, name)
        assert (done.code, done.out) == (5, "")
        assert "was not confirmed; nothing was sent" in done.err
    assert _started(simulated) == 0
    assert almajob(*older, ERP).code == 0
    assert _started(simulated) == 1


@pytest.mark.parametrize("name", ["erp export", "FINANCE", "export", "gift", "nonsense"])
def test_nobody_chooses_where_nobody_is(simulated: SimulatedAlma, almajob: Run, name: str) -> None:
    """Neither among several jobs nor among those that may be meant; whatever is agreed to."""
    for words in ((*SANDBOX, name), (*PRODUCTION, name, "--yes"), (*SANDBOX, name, "--save", "x")):
        assert almajob(*words).code == 5
    for command in ("show", "params", "history"):
        assert almajob("--env", "sandbox", command, name).code == 5
    assert _started(simulated) == 0


def test_the_question_in_production_shows_what_was_typed(live: SimulatedAlma) -> None:
    """Beside the job that it was taken for."""
    with Terminal(*PRODUCTION, ERP.lower()) as terminal:
        seen = terminal.until(lambda text: "anything else starts nothing:" in text)
        assert f"You typed    {ERP.lower()!r}" in seen
        assert f"Job          {ERP}" in seen
        terminal.type("n\n")
        assert terminal.end() == 5
    with Terminal(*PRODUCTION, ERP) as terminal:
        assert "You typed" not in terminal.until(lambda text: "anything else starts nothing:" in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
    assert _started(live) == 0


@pytest.mark.parametrize("agreed", [(), ("--yes",)])
def test_a_person_chooses_by_number(live: SimulatedAlma, agreed: tuple[str, ...]) -> None:
    """Of those that may be meant; in production the question follows, also where --yes is there."""
    with Terminal(*SANDBOX, "erp export", "-f", "value", "-c", "job_name") as terminal:
        seen = terminal.until(lambda text: "Type its number" in text)
        assert f"  1) {ERP!r} (S" in seen
        terminal.type("1\n")
        assert terminal.end() == 0
        assert terminal.lines[-1] == ERP
    assert _started(live) == 1
    with Terminal(*PRODUCTION, "erp export", *agreed) as terminal:
        terminal.until(lambda text: "Type its number" in text)
        terminal.type("1\n")
        terminal.until(lambda text: "anything else starts nothing:" in text)
        terminal.type("\n")
        assert terminal.end() == 5
    assert _started(live) == 1


@pytest.mark.parametrize("typed", ["\n", "0\n", "3\n", "1 2\n", "S9563600010000561\n", "y\n", "\x04"])
def test_what_is_no_number_of_the_list_chooses_none(live: SimulatedAlma, typed: str) -> None:
    """Enter above all; then the message stands there with what may be meant."""
    with Terminal(*SANDBOX, "erp export") as terminal:
        terminal.until(lambda text: "Type its number" in text)
        terminal.type(typed)
        assert terminal.end() == 5
        assert "Did you mean" in terminal.text
    assert _started(live) == 0


def test_ctrl_c_chooses_none_and_no_input_does_not_ask(live: SimulatedAlma) -> None:
    """Exit codes 130 and 5."""
    with Terminal(*SANDBOX, "erp export") as terminal:
        terminal.until(lambda text: "Type its number" in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert "Nothing was chosen." in terminal.text
    with Terminal(*SANDBOX, "erp export", "--no-input") as terminal:
        assert terminal.end() == 5
        assert "Type its number" not in terminal.text
    assert _started(live) == 0


def test_blanks_within_a_name_are_shown_as_they_are(simulated: SimulatedAlma, almajob: Run) -> None:
    """In what was typed and in what may be meant; more than two are counted."""
    done = almajob(*SANDBOX, "Handle Duplicated Bibs Job")
    assert "'Handle Duplicated Bibs Job'" in done.err
    assert "'Handle Duplicated Bibs  Job' (M" in done.err
    assert "'a (4 blanks) b'" in almajob(*SANDBOX, "a    b").err


def test_a_set_is_forgiven_as_a_job_is(simulated: SimulatedAlma, almajob: Run) -> None:
    """And said so; half a name is not enough."""
    name = "Theses without a call number"
    words = ("--env", "sandbox", "run", "M44", "--dry-run", "-f", "json", "--set")
    done = almajob(*words, unicodedata.normalize("NFD", f"{name.upper()} "))
    assert name in json.loads(done.out)["set"]
    assert "Using the set " in done.err
    done = almajob(*words, "theses")
    assert done.code == 5
    assert f"Did you mean: {name!r}, " in done.err


def test_an_import_is_named_by_its_profile(simulated: SimulatedAlma, almajob: Run) -> None:
    """By the profile's id or name, wherever one job is named; two ways at once are refused."""
    job = "Metadata Import using profile Vendor Records"
    by_id = ("--profile-id", "7562276010000561")
    for words in (by_id, ("vendor records",)):
        for command in ("show", "run"):
            done = almajob("--env", "sandbox", command, *words, "-f", "json")
            assert done.code == 0
            assert job in done.out
        simulated.clock.advance(3600)
    assert almajob("--env", "sandbox", "params", *by_id).code == 5
    for command in ("show", "params", "run"):
        done = almajob("--env", "sandbox", command, job, *by_id)
        assert (done.code, done.out) == (2, "")
    done = almajob("--env", "sandbox", "run", "--profile-id", "1")
    assert done.code == 5
    assert "No job is of the profile 1." in done.err
    assert almajob("--env", "sandbox", "run", "--profile-id", "FINANCE").code == 2
