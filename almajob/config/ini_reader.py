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
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given
from almajob.system.private_files import NotPrivate, refuse_open_directory
from almajob.text.redaction import Secret

SIZE_LIMIT = 2**20
_SEE_SAMPLE = "almajob.ini.sample shows every setting."
# All but those that say where a key is.
_HOLDS_KEY = r"(?i)api[-_]?key(?!_file|_command|_keyring)"
_KEY_SETTINGS = {"api_key", "api_key_sandbox", "api_key_production"}


class Setting(NamedTuple):
    """A setting and where it came from; its text may be a key.

    Attributes:
        line: of its file; 0 where it stands in none.
    """

    text: str
    source: str
    line: int = 0

    def __repr__(self) -> str:
        return f"Setting(source={self.source!r})"


class Ini(NamedTuple):
    """A parsed file: its settings by section and name (lower case, but for a parameter's).

    Attributes:
        digest: of its bytes, as they were read; empty where it is not in its file yet.
    """

    path: Path
    sections: Mapping[str, Mapping[str, Setting]]
    digest: str = ""


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
    holds_key = any(name in _KEY_SETTINGS for section in ini.sections.values() for name in section)
    refuse_open_file(path, mode, holds_key=holds_key, reason=reason)
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
        raise ConfigurationError(f"{path}, line {number} {message}.", hint=f"{hint} {_SEE_SAMPLE}")
    return Ini(
        path,
        {
            section: {
                name: Setting(value, f"{path}, line {line}", line) for name, (value, line) in settings.items()
            }
            for section, settings in found.items()
        },
    )


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
        ConfigurationError: with the chmod that fixes it.
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
