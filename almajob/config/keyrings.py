"""The keyring of this machine's user, where ``keyring`` is installed: keys are kept there and read.

The library and its backends are loaded when a key is kept there, and only then. What they say of an error may
quote what they were given, so it is never repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from almajob.errors import ConfigurationError

SERVICE = "almajob"
"""Under which name keys are kept; their user is the environment's name."""


def get(environment: str) -> str:
    """Give what the keyring has for an environment; empty where it has nothing.

    Raises:
        ConfigurationError: there is no keyring, or it is locked.
    """
    with _told(f"gave no key for {environment}"):
        import keyring

        return keyring.get_password(SERVICE, environment) or ""


def put(environment: str, key: str) -> None:
    """Keep a key for an environment.

    Raises:
        ConfigurationError: there is no keyring, or it does not take it.
    """
    with _told(f"did not take the key of {environment}"):
        import keyring

        keyring.set_password(SERVICE, environment, key)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Word the errors of the library and of its backends, whatever these are."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # backends raise what their services do
        if isinstance(error, ModuleNotFoundError) and error.name == "keyring":
            raise ConfigurationError(
                "api_key_keyring needs the library keyring, which is not installed.",
                cure="Type: pip install 'almajob[keyring]'",
            ) from None
        raise ConfigurationError(
            f"The keyring {what}.",
            why=_WHY.get(type(error).__name__, f"It failed with {type(error).__name__}."),
            cure='"keyring diagnose" shows what there is.\n'
            "Where nobody is logged in, as in cron, take api_key_command or api_key_file.",
        ) from None


_WHY = {
    "NoKeyringError": "There is none for this user on this machine.",
    "KeyringLocked": "It is locked.",
    "InitError": "It cannot be opened.",
}
