"""The environment variables that may hold API keys or other secrets, kept from every child process.

What a shell's pipe, a pager, api_key_command or a plugin starts inherits this process's environment, and
needs no key. So the variables are taken out of it while almajob runs, and remembered here.
"""

from __future__ import annotations

import os
import re
import threading
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from almajob.text.redaction import HIDDEN, Sealed, Secret

KEY_VARIABLES = "ALMAJOB_API_KEY_"
"""How the names begin of the variables that hold keys."""
PLUGIN_VARIABLES = "ALMAJOB_PLUGIN_"
"""How the names begin of those that hold secrets of plugins."""
LEDGER_PASSWORD = "ALMAJOB_LEDGER_PASSWORD"  # noqa: S105  # its name
"""The variable that may hold the password of the ledger's database."""
WEBHOOK_VARIABLES = "ALMAJOB_WEBHOOK_SECRET_"
"""How the names begin of those that hold the secrets of webhooks."""
NOTIFY_VARIABLES = "ALMAJOB_NOTIFY_"
"""How the names begin of those that hold secrets of notifications."""
SECRET_VARIABLES = (KEY_VARIABLES, PLUGIN_VARIABLES, NOTIFY_VARIABLES, LEDGER_PASSWORD, WEBHOOK_VARIABLES)
_taken: dict[str, Secret] = {}
_whiles: list[object] = []
_turn = threading.Lock()


@contextmanager
def keys_taken_out() -> Iterator[None]:
    """Take the keys out of this process's environment for a while, and hide them from now on.

    There may be several such whiles at once, of threads or one in another: the keys are put back at the end
    of the last one.
    """
    this = object()
    with _turn:
        _whiles.append(this)
    try:
        with _turn:
            for name in [name for name in os.environ if name.startswith(SECRET_VARIABLES)]:
                _taken[name] = _hide(os.environ.pop(name))
        yield
    finally:
        with _turn:
            _whiles.remove(this)
            if not _whiles:
                os.environ.update({name: key.reveal() for name, key in _taken.items()})
                _taken.clear()


class Variables(Sealed, Mapping[str, str]):
    """Environment variables, of which those that may hold a key are ``(hidden)``; ``key`` has it.

    Args:
        plain: all others.
        keys: those.
    """

    __slots__ = ("_keys", "_plain")

    def __init__(self, plain: Mapping[str, str], keys: Mapping[str, Secret]) -> None:
        self._plain = plain
        self._keys = keys

    def key(self, name: str) -> Secret | None:
        """Return the key in a variable; None where it is not set, or empty."""
        found = self._keys.get(name) or (_hide(self._plain[name]) if name in self._plain else None)
        return found if found and found.reveal() else None

    def __getitem__(self, name: str) -> str:
        if name.startswith(SECRET_VARIABLES) and name in self:
            return HIDDEN
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._keys, **self._plain})

    def __len__(self) -> int:
        return len({**self._keys, **self._plain})

    def __contains__(self, name: object) -> bool:
        return name in self._keys or name in self._plain


def environ(changed: Mapping[str, str] = MappingProxyType({})) -> Variables:
    """Return the variables of this process, as it was started: also those that were taken out.

    Args:
        changed: variables that hold no keys, instead of those of the process.
    """
    return Variables(ChainMap(dict(changed), os.environ) if changed else os.environ, _taken)


def list_for_child(*names: str) -> dict[str, str]:
    """Return the variables of this process for one that it starts, without keys and secrets.

    Args:
        names: how the names begin of those secrets that are for it.
    """
    found = environ()
    wanted = [name for name in found if name.startswith(names)] if names else []
    secrets = {name: secret.reveal() for name in wanted if (secret := found.key(name))}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(SECRET_VARIABLES)}
    return {**plain, **secrets}


def name_plugin_variable(plugin: str, setting: str = "") -> str:
    """Return the name of the variable with a secret of a plugin, or how all of them begin.

    Args:
        plugin: its normalized name.
    """
    # No normalized name has two underscores in a row: nothing of foo-bar begins as what is foo's.
    return PLUGIN_VARIABLES + re.sub(r"[^A-Z0-9]", "_", f"{plugin}__{setting}".upper())


def name_notify_variable(name: str, setting: str) -> str:
    """Return the name of the variable with a secret of a section [notify:NAME].

    Args:
        name: of the section, without what it begins with.
    """
    return NOTIFY_VARIABLES + re.sub(r"[^A-Z0-9]", "_", f"{name}__{setting}".upper())


def list_secret_variables(plugin: str) -> list[str]:
    """List how the names begin of the variables with secrets of a plugin; notifications are almajob's own.

    Args:
        plugin: its normalized name.
    """
    return [name_plugin_variable(plugin), *([NOTIFY_VARIABLES] if plugin == "almajob" else [])]


def hide_keys(given: Mapping[str, str]) -> Variables:
    """Return the variables that somebody gave, with the keys in them hidden."""
    if isinstance(given, Variables):
        return given
    plain = {name: value for name, value in given.items() if not name.startswith(SECRET_VARIABLES)}
    return Variables(plain, {name: _hide(given[name]) for name in given if name not in plain})


def _hide(text: str) -> Secret:
    # A key is what stands there without the blanks around it.
    Secret(text.strip())
    return Secret(text)
