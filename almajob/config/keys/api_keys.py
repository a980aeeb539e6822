"""Where an environment's API key comes from, and the key itself; never from an option."""

from __future__ import annotations

import re
from collections.abc import Mapping

from almajob.alma.api_key import Key
from almajob.config.environments import Access, is_gateway
from almajob.config.ini_reader import HeldSecret
from almajob.config.keys.secret_source import KeySource, SecretNames, find_source, name_program, read_text
from almajob.config.paths import expand, see_sample
from almajob.errors import KEY_PAGE, ConfigurationError
from almajob.system.key_variables import KEY_VARIABLES


def variable(environment: str) -> str:
    """Name the environment variable that may hold the key of an environment."""
    return KEY_VARIABLES + re.sub(r"[^A-Z0-9]", "_", environment.upper())


def source(access: Access, environ: Mapping[str, str]) -> KeySource | None:
    """Return where the key will come from, without fetching it; None where there is none."""
    ways = {
        "api_key": access.api_key,
        "api_key_command": access.api_key_command,
        "api_key_file": access.api_key_file,
        "api_key_keyring": access.api_key_keyring,
    }
    return find_source(_name(access.environment.name), ways, environ)


def _name(environment: str) -> SecretNames:
    return SecretNames(
        *("key", environment),
        HeldSecret("an API key", "api_key", variable(environment), f"almajob_{environment}"),
        user=environment,
        keep=f"almajob config set-key {environment}",
    )


def find(access: Access, environ: Mapping[str, str]) -> Key:
    """Fetch the key of an environment.

    Raises:
        ConfigurationError: there is none, or its source does not give one.
    """
    found, name = source(access, environ), access.environment.name
    if found is None:
        raise ConfigurationError(
            f"There is no API key for {name}.",
            hint=f"Type: almajob config set-key {name}\n"
            f"Or set {variable(name)}. {see_sample()}\n"
            f"Keys are made at {KEY_PAGE} (area Configuration).",
        )
    _refuse_untrusted(access, found)
    text = read_text(_name(name), found)
    try:
        return Key(text)
    except ValueError as error:
        raise ConfigurationError(
            f"The API key of {name} {error}.",
            reason=f"It comes from {found.place} ({found.way}).",
            hint="A key is one word, such as l7xx0123… api_key_command is run without a shell.",
        ) from None


def _refuse_untrusted(access: Access, found: KeySource) -> None:
    """Refuse what only a trusted ini may do: get a key from elsewhere, or send one anywhere but to Alma.

    Raises:
        ConfigurationError: it would.
    """
    untrusted, environment = access.untrusted, access.environment
    name, base_url = environment.name, environment.base_url
    if untrusted is None or found.way == "api_key":
        return

    def name_line(source: str) -> str:
        return source.removeprefix(f"{untrusted.path}, ")

    given = f"({name_line(found.place)}: {found.way})"
    match found.way:
        case "api_key_command":
            program = name_program(found.given.text)
            untrusted.refuse(f"It would run {program} to get the key of {name} {given}.")
        case "api_key_file":
            path = expand(found.given.text)
            untrusted.refuse(f"It would read the key of {name} from {path} {given}.")
        case "api_key_keyring":
            untrusted.refuse(f"It would read the key of {name} from your keyring {given}.")
    key = f"the key of the {found.way} {found.place}"
    if base_url and not is_gateway(base_url):
        where = name_line(environment.source_of("base_url"))
        untrusted.refuse(f"It would send {key} to {base_url} ({where}: base_url).")
    # What its name says needs no word of the ini's.
    if not environment.is_production and name != "sandbox":
        untrusted.refuse(
            f"It would treat {name} as a sandbox ({name_line(environment.source_of('kind'))}: kind), "
            f"where no start is confirmed, with {key}."
        )
