"""Whatever is planted at a place of almajob's, nothing is changed elsewhere, and nothing hangs."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from almajob.completion import grammar
from almajob.simulator.gateway import KEYS
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.terminals import Terminal

SANDBOX_KEY = KEYS[0].text
JOB = "ERP export using profile FINANCE"
KINDS: dict[str, Callable[[Path, Path], None]] = {
    "a link to a file": lambda path, elsewhere: path.symlink_to(elsewhere / "file"),
    "a link to a directory": lambda path, elsewhere: path.symlink_to(elsewhere),
    "a link to nothing": lambda path, elsewhere: path.symlink_to(elsewhere / "nothing"),
    "a link to a device": lambda path, _: path.symlink_to("/dev/null"),
    "a hard link": lambda path, elsewhere: path.hardlink_to(elsewhere / "file"),
    "a pipe": lambda path, _: os.mkfifo(path),
}
COMMANDS = {
    "list": ("--env", "sandbox", "list"),
    "run": ("--env", "sandbox", "run", "--job", JOB),
    "demo": ("--env", "demo", "list", "--refresh"),
    "wait": ("--env", "sandbox", "wait", "--id", "@last"),
    "quota": ("--env", "sandbox", "quota"),
    "set-key": ("config", "set-key", "--no-check", "sandbox"),
}


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def typing_the_key(monkeypatch: pytest.MonkeyPatch, almajob: Run) -> Run:
    """Run a command line with the key of the sandbox for its stdin, which is that already."""

    def run(*words: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{SANDBOX_KEY}\n"))
        return almajob(*words)

    return run


@pytest.fixture
def kept(simulated: SimulatedAlma, typing_the_key: Run, tmp_path: Path) -> Path:
    """What the commands leave behind, as it was; gives the copy of it."""
    for words in COMMANDS.values():
        assert typing_the_key(*words).code == 0
    copy = tmp_path / "copy"
    for name in (".cache", ".local"):
        shutil.copytree(Path.home() / name, copy / name)
    return copy


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What belongs to somebody, with a file in it; a hard link needs it on the same disk."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "file").write_text("precious")
    (made / "file").chmod(0o640)
    return made


def _state(directory: Path) -> object:
    found = (directory / "file").stat()
    return (
        sorted(path.name for path in directory.iterdir()),
        (directory / "file").read_text(),
        found.st_mode,
        found.st_mtime_ns,
    )


@pytest.mark.parametrize(
    ("place", "codes"),
    [
        # What can be fetched again is: nothing fails.
        (".cache/almajob/.cache.jobs.sandbox", {"list": 0, "run": 0}),
        (".cache/almajob/.cache.jobs.sandbox/cache.db", {"list": 0, "run": 0}),
        (".cache/almajob/.cache.jobs.sandbox/cache.db-wal", {"list": 0}),
        (".cache/almajob/.cache.completion", {"list": 0}),
        # Then each process keeps the limits for itself.
        (".local/state/almajob/limits", {"list": 0, "run": 0, "wait": 0, "quota": 0}),
        (".local/state/almajob/limits/*", {"list": 0, "run": 0, "wait": 0, "quota": 0}),
        # What a start relies on is refused, and the start with it.
        (".local/state/almajob/ledger", {"list": 0, "run": 5, "wait": 5}),
        (".local/state/almajob/ledger/cache.db", {"run": 5}),
        (".local/state/almajob/ledger/cache.db-journal", {"run": 5}),
        (".local/state/almajob/ledger.lock", {"list": 0, "run": 5, "wait": 5}),
        (".local/state/almajob/locks", {"run": 5}),
        (".local/state/almajob/locks/*", {"run": 5}),
        (".local/state/almajob/set-key.lock", {"set-key": 7}),
        (".local/state/almajob/demo", {"demo": 5}),
        (".local/state/almajob/demo/world.jsonl", {"demo": 5}),
    ],
)
def test_what_was_planted_changes_nothing_elsewhere(
    simulated: SimulatedAlma,
    typing_the_key: Run,
    kept: Path,
    elsewhere: Path,
    place: str,
    codes: dict[str, int],
) -> None:
    """Links, hard links and pipes, at every path: the exit code that is documented, and no start in doubt."""
    before = _state(elsewhere)
    for kind, plant in KINDS.items():
        for command, code in codes.items():
            _restore(kept)
            for path in _paths(place):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                plant(path, elsewhere)
            # Alma takes a start of a job five times an hour.
            simulated.clock.advance(3600)
            simulated.log.clear()
            done = typing_the_key(*COMMANDS[command])
            said = f"{kind}, {command}: {done.err}"
            assert done.code == code, said
            if place.endswith(".completion"):
                grammar.load_grammar(str(Path.home() / ".cache/almajob"), dict)
            assert _state(elsewhere) == before, said
            assert simulated.log.count("POST /conf/jobs/*") == (command == "run" and code == 0), said


def _restore(kept: Path) -> None:
    for name in (".cache", ".local"):
        shutil.rmtree(Path.home() / name)
        shutil.copytree(kept / name, Path.home() / name)


def _paths(place: str) -> list[Path]:
    if "*" not in place:
        return [Path.home() / place]
    found = list(Path.home().glob(place))
    assert found
    return found


@pytest.mark.parametrize("kind", ["a link to nothing", "a hard link"])
def test_the_shell_writes_no_history_elsewhere(simulated: SimulatedAlma, elsewhere: Path, kind: str) -> None:
    """It has none then."""
    before = _state(elsewhere)
    path = Path.home() / ".local/state/almajob/shell-history"
    path.parent.mkdir(mode=0o700, parents=True)
    KINDS[kind](path, elsewhere)
    with Terminal("--env", "sandbox", "shell", environ={"PROMPT_TOOLKIT_NO_CPR": "1"}) as terminal:
        terminal.until(lambda text: "almajob>" in text)
        terminal.type("help exit\r")
        terminal.until(lambda text: text.count("almajob>") == 2)
        terminal.type("exit\r")
        assert terminal.end() == 0
    assert _state(elsewhere) == before


@pytest.mark.parametrize("kind", KINDS)
def test_neither_a_key_nor_a_log_nor_a_download_is_written_elsewhere(
    simulated: SimulatedAlma, almajob: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A file that is named may be a hard link: then another file takes its place, and the other stays."""
    (elsewhere / "file").write_text("[sandbox]\nregion = na\n")
    (elsewhere / "file").chmod(0o600)
    before = _state(elsewhere)
    named = Path("named")
    KINDS[kind](named, elsewhere)
    is_hard_link = kind == "a hard link"
    for option in ("--log-file", "--log-json"):
        assert almajob(option, str(named), "config", "show").code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = almajob("download", "--env", "sandbox", "--id", "1", "--output", str(named), "--overwrite")
    assert done.code in (4, 5), done.err
    assert _state(elsewhere) == before
    if not is_hard_link:
        monkeypatch.setattr("almajob.system.input_files.PATIENCE", 0.05)
        assert almajob("--ini-file", str(named), "config", "set-key", "sandbox").code == 7
        assert _state(elsewhere) == before
