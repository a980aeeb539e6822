"""The units of scheduled runs are what systemd takes, and no more is allowed than is needed."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from almajob.errors import EXIT_CODES
from almajob.schedule.scheduled_run import ScheduledRun
from almajob.schedule.units import make_units, name_failure, name_service, name_timer
from tests.support.schedules import make_run
from tests.support.thoroughness import sample

_needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's systemd")
_AT_ONCE = 10


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, errors="replace", check=False
    )


def _write(runs: list[ScheduledRun], directory: Path) -> list[Path]:
    directory.mkdir()
    texts = {name: text for run in runs for name, text in make_units(run).items()}
    for name, text in texts.items():
        (directory / name).write_text(text, "utf-8")
    return [directory / name for name in texts]


def _make_runs(first: int, directory: Path, *, is_system: bool | None = None) -> list[ScheduledRun]:
    """Make some runs of as many seeds, which have different names."""
    found = [make_run(random.Random(first + n), directory, number=n) for n in range(_AT_ONCE)]
    return found if is_system is None else [run.replace(is_system=is_system) for run in found]


@_needs_systemd
@pytest.mark.parametrize("first", sample(range(0, 200, _AT_ONCE)))
def test_systemd_finds_nothing_wrong_with_any_unit(tmp_path: Path, first: int) -> None:
    """Whatever the names of program, files and job are, and whenever it is to start."""
    paths = _write(_make_runs(first, tmp_path), tmp_path / "units")
    done = _analyze("verify", "--man=no", "--recursive-errors=yes", *paths)
    told = [line for line in done.stderr.splitlines() if "almajob" in line]
    assert (done.returncode, told) == (0, []), done.stderr


@_needs_systemd
@pytest.mark.parametrize("first", sample(range(0, 200, _AT_ONCE)))
def test_a_service_of_the_machine_is_exposed_to_little(tmp_path: Path, first: int) -> None:
    """1.5 at most, by systemd's own measure."""
    paths = _write(_make_runs(first, tmp_path, is_system=True), tmp_path / "units")
    services = [path for path in paths if path.suffix == ".service"]
    done = _analyze("security", "--offline=true", "--no-pager", "--threshold=15", *services)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert len(re.findall("Overall exposure level", done.stdout)) == len(services)


@_needs_systemd
def test_the_checks_would_find_something(tmp_path: Path) -> None:
    """An unknown setting, and a service without its confinement."""
    (service, *_others) = _write(
        [make_run(random.Random(1), tmp_path).replace(is_system=True)], tmp_path / "units"
    )
    text = service.read_text("utf-8")
    service.write_text(text.replace("UMask=", "UMaks="), "utf-8")
    assert _analyze("verify", "--man=no", "--recursive-errors=yes", service).returncode != 0
    service.write_text(re.sub(r"(?m)^(System|Protect|Private).*\n", "", text), "utf-8")
    assert _analyze("security", "--offline=true", "--threshold=15", service).returncode != 0


@_needs_systemd
def test_systemd_reads_odd_names_as_they_are(tmp_path: Path) -> None:
    """The program, found where it is; one that is missing is told.

    One whose path has a quote or a backslash in it is started by a shell, and found by that only.
    """
    for seed in range(30):
        run = make_run(random.Random(seed), tmp_path).replace(is_system=True)
        if set(run.program[0]) & set("\"'\\"):
            assert "\nExecStart=/bin/sh -c " in next(iter(make_units(run).values()))
            continue
        gone = run.replace(program=(f"{run.program[0]} gone", *run.program[1:]))
        for each, is_there in ((run, True), (gone, False)):
            (service, *_others) = _write([each], tmp_path / f"units-{seed}-{is_there}")
            done = _analyze("verify", "--man=no", "--recursive-errors=yes", service)
            told = [
                line
                for line in done.stderr.splitlines()
                if "not executable" in line or "No such file" in line
            ]
            assert bool(told) is not is_there, done.stderr
            if told:
                assert each.program[0] in told[0]


def test_what_a_unit_says(tmp_path: Path) -> None:
    """The key, the state, who is told of a failure, and which ends are tried again."""
    run = make_run(random.Random(3), tmp_path, times="Mon..Fri 05:15").replace(
        name="invoices",
        environment="production",
        is_system=True,
        user="almajob",
        key_file="/etc/almajob/key 100%",
        state_dir="",
    )
    units = make_units(run)
    title = "production.invoices"
    assert list(units) == [name_service(title), name_timer(title), name_failure(title)]
    service, timer, failure = units.values()
    for line in (
        "User=almajob",
        "StateDirectory=almajob",
        "Environment=ALMAJOB_STATE_DIR=/var/lib/almajob",
        "LoadCredential=almajob_production:/etc/almajob/key 100%%",
        f"OnFailure={name_failure(title)}",
        "RestartPreventExitStatus=1 2 3 4 5 7",
    ):
        assert f"\n{line}\n" in service
    unit = service.partition("[Service]")[0]
    assert "StartLimitIntervalSec=6h\nStartLimitBurst=13\n" in unit
    assert "run --saved invoices --scheduled --yes --wait -f json\n" in service
    assert "\nPersistent=yes\n" in timer
    assert "--env production notify failure invoices\n" in failure
    assert "LoadCredential" not in failure


def test_what_is_not_tried_again_is_all_that_no_time_mends(tmp_path: Path) -> None:
    """Of the exit codes of errors, 6, 8, 9 and 10 are left."""
    for text in make_units(make_run(random.Random(3), tmp_path)).values():
        found = re.search("RestartPreventExitStatus=(.*)", text)
        not_again = {int(code) for code in found[1].split()} if found else set()
        assert not found or {code for code in EXIT_CODES if 0 < code < 100} - not_again == {6, 8, 9, 10}


@pytest.mark.parametrize(
    ("times", "burst", "wait"), [("05:15", 13, "15min"), ("*:00", 18, "15min"), ("*:0/15", 36, "5min")]
)
def test_tries_alone_reach_the_limit_and_starts_by_the_timer_do_not(
    tmp_path: Path, times: str, burst: int, wait: str
) -> None:
    """So that somebody is told of what fails again and again, and frequent starts are no failure."""
    service = next(iter(make_units(make_run(random.Random(3), tmp_path, times=times)).values()))
    assert f"StartLimitBurst={burst}\n" in service
    assert f"RestartSec={wait}\n" in service
    minutes = int(wait.removesuffix("min"))
    assert 6 * 60 / (minutes + 1) > burst > burst - 12


def test_a_files_place_in_a_home_can_be_read(tmp_path: Path) -> None:
    """But not be written; without one, no home is seen."""
    run = make_run(random.Random(3), tmp_path).replace(is_system=True)
    assert "\nProtectHome=yes\n" in next(iter(make_units(run).values()))
    at_home = run.replace(ini="/home/somebody/almajob.ini")
    assert "\nProtectHome=read-only\n" in next(iter(make_units(at_home).values()))
