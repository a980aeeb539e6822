"""Installed commands: named without importing, refused by name when they cannot be used."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from almajob.cli.app import main
from almajob.cli.plugins.command_manager import Commands
from almajob.entry_points import COMMAND_GROUPS, GROUP
from almajob.errors import ConfigurationError
from tests.conftest import Run
from tests.support.distributions import GOOD, write_distribution, write_plugin

SOURCE = (
    GOOD
    + """
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

class Nothing(Lister):
    "Forget the result."
    def take_action(self, parsed_args): pass

class Uneven(Lister):
    "Return more values than columns."
    columns = ("id",)
    def take_action(self, parsed_args): return self.columns, [("a", "b")]

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
)


# Its error cannot even say what it is.
DUMB = """
class Dumb(BaseException):
    def __str__(self):
        raise ValueError
raise Dumb
"""
PLAIN = """
from cliff.command import Command
class Plain(Command):
    "A command that almajob knows nothing of."
    def take_action(self, parsed_args): pass
"""


@pytest.fixture
def plugins(site_packages: Path) -> Path:
    """Good ones, one that cannot be imported in each way, and two that want the same name."""
    commands = {
        "hello": "Hello",
        "my_jobs": "Jobs",
        "fails": "Fails",
        "exiting": "Exits",
        "show_M44": "Hello",
    }
    more = {name.lower(): name for name in ("Oddly", "Nothing", "Uneven", "Parserless", "Unmade")}
    for name, source, claims in (
        ("good", SOURCE, {**commands, **more}),
        ("broken", "import nowhere_to_be_found", {"broken": "X", "list": "X"}),
        ("odd", SOURCE, {"abstract": "Abstract", "noclass": "__doc__"}),
        ("odder", "raise GeneratorExit", {"odder": "X"}),
        ("exits", "raise SystemExit(0)", {"exits": "X"}),
        ("stops", "raise KeyboardInterrupt", {"stops": "X"}),
        ("dumb", DUMB, {"dumb": "X"}),
        ("plain", PLAIN, {"plain": "Plain"}),
        ("rival", SOURCE, {"hello2": "Hello", "run": "Hello"}),
        ("rival2", SOURCE, {"hello2": "Hello"}),
    ):
        write_plugin(site_packages, f"almajob-{name}", f"aj_{name}", source, claims)
    return site_packages


def test_names_are_listed_without_importing_anything(plugins: Path) -> None:
    """Not even those that would break."""
    names = [name for name, _ in Commands()]
    assert {"hello", "my jobs", "broken", "exits", "list", "run", "config show"} <= set(names)
    assert not {"aj_good", "aj_broken", "aj_exits", "aj_rival"} & set(sys.modules)


def test_a_plugins_command_works_like_one_of_ours(plugins: Path, almajob: Run) -> None:
    """Its own option wins over a global one; the context is there; its columns are checked."""
    assert almajob("--env", "demo", "hello", "--env", "b").out == "hello b\n"
    jobs = ("my", "jobs", "--env", "demo")
    assert almajob(*jobs, "-f", "value").out.splitlines() == ["M4664427330000561", "M7470515890000561"]
    for words in (("-c", "zzz"), ("-c", "ID", "-c", "zzz"), ("--sort-column", "zzz")):
        refused = almajob(*jobs, *words)
        assert (refused.code, refused.out) == (2, "")
        assert "There is no column 'zzz'" in refused.err


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("broken", ["almajob-broken 1.2", "aj_broken:X", "No module named 'nowhere_to_be_found'"]),
        ("odder", ["almajob-odder 1.2", "aj_odder:X", "GeneratorExit"]),
        ("exits", ["almajob-exits 1.2", "aj_exits:X", "SystemExit"]),
        ("stops", ["almajob-stops 1.2", "aj_stops:X", "KeyboardInterrupt"]),
        ("dumb", ["almajob-dumb 1.2", "aj_dumb:X", "Dumb: it cannot say of what"]),
        ("abstract", ["almajob-odd 1.2", "has no take_action"]),
        ("noclass", ["almajob-odd 1.2", "It is not a subclass"]),
        # It would have no context, and its errors no exit codes.
        ("plain", ["almajob-plain 1.2", "It is not a subclass of Command"]),
        ("hello2", ["almajob-rival 1.2", "almajob-rival2 1.2", "claimed by several plugins"]),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_by_name(
    plugins: Path, almajob: Run, name: str, parts: list[str]
) -> None:
    """With distribution, version, module and cause; exit code 7."""
    for words in ((name, "--some", "option"), (name, "--help"), ("help", name)):
        done = almajob(*words)
        assert (done.code, done.out) == (7, "")
        assert len(done.err.splitlines()) <= 6
        assert ("--debug" in done.err) is (name != "hello2")
        assert not [part for part in parts if part not in done.err]


