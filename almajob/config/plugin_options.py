"""Settings that somebody else knows, as those of [plugin:NAME]: a section, read into their dataclass."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from almajob.config.environments import is_yes
from almajob.config.ini_reader import HeldSecret, Setting, hold_plugin_secret, refuse_open_file
from almajob.config.ini_sections import PLUGIN_HEADING, Section
from almajob.config.keys import secret_source
from almajob.config.keys.secret_source import SecretNames
from almajob.config.paths import beside, expand
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError
from almajob.text.redaction import Secret, is_shown_in
from almajob.text.suggestions import suggest

T = TypeVar("T")
KeepSecret = Callable[[object, Callable[[], Secret]], Secret]
"""Returns the secret of a name, and reads it the first time."""
_WAYS = ("", "_command", "_file", "_keyring")
_MAY_BE_SECRET = re.compile(
    r"token|secret|pass|pwd|cred|key|auth|url|uri|dsn|hook|sign|salt|cookie|bearer|jwt|private|connection"
    r"|(?:^|_)(?:pat|pin|sas)(?:_|$)|_command$"
)
"""Names of settings whose values are not shown. The address of a webhook lets in whoever knows it, too."""
_LOOKS_SECRET = re.compile(r"://|(?=[\w+=~-]*[0-9])(?=[\w+=~-]*[^\W\d_])[\w+=~-]{12,}")
"""Values that are not shown under any name: addresses, and long words of letters and digits."""


class SectionOwner(NamedTuple):
    """Whose settings a section has.

    Attributes:
        name: for messages: ``the plugin journal``.
        heading: of the section.
        hold: returns what a secret of theirs is called, by the name of its setting.
        known: settings that somebody else reads.
    """

    name: str
    heading: str
    hold: Callable[[str], HeldSecret]
    known: Sequence[str] = ()


def read_options(
    defaults: T, plugin: str, settings: Settings, environ: Mapping[str, str], keep: KeepSecret
) -> T:
    """Return a plugin's settings: those of the ini, and the defaults for the others; see ``read_section``.

    Args:
        plugin: its normalized name.
    """
    owner = SectionOwner(
        f"the plugin {plugin}", f"{PLUGIN_HEADING}{plugin}", partial(hold_plugin_secret, plugin)
    )
    return read_section(defaults, settings.plugins.get(plugin, {}), owner, settings, environ, keep)


def read_section(
    defaults: T,
    section: Section,
    owner: SectionOwner,
    settings: Settings,
    environ: Mapping[str, str],
    keep: KeepSecret,
) -> T:
    """Return the settings of a section, and the defaults for those that it has not.

    Args:
        defaults: an instance of a frozen dataclass, whose fields name the settings, with their types. A name
            that Python keeps for itself has an underscore behind it: ``from_``.
        keep: fetches each secret once.

    Raises:
        TypeError: that is no such instance, or a field has a type that no setting can have.
        ConfigurationError: a value is wrong, a secret cannot be had, or the ini is not trusted.
    """
    kinds = _find_kinds(defaults)
    untrusted = settings.untrusted_ini() if section else None
    if untrusted is not None:
        # What is done with them, they alone know.
        untrusted.refuse(f"It would set options of {owner.name}.")
    _warn_of_unknown(section, kinds, owner, settings.warn)
    found: dict[str, Any] = {}
    for field, kind in kinds.items():
        name = _setting_of(field)
        if kind is Secret:
            secret = _read_secret(name, section, owner, settings, environ, keep)
            found |= {} if secret is None else {field: secret}
        elif name in section:
            found[field] = _read_value(name, section, kind, settings)
    return dataclasses.replace(defaults, **found)  # type: ignore[type-var]  # checked above


def _setting_of(field: str) -> str:
    return field.removesuffix("_")


def may_show(name: str, given: Setting) -> bool:
    """Whether the value of a plugin's setting may be shown, whose type nobody here knows."""
    if given.key is not None or is_shown_in(given.text):
        return False
    if name.endswith(_WAYS[2:]) and "/" in given.text:
        return "://" not in given.text
    # Somebody may have written the secret itself where its file belongs.
    is_named_plainly = name.endswith(_WAYS[2:]) or not _MAY_BE_SECRET.search(name)
    return is_named_plainly and not _LOOKS_SECRET.search(given.text)


