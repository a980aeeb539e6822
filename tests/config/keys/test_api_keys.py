"""Where a key comes from: five sources in a fixed order, none of them an option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.config.environments import Access, Environment
from almajob.config.ini_reader import Setting
from almajob.config.keys import api_keys
from almajob.errors import ConfigurationError
from tests.support.fake_alma import KEY


def _access(**settings: str) -> Access:
    given = {name: Setting(text, "almajob.ini, line 1") for name, text in settings.items()}
    return Access(Environment("my-lab", "sandbox")).replace(**given)


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str = f"{KEY}\nsecond line\n", mode: int = 0o600, name: str = "x.key") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return path

    return write


def test_the_sources_have_an_order(key_file: Callable[..., Path], tmp_path: Path) -> None:
    """Command, file, systemd credential, variable, ini: take one away and the next one counts."""
    credential = tmp_path / "almajob_my-lab"
    credential.write_text("from-credential", "utf-8")
    # As systemd makes them, with an access control list that lets only the unit's user in.
    credential.chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "ALMAJOB_API_KEY_MY_LAB": "from-variable"}
    settings = {
        "api_key_command": "echo from-command",
        "api_key_file": str(key_file("from-file\n")),
        "api_key": "from-ini",
    }
    assert api_keys.find(_access(**settings), environ).reveal() == "from-command"
    del settings["api_key_command"]
    assert api_keys.find(_access(**settings), environ).reveal() == "from-file"
    del settings["api_key_file"]
    assert api_keys.find(_access(**settings), environ).reveal() == "from-credential"
    del environ["CREDENTIALS_DIRECTORY"]
    assert api_keys.find(_access(**settings), environ).reveal() == "from-variable"
    assert api_keys.find(_access(**settings), {}).reveal() == "from-ini"


def test_no_key_is_an_error_that_says_how_to_give_one() -> None:
    """In the ini, or in the variable of that environment."""
    with pytest.raises(ConfigurationError, match="no API key for my-lab") as caught:
        api_keys.find(_access(), {})
    assert "ALMAJOB_API_KEY_MY_LAB" in caught.value.hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_use_is_refused(key_file: Callable[..., Path], mode: int) -> None:
    """As ssh does; and one that is not there is named."""
    with pytest.raises(ConfigurationError, match="chmod 600"):
        api_keys.find(_access(api_key_file=str(path := key_file(mode=mode))), {})
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"x\.key cannot be read"):
        api_keys.find(_access(api_key_file=str(path)), {})


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("false", "exit code 1"),
        ("/no/such/program", "/no/such/program: No such file or directory"),
        (" ", "not a command line"),
        ("echo 'unbalanced", "not a command line"),
        ("sh -c 'echo x; exit 3'", "exit code 3"),
        ("sh -c 'kill -9 $$'", "SIGKILL"),
    ],
)
def test_a_command_that_gives_no_key_is_an_error(command: str, why: str) -> None:
    """Its exit code or the kind of failure is told, never its output."""
    with pytest.raises(ConfigurationError, match="did not return a key") as caught:
        api_keys.find(_access(api_key_command=command), {})
    assert why in caught.value.reason
    assert "without a shell" in caught.value.hint


def test_the_command_is_run_without_a_shell() -> None:
    """What a shell would expand stays as it is."""
    assert api_keys.find(_access(api_key_command="echo $HOME;id"), {}).reveal() == "$HOME;id"


@pytest.mark.parametrize("text", ["two words", "tab\tbed", "é"])
def test_a_key_with_blanks_is_refused_without_being_quoted(text: str) -> None:
    """It would break the header that carries it, and the error that quotes it."""
    with pytest.raises(ConfigurationError, match="has a blank") as caught:
        api_keys.find(_access(api_key=text), {})
    assert text not in str(caught.value)
