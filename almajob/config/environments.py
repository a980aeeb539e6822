"""One environment of Alma as the configuration file describes it, and what that says of its key, apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from almajob.alma.http.timeouts import TimeLimits
from almajob.alma.rate_limit.rates import Rates, standard_rates
from almajob.config.ini_reader import Setting
from almajob.errors import ConfigurationError
from almajob.text.frozen import Frozen
from almajob.text.redaction import Sealed

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
ENVIRONMENT_SETTINGS = (
    *("kind", "region", "domain", "base_url"),
    *("api_key", "api_key_file", "api_key_command", "api_key_keyring"),
    *("webhook_secret", "webhook_secret_file", "webhook_secret_command", "webhook_secret_keyring"),
    *("webhook_secret_old", "webhook_secret_old_file"),
    *("webhook_secret_old_command", "webhook_secret_old_keyring"),
    *("connect_timeout", "read_timeout", "deadline"),
    *("institution", "calls_per_second", "burst", "quota_floor"),
    *("tag", "sole_starter", "accept", "read_only", "notify", "late_after"),
)

GROUP_SIGN = "@"
"""How the name of a group begins where an environment is named."""

_BUILT_IN = "built in"
_TIMES = r"([0-9]{1,4}(?:\.[0-9]{1,3})?)x"


class LateAfter(Frozen):
    """When a run counts as late.

    Attributes:
        times: after so many times its usual length; None where that does not matter.
        seconds: after so long, whatever is usual; None where that does not matter.
    """

    times: float | None = 2.0
    seconds: float | None = None


class Environment(Frozen):
    """One environment: where it is, which rules apply there, and nothing secret.

    Attributes:
        name: what --env takes.
        kind: ``sandbox`` or ``production``.
        base_url: where its API is, or None for the demo, whose address is known when it runs.
        region: Alma's region, such as ``eu``; None for the demo, and where the address itself was given.
        limits: the time limits of its calls.
        rates: how often it may be called.
        institution: whose calls Alma counts together; empty where nobody says, then sandbox and production
            of one address are one institution's, and each other environment is of another.
        has_tags: whether runs that can be named get a tag, by which they are found again.
        is_sole_starter: whether nobody else starts jobs by the API there.
        accept: statuses that count as a good end besides those that always do.
        late_after: when a run there counts as late.
        is_read_only: whether its section forbids everything but reads; a variable may forbid it, too.
        sources: where each setting of its section stands; ``source_of`` reads it.
    """

    name: str
    kind: str
    base_url: str | None = None
    region: str | None = None
    limits: TimeLimits = TimeLimits()
    rates: Rates = Rates()
    institution: str = ""
    has_tags: bool = True
    is_sole_starter: bool = False
    accept: frozenset[str] = frozenset()
    late_after: LateAfter = LateAfter()
    is_read_only: bool = False
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def is_production(self) -> bool:
        """Whether it is a production environment, where a start needs a person's word."""
        return self.kind == "production"

    def source_of(self, setting: str) -> str:
        """Return where a setting came from: a file and its line, ``built in`` or ``default``.

        Args:
            setting: its name in the configuration file, such as ``kind`` or ``base_url``.

        Raises:
            ValueError: an environment has no such setting.
        """
        if setting not in ENVIRONMENT_SETTINGS:
            raise ValueError(f"{setting!r} is not a setting of an environment")
        return dict(self.sources).get(setting, "default")


class Access(Sealed, Frozen):
    """An environment with what its section says of its key: what is needed to call it.

    Attributes:
        api_key_keyring: where it stands that the keyring has the key; None where it need not.
        untrusted: the ini, where that was found in the current directory and is not trusted; else None.
    """

    environment: Environment
    api_key: Setting | None = None
    api_key_file: Setting | None = None
    api_key_command: Setting | None = None
    api_key_keyring: Setting | None = None
    untrusted: UntrustedFile | None = None


def names_several(text: str) -> bool:
    """Whether a text names several environments: a list with commas, or a group."""
    return "," in text or text.startswith(GROUP_SIGN)


