"""What the sections of an ini are: general, environments, jobs, saved runs; and what may stand in each."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from almajob.config.environments import DEMO, ENVIRONMENT_SETTINGS, KINDS
from almajob.config.ini_reader import Ini, Setting
from almajob.config.ini_text import TOP
from almajob.errors import ConfigurationError
from almajob.text.redaction import is_shown_in
from almajob.text.suggestions import suggest

LOG = logging.getLogger(__name__)

GENERAL_SETTINGS = ("env", "cache_dir")
JOB_SETTINGS = ("accept",)
RUN_SETTINGS = ("job", "params", "set", "accept", "fail_if", "once_per", "expand", "xml", "confirm")
"""What may be said of a saved run, each also as ``NAME@ENVIRONMENT``; besides these ``param.NAME``."""
PARAM = "param."
FLAT_SETTINGS = ("api_key_sandbox", "api_key_production", "domain")
JOB_HEADING = "job:"
"""How the heading of a job's section begins; the job's id or exact name follows."""
RUN_HEADING = "run:"
"""How the heading of a saved run's section begins; its name follows."""
_GENERAL = "almajob"
_NO_ENVIRONMENT = {DEMO: "demo is the built-in simulator: give the section another name."}
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Section = Mapping[str, Setting]


class Sections(NamedTuple):
    """An ini, sorted; or what there is without one."""

    general: Section = MappingProxyType({})
    environments: Mapping[str, Section] = MappingProxyType({})
    jobs: Mapping[str, Section] = MappingProxyType({})
    runs: Mapping[str, Section] = MappingProxyType({})


def sort_sections(ini: Ini) -> Sections:
    """Sort the sections of an ini.

    Raises:
        ConfigurationError: a heading or a setting is not known.
    """
    _refuse_unknown(ini)
    # The predecessor's settings stand before any section, and mean two.
    flat = ini.sections.get(TOP, {})
    domain = {"domain": flat["domain"]} if "domain" in flat else {}
    found: dict[str, Section] = {
        kind: {"api_key": flat[f"api_key_{kind}"], **domain} for kind in KINDS if f"api_key_{kind}" in flat
    }
    for name, section in ini.sections.items():
        if not name.startswith((JOB_HEADING, RUN_HEADING)) and name not in {_GENERAL, TOP}:
            found[name] = {**found.get(name, {}), **section}
    jobs, runs = _sections_headed(ini, JOB_HEADING, "job"), _sections_headed(ini, RUN_HEADING, "run")
    return Sections(ini.sections.get(_GENERAL, {}), found, jobs, runs)


def read_runs(ini: Ini) -> Mapping[str, Section]:
    """Return the saved runs of a file that has nothing else in it.

    Raises:
        ConfigurationError: it has, or a setting is not known.
    """
    for section, values in ini.sections.items():
        if section.startswith(RUN_HEADING) or (section == TOP and not values):
            continue
        raise ConfigurationError(
            f"{ini.path} has more in it than saved runs.",
            hint="A file in runs.d has sections [run:NAME], and no others.",
        )
    _refuse_unknown(ini)
    return _sections_headed(ini, RUN_HEADING, "run")


def is_environment_name(name: str) -> bool:
    """Whether a section of that name would be an environment."""
    return name.lower() != _GENERAL and bool(_ENVIRONMENT_NAME.fullmatch(name))


def run_name_problem(name: str) -> str:
    """Return why a saved run cannot be called so; empty where it can."""
    return "" if _RUN_NAME.fullmatch(name) else "may have only letters, digits, -, _ and ., 64 at most"


def _sections_headed(ini: Ini, heading: str, message: str) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for title, section in ini.sections.items():
        if title.startswith(heading):
            name = title.removeprefix(heading).strip()
            if name in found:
                raise ConfigurationError(
                    f"{ini.path} has two sections of the {message} {name!r}.", hint="Join the two."
                )
            found[name] = section
    return found


def _refuse_unknown(ini: Ini) -> None:
    for section, values in ini.sections.items():
        if section in _NO_ENVIRONMENT or (section != _GENERAL and section.lower() == _GENERAL):
            raise ConfigurationError(
                f"{ini.path} has a section [{section}].",
                hint=_NO_ENVIRONMENT.get(section, "Write [almajob], in small letters."),
            )
        known = _known_in(section)
        if known is None:
            raise ConfigurationError(
                f"{ini.path} has a section whose heading cannot name an environment.",
                hint="Use letters, digits, - and _; or [job:NAME], with a job's exact name or id; "
                "or [run:NAME] for a saved run.",
            )
        for name, given in values.items():
            setting = name.partition("@")[0]
            is_of_run = setting in RUN_SETTINGS or (setting.startswith(PARAM) and setting != PARAM)
            if name in known or (known is RUN_SETTINGS and is_of_run):
                continue
            meant = suggest(setting, known)
            # It may be a key on the wrong side of the '='.
            shown = setting if meant else "what stands there"
            if section != TOP:
                raise ConfigurationError(
                    f"{given.source}: {shown} is not a setting in [{section}].",
                    hint=meant or f"There are: {', '.join(known)}.",
                )
            # The predecessor ignored what it did not know, and its ini must keep working.
            LOG.warning("%s: %s is not a setting and is ignored.", given.source, shown)


def _known_in(section: str) -> tuple[str, ...] | None:
    """Name the settings that a section may have; None where its heading says nothing."""
    fixed = {_GENERAL: GENERAL_SETTINGS, TOP: FLAT_SETTINGS}
    if section in fixed:
        return fixed[section]
    if section.startswith(JOB_HEADING):
        return JOB_SETTINGS if section.removeprefix(JOB_HEADING).strip() else None
    if section.startswith(RUN_HEADING):
        return None if run_name_problem(section.removeprefix(RUN_HEADING).strip()) else RUN_SETTINGS
    # A key in brackets would name directories and fill columns.
    is_name = _ENVIRONMENT_NAME.fullmatch(section) and not is_shown_in(section)
    return ENVIRONMENT_SETTINGS if is_name else None
