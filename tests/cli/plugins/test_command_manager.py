"""Installed commands: named without importing, refused by name when they cannot be used."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from almajob.cli.app import main
from almajob.cli.plugins.command_manager import Commands
from almajob.entry_points import GROUP
from almajob.errors import ConfigurationError
from tests.conftest import Run

GOOD = """
from almajob.plugin import Command, Lister

class Hello(Command):
    "Say hello."
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--env", choices=("a", "b"), help="its own, not almajob's")
        return parser
    def take_action(self, parsed_args):
        print("hello", parsed_args.env, file=self.app.stdout)

class Jobs(Lister):
    "List something."
    def take_action(self, parsed_args):
        return ("ID",), [(job.id,) for job in self.context.catalogue.jobs()][:2]

class Exits(Command):
    "Exit."
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("how")
        return parser
    def take_action(self, parsed_args):
        import sys
        how = {"text": "could not do it", "none": None, "3": 3, "256": 256}
        if parsed_args.how == "return":
            return 256
        sys.exit(how[parsed_args.how])

class Abstract(Command):
    "Nothing."

class Fails(Command):
    "Fail."
    def take_action(self, parsed_args):
        raise KeyError("apikey l7xx00canary00canary00canary00canary")

class Odd(BaseException):
    pass

class Oddly(Command):
    "Fail with what is no Exception."
    def take_action(self, parsed_args):
        raise Odd("in its action")

class Parserless(Command):
    "Fail before anything is done."
    def get_parser(self, prog_name):
        raise KeyError("in its options")
    def take_action(self, parsed_args): pass

class Unmade(Parserless):
    def __init__(self, *given, **more):
        raise KeyError("in its constructor")
"""


# Its error cannot even say what it is.
DUMB = """
class Dumb(BaseException):
    def __str__(self):
        raise ValueError
