"""What the sections of an ini are (environments, groups of them, jobs, saved runs, ...), and may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from almajob.config.environments import DEMO, ENVIRONMENT_SETTINGS, KINDS
from almajob.config.ini_reader import Ini, Setting
from almajob.config.ini_text import TOP
from almajob.entry_points import normalize_name
from almajob.errors import ConfigurationError
from almajob.text.frozen import Frozen
from almajob.text.redaction import Sealed, is_shown_in
from almajob.text.suggestions import find_near, suggest

GENERAL_SETTINGS = (
    *("env", "cache_dir", "plugins_dir", "disable_plugins"),
    *("ledger", "ledger_password_file", "ledger_password_command", "ledger_password_keyring"),
)
GROUP_SETTINGS = ("environments",)
JOB_SETTINGS = ("accept", "notify", "late_after")
RUN_SETTINGS = (
    *("job", "params", "set", "accept", "fail_if", "nothing_if", "once_per", "expand", "xml", "confirm"),
    *(
        "notify",
        "at",
        "timezone",
        "splay",
        "at_since",
        "ids",
        "id_type",
        "id_column",
        "skip_invalid",
        "delete_set",
    ),
)
"""What may be said of a saved run, each also as ``NAME@ENVIRONMENT``; besides these ``param.NAME``."""
PARAM = "param."
FLAT_SETTINGS = ("api_key_sandbox", "api_key_production", "domain")
JOB_HEADING = "job:"
"""How the heading of a job's section begins; the job's id or exact name follows."""
RUN_HEADING = "run:"
"""How the heading of a saved run's section begins; its name follows."""
PLUGIN_HEADING = "plugin:"
"""How the heading of a plugin's section begins; the name of its distribution, or of its file, follows."""
GROUP_HEADING = "group:"
"""How the heading of a section begins that names several environments; the group's name follows."""
NOTIFY_HEADING = "notify:"
"""How the heading of a section begins that says who is notified, and how; its name follows."""
GENERAL = "almajob"
_HEADINGS = (JOB_HEADING, RUN_HEADING, GROUP_HEADING, PLUGIN_HEADING, NOTIFY_HEADING)
_LONGEST_SHOWN = 40
_NO_ENVIRONMENT = {DEMO: "demo is the built-in simulator: give the section another name."}
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RUN_NAME = _PLUGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOTIFY_NAME = _GROUP_NAME = _ENVIRONMENT_NAME

Section = Mapping[str, Setting]


class Sections(Sealed, Frozen):
    """An ini, sorted; or what there is without one."""

    general: Section = MappingProxyType({})
    environments: Mapping[str, Section] = MappingProxyType({})
    jobs: Mapping[str, Section] = MappingProxyType({})
    runs: Mapping[str, Section] = MappingProxyType({})
    plugins: Mapping[str, Section] = MappingProxyType({})
    notifications: Mapping[str, Section] = MappingProxyType({})
    groups: Mapping[str, Section] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    """What is ignored, a sentence each."""


def sort_sections(ini: Ini) -> Sections:
    """Sort the sections of an ini.

    Raises:
        ConfigurationError: a heading or a setting is not known.
    """
    unknown, notes = _find_unknown(ini)
    # The predecessor's settings stand before any section, and mean two.
    flat = ini.sections.get(TOP, {})
    domain = {"domain": flat["domain"]} if "domain" in flat else {}
    found: dict[str, Section] = {
        kind: {"api_key": flat[f"api_key_{kind}"], **domain} for kind in KINDS if f"api_key_{kind}" in flat
    }
    for name, section in ini.sections.items():
        if name not in {GENERAL, TOP, *unknown} and not name.startswith(_HEADINGS):
            found[name] = {**found.get(name, {}), **section}
    jobs, runs = _sections_headed(ini, JOB_HEADING, "job"), _sections_headed(ini, RUN_HEADING, "run")
    plugins = _sections_headed(ini, PLUGIN_HEADING, "plugin", normalize_name)
    notifications = _sections_headed(ini, NOTIFY_HEADING, "notification")
    groups = _sections_headed(ini, GROUP_HEADING, "group")
    general = ini.sections.get(GENERAL, {})
    return Sections(general, found, jobs, runs, plugins, notifications, groups, tuple(notes))


def read_runs(ini: Ini) -> tuple[Mapping[str, Section], tuple[str, ...]]:
    """Return the saved runs of a file that is for them, and what else in it is ignored, a sentence each.

    Raises:
        ConfigurationError: it has a section that belongs elsewhere, or a setting is not known.
    """
    unknown, notes = _find_unknown(ini)
    for section, values in ini.sections.items():
        if section.startswith(RUN_HEADING) or section in unknown or (section == TOP and not values):
            continue
        raise ConfigurationError(
            f"{ini.path} contains more than saved runs.",
            hint="A file in runs.d may only have sections [run:NAME].",
        )
    return _sections_headed(ini, RUN_HEADING, "run"), tuple(notes)


def is_environment_name(name: str) -> bool:
    """Whether a section of that name would be an environment."""
    return name.lower() != GENERAL and bool(_ENVIRONMENT_NAME.fullmatch(name))


def read_notify(section: Section) -> list[str]:
    """Return whom a section of an environment, a job or a saved run wants notified: names of sections."""
    return split_notify(section["notify"].text) if "notify" in section else []


def split_notify(text: str) -> list[str]:
    """Return the names in a list with blanks or commas in between."""
    return [name for name in re.split(r"[\s,]+", text) if name]


