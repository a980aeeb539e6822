"""Settings of a plugin's own: types, defaults, warnings, and secrets by the same ways as API keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.config import settings
from almajob.config.plugin_options import read_options
from almajob.config.settings import Options
from almajob.errors import ConfigurationError
from almajob.plugin import Secret
from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.memory_keyring import KEPT, MemoryKeyring

Write = Callable[..., Path]
Show = Callable[..., dict[str, Any]]
TOKEN = "canary-token-of-a-plugin"
SOURCE = '''
from __future__ import annotations
import logging
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from almajob.plugin import Secret, ShowOne

@dataclass(frozen=True)
class Options:
    title: str = "none"
    days: int = 14
    share: float = 0.5
    is_sent: bool = False
    folder: Path | None = None
    kinds: tuple[str, ...] = ("a",)
    token: Secret | None = None
    webhook: Secret = Secret("")

class Show(ShowOne):
    """Show the options.

    Examples:
      almajob shown
    """
    columns = ("options", "token", "webhook")

    def take_action(self, parsed_args):
        for _time in range(2):
            found = self.context.options(Options())
        token = found.token.reveal() if found.token else ""
        logging.getLogger(__name__).warning("The token is %s, %r.", token, found)
        plain = {each.name: str(getattr(found, each.name)) for each in fields(found)[:-2]}
        # Backwards, as whatever knows a secret hides it.
        return self.columns, (plain, token[::-1], found.webhook.reveal()[::-1])
'''


@pytest.fixture
def show(site_packages: Path, almajob: Run) -> Show:
    """Show the options that the plugin gets, as text; and what is on stderr."""
    write_plugin(site_packages, "Almajob_Shown", "aj_shown", SOURCE, {"shown": "Show"})

    def run(*words: str) -> dict[str, Any]:
        done = almajob("shown", "-f", "json", *words)
        assert done.code == 0, done.err
        assert TOKEN not in done.out + done.err
        found = json.loads(done.out)
        secrets = {name: (found[name] or "")[::-1] for name in ("token", "webhook")}
        return {**found["options"], **secrets, "err": done.err}

    return run


def test_what_the_section_says_has_the_fields_types(show: Show, write_ini: Write) -> None:
    """The rest keeps its defaults; a path is relative to the file; the name is compared as PyPI does."""
    ini = write_ini(
        "[plugin:almajob.SHOWN]\ntitle = 'A; b'\ndays = 7\nshare = .25\nis_sent = yes\n"
        "folder = reports\nkinds = one, two three,\n"
    )
    shown = show()
    assert shown == {
        "title": "A; b",
        "days": "7",
        "share": "0.25",
        "is_sent": "True",
        "folder": str(ini.parent / "reports"),
        "kinds": "('one', 'two three')",
        "token": "",
        "webhook": "",
        "err": shown["err"],
    }
    write_ini("[plugin:another]\ndays = 7\n")
    assert (show()["days"], show()["kinds"]) == ("14", "('a',)")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("days = soon", "days is not a whole number.", "Write, for example: days = 7"),
        ("days = 1.5", "days is not a whole number.", "days = 7"),
        ("share = nan", "share is not a number.", "share = 0.5"),
        ("is_sent = perhaps", "is_sent must be yes or no.", "is_sent = yes"),
        ("folder =", "folder is not a file or directory.", "folder = reports"),
        ("token_keyring = perhaps", "token_keyring must be yes or no.", "token_keyring = yes"),
        ("token =", "The token of the plugin almajob-shown is empty.", "line 2 (token)"),
        ("token_file = nowhere", "The secret file", "nowhere cannot be read"),
        (
            "token_command = false",
            "token_command of the plugin almajob-shown did not return a secret",
            "exit code 1",
        ),
    ],
)
def test_a_wrong_value_is_an_error_with_its_line(
    show: Show, write_ini: Write, almajob: Run, line: str, message: str, hint: str
) -> None:
    """Exit code 7, and what to write; the value itself is not repeated."""
    ini = write_ini(f"[plugin:almajob-shown]\n{line}\n")
    done = almajob("shown")
    assert (done.code, done.out) == (7, "")
    shown = " ".join(done.err.split())
    assert message in shown
    assert hint in shown
    assert f"{ini}, line 2" in shown or "token" in line
    assert not any(word in done.err for word in ("soon", "perhaps", "nan"))


def test_a_setting_that_is_no_field_is_one_warning(show: Show, write_ini: Write) -> None:
    """With a suggestion, however often the options are read; what is near nothing is not repeated."""
    ini = write_ini(f"[plugin:almajob-shown]\nday = 7\n{TOKEN} = x\ntoken_fiel = x\n")
    err = show()["err"]
    assert err.count(f"{ini}, line 2: day is not a setting of the plugin almajob-shown and is ignored.") == 1
    assert "Did you mean days?" in err
    assert "Did you mean token_file?" in err
    assert err.count("line 3: this line is not a setting") == 1


def test_a_secret_comes_by_the_same_ways_as_a_key(
    show: Show, write_ini: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command, file, keyring, systemd credential, variable, file: take one away and the next one counts."""
    ways = {
        "token_command": f"echo {TOKEN}-1",
        "token_file": "token",
        "token_keyring": "yes",
        "token": f"{TOKEN}-6",
    }
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}-2\nanother line\n", "utf-8")
    secret.chmod(0o600)
    monkeypatch.setattr("keyring.get_keyring", MemoryKeyring)
    monkeypatch.setitem(KEPT, ("almajob", "plugin:almajob-shown:token"), f"{TOKEN}-3")
    memory = MemoryKeyring()  # type: ignore[no-untyped-call]  # keyring's own is not typed
    monkeypatch.setattr("keyring.core._keyring_backend", memory)
    credential = tmp_path / "almajob_plugin_almajob-shown_token"
    credential.write_text(f"{TOKEN}-4", "utf-8")
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("ALMAJOB_PLUGIN_ALMAJOB_SHOWN__TOKEN", f"{TOKEN}-5")
    for number, way in enumerate(
        ("token_command", "token_file", "token_keyring", "credential", "variable", "token"), 1
    ):
        lines = "".join(f"{name} = {value}\n" for name, value in ways.items())
        write_ini(f"[plugin:almajob-shown]\n{lines}")
        shown = show()
        assert shown["token"] == f"{TOKEN}-{number}"
        assert "The token is (hidden), Options(" in shown["err"]
        ways.pop(way, None)
        if way == "credential":
            monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        if way == "variable":
            monkeypatch.delenv("ALMAJOB_PLUGIN_ALMAJOB_SHOWN__TOKEN")