def demo() -> Environment:
    """Return the environment that almajob brings itself: a simulated sandbox."""
    return Environment(DEMO, "sandbox", sources=(("kind", _BUILT_IN), ("base_url", _BUILT_IN)))


def is_gateway(base_url: str) -> bool:
    """Whether an address is that of a regional gateway of Alma's."""
    return base_url.rstrip("/").removesuffix("/almaws/v1") in REGIONS.values()


def other_kind(environment_type: str, kind: str) -> str:
    """Return the kind that Alma says a key leads to, where the ini says another; empty where it does not."""
    found = environment_type.lower()
    return found if found in KINDS and found != kind else ""


def text_of(section: Mapping[str, Setting], name: str, default: str = "") -> str:
    """Return a setting's text, whatever it says; the default where it is not there."""
    return section[name].text if name in section else default


def kind_of(name: str, section: Mapping[str, Setting]) -> str:
    """Return which kind of environment a section describes, unchecked."""
    return name if name in KINDS else text_of(section, "kind", name)


def read_access(
    environment: Environment, section: Mapping[str, Setting], untrusted: UntrustedFile | None = None
) -> Access:
    """Read from a section what it says of the key of an environment.

    Raises:
        ConfigurationError: it says it wrongly.
    """
    return Access(
        environment,
        api_key=section.get("api_key"),
        api_key_file=section.get("api_key_file"),
        api_key_command=section.get("api_key_command"),
        api_key_keyring=section["api_key_keyring"]
        if is_yes(section, "api_key_keyring", default=False)
        else None,
        untrusted=untrusted,
    )


