"""One environment of Alma as the ini describes it: where it is, which guard applies, whence its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from almajob.alma.http.timeouts import Pace, TimeLimits
from almajob.errors import ConfigurationError

if TYPE_CHECKING:
    from almajob.config.trusted_files import UntrustedFile

DEMO = "demo"
KINDS = ("sandbox", "production")
REGIONS: dict[str, str] = {
    "na": "https://api-na.hosted.exlibrisgroup.com",
    "eu": "https://api-eu.hosted.exlibrisgroup.com",
    "ap": "https://api-ap.hosted.exlibrisgroup.com",
    "aps": "https://api-aps.hosted.exlibrisgroup.com",
    "ca": "https://api-ca.hosted.exlibrisgroup.com",
    "cn": "https://api-cn.hosted.exlibrisgroup.com.cn",
}
"""The regional gateways, https://developers.exlibrisgroup.com/alma/apis/#calling."""

_WORDS = {
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}
_TIME_SETTINGS = ("connect_timeout", "read_timeout", "deadline")
_PACE_SETTINGS = ("calls_per_second", "burst", "quota_floor")
ENVIRONMENT_SETTINGS = (
    *("kind", "region", "domain", "base_url"),
    *("api_key", "api_key_file", "api_key_command", "api_key_keyring"),
    *_TIME_SETTINGS,
    *("institution", *_PACE_SETTINGS),
    *("tag", "sole_starter", "accept", "read_only"),
)


class Sourced(NamedTuple):
    """A setting and where it came from; its text may be a key."""

    text: str
    source: str

    def __repr__(self) -> str:
        return f"Sourced(source={self.source!r})"


class Environment(NamedTuple):
    """One environment's section of the ini, checked where it can be without using it.

    Attributes:
        kind: sandbox or production; which guard applies.
        api_key_keyring: where it stands that the keyring has the key; None where it need not.
        base_url: where its API is, or None for the demo, whose address is known when it runs.
        limits: the time limits of its calls.
        pace: how often it may be called.
        institution: whose calls Alma counts together; empty where nobody says, then sandbox and production
            of one address are one institution's, and each other environment is of another.
        has_tags: whether runs that can be named get a tag, by which they are found again.
        is_sole_starter: whether nobody else starts jobs by the API there.
        accept: statuses that count as a good end besides those that always do.
        read_only: where it stands that no POST goes there; None where one may.
        untrusted: the ini, where that was found in the current directory and is not trusted; else None.
    """

    name: str
    kind: Sourced
    base_url: Sourced | None
    api_key: Sourced | None = None
    api_key_file: Sourced | None = None
    api_key_command: Sourced | None = None
    limits: TimeLimits = TimeLimits()
    pace: Pace = Pace()
    institution: str = ""
    has_tags: bool = True
    is_sole_starter: bool = False
    accept: frozenset[str] = frozenset()
    read_only: Sourced | None = None
    api_key_keyring: Sourced | None = None
    untrusted: UntrustedFile | None = None


def is_gateway(base_url: str) -> bool:
    """Whether an address is that of a regional gateway of Alma's."""
    return base_url.rstrip("/").removesuffix("/almaws/v1") in REGIONS.values()


def other_kind(environment_type: str, kind: str) -> str:
    """Return the kind that Alma says a key leads to, where the ini says another; empty where it does not."""
    found = environment_type.lower()
    return found if found in KINDS and found != kind else ""


def kind_of(name: str, section: Mapping[str, Sourced]) -> str:
    """Return which kind of environment a section describes, unchecked."""
    return section["kind"].text if "kind" in section and name not in KINDS else name


def keys_of(name: str, section: Mapping[str, Sourced]) -> Environment:
    """Take only from a section what it says of the key; it may not be complete yet.

    Raises:
        ConfigurationError: it says it wrongly.
    """
    return Environment(
        name=name,
        kind=Sourced("", ""),
        base_url=None,
        api_key=section.get("api_key"),
        api_key_file=section.get("api_key_file"),
        api_key_command=section.get("api_key_command"),
        api_key_keyring=_read_yes(section, "api_key_keyring"),
    )


