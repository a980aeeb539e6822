"""A new API key, put where its environment's key comes from: the ini, a key file, or the keyring.

It comes from a terminal or from stdin, and never from the command line, which others can see.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from io import UnsupportedOperation
from pathlib import Path
from typing import NamedTuple

from almajob.alma.api_key import Key
from almajob.config import environments, ini_reader
from almajob.config.environments import Environment
from almajob.config.ini_sections import sort_sections
from almajob.config.keys import key_location, keyring_store
from almajob.config.keys.key_location import KeyPlace, KeyRequest
from almajob.config.settings import INI_LOCK, TURN_SECONDS, Settings
from almajob.errors import KEY_PAGE, ConfigurationError, Refused, UsageError
from almajob.system.atomic_write import AlreadyThere, new_file
from almajob.system.file_lock import LockHeld, lock_file
from almajob.system.input_files import read_given, read_line
from almajob.system.key_variables import hide_keys
from almajob.system.private_files import hint_of, make_private, refuse_open_directory
from almajob.system.terminal import has_keyboard
from almajob.text.redaction import SHORTEST, Sealed

LOG = logging.getLogger(__name__)

_KEY_SIZE = 4096
_LONGEST = 256
"""Characters of a key; those of Alma's have 36."""
_QUOTES = "\"'`"


class KeptKey(NamedTuple):
    """Where a key is now.

    Attributes:
        where: a file, a line of it, or the keyring.
        is_new: whether it was another one before.
    """

    where: str
    is_new: bool


class NewKey(Sealed):
    """The key of an environment, about to be exchanged.

    Args:
        load: reads the settings as they are now.
        request: for which environment, and what is said of one that is new.
    """

    def __init__(self, load: Callable[[], Settings], environ: Mapping[str, str], request: KeyRequest) -> None:
        self._load = load
        self._environ = hide_keys(environ)
        self._request = request

    def check(self) -> None:
        """Refuse what can be told before anybody is asked for a key.

        Raises:
            ConfigurationError: there is no place for it, or not a safe one; no keyring, where that is it.
        """
        place = key_location.find_place(self._load(), self._environ, self._request)
        if place.path is not None:
            _refuse_unsafe(place.path)
        if place.in_keyring:
            keyring_store.check(self._request.environment)

    def ask(self, *, may_be_piped: bool) -> Key:
        """Read the key: at a terminal without showing it, else from the first line of stdin.

        Args:
            may_be_piped: whether stdin is the key's, and not a script of commands.

        Raises:
            ConfigurationError: what came can be no key; it is not shown.
        """
        if not has_keyboard() and not may_be_piped:
            raise UsageError(
                "A key cannot be set from a script.", hint="Run almajob config set-key outside the shell."
            )
        try:
            text = _ask_keyboard(self._request.environment) if has_keyboard() else _read_stdin()
        except KeyboardInterrupt:
            sys.stderr.write("\nNothing was changed.\n")
            raise
        key = _key_of(text)
        if len(key.reveal()) < SHORTEST:
            LOG.warning("A key of fewer than %d characters is not hidden in messages.", SHORTEST)
        return key

    def preview(self, key: Key) -> Environment:
        """Return the environment as it will be once the key is kept.

        Raises:
            ConfigurationError: the ini says of it too little, or something wrong.
        """
        name, settings = self._request.environment, self._load()
        place = key_location.find_place(settings, self._environ, self._request)
        if place.path is None or place.way == "api_key_file":
            return settings.environment(name)
        _before, text, _line = _edit_file(place, key.reveal())
        found = sort_sections(ini_reader.parse(place.path, text.decode("utf-8-sig"))).environments
        return environments.from_section(name, found[name])

    def keep(self, key: Key) -> KeptKey:
        """Put it there, in one step; no other ``keep`` of this user's comes between.

        Raises:
            ConfigurationError: it cannot be kept; what was there is as it was.
            Refused: another process does the same all the time.
        """
        lock = Path(self._load().need_state_dir("the lock under which a key is set"), INI_LOCK)
        with ExitStack() as turn:
            try:
                turn.enter_context(lock_file(lock, wait=TURN_SECONDS))
            except LockHeld:
                raise Refused("Another process is setting a key.", hint="Try again.") from None
            except OSError as error:
                raise _not_written(lock, error) from None
            # As it is now: another process may just have put another key in.
            settings = self._load()
            place = key_location.find_place(settings, self._environ, self._request)
            return _keep(place, self._request.environment, key.reveal(), settings)


