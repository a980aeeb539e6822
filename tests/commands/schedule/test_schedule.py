"""``almajob schedule``: what is shown is installed and listed, and in the end nothing is left of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.schedules import put_programs

ERP = "S9563600010000561"
NAME = "ERP export using profile FINANCE"
ENV = ("--env", "sandbox")
AT = ("--at", "Mon..Fri 05:15")
TITLE = "sandbox.invoices"
TIMER = f"almajob-{TITLE}.timer"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with programs that stand in for systemctl and crontab."""
    directory = tmp_path / "programs"
    directory.mkdir()
    put_programs(directory)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


@pytest.fixture
def saved(simulated: SimulatedAlma, almajob: Run, programs: Path) -> Path:
    """A saved run in the sandbox; its file."""
    assert almajob(*ENV, "run", "--job", ERP, "--save", "invoices").code == 0
    return Path(os.environ["ALMAJOB_INI"]).with_name("runs.d") / "invoices.ini"


def _list_calls(programs: Path) -> list[str]:
    path = programs / "calls"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if " is-" not in line and " show " not in line]


def _list_files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def _steps(done: Result) -> list[tuple[str, str]]:
    assert done.code == 0, done.err
    return [(each["action"], each["target"]) for each in json.loads(done.out)]


def _install(almajob: Run, *words: str) -> list[tuple[str, str]]:
    return _steps(almajob(*ENV, "schedule", "install", "invoices", *words, "-f", "json"))


def _list(almajob: Run) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(almajob("schedule", "list", "-f", "json").out)
    return found


@pytest.mark.parametrize("way", ["--user", "--system"])
def test_what_is_shown_is_installed_byte_for_byte(
    almajob: Run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """As text and as JSON; in the directories of systemd."""
    monkeypatch.setattr("almajob.schedule.scheduled_run.SYSTEM_USER", "daemon")
    monkeypatch.setattr("almajob.schedule.changes.SYSTEM_USER", "daemon")
    show = (*ENV, "schedule", "show", "invoices", *AT, "--splay", "5m", way)
    shown = almajob(*show)
    assert shown.code == 0, shown.err
    files = json.loads(almajob(*show, "-f", "json").out)
    _install(almajob, *AT, "--splay", "5m", way)
    assert len(files) == 3
    for each in files:
        assert Path(each["file"]).read_bytes() == each["text"].encode()
        assert f"# {each['file']}\n{each['text']}" in shown.out
    home = Path(os.environ["HOME"], ".config/systemd/user")
    place = home if way == "--user" else tmp_path / "etc/systemd/system"
    assert {str(Path(each["file"]).parent) for each in files} == {str(place)}
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o644}


@pytest.mark.parametrize(("way", "words"), [("--user", "systemctl --user"), ("--system", "systemctl")])
def test_each_file_and_each_command_is_listed(
    almajob: Run, saved: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, way: str, words: str
) -> None:
    """And nothing else is run; a dry run lists the same, and does nothing."""
    monkeypatch.setattr("almajob.schedule.scheduled_run.SYSTEM_USER", "daemon")
    monkeypatch.setattr("almajob.schedule.changes.SYSTEM_USER", "daemon")
    before = saved.read_bytes()
    planned = _install(almajob, *AT, way, "--dry-run")
    assert (_list_calls(programs), saved.read_bytes()) == ([], before)
    assert not any(Path(target).exists() for action, target in planned if action == "write")
    assert _install(almajob, *AT, way) == planned
    commands = [f"{words} daemon-reload", f"{words} enable {TIMER}", f"{words} restart {TIMER}"]
    assert [target for action, target in planned if action == "run"] == commands == _list_calls(programs)
    assert [action for action, _target in planned] == ["save", *["write"] * 3, *["run"] * 3]


def test_installed_again_it_changes_nothing(almajob: Run, saved: Path, programs: Path) -> None:
    """With the times or without; what was stopped by hand is started again."""
    _install(almajob, *AT, "--user")
    _list_calls(programs)
    before = saved.stat().st_mtime_ns
    for words in (AT, ()):
        assert {action for action, _target in _install(almajob, *words, "--user")} == {"unchanged"}
    assert (_list_calls(programs), saved.stat().st_mtime_ns) == ([], before)
    (programs / "on").unlink()
    assert [action for action, _target in _install(almajob, "--user")] == [*["unchanged"] * 3, *["run"] * 2]