def from_section(name: str, section: Mapping[str, Sourced]) -> Environment:
    """Check one section of the ini.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    kind = section.get("kind", Sourced(name, "built in"))
    if name in KINDS and kind.text != name:
        raise ConfigurationError(
            f"{kind.source}: {name} cannot be a {kind.text} environment.", hint="Take the line out."
        )
    if kind.text not in KINDS:
        where = kind.source if "kind" in section else f"[{name}]"
        raise ConfigurationError(
            f"{where}: is {name} a sandbox or production?",
            reason="It decides what protects its records.",
            hint=f"Write in [{name}]: kind = sandbox, or kind = production",
        )
    return keys_of(name, section)._replace(
        kind=kind,
        base_url=_base_url(name, section),
        limits=_read_limits(section),
        pace=_read_pace(section),
        institution=section["institution"].text if "institution" in section else "",
        has_tags=is_yes(section, "tag", default=True),
        is_sole_starter=is_yes(section, "sole_starter", default=False),
        accept=parse_statuses(section["accept"]) if "accept" in section else frozenset(),
        read_only=_read_yes(section, "read_only"),
    )


def _read_yes(section: Mapping[str, Sourced], name: str) -> Sourced | None:
    return section[name] if is_yes(section, name, default=False) else None


def parse_statuses(given: Sourced) -> frozenset[str]:
    """Read a list of statuses, separated by commas; some words cannot be a good end.

    Raises:
        ConfigurationError: one of them cannot.
    """
    from almajob.alma import status_codes

    codes = status_codes.codes_in(given.text)
    for code in codes:
        problem = status_codes.end_problem(code)
        if problem:
            raise ConfigurationError(
                f"{given.source}: accept: {problem}.", hint="Write, for example: accept = COMPLETED_FAILED"
            )
    return frozenset(codes)


def is_yes(section: Mapping[str, Sourced], name: str, *, default: bool) -> bool:
    """Read a setting that is yes or no.

    Raises:
        ConfigurationError: it is something else.
    """
    if name not in section:
        return default
    given = section[name]
    if given.text.lower() not in _WORDS:
        raise ConfigurationError(f"{given.source}: {name} is yes or no.", hint=f"Write {name} = yes, or no.")
    return _WORDS[given.text.lower()]


def _base_url(name: str, section: Mapping[str, Sourced]) -> Sourced:
    if "base_url" in section:
        return _checked_url(section["base_url"])
    if "region" in section and "domain" in section and section["region"].text != section["domain"].text:
        raise ConfigurationError(
            f"{section['domain'].source}: domain is another than region.", hint="Keep one of the two."
        )
    region = section.get("region") or section.get("domain")
    if region is None:
        raise ConfigurationError(
            f"Where is {name}?", hint=f"Write in [{name}]: region = one of {', '.join(REGIONS)}"
        )
    if region.text.lower() not in REGIONS:
        raise ConfigurationError(
            f"{region.source}: there is no region of that name.", hint=f"There are: {', '.join(REGIONS)}."
        )
    return Sourced(REGIONS[region.text.lower()], region.source)


def _checked_url(given: Sourced) -> Sourced:
    try:
        parts = urlsplit(given.text)
        host, _port = _encode_host(parts.hostname or ""), parts.port
    except ValueError:
        # Brackets that do not match, a port that is no number, a name with two dots.
        parts, host = urlsplit(""), b""
    if (
        not host
        or parts.scheme not in {"http", "https"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or _has_more_than_brackets(parts.netloc)
    ):
        raise ConfigurationError(
            f"{given.source}: base_url is not the address of a server.",
            hint="Write it as https://HOST or https://HOST:PORT",
        )
    if parts.scheme == "http":
        _refuse_open_network(parts.hostname or "", given)
    return given


def _has_more_than_brackets(netloc: str) -> bool:
    """Whether there is a name beside an address in brackets: urlsplit then takes the address for the host."""
    before, bracket, rest = netloc.partition("[")
    return bool(bracket) and (bool(before) or rest.partition("]")[2][:1] not in {"", ":"})


def _encode_host(host: str) -> bytes:
    # The tables of international names are not needed for most.
    return host.encode("ascii" if host.isascii() and ".." not in host else "idna")


def _refuse_open_network(host: str, given: Sourced) -> None:
    from almajob.alma.http.connection import is_loopback

    if not is_loopback(host):
        raise ConfigurationError(
            f"{given.source}: base_url would send the key over the network in the clear.",
            hint="Use https://; http:// is for a server on this machine (127.0.0.1).",
        )


def _read_limits(section: Mapping[str, Sourced]) -> TimeLimits:
    standard = TimeLimits()

    def seconds(name: str, default: float) -> float:
        return _number(section, name, default, 0.1, 3600, "a number of seconds")

    return TimeLimits(
        connect=seconds("connect_timeout", standard.connect),
        read=seconds("read_timeout", standard.read),
        total=seconds("deadline", standard.total),
    )


def _read_pace(section: Mapping[str, Sourced]) -> Pace:
    standard = Pace()
    if not section.keys() & set(_PACE_SETTINGS):
        return standard
    return Pace(
        rate=_number(section, "calls_per_second", standard.rate, 0.1, 1000, "a number of calls"),
        burst=int(_number(section, "burst", standard.burst, 1, 100, "a whole number of calls")),
        floor=int(_number(section, "quota_floor", standard.floor, 0, 10**9, "a whole number of calls")),
    )


def _number(
    section: Mapping[str, Sourced], name: str, default: float, least: float, most: float, message: str
) -> float:
    if name not in section:
        return default
    try:
        value = float(section[name].text)
    except ValueError:
        value = -1.0
    if not least <= value <= most or ("whole" in message and not value.is_integer()):
        raise ConfigurationError(
            f"{section[name].source}: {name} is not {message}.",
            hint=f"Write a number from {least} to {most}.",
        )
    return value


def institution_id(environment: Environment) -> str:
    """Name what Alma counts the calls of together; fit for the name of a file.

    Alma's own name for an institution is known only after a call. So it is the ini's word, else the address,
    with the environment's name unless that is sandbox or production: one institution has one of each.
    """
    import hashlib

    own = "" if environment.name in KINDS else environment.name
    address = environment.base_url.text if environment.base_url else ""
    told = environment.institution or f"{address} {own}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