def _ask_keyboard(environment: str) -> str:
    import warnings
    from getpass import GetPassWarning, getpass

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)
            return getpass(f"API key of {environment} (not shown): ")
    except EOFError:
        return ""
    except GetPassWarning:
        raise ConfigurationError(
            "This terminal would show the key.", hint="Pipe it in: almajob config set-key ENVIRONMENT < FILE"
        ) from None


def _read_stdin() -> str:
    if not sys.stdin or sys.stdin.closed:
        return ""
    try:
        descriptor = sys.stdin.fileno()
    except UnsupportedOperation:
        # Of a program that calls this one: text in memory, for which nobody waits.
        return sys.stdin.readline(_KEY_SIZE)
    try:
        # What is no text has a character then that no key has.
        return read_line(descriptor, _KEY_SIZE).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigurationError(
            "No key was read. Nothing was changed.",
            reason=f"{error.strerror}.",
            hint="Pipe it in: almajob config set-key ENVIRONMENT < FILE",
        ) from None


def _key_of(text: str) -> Key:
    word = text.strip()
    try:
        key = Key(word)
        if word != word.strip(_QUOTES):
            raise ValueError("is in quotes")
        # With its blanks: a line that was cut may have been any.
        if len(text) > _LONGEST:
            raise ValueError(f"has more than {_LONGEST} characters")
    except ValueError as error:
        raise ConfigurationError(
            f"The key {error}. Nothing was changed.",
            hint=f"A key is one word, such as l7xx0123… Keys are shown at\n{KEY_PAGE}",
        ) from None
    return key


def _keep(place: KeyPlace, environment: str, key: str, settings: Settings) -> KeptKey:
    if place.way == "api_key_file":
        assert place.path is not None
        is_new = _key_in(place.path) != key
        if is_new:
            _write(place.path, f"{key}\n".encode())
        return KeptKey(str(place.path), is_new)
    is_new = False
    if place.in_keyring:
        is_new = keyring_store.get(environment) != key
        if is_new:
            keyring_store.put(environment, key)
    if place.path is None:
        return KeptKey("the keyring", is_new)
    raw, text, line = _edit_file(place, key)
    if text != raw:
        _write(place.path, text)
        settings.keep_trust(place.path, raw, text, time.time())
    where = f"{place.path}, line {line}"
    return KeptKey(f"the keyring, as {where} says" if place.in_keyring else where, is_new or text != raw)


def _edit_file(place: KeyPlace, key: str) -> tuple[bytes, bytes, int]:
    """Return the ini as it is, as it will be, and the line of the setting."""
    assert place.path is not None
    try:
        raw = place.path.read_bytes() if place.path.exists() else b""
    except OSError as error:
        raise _not_written(place.path, error) from None
    text, line = key_location.edit_ini(place, place.path, raw.decode("utf-8-sig"), key)
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    return raw, mark + text.encode(), line


def _key_in(path: Path) -> str:
    try:
        return read_given(path, _KEY_SIZE)[0].decode("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        # It is made, or that it cannot be is told.
        return ""


def _refuse_unsafe(path: Path) -> None:
    """Refuse a place where the key would not be safe, or would not stay what it is.

    A link is not followed: it often leads into a repository of dotfiles, and from there into the world.
    """
    try:
        refuse_open_directory(path.parent)
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, error) from None
    if stat.S_ISLNK(found.st_mode):
        raise ConfigurationError(
            f"{path} is a symbolic link. No key is written through it.",
            reason=f"It leads to {path.resolve()}, which may not be meant for a key.",
            hint="If it is, name that file itself with --ini-file.\n"
            "If not, use api_key_file or api_key_command, and keep the key there.",
        )
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path} is not a file.", hint="Name one with --ini-file.")
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{path} belongs to another user, so no key is written into it.",
            hint="Ask its owner, or copy it and name your copy with --ini-file.",
        )


def _write(path: Path, content: bytes) -> None:
    _refuse_unsafe(path)
    try:
        make_private(path.parent)
        with new_file(path, overwrite=path.exists(), mode=0o600) as file:
            file.write(content)
    except AlreadyThere:
        raise ConfigurationError(
            f"{path} was created by another process meanwhile.", hint="Try again."
        ) from None
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be written. The key was not changed.",
        reason=f"{error.strerror}.",
        hint=hint_of(error),
    )
