"""What can be typed: our own commands as they are, and those of plugins, which are asked once."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.cli.app import AlmaJob
from almajob.cli.plugins.completion_grammar import of_core
from almajob.completion import grammar
from tests.conftest import Run
from tests.support.distributions import GOOD, write_plugin

# Each time that it is imported it says so.
TELLING = """
import os
with open(os.environ["TOLD"], "a") as file:
    file.write("imported ")
""" + GOOD.replace(
    'class Jobs(Lister):\n    "List something."',
    """class Jobs(Lister):
    "List something: 'quoted', and $(touch PWNED)."
    columns = ("One", "Two words")
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--colour", choices=("red", "blue"))
        parser.add_argument("--of", metavar="JOB")
        parser.add_argument("--hidden", help=__import__("argparse").SUPPRESS)
        parser.add_argument("what", metavar="ENVIRONMENT")
        return parser""",
)

Ask = Callable[..., list[str]]


def test_our_own_grammar_is_up_to_date() -> None:
    """It is generated from the parsers."""
    app = AlmaJob()
    now = of_core(app)
    kept = json.loads(Path(grammar.CORE).read_text("utf-8"))
    assert kept == now, "run python -m tests.tools.generated_docs"
    assert all(command["summary"] for command in kept["commands"].values())


def test_descriptions_of_options_are_phrases() -> None:
    """No cut parenthesis, and no name of a format alone."""
    kept = json.loads(Path(grammar.CORE).read_text("utf-8"))
    texts = {text for option in kept["options"] for text in option if isinstance(text, str)}
    assert "json: print everything on one line" in texts
    assert not [
        text for text in texts if text in ("csv", "json", "table") or text.count("(") > text.count(")")
    ]


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A directory into which distributions are installed."""
    path = tmp_path / "site"
    path.mkdir()
    return path


@pytest.fixture
def ask(almajob_process: Run, site_packages: Path, tmp_path: Path) -> Ask:
    """Complete the last of some words in a process that finds what is installed in that directory."""
    path = os.pathsep.join([str(site_packages), *filter(None, [os.environ.get("PYTHONPATH")])])

    def asked(*words: str) -> list[str]:
        # A directory of compiled modules is one more reason to ask again.
        environ = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        environ["TOLD"] = str(tmp_path / "told")
        done = almajob_process("__complete", "zsh", "almajob", *words, environ=environ)
        assert done.code == 0
        kind, *lines = done.out.splitlines()
        assert kind == "words"
        return [line.partition("\t")[0] for line in lines]

    return asked


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], int]:
    """How often the plugin was imported."""
    return lambda: (
        (tmp_path / "told").read_text("utf-8").count("imported") if (tmp_path / "told").exists() else 0
    )


def _index() -> Path:
    return Path.home() / ".cache" / "almajob" / ".cache.completion"


def test_a_plugins_commands_can_be_completed(ask: Ask, site_packages: Path) -> None:
    """Names, options, choices, columns, and values that it calls as we do."""
    commands = {"hello": "Hello", "my_jobs": "Jobs", "show_M44": "Hello"}
    write_plugin(site_packages, "almajob-telling", "aj_telling", TELLING, commands)
    assert ask("hell") == ["hello"]
    assert ask("my", "") == ["jobs"]
    assert {"list", "run", "hello", "my"} <= set(ask(""))
    assert ask("my", "jobs", "--co") == ["--column", "--colour"]
    assert ask("my", "jobs", "--colour=") == ["--colour=red", "--colour=blue"]
    assert ask("my", "jobs", "-c", "T") == ["Two words"]
    assert ask("my", "jobs", "--hid") == []
    assert ask("my", "jobs", "") == ["demo"]
    assert ask("hello", "--env", "") == ["a", "b"]
    assert ask("show", "M4") == []


def test_plugins_are_asked_once(ask: Ask, site_packages: Path, told: Callable[[], int]) -> None:
    """What they say is kept for this user alone; they are asked anew when the directory changes."""
    write_plugin(site_packages, "almajob-telling", "aj_telling", TELLING, {"hello": "Hello"})
    for _time in range(3):
        assert ask("hell") == ["hello"]
    assert told() == 1
    assert stat.S_IMODE(_index().stat().st_mode) == 0o600
    assert stat.S_IMODE(_index().parent.stat().st_mode) == 0o700
    write_plugin(site_packages, "almajob-more", "aj_more", TELLING, {"hence": "Hello"})
    assert ask("he") == ["hello", "help", "hence"]
    assert told() == 3
    shutil.rmtree(site_packages / "almajob_telling-1.2.dist-info")
    assert ask("he") == ["help", "hence"]
    assert [path.name for path in _index().parent.iterdir()] == [".cache.completion"]


