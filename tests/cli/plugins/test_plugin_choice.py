"""Plugins that are one file, and plugins that are switched off: which can be used, and who says so."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.distributions import GOOD, write_distribution, write_plugin
from tests.support.thoroughness import sample

Write = Callable[..., Path]

REPORT = '''
"""A plugin in one file."""
import logging
from almajob.plugin import ShowOne

LOG = logging.getLogger(__name__)

class Report(ShowOne):
    """Count the jobs.

    Examples:
      almajob --env demo overdue-report
    """
    columns = ("name", "jobs")

    def take_action(self, parsed_args):
        self.context.store.set("seen", 1)
        LOG.warning("A word of the file's own.")
        return self.columns, ("report", len(self.context.catalogue.jobs()))
'''
FORMAT = """
from cliff.formatters.base import ListFormatter
class Dots(ListFormatter):
    def add_argument_group(self, parser): pass
    def emit_list(self, column_names, data, stdout, parsed_args):
        stdout.write("dots\\n")
"""


@pytest.fixture
def plugins_d(write_ini: Write) -> Path:
    """The directory of plugins beside the configuration file, which names it."""
    ini = write_ini("[almajob]\nplugins_dir = plugins.d\n")
    directory = ini.parent / "plugins.d"
    directory.mkdir(mode=0o700)
    return directory


def _write_file(directory: Path, name: str, source: str = REPORT, mode: int = 0o600) -> Path:
    path = directory / name
    path.write_text(source, "utf-8")
    path.chmod(mode)
    return path


def _list_states(almajob: Run) -> dict[tuple[str, str], str]:
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    return {(row["name"], row["distribution"]): row["state"] for row in rows}


def test_a_file_is_a_command(plugins_d: Path, almajob: Run, tmp_path: Path) -> None:
    """Its name is the file's, a word more behind each underscore; it has a store and a logger like others."""
    report = _write_file(plugins_d, "overdue-report.py")
    _write_file(plugins_d, "acme_create.py")
    done = almajob("--env", "demo", "overdue-report", "-f", "json")
    assert json.loads(done.out) == {"name": "report", "jobs": 88}
    assert done.err.splitlines() == ["A word of the file's own."]
    assert almajob("acme", "create", "--env", "demo", "-f", "value", "-c", "jobs").out == "88\n"
    assert sorted(os.listdir(plugins_d)) == ["acme_create.py", "overdue-report.py"]
    assert _list_states(almajob)["overdue-report", str(report)] == "ok"
    assert re.search(rf"From {report}:\n  overdue-report +Count the jobs\n", almajob("--help").out)
    assert almajob("plugin", "check", "overdue-report").code == 0


def test_without_the_setting_there_is_no_such_command(
    plugins_d: Path, almajob: Run, write_ini: Write
) -> None:
    """A directory of that name beside the file is nothing by itself."""
    _write_file(plugins_d, "overdue-report.py")
    write_ini("[almajob]\n")
    assert almajob("overdue-report").code == 2