def test_a_program_that_prints_a_secret_runs_once(show: Show, write_ini: Write, tmp_path: Path) -> None:
    """Although the plugin asks twice."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\necho {TOKEN}\n", "utf-8")
    program.chmod(0o700)
    write_ini(f"[plugin:almajob-shown]\ntoken_command = {program}\n")
    assert show()["token"] == TOKEN
    assert (tmp_path / "runs").read_text("utf-8") == "run\n"


@pytest.mark.parametrize("mode", [0o640, 0o604])
@pytest.mark.parametrize("line", [f"token = {TOKEN}", f"webhook = https://example.org/{TOKEN}"])
def test_a_file_with_a_secret_that_others_can_read_is_refused(
    show: Show, write_ini: Write, almajob: Run, line: str, mode: int
) -> None:
    """As one with an API key: by the name of the setting, or once the plugin says that it is one."""
    ini = write_ini(f"[plugin:almajob-shown]\n{line}\n", mode)
    done = almajob("shown")
    assert (done.code, done.out) == (7, "")
    assert f"Type: chmod 600 {ini}" in done.err
    assert TOKEN not in done.err
    ini.chmod(0o600)
    assert TOKEN in "".join(map(str, show().values()))
    write_ini("[plugin:almajob-shown]\ntoken_file = x\ndays = 7\n", mode)
    assert almajob("config", "show").code == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("token_file = FILE", "It holds the token of the plugin almajob-shown."),
        (f"token = {TOKEN}", "It holds the token of the plugin almajob-shown."),
        ("token_command = yes", "more than 64 KiB to stdout, where a secret is one line"),
        ("token_keyring = yes", "The keyring returned no secret for plugin:almajob-shown:token."),
        ("token_keyring = yes", "use token_command or token_file"),
    ],
)
def test_messages_name_the_secret_and_not_an_api_key(
    show: Show,
    write_ini: Write,
    almajob: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    told: str,
) -> None:
    """Whoever reads them would look at the wrong setting."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN, "utf-8")
    secret.chmod(0o644)
    mode = 0o644 if TOKEN in line else 0o600
    write_ini(f"[plugin:Almajob_Shown]\n{line.replace('FILE', str(secret))}\n", mode)
    memory = MemoryKeyring()  # type: ignore[no-untyped-call]  # keyring's own is not typed
    memory.is_locked = True
    monkeypatch.setattr("keyring.core._keyring_backend", memory)
    done = almajob("shown")
    assert (done.code, done.out) == (7, "")
    shown = " ".join(done.err.split())
    assert told in shown
    assert not re.search(r"(?i)\bapi\b|\bapi_|\bkey\b", shown)


