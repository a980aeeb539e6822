"""Which ledger is meant, and where its password comes from: nearer wins, and no secret is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from almajob.config import settings
from almajob.config.ini_reader import Setting
from almajob.config.ledger_address import find_password_source, read_password
from almajob.config.settings import Options, Settings
from almajob.errors import ConfigurationError
from almajob.runs.ledger_place import place_of
from almajob.store.directory.directory_place import DirectoryPlace
from almajob.text.redaction import redact
from tests.conftest import Run
from tests.support.canary import key_in

Write = Callable[..., Path]
URL = "postgresql://almajob@db.example.edu/almajob"
WORD = "Pa55word/Canary+of=the~Ledger"


def _load(environ: Mapping[str, str] | None = None) -> Settings:
    return settings.load(Options(), {**os.environ, **(environ or {})})


def test_the_variable_wins_over_the_ini_and_both_over_the_directory(write_ini: Write) -> None:
    assert _load().ledger is None
    assert _load().database is None
    ini = write_ini(f"[almajob]\nledger = {URL}\n")
    assert _load().ledger == Setting(URL, f"{ini}, line 2", 2)
    assert str(_load().database) == URL
    other = "postgresql:///other"
    assert str(_load({"ALMAJOB_LEDGER": other}).database) == other
    assert _load({"ALMAJOB_LEDGER": "directory"}).database is None
    assert str(_load({"ALMAJOB_LEDGER": ""}).database) == URL


def test_the_directory_is_the_place_where_no_database_is_named() -> None:
    assert isinstance(place_of(_load(), os.environ), DirectoryPlace)
    found = place_of(_load({"ALMAJOB_LEDGER": URL}), os.environ)
    assert found.name == URL
    assert found.newest.parent == Path.home() / ".local" / "state" / "almajob"


@pytest.mark.parametrize("value", ["/var/lib/ledger", "mysql://x/y", "postgresql://db.example.edu"])
def test_another_place_is_refused_with_its_line(write_ini: Write, almajob: Run, value: str) -> None:
    ini = write_ini(f"[almajob]\nledger = {value}\n")
    done = almajob("--env", "demo", "list")
    assert done.code == 7
    assert f"{ini}, line 2: ledger does not say where the ledger is." in done.err
    assert "postgresql://almajob@db.example.edu/almajob" in done.err
    assert value not in done.err.replace(URL, "")


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_password_in_the_address_is_refused_and_hidden(
    write_ini: Write, almajob: Run, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    """Also from whoever asks what is configured."""
    url = "postgresql://almajob:Pa55word-in-the-Address@db.example.edu/almajob"
    if by_variable:
        monkeypatch.setenv("ALMAJOB_LEDGER", url)
    else:
        write_ini(f"[almajob]\nledger = {url}\n")
    for words in (("config", "show"), ("-v", "config", "check"), ("--env", "demo", "list")):
        done = almajob(*words)
        assert done.code == 7
        assert "The address has a password in it." in done.out + done.err
        assert "ledger_password_file" in done.out + done.err
        assert not key_in(done.out + done.err, ["Pa55word-in-the-Address"])
    assert redact("it is Pa55word-in-the-Address") == "it is (hidden)"


def test_a_password_in_the_ini_is_no_setting(write_ini: Write, almajob: Run) -> None:
    """A file, a program or the keyring may have it; the line is not quoted."""
    write_ini(f"[almajob]\nledger = {URL}\nledger_password = {WORD}\n")
    done = almajob("config", "show")
    assert done.code == 7
    assert "ledger_password_" in done.err
    assert not key_in(done.err, [WORD])


def _password(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return where the password comes from, and the password."""
    given = {**os.environ, **(environ or {})}
    source = find_password_source(_load(given).general, given)
    found = read_password(source, given)
    return source.way if source else "", found.reveal() if found else ""


