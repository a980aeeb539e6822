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


def get(environment: str) -> str:
    """Return what the keyring has for an environment; empty where it has nothing.

    Raises:
        ConfigurationError: there is no keyring, or it is locked.
    """
    with _word_errors(f"gave no key for {environment}"):
        import keyring

        return keyring.get_password(SERVICE, environment) or ""


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
    return ConfigurationError("The keyring did not keep the key; nothing was changed.", hint=_CURE)


@contextmanager
def _word_errors(message: str) -> Iterator[None]:
    """Word the errors of the library and of its backends, whatever these are."""
    try:
        # Some backends start programs, such as pass, to which stdin does not belong.
        with withhold_stdin():
            yield
    except Exception as error:  # noqa: BLE001  # backends raise what their services do
        if isinstance(error, ModuleNotFoundError) and error.name == "keyring":
            raise ConfigurationError(
                "api_key_keyring needs the library keyring, which is not installed.",
                hint="Type: pip install 'almajob[keyring]'",
            ) from None
        kind = type(error).__name__
        if kind == "NoKeyringError":
            raise ConfigurationError(
                "There is no keyring for this user on this machine.", hint=_CURE
            ) from None
        raise ConfigurationError(
            f"The keyring {message}.", reason=_WHY.get(kind, f"It failed with {kind}."), hint=_CURE
        ) from None


_TOOK_NONE = "took no key; nothing was changed"
_CURE = (
    '"keyring diagnose" shows what there is.\n'
    "Where nobody is logged in, as in cron, take api_key_command or api_key_file."
)
_WHY = {"KeyringLocked": "It is locked.", "InitError": "It cannot be opened."}
