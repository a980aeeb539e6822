"""``almajob runs``: the ledger for people, from a start in doubt to its end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

ERP = "ERP export using profile FINANCE"
START = "POST /conf/jobs/*"


@pytest.fixture
def unseen(simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A start in production, by tag, whose run is not listed yet; gives its command line."""
    simulated.institution.rules.checks_parameters = False
    simulated.faults.add("reset-after", START)
    simulated.faults.add("listing-lag", "GET /conf/jobs/*", times=None)
    start = ("run", "--yes", "--allow-unknown", "--job", "M44", "--run-key", "may", "-f", "json")
    with monkeypatch.context() as patched:
        patched.setattr("almajob.runs.start.recover.LOOKS", (2.0,))
        done = almajob("--env", "production", *start)
    assert (done.code, json.loads(done.out)["state"]) == (9, "ABSENT")
    return start


@pytest.fixture
def doubtful(simulated: SimulatedAlma, almajob: Run) -> str:
    """A start in production that nobody answered, and whose run is listed; gives the run's Process ID."""
    simulated.faults.add("reset-after", START)
    done = almajob("--env", "production", "run", "--yes", "--job", ERP, "--run-key", "may")
    assert done.code == 9
    (run,) = simulated.institution.production.runs()
    return run.id


def test_what_is_in_doubt_is_listed_first(simulated: SimulatedAlma, almajob: Run, doubtful: str) -> None:
    """In all environments, whichever is the usual one; --env on the command line names one."""
    almajob("--env", "sandbox", "run", "--job", ERP)
    rows = json.loads(almajob("runs", "list", "-f", "json").out)
    assert [(row["environment"], row["state"]) for row in rows] == [
        ("production", "AMBIGUOUS"),
        ("sandbox", "STARTED"),
    ]
    assert rows[0]["retry_safe"] is False
    only = json.loads(almajob("--env", "sandbox", "runs", "list", "-f", "json").out)
    assert [row["environment"] for row in only] == ["sandbox"]
    still = json.loads(almajob("runs", "list", "--open", "-f", "json").out)
    assert [row["run_key"] for row in still] == ["may"]
    assert (
        almajob("runs", "list", "--job", "no such job").err
        == "No run of these jobs was started from here yet.\n"
    )


def test_a_start_is_shown_step_by_step(simulated: SimulatedAlma, almajob: Run, doubtful: str) -> None:
    """With what may be its run; by its id or its key, and without a call."""
    calls = simulated.log.count("*")
    shown = json.loads(almajob("runs", "show", "may", "-f", "json").out)
    assert [step["state"] for step in shown["trail"]] == ["PREPARED", "SENDING", "UNKNOWN", "AMBIGUOUS"]
    assert [item["instance_id"] for item in shown["candidates"]] == [doubtful]
    assert shown["sent"].endswith("Z")
    table = almajob("runs", "show", shown["id"]).out
    assert "one run fits, but nothing proves that it was started here" in table
    assert doubtful in table
    assert simulated.log.count("*") == calls
    missing = almajob("runs", "show", "june")
    assert (missing.code, missing.out) == (5, "")


