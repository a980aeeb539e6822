"""Where an environment's API key comes from, and the key itself; never from an option."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from almajob.alma.api_key import Key
from almajob.config.environments import Environment, Sourced, is_gateway
from almajob.config.ini_reader import refuse_open_file
from almajob.config.paths import expand
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.key_variables import KEY_VARIABLES

_ADVICE = "Type it in a terminal to see what it says. It is run without a shell: no pipes, no variables."


def variable(environment: str) -> str:
    """Name the environment variable that may hold the key of an environment."""
    return KEY_VARIABLES + re.sub(r"[^A-Z0-9]", "_", environment.upper())


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key comes from.

    Attributes:
        way: ``systemd credential``, ``variable``, or the name of the setting.
        place: file and line, the credential's path, or the variable's name.
    """

    way: str
    place: str


def source(environment: Environment, environ: Mapping[str, str]) -> KeySource | None:
    """Return where the key will come from, without fetching it; None where there is none."""
    if environment.api_key_command:
        return KeySource("api_key_command", environment.api_key_command.source)
    if environment.api_key_file:
        return KeySource("api_key_file", environment.api_key_file.source)
    if environment.api_key_keyring:
        return KeySource("api_key_keyring", environment.api_key_keyring.source)
    credential = _credential(environment.name, environ)
    # os.path, as its exists() takes a directory that may not be searched for one without the file.
    if credential is not None and os.path.exists(credential):  # noqa: PTH110
        return KeySource("systemd credential", str(credential))
    if environ.get(variable(environment.name)):
        return KeySource("variable", variable(environment.name))
    if environment.api_key:
        return KeySource("api_key", environment.api_key.source)
    return None


def find(environment: Environment, environ: Mapping[str, str]) -> Key:
    """Fetch the key of an environment.

    Raises:
        ConfigurationError: there is none, or its source does not give one.
    """
    found = source(environment, environ)
    if found is None:
        raise _no_key(environment.name)
    _refuse_untrusted(environment, found)
    match found.way:
        case "api_key_command":
            text = _from_command(environment)
        case "api_key_file":
            text = _from_file(expand(_text_of(environment.api_key_file)), "api_key_file")
        case "api_key_keyring":
            text = _from_keyring(environment.name)
        case "systemd credential":
            text = _from_file(Path(found.place), "LoadCredential= of the unit", by_systemd=True)
        case "variable":
            text = environ[found.place]
        case _:
            text = _text_of(environment.api_key)
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
    place = found.place.removeprefix(f"{untrusted.path}, ")
    match found.way:
        case "api_key_command":
            program = _program(environment)
            untrusted.refuse(f"It would run {program} to get the key of {name} ({place}: {found.way}).")
        case "api_key_file":
            path = expand(_text_of(environment.api_key_file))
            untrusted.refuse(f"It would read the key of {name} from {path} ({place}: {found.way}).")
        case "api_key_keyring":
            untrusted.refuse(f"It would read the key of {name} from your keyring ({place}: {found.way}).")
    where = base_url.source.removeprefix(f"{untrusted.path}, ") if base_url else ""
    if base_url and not is_gateway(base_url.text):
        untrusted.refuse(
            f"It would send the key of the {found.way} {found.place} to {base_url.text} ({where}: base_url)."
        )
    # What its name says needs no word of the ini's.
    if environment.kind.text == "sandbox" and name != "sandbox":
        where = environment.kind.source.removeprefix(f"{untrusted.path}, ")
        untrusted.refuse(
            f"It would treat {name} as a sandbox ({where}: kind), where no start is confirmed, "
            f"with the key of the {found.way} {found.place}."
        )


def _program(environment: Environment) -> str:
    """Name the program of a command, without what else stands there: that may be a secret."""
    import shlex

    try:
        return f"the program {shlex.split(_text_of(environment.api_key_command))[0]!r}"
    except (ValueError, IndexError):
        return "a command"


def _text_of(setting: Sourced | None) -> str:
    return setting.text if setting else ""


def _no_key(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no API key for {name}.",
        hint=f"Type: almajob config set-key {name}\n"
        f"Or set {variable(name)}; almajob.ini.sample shows all ways.\n"
        "Keys are made at https://developers.exlibrisgroup.com/manage/keys/ (area Configuration).",
    )


def _credential(name: str, environ: Mapping[str, str]) -> Path | None:
    """Locate a systemd credential: https://systemd.io/CREDENTIALS/."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory, f"almajob_{name}") if directory else None


def _from_file(path: Path, setting: str, *, by_systemd: bool = False) -> str:
    try:
        raw, mode = read_given(path, 4096)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be read.", reason=f"{error.strerror}.", hint=f"Check {setting}."
        ) from None
    # systemd makes credentials 0440, and lets only the unit's user in by an access control list.
    refuse_open_file(path, mode, holds_key=True, group_may_read=by_systemd)
    return _first_line(raw)


def _from_keyring(name: str) -> str:
    from almajob.config.keys import keyring_store

    text = keyring_store.get(name)
    if not text:
        raise ConfigurationError(
            f"The keyring has no key for {name}.", hint=f"Put it in: almajob config set-key {name}"
        )
    return text


def _from_command(environment: Environment) -> str:
    # Most keys come from elsewhere.
    from almajob.config.keys.key_command import CommandFailed, read_first_line

    try:
        return read_first_line(_text_of(environment.api_key_command))
    except CommandFailed as failed:
        raise ConfigurationError(
            f"The api_key_command of {environment.name} gave no key.",
            reason=failed.reason,
            hint=failed.hint or _ADVICE,
        ) from None


def _first_line(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").partition("\n")[0]
