"""Plugins as a site has them, installed by pip: good ones work, and no other takes anything down with it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from almajob.entry_points import GROUP
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.clocks import FAKETIME, fake_time
from tests.support.distributions import GOOD, write_distribution, write_plugin
from tests.support.environments import PLUGINS, VirtualEnvironment

JOB = "ERP export using profile FINANCE"
RUN = ("--env", "sandbox", "run", "--job", JOB)
# By name, distribution and version, and module: the state, and what is told of it.
CLAIMS = {
    ("hello", "almajob-good 1.2", "almajob_good:Hello"): ("ok", ""),
    ("nightly", "almajob-good 1.2", "almajob_good:Nightly"): ("ok", ""),
    ("remember", "almajob-good 1.2", "almajob_good:Remember"): ("ok", ""),
    ("farewell", "almajob-good 1.2", "almajob_good:Farewell"): ("clash", "claimed by several plugins"),
    ("farewell", "clashing 2.0", "impostor:Impostor"): ("clash", "claimed by several plugins"),
    ("run", "clashing 2.0", "impostor:Impostor"): ("refused", "almajob's own"),
    ("show M44", "clashing 2.0", "impostor:Impostor"): ("refused", "almajob's own command 'show'"),
    ("parserless", "clashing 2.0", "impostor:Parserless"): ("ok", ""),
    ("incomplete", "hostile 6.6", "incomplete:X"): ("broken", "No module named 'nowhere_to_be_found'"),
    ("exiting", "hostile 6.6", "exiting:X"): ("broken", "SystemExit: usage: exiting FILE"),
    ("interrupting", "hostile 6.6", "interrupting:X"): ("broken", "KeyboardInterrupt: nobody pressed it"),
    ("odd", "hostile 6.6", "odd:X"): ("broken", "Odd: not an Exception"),
    ("quitting", "hostile 6.6", "quitting:X"): ("broken", "its import ended the process (exit code 0)"),
    ("hanging", "hostile 6.6", "hanging:X"): ("broken", "its import did not end within 10 s"),
}
MODULES = {
    "impostor": """
import os
from almajob.plugin import Command

class Impostor(Command):
    "Stand where something else belongs."
    def take_action(self, parsed_args):
        self.app.stdout.write("an impostor was here")

class Parserless(Impostor):
    def get_parser(self, prog_name):
        os._exit(0)
""",
    "incomplete": "import nowhere_to_be_found",
    "exiting": "import sys; print('no part of a result'); sys.exit('usage: exiting FILE')",
    "interrupting": "raise KeyboardInterrupt('nobody pressed it')",
    "odd": "class Odd(BaseException): pass\nraise Odd('not an Exception')",
    "quitting": "import os; os._exit(0)",
    # Whoever imports it waits for ever; a test can have its number first, through a pipe.
    "hanging": """
import os, pathlib, threading
if "ALMAJOB_HANGING" in os.environ:
    pathlib.Path(os.environ["ALMAJOB_HANGING"]).write_text(str(os.getpid()))
