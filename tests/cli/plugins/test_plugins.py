"""Plugins as a site has them: installed by pip into a real environment, used by processes of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result
from tests.support.clocks import FAKETIME, fake_time
from tests.support.environments import PLUGINS, VirtualEnvironment

JOB = "ERP export using profile FINANCE"
# Each with what is told of it: distribution, version, module and cause.
UNUSABLE = {
    "incomplete": [
        ("almajob-broken", "0.3", "almajob_incomplete:Incomplete", "No module named 'nowhere_to_be_found'")
    ],
    "exiting": [("almajob-broken", "0.3", "almajob_exiting:Exiting", "SystemExit: usage: exiting FILE")],
    "farewell": [
        ("almajob-clashing", "2.0", "almajob_clashing:Impostor", "claimed by several plugins"),
        ("almajob-good", "1.2", "almajob_good:Farewell", "claimed by several plugins"),
    ],
}
REFUSED = {
    "run": [("almajob-clashing", "2.0", "almajob_clashing:Impostor", "almajob's own")],
    "show M44": [("almajob-clashing", "2.0", "almajob_clashing:Impostor", "almajob's own command 'show'")],
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    """An environment with all three plugins; no test changes it."""
    environment = VirtualEnvironment(tmp_path_factory.mktemp("site") / "env")
    environment.install(*(PLUGINS / name for name in ("good", "broken", "clashing")))
    return environment


def _json(done: Result, code: int = 0) -> Any:
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    return json.loads(done.out)


def test_a_plugins_command_is_a_command(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """Global options stand before its name or after it; -f and -c are there; its own options too."""
    before = site.almajob("--env", "sandbox", "-q", "hello", "--at-most", "1", "-f", "json")
    after = site.almajob("hello", "--at-most", "1", "-f", "json", "--env", "sandbox", "-q")
    assert _json(before) == _json(after)
    assert [row["greeting"] for row in _json(after)] == ["Hello, 00806748 test!"]
    assert site.almajob("--env", "sandbox", "hello", "-c", "nonsense").code == 2


@pytest.mark.parametrize(("status", "code"), [("COMPLETED_SUCCESS", 0), ("COMPLETED_FAILED", 3)])
def test_a_command_that_starts_a_job_and_waits(
    site: VirtualEnvironment, simulated: SimulatedAlma, status: str, code: int
) -> None:
    """Exactly one POST, also where it is called again; the exit code says how the job ended."""
    simulated.set_ending(JOB, status, seconds=0)
    first = _json(site.almajob("--env", "sandbox", "nightly", JOB, "-f", "json"), code)
    again = _json(site.almajob("--env", "sandbox", "nightly", JOB, "-f", "json"), code)
    assert (first["status"], first["passed"]) == (status, code == 0)
    assert again["instance_id"] == first["instance_id"]
    assert simulated.log.count("POST /conf/jobs/*") == 1


def test_a_command_that_keeps_something(site: VirtualEnvironment) -> None:
    """From one process to the next, in a private directory that has its distribution's name."""
    assert site.almajob("remember", "colour").code == 5
    assert _json(site.almajob("remember", "colour", "grün", "-f", "json"))["word"] == "grün"
    assert _json(site.almajob("remember", "colour", "-f", "json"))["word"] == "grün"
    kept = Path.home() / ".local/state/almajob/plugins"
    assert [path.name for path in kept.iterdir() if path.is_dir()] == ["almajob-good"]
    assert kept.joinpath("almajob-good").stat().st_mode & 0o777 == 0o700


def test_a_shell_has_the_plugins_commands(site: VirtualEnvironment) -> None:
    """One that cannot be used does not end it."""
    script = "remember colour green\nexiting\nincomplete\nremember colour -f value -c word\n"
    done = site.almajob("shell", stdin=script)
    assert done.out.splitlines()[-1] == "green"
    assert "almajob_exiting:Exiting" in done.err
    assert "almajob_incomplete:Incomplete" in done.err


def test_plugin_list_says_what_is_installed(site: VirtualEnvironment) -> None:
    """Each claim on a name: whose it is, whether it can be used, and why not."""
    rows = _json(site.almajob("plugin", "list", "-f", "json"))
    ours = [row for row in rows if row["distribution"] == "almajob"]
    assert {row["state"] for row in ours} == {"ok"}
    states = {
        (row["name"], row["command_class"], row["distribution"], row["version"]): row["state"]
        for row in rows
        if row not in ours
    }
    assert states == {
        ("hello", "almajob_good:Hello", "almajob-good", "1.2"): "ok",
        ("nightly", "almajob_good:Nightly", "almajob-good", "1.2"): "ok",
        ("remember", "almajob_good:Remember", "almajob-good", "1.2"): "ok",
        ("farewell", "almajob_good:Farewell", "almajob-good", "1.2"): "clash",
        ("farewell", "almajob_clashing:Impostor", "almajob-clashing", "2.0"): "clash",
        ("run", "almajob_clashing:Impostor", "almajob-clashing", "2.0"): "refused",
        ("show M44", "almajob_clashing:Impostor", "almajob-clashing", "2.0"): "refused",
        ("incomplete", "almajob_incomplete:Incomplete", "almajob-broken", "0.3"): "broken",
        ("exiting", "almajob_exiting:Exiting", "almajob-broken", "0.3"): "broken",
    }
    problems = {(row["name"], row["distribution"]): row["problem"] for row in rows}
    for name, claims in {**UNUSABLE, **REFUSED}.items():
        for distribution, _version, _module, cause in claims:
            assert cause in problems[name, distribution]
    assert not any(row["problem"] for row in rows if row["state"] == "ok")