@pytest.mark.parametrize("way", ["--user", "--system"])
@pytest.mark.parametrize("kind", ["systemd", "cron"])
def test_nothing_is_left_of_it(
    almajob: Run,
    saved: Path,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    kind: str,
) -> None:
    """Not a file, not a setting, nor what systemd remembers of the last time."""
    monkeypatch.setattr("almajob.schedule.scheduled_run.SYSTEM_USER", "daemon")
    monkeypatch.setattr("almajob.schedule.changes.SYSTEM_USER", "daemon")
    text, files = saved.read_bytes(), _list_files(tmp_path)
    _install(almajob, *AT, way, *(["--cron"] if kind == "cron" else []))
    assert saved.read_bytes() != text
    _list_calls(programs)
    steps = _steps(almajob(*ENV, "schedule", "remove", "invoices", "-f", "json"))
    assert saved.read_bytes() == text
    calls = _list_calls(programs)
    words = "systemctl --user" if way == "--user" else "systemctl"
    assert calls == (
        []
        if kind == "cron"
        else [
            f"{words} disable --now {TIMER}",
            f"{words} clean --what=state {TIMER}",
            f"{words} daemon-reload",
        ]
    )
    left = set(_list_files(tmp_path)) - set(files)
    assert {name for name in left if "set-key.lock" not in name and "ledger" not in name} == set()
    assert steps[-1] == ("save", str(saved))
    assert _list(almajob) == []
    again = almajob(*ENV, "schedule", "remove", "invoices")
    assert (again.code, again.out) == (0, "")
    assert "invoices has no schedule for sandbox." in again.err


def test_the_crontabs_other_lines_stay(almajob: Run, saved: Path, programs: Path) -> None:
    """One's own lines, before and behind."""
    tab = programs / "tab"
    tab.write_text("MAILTO=me\n0 1 * * * true\n", "utf-8")
    shown = almajob(*ENV, "schedule", "show", "invoices", *AT, "--cron", "--user")
    assert _install(almajob, *AT, "--cron", "--user")[-1] == ("run", "crontab -")
    assert shown.out == "# crontab\n" + tab.read_text("utf-8").removeprefix("MAILTO=me\n0 1 * * * true\n")
    assert _install(almajob, *AT, "--cron", "--user") == [("unchanged", "crontab")]
    assert almajob(*ENV, "schedule", "remove", "invoices").code == 0
    assert tab.read_text("utf-8") == "MAILTO=me\n0 1 * * * true\n"


