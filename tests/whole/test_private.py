"""What almajob makes is for its user alone, and what others could have changed is not relied on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.completion import grammar
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.job_data import built_in_jobs
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run

ERP = "ERP export using profile FINANCE"
SESSION = """\
list
run --job "{ERP}" --wait --run-key "of this test"
wait --id @last
runs list
run --job M44 --param set_id=9563211250000561 --save weekly
download --id {run} --output saved.xml
--env demo list
list --log-file almajob.log
"""
WHAT_IS_MADE = {
    *(".cache", ".cache/almajob", ".cache/almajob/README", ".cache/almajob/.cache.jobs.sandbox"),
    *(".cache/almajob/.cache.jobs.sandbox/cache.db", ".cache/almajob/.cache.completion"),
    *(".config/almajob/almajob.ini", ".config/almajob/runs.d/weekly.ini", ".config/almajob/runs.d/.lock"),
    *(".local", ".local/state/almajob/ledger/cache.db", ".local/state/almajob/ledger/README"),
    *(
        ".local/state/almajob/ledger.lock",
        ".local/state/almajob/locks",
        ".local/state/almajob/demo/world.jsonl",
    ),
    *(".local/state/almajob/set-key.lock",),
}


def _almajob(words: list[str], said: str, umask: int) -> None:
    # What Python itself keeps is not meant.
    environ = {"PYTHONDONTWRITEBYTECODE": "1", "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    done = subprocess.run(
        [sys.executable, "-m", "almajob", *words],
        env={**os.environ, **environ},
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def quick() -> Iterator[Simulator]:
    """A simulator whose hours pass in a second, as processes of their own cannot wait otherwise."""
    with Simulator(Institution(Clock(speed=3600))) as simulator:
        yield simulator


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_all_that_is_made_is_private_under_any_umask(quick: Simulator, umask: int) -> None:
    """Directories 0700, files 0600: cache, ledger, locks, saved runs, demo, log, completions, the ini itself.

    A download is its user's own file, and gets the mode that the umask leaves it.
    """
    job = next(item for item in built_in_jobs() if item.name.startswith("Metadata Import"))
    run = quick.institution.sandbox.submit(job, [])
    _almajob(
        ["config", "set-key", "--no-check", "sandbox", "--region", "na"], "simulator-sandbox-key\n", umask
    )
    ini = Path.home() / ".config/almajob/almajob.ini"
    ini.write_text(ini.read_text("utf-8").replace("region = na", f"base_url = {quick.base_url}"), "utf-8")
    _almajob(["--env", "sandbox", "shell", "--errexit"], SESSION.format(ERP=ERP, run=run.id), umask)
    before = os.umask(umask)
    try:
        grammar.load_grammar(str(Path.home() / ".cache/almajob"), dict)
    finally:
        os.umask(before)
    found = {str(path.relative_to(Path.home())): path for path in Path.home().rglob("*")}
    assert set(found) >= WHAT_IS_MADE
    modes = {name: stat.S_IMODE(path.lstat().st_mode) for name, path in found.items()}
    assert modes == {name: 0o700 if path.is_dir() else 0o600 for name, path in found.items()}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path.cwd().iterdir()} == {
        "almajob.log": 0o600,
        "saved.xml": 0o666 & ~umask,
    }


@pytest.fixture
def used(simulated: SimulatedAlma, almajob: Run) -> Iterator[Callable[[str], Result]]:
    """Run a command where a list and a run have been, an hour later; gives directories their modes back."""
    for words in (("list",), ("run", "--job", ERP)):
        assert almajob("--env", "sandbox", *words).code == 0
    simulated.clock.advance(3600)
    simulated.log.clear()

    def run(words: str) -> Result:
        return almajob("--env", "sandbox", *words.split(), *(["--job", ERP] if words == "run" else []))

    yield run


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_state_directory_that_others_can_write_to_starts_nothing(
    simulated: SimulatedAlma, used: Callable[[str], Result], mode: int
) -> None:
    """They could take the ledger away. In one that is sticky they cannot."""
    state = Path.home() / ".local/state/almajob"
    state.chmod(mode)
    done = used("run")
    if mode == 0o1777:
        assert done.code == 0
        return
    assert done.code == 5
    assert f"Type: chmod go-w {state}" in done.err
    assert simulated.log.count("POST *") == 0
    assert used("list").code == 0
    state.chmod(0o700)
    assert used("run").code == 0


@pytest.mark.parametrize(
    ("name", "mode"), [("locks", 0o777), ("ledger", 0o777), ("ledger", 0o770), ("ledger", 0o1777)]
)
def test_so_are_the_directories_in_it(
    simulated: SimulatedAlma, used: Callable[[str], Result], name: str, mode: int
) -> None:
    """Two that hold locks on different files under one name would start a job twice."""
    place = Path.home() / ".local/state/almajob" / name
    place.chmod(mode)
    done = used("run")
    assert (done.code, simulated.log.count("POST *")) == (5, 0), done.err
    assert f"ther users can write to the directory {place} (mode {mode:04o})." in done.err
    assert done.err.endswith(f"  Type: chmod go-w {place}\n")
    place.chmod(0o700)
    assert used("run").code == 0


def test_so_is_one_of_the_cache(simulated: SimulatedAlma, used: Callable[[str], Result]) -> None:
    """The list is right all the same."""
    place = Path.home() / ".cache/almajob/.cache.jobs.sandbox"
    place.chmod(0o770)
    done = used("list")
    assert (done.code, simulated.log.count("GET /conf/jobs") > 0) == (0, True)
    assert "other users can write to the directory" in done.err
    assert f"; Type: chmod go-w {place}). Alma is asked instead.\n" in done.err


def test_a_cache_that_others_can_write_to_is_a_miss_and_one_warning(
    simulated: SimulatedAlma, used: Callable[[str], Result]
) -> None:
    """Alma is asked instead; a sticky one is used."""
    cache = Path.home() / ".cache/almajob"
    cache.chmod(0o777)
    done = used("list")
    assert done.code == 0
    assert done.err.count("Type: chmod go-w") == done.err.count("Alma is asked instead") == 1
    calls = simulated.log.count("GET /conf/jobs")
    assert calls > 0
    cache.chmod(0o1777)
    assert used("list").code == 0
    assert simulated.log.count("GET /conf/jobs") == calls


@pytest.mark.parametrize("by_link", [False, True])
def test_an_ini_that_others_can_exchange_is_refused(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, by_link: bool
) -> None:
    """However private it is itself, and also where a link leads to it; sticky is enough, as /tmp is."""
    ini, place = Path(os.environ["ALMAJOB_INI"]), tmp_path / "open"
    place.mkdir()
    moved = ini.rename(place / "almajob.ini")
    if by_link:
        ini.symlink_to(moved)
    for mode, code in ((0o755, 0), (0o777, 7), (0o770, 7), (0o1777, 0)):
        place.chmod(mode)
        done = almajob("--ini-file", str(ini if by_link else moved), "--env", "sandbox", "list")
        assert done.code == code, done.err
        assert (f"Type: chmod go-w {place}" in done.err) is (code == 7)