@pytest.mark.parametrize("words", [("--ini-file", "INI", "hello"), ("hello", "--ini-file=INI")])
def test_the_option_may_name_the_file_that_names_the_directory(
    plugins_d: Path, almajob: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Before the command, and after it, though nobody knows the command before the file is read."""
    _write_file(plugins_d, "hello.py")
    ini = os.environ["ALMAJOB_INI"]
    monkeypatch.delenv("ALMAJOB_INI")
    assert almajob("hello").code == 2
    done = almajob("--env", "demo", *(word.replace("INI", ini) for word in words), "-f", "value")
    assert (done.code, done.out) == (0, "report\n88\n")


BROKEN = {
    "empty": ("", "has no command"),
    "imports": ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
    "killed": ("import os\nos.kill(os.getpid(), 9)", "ended the process"),
    "exits": ("raise SystemExit(0)", "SystemExit"),
    "syntax": ("def (", "SyntaxError"),
    "several": (
        f"{REPORT}\nclass Two(Report): pass\nclass Three(Report): pass\n",
        "several commands: Two, Three",
    ),
    "newer": (f"{REPORT}\n    almajob_api = (9, 0)\n", "it needs version 9.0"),
}


def test_a_file_that_is_no_command_is_refused_and_harms_nothing(plugins_d: Path, almajob: Run) -> None:
    """It is named with the reason, exit code 7; the file beside it works."""
    for name, (source, _message) in BROKEN.items():
        _write_file(plugins_d, f"{name}.py", source)
    _write_file(plugins_d, "hello.py")
    for name, (_source, message) in BROKEN.items():
        if name != "killed":
            done = almajob(name)
            assert (done.code, done.out) == (7, "")
            shown = " ".join(done.err.split())
            assert message.lower() in shown.lower()
            assert str(plugins_d / f"{name}.py") in shown
            assert "uninstall" not in shown
            assert ("Put one into it" in shown) == (name == "empty")
    rows = {row["name"]: row for row in json.loads(almajob("plugin", "list", "-f", "json").out)}
    assert rows["hello"]["state"] == "ok"
    for name, (_source, message) in BROKEN.items():
        assert rows[name]["state"] == "broken"
        assert message.lower() in rows[name]["problem"].lower()


@pytest.mark.parametrize(
    ("of_file", "of_directory", "message"),
    sample(
        [
            (0o606, 0o700, "can be changed by other users"),
            (0o620, 0o700, "can be changed by other users"),
            (0o600, 0o770, "can be replaced by others"),
        ]
    ),
)
def test_a_file_that_others_can_change_is_not_loaded(
    plugins_d: Path, almajob: Run, of_file: int, of_directory: int, message: str
) -> None:
    """Nor one that they can put there; exit code 7 with the chmod that fixes it."""
    _write_file(plugins_d, "hello.py", f"open({str(plugins_d / 'marker')!r}, 'w')\n{REPORT}", of_file)
    plugins_d.chmod(of_directory)
    done = almajob("hello")
    assert (done.code, done.out) == (7, "")
    assert message in " ".join(done.err.split())
    assert "Type: chmod go-w " in done.err
    # Nor by what only looks at it.
    listed = json.loads(almajob("plugin", "list", "-f", "json").out)
    assert [row["state"] for row in listed if row["name"] == "hello"] == ["broken"]
    assert not (plugins_d / "marker").exists()


def test_a_file_of_somebody_else_is_not_loaded(plugins_d: Path, almajob: Run, tmp_path: Path) -> None:
    """Nor one that a link leads to where others can exchange it."""
    source = f"open({str(tmp_path / 'marker')!r}, 'w')\n{REPORT}"
    if os.geteuid() == 0:
        os.chown(_write_file(plugins_d, "theirs.py", source), 12345, -1)
        done = almajob("theirs")
        assert (done.code, "belongs to another user" in done.err) == (7, True)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (plugins_d / "linked.py").symlink_to(_write_file(shared, "linked.py", source))
    done = almajob("linked")
    assert (done.code, "can be replaced by others" in " ".join(done.err.split())) == (7, True)
    assert not (tmp_path / "marker").exists()


def test_a_directory_that_is_not_there_is_reported(plugins_d: Path, almajob: Run) -> None:
    """Lists go on with a warning, almajob's own commands without one; what may be a plugin's is refused."""
    plugins_d.rmdir()
    done = almajob("hello")
    assert (done.code, done.out) == (7, "")
    assert done.err.startswith(f"almajob: The plugins directory {plugins_d} cannot be read.\n")
    assert done.err.count(str(plugins_d)) == 1
    listed = almajob("plugin", "list")
    assert (listed.code, str(plugins_d) in listed.err) == (0, True)
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "id").err == ""


def test_an_untrusted_file_switches_nothing_on_or_off(
    plugins_d: Path, almajob: Run, site_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An almajob.ini of the current directory does neither, and says so, until it is trusted."""
    write_plugin(site_packages, "almajob-good", "aj_untrusted", GOOD, {"good": "Hello"})
    ini = Path(os.environ["ALMAJOB_INI"])
    ini.write_text("[almajob]\nplugins_dir = plugins.d\ndisable_plugins = good\n", "utf-8")
    _write_file(plugins_d, "hello.py", f"open({str(plugins_d / 'marker')!r}, 'w')\n{REPORT}")
    monkeypatch.delenv("ALMAJOB_INI")
    monkeypatch.chdir(ini.parent)
    for words in (("hello",), ("plugin", "list"), ("--help",)):
        assert "almajob.ini is not trusted, so its plugins_dir and disable_plugins is" in almajob(*words).err
    assert almajob("good", "--env", "a").out == "hello a\n"
    assert not (plugins_d / "marker").exists()
    assert almajob("config", "trust").code == 0
    assert almajob("hello", "--env", "demo", "-f", "value").out == "report\n88\n"
    assert almajob("good", "--env", "a").code == 7


def test_a_name_of_almajobs_own_cannot_be_taken_by_a_file(plugins_d: Path, almajob: Run) -> None:
    """Nor is what two plugins claim either's."""
    for name in ("list.py", "show_M44.py", "help.py", "-x.py", "acme_-x.py", "hello.py"):
        _write_file(plugins_d, name, "raise SystemExit(0)")
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "id", "--name", "*Overdue*").code == 0
    states = _list_states(almajob)
    for name in ("list", "show M44", "help", "-x", "acme -x"):
        assert states[name, str(plugins_d / f"{name.replace(' ', '_')}.py")] == "refused"


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ("almajob-a", "hello b\n"),
        ("ALMAJOB_A", "hello b\n"),
        ("almajob-b", "hello a\n"),
        ("almajob-a, almajob-c", "hello b\n"),
    ],
)
def test_a_name_that_two_claim_is_free_for_one_where_the_other_is_disabled(
    site_packages: Path, almajob: Run, write_ini: Write, off: str, left: str
) -> None:
    """The message about the clash says how."""
    for name in ("a", "b"):
        source = GOOD.replace("parsed_args.env", repr(name))
        write_plugin(site_packages, f"almajob-{name}", f"aj_clash_{name}", source, {"hello": "Hello"})
    done = almajob("hello")
    assert (done.code, "disable_plugins = NAME" in done.err) == (7, True)
    write_ini(f"[almajob]\ndisable_plugins = {off}\n")
    assert almajob("hello").out == left