def test_each_source_of_the_password_is_read(
    write_ini: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of an API key's sources; what none of them has is left to libpq."""
    file = tmp_path / "ledger.key"
    file.write_text(f"{WORD}-file\n", "utf-8")
    file.chmod(0o600)
    (tmp_path / "almajob_ledger_password").write_text(f"{WORD}-credential", "utf-8")
    (tmp_path / "almajob_ledger_password").chmod(0o600)
    environ = {
        "ALMAJOB_LEDGER_PASSWORD": f"{WORD}-variable",
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "PGPASSWORD": f"{WORD}-libpq",
    }
    assert _password() == ("", "")
    assert _password({"PGPASSWORD": environ["PGPASSWORD"]}) == ("", f"{WORD}-libpq")
    variable = {name: environ[name] for name in ("ALMAJOB_LEDGER_PASSWORD", "PGPASSWORD")}
    assert _password(variable) == ("variable", f"{WORD}-variable")
    assert _password(environ) == ("systemd credential", f"{WORD}-credential")
    kept = {("almajob", "ledger"): f"{WORD}-keyring"}
    monkeypatch.setattr("keyring.get_password", lambda *names: kept.get(names))
    write_ini("[almajob]\nledger_password_keyring = yes\n")
    assert _password(environ) == ("ledger_password_keyring", f"{WORD}-keyring")
    write_ini("[almajob]\nledger_password_keyring = no\n")
    assert _password(environ)[0] == "systemd credential"
    write_ini(f"[almajob]\nledger_password_file = {file}\nledger_password_keyring = yes\n")
    assert _password(environ) == ("ledger_password_file", f"{WORD}-file")
    write_ini(f"[almajob]\nledger_password_file = {file}\nledger_password_command = echo {WORD}-command\n")
    assert _password(environ) == ("ledger_password_command", f"{WORD}-command")


@pytest.mark.parametrize("text", ["", "\n", " \n"])
def test_an_empty_password_is_refused(write_ini: Write, tmp_path: Path, text: str) -> None:
    file = tmp_path / "empty.key"
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    write_ini(f"[almajob]\nledger_password_file = {file}\n")
    with pytest.raises(ConfigurationError, match="password of the ledger is empty"):
        _password()


def test_a_file_that_others_can_read_is_refused(write_ini: Write, tmp_path: Path) -> None:
    file = tmp_path / "open.key"
    file.write_text(WORD, "utf-8")
    file.chmod(0o644)
    write_ini(f"[almajob]\nledger_password_file = {file}\n")
    with pytest.raises(ConfigurationError) as caught:
        _password()
    assert "password" in str(caught.value)
    assert "chmod 600" in caught.value.hint


def test_it_is_shown_where_the_ledger_is_and_where_the_password_comes_from(
    write_ini: Write, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = write_ini(f"[almajob]\nledger = {URL}?sslmode=require\nledger_password_file = ~/pw\n")
    shown = almajob("config", "show", "-f", "value").out
    assert f"ledger\t{URL}\t{ini}, line 2\n" in shown
    assert f"ledger_password\t(hidden)\t{ini}, line 3 (ledger_password_file)\n" in shown
    monkeypatch.setenv("ALMAJOB_LEDGER", "directory")
    shown = almajob("config", "show", "-f", "value").out
    assert "ledger\tdirectory\tALMAJOB_LEDGER\n" in shown
    assert "ledger_password" not in shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"ledger = {URL}\n", f"It would keep the ledger in {URL}."),
        (
            "ledger_password_command = touch ran\n",
            "It would say where the password of the ledger comes from.",
        ),
    ],
)
def test_an_ini_that_is_not_trusted_says_nothing_of_the_ledger(
    almajob: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, problem: str
) -> None:
    """It may have come with what somebody unpacked. Nothing is run, nobody is connected with."""
    monkeypatch.chdir(tmp_path)
    ini = Path("almajob.ini")
    ini.write_text(f"[almajob]\n{text}", "utf-8")
    ini.chmod(0o600)
    if "ledger =" not in text:
        monkeypatch.setenv("ALMAJOB_LEDGER", URL)
    done = almajob("runs", "list")
    assert done.code == 7
    assert problem in done.err
    assert "almajob config trust" in done.err
    assert not Path("ran").exists()
    # What does not need it goes on.
    assert almajob("--env", "demo", "list").code == 0
