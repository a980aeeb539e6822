"""Plugins that would take everything down with them: none does, and each is told by its name."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result
from tests.support.environments import PLUGINS, VirtualEnvironment

JOB = "ERP export using profile FINANCE"
RUN = ("--env", "sandbox", "run", "--job", JOB)
NAMED = "almajob-hostile 6.6"
# Each with what is told of it.
COMMANDS = {
    "interrupting": ("almajob_interrupting:Anything", "KeyboardInterrupt: nobody pressed it"),
    "odd": ("almajob_odd:Anything", "Odd: not an Exception"),
    "quitting": ("almajob_quitting:Anything", "its import ended the process (exit code 0)"),
    "hanging": ("almajob_hanging:Anything", "its import did not end within 10 s"),
}
FORMATS = {
    "bare": ("almajob_hostile:Bare", "'Bare' object has no attribute 'add_argument_group'"),
    "raising": ("almajob_hostile:Raising", "RuntimeError: no options today"),
    "interrupted": ("almajob_interrupting:Anything", "KeyboardInterrupt: nobody pressed it"),
    "quit": ("almajob_quitting:Anything", "its import ended the process (exit code 0)"),
}
# They can be loaded, and lose what they should print.
LOSING = {
    "exiting": ("almajob_hostile:Exiting", "SystemExit: 0"),
    "dying": ("almajob_hostile:Dying", "it ended the process (exit code 0)"),
    "buggy": ("almajob_hostile:Buggy", "KeyError: 'no such column'"),
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """An environment with all four plugins; no test changes it."""
    environment = VirtualEnvironment(tmp_path_factory.mktemp("hostile-site") / "env")
    environment.install(*(PLUGINS / name for name in ("good", "broken", "clashing", "hostile")))
    return environment


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Wait for a process to import the hanging plugin; gives its number."""
    path = tmp_path / "hanging"
    os.mkfifo(path)
    monkeypatch.setenv("ALMAJOB_HANGING", str(path))
    # To be written to, too: so nobody has to be there yet.
    pipe = os.open(path, os.O_RDWR)

    def wait() -> int:
        assert select.select([pipe], [], [], 60)[0], "nobody imports it"
        return int(os.read(pipe, 100))

    yield wait
    os.close(pipe)


def test_our_commands_do_not_notice_them(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """A start is one POST and says so; all else answers, with its own exit code."""
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=0)
    listed = site.almajob("--env", "sandbox", "list", "-f", "json")
    assert (listed.code, len(json.loads(listed.out)), listed.err) == (0, 88, "")
    started = site.almajob(*RUN, "-f", "json")
    assert (started.code, json.loads(started.out)["state"]) == (0, "STARTED")
    assert simulated.log.count("POST /conf/jobs/*") == 1
    run = json.loads(started.out)["instance_id"]
    for words, code in (
        (("wait", "--id", run), 3),
        (("status", "--id", run), 0),
        (("show", "M44"), 0),
        (("show", "nothing of this name"), 5),
        (("runs", "list"), 0),
        (("history", "--job", JOB), 0),
        (("cache", "show"), 0),
        (("run", "--help"), 0),
        (("help", "run"), 0),
        (("hello",), 0),
        (("list", "-c", "nonsense"), 2),
    ):
        done = site.almajob("--env", "sandbox", *words)
        assert (done.code, bool(done.out)) == (code, code in (0, 3)), (words, done)
    assert simulated.log.count("POST /conf/jobs/*") == 1


def test_whoever_lists_them_survives_them_and_names_them(site: VirtualEnvironment) -> None:
    """The list, the check, both helps and a completion; the names of ours cannot be taken for a format."""
    asked = (
        ("plugin", "list", "-f", "json"),
        ("plugin", "check", "-f", "json"),
        ("--help",),
        ("help",),
        ("__complete", "fish", "almajob", "he"),
    )
    # One of them hangs, and is waited for: at the same time.
    with ThreadPoolExecutor() as beside:
        listed, checked, *helps, completed = beside.map(lambda words: site.almajob(*words), asked)
    assert [each.code for each in (listed, checked, *helps, completed)] == [0, 7, 0, 0, 0]
    rows = [row for row in json.loads(listed.out) if row["distribution"] == "almajob-hostile"]
    assert {(row["kind"], row["name"], row["state"]) for row in rows} == {
        *(("command", name, "broken") for name in COMMANDS),
        ("command", "parserless", "ok"),
        *(("format", name, "broken") for name in FORMATS),
        *(("format", name, "ok") for name in (*LOSING, "switching")),
        ("format", "csv", "refused"),
    }
    problems = {(row["kind"], row["name"]): row for row in json.loads(checked.out)}
    for kind, causes in (("command", COMMANDS), ("format", FORMATS)):
        for name, (target, cause) in causes.items():
            (row,) = [row for row in rows if (row["kind"], row["name"]) == (kind, name)]
            assert (row["command_class"], row["version"]) == (target, "6.6")
            assert cause in row["problem"]
            found = problems[kind, name]
            assert (found["distribution"], found["version"]) == ("almajob-hostile", "6.6")
            assert cause in found["problem"]
    assert problems["format", "csv"]["problem"] == "the format is almajob's own"
    # What can be loaded may end the process later.
    assert "ended the process (exit code 0)" in problems["command", "parserless"]["problem"]
    for shown in helps:
        assert "  Greet the jobs of an environment (almajob-good)\n" in shown.out
        for name, (target, cause) in COMMANDS.items():
            assert f"  {name}, from {NAMED} ({target}): {cause}\n" in shown.out
    assert completed.out.splitlines()[0] == "words"
    assert [line.partition("\t")[0] for line in completed.out.splitlines()[1:]] == ["hello", "help"]


