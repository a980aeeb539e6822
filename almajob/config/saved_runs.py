"""Saved runs: what ``almajob run NAME`` stands for, from the ini and from the files in ``runs.d`` beside it.

Ids of jobs and of sets differ between environments, so any setting may be said for one of them:
``job@production`` counts there instead of ``job``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from almajob.config import ini_reader as ini_file
from almajob.config import ini_sections
from almajob.config.ini_reader import Setting
from almajob.config.ini_sections import RUN_HEADING, Section
from almajob.config.ini_text import quote_value
from almajob.config.settings import Settings
from almajob.config.trusted_files import UntrustedFile
from almajob.errors import ConfigurationError, NotFound, Refused
from almajob.text.suggestions import suggest

DIRECTORY = "runs.d"
WHAT_IS_STARTED = "It says what is started."


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved run as it is written.

    Attributes:
        path: of the file that it stands in; files that it names are beside it.
        section: its settings.
        untrusted: that file, where it belongs to an ini of the current directory and is not trusted.
    """

    name: str
    path: Path
    section: Section
    untrusted: UntrustedFile | None = None

    def of(self, environment: str) -> dict[str, Setting]:
        """Return what counts in an environment: what is said for it, else what is said for all."""
        suffix = f"@{environment}"
        everywhere = {name: value for name, value in self.section.items() if "@" not in name}
        here = {
            name.removesuffix(suffix): value for name, value in self.section.items() if name.endswith(suffix)
        }
        said = {**everywhere, **here}
        # Nothing behind the sign means that it is not said; of parameters, that there are none, or no value.
        return {name: value for name, value in said.items() if value.text or name.startswith("param")}

    def environments(self) -> list[str]:
        """Name the environments for which something is said; an empty name where a job is named for all."""
        named = dict.fromkeys(name.partition("@")[2] for name in self.section if "@" in name)
        return [*([""] if "job" in self.section or not named else []), *named]


def directory(settings: Settings) -> Path:
    """Return the directory that saved runs are in, besides the ini.

    Raises:
        ConfigurationError: there is no place for it.
    """
    return settings.need_config_dir("saved runs") / DIRECTORY


def read_all(settings: Settings) -> dict[str, Saved]:
    """Read all saved runs, by name.

    Raises:
        ConfigurationError: a file of theirs is wrong, or two have one name.
    """
    found: dict[str, Saved] = {}
    others = [ini_file.read(path, reason=WHAT_IS_STARTED) for path in _files(settings)]
    inis = [(settings.ini, settings.runs, ())] if settings.ini else []
    for ini, runs, notes in [*inis, *((other, *ini_sections.read_runs(other)) for other in others)]:
        for note in notes:
            settings.warn(note)
        untrusted = settings.check_trust(ini.path, ini.digest) if runs else None
        for name, section in runs.items():
            if name in found:
                raise ConfigurationError(
                    f"{ini.path} and {found[name].path} both have a saved run {name}.",
                    hint="Rename one of them.",
                )
            found[name] = Saved(name, ini.path, section, untrusted)
    known = settings.environment_names()
    for saved in found.values():
        for name, value in saved.section.items():
            _setting, at, environment = name.partition("@")
            if at and environment not in known:
                raise ConfigurationError(
                    f"{value.source}: there is no environment {environment!r}.",
                    hint=suggest(environment, known) or f"Known environments: {', '.join(known)}.",
                )
    return found


def find_saved(settings: Settings, name: str) -> Saved:
    """Find a saved run.

    Raises:
        Refused: there is none of that name.
        ConfigurationError: as ``read_all``.
    """
    found = read_all(settings)
    if name in found:
        return found[name]
    places = [settings.ini.path] if settings.ini else []
    if settings.config_dir:
        places.append(directory(settings))
    raise NotFound(
        f"There is no saved run {name!r}.",
        reason=f"Looked in {' and '.join(map(str, places)) or 'no place'}.",
        hint=f"{suggest(name, found)} almajob saved list shows what there is.\n".lstrip()
        + f"A job is started by almajob run --job {shlex.quote(name)}",
    )


def _files(settings: Settings) -> list[Path]:
    if settings.config_dir is None:
        return []
    try:
        found = directory(settings)
        ini_file.refuse_open_file(found, found.stat(), holds_key=False, reason=WHAT_IS_STARTED)
        return sorted(path for path in found.iterdir() if path.suffix == ".ini" and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(
            f"{directory(settings)} cannot be read.", reason=f"{error.strerror}."
        ) from None


def format_settings(name: str, environment: str, given: Mapping[str, str]) -> str:
    """Write the settings of a saved run for one environment.

    Raises:
        Refused: one of them cannot stand in an ini.
    """
    written = []
    for setting, value in given.items():
        text = quote_value(value) if value else ""
        if text is None:
            raise Refused(
                f"{setting} cannot be saved: an ini has no way to write its value.",
                hint=f"Write a section [{RUN_HEADING}{name}] yourself.",
            )
        written.append(f"{setting}@{environment} = {text}\n")
    return "".join(written)
