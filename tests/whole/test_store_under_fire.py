"""Databases that somebody tampered with: no code runs, no file elsewhere is touched, nothing is started."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from almajob.completion.protocol import answer
from almajob.entry_points import GROUP
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.environments import PLUGINS
from tests.whole.planted import (
    ROWS,
    SCHEMAS,
    VALUES,
    Attack,
    Trap,
    not_utf8,
    of_another_format,
    plant_pragmas,
    sql,
)

JOB = "ERP export using profile FINANCE"
STARTS = "POST /conf/jobs/*"
ODD_ROWS: dict[str, Attack] = {**ROWS, "no UTF-8": not_utf8, "of another format": of_another_format}


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap.at(tmp_path)


@pytest.fixture
def jobs(almajob: Run, simulated: SimulatedAlma) -> str:
    """What ``list`` prints; the cache has it now."""
    return almajob("--env", "sandbox", "list", "-f", "json").out


@pytest.fixture
def run_id(almajob: Run, simulated: SimulatedAlma) -> str:
    """A run that has ended: the ledger has it, and the cache what its status is called."""
    done = almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json", "-q")
    found = str(json.loads(done.out)["instance_id"])
    simulated.clock.advance(3600)
    assert almajob("--env", "sandbox", "status", "--id", found).code == 0
    return found


def _cached(name: str) -> Path:
    return Path.home() / ".cache/almajob" / f".cache.{name}"


def _ledger() -> Path:
    return Path.home() / ".local/state/almajob/ledger"


def _completed(*words: str) -> str:
    return answer("fish", ["almajob", *words], lambda _: {"options": [], "general": [], "commands": {}})


def _warnings(done: Result) -> int:
    return done.err.count("Alma is asked instead")


def _assert_the_cache_gives(almajob: Run, trap: Trap, jobs: str) -> None:
    """The right list with at most one warning, then without one; and what else touches the cache."""
    first = almajob("--env", "sandbox", "list", "-f", "json")
    assert (first.code, first.out) == (0, jobs), first.err
    assert _warnings(first) <= 1
    again = almajob("--env", "sandbox", "list", "-f", "json")
    assert (again.code, again.out, again.err) == (0, jobs, "")
    trap.check(first.err)


@pytest.mark.parametrize("attack", ODD_ROWS.values(), ids=ODD_ROWS)
def test_planted_rows_in_the_job_list(almajob: Run, jobs: str, trap: Trap, attack: Attack) -> None:
    """Listed, completed, replaced, counted and cleared: the rows are passed over."""
    attack(_cached("jobs.sandbox"), trap)
    trap.check(_completed("--env", "sandbox", "show", ""))
    shown = almajob("cache", "show")
    assert shown.code == 0
    trap.check(shown.out, shown.err)
    _assert_the_cache_gives(almajob, trap, jobs)
    # Once more, for who replaces rows without having read them; and then for who removes them.
    attack(_cached("jobs.sandbox"), trap)
    renewed = almajob("--env", "sandbox", "list", "--refresh", "-f", "json")
    assert (renewed.code, renewed.out) == (0, jobs)
    attack(_cached("jobs.sandbox"), trap)
    assert almajob("cache", "clear").code == 0
    trap.check(renewed.err)


@pytest.mark.parametrize("attack", SCHEMAS.values(), ids=SCHEMAS)
def test_a_planted_schema_in_the_job_list(almajob: Run, jobs: str, trap: Trap, attack: Attack) -> None:
    """It is moved away as damaged, with one warning, before anything is asked of it."""
    attack(_cached("jobs.sandbox"), trap)
    trap.check(_completed("--env", "sandbox", "show", ""))
    first = almajob("--env", "sandbox", "list", "-f", "json")
    assert (first.code, first.out, _warnings(first)) == (0, jobs, 1)
    assert "it was moved to .cache.jobs.sandbox.damaged-" in first.err
    again = almajob("--env", "sandbox", "list", "-f", "json")
    assert (again.code, again.out, again.err) == (0, jobs, "")
    assert almajob("cache", "clear").code == 0
    trap.check()


def test_a_planted_pragma_is_not_obeyed(
    almajob: Run, simulated: SimulatedAlma, jobs: str, run_id: str
) -> None:
    """diskcache would set whatever the settings name; the cache and the ledger go on without a word."""
    plant_pragmas(_cached("jobs.sandbox"))
    plant_pragmas(_ledger())
    before = simulated.log.count("GET /conf/jobs")
    done = almajob("--env", "sandbox", "list", "-f", "json")
    assert (done.code, done.out, done.err) == (0, jobs, "")
    assert simulated.log.count("GET /conf/jobs") == before
    assert almajob("--env", "sandbox", "list", "--refresh").err == ""
    assert almajob("--env", "sandbox", "run", "--job", JOB).code == 0
    assert simulated.log.count(STARTS) == 2


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_planted_value_in_the_job_list(almajob: Run, jobs: str, trap: Trap, value: object) -> None:
    """Too large, too deep, damaged or of another type."""
    sql(_cached("jobs.sandbox"), "UPDATE Cache SET value = :value", value=value)
    assert "M1" not in _completed("--env", "sandbox", "show", "M1")
    _assert_the_cache_gives(almajob, trap, jobs)


@pytest.mark.parametrize("attack", [*ODD_ROWS.values(), *SCHEMAS.values()], ids=[*ODD_ROWS, *SCHEMAS])
def test_a_planted_code_table(almajob: Run, run_id: str, trap: Trap, attack: Attack) -> None:
    """The status of a run is told all the same."""
    before = almajob("--env", "sandbox", "status", "--id", run_id, "-f", "json")
    attack(_cached("codetable.systemJobStatus"), trap)
    done = almajob("--env", "sandbox", "status", "--id", run_id, "-f", "json")
    assert (done.code, done.out) == (before.code, before.out)
    assert _warnings(done) <= 1
    assert almajob("cache", "clear").code == 0
    trap.check(done.err)


def _assert_nothing_is_started(
    almajob: Run, simulated: SimulatedAlma, trap: Trap, run_id: str, cure: str
) -> None:
    done = almajob("--env", "sandbox", "run", "--job", JOB, "-q")
    assert (done.code, done.out) == (5, "")
    assert "nothing is started" in done.err.lower()
    assert cure in done.err
    listed = almajob("runs", "list")
    assert (listed.code, listed.out) == (5, "")
    assert simulated.log.count(STARTS) == 1
    # What needs no ledger goes on.
    assert almajob("--env", "sandbox", "status", "--id", run_id).code == 0
    trap.check(done.err, listed.err, _completed("runs", "show", ""))


@pytest.mark.parametrize("attack", [*ROWS.values(), not_utf8], ids=[*ROWS, "no UTF-8"])
def test_planted_rows_in_the_ledger(
    almajob: Run, simulated: SimulatedAlma, run_id: str, trap: Trap, attack: Attack
) -> None:
    """No start is sent; the way back is named."""
    attack(_ledger(), trap)
    _assert_nothing_is_started(almajob, simulated, trap, run_id, f"mv {_ledger()} {_ledger()}.damaged")


@pytest.mark.parametrize("attack", SCHEMAS.values(), ids=SCHEMAS)
def test_a_planted_schema_in_the_ledger(
    almajob: Run, simulated: SimulatedAlma, run_id: str, trap: Trap, attack: Attack
) -> None:
    """A record could be lost in silence; so nothing is sent."""
    attack(_ledger(), trap)
    _assert_nothing_is_started(almajob, simulated, trap, run_id, f"mv {_ledger()} {_ledger()}.damaged")


def test_a_ledger_of_another_format(almajob: Run, simulated: SimulatedAlma, run_id: str, trap: Trap) -> None:
    """It is left to the almajob that wrote it."""
    of_another_format(_ledger(), trap)
    _assert_nothing_is_started(almajob, simulated, trap, run_id, "Use the almajob that wrote it")


def test_planted_values_in_the_ledger(
    almajob: Run, simulated: SimulatedAlma, run_id: str, trap: Trap
) -> None:
    """Too large, too deep, damaged or of another type: each is one start that is not made."""
    whole = (_ledger() / "cache.db").read_bytes()
    for name, value in VALUES.items():
        sql(_ledger(), "UPDATE Cache SET value = :value", value=value)
        done = almajob("--env", "sandbox", "run", "--job", JOB, "-q")
        assert done.code == 5, name
        assert f"mv {_ledger()}" in done.err, name
        trap.check(_completed("runs", "show", ""))
        (_ledger() / "cache.db").write_bytes(whole)
    assert simulated.log.count(STARTS) == 1
    assert almajob("--env", "sandbox", "run", "--job", JOB, "-q").code == 0


@pytest.fixture
def belongings(almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a plugin keeps: a colour, which is green."""
    info = tmp_path / "site" / "almajob_good-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: almajob-good\nVersion: 1.2\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nremember = almajob_good:Remember\n", "utf-8")
    shutil.copy(PLUGINS / "good" / "almajob_good.py", info.parent)
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.delitem(sys.modules, "almajob_good", raising=False)
    assert almajob("remember", "colour", "green").code == 0
    return Path.home() / ".local/state/almajob/plugins/almajob-good"


@pytest.mark.parametrize("attack", ODD_ROWS.values(), ids=ODD_ROWS)
def test_planted_rows_in_what_a_plugin_keeps(
    almajob: Run, belongings: Path, trap: Trap, attack: Attack
) -> None:
    """They are not there; and can be replaced."""
    attack(belongings, trap)
    done = almajob("remember", "colour")
    # A planted key stands beside the colour's.
    assert done.code == (0 if attack is ROWS["a pickled key"] else 5)
    trap.check(done.out, done.err)
    assert almajob("remember", "colour", "red", "-f", "value").out == "colour\nred\n"
    trap.check()


@pytest.mark.parametrize("attack", SCHEMAS.values(), ids=SCHEMAS)
def test_a_planted_schema_in_what_a_plugin_keeps(
    almajob: Run, belongings: Path, trap: Trap, attack: Attack
) -> None:
    """It is not begun anew in silence, as it is no cache."""
    attack(belongings, trap)
    for words in (("colour",), ("colour", "red")):
        done = almajob("remember", *words)
        assert (done.code, done.out) == (5, "")
        assert f"The store {belongings} of a plugin cannot be used." in done.err
    trap.check()
