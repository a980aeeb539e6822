"""The secrets with which Alma signs an environment's webhook messages: the current one, and the one before.

Two count while a secret is exchanged: messages that were signed before the change may still be on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from almajob.config.environments import is_yes
from almajob.config.ini_reader import Setting, hold_webhook_secret, refuse_open_file
from almajob.config.keys.secret_source import KeySource, SecretNames, find_source, read_text
from almajob.config.paths import beside, expand, see_sample
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError
from almajob.text.redaction import Secret

CURRENT, OLD = "webhook_secret", "webhook_secret_old"
"""The settings of an environment, each also with ``_file``, ``_command`` and ``_keyring``."""
_FEWEST = 8


def list_sources(
    settings: Settings, environment: str, environ: Mapping[str, str]
) -> dict[str, tuple[SecretNames, KeySource]]:
    """Return where each secret of an environment will come from, by its setting, without fetching any."""
    section: Mapping[str, Setting] = settings.sections.get(environment, {})
    found = {}
    for setting in (CURRENT, OLD):
        ways: dict[str, Setting | None] = dict(section)
        if not is_yes(section, f"{setting}_keyring", default=False):
            ways[f"{setting}_keyring"] = None
        names = _name(settings, environment, setting)
        if (source := find_source(names, ways, environ)) is not None:
            found[setting] = (names, source)
    return found


def read_secrets(
    settings: Settings,
    environment: str,
    environ: Mapping[str, str],
    keep: Callable[[object, Callable[[], Secret]], Secret],
) -> tuple[Secret, ...]:
    """Fetch the secrets of an environment, the current one first.

    Args:
        keep: fetches each secret once.

    Raises:
        ConfigurationError: there is none, or one cannot be had.
    """
    found = list_sources(settings, environment, environ)
    if CURRENT not in found:
        held = hold_webhook_secret(environment)
        raise ConfigurationError(
            f"There is no webhook secret for {environment}.",
            reason="Alma signs its messages with it; without it nobody can tell them from forged ones.",
            hint=f"Write in [{environment}]: webhook_secret_file = FILE, or set {held.variable}.\n"
            f"Use the same text as in the integration profile in Alma. {see_sample()}",
        )
    return tuple(
        keep((environment, setting), partial(_fetch, settings, names, source))
        for setting, (names, source) in found.items()
    )


def _fetch(settings: Settings, names: SecretNames, source: KeySource) -> Secret:
    is_of_ini = source.way.startswith(CURRENT)
    untrusted = settings.untrusted_ini() if is_of_ini else None
    if untrusted is not None:
        untrusted.refuse(f"It would decide which webhook messages of {names.owner} are genuine.")
    if source.way == names.held.setting and settings.ini is not None:
        refuse_open_file(settings.ini.path, settings.ini.path.stat(), holds_key=True, held=names.held)
    secret = Secret(read_text(names, source))
    if len(secret.reveal()) < _FEWEST:
        raise ConfigurationError(
            f"The {names.noun} of {names.owner} is too short.",
            reason=f"It comes from {source.place} ({source.way}). Anybody could guess it.",
            hint=f"Choose one of {_FEWEST} characters or more, here and in Alma: openssl rand -hex 32",
        )
    return secret


def _name(settings: Settings, environment: str, setting: str) -> SecretNames:
    user = f"webhook:{environment}{'_old' if setting == OLD else ''}"
    return SecretNames(
        *("webhook secret", environment, hold_webhook_secret(environment, setting)),
        user=user,
        keep=f"keyring set almajob {user}",
        locate=lambda text: beside(settings.ini.path, text) if settings.ini else expand(text),
    )