threading.Event().wait()
""",
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """An environment with a good plugin that pip has installed, and others; no test changes it."""
    environment = VirtualEnvironment(tmp_path_factory.mktemp("site") / "env")
    environment.install(PLUGINS / "good")
    for distribution in ("clashing 2.0", "hostile 6.6"):
        points = {name.replace(" ", "_"): to for name, claimed, to in CLAIMS if claimed == distribution}
        name, version = distribution.split()
        write_distribution(environment.packages, name, {GROUP: points}, version)
    for module, source in MODULES.items():
        (environment.packages / f"{module}.py").write_text(source, "utf-8")
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


def _json(done: Result, code: int = 0) -> Any:
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    return json.loads(done.out)


def test_our_commands_do_not_notice_them(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """A start is one POST and says so, and all else answers, with its own exit code: no name can be taken."""
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=0)
    assert len(_json(site.almajob("--env", "sandbox", "list", "-f", "json"))) == 88
    started = _json(site.almajob(*RUN, "-f", "json"))
    assert (started["state"], started["job_name"]) == ("STARTED", JOB)
    assert _json(site.almajob("--env", "sandbox", "show", "M44", "-f", "json"))["id"] == "M44"
    assert simulated.log.count("POST /conf/jobs/*") == 1
    run = started["instance_id"]
    for words, code in (
        (("wait", "--id", run), 3),
        (("show", "nothing of this name"), 5),
        (("history", "--job", JOB), 0),
        (("help", "run"), 0),
        (("list", "-c", "nonsense"), 2),
    ):
        done = site.almajob("--env", "sandbox", *words)
        assert (done.code, bool(done.out)) == (code, code in (0, 3)), (words, done)
    assert simulated.log.count("POST /conf/jobs/*") == 1


def test_whoever_lists_them_survives_them_and_names_them(site: VirtualEnvironment) -> None:
    """The list, the check, both helps and a completion."""
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
    told = {
        (row["name"], f"{row['distribution']} {row['version']}", row["command_class"]): row
        for row in _json(listed)
        if row["distribution"] != "almajob"
    }
    assert {claim: row["state"] for claim, row in told.items()} == {
        claim: state for claim, (state, _cause) in CLAIMS.items()
    }
    for claim, (state, cause) in CLAIMS.items():
        assert cause in (told[claim]["problem"] or "")
        assert (state == "ok") is not told[claim]["problem"]
    # What can be loaded may end the process later; ours and all else that is good keep the rules.
    unusable = {claim[0] for claim, (state, _cause) in CLAIMS.items() if state != "ok"}
    assert {row["name"] for row in _json(checked, 7)} == unusable | {"parserless"}
    assert all(done.code == 0 for done in (*helps, completed))
    for shown in helps:
        above, below = shown.out.split("cannot be used:\n")
        assert re.search(r"From almajob-good:\n(  .*\n)*  hello +Greet the jobs of an environment\n", above)
        told_below = " ".join(below.split())
        for (name, distribution, target), (state, cause) in CLAIMS.items():
            beginning = f"{name} from {distribution} ({target}): "
            assert told_below.count(beginning) == (state != "ok")
            assert state == "ok" or cause in told_below
    assert completed.out.splitlines()[0] == "words"
    assert [line.partition("\t")[0] for line in completed.out.splitlines()[1:]] == ["hello", "help"]


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
    """Nobody waits for one that hangs who asks about another."""
    done = site.almajob("plugin", "check", "hello")
    assert (done.code, done.err) == (0, "1 checked, no problems found.\n")


def test_a_shell_has_the_plugins_commands(site: VirtualEnvironment) -> None:
    """One that cannot be used does not end it."""
    script = "remember colour green\nexiting\nincomplete\nremember colour -f value -c word\n"
    done = site.almajob("shell", stdin=script)
    assert (done.code, done.out.splitlines()[-1]) == (0, "green")
    assert ("(exiting:X)" in done.err, "(incomplete:X)" in done.err) == (True, True)


def test_a_plugins_command_is_a_command(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """Global options stand before its name or after it; -f and -c are there; its own options too."""
    before = site.almajob("--env", "sandbox", "-q", "hello", "--at-most", "1", "-f", "json")
    after = site.almajob("hello", "--at-most", "1", "-f", "json", "--env", "sandbox", "-q")
    assert _json(before) == _json(after)
    assert [row["greeting"] for row in _json(after)] == ["Hello, 00806748 test!"]
    assert site.almajob("--env", "sandbox", "hello", "-c", "nonsense").code == 2


def test_a_command_that_keeps_something(site: VirtualEnvironment) -> None:
    """From one process to the next, in a private directory that has its distribution's name."""
    assert site.almajob("remember", "colour").code == 5
    assert _json(site.almajob("remember", "colour", "grün", "-f", "json"))["word"] == "grün"
    assert _json(site.almajob("remember", "colour", "-f", "json"))["word"] == "grün"
    kept = Path.home() / ".local/state/almajob/plugins"
    assert [path.name for path in kept.iterdir() if path.is_dir()] == ["almajob-good"]
    assert kept.joinpath("almajob-good").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(FAKETIME is None, reason="Debian's faketime is not installed")
def test_a_plugins_own_tests_pass_at_any_hour(
    site: VirtualEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They use the fixtures and ``check_command`` of almajob.testing, which pytest finds by itself.

    One of them waits eight hours for a job that it starts once a day, here on the last one of a year.
    """
    tests = shutil.copytree(PLUGINS / "good" / "tests", tmp_path / "good-tests")
    for name, value in fake_time("@2026-12-31 23:58:00").items():
        monkeypatch.setenv(name, value)
    done = site.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tests)
    assert done.code == 0, done.out
    assert "7 passed" in done.out


def test_a_reinstalled_plugin_is_seen_at_once(almajob_process: Run, tmp_path: Path) -> None:
    """With a command more, within the same minute, after everything that might be cached was cached."""
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    commands = {"hello": "Hello"}
    write_plugin(tmp_path, "almajob-late", "aj_late", GOOD, commands)
    hello = ("hello", "--env", "a")
    assert almajob_process(*hello, environ=environ).out == "hello a\n"
    before = _json(almajob_process("plugin", "list", "-f", "json", environ=environ))
    refused = almajob_process("goodnight", environ=environ)
    assert (refused.code, refused.out) == (2, "")
    shutil.rmtree(tmp_path / "almajob_late-1.2.dist-info")
    write_plugin(tmp_path, "almajob-late", "aj_late", GOOD, {**commands, "goodnight": "Hello"})
    assert almajob_process("goodnight", "--env", "a", environ=environ).out == "hello a\n"
    after = _json(almajob_process("plugin", "list", "-f", "json", environ=environ))
    assert [row["name"] for row in after if row not in before] == ["goodnight"]