@pytest.mark.parametrize(
    ("needed", "reason", "hint"),
    [
        (
            "(1, 1)",
            "It needs version 1.1 of almajob's plugin API, and this almajob has 1.0.",
            "Upgrade almajob.",
        ),
        (
            "(2, 0)",
            "It needs version 2.0 of almajob's plugin API, and this almajob has 1.0.",
            "Upgrade almajob.",
        ),
        (
            "(0, 9)",
            "It needs version 0.9 of almajob's plugin API, and this almajob has 1.0.",
            "Upgrade or uninstall that plugin.",
        ),
        ("'1.0'", "Its almajob_api is not two numbers, such as (1, 0).", "Tell its authors."),
        ("(True, 0)", "Its almajob_api is not two numbers, such as (1, 0).", "Tell its authors."),
        ("(1, 0, 0)", "Its almajob_api is not two numbers, such as (1, 0).", "Tell its authors."),
    ],
)
def test_a_plugin_for_another_api_is_refused(
    site_packages: Path, almajob: Run, needed: str, reason: str, hint: str
) -> None:
    """Exit code 7, with what it needs, what there is, and what to do; plugin list and check say the same."""
    source = GOOD.replace('"Say hello."', f'"Say hello."\n    almajob_api = {needed}')
    write_plugin(site_packages, "almajob-future", "aj_future", source, {"future": "Hello", "jobs": "Jobs"})
    done = almajob("future")
    assert (done.code, done.out) == (7, "")
    assert "almajob-future 1.2 (aj_future:Hello)" in done.err
    assert reason in " ".join(done.err.split())
    assert hint in done.err
    claims = {row["name"]: row for row in json.loads(almajob("plugin", "list", "-f", "json").out)}
    assert (claims["future"]["state"], claims["future"]["problem"]) == ("broken", reason)
    assert claims["jobs"]["state"] == "ok"
    checked = almajob("plugin", "check", "future", "-f", "json")
    assert (checked.code, json.loads(checked.out)[0]["problem"]) == (7, reason)


def test_a_plugin_for_this_api_says_so_in_the_list(site_packages: Path, almajob: Run) -> None:
    """One that says nothing works too."""
    source = GOOD.replace('"Say hello."', '"Say hello."\n    almajob_api = (1, 0)')
    write_plugin(site_packages, "almajob-now", "aj_now", source, {"now": "Hello", "jobs": "Jobs"})
    assert almajob("now", "--env", "a").out == "hello a\n"
    listed = json.loads(almajob("plugin", "list", "-f", "json").out)
    assert {row["name"]: row["api"] for row in listed if row["name"] in ("now", "jobs")} == {
        "now": "1.0",
        "jobs": None,
    }


def test_a_group_is_checked_with_its_commands(site_packages: Path, almajob: Run) -> None:
    """Those that begin with its name, also where nothing describes it."""
    entry_points = {"acme_hello": "Hello", "acme_all_jobs": "Jobs", "acmes": "Hello"}
    write_plugin(site_packages, "almajob-sets", "aj_group", GOOD, entry_points)
    done = almajob("plugin", "check", "acme", "-f", "json")
    assert {row["name"] for row in json.loads(done.out)} == {"acme hello", "acme all jobs"}
    assert "2 of 2 checked need attention." in done.err


def test_a_name_that_this_api_has_not_may_be_a_newer_ones(site_packages: Path, almajob: Run) -> None:
    """A plugin that imports it ends with exit code 7, and the version that there is."""
    source = "from almajob.plugin import Teleporter as X"
    write_plugin(site_packages, "almajob-far", "aj_far", source, {"far": "X"})
    done = almajob("far")
    assert (done.code, done.out) == (7, "")
    assert "cannot import name 'Teleporter' from 'almajob.plugin'" in done.err
    assert "This almajob has version 1.0 of the plugin API." in done.err
    assert "If the plugin needs a newer one, upgrade almajob." in done.err