@pytest.mark.parametrize("off", ["almajob-good", "hello dots", "ALMAJOB_PLUGINS"])
def test_what_is_disabled_is_neither_listed_nor_loaded(
    site_packages: Path, almajob: Run, write_ini: Write, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    """Commands and formats; one that is typed is refused, with what to do, and almajob's own go on."""
    marker = site_packages / "marker"
    source = f"open({str(marker)!r}, 'w')\n{GOOD}{FORMAT}"
    write_distribution(
        site_packages,
        "almajob-good",
        {
            "almajob.commands": {"hello": "aj_off:Hello", "run": "aj_off:Hello"},
            "cliff.formatter.list": {"dots": "aj_off:Dots"},
        },
    )
    (site_packages / "aj_off.py").write_text(source, "utf-8")
    where = "the variable ALMAJOB_PLUGINS"
    if off.startswith("ALMAJOB_"):
        monkeypatch.setenv("ALMAJOB_PLUGINS", "none")
    else:
        where = f"{write_ini(f'[almajob]{chr(10)}disable_plugins = {off}{chr(10)}')}, line 2"
    done = almajob("hello", "--env", "a")
    assert (done.code, done.out) == (7, "")
    shown = " ".join(done.err.split())
    assert "The command 'hello' is disabled. It comes from almajob-good 1.2 (aj_off:Hello), which" in shown
    assert f"disabled by {where}." in shown
    assert "hello" not in almajob("--help").out
    assert almajob("--env", "demo", "list", "-f", "dots").code == 2
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "id").code == 0
    states = _list_states(almajob)
    assert (states["hello", "almajob-good"], states["dots", "almajob-good"]) == ("disabled", "disabled")
    if off != "hello dots":
        assert almajob("plugin", "check").code == 0
        assert not marker.exists()
    checked = almajob("plugin", "check", "hello", "-f", "value", "-c", "problem")
    assert (checked.code, checked.out) == (7, f"it is disabled by {where}\n")


