"""Where a new key of an environment belongs: where its key comes from now, else into the ini."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from almajob.config import ini_reader as ini_file
from almajob.config.environments import DEMO, KINDS, REGIONS, Environment, is_gateway, read_access
from almajob.config.ini_sections import is_environment_name
from almajob.config.ini_text import TOP, change_setting, quote_value
from almajob.config.keys import api_keys
from almajob.config.paths import expand
from almajob.config.settings import NO_INI, Settings
from almajob.errors import ConfigurationError, KeyOnCommandLine, UsageError
from almajob.text.redaction import is_shown_in
from almajob.text.suggestions import suggest

# Nobody calls an environment so.
_LIKE_A_KEY = r"(?=.*[0-9])[0-9A-Za-z]{20,}"
_NEW_INI = '; "almajob config show" prints every setting and where it came from.\n'


class KeyRequest(NamedTuple):
    """What somebody says who has a new key.

    Attributes:
        environment: whose key it is.
        region, kind: of an environment that the ini does not have yet; empty for one that it has.
        in_keyring: whether the keyring is to keep it.
    """

    environment: str
    region: str = ""
    kind: str = ""
    in_keyring: bool = False


class KeyPlace(NamedTuple):
    """Where the key goes.

    Attributes:
        way: ``api_key``, ``api_key_file`` or ``api_key_keyring``.
        path: the ini or the key file; None where the keyring alone changes.
        section, setting: where it stands in the ini.
        instead_of: the setting whose line it takes there, where that is another.
        others: what an environment needs besides, that is new.
    """

    way: str
    path: Path | None
    section: str = ""
    setting: str = ""
    instead_of: str | None = None
    others: tuple[tuple[str, str], ...] = ()

    @property
    def in_keyring(self) -> bool:
        """Whether the keyring keeps it."""
        return self.way == "api_key_keyring"


def find_place(settings: Settings, environ: Mapping[str, str], request: KeyRequest) -> KeyPlace:
    """Return where a new key of an environment belongs.

    Raises:
        UsageError: the request cannot be fulfilled for such an environment.
        ConfigurationError: its key is not kept by almajob, or there is no such environment.
    """
    name = request.environment
    if name == DEMO:
        raise UsageError("The demo needs no key.", hint="Try it: almajob --env demo list")
    if name in KINDS and request.kind not in ("", name):
        raise UsageError(f"{name} cannot be a {request.kind} environment.", hint="Leave out --kind.")
    section = settings.sections.get(name)
    others = _settings_of_new(settings, request) if section is None else _settings_of_known(request, section)
    # Its section may not be complete yet.
    access = read_access(Environment(name, ""), section or {})
    found = api_keys.source(access, environ)
    way = found.way if found else "api_key"
    _refuse_untrusted(settings, name, way)
    if way == "api_key_file" and access.api_key_file and not request.in_keyring:
        return KeyPlace(way, expand(access.api_key_file.text))
    if way == "api_key_keyring":
        return KeyPlace(way, None)
    if found and (
        way in ("api_key_command", "api_key_file") or (way != "api_key" and not request.in_keyring)
    ):
        raise ConfigurationError(
            f"The key of {name} is not in the configuration file: it comes from {found.place} ({way}).",
            reason="A key in the configuration file would not be used.",
            hint="Change it there, or remove that and run this command again.",
        )
    return _place_in_ini(settings, request, others)


def _refuse_untrusted(settings: Settings, name: str, way: str) -> None:
    """Refuse to put a key where an ini says that may be somebody else's.

    Raises:
        ConfigurationError: it does.
    """
    untrusted, section = settings.untrusted_ini(), settings.sections.get(name, {})
    if untrusted is None:
        return
    if way == "api_key_file":
        untrusted.refuse(f"It would have the key of {name} written into {section['api_key_file'].text}.")
    if "base_url" in section and not is_gateway(section["base_url"].text):
        untrusted.refuse(f"It would send the key of {name} to {section['base_url'].text}.")


def _settings_of_known(request: KeyRequest, section: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    given = {"region": request.region, "kind": request.kind}
    there = {"region": ("region", "domain", "base_url"), "kind": ("kind",)}
    for name, text in given.items():
        if text and any(each in section for each in there[name]):
            raise UsageError(
                f"The configuration file already sets the {name} of {request.environment}.",
                hint=f"Leave out --{name}.",
            )
    return tuple((name, text) for name, text in given.items() if text)


def _settings_of_new(settings: Settings, request: KeyRequest) -> tuple[tuple[str, str], ...]:
    name = request.environment
    if is_shown_in(name) or re.fullmatch(_LIKE_A_KEY, name):
        raise KeyOnCommandLine
    if not is_environment_name(name):
        # It may be a key, too.
        raise UsageError(
            "This is not the name of an environment.",
            reason="A name consists of letters, digits, - and _, and is not almajob.",
            hint="Do not type the key there: almajob config set-key sandbox asks for it.",
        )
    is_kind = name in KINDS
    if (is_kind or request.kind) and (request.region or _has_flat_domain(settings, name)):
        given = {"kind": "" if is_kind else request.kind, "region": request.region}
        return tuple((setting, text) for setting, text in given.items() if text)
    meant = "" if is_kind else suggest(name, (*settings.sections, *KINDS))
    kind = "" if is_kind else "--kind KIND "
    raise ConfigurationError(
        f"{settings.ini.path} has no environment {name!r}."
        if settings.ini
        else f"There is no environment {name!r}.",
        reason="" if settings.ini else NO_INI,
        hint=f"{meant}\nTo add it: ".lstrip()
        + f"almajob config set-key {name} {kind}--region REGION\nREGION is one of {', '.join(REGIONS)}"
        + (f", and KIND is {' or '.join(KINDS)}." if kind else "."),
    )


def _has_flat_domain(settings: Settings, name: str) -> bool:
    """Whether it can be added as the predecessor would have it: without a section, at the same region."""
    flat = settings.ini.sections.get(TOP, {}) if settings.ini else {}
    return name in KINDS and "domain" in flat and any(f"api_key_{kind}" in flat for kind in KINDS)


def _place_in_ini(settings: Settings, request: KeyRequest, others: tuple[tuple[str, str], ...]) -> KeyPlace:
    name, ini = request.environment, settings.ini
    path = ini.path if ini else settings.need_config_dir("a configuration file") / "almajob.ini"
    sections = ini.sections if ini else {}
    if f"api_key_{name}" in sections.get(TOP, {}) and "api_key" not in sections.get(name, {}):
        if request.in_keyring:
            raise ConfigurationError(
                f"{path} has the format of the older script, which cannot use a keyring.",
                hint=f"Put api_key_{name} and domain into a section: [{name}], with api_key and region.",
            )
        return KeyPlace("api_key", path, TOP, f"api_key_{name}")
    if request.in_keyring:
        there = sections.get(name, {})
        replaced = "api_key" if "api_key" in there and "api_key_keyring" not in there else None
        return KeyPlace("api_key_keyring", path, name, "api_key_keyring", replaced, others)
    if name not in sections and not request.region and _has_flat_domain(settings, name):
        return KeyPlace("api_key", path, TOP, f"api_key_{name}")
    return KeyPlace("api_key", path, name, "api_key", None, others)


def edit_ini(place: KeyPlace, path: Path, text: str, key: str) -> tuple[str, int]:
    """Return the text of the ini with the key in it, or with the word that the keyring has it; and the line.

    Args:
        text: that it has now; empty where there is none yet.

    Raises:
        ConfigurationError: no ini can hold it.
    """
    value = "yes" if place.in_keyring else quote_value(key)
    if value is None:
        raise ConfigurationError(
            "This key cannot be written into a configuration file.",
            hint="Keep it in a file: api_key_file = FILE",
        )
    text = text or _NEW_INI
    ini_file.parse(path, text)
    for setting, written in ((place.setting, value), *place.others):
        instead_of = place.instead_of if setting == place.setting else None
        text = change_setting(text, place.section, setting, written, instead_of=instead_of)
    return text, ini_file.parse(path, text).sections[place.section][place.setting].line
