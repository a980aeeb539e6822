"""Which plugins are used: those that somebody disabled, and the directory of those that are one file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from almajob.config.ini_sections import GENERAL
from almajob.config.paths import beside
from almajob.config.settings import Options, find_ini, trusted_files
from almajob.entry_points import normalize_name
from almajob.errors import ConfigurationError

VARIABLE = "ALMAJOB_PLUGINS"
"""The variable that disables all plugins, where it is ``none``."""
DIRECTORY, DISABLED = "plugins_dir", "disable_plugins"
"""The settings in the section [almajob]."""


class PluginChoice(NamedTuple):
    """What somebody says of plugins.

    Attributes:
        directory: of the plugins that are one file each; None where nobody names one.
        disabled: names of distributions, commands, formats and files, normalized, each with what says so.
        all_by: what disables all of them; empty where nothing does.
        ignored: a sentence about what is not done because its file is not trusted; else empty.
    """

    directory: Path | None = None
    disabled: Mapping[str, str] = MappingProxyType({})
    all_by: str = ""
    ignored: str = ""

    def find_reason(self, names: Iterable[str]) -> str:
        """Return what disables the plugin that has one of these names; empty where nothing does."""
        return self.all_by or next(
            (self.disabled[name] for name in map(normalize_name, names) if name in self.disabled), ""
        )


def read_choice(ini_file: str, environ: Mapping[str, str]) -> PluginChoice:
    """Read what somebody says of plugins.

    Args:
        ini_file: the configuration file that the command line names; empty where it names none.

    Raises:
        ConfigurationError: the variable is wrong, or the configuration file cannot be read.
    """
    given = environ.get(VARIABLE, "")
    if given == "none":
        return PluginChoice(all_by=f"the variable {VARIABLE}")
    if given:
        raise ConfigurationError(
            f"The variable {VARIABLE} can only be set to none.",
            reason="That disables all plugins.",
            hint="Unset it. To disable one plugin, write in the configuration file,\n"
            f"in the section [{GENERAL}]: {DISABLED} = NAME",
        )
    ini, is_found_here = find_ini(Options(ini_file=ini_file or None), environ, may_be_new=True)
    section = ini.sections.get(GENERAL, {}) if ini else {}
    named = [name for name in (DIRECTORY, DISABLED) if name in section]
    if ini is None or not named:
        return PluginChoice()
    if is_found_here and trusted_files(environ).check(ini.path, ini.digest):
        # Code in the directory of whatever was unpacked would run; and what watches starts would not.
        return PluginChoice(
            ignored=f"{ini.path} is not trusted, so its {' and '.join(named)} is ignored. "
            "Look at the file, then type: almajob config trust"
        )
    directory = section.get(DIRECTORY)
    if directory is not None and not directory.text:
        raise ConfigurationError(
            f"{directory.source}: {DIRECTORY} is empty.", hint="Name a directory, or remove the line."
        )
    disabled = section.get(DISABLED)
    return PluginChoice(
        beside(ini.path, directory.text) if directory else None,
        dict.fromkeys(split_names(disabled.text), disabled.source) if disabled else {},
    )


def split_names(text: str) -> list[str]:
    """Return the names in a list with blanks or commas in between, normalized."""
    return [normalize_name(name) for name in re.split(r"[\s,]+", text) if name]