raise Dumb
"""


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on sys.path into which distributions are installed."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return path


def _install(site: Path, distribution: str, module: str, source: str, commands: dict[str, str]) -> None:
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n", "utf-8")
    lines = [f"{name} = {module}:{target}" for name, target in commands.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]), "utf-8")
    (site / f"{module}.py").write_text(source, "utf-8")
    sys.modules.pop(module, None)


@pytest.fixture
def plugins(site_packages: Path) -> Path:
    _install(
        site_packages,
        "almajob-good",
        "aj_good",
        GOOD,
        {
            "hello": "Hello",
            "my_jobs": "Jobs",
            "fails": "Fails",
            "exiting": "Exits",
            "show_M44": "Hello",
            "oddly": "Oddly",
            "parserless": "Parserless",
            "unmade": "Unmade",
        },
    )
    _install(
        site_packages,
        "almajob-broken",
        "aj_broken",
        "import nowhere_to_be_found",
        {"broken": "X", "list": "X"},
    )
    _install(site_packages, "almajob-odd", "aj_odd", GOOD, {"abstract": "Abstract", "noclass": "__doc__"})
    _install(site_packages, "almajob-odder", "aj_odder", "raise GeneratorExit", {"odder": "X"})
    _install(site_packages, "almajob-exits", "aj_exits", "raise SystemExit(0)", {"exits": "X"})
    _install(site_packages, "almajob-stops", "aj_stops", "raise KeyboardInterrupt", {"stops": "X"})
    _install(site_packages, "almajob-dumb", "aj_dumb", DUMB, {"dumb": "X"})
    _install(site_packages, "almajob-rival", "aj_rival", GOOD, {"hello2": "Hello", "run": "Hello"})
    _install(site_packages, "almajob-rival2", "aj_rival2", GOOD, {"hello2": "Hello"})
    return site_packages


@pytest.mark.parametrize("words", [("-c", "zzz"), ("-c", "ID", "-c", "zzz"), ("--sort-column", "zzz")])
def test_a_column_is_checked_where_a_plugin_declares_none(
    plugins: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Against those that it returns; nothing is printed."""
    assert main(["--env", "demo", "my", "jobs", *words]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "There is no column 'zzz'" in captured.err


def test_names_are_listed_without_importing_anything(plugins: Path) -> None:
    """Not even those that would break."""
    names = [name for name, _ in Commands()]
    assert {"hello", "my jobs", "broken", "exits", "list", "run", "config show"} <= set(names)
    assert not {"aj_good", "aj_broken", "aj_exits", "aj_rival"} & set(sys.modules)


def test_a_plugins_command_works_like_one_of_ours(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its own option wins over a global one; the context is there; almajob's stay what they are."""
    assert main(["--env", "demo", "hello", "--env", "b"]) == 0
    assert capfd.readouterr().out == "hello b\n"
    assert main(["my", "jobs", "--env", "demo", "-f", "value"]) == 0
    assert capfd.readouterr().out.splitlines() == ["M4664427330000561", "M7470515890000561"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("broken", ["almajob-broken 1.2", "aj_broken:X", "No module named 'nowhere_to_be_found'"]),
        ("odder", ["almajob-odder 1.2", "aj_odder:X", "GeneratorExit"]),
        ("exits", ["almajob-exits 1.2", "aj_exits:X", "SystemExit"]),
        ("stops", ["almajob-stops 1.2", "aj_stops:X", "KeyboardInterrupt"]),
        ("dumb", ["almajob-dumb 1.2", "aj_dumb:X", "Dumb: it cannot say of what"]),
        ("abstract", ["almajob-odd 1.2", "has no take_action"]),
        ("noclass", ["almajob-odd 1.2", "It is no subclass"]),
        (
            "hello2",
            [
                "almajob-rival 1.2",
                "almajob-rival2 1.2",
                "claimed by several plugins",
            ],
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_by_name(
    plugins: Path, capfd: pytest.CaptureFixture[str], name: str, parts: list[str]
) -> None:
    """With distribution, version, module and cause; exit code 7."""
    assert main([name, "--some", "option"]) == 7
    captured = capfd.readouterr()
    assert captured.out == ""
    for part in parts:
        assert part in captured.err
    assert "Traceback" not in captured.err


def test_a_broken_plugin_takes_nothing_down_with_it(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Core commands work, and their names cannot be taken."""
    assert main(["--env", "demo", "list", "-f", "value", "-c", "ID"]) == 0
    assert capfd.readouterr().out.startswith("M4664427330000561\n")
    found, name, rest = Commands().find_command(["run", "--job", "x"])
    assert (found.__module__, name, rest) == ("almajob.commands.run", "run", ["--job", "x"])
    assert main(["--help"]) == 0
    shown = capfd.readouterr().out
    assert "broken, from almajob-broken 1.2 (aj_broken:X): ModuleNotFoundError: No module" in shown
    assert "run, from almajob-rival 1.2 (aj_rival:Hello): the name is almajob's own" in shown
    assert "Say hello (almajob-good)" in shown


@pytest.mark.parametrize(("how", "code"), [("text", 1), ("none", 0), ("3", 3), ("256", 1), ("return", 1)])
def test_a_plugin_that_exits_does_so_as_it_says(
    plugins: Path, capfd: pytest.CaptureFixture[str], how: str, code: int
) -> None:
    """A text is told and 1; what a process cannot give as its exit code is not turned into success."""
    assert main(["exiting", how]) == code
    assert ("could not do it" in capfd.readouterr().err) is (how == "text")


def test_a_plugin_cannot_take_words_after_a_core_name(plugins: Path) -> None:
    """ "show M44" shows the job M44."""
    found, name, rest = Commands().find_command(["show", "M44"])
    assert (found.__module__, name, rest) == ("almajob.commands.show", "show", ["M44"])


def test_a_bug_in_a_plugin_is_a_message_without_a_key(
    plugins: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, what to attach; with --debug where it arose."""
    assert main(["fails"]) == 1
    err = capfd.readouterr().err
    assert "a bug in the command 'fails', from almajob-good 1.2 (aj_good:Fails): KeyError" in err
    assert "Traceback" not in err
    assert main(["--debug", "fails"]) == 1
    err += capfd.readouterr().err
    assert "Traceback" in err
    assert "canary" not in err


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("oddly", "Odd: in its action"),
        ("parserless", "KeyError: 'in its options'"),
        ("unmade", "KeyError: 'in its constructor'"),
    ],
)
def test_a_bug_in_a_plugin_is_its_own_wherever_it_is(
    plugins: Path, capfd: pytest.CaptureFixture[str], name: str, cause: str
) -> None:
    """Not only in its action, and whatever is raised there."""
    assert main([name]) == 1
    err = capfd.readouterr().err
    assert f"a bug in the command {name!r}, from almajob-good 1.2 (aj_good:{name.title()}): {cause}\n" in err
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("words", [["l"], ["lis"], ["config"], ["conf", "show"], ["lists"], []])
def test_names_are_exact(words: list[str]) -> None:
    """No beginnings of names, no guesses."""
    with pytest.raises(ValueError, match="no command"):
        Commands().find_command(words)


def test_the_longest_name_counts() -> None:
    """ "hello all" is not "hello"."""
    points = [EntryPoint(name, "almajob.commands.show:Show", GROUP) for name in ("hello", "hello_all")]
    found = Commands(points)
    assert found.find_command(["hello", "all", "--x"])[1:] == ("hello all", ["--x"])
    assert found.find_command(["hello", "everything"])[1:] == ("hello", ["everything"])


def test_a_core_name_cannot_be_taken_with_our_own_class() -> None:
    """Nor can an alias of one be anything but another plugin's name."""
    points = [
        EntryPoint("list", "almajob.commands.list:List", GROUP),
        EntryPoint("list", "almajob.commands.show:Show", GROUP),
        EntryPoint("ls", "almajob.commands.list:List", GROUP),
        EntryPoint("ls_all", "almajob.commands.list:List", GROUP),
    ]
    found = Commands(points)
    assert found.find_command(["list"])[0].__name__ == "List"
    assert found.find_command(["ls", "all"])[1] == "ls all"


@pytest.mark.parametrize("name", ["help", "env", "exit", "quit", "env_list", "__complete", "tail_"])
def test_words_of_almajobs_own_cannot_be_taken(
    site_packages: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """They are listed as refused, and stay what they are."""
    _install(site_packages, "almajob-taker", "aj_taker", GOOD, {name: "Hello"})
    assert main(["plugin", "list", "-f", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    (row,) = [row for row in rows if row["distribution"] == "almajob-taker"]
    assert row["state"] == "refused"
    assert "almajob's own" in row["problem"]
    assert main(["help"]) == 0
    assert "aj_taker:Hello): its name cannot be typed, or is almajob's own" in capfd.readouterr().out


@pytest.mark.parametrize(
    "content", [b"\xff\xfe[almajob.commands]\nx = y:Z\n", b"[almajob.commands]\nno equals sign\n"]
)
def test_a_distribution_that_cannot_be_read_takes_nothing_down(
    site_packages: Path, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    """Most that are installed have nothing to do with almajob."""
    _install(site_packages, "almajob-good", "aj_good2", GOOD, {"hello": "Hello"})
    info = site_packages / "damaged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_bytes(content)
    assert main(["hello", "--env", "a"]) == 0
    assert capfd.readouterr().out == "hello a\n"


@pytest.mark.parametrize("metadata", [b"\xff\xfe\xff", b"", b"Metadata-Version: 2.1\n"])
def test_a_distribution_without_a_name_takes_nothing_down(
    site_packages: Path, capfd: pytest.CaptureFixture[str], metadata: bytes
) -> None:
    """What it claims is listed as anybody's, and its command works."""
    _install(site_packages, "almajob-good", "aj_good3", GOOD, {"hello": "Hello"})
    (site_packages / "almajob_good-1.2.dist-info" / "METADATA").write_bytes(metadata)
    assert main(["hello", "--env", "a"]) == 0
    capfd.readouterr()
    assert main(["plugin", "list", "-f", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["state"] for row in rows if row["command_class"] == "aj_good3:Hello"] == ["ok"]
    assert main(["--help"]) == 0


PLAIN = """
from cliff.command import Command
class Plain(Command):
    "A command that almajob knows nothing of."
    def take_action(self, parsed_args): pass
"""


def test_a_command_that_is_none_of_almajobs_kinds_is_refused(
    site_packages: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It would have no context, and its errors no exit codes."""
    _install(site_packages, "almajob-plain", "aj_plain", PLAIN, {"plain": "Plain"})
    assert main(["plain"]) == 7
    assert "It is no subclass of Command" in capfd.readouterr().err


def test_a_claim_without_a_distribution_is_named_as_such() -> None:
    """Entry points made by hand have none."""
    with pytest.raises(ConfigurationError, match="unknown distribution"):
        Commands([EntryPoint("x", "nowhere:X", GROUP)]).find_command(["x"])


def test_every_core_command_is_an_entry_point_of_its_own() -> None:
    """One file a command, named after it, and one folder a group."""
    core = [point for point in entry_points(group=GROUP) if point.dist and point.dist.name == "almajob"]
    assert len(core) >= 8
    for point in core:
        # A word of a command's name may have a hyphen, and a module's name may not.
        assert point.module == f"almajob.commands.{point.name.replace('_', '.').replace('-', '_')}"


def test_commands_that_cannot_be_listed_are_not_called_unknown(
    monkeypatch: pytest.MonkeyPatch, almajob: Run
) -> None:
    """What this Python tells of installed packages cannot be read: no slip of whoever typed the command."""
    monkeypatch.setattr("almajob.cli.plugins.command_manager.distributions", tuple)
    result = almajob("--env", "demo", "list")
    assert result.code == 7
    assert result.err.startswith("almajob: almajob's own commands cannot be found.\n")
