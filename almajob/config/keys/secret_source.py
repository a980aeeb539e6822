"""Where a secret comes from: a program, a file, the keyring, systemd, a variable or the ini; and its text."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from almajob.config.ini_reader import HeldSecret, Setting, refuse_open_file
from almajob.config.paths import expand
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.key_variables import hide_keys
from almajob.text.frozen import Frozen
from almajob.text.redaction import HIDDEN, Sealed

_ADVICE = "Run it in a terminal to see its output. It is run without a shell: no pipes, no variables."


class SecretNames(NamedTuple):
    """What a secret is called.

    Attributes:
        noun: what it is, for messages: ``key``.
        owner: whose it is, for messages.
        held: what it is in full, and its names: in the ini, where the other ways have that name and
            ``_command``, ``_file`` or ``_keyring``; in systemd's directory; and as a variable.
        user: under which the keyring has it.
        keep: a command that puts it into the keyring.
        locate: makes a path of what the ini says.
    """

    noun: str
    owner: str
    held: HeldSecret
    user: str
    keep: str
    locate: Callable[[str], Path] = expand


class KeySource(Sealed, Frozen):
    """Where a secret comes from.

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


def find_source(
    names: SecretNames, section: Mapping[str, Setting | None], environ: Mapping[str, str]
) -> KeySource | None:
    """Return where a secret will come from, without fetching it; None where there is none.

    Args:
        section: what the ini says of it; of the keyring, only where that has it.
    """
    for suffix in ("_command", "_file", "_keyring"):
        way = names.held.setting + suffix
        if given := section.get(way):
            return KeySource(way, given)
    # https://systemd.io/CREDENTIALS/
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        credential = str(Path(directory, names.held.credential))
        # os.path, as its exists() takes a directory that may not be searched for one without the file.
        if os.path.exists(credential):  # noqa: PTH110
            return KeySource("systemd credential", Setting(credential, credential))
    if text := hide_keys(environ).key(names.held.variable):
        return KeySource("variable", Setting(HIDDEN, names.held.variable, key=text))
    given = section.get(names.held.setting)
    return KeySource(names.held.setting, given) if given else None


def read_text(names: SecretNames, found: KeySource) -> str:
    """Fetch a secret from where it is.

    Raises:
        ConfigurationError: it is not there, or others can read it.
    """
    text = found.given.key.reveal() if found.given.key else found.given.text
    match found.way.removeprefix(names.held.setting):
        case "_command":
            text = _run_command(names, text)
        case "_file":
            text = _read_file(names, names.locate(text), found.way)
        case "_keyring":
            text = _read_keyring(names)
        case "systemd credential":
            text = _read_file(names, Path(text), "LoadCredential= of the unit", by_systemd=True)
    return text.strip()


def name_program(command: str) -> str:
    """Name the program of a command, without what else stands there: that may be a secret."""
    import shlex

    try:
        return f"the program {shlex.split(command)[0]!r}"
    except (ValueError, IndexError):
        return "a command"


def _read_file(names: SecretNames, path: Path, setting: str, *, by_systemd: bool = False) -> str:
    try:
        raw, mode = read_given(path, 4096)
    except OSError as error:
        raise ConfigurationError(
            f"The {names.noun} file {path} cannot be read.",
            reason=f"{error.strerror}.",
            hint=f"Check {setting}.",
        ) from None
    # systemd makes credentials 0440, and lets only the unit's user in by an access control list.
    refuse_open_file(path, mode, holds_key=True, group_may_read=by_systemd, held=names.held)
    return raw.decode("utf-8", "replace").partition("\n")[0]


def _read_keyring(names: SecretNames) -> str:
    from almajob.config.keys import keyring_store

    text = keyring_store.get(names.user, names.noun, names.held.setting)
    if not text:
        raise ConfigurationError(
            f"The keyring has no {names.noun} for {names.owner}.", hint=f"Store it: {names.keep}"
        )
    return text


def _run_command(names: SecretNames, command: str) -> str:
    # Most keys come from elsewhere.
    from almajob.config.keys.key_command import CommandFailed, read_first_line

    try:
        return read_first_line(command, names.noun)
    except CommandFailed as failed:
        raise ConfigurationError(
            f"The {names.held.setting}_command of {names.owner} did not return a {names.noun}.",
            reason=failed.reason,
            hint=failed.hint or _ADVICE,
        ) from None