@pytest.mark.parametrize("argv", [["--help"], ["help"]])
def test_help_names_what_cannot_be_used(site: VirtualEnvironment, argv: list[str]) -> None:
    """Below the commands that can be, each with distribution, version, module and cause in one line."""
    shown = site.almajob(*argv).out
    usable, unusable = shown.split("cannot be used:\n")
    assert "  Greet the jobs of an environment (almajob-good)\n" in usable
    for name, claims in {**UNUSABLE, **REFUSED}.items():
        for claim in claims:
            (line,) = [
                line
                for line in unusable.splitlines()
                if line.startswith(f"  {name}, from {claim[0]} {claim[1]}")
            ]
            assert all(part in line for part in claim)
    assert "Traceback" not in shown


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_refused_by_name(site: VirtualEnvironment, name: str) -> None:
    """Exit code 7, and a message of a few lines: distribution, version, module and cause."""
    for argv in ([name, "--some", "option"], [name, "--help"], ["help", name]):
        done = site.almajob(*argv)
        assert (done.code, done.out) == (7, "")
        assert len(done.err.splitlines()) <= 6
        for part in (name, *(part for claim in UNUSABLE[name] for part in claim)):
            assert part in done.err
        assert "Traceback" not in done.err


def test_our_names_cannot_be_taken(site: VirtualEnvironment, simulated: SimulatedAlma) -> None:
    """``run`` starts a job and ``show M44`` shows one, whoever claims these names; all else works too."""
    assert _json(site.almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json"))["job_name"] == JOB
    assert simulated.log.count("POST /conf/jobs/*") == 1
    assert _json(site.almajob("--env", "sandbox", "show", "M44", "-f", "json"))["id"] == "M44"
    assert len(_json(site.almajob("--env", "sandbox", "list", "-f", "json"))) == 88


def test_plugin_check_judges_all_that_is_installed(site: VirtualEnvironment) -> None:
    """Ours and the good plugin's keep the rules; only what cannot be used is told, with exit code 7."""
    rows = _json(site.almajob("plugin", "check", "-f", "json"), 7)
    assert {row["name"] for row in rows} == {*UNUSABLE, *REFUSED}
    good = site.almajob("plugin", "check", "hello", "-f", "json")
    assert _json(good) == []
    assert "1 checked" in good.err


@pytest.mark.skipif(FAKETIME is None, reason="Debian's faketime is not installed")
@pytest.mark.parametrize(
    "machine_time",
    ["2026-11-23 09:00:00", "2026-11-23 16:30:00", "2026-11-23 23:58:00", "2026-12-31 23:58:00"],
)
def test_a_plugins_own_tests_pass_at_any_hour(
    site: VirtualEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_time: str
) -> None:
    """They use the fixtures and ``check_command`` of almajob.testing, which pytest finds by itself.

    One of them waits eight hours for a job that it starts once a day.
    """
    tests = shutil.copytree(PLUGINS / "good" / "tests", tmp_path / "good-tests")
    for name, value in fake_time(f"@{machine_time}").items():
        monkeypatch.setenv(name, value)
    done = site.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tests)
    assert done.code == 0, done.out
    assert "7 passed" in done.out


def test_a_reinstalled_plugin_is_seen_at_once(tmp_path: Path) -> None:
    """With a command more, within the same minute, after everything that might be cached was cached."""
    environment = VirtualEnvironment(tmp_path / "env")
    environment.install(PLUGINS / "good")
    assert environment.almajob("farewell").out == "Goodbye.\n"
    before = _json(environment.almajob("plugin", "list", "-f", "json"))
    refused = environment.almajob("goodnight")
    assert (refused.code, refused.out) == (2, "")
    changed = shutil.copytree(PLUGINS / "good", tmp_path / "good")
    with (changed / "setup.cfg").open("a", encoding="utf-8") as file:
        # The group of commands is the last one.
        file.write("    goodnight = almajob_good:Goodnight\n")
    with (changed / "almajob_good.py").open("a", encoding="utf-8") as file:
        file.write("\n\nclass Goodnight(Farewell):\n    pass\n")
    environment.install(changed)
    assert environment.almajob("goodnight").out == "Goodbye.\n"
    after = _json(environment.almajob("plugin", "list", "-f", "json"))
    assert [row["name"] for row in after if row not in before] == ["goodnight"]
