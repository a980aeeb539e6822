"""almajob.ini, read: sections of settings with their line numbers, and no guesses.

No error quotes a line, which may hold a key: it has file, line and the name of the setting.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from almajob.config.ini_text import find_half_line, parse_sections, strip_comment, strip_quotes
from almajob.config.paths import see_sample
from almajob.entry_points import normalize_name
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.key_variables import WEBHOOK_VARIABLES, name_notify_variable, name_plugin_variable
from almajob.system.private_files import NotPrivate, is_root_only, refuse_open_directory
from almajob.text.frozen import Frozen
from almajob.text.redaction import HIDDEN, Sealed, Secret

SIZE_LIMIT = 2**20
# All but those that say where a key, or the secret of a webhook, is.
_HOLDS_KEY = (
    r"(?i)api[-_]?key(?!_file|_command|_keyring)|webhook[-_]secret(?!(?:_old)?_(?:file|command|keyring))"
)
_WEBHOOK_SETTINGS = ("webhook_secret", "webhook_secret_old")
_KEY_SETTINGS = {"api_key", "api_key_sandbox", "api_key_production"}
_OF_PLUGIN = "plugin:"
_OF_NOTIFICATION = "notify:"
_IS_HIDDEN = {
    _OF_PLUGIN: r".*(token|secret|password|passphrase)$",
    # Who knows the address of a chat can write there.
    _OF_NOTIFICATION: r".*(token|secret|password|passphrase|urls?|headers)$",
}
"""What names a secret in a section whose settings somebody else knows, by how its heading begins."""


class Setting(Sealed, Frozen):
    """A setting and where it came from.

    Attributes:
        text: what stands there; ``(hidden)`` where that is a key.
        line: of its file; 0 where it stands in none.
        key: the text itself where it is a key; else None.
    """

    text: str
    source: str
    line: int = 0
    key: Secret | None = None


class Ini(Sealed, Frozen):
    """A parsed file: its settings by section and name (lower case, but for a parameter's).

    Attributes:
        digest: of its bytes, as they were read; empty where it is not in its file yet.
    """

    path: Path
    sections: Mapping[str, Mapping[str, Setting]]
    digest: str = ""


class HeldSecret(NamedTuple):
    """What a file holds that others may not read, and the other ways in which it may be given.

    Attributes:
        what: for messages.
        setting: its name in the ini, without ``_command`` and the like.
        variable, credential: its names as an environment variable, and in systemd's directory.
    """

    what: str
    setting: str
    variable: str
    credential: str


AN_API_KEY = HeldSecret("an API key", "api_key", "ALMAJOB_API_KEY_<ENV>", "almajob_<ENV>")


def hold_plugin_secret(plugin: str, setting: str) -> HeldSecret:
    """Return what a file holds that has a secret of a plugin's.

    Args:
        plugin: its name.
    """
    name = normalize_name(plugin)
    return HeldSecret(
        f"the {setting} of the plugin {name}",
        setting,
        name_plugin_variable(name, setting),
        f"almajob_plugin_{name}_{setting}",
    )


def hold_webhook_secret(environment: str, setting: str = "webhook_secret") -> HeldSecret:
    """Return what a file holds that has a secret with which Alma signs its webhook messages.

    Args:
        setting: its name in the ini: the current one, or ``webhook_secret_old``.
    """
    is_old = setting.endswith("_old")
    variable = WEBHOOK_VARIABLES + re.sub(r"[^A-Z0-9]", "_", environment.upper())
    return HeldSecret(
        *("a webhook secret", setting, variable + ("__OLD" if is_old else "")),
        f"almajob_webhook_{environment}{'_old' if is_old else ''}",
    )


def hold_notify_secret(name: str, setting: str) -> HeldSecret:
    """Return what a file holds that has a secret of a section [notify:NAME].

    Args:
        name: of the section, without what it begins with.
    """
    return HeldSecret(
        f"the {setting} of [{_OF_NOTIFICATION}{name}]",
        setting,
        name_notify_variable(name, setting),
        f"almajob_notify_{name}_{setting}",
    )


def read(path: Path, named_by: str = "", *, reason: str = "It says where keys are sent.") -> Ini:
    """Read and check one ini file.

    Args:
        named_by: the option or variable that named it, for the message; empty where it was found, and then a
            pipe is none.

    Raises:
        ConfigurationError: not readable, not an ini, open to others although it holds a key, or where they
            could exchange it.
    """
    try:
        raw, mode = read_given(path, SIZE_LIMIT + 1, may_be_pipe=bool(named_by))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read.",
            reason=f"{error.strerror}." + (f" It was named by {named_by}." if named_by else ""),
            hint=_advise_on_missing(path, named_by)
            if named_by and isinstance(error, FileNotFoundError)
            else "Name another with --ini-file.",
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if len(raw) > SIZE_LIMIT or "\0" in text:
        raise ConfigurationError(
            f"{path} is not a configuration file.",
            reason="It is not UTF-8 text, or larger than 1 MiB.",
            hint=see_sample(),
        )
    ini = parse(path, text).replace(digest=digest_of(raw))
    held = _find_secret(ini)
    refuse_open_file(path, mode, holds_key=held is not None, reason=reason, held=held or AN_API_KEY)
    if stat.S_ISREG(mode.st_mode):
        refuse_open_place(path, reason)
    return ini


def _find_secret(ini: Ini) -> HeldSecret | None:
    """Return what is in a file that nobody else may read; None where nothing is."""
    found = None
    for section, settings in ini.sections.items():
        for name, given in settings.items():
            if name in _KEY_SETTINGS:
                return AN_API_KEY
            if given.key is not None and section.startswith(tuple(_IS_HIDDEN)):
                hold = hold_plugin_secret if section.startswith(_OF_PLUGIN) else hold_notify_secret
                found = hold(section.partition(":")[2].strip(), name)
            elif name in _WEBHOOK_SETTINGS:
                found = hold_webhook_secret(section, name)
    return found


def _advise_on_missing(path: Path, named_by: str) -> str:
    import shlex

    option = f"--ini-file {shlex.quote(str(path))} " if named_by == "--ini-file" else ""
    return (
        "Name another one; or make it, with your API key:\n"
        f"almajob {option}config set-key sandbox --region na"
    )


def digest_of(raw: bytes) -> str:
    """Return what tells the content of a file from any other: its SHA-256."""
    import hashlib

    return hashlib.sha256(raw).hexdigest()


def parse(path: Path, text: str) -> Ini:
    """Read the text of an ini, whether or not it is in its file yet.

    Raises:
        ConfigurationError: it is none.
    """
    # Redacted from now on: keys of other environments too, and those in a wrong section; in every editor's
    # lines, and in those that only some have.
    for raw in text.splitlines():
        name, _equals, value = strip_comment(raw).strip().partition("=")
        if re.match(_HOLDS_KEY, name):
            Secret(strip_quotes(value.strip()).strip())
    half = find_half_line(text)
    if half is not None:
        number, end = half
        # A comment must not hide a setting.
        raise ConfigurationError(
            f"{path}, line {number} has a character (U+{ord(end):04X}) that only some programs take "
            "for the end of the line.",
            reason="So the rest of what looks like a comment could count as a setting.",
            hint=f"Delete that character, or begin a new line there. To see it: cat -v {path}",
        )
    found, problem = parse_sections(text)
    if problem is not None:
        number, message, hint = problem
        raise ConfigurationError(f"{path}, line {number} {message}.", hint=f"{hint}\n{see_sample()}")
    return Ini(
        path,
        {
            section: {
                name: _read_setting(section, name, value, f"{path}, line {line}", line)
                for name, (value, line) in settings.items()
            }
            for section, settings in found.items()
        },
    )


def from_settings(section: str, settings: Mapping[str, str]) -> Ini:
    """Return what a program has in place of a file: the settings of one section.

    Args:
        section: its heading.
    """
    for name, value in settings.items():
        if re.match(_HOLDS_KEY, name):
            # Redacted from now on, also where its name is wrong.
            Secret(value)
    place = "the settings of the program"
    found = {
        name: _read_setting(section, name, value, f"{place}: {name}", 0) for name, value in settings.items()
    }
    return Ini(Path(place), {section: found})


def _read_setting(section: str, name: str, value: str, source: str, line: int) -> Setting:
    hidden = next((names for heading, names in _IS_HIDDEN.items() if section.startswith(heading)), "")
    if re.match(_HOLDS_KEY, name) or (hidden and re.match(hidden, name)):
        return Setting(HIDDEN, source, line, Secret(value))
    return Setting(value, source, line)


def refuse_open_file(
    path: Path,
    mode: os.stat_result,
    *,
    holds_key: bool,
    group_may_read: bool = False,
    reason: str = "It says where keys are sent.",
    held: HeldSecret = AN_API_KEY,
) -> None:
    """Refuse a file that others can write to, or read while it holds a key; as ssh does.

    Args:
        holds_key: then others may not read it either.
        held: what it holds then, for the message.
        group_may_read: the group's bits are the mask of an access control list, and mean nothing.

    Raises:
        ConfigurationError: with the chmod that fixes it.
    """
    forbidden = stat.S_IWGRP | stat.S_IWOTH
    if holds_key:
        forbidden |= stat.S_IROTH | (0 if group_may_read else stat.S_IRGRP)
    if mode.st_uid not in {os.geteuid(), 0}:
        raise ConfigurationError(
            f"{path} belongs to another user.",
            reason=f"{reason} Whoever owns it can change that.",
            hint="Copy it, and use your copy.",
        )
    if mode.st_mode & forbidden and not (holds_key and _is_mounted_secret(path, mode)):
        risk = "can be read or changed" if holds_key else "can be changed"
        raise ConfigurationError(
            f"{path} {risk} by other users of this machine (mode {stat.S_IMODE(mode.st_mode):04o}).",
            reason=f"It holds {held.what}." if holds_key else reason,
            hint=_advise_other_way(path, mode, held)
            if holds_key and not _may_change(path, mode)
            else f"Type: chmod {'600' if holds_key else 'go-w'} {path}",
        )


def _may_change(path: Path, mode: os.stat_result) -> bool:
    """Whether this process may give a file another mode."""
    try:
        is_fixed = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        is_fixed = 0
    return os.geteuid() in {mode.st_uid, 0} and not is_fixed


def _is_mounted_secret(path: Path, mode: os.stat_result) -> bool:
    """Whether a file with a key is as container platforms mount it: root's, and for a group of this process.

    Its mode cannot be changed from here, then. Whoever can read it is let into the container, or the group.
    """
    is_readable = mode.st_mode & stat.S_IRGRP and mode.st_gid in {os.getegid(), *os.getgroups()}
    return bool(is_readable and not _may_change(path, mode) and is_root_only(path))


def _advise_other_way(path: Path, mode: os.stat_result, held: HeldSecret) -> str:
    """Return which ways there are for a secret in a file whose mode this process cannot change."""
    import shlex

    is_for_all = mode.st_mode & stat.S_IROTH
    credential = "" if is_for_all else f", or CREDENTIALS_DIRECTORY with a file {held.credential}"
    where = " (<ENV> is the environment's name)" if "<ENV>" in held.variable else ""
    return (
        "Its mode cannot be changed from here. Have it mounted with mode 0440 and a group of this process,\n"
        f"or take another way: {held.setting}_command = cat {shlex.quote(str(path))},\n"
        f"the variable {held.variable}{credential}{where}."
    )


def refuse_open_place(path: Path, reason: str) -> None:
    """Refuse a file that others can exchange: where it is, and where a link to it is.

    Raises:
        ConfigurationError: they can.
    """
    try:
        for place in {path.parent, path.resolve().parent}:
            refuse_open_directory(place)
    except NotPrivate as error:
        raise ConfigurationError(
            f"{path} can be replaced by others: {error.strerror}.", reason=reason, hint=error.hint
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be checked.", reason=f"{error.strerror}.") from None