def test_a_secret_whose_mode_is_fixed_is_told_its_own_other_ways(
    show: Show, write_ini: Write, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a mount that is read only: each way that is named is one for this secret."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN, "utf-8")
    secret.chmod(0o640)
    write_ini(f"[plugin:almajob-shown]\ntoken_file = {secret}\n")
    monkeypatch.setattr("almajob.config.ini_reader._may_change", lambda *_: False)
    monkeypatch.setattr("almajob.config.ini_reader._is_mounted_secret", lambda *_: False)
    shown = " ".join(almajob("shown").err.split())
    for way in (
        f"token_command = cat {secret}",
        "the variable ALMAJOB_PLUGIN_ALMAJOB_SHOWN__TOKEN",
        "with a file almajob_plugin_almajob-shown_token.",
    ):
        assert way in shown
    assert "API" not in shown
    assert "<ENV>" not in shown


def test_what_may_be_a_secret_is_not_shown(write_ini: Write, almajob: Run, site_packages: Path) -> None:
    """``config show`` has each setting with its line; values only where the name raises no doubt."""
    hidden = {
        "token": TOKEN,
        "smtp_password": TOKEN,
        "client_secret": TOKEN,
        "webhook_url": f"https://example.org/{TOKEN}",
        "token_command": f"echo {TOKEN}",
        "signing_key": TOKEN,
        "slack": f"https://example.org/{TOKEN}",
        "github": "canary_16C7e42F292c",
        "sms_pin": "93048151",
        "sms_file": "canary_16C7e42F292c",
    }
    shown = {
        "days": "7",
        "title": "Weekly report of 2026",
        "folder": "/srv/reports/2026/spring-term",
        "token_file": "/run/token",
        "token_keyring": "no",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in {**hidden, **shown}.items())
    ini = write_ini(f"[almajob]\ndisable_plugins = other\n[plugin:Almajob_Shown]\n{lines}")
    done = almajob("config", "show", "-f", "json")
    assert not any(text in done.out + done.err for text in (TOKEN, "canary_", "93048151"))
    rows = {row["setting"]: (row["value"], row["source"]) for row in json.loads(done.out)}
    for number, (name, value) in enumerate({**hidden, **shown}.items(), 4):
        expected = value if name in shown else "(hidden)"
        assert rows[f"plugin:almajob-shown.{name}"] == (expected, f"{ini}, line {number}")
    assert rows["disable_plugins"] == ("other", f"{ini}, line 2")


def test_an_untrusted_file_sets_nothing(
    show: Show, write_ini: Write, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No program runs and the plugin gets nothing until the file is trusted; without a section it runs."""
    marker = tmp_path / "marker"
    monkeypatch.setenv("ALMAJOB_PLUGIN_ALMAJOB_SHOWN__TOKEN", TOKEN)
    ini = write_ini(f"[plugin:almajob-shown]\ntoken_command = touch {marker}\n")
    monkeypatch.delenv("ALMAJOB_INI")
    monkeypatch.chdir(ini.parent)
    done = almajob("shown")
    assert (done.code, done.out) == (7, "")
    assert "It would set options of the plugin almajob-shown." in " ".join(done.err.split())
    assert not marker.exists()
    ini.write_text("[plugin:almajob-shown]\ndays = 7\n", "utf-8")
    assert almajob("shown").code == 7
    assert almajob("config", "trust").code == 0
    assert (show()["days"], show()["token"]) == ("7", TOKEN)
    ini.write_text("", "utf-8")
    assert show()["token"] == TOKEN


def test_a_variable_with_a_secret_reaches_no_program(
    site_packages: Path, almajob_process: Run, write_ini: Write
) -> None:
    """Nor does a plugin find it in its own environment; the file's commands print what they have."""
    write_ini("")
    source = SOURCE.replace(
        "for _time in range(2):",
        "import subprocess; print(subprocess.run('env', capture_output=True).stdout, file=self.app.stderr)\n"
        "        for _time in range(2):",
    )
    write_plugin(site_packages, "almajob-shown", "aj_shown", source, {"shown": "Show"})
    environ = {"PYTHONPATH": str(site_packages), "ALMAJOB_PLUGIN_ALMAJOB_SHOWN__TOKEN": TOKEN}
    done = almajob_process("shown", "-f", "json", environ=environ)
    assert done.code == 0
    assert json.loads(done.out)["token"] == TOKEN[::-1]
    assert "PYTHONPATH" in done.err
    assert "ALMAJOB_PLUGIN" not in done.err
    assert TOKEN not in done.err


@pytest.mark.parametrize(
    ("field", "ini"),
    [
        ("token: str = ''", f"token = {TOKEN}"),
        ("days: list = ()", ""),
        ("Days: int = 1", ""),
        ("days: int | str = 1", ""),
    ],
)
def test_a_field_that_no_setting_can_be_is_the_plugins_bug(
    site_packages: Path, almajob: Run, write_ini: Write, field: str, ini: str
) -> None:
    """Exit code 1, with the field's name; a text that is a secret by its name is one of them."""
    source = SOURCE.replace("days: int = 14", field if ini == "" else f"days: int = 14\n    my_{field}")
    write_ini(f"[plugin:almajob-shown]\n{'my_' + ini if ini else ''}\n")
    write_plugin(site_packages, "almajob-shown", "aj_shown", source, {"shown": "Show"})
    done = almajob("shown")
    assert (done.code, done.out) == (1, "")
    assert "a bug in the command 'shown', from almajob-shown 1.2 (aj_shown:Show): TypeError" in done.err
    assert field.partition(":")[0] in done.err
    assert TOKEN not in done.err


def test_a_file_has_options_of_its_own(write_ini: Write, almajob: Run) -> None:
    """Under the file's name."""
    ini = write_ini("[almajob]\nplugins_dir = .\n[plugin:shown-by-file]\ndays = 9\n")
    plugin = ini.parent / "shown-by-file.py"
    plugin.write_text(SOURCE, "utf-8")
    plugin.chmod(0o600)
    done = almajob("shown-by-file", "-f", "json")
    assert json.loads(done.out)["options"]["days"] == "9"


@dataclass(frozen=True)
class _Every:
    text: str = ""
    count: int = 0
    share: float = 0.0
    is_on: bool = False
    place: Path = Path()
    names: tuple[str, ...] = ()
    token: Secret | None = None


@given(st.sampled_from([field.name for field in fields(_Every)]), st.text())
def test_any_value_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    """With the field's type, or with an error that does not repeat the value; nothing else is raised."""
    path = tmp_path_factory.getbasetemp() / "options.ini"
    path.write_text(f"[plugin:x]\n{name} = {value}\n", "utf-8", "replace")
    path.chmod(0o600)
    try:
        found = settings.load(Options(ini_file=str(path)), {})
        read = read_options(_Every(), "x", found, {}, lambda _name, fetch: fetch())
    except ConfigurationError as error:
        assert not re.search(rf"\b{re.escape(value)}\b", error.message) or len(value) < 6
        return
    kinds = {"is_on": bool, "count": int, "share": float, "place": Path, "names": tuple, "token": Secret}
    assert isinstance(getattr(read, name), kinds.get(name, str))