def test_the_saved_run_keeps_its_times(almajob: Run, saved: Path, simulated: SimulatedAlma) -> None:
    """For this environment only, and since when; what else the file says stays as it is."""
    before = saved.read_text("utf-8")
    _install(almajob, *AT, "--timezone", "Europe/Zurich", "--splay", "5m", "--user")
    added = saved.read_text("utf-8").removeprefix(before)
    since = datetime.fromtimestamp(int(simulated.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert added.splitlines() == [
        "at@sandbox = Mon..Fri 05:15",
        "timezone@sandbox = Europe/Zurich",
        "splay@sandbox = 300s",
        f"at_since@sandbox = {since}",
    ]
    _install(almajob, "--at", "06:00", "--user")
    assert "timezone@sandbox" not in saved.read_text("utf-8")
    assert almajob(*ENV, "run", "invoices", "--dry-run").code == 0


def test_what_is_installed_is_listed_with_what_differs(
    almajob: Run, saved: Path, programs: Path, simulated: SimulatedAlma
) -> None:
    """The next time, the last result, and the drift between the files and the saved run."""
    _install(almajob, "--at", "05:15", "--timezone", "UTC", "--user")
    (programs / "shown").write_text(
        "Result=exit-code\nExecMainStatus=5\nExecMainExitTimestamp=Mon 2026\nActiveState=failed\n", "utf-8"
    )
    (row,) = _list(almajob)
    assert (row["name"], row["environment"], row["by"]) == ("invoices", "sandbox", "systemd --user")
    assert (row["at"], row["timezone"], row["splay_seconds"]) == ("05:15", "UTC", 0)
    assert str(row["next_time"]).endswith("T05:15:00.000Z")
    assert (row["last_result"], row["drift"]) == ("exit-code (5)", None)
    service = next(Path(os.environ["HOME"]).rglob(f"almajob-{TITLE}.service"))
    service.write_text(service.read_text("utf-8").replace("--yes", "--yes -v"), "utf-8")
    assert str(_list(almajob)[0]["drift"]) == f"{service} differs"
    saved.write_text(saved.read_text("utf-8").replace("05:15", "06:15"), "utf-8")
    assert ".timer differs" in str(_list(almajob)[0]["drift"])
    service.unlink()
    assert f"{service} is missing" in str(_list(almajob)[0]["drift"])
    _install(almajob, "--user")
    assert _list(almajob)[0]["drift"] is None
    assert almajob("saved", "delete", "invoices").code == 0
    assert _list(almajob)[0]["drift"] == "the saved run has no schedule"


def test_a_saved_run_with_times_that_nothing_starts_is_listed(almajob: Run, saved: Path) -> None:
    """As not installed."""
    with saved.open("a", encoding="utf-8") as file:
        file.write("at@sandbox = 05:15\n")
    (row,) = _list(almajob)
    assert (row["by"], row["next_time"], row["drift"]) == (None, None, "not installed")


def test_the_last_result_of_cron_is_what_the_ledger_knows(
    almajob: Run, saved: Path, simulated: SimulatedAlma
) -> None:
    """Of the start that was due last."""
    simulated.clock.advance(-simulated.clock() % 86400 + 6 * 3600)
    _install(almajob, "--at", "05:15", "--cron", "--user")
    assert _list(almajob)[0]["last_result"] is None
    started = almajob(*ENV, "-q", "run", "--saved", "invoices", "--scheduled", "--wait", "-f", "json")
    assert started.code == 0, started.err
    row = _list(almajob)[0]
    assert row["last_result"] == "COMPLETED_SUCCESS"
    assert started.row["run_key"] == f"schedule:invoices:{str(row['last_time'])[:19]}Z"


def test_it_is_installed_in_one_way_only(almajob: Run, saved: Path) -> None:
    """Two would start it twice where their ledgers differ."""
    _install(almajob, *AT, "--user")
    other = almajob(*ENV, "schedule", "install", "invoices", *AT, "--user", "--cron")
    assert other.code == 5
    assert "is scheduled already, in systemd --user" in other.err
    assert "almajob --env sandbox schedule remove invoices" in other.err


def test_where_systemd_does_not_run_the_commands_are_left(almajob: Run, saved: Path, programs: Path) -> None:
    """The files are there, as in an image that is built."""
    (programs / "systemctl").write_text("#!/bin/sh\necho offline\nexit 1\n", "utf-8")
    done = almajob(*ENV, "schedule", "install", "invoices", *AT, "--user", "-f", "json")
    assert [action for action, _target in _steps(done)][-3:] == ["not run"] * 3
    assert "systemd does not run here." in done.err
    assert "unchanged" in almajob(*ENV, "schedule", "install", "invoices", "--user").out


def test_a_command_that_fails_is_told_with_what_was_done(almajob: Run, saved: Path, programs: Path) -> None:
    """And the same command again goes on."""
    text = (programs / "systemctl").read_text("utf-8")
    wrong = (
        '#!/bin/sh\n[ "$2" = is-system-running ] && { echo running; exit 0; }\necho "no bus" >&2\nexit 1\n'
    )
    (programs / "systemctl").write_text(wrong, "utf-8")
    done = almajob(*ENV, "schedule", "install", "invoices", *AT, "--user")
    assert (done.code, done.out) == (3, "")
    assert "changed in part only" in done.err
    assert "systemctl --user daemon-reload: no bus" in done.err
    (programs / "systemctl").write_text(text, "utf-8")
    assert [action for action, _target in _install(almajob, "--user")][-2:] == ["run", "run"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--at", "5 o'clock"), 7, "is not"),
        (("--at", "05:15", "--timezone", "Zurich"), 7, "no time zone 'Zurich'"),
        ((), 2, "When is invoices to be started?"),
        (("--at", "*:0/5"), 5, "Alma accepts 5 starts of a job in an hour"),
        (("--at", "*-*~01 05:15", "--cron"), 5, "no days from the end of a month"),
        (("--at", "05:15", "--key-file", "/etc/key"), 7, "--key-file would not be used"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(
    almajob: Run, saved: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """With why; nothing is written."""
    before = saved.read_bytes()
    for command in ("show", "install"):
        done = almajob(*ENV, "schedule", command, "invoices", "--user", *words)
        assert (done.code, done.out) == (code, "")
        assert said in done.err
    assert saved.read_bytes() == before
    assert list(Path(os.environ["HOME"]).rglob("almajob-*")) == []


def test_a_run_or_an_environment_that_is_not_there_is_refused(almajob: Run, saved: Path) -> None:
    """Also one that names no job there, and the demo."""
    cases = {
        (*ENV, "schedule", "install", "nothing"): (5, "There is no saved run 'nothing'."),
        ("--env", "production", "schedule", "install", "invoices"): (7, "names no job for production"),
        ("--env", "demo", "schedule", "install", "invoices"): (7, "names no job for demo"),
        ("schedule", "install", "invoices"): (2, "Which environment?"),
    }
    for words, (code, said) in cases.items():
        done = almajob(*words, *AT)
        assert (done.code, said in done.err) == (code, True), done.err


def test_a_schedule_without_a_key_is_refused(
    almajob: Run,
    saved: Path,
    simulated: SimulatedAlma,
    write_ini: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable of this shell is none; systemd may load it from a file."""
    key = "api_key = simulator-sandbox-key\n"
    write_ini(simulated.ini.replace(key, "", 1))
    monkeypatch.setenv("ALMAJOB_API_KEY_SANDBOX", "simulator-sandbox-key")
    show = (*ENV, "schedule", "show", "invoices", *AT, "--user")
    done = almajob(*show)
    assert done.code == 7
    assert "A scheduled start would have no API key of sandbox." in done.err
    assert "Only this shell has it" in done.err
    with_file = almajob(*show, "--key-file", "key 100%")
    assert f"\nLoadCredential=almajob_sandbox:{Path.cwd()}/key 100%%\n" in with_file.out
    _install(almajob, *AT, "--user", "--key-file", "key 100%")
    assert _list(almajob)[0]["drift"] is None


def test_a_saved_run_of_another_file_is_not_changed(almajob: Run, saved: Path, tmp_path: Path) -> None:
    """A link is left alone, and the lines to add are named."""
    elsewhere = tmp_path / "elsewhere.ini"
    saved.rename(elsewhere)
    saved.symlink_to(elsewhere)
    done = almajob(*ENV, "schedule", "install", "invoices", *AT, "--user")
    assert (done.code, done.out) == (5, "")
    assert "is a link; nothing was changed" in done.err
    elsewhere.write_text(f"{elsewhere.read_text('utf-8')}at@sandbox = Mon..Fri 05:15\n", "utf-8")
    assert [action for action, _target in _install(almajob, "--user")][:3] == ["write"] * 3


def test_a_scheduled_start_is_one_for_each_time(almajob: Run, saved: Path, simulated: SimulatedAlma) -> None:
    """Tried again across midnight it is the same; at the next time it is another."""
    simulated.clock.advance(-simulated.clock() % 86400 + 23 * 3600 + 50 * 60)
    _install(almajob, "--at", "23:45", "--timezone", "UTC", "--user")
    start = (*ENV, "-q", "run", "--saved", "invoices", "--scheduled", "--wait", "-f", "json")
    first = almajob(*start).row
    simulated.clock.advance(3600)
    assert almajob(*start).row["instance_id"] == first["instance_id"]
    simulated.clock.advance(86400)
    assert almajob(*start).row["instance_id"] != first["instance_id"]


def test_scheduled_needs_a_schedule(almajob: Run, saved: Path) -> None:
    """And a saved run; a run key is another name."""
    cases = {
        ("--saved", "invoices", "--scheduled"): (7, "has no schedule for sandbox"),
        ("--job", ERP, "--scheduled"): (2, "--scheduled is for saved runs"),
        ("--saved", "invoices", "--scheduled", "--run-key", "x"): (2, "does not go with --run-key"),
        ("--saved", "invoices", "--scheduled", "--once-per", "day"): (2, "does not go with --once-per"),
    }
    for words, (code, said) in cases.items():
        done = almajob(*ENV, "run", *words)
        assert (done.code, said in done.err) == (code, True), done.err


def test_a_wrong_schedule_is_told_before_anything_starts(
    almajob: Run, saved: Path, simulated: SimulatedAlma
) -> None:
    """By run and by config check, with its line."""
    text = saved.read_text("utf-8")
    for line, said in (
        ("at@sandbox = five", "is not a"),
        ("at@sandbox = 05:15\nsplay@sandbox = long", "splay is not a length of time"),
        ("at@sandbox = 05:15\nat_since@sandbox = once", "at_since is not a time"),
    ):
        saved.write_text(f"{text}{line}\n", "utf-8")
        done = almajob(*ENV, "run", "invoices")
        assert (done.code, said in done.err, f"{saved}, line" in done.err) == (7, True, True), done.err


def test_a_service_without_a_person_starts_it(
    almajob: Run, saved: Path, simulated: SimulatedAlma, programs: Path
) -> None:
    """The words of its ExecStart=, in a process that has only what the unit gives it."""
    _install(almajob, "--at", "05:15", "--user")
    service = next(Path(os.environ["HOME"]).rglob(f"almajob-{TITLE}.service")).read_text("utf-8")
    command = service.partition("ExecStart=")[2].partition("\n")[0]
    environ = dict(
        line.removeprefix("Environment=").split("=", 1)
        for line in service.splitlines()
        if line.startswith("Environment=")
    )
    environ |= {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
    simulated.set_ending(ERP, seconds=0)
    done = subprocess.run(
        command.split(), env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["run_key"].startswith("schedule:invoices:")