@pytest.mark.parametrize(
    "words", ["acme", "acme --help", "acme shwo", "help acme", "acme report daily", "acme report"]
)
def test_a_group_of_which_all_is_disabled_is_refused_as_disabled(
    site_packages: Path, almajob: Run, write_ini: Write, words: str
) -> None:
    """Whatever follows its name, with what disables it; what is left of a group is shown as before."""
    commands = {"acme_show": "Hello", "acme_report_daily": "Jobs"}
    write_plugin(site_packages, "almajob-acme", "aj_group", GOOD, commands)
    ini = write_ini("[almajob]\ndisable_plugins = almajob-acme\n")
    done = almajob(*words.split())
    assert (done.code, done.out) == (7, "")
    shown = " ".join(done.err.split())
    assert re.search(
        r"All commands of 'acme(?: report)?' are disabled|'acme report daily' is disabled", shown
    )
    assert f"almajob-acme 1.2 (aj_group:{'Jobs' if 'report' in words else 'Hello'})" in shown
    assert f"which is disabled by {ini}, line 2. Remove that setting to use it." in shown
    assert almajob("acmes").code == 2
    write_ini("[almajob]\ndisable_plugins = acme_report_daily\n")
    assert almajob("acme").code == 2
    assert "acme show" in almajob("acme", "--help").out


@pytest.mark.parametrize(
    ("files", "distribution", "refused", "namesake"),
    [
        (["acme-report.py"], "Acme.Report", "acme-report", "Acme.Report"),
        (["acme_report.py"], "acme-report", "acme report", "acme-report"),
        (["almajob.py"], "other", "almajob", "almajob"),
        (["acme-report.py", "acme_report.py"], "other", "acme-report", "acme_report.py"),
    ],
)
def test_a_file_that_would_share_the_settings_of_another_plugin_is_refused(
    plugins_d: Path,
    almajob: Run,
    site_packages: Path,
    files: list[str],
    distribution: str,
    refused: str,
    namesake: str,
) -> None:
    """Its section, its secrets and its store are found by its name; the package goes on."""
    write_plugin(site_packages, distribution, "aj_namesake", GOOD, {"hello": "Hello"})
    for name in files:
        _write_file(plugins_d, name)
    done = almajob("--env", "demo", *refused.split())
    assert (done.code, done.out) == (7, "")
    shown = " ".join(done.err.split())
    assert f"Its name is also that of {namesake.replace('acme_report.py', str(plugins_d))}" in shown
    assert "whose settings and store it would share" in shown
    assert "Rename the file." in shown
    assert _list_states(almajob)[refused, str(plugins_d / files[0])] == "clash"
    assert almajob("hello", "--env", "a").out == "hello a\n"


@pytest.mark.parametrize("value", ["off", "all", "almajob-good"])
def test_another_value_of_the_variable_is_refused(
    site_packages: Path, almajob: Run, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A plugin's command is not run then: nobody knows whether it was to be. almajob's own are."""
    write_plugin(site_packages, "almajob-good", "aj_value", GOOD, {"hello": "Hello"})
    monkeypatch.setenv("ALMAJOB_PLUGINS", value)
    done = almajob("hello", "--env", "a")
    assert (done.code, done.out, "can only be set to none" in done.err) == (7, "", True)
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "id").code == 0
    assert "hello" in almajob("--help").out


def test_almajobs_own_commands_cannot_be_disabled(almajob: Run, write_ini: Write) -> None:
    """By their names, or as a whole."""
    write_ini("[almajob]\ndisable_plugins = list almajob\n")
    assert almajob("--env", "demo", "list", "-f", "value", "-c", "id").code == 0
    assert ("list", "almajob") in _list_states(almajob)


def test_a_name_of_no_plugin_is_found_by_config_check(
    plugins_d: Path, almajob: Run, site_packages: Path
) -> None:
    """A row each with what may be meant, and no error: what is meant may be installed elsewhere."""
    write_plugin(site_packages, "almajob-good", "aj_names", GOOD, {"hello": "Hello"})
    _write_file(plugins_d, "job-types.py")
    ini = Path(os.environ["ALMAJOB_INI"])
    ini.write_text(
        "[almajob]\nplugins_dir = plugins.d\ndisable_plugins = almajob-good job-tpyes\n"
        "[plugin:job-types]\n[plugin:almajob-godo]\n[plugin:almajob-good]\n[plugin:hello]\n",
        "utf-8",
    )
    done = almajob("--env", "demo", "config", "check", "-f", "json")
    assert done.code == 0
    rows = {row["check"]: (row["result"], row["fix"]) for row in json.loads(done.out)}
    named = {name: rows[name] for name in rows if "plugin" in name}
    assert named == {
        "[plugin:almajob-godo]": ("no plugin of that name is installed", "Did you mean almajob-good?"),
        "[plugin:hello]": ("no plugin of that name is installed", None),
        "disable_plugins": ("no plugin job-tpyes is installed", "Did you mean job-types?"),
    }
