"""Where the secrets of webhooks come from; they are shown nowhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.errors import ConfigurationError
from tests.conftest import Run

ONE, OTHER = "the-first-secret-Canary", "the-other-secret-Canary"
SANDBOX = "[sandbox]\nregion = na\n"


def _read() -> list[str]:
    with Context(Options(env="sandbox")) as context:
        return [secret.reveal() for secret in context.webhook_secrets()]


def _keep(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(0o600)
    path.write_text(f"{text}\n", "utf-8")
    path.chmod(mode)
    return path


def test_two_count_while_one_is_exchanged(write_ini: Callable[..., Path], tmp_path: Path) -> None:
    """The current one first; each in its own way, a file relative to the ini."""
    _keep(tmp_path / "new.key", ONE)
    write_ini(f"{SANDBOX}webhook_secret_file = new.key\nwebhook_secret_old = {OTHER}")
    assert _read() == [ONE, OTHER]


@pytest.mark.parametrize("old", ["", "_old"])
def test_each_way_is_taken(
    write_ini: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    """A program, then a credential of systemd's, then a variable, then the ini."""
    first = [] if not old else [f"webhook_secret = {OTHER}"]
    program = _keep(tmp_path / "tell.py", f"print({ONE!r})")
    write_ini(SANDBOX + "\n".join([*first, f"webhook_secret{old}_command = {sys.executable} {program}"]))
    assert _read()[-1] == ONE
    write_ini(SANDBOX + "\n".join([*first, f"webhook_secret{old} = the-last-of-the-ways"]))
    assert _read()[-1] == "the-last-of-the-ways"
    monkeypatch.setenv(f"ALMAJOB_WEBHOOK_SECRET_SANDBOX{'__OLD' if old else ''}", ONE)
    assert _read()[-1] == ONE
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    _keep(credentials / f"almajob_webhook_sandbox{old}", "of-the-credential")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert _read()[-1] == "of-the-credential"


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ("", "There is no webhook secret for sandbox."),
        (f"webhook_secret_old = {OTHER}", "There is no webhook secret for sandbox."),
        ("webhook_secret = short", "is too short"),
        ("webhook_secret_file = missing", "cannot be read"),
    ],
)
def test_without_one_it_is_said_what_to_do(write_ini: Callable[..., Path], lines: str, part: str) -> None:
    """The old one alone is none."""
    write_ini(SANDBOX + lines)
    with pytest.raises(ConfigurationError) as raised:
        _read()
    assert part in str(raised.value)
    assert "short" not in str(raised.value).replace("too short", "")


def test_a_file_that_others_can_read_is_refused(write_ini: Callable[..., Path], tmp_path: Path) -> None:
    """The ini with the secret in it, and a file of its own."""
    _keep(tmp_path / "open", ONE, 0o644)
    write_ini(f"{SANDBOX}webhook_secret_file = open")
    with pytest.raises(ConfigurationError, match="a webhook secret"):
        _read()
    write_ini(f"{SANDBOX}webhook_secret = {ONE}", 0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        _read()


def test_an_ini_that_is_not_trusted_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could have come with anything that was unpacked here."""
    monkeypatch.delenv("ALMAJOB_INI", raising=False)
    _keep(Path("almajob.ini"), f"{SANDBOX}webhook_secret_command = touch done\n")
    with pytest.raises(ConfigurationError, match="is not trusted"):
        _read()
    assert not Path("done").exists()


def test_nobody_is_shown_one(write_ini: Callable[..., Path], almajob: Run, tmp_path: Path) -> None:
    """Settings are listed with their sources; a bug, a child and a typed word show nothing."""
    os.environ["ALMAJOB_WEBHOOK_SECRET_SANDBOX__OLD"] = OTHER
    try:
        write_ini(f"{SANDBOX}webhook_secret = {ONE}")
        shown = almajob(*("--env", "sandbox", "config", "show", "-f", "json"))
        rows = {row["setting"]: row for row in json.loads(shown.out)}
        assert rows["sandbox.webhook_secret"]["value"] == "(hidden)"
        assert rows["sandbox.webhook_secret"]["source"].endswith("line 3")
        assert rows["sandbox.webhook_secret_old"]["source"] == "ALMAJOB_WEBHOOK_SECRET_SANDBOX__OLD"
        param = "x={env:ALMAJOB_WEBHOOK_SECRET_SANDBOX__OLD}"
        refused = almajob("--env", "demo", "run", "M44", "--expand", "--param", param)
        assert (refused.code, "has a secret in it" in refused.err) == (5, True)
        wrong = almajob("--env", "sandbox", "webhook", "test", ONE)
        assert wrong.code == 2
        for done in (shown, refused, wrong):
            assert ONE not in done.out + done.err
            assert OTHER not in done.out + done.err
    finally:
        os.environ.pop("ALMAJOB_WEBHOOK_SECRET_SANDBOX__OLD", None)
