"""A keyring without files or services, for tests."""

from __future__ import annotations

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordSetError

KEPT: dict[tuple[str, str], str] = {}
"""What is in it, by service and user."""


class MemoryKeyring(KeyringBackend):
    """Keep passwords in memory; one that is locked gives and takes none, one that forgets takes any."""

    priority = 1
    is_locked = False
    forgets = False
    takes_none = False

    def get_password(self, service: str, username: str) -> str | None:
        self._refuse()
        return KEPT.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._refuse(password)
        if self.takes_none:
            raise PasswordSetError(f"cannot keep {password}")
        if not self.forgets:
            KEPT[service, username] = password

    def _refuse(self, password: str = "") -> None:
        if self.is_locked:
            # As some do, it says more than it should.
            raise KeyringLocked(f"cannot unlock to keep {password}")
