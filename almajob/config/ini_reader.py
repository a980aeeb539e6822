"""almajob.ini, read: sections of settings with their line numbers, and no guesses.

No error quotes a line, which may hold a key: it has file, line and the name of the setting.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from almajob.config.ini_parser import find_half_line, parse_sections, strip_comment, strip_quotes
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.private_files import NotPrivate, refuse_open_directory
from almajob.text.redaction import Secret
from almajob.text.suggestions import nearest

SIZE_LIMIT = 2**20
_SEE_SAMPLE = "almajob.ini.sample shows every setting."
# All but those that say where a key is.
_HOLDS_KEY = r"(?i)api[-_]?key(?!_file|_command|_keyring)"
_KEY_SETTINGS = {"api_key", "api_key_sandbox", "api_key_production"}


class Value(NamedTuple):
    """One setting as it stands in the file; its text may be a key."""

    text: str
    line: int

    def __repr__(self) -> str:
        return f"Value(line={self.line})"


class Ini(NamedTuple):
    """A parse file: section, setting (lower case, but for a parameter's name), value.

    Attributes:
        digest: of its bytes, as they were read; empty where it is not in its file yet.
    """

    path: Path
    sections: Mapping[str, Mapping[str, Value]]
    digest: str = ""

    def at(self, value: Value) -> str:
        """Return where a value stands."""
        return f"{self.path}, line {value.line}"


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
            hint="Name another with --ini-file.",
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if len(raw) > SIZE_LIMIT or "\0" in text:
        raise ConfigurationError(
            f"{path} is not an ini file.",
            reason="It is not UTF-8 text, or larger than 1 MiB.",
            hint=_SEE_SAMPLE,
        )
    ini = parse(path, text)._replace(digest=digest_of(raw))
    refuse_open_file(path, mode, holds_key=_holds_key(ini), reason=reason)
    if stat.S_ISREG(mode.st_mode):
        refuse_open_place(path, reason)
    return ini


def digest_of(raw: bytes) -> str:
    """Return what tells the content of a file from any other: its SHA-256."""
    import hashlib

    return hashlib.sha256(raw).hexdigest()


def parse(path: Path, text: str) -> Ini:
    """Read the text of an ini, whether or not it is in its file yet.

    Raises:
        ConfigurationError: it is none.
    """
    return Ini(path, _sections(path, text))


def _holds_key(ini: Ini) -> bool:
    return any(name in _KEY_SETTINGS for section in ini.sections.values() for name in section)


def refuse_open_file(
    path: Path,
    mode: os.stat_result,
    *,
    holds_key: bool,
    group_may_read: bool = False,
    reason: str = "It says where keys are sent.",
) -> None:
    """Refuse a file that others can write to, or read while it holds a key; as ssh does.

    Args:
        holds_key: then others may not read it either.
        group_may_read: the group's bits are the mask of an access control list, and mean nothing.

    Raises:
        ConfigurationError: with the chmod that cures it.
    """
    forbidden = stat.S_IWGRP | stat.S_IWOTH
    if holds_key:
        forbidden |= stat.S_IROTH | (0 if group_may_read else stat.S_IRGRP)
    if mode.st_uid not in {os.geteuid(), 0}:
        raise ConfigurationError(
            f"{path} belongs to another user.",
            reason=f"{reason} Whoever owns it can change that.",
            hint="Copy it, and name your own.",
        )
    if mode.st_mode & forbidden:
        risk = "can be read or changed" if holds_key else "can be changed"
        raise ConfigurationError(
            f"{path} {risk} by other users of this machine (mode {stat.S_IMODE(mode.st_mode):04o}).",
            reason="It holds an API key." if holds_key else reason,
            hint=f"Type: chmod {'600' if holds_key else 'go-w'} {path}",
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
            f"{path} can be exchanged: {error.strerror}.", reason=reason, hint=error.hint
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be checked.", reason=f"{error.strerror}.") from None


def _sections(path: Path, text: str) -> dict[str, dict[str, Value]]:
    # Every editor's lines, and those that only some have.
    _hide_keys(strip_comment(line).strip() for line in text.splitlines())
    _refuse_half_lines(path, text)
    found, problem = parse_sections(text)
    if problem is not None:
        number, what, hint = problem
        raise ConfigurationError(f"{path}, line {number} {what}.", hint=f"{hint} {_SEE_SAMPLE}")
    return {
        section: {name: Value(*value) for name, value in settings.items()}
        for section, settings in found.items()
    }


def _refuse_half_lines(path: Path, text: str) -> None:
    """Refuse a character that ends a line for some programs only: a comment must not hide a setting."""
    found = find_half_line(text)
    if found is not None:
        number, end = found
        raise ConfigurationError(
            f"{path}, line {number} has a character (U+{ord(end):04X}) that only some programs take "
            "for the end of the line.",
            reason="So the rest of what looks like a comment could count as a setting.",
            hint=f"Delete that character, or begin a new line there. To see it: cat -v {path}",
        )


def _hide_keys(lines: Iterable[str]) -> None:
    """Redact every key from now on: those of other environments too, and those in a wrong section."""
    for line in lines:
        name, _equals, value = line.partition("=")
        if re.match(_HOLDS_KEY, name):
            Secret(strip_quotes(value.strip()).strip())


def show_setting(name: str, known: Iterable[str]) -> str:
    """Return a setting's name for a message, unless it may be a key on the wrong side of the '='."""
    return name if nearest(name, known) else "what stands there"