def run_name_problem(name: str) -> str:
    """Return why a saved run cannot be called so; empty where it can."""
    return "" if _RUN_NAME.fullmatch(name) else "may have only letters, digits, -, _ and ., 64 at most"


def _sections_headed(
    ini: Ini, heading: str, message: str, read_name: Callable[[str], str] = str
) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for title, section in ini.sections.items():
        if title.startswith(heading):
            name = read_name(title.removeprefix(heading).strip())
            if name in found:
                raise ConfigurationError(
                    f"{ini.path} has two sections of the {message} {name!r}.", hint="Merge the two."
                )
            found[name] = section
    return found


def _find_unknown(ini: Ini) -> tuple[set[str], list[str]]:
    """Find the sections that are nothing of almajob's, and word what is ignored, a sentence each.

    Raises:
        ConfigurationError: a section of almajob's is misspelt, or has a setting that it cannot have.
    """
    unknown: set[str] = set()
    notes: list[str] = []
    for section, values in ini.sections.items():
        if section in _NO_ENVIRONMENT or (section != GENERAL and section.lower() == GENERAL):
            raise ConfigurationError(
                f"{ini.path} has a section [{section}].",
                hint=_NO_ENVIRONMENT.get(section, "Write [almajob], in small letters."),
            )
        if _is_foreign(section, values):
            unknown.add(section)
            notes.append(_word_unknown(ini, section))
            continue
        known = _known_in(section)
        if known is None:
            raise ConfigurationError(
                f"{ini.path} has a section whose heading is not a valid name.",
                hint="Use letters, digits, - and _; or [job:NAME], with a job's exact name or id; "
                "or [run:NAME] for a saved run; or [group:NAME]; or [notify:NAME]; or [plugin:NAME].",
            )
        if section.startswith((PLUGIN_HEADING, NOTIFY_HEADING)):
            # Which settings it may have is to be said by whoever reads them, once that is loaded.
            continue
        for name, given in values.items():
            setting = name.partition("@")[0]
            is_of_run = setting in RUN_SETTINGS or (setting.startswith(PARAM) and setting != PARAM)
            if name in known or (known is RUN_SETTINGS and is_of_run):
                continue
            meant = suggest(setting, known)
            # It may be a key on the wrong side of the '='.
            shown = setting if meant else "this line"
            if section != TOP:
                raise ConfigurationError(
                    f"{given.source}: {shown} is not a setting in [{section}].",
                    hint=meant or f"Known settings: {', '.join(known)}.",
                )
            # The predecessor ignored what it did not know, and its ini must keep working.
            notes.append(f"{given.source}: {shown} is not a setting and is ignored.")
    return unknown, notes


def _is_foreign(section: str, values: Section) -> bool:
    """Whether a section is nothing of almajob's: of another kind, or with no setting of an environment."""
    if section in {GENERAL, TOP, *KINDS} or section.startswith(_HEADINGS) or is_shown_in(section):
        return False
    if ":" in section:
        return True
    if not values:
        return not _ENVIRONMENT_NAME.fullmatch(section)
    if any(name in ENVIRONMENT_SETTINGS for name in values):
        return False
    from difflib import get_close_matches

    # What is misspelt might have been the setting that protects production.
    return not any(get_close_matches(name, ENVIRONMENT_SETTINGS, cutoff=0.75) for name in values)


def _word_unknown(ini: Ini, section: str) -> str:
    kind, colon, name = section.partition(":")
    near = find_near(kind, [heading.rstrip(":") for heading in _HEADINGS], count=1) if colon else []
    meant = f"Did you mean [{near[0]}:{name}]?" if near else ""
    if not colon and _PLUGIN_NAME.fullmatch(section):
        meant = f"An environment needs a region; a plugin's settings belong in [{PLUGIN_HEADING}NAME]."
    # A longer one may be anything that was pasted.
    shown = f"the section [{section}]" if len(section) <= _LONGEST_SHOWN else "a section"
    return f"{ini.path}: {shown} is not known to almajob and is ignored. {meant}".rstrip()


def _known_in(section: str) -> tuple[str, ...] | None:
    """Name the settings that a section may have; None where its heading says nothing."""
    fixed = {GENERAL: GENERAL_SETTINGS, TOP: FLAT_SETTINGS}
    if section in fixed:
        return fixed[section]
    if section.startswith(JOB_HEADING):
        return JOB_SETTINGS if section.removeprefix(JOB_HEADING).strip() else None
    if section.startswith(RUN_HEADING):
        return None if run_name_problem(section.removeprefix(RUN_HEADING).strip()) else RUN_SETTINGS
    if section.startswith(PLUGIN_HEADING):
        return () if _PLUGIN_NAME.fullmatch(section.removeprefix(PLUGIN_HEADING).strip()) else None
    if section.startswith(GROUP_HEADING):
        return GROUP_SETTINGS if _GROUP_NAME.fullmatch(section.removeprefix(GROUP_HEADING).strip()) else None
    if section.startswith(NOTIFY_HEADING):
        return () if _NOTIFY_NAME.fullmatch(section.removeprefix(NOTIFY_HEADING).strip()) else None
    # A key in brackets would name directories and fill columns.
    is_name = _ENVIRONMENT_NAME.fullmatch(section) and not is_shown_in(section)
    return ENVIRONMENT_SETTINGS if is_name else None