def test_a_broken_plugin_takes_nothing_down_with_it(plugins: Path, almajob: Run) -> None:
    """Core commands work, and their names cannot be taken, nor words after them: "show M44" shows the job."""
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "ID").out.startswith("M4664427330000561\n")
    for core, words in (("run", ["--job", "x"]), ("show", ["M44"])):
        found, name, rest = Commands().find_command([core, *words])
        assert (found.__module__, name, rest) == (f"almajob.commands.{core}", core, words)
    shown = " ".join(almajob("--help").out.split())
    assert "broken from almajob-broken 1.2 (aj_broken:X): ModuleNotFoundError: No module" in shown
    assert "run from almajob-rival 1.2 (aj_rival:Hello): the name is almajob's own" in shown
    assert " hello Say hello " in shown.partition("From almajob-good:")[2]


def test_a_plugins_group_of_commands_has_help_too(plugins: Path, almajob: Run) -> None:
    """And suggestions from it."""
    shown = almajob("my", "--help")
    assert (shown.code, shown.err) == (0, "")
    assert re.match(r"Usage: almajob my COMMAND \[options\]\n\nCommands:\n  my jobs +\w", shown.out)
    done = almajob("my")
    assert (done.code, done.out, done.err) == (2, "", shown.out)
    assert "Did you mean: my jobs?" in almajob("my", "job").err


SETS = f'"""Create sets, and list them.\n\n100% of %(prog)s.\n\nExamples:\n  almajob acme list\n"""\n{GOOD}'
NAMES = {"acme_list": "Hello", "acme_members_list": "Jobs"}


def _describe(site_packages: Path, name: str, texts: dict[str, str]) -> None:
    write_distribution(site_packages, name, {COMMAND_GROUPS: texts})


def test_a_group_of_a_plugin_has_a_description(site_packages: Path, almajob: Run) -> None:
    """The docstring that its entry point leads to; groups within it have one, too."""
    write_plugin(site_packages, "almajob-sets", "aj_sets", SETS, NAMES)
    _describe(site_packages, "more-sets", {"acme": "aj_sets", "acme_members": "aj_sets:Hello"})
    shown = almajob("acme", "--help").out
    assert "\n\nCreate sets, and list them.\n\n100% of %(prog)s.\n\nCommands:\n" in shown
    assert re.search(r"\n  acme list +Say hello\n  acme members list +List something\n", shown)
    assert (
        "Usage: almajob acme members COMMAND [options]\n\nSay hello.\n"
        in almajob("acme", "members", "-h").out
    )
    assert almajob("help", "acme").out == shown
    assert almajob("acme").err == shown


@pytest.mark.parametrize(
    ("texts", "state", "problem"),
    [
        ({"acme": "nowhere_at_all"}, "broken", "No module named 'nowhere_at_all'"),
        ({"acme": "aj_sets:NAMES"}, "broken", "no attribute 'NAMES'"),
        ({"acme": "aj_sets:Silent"}, "broken", "it has no docstring"),
        ({"shelves": "aj_sets"}, "broken", "no command's name begins with it"),
        ({"runs": "aj_sets"}, "refused", "the group is almajob's own"),
    ],
)
def test_a_description_that_cannot_be_used_is_named(
    site_packages: Path, almajob: Run, texts: dict[str, str], state: str, problem: str
) -> None:
    """The group works all the same; plugin list and check name it."""
    source = f"{SETS}\nclass Silent: __doc__ = None\n"
    write_plugin(site_packages, "almajob-sets", "aj_sets", source, NAMES)
    _describe(site_packages, "almajob-more", texts)
    (name,) = texts
    listed = json.loads(almajob("plugin", "list", "-f", "json").out)
    (row,) = [row for row in listed if row["kind"] == "group"]
    assert (row["name"], row["state"], row["distribution"]) == (name, state, "almajob-more")
    assert problem in row["problem"]
    assert problem in json.loads(almajob("plugin", "check", name, "-f", "json").out)[-1]["problem"]
    shown = almajob("acme", "--help")
    assert (shown.code, "acme members list" in shown.out) == (0, True)
    assert almajob("acme", "list", "--env", "a").out == "hello a\n"
    assert (problem in " ".join(shown.out.split())) is (name == "acme")
    assert "Look up what was started from here" in almajob("runs", "--help").out


def test_a_group_that_two_plugins_describe_has_neither_text(site_packages: Path, almajob: Run) -> None:
    """And says so."""
    write_plugin(site_packages, "almajob-sets", "aj_sets", SETS, NAMES)
    for name in ("one", "two"):
        _describe(site_packages, name, {"acme": f"aj_sets{'' if name == 'one' else ':Hello'}"})
    shown = " ".join(almajob("acme", "--help").out.split())
    assert (
        "acme its description, from one 1.2 (aj_sets): several plugins describe this group of commands"
        in shown
    )
    assert "Create sets, and list them." not in shown