def test_settling_looks_again_and_starts_nothing(
    simulated: SimulatedAlma, almajob: Run, doubtful: str
) -> None:
    """Exit code 9 as long as something is in doubt, 0 after that."""
    looks = simulated.log.count("GET /conf/jobs/*/instances")
    done = almajob("runs", "settle", "-f", "json")
    assert done.code == 9
    assert "1 of 1 starts have an unknown outcome." in done.err
    record = json.loads(done.out)[0]
    assert f"  {record['id']}: {record['job_name']} in production, several runs may be it\n" in done.err
    assert simulated.log.count("GET /conf/jobs/*/instances") == looks + 1
    assert almajob("runs", "resolve", "may", "--adopt", doubtful).code == 0
    done = almajob("runs", "settle")
    assert (done.code, done.out, done.err) == (0, "", "No run has an unknown outcome.\n")
    done = almajob("runs", "settle", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert simulated.log.count(START) == 1


def test_a_signal_while_it_is_settled_says_that_it_stays_unknown(
    simulated: SimulatedAlma, almajob: Run, doubtful: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do then."""
    monkeypatch.setattr(
        "almajob.runs.start.recover.list_around", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    done = almajob("runs", "settle")
    assert (done.code, done.out) == (130, "")
    assert "It is unknown whether" in done.err
    assert "almajob --env production runs resolve" in done.err


def test_a_start_that_appears_later_is_settled_by_cron(
    simulated: SimulatedAlma, almajob: Run, unseen: tuple[str, ...]
) -> None:
    """In whichever environment it was made; the command that made it still shows the run."""
    assert almajob("runs", "settle").code == 9
    simulated.clock.advance(120)
    done = almajob("runs", "settle", "-f", "json")
    assert done.code == 0
    (settled,) = json.loads(done.out)
    assert (settled["state"], settled["certainty"]) == ("ADOPTED", "tagged")
    again = almajob("--env", "production", *unseen)
    assert json.loads(again.out)["instance_id"] == settled["instance_id"]
    assert simulated.log.count(START) == 1


@pytest.mark.parametrize("words", [("settle",), ("resolve", "may", "--not-started")])
def test_a_start_of_a_section_that_was_renamed_is_settled_all_the_same(
    simulated: SimulatedAlma,
    almajob: Run,
    write_ini: Callable[..., Path],
    unseen: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    """By the section that leads to the same address with the same key, whatever its name."""
    write_ini(simulated.ini.replace("[production]", "[accounts]\nkind = production"))
    simulated.clock.advance(120)
    assert almajob("runs", *words).code == 0
    assert words != ("settle",) or almajob("--env", "accounts", *unseen).code == 0
    assert simulated.log.count(START) == 1


def test_a_run_key_of_perhaps_another_alma_is_told_as_unknown(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path]
) -> None:
    """The section leads elsewhere now, and its key may not ask where: exit code 5, and no run is named."""
    start = ("--env", "sandbox", "run", "--job", ERP, "--run-key", "may", "-f", "json")
    assert almajob(*start).code == 0
    write_ini(simulated.ini.replace("simulator-sandbox-key", "simulator-sandbox-readonly-key"))
    simulated.faults.add("text-key-error", "GET /conf/general", times=None)
    done = almajob(*start)
    shown = json.loads(done.out)
    assert (done.code, shown["state"], shown["instance_id"]) == (5, "UNKNOWN", None)
    assert (shown["certainty"], shown["retry_safe"]) == ("none", False)
    assert simulated.log.count(START) == 1


def test_two_runs_of_one_start_are_told_by_settle_too(
    simulated: SimulatedAlma, almajob: Run, unseen: tuple[str, ...]
) -> None:
    """Exit code 9, with both."""
    simulated.institution.rules.thresholds = False
    world = simulated.institution.production
    (first,) = world.runs()
    second = world.submit(first.job, first.parameters)
    simulated.clock.advance(120)
    done = almajob("runs", "settle")
    assert done.code == 9
    assert f"more than once from one request: runs {first.id}, {second.id}" in done.err


def test_a_person_says_that_it_was_not_started(simulated: SimulatedAlma, almajob: Run, doubtful: str) -> None:
    """Then the same command starts it; who said so is kept."""
    shown = json.loads(almajob("runs", "resolve", "may", "--not-started", "-f", "json").out)
    assert (shown["state"], shown["retry_safe"]) == ("NOT_STARTED", True)
    assert shown["trail"][-1]["reason"].startswith("user ")
    simulated.clock.advance(7200)
    assert almajob("--env", "production", "run", "--yes", "--job", ERP, "--run-key", "may").code == 0
    assert simulated.log.count(START) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("--adopt", "x"), 2),
        (("--adopt", "1", "--not-started"), 2),
        (("--adopt", "999"), 4),
    ],
)
def test_a_wrong_word_settles_nothing(
    simulated: SimulatedAlma, almajob: Run, doubtful: str, words: tuple[str, ...], code: int
) -> None:
    """Alma knows no such run of the job, or the command line is wrong."""
    assert almajob("runs", "resolve", "may", *words).code == code
    assert json.loads(almajob("runs", "show", "may", "-f", "json").out)["state"] == "AMBIGUOUS"


def test_what_cannot_be_looked_for_does_not_keep_the_others(
    simulated: SimulatedAlma, almajob: Run, doubtful: str, write_ini: Callable[..., Path]
) -> None:
    """An environment that is not in the ini any more: a warning, and exit code 9."""
    write_ini(simulated.ini.partition("[production]")[0])
    done = almajob("runs", "settle")
    assert done.code == 9
    assert "has no environment 'production'" in done.err


def test_the_newest_are_listed_and_the_rest_is_told(simulated: SimulatedAlma, almajob: Run) -> None:
    """How many there are; of those that are asked for, that there are more."""
    for number in range(4):
        assert almajob("--env", "sandbox", "run", ERP, "--run-key", f"k{number}", "--wait").code == 0
        simulated.clock.advance(3600)
    done = almajob("runs", "list", "--limit", "2", "-f", "json")
    assert [row["run_key"] for row in json.loads(done.out)] == ["k3", "k2"]
    assert done.err == "These are the newest 2 of 4 runs; --limit 0 shows all.\n"
    done = almajob("runs", "list", "--limit", "2", "--state", "STARTED", "-f", "json")
    assert done.err == "These are the newest 2; --limit 0 shows all.\n"
    for every in ("0", "all", "4"):
        done = almajob("runs", "list", "--limit", every, "-f", "json")
        assert (len(json.loads(done.out)), done.err) == (4, "")
    rows = json.loads(done.out)
    assert {row["end_status"] for row in rows} == {"COMPLETED_SUCCESS"}
    assert all(row["seconds"] > 0 for row in rows)


def test_runs_are_listed_by_time_and_state(simulated: SimulatedAlma, almajob: Run) -> None:
    """A contradiction is refused."""
    for number in range(3):
        assert almajob("--env", "sandbox", "run", ERP, "--run-key", f"k{number}", "--wait").code == 0
        simulated.clock.advance(3600)

    def listed(*words: str) -> list[str]:
        return [row["run_key"] for row in json.loads(almajob("runs", "list", *words, "-f", "json").out)]

    made = [row["created"] for row in json.loads(almajob("runs", "list", "-f", "json").out)]
    assert listed("--since", made[1]) == ["k2", "k1"]
    assert listed("--until", made[1]) == ["k0"]
    assert listed("--since", made[2], "--until", made[0]) == ["k1", "k0"]
    assert listed("--state", "started") == ["k2", "k1", "k0"]
    assert listed("--state", "not-started") == listed("--state", "open") == []
    assert almajob("runs", "list", "--state", "absent").err == "No run is like that.\n"
    assert almajob("runs", "list", "--open", "--state", "started").code == 2
    assert almajob("runs", "list", "--state", "nothing").code == 2
    assert almajob("runs", "list", "--since", "1h", "--until", "2h").code == 2
