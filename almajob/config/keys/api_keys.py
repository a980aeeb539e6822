"""Where an environment's API key comes from, and the key itself; never from an option."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from almajob.alma.api_key import Key
from almajob.config.environments import Environment, is_gateway
from almajob.config.ini_reader import Setting, refuse_open_file
from almajob.config.paths import expand
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.key_variables import KEY_VARIABLES

_ADVICE = "Type it in a terminal to see what it says. It is run without a shell: no pipes, no variables."


def variable(environment: str) -> str:
    """Name the environment variable that may hold the key of an environment."""
    return KEY_VARIABLES + re.sub(r"[^A-Z0-9]", "_", environment.upper())


class KeySource(NamedTuple):
    """Where a key comes from.

    Attributes:
        way: ``systemd credential``, ``variable``, or the name of the setting.
        given: the setting, with its file and line; else the path of the credential or the variable's name.
    """

    way: str
    given: Setting

    @property
    def place(self) -> str:
        """File and line, the credential's path, or the variable's name."""
        return self.given.source


def source(environment: Environment, environ: Mapping[str, str]) -> KeySource | None:
    """Return where the key will come from, without fetching it; None where there is none."""
    for way in ("api_key_command", "api_key_file", "api_key_keyring"):
        given: Setting | None = getattr(environment, way)
        if given:
            return KeySource(way, given)
    # https://systemd.io/CREDENTIALS/
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        credential = str(Path(directory, f"almajob_{environment.name}"))
        # os.path, as its exists() takes a directory that may not be searched for one without the file.
        if os.path.exists(credential):  # noqa: PTH110
            return KeySource("systemd credential", Setting(credential, credential))
    name = variable(environment.name)
    if environ.get(name):
        return KeySource("variable", Setting(environ[name], name))
    return KeySource("api_key", environment.api_key) if environment.api_key else None


def find(environment: Environment, environ: Mapping[str, str]) -> Key:
    """Fetch the key of an environment.

    Raises:
        ConfigurationError: there is none, or its source does not give one.
    """
    found = source(environment, environ)
    if found is None:
        raise ConfigurationError(
            f"There is no API key for {environment.name}.",
            hint=f"Type: almajob config set-key {environment.name}\n"
            f"Or set {variable(environment.name)}; almajob.ini.sample shows all ways.\n"
            "Keys are made at https://developers.exlibrisgroup.com/manage/keys/ (area Configuration).",
        )
    _refuse_untrusted(environment, found)
    text = found.given.text
    match found.way:
        case "api_key_command":
            text = _run_command(environment.name, text)
        case "api_key_file":
            text = _read_file(expand(text), "api_key_file")
        case "api_key_keyring":
            text = _read_keyring(environment.name)
        case "systemd credential":
            text = _read_file(Path(text), "LoadCredential= of the unit", by_systemd=True)
    try:
        return Key(text.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"The API key of {environment.name} {error}.",
            reason=f"It comes from {found.place} ({found.way}).",
            hint="A key is one word, such as l7xx0123… A command that makes it is run without a shell.",
        ) from None


def _refuse_untrusted(environment: Environment, found: KeySource) -> None:
    """Refuse what only a trusted ini may do: get a key from elsewhere, or send one anywhere but to Alma.

    Raises:
        ConfigurationError: it would.
    """
    untrusted, name, base_url = environment.untrusted, environment.name, environment.base_url
    if untrusted is None or found.way == "api_key":
        return

    def name_line(setting: Setting) -> str:
        return setting.source.removeprefix(f"{untrusted.path}, ")

    given = f"({name_line(found.given)}: {found.way})"
    match found.way:
        case "api_key_command":
            program = _name_program(found.given.text)
            untrusted.refuse(f"It would run {program} to get the key of {name} {given}.")
        case "api_key_file":
            path = expand(found.given.text)
            untrusted.refuse(f"It would read the key of {name} from {path} {given}.")
        case "api_key_keyring":
            untrusted.refuse(f"It would read the key of {name} from your keyring {given}.")
    key = f"the key of the {found.way} {found.place}"
    if base_url and not is_gateway(base_url.text):
        untrusted.refuse(f"It would send {key} to {base_url.text} ({name_line(base_url)}: base_url).")
    # What its name says needs no word of the ini's.
    if environment.kind.text == "sandbox" and name != "sandbox":
        untrusted.refuse(
            f"It would treat {name} as a sandbox ({name_line(environment.kind)}: kind), "
            f"where no start is confirmed, with {key}."
        )


def _name_program(command: str) -> str:
    """Name the program of a command, without what else stands there: that may be a secret."""
    import shlex

    try:
        return f"the program {shlex.split(command)[0]!r}"
    except (ValueError, IndexError):
        return "a command"


def _read_file(path: Path, setting: str, *, by_systemd: bool = False) -> str:
    try:
        raw, mode = read_given(path, 4096)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be read.", reason=f"{error.strerror}.", hint=f"Check {setting}."
        ) from None
    # systemd makes credentials 0440, and lets only the unit's user in by an access control list.
    refuse_open_file(path, mode, holds_key=True, group_may_read=by_systemd)
    return raw.decode("utf-8", "replace").partition("\n")[0]


def _read_keyring(name: str) -> str:
    from almajob.config.keys import keyring_store

    text = keyring_store.get(name)
    if not text:
        raise ConfigurationError(
            f"The keyring has no key for {name}.", hint=f"Put it in: almajob config set-key {name}"
        )
    return text


def _run_command(name: str, command: str) -> str:
    # Most keys come from elsewhere.
    from almajob.config.keys.key_command import CommandFailed, read_first_line

    try:
        return read_first_line(command)
    except CommandFailed as failed:
        raise ConfigurationError(
            f"The api_key_command of {name} gave no key.", reason=failed.reason, hint=failed.hint or _ADVICE
        ) from None
