"""The keyring of this machine's user, where ``keyring`` is installed: keys are kept there and read.

The library and its backends are loaded when a key is kept there, and only then. What they say of an error may
quote what they were given, so it is never repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from almajob.errors import ConfigurationError
from almajob.system.stdin import withhold_stdin

SERVICE = "almajob"
"""Under which name keys are kept; their user is the environment's name."""


def get(user: str, noun: str = "key", setting: str = "api_key") -> str:
    """Return what the keyring has for an environment or a plugin's setting; empty where it has nothing.

    Args:
        user: the environment's name; for a plugin's setting, ``plugin:PLUGIN:SETTING``.
        noun: what is kept so, for messages.
        setting: how it is called in the configuration file.

    Raises:
        ConfigurationError: there is no keyring, or it is locked.
    """
    with _word_errors(f"returned no {noun} for {user}", setting):
        import keyring

        return keyring.get_password(SERVICE, user) or ""


def check(environment: str) -> None:
    """Find out whether there is a keyring that may keep a key, before anybody is asked for one.

    Raises:
        ConfigurationError: there is none, it is locked, or it is the one that keeps nothing.
    """
    with _word_errors(_TOOK_NONE):
        import keyring
        from keyring.backends import null

        # "keyring --disable" makes this one the user's.
        keeps_nothing = isinstance(keyring.get_keyring(), null.Keyring)
        keyring.get_password(SERVICE, environment)
    if keeps_nothing:
        raise _not_kept()


def put(environment: str, key: str) -> None:
    """Keep a key for an environment.

    Raises:
        ConfigurationError: there is no keyring, or it does not take it or keep it.
    """
    with _word_errors(_TOOK_NONE):
        import keyring

        keyring.set_password(SERVICE, environment, key)
        is_kept = keyring.get_password(SERVICE, environment) == key
    # Some take anything and keep nothing.
    if not is_kept:
        raise _not_kept()


def _not_kept() -> ConfigurationError:
    return ConfigurationError(
        "The keyring did not store the key. Nothing was changed.", hint=_FIX.format("api_key")
    )


@contextmanager
def _word_errors(message: str, setting: str = "api_key") -> Iterator[None]:
    """Word the errors of the library and of its backends, whatever these are."""
    fix = _FIX.format(setting)
    try:
        # Some backends start programs, such as pass, to which stdin does not belong.
        with withhold_stdin():
            yield
    except Exception as error:  # noqa: BLE001  # backends raise what their services do
        if isinstance(error, ModuleNotFoundError) and error.name == "keyring":
            raise ConfigurationError(
                f"The {setting} in the keyring needs the library keyring, which is not installed.",
                hint="Type: pip install keyring",
            ) from None
        kind = type(error).__name__
        if kind == "NoKeyringError":
            raise ConfigurationError("There is no keyring for this user on this machine.", hint=fix) from None
        raise ConfigurationError(
            f"The keyring {message}.", reason=_WHY.get(kind, f"It failed with {kind}."), hint=fix
        ) from None


_TOOK_NONE = "did not accept the key. Nothing was changed"
_FIX = (
    '"keyring diagnose" shows which backends there are.\n'
    "Without a login session, as in cron, use {0}_command or {0}_file."
)
_WHY = {"KeyringLocked": "It is locked.", "InitError": "It cannot be opened."}