def _find_kinds(defaults: object) -> dict[str, Any]:
    """Return the types of the fields, ``X | None`` as X.

    Raises:
        TypeError: one of them cannot be read, or this is no instance of a frozen dataclass.
    """
    kind = type(defaults)
    params = getattr(kind, "__dataclass_params__", None)
    if params is None or not params.frozen:
        raise TypeError("options() takes an instance of a frozen dataclass, which has the defaults")
    hints = get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(defaults):  # type: ignore[arg-type]  # checked above
        choices = [each for each in get_args(hints[field.name]) if each is not NoneType]
        is_optional = NoneType in get_args(hints[field.name]) and len(choices) == 1
        found[field.name] = choices[0] if is_optional else hints[field.name]
        if found[field.name] not in (Secret, bool, *_READERS) or field.name != field.name.lower():
            raise TypeError(
                f"{kind.__name__}.{field.name} must be in small letters, and of the type str, int, float, "
                "bool, Path, tuple[str, ...] or Secret, or one of these or None"
            )
    return found


def _warn_of_unknown(
    section: Section, kinds: Mapping[str, Any], owner: SectionOwner, warn: Callable[[str], None]
) -> None:
    known = [
        *(
            _setting_of(name) + way
            for name, kind in kinds.items()
            for way in (_WAYS if kind is Secret else ("",))
        ),
        *owner.known,
    ]
    for name, given in section.items():
        if name not in known:
            meant = suggest(name, known)
            # It may be a secret on the wrong side of the '='.
            shown = name if meant else "this line"
            problem = f"{shown} is not a setting of {owner.name} and is ignored."
            warn(f"{given.source}: {problem} {meant}".rstrip())


def _read_value(name: str, section: Mapping[str, Setting], kind: Any, settings: Settings) -> Any:
    given = section[name]
    if given.key is not None:
        raise TypeError(f"{name} holds a secret by its name, so its type must be Secret")
    if kind is bool:
        return is_yes(section, name, default=False)
    read, what, example = _READERS[kind]
    try:
        value = read(given.text)
    except ValueError:
        # Not quoted: nobody knows what it is.
        raise ConfigurationError(
            f"{given.source}: {name} is not {what}.", hint=f"Write, for example: {name} = {example}"
        ) from None
    return beside(settings.ini.path, str(value)) if kind is Path and settings.ini else value


def _read_secret(
    name: str,
    section: Section,
    owner: SectionOwner,
    settings: Settings,
    environ: Mapping[str, str],
    keep: KeepSecret,
) -> Secret | None:
    names = SecretNames(
        *("secret", owner.name),
        owner.hold(name),
        user=f"{owner.heading}:{name}",
        keep=f"keyring set almajob {owner.heading}:{name}",
        locate=lambda text: beside(settings.ini.path, text) if settings.ini else expand(text),
    )
    keyring = f"{name}_keyring"
    ways: dict[str, Setting | None] = {**section}
    if not is_yes(section, keyring, default=False):
        ways[keyring] = None
    found = secret_source.find_source(names, ways, environ)
    if found is None:
        return None
    if found.way == name and settings.ini is not None:
        mode = settings.ini.path.stat()
        refuse_open_file(settings.ini.path, mode, holds_key=True, held=names.held)

    def fetch() -> Secret:
        secret = Secret(secret_source.read_text(names, found))
        if not secret.reveal():
            raise ConfigurationError(
                f"The {name} of {owner.name} is empty.",
                reason=f"It comes from {found.place} ({found.way}).",
            )
        return secret

    return keep((owner.heading, name, found), fetch)


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _read_path(text: str) -> str:
    if not text:
        raise ValueError
    return text


_READERS: dict[Any, tuple[Callable[[str], Any], str, str]] = {
    str: (str, "", ""),
    int: (int, "a whole number", "7"),
    float: (_read_float, "a number", "0.5"),
    Path: (_read_path, "a file or directory", "reports"),
    tuple[str, ...]: (
        lambda text: tuple(filter(None, map(str.strip, text.split(",")))),
        "a list",
        "one, two",
    ),
}