BROKEN = (
    "import nowhere_to_be_found",
    "raise SystemExit(0)",
    "print('a word of its own'); X = 7",
    GOOD + "class X(Hello):\n    def get_parser(self, prog_name):\n        raise KeyError(7)\n",
    GOOD + "class X(Hello):\n    def get_parser(self, prog_name):\n        raise SystemExit(3)\n",
    GOOD + "class X(Hello):\n    def __init__(self):\n        pass\n",
    GOOD + "class X(Hello):\n    columns = 7\n",
)


def test_a_broken_plugin_harms_nothing(ask: Ask, site_packages: Path) -> None:
    """Others can be completed, and ours."""
    write_plugin(site_packages, "almajob-telling", "aj_telling", TELLING, {"hello": "Hello"})
    for number, source in enumerate(BROKEN):
        commands = {f"broken{number}": "X", "list": "X"}
        write_plugin(site_packages, f"almajob-broken{number}", f"aj_broken{number}", source, commands)
    assert ask("hell") == ["hello"]
    assert ask("list", "--ty") == ["--type"]


def test_what_is_disabled_is_not_completed_and_a_file_is(
    ask: Ask, site_packages: Path, told: Callable[[], int], write_ini: Callable[..., Path]
) -> None:
    """As the configuration file says by now, also one that the line names; asked once for each."""
    write_plugin(site_packages, "almajob-telling", "aj_telling", TELLING, {"hello": "Hello"})
    ini = write_ini("[almajob]\nplugins_dir = .\n")
    plugin = ini.parent / "hello-file.py"
    plugin.write_text(TELLING.partition("class Jobs")[0], "utf-8")
    plugin.chmod(0o600)
    assert ask("hell") == ["hello", "hello-file"]
    ini.write_text("[almajob]\nplugins_dir = .\ndisable_plugins = hello\n", "utf-8")
    asked = told()
    for _time in range(2):
        assert ask("hell") == ["hello-file"]
    assert told() == asked + 1
    other = ini.parent / "other.ini"
    other.write_text("[almajob]\ndisable_plugins = almajob-telling\n", "utf-8")
    other.chmod(0o600)
    assert ask("--ini-file", str(other), "hell") == []


DAMAGED = (
    *("", "{", "[]", "7", "null", "{}", '{"installed": []}', "[" * 100_000, "\xff"),
    *('{"installed": INSTALLED}', '{"installed": INSTALLED, "grammar": 7}'),
    '{"installed": INSTALLED, "grammar": {"options": [], "general": [7], "commands": {}}}',
    '{"installed": INSTALLED, "grammar": {"options": [7], "general": [0], "commands": {}}}',
    '{"installed": INSTALLED, "grammar": {"options": [], "general": [], "commands": {"hello": 7}}}',
    '{"installed": INSTALLED, "grammar": {"options": [], "general": [], "commands": {"x": {"y": 7}}}}',
)


def test_a_damaged_index_is_made_anew(site_packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in it: the plugins are asked again."""
    write_plugin(site_packages, "almajob-good", "aj_index", GOOD, {"hello": "Hello"})
    monkeypatch.syspath_prepend(str(site_packages))
    told = {"options": [], "general": [], "commands": {"hello": {"summary": "Greet.", "options": []}}}
    cache = str(_index().parent)
    assert "hello" in grammar.load_grammar(cache, lambda: told).summaries
    whole = _index().read_text("utf-8")
    for text in DAMAGED:
        _index().write_text(text.replace("INSTALLED", json.dumps(json.loads(whole)["installed"])), "latin-1")
        assert "hello" in grammar.load_grammar(cache, lambda: told).summaries
        assert _index().read_text("utf-8") == whole, text


def test_a_cache_that_cannot_be_written_harms_nothing(ask: Ask, site_packages: Path) -> None:
    """The plugins are asked each time then."""
    write_plugin(site_packages, "almajob-telling", "aj_telling", TELLING, {"hello": "Hello"})
    (Path.home() / ".cache").write_text("no directory", "utf-8")
    assert ask("hell") == ["hello"]
    assert (Path.home() / ".cache").read_text("utf-8") == "no directory"