def from_section(name: str, section: Mapping[str, Setting]) -> Environment:
    """Check one section of the ini.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    kind = section.get("kind", Setting(name, _BUILT_IN))
    if name in KINDS and kind.text != name:
        raise ConfigurationError(
            f"{kind.source}: {name} cannot be a {kind.text} environment.", hint="Remove the line."
        )
    if kind.text not in KINDS:
        where = kind.source if "kind" in section else f"[{name}]"
        raise ConfigurationError(
            f"{where}: is {name} a sandbox or production?",
            reason="The answer decides how its records are protected.",
            hint=f"Write in [{name}]: kind = sandbox, or kind = production",
        )
    base_url, region = _read_base_url(name, section)
    told = {setting: given.source for setting, given in section.items()}
    return Environment(
        name=name,
        kind=kind.text,
        base_url=base_url.text,
        region=region,
        limits=_read_limits(section),
        rates=_read_rates(section, kind.text),
        institution=text_of(section, "institution"),
        has_tags=is_yes(section, "tag", default=True),
        is_sole_starter=is_yes(section, "sole_starter", default=False),
        accept=read_accept(section),
        late_after=read_late_after(section) or LateAfter(),
        is_read_only=is_yes(section, "read_only", default=False),
        sources=tuple({**told, "kind": kind.source, "base_url": base_url.source}.items()),
    )


def read_accept(section: Mapping[str, Setting]) -> frozenset[str]:
    """Read a list of statuses that count as a good end; some words cannot.

    Raises:
        ConfigurationError: one of them cannot.
    """
    if "accept" not in section:
        return frozenset()
    from almajob.alma import status_codes

    given = section["accept"]
    try:
        return frozenset(status_codes.parse_ends(given.text))
    except ValueError as error:
        raise ConfigurationError(
            f"{given.source}: accept: {error}.", hint="Write, for example: accept = COMPLETED_FAILED"
        ) from None


def read_late_after(section: Mapping[str, Setting]) -> LateAfter | None:
    """Read when a run counts as late; None where the section does not say.

    Raises:
        ConfigurationError: it says something else.
    """
    if "late_after" not in section:
        return None
    import re

    from almajob.text.time_parsing import parse_duration

    given = section["late_after"]
    if given.text == "never":
        return LateAfter(times=None)
    times = re.fullmatch(_TIMES, given.text)
    seconds = None if times else parse_duration(given.text, ("s", "m", "h", "d"))
    if (times and float(times[1]) < 1) or not (times or seconds):
        raise ConfigurationError(
            f"{given.source}: late_after is neither a length of time nor a factor.",
            hint="Write late_after = 2x for twice the usual time, late_after = 3h, or late_after = never.",
        )
    return LateAfter(times=float(times[1])) if times else LateAfter(times=None, seconds=seconds)


def is_yes(section: Mapping[str, Setting], name: str, *, default: bool) -> bool:
    """Read a setting that is yes or no.

    Raises:
        ConfigurationError: it is something else.
    """
    if name not in section:
        return default
    given = section[name]
    if given.text.lower() not in _WORDS:
        raise ConfigurationError(
            f"{given.source}: {name} must be yes or no.", hint=f"Write {name} = yes or {name} = no."
        )
    return _WORDS[given.text.lower()]


def _read_base_url(name: str, section: Mapping[str, Setting]) -> tuple[Setting, str | None]:
    """Return the address of an environment, and its region where that named it."""
    if "base_url" in section:
        _refuse_bad_url(section["base_url"])
        return section["base_url"], None
    if "region" in section and "domain" in section and section["region"].text != section["domain"].text:
        raise ConfigurationError(
            f"{section['domain'].source}: domain and region differ.", hint="Keep one of the two."
        )
    region = section.get("region") or section.get("domain")
    if region is None:
        raise ConfigurationError(
            f"The region of {name} is not set.",
            hint=f"Write in [{name}]: region = REGION\nREGION is one of {', '.join(REGIONS)}.",
        )
    known = region.text.lower()
    if known not in REGIONS:
        raise ConfigurationError(
            f"{region.source}: there is no such region.", hint=f"The regions are {', '.join(REGIONS)}."
        )
    return Setting(REGIONS[known], region.source), known


def _refuse_bad_url(given: Setting) -> None:
    try:
        parts = urlsplit(given.text)
        host, _port = parts.hostname or "", parts.port
        # The tables of international names are not needed for most.
        host.encode("ascii" if host.isascii() and ".." not in host else "idna")
    except ValueError:
        # Brackets that do not match, a port that is no number, a name with two dots.
        parts, host = urlsplit(""), ""
    # urlsplit takes an address in brackets for the host, even with a name beside it.
    before, bracket, rest = parts.netloc.partition("[")
    is_beside = bracket and (before or rest.partition("]")[2][:1] not in {"", ":"})
    has_more = parts.query or parts.fragment or "@" in parts.netloc or is_beside
    if not host or parts.scheme not in {"http", "https"} or has_more:
        raise ConfigurationError(
            f"{given.source}: base_url is not the address of a server.",
            hint="Write it as https://HOST or https://HOST:PORT",
        )
    if parts.scheme == "https":
        return
    from almajob.text.host_names import is_loopback

    if not is_loopback(host):
        raise ConfigurationError(
            f"{given.source}: base_url would send the key over the network in the clear.",
            hint="Use https://; http:// is for a server on this machine (127.0.0.1).",
        )


def _read_limits(section: Mapping[str, Setting]) -> TimeLimits:
    standard, seconds = TimeLimits(), "a number of seconds"
    return TimeLimits(
        connect=_read_number(section, "connect_timeout", standard.connect, 0.1, 3600, seconds),
        read=_read_number(section, "read_timeout", standard.read, 0.1, 3600, seconds),
        total=_read_number(section, "deadline", standard.total, 0.1, 3600, seconds),
    )


def _read_rates(section: Mapping[str, Setting], kind: str) -> Rates:
    standard, calls = standard_rates(kind), "a whole number of calls"
    return Rates(
        rate=_read_number(section, "calls_per_second", standard.rate, 0.1, 1000, "a number of calls"),
        burst=int(_read_number(section, "burst", standard.burst, 1, 100, calls)),
        floor=int(_read_number(section, "quota_floor", standard.floor, 0, 10**9, calls)),
    )


def _read_number(
    section: Mapping[str, Setting], name: str, default: float, least: float, most: float, message: str
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
    address = environment.base_url or ""
    told = environment.institution or f"{address} {own}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