@pytest.mark.parametrize(("how", "code"), [("text", 1), ("none", 0), ("3", 3), ("256", 1), ("return", 1)])
def test_a_plugin_that_exits_does_so_as_it_says(plugins: Path, almajob: Run, how: str, code: int) -> None:
    """A text is told and 1; what a process cannot give as its exit code is not turned into success."""
    done = almajob("exiting", how)
    assert (done.code, "could not do it" in done.err) == (code, how == "text")


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("fails", "KeyError: 'apikey (hidden)'"),
        ("oddly", "Odd: in its action"),
        (
            "nothing",
            "TypeError: take_action returned no (columns, values): "
            "cannot unpack non-iterable NoneType object",
        ),
        ("uneven", "ValueError: take_action returned 2 values for 1 columns"),
        ("parserless", "KeyError: 'in its options'"),
        ("unmade", "KeyError: 'in its constructor'"),
    ],
)
def test_a_bug_in_a_plugin_is_its_own_wherever_it_is(
    plugins: Path, capfd: pytest.CaptureFixture[str], name: str, cause: str
) -> None:
    """Exit code 1, whose it is and what to attach, without a key; with --debug where it arose."""
    told = f"a bug in the command {name!r}, from almajob-good 1.2 (aj_good:{name.title()}): {cause}\n"
    assert main([name]) == 1
    err = capfd.readouterr().err
    assert (told in err, len(err.splitlines())) == (True, 2)
    assert main(["--debug", name]) == 1
    err = capfd.readouterr().err
    assert (told in err, "Traceback" in err, "canary" in err) == (True, True, False)


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
    # Entry points made by hand have no distribution.
    with pytest.raises(ConfigurationError, match="unknown distribution"):
        Commands([EntryPoint("x", "nowhere:X", GROUP)]).find_command(["x"])


def test_words_of_almajobs_own_cannot_be_taken(site_packages: Path, almajob: Run) -> None:
    """They are listed as refused, and stay what they are."""
    names = ("help", "env", "exit", "quit", "env_list", "__complete", "tail_")
    write_plugin(site_packages, "almajob-taker", "aj_taker", GOOD, dict.fromkeys(names, "Hello"))
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    taken = [row for row in rows if row["distribution"] == "almajob-taker"]
    assert [row["state"] for row in taken] == ["refused"] * len(names)
    shown = " ".join(almajob("help").out.split())
    assert shown.count("(aj_taker:Hello): its name is almajob's own") == len(names) - 2
    assert shown.count("(aj_taker:Hello): its name cannot be typed") == 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"\xff\xfe[almajob.commands]\nx = y:Z\n"),
        ("entry_points.txt", b"[almajob.commands]\nno equals sign\n"),
        ("METADATA", b"\xff\xfe\xff"),
        ("METADATA", b""),
        ("METADATA", b"Metadata-Version: 2.1\n"),
    ],
)
def test_a_distribution_that_cannot_be_read_takes_nothing_down(
    site_packages: Path, almajob: Run, file: str, content: bytes
) -> None:
    """Most have nothing to do with almajob; of one without a name the commands work, as anybody's."""
    write_plugin(site_packages, "almajob-good", "aj_good2", GOOD, {"hello": "Hello"})
    damaged = write_distribution(site_packages, "damaged", {GROUP: {"bye": "aj_good2:Hello"}})
    (damaged / file).write_bytes(content)
    assert almajob("hello", "--env", "a").out == "hello a\n"
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    states = {row["name"]: row["state"] for row in rows if row["command_class"] == "aj_good2:Hello"}
    assert states == {"hello": "ok", **({"bye": "ok"} if file == "METADATA" else {})}
    assert almajob("--help").code == 0


def test_every_core_command_is_an_entry_point_of_its_own() -> None:
    """One file a command, named after it, and one folder a group."""
    core = [point for point in entry_points(group=GROUP) if point.dist and point.dist.name == "almajob"]
    assert core
    for point in core:
        # A word of a command's name may have a hyphen, and a module's name may not.
        assert point.module == f"almajob.commands.{point.name.replace('_', '.').replace('-', '_')}"


def test_commands_that_cannot_be_listed_are_not_called_unknown(
    monkeypatch: pytest.MonkeyPatch, almajob: Run
) -> None:
    """What this Python tells of installed packages cannot be read: no slip of whoever typed the command."""
    monkeypatch.setattr("almajob.cli.plugins.distributions.distributions", tuple)
    result = almajob("--env", "demo", "list")
    assert result.code == 7
    assert result.err.startswith("almajob: almajob's own commands cannot be found.\n")