@pytest.mark.parametrize("name", ["interrupting", "odd"])
def test_a_command_that_raises_what_is_no_exception_is_refused_by_name(
    site: VirtualEnvironment, name: str
) -> None:
    """KeyboardInterrupt, too: nobody pressed Ctrl-C."""
    target, cause = COMMANDS[name]
    for words in ((name,), (name, "--help"), ("help", name)):
        done = site.almajob(*words)
        assert (done.code, done.out) == (7, "")
        assert f"The command '{name}' cannot be loaded, from {NAMED} ({target}).\n  {cause}\n" in done.err


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_that_cannot_be_loaded_is_refused_before_a_start(
    site: VirtualEnvironment, simulated: SimulatedAlma, form: str
) -> None:
    """By its name, with exit code 7; nothing is asked of Alma."""
    target, cause = FORMATS[form]
    done = site.almajob(*RUN, "-f", form)
    assert (done.code, done.out) == (7, "")
    assert done.err.startswith(f"almajob: The format '{form}' cannot be used.\n  {NAMED} ({target}): ")
    assert cause in done.err
    assert len(done.err.splitlines()) <= 6
    assert simulated.log.entries() == []


@pytest.mark.parametrize("form", LOSING)
def test_a_start_whose_format_fails_is_no_success_and_names_its_run(
    site: VirtualEnvironment, simulated: SimulatedAlma, form: str
) -> None:
    """Exit code 1 and whose fault it is, also where the format thinks that it is done."""
    target, cause = LOSING[form]
    done = site.almajob(*RUN, "-f", form)
    assert (done.code, done.out) == (1, "")
    assert simulated.log.count("POST /conf/jobs/*") == 1
    run = json.loads(site.almajob(*RUN, "-f", "json").out)["instance_id"]
    assert f"The job was started all the same: run {run} " in done.err
    assert f"The format '{form}' could not print the result.\n  {NAMED} ({target}): {cause}\n" in done.err
    assert "a bug in almajob" not in done.err


@pytest.mark.parametrize("words", [(), ("--switch",)])
def test_a_format_switches_nothing_on(
    site: VirtualEnvironment, simulated: SimulatedAlma, words: tuple[str, ...]
) -> None:
    """A production start is not confirmed by it, and a start in the sandbox is none that is only tried."""
    done = site.almajob("--env", "production", *RUN[2:], "-f", "switching", *words)
    assert (done.code, done.out) == (5, "")
    assert simulated.log.count("POST /conf/jobs/*") == 0
    done = site.almajob(*RUN, "-f", "switching", *words)
    assert (done.code, done.out.endswith(" columns\n")) == (0, True)
    assert simulated.log.count("POST /conf/jobs/*") == 1


def _interrupt(site: VirtualEnvironment, importing: Callable[[], int], *words: str) -> tuple[Result, int]:
    """Press Ctrl-C while the plugin is imported; gives the process that imports it, too."""
    with site.start("almajob", *words) as process:
        try:
            number = importing()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return Result(process.returncode, out, err), number


def test_ctrl_c_while_a_plugin_is_imported_is_ctrl_c(
    site: VirtualEnvironment, importing: Callable[[], int]
) -> None:
    """Exit code 130, where a KeyboardInterrupt of the plugin's own is its fault, exit code 7."""
    done, _number = _interrupt(site, importing, "hanging")
    assert (done.code, done.out) == (130, "")
    assert site.almajob("interrupting").code == 7


def test_ctrl_c_ends_a_check_with_its_processes(
    site: VirtualEnvironment, importing: Callable[[], int]
) -> None:
    """None of them goes on importing."""
    done, number = _interrupt(site, importing, "plugin", "check", "hanging")
    assert (done.code, done.out) == (130, "")
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_one_plugin_is_checked_without_the_others(site: VirtualEnvironment) -> None:
    """Nobody waits for one that hangs who asks about another; a format is asked about by its name."""
    done = site.almajob("plugin", "check", "buggy")
    assert (done.code, done.err) == (0, "1 checked, no problems found.\n")
    done = site.almajob("plugin", "check", "quit", "-f", "json")
    assert [row["kind"] for row in json.loads(done.out)] == ["format"]


def test_a_shell_goes_on_after_a_format_that_dies(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """The next line is run; what is sent to a file is no terminal's."""
    script = "show M44 -f dying\nshow M44 -f switching\nshow M44 -f switching > shown\n"
    done = site.almajob("--env", "sandbox", "shell", stdin=script)
    assert done.code == 0
    assert "The format 'dying' could not print the result." in done.err
    assert done.out.endswith(" columns\n")
    assert Path("shown").read_text("utf-8") in done.out
