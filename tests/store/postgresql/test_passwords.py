"""The password of the database is used, and searched for in every byte that is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.cli.app import main
from tests.conftest import Result, Run
from tests.store.postgresql.conftest import PASSWORD, StrictServer
from tests.support.canary import key_in

Write = Callable[..., Path]
ERP = "ERP export using profile FINANCE"
# Files that a test wrote to have it.
_SOURCES = {"ledger.key", "almajob_ledger_password", "pgpass", "print-it"}


@pytest.fixture(autouse=True)
def _search(tmp_path: Path) -> Iterator[None]:
    """Search, at the end of each test, whatever it has left behind."""
    yield
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name not in _SOURCES:
            assert not key_in(path.read_bytes(), [PASSWORD]), path


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def _in_file(directory: Path, _server: StrictServer) -> tuple[str, dict[str, str]]:
    return f"ledger_password_file = {_write(directory / 'ledger.key', PASSWORD)}", {}


def _by_command(directory: Path, _server: StrictServer) -> tuple[str, dict[str, str]]:
    program = _write(directory / "print-it", f"#!/bin/sh\ncat <<'END'\n{PASSWORD}\nEND\n", 0o700)
    return f"ledger_password_command = {program}", {}


def _in_variable(_directory: Path, _server: StrictServer) -> tuple[str, dict[str, str]]:
    return "", {"ALMAJOB_LEDGER_PASSWORD": PASSWORD}


def _as_credential(directory: Path, _server: StrictServer) -> tuple[str, dict[str, str]]:
    _write(directory / "almajob_ledger_password", PASSWORD)
    return "", {"CREDENTIALS_DIRECTORY": str(directory)}


def _in_libpqs_variable(_directory: Path, _server: StrictServer) -> tuple[str, dict[str, str]]:
    return "", {"PGPASSWORD": PASSWORD}


def _in_libpqs_file(directory: Path, server: StrictServer) -> tuple[str, dict[str, str]]:
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    line = f"127.0.0.1:{server.cluster.port}:{server.database.name}:secret:{escaped}\n"
    return "", {"PGPASSFILE": str(_write(directory / "pgpass", line))}


SOURCES = [_in_file, _by_command, _in_variable, _as_credential, _in_libpqs_variable, _in_libpqs_file]


def _searched(done: Result) -> Result:
    assert not key_in(done.out + done.err, [PASSWORD]), done
    return done


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__.strip("_"))
def test_a_password_from_each_source_is_used_and_shown_nowhere(
    strict: StrictServer,
    write_ini: Write,
    almajob: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: Callable[[Path, StrictServer], tuple[str, dict[str, str]]],
) -> None:
    """Not by what is as verbose as it can be, and not in a file of ours."""
    line, environ = source(tmp_path, strict)
    write_ini(f"[almajob]\nledger = {strict.url('secret')}\n{line}\n")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    more = ("--debug", "-v", "--log-file", str(tmp_path / "log"), "--log-json", str(tmp_path / "log.json"))
    for words in (
        ("config", "show"),
        ("--env", "demo", "config", "check"),
        ("--env", "demo", "run", ERP, "--if-running", "start"),
        ("runs", "list"),
    ):
        done = _searched(almajob(*more, *words))
        assert done.code == 0, done.err
    assert ERP in done.out


@pytest.mark.parametrize("more", [(), ("--debug", "-v")], ids=["", "debug"])
def test_a_password_that_is_of_no_use_is_shown_nowhere(
    strict: StrictServer,
    write_ini: Write,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    more: tuple[str, ...],
) -> None:
    """Whatever fails with it, and whoever asks for every detail."""
    monkeypatch.setenv("ALMAJOB_LEDGER_PASSWORD", PASSWORD)
    for url in (
        strict.url("barred"),
        strict.url("stranger"),
        strict.url("secret").replace(strict.database.name, "missing"),
        strict.url("secure", "localhost", "?sslmode=verify-full"),
        "postgresql://secret@127.0.0.1:1/x",
    ):
        write_ini(f"[almajob]\nledger = {url}\n")
        for words in (("runs", "list"), ("ledger", "init"), ("--env", "demo", "run", ERP)):
            code = main([*more, *words])
            assert _searched(Result(code, *capfd.readouterr())).code == 5


def test_no_program_that_is_started_has_the_password(
    strict: StrictServer, write_ini: Write, almajob_process: Run, tmp_path: Path
) -> None:
    """As with an API key: a program that prints a key needs no password of a database."""
    spy = _write(tmp_path / "spy", f"#!/bin/sh\nenv > {tmp_path}/seen\necho a-key-of-the-lab\n", 0o700)
    write_ini(
        f"[almajob]\nledger = {strict.url('secret')}\n"
        f"[lab]\nkind = sandbox\nbase_url = http://127.0.0.1:1\napi_key_command = {spy}\n"
    )
    environ = {"ALMAJOB_LEDGER_PASSWORD": PASSWORD}
    _searched(almajob_process("--env", "lab", "list", environ=environ))
    assert "PATH=" in (tmp_path / "seen").read_text("utf-8")
    assert "ALMAJOB_LEDGER_PASSWORD" not in (tmp_path / "seen").read_text("utf-8")
    assert os.environ.get("ALMAJOB_LEDGER_PASSWORD") is None
