"""The command line, the environment and almajob.ini as one frozen value, each setting with its source."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from almajob.config import environments, paths
from almajob.config import ini_reader as ini_file
from almajob.config import ini_sections as sections
from almajob.config.environments import DEMO, Environment
from almajob.config.ini_reader import Ini, Setting
from almajob.config.trusted_files import TrustedFiles, UntrustedFile
from almajob.errors import ConfigurationError, UsageError
from almajob.text.suggestions import suggest

LOG = logging.getLogger(__name__)

READ_ONLY = "ALMAJOB_READ_ONLY"
"""The variable that forbids every POST."""


class Options(NamedTuple):
    """What the command line says of the settings."""

    env: str | None = None
    ini_file: str | None = None
    cache_dir: str | None = None
    refresh: bool = False
    ignore_quota: bool = False


class Settings(NamedTuple):
    """All that is configured for this invocation.

    Attributes:
        ini: the file that was read, or None.
        env: the name of the environment to use, or None where nobody chose one.
        sections: what the ini says of each environment, by name.
        jobs: what it says of certain jobs, by id or exact name.
        runs: what it says of saved runs, by name; runs.d may have more.
        config_dir: where the ini is, or would be; None where there is no such place.
        trusted: the files that the user trusts, where the ini was found in the current directory; None where
            it is the user's own, or was named, and needs no trust.
        read_only: what forbids every POST; empty where nothing does.
        refresh: whether the cache is passed over.
        ignores_quota: whether one call may be made although the day's calls are used up.
    """

    ini: Ini | None
    env: Setting | None
    cache_dir: Setting
    state_dir: Setting
    sections: Mapping[str, Mapping[str, Setting]]
    jobs: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    runs: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    config_dir: Path | None = None
    trusted: TrustedFiles | None = None
    read_only: str = ""
    refresh: bool = False
    ignores_quota: bool = False

    def need_config_dir(self, message: str) -> Path:
        """Return where the ini is, or would be.

        Args:
            message: what there is no place for where there is no such directory.

        Raises:
            ConfigurationError: there is none.
        """
        if self.config_dir is None:
            raise ConfigurationError(
                f"There is no place for {message}.",
                reason="Neither HOME nor XDG_CONFIG_HOME is set.",
                hint="Set HOME.",
            )
        return self.config_dir

    def accept_of_jobs(self) -> dict[str, frozenset[str]]:
        """Return the statuses that count as a good end of certain jobs, by id or exact name.

        Raises:
            ConfigurationError: one of them cannot.
        """
        given = {job: section for job, section in self.jobs.items() if "accept" in section}
        return {job: environments.read_accept(section) for job, section in given.items()}

    def untrusted_ini(self) -> UntrustedFile | None:
        """Return the ini where it was found in the current directory and is not trusted."""
        return self.check_trust(self.ini.path, self.ini.digest) if self.ini else None

    def check_trust(self, path: Path, digest: str) -> UntrustedFile | None:
        """Return None where a file that belongs to the ini is trusted, or needs no trust."""
        found = self.trusted.check(path, digest) if self.trusted else None
        return found._replace(ini=self.ini.path) if found and self.ini else found

    def environment_names(self) -> list[str]:
        """Name every environment that --env takes."""
        return [*self.sections, DEMO]

    def environment(self, name: str | None = None) -> Environment:
        """Return the chosen environment, or the one named.

        Raises:
            UsageError: none was chosen.
            ConfigurationError: it is not configured, or not well.
        """
        if name is None:
            if self.env is None:
                raise UsageError(
                    "Which environment?",
                    hint=f"Add --env NAME (here: {', '.join(self.environment_names())}), "
                    "or set ALMAJOB_ENV, or env in [almajob] of the ini.",
                )
            name = self.env.text
        if name == DEMO:
            return Environment(DEMO, Setting("sandbox", "built in"), None)
        if name not in self.sections:
            raise self._unknown_environment(name)
        return environments.from_section(name, self.sections[name])._replace(untrusted=self.untrusted_ini())

    def _unknown_environment(self, name: str) -> ConfigurationError:
        if self.ini is None:
            return ConfigurationError(
                f"There is no almajob.ini, so nothing is known of the environment {name!r}.",
                hint="Make the directory ~/.config/almajob, copy almajob.ini.sample to almajob.ini in it, "
                "and put your key in; or name a file with --ini-file.\n"
                "To try almajob without a key: almajob --env demo list",
            )
        names = self.environment_names()
        return ConfigurationError(
            f"{self.ini.path} has no environment {name!r}.",
            hint=f"{suggest(name, names)} There are: {', '.join(names)}.".lstrip(),
        )


def load(options: Options, environ: Mapping[str, str], *, may_be_new: bool = False) -> Settings:
    """Read the ini and settle every setting; nothing is created and no key is fetched.

    Args:
        may_be_new: whether an ini that somebody named need not be there yet; its directory must.

    Raises:
        ConfigurationError: something in the ini or the environment is wrong.
    """
    ini, is_found_here = _find_ini(options, environ, may_be_new=may_be_new)
    found = sections.sort_sections(ini) if ini else sections.Sections()
    own = paths.find_directory("config", environ)
    return Settings(
        ini=ini,
        env=_chosen_environment(options, environ, found.general, found.environments),
        cache_dir=_cache_dir(options, environ, found.general),
        state_dir=state_dir(environ),
        sections=found.environments,
        jobs=found.jobs,
        runs=found.runs,
        config_dir=ini.path.parent if ini else Path(own) if own else None,
        trusted=trusted_files(environ) if is_found_here else None,
        read_only=_read_only(environ),
        refresh=options.refresh,
        ignores_quota=options.ignore_quota,
    )


def _find_ini(options: Options, environ: Mapping[str, str], *, may_be_new: bool) -> tuple[Ini | None, bool]:
    """Read the ini that counts; and say whether it only happens to be in the current directory."""
    by_option = options.ini_file is not None
    named = options.ini_file if by_option else environ.get("ALMAJOB_INI")
    if named:
        named_by = "--ini-file" if by_option else "ALMAJOB_INI"
        path = paths.expand(named)
        if not (may_be_new and _is_missing(path)):
            return ini_file.read(path, named_by), False
        if not path.parent.is_dir():
            raise ConfigurationError(
                f"{path} cannot be made.",
                reason=f"There is no directory {path.parent}. It was named by {named_by}.",
                hint="Make the directory, or name another.",
            )
        return Ini(path, {}), False
    own = paths.own_inis(environ)
    for place in (*paths.inis_here(own), *own):
        candidate = Path(place)
        try:
            is_there = candidate.exists()
        except OSError as error:
            # A directory on the way that may not be searched.
            LOG.warning("%s is passed over: %s.", candidate, error.strerror)
            is_there = False
        if is_there:
            return ini_file.read(candidate), place not in own
    return None, False


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        # Whoever reads it tells why not.
        pass
    return False


def _chosen_environment(
    options: Options,
    environ: Mapping[str, str],
    general: Mapping[str, Setting],
    sections: Mapping[str, Mapping[str, Setting]],
) -> Setting | None:
    if options.env is not None:
        return Setting(options.env, "--env")
    if environ.get("ALMAJOB_ENV"):
        return Setting(environ["ALMAJOB_ENV"], "ALMAJOB_ENV")
    chosen = general.get("env")
    if chosen and environments.kind_of(chosen.text, sections.get(chosen.text, {})) == "production":
        raise ConfigurationError(
            f"{chosen.source}: env = {chosen.text} would make production the default.",
            reason="Nothing starts in production unless it is said so each time.",
            hint=f"Take that line out and say --env {chosen.text}, or set ALMAJOB_ENV in the script.",
        )
    return chosen


def state_dir(environ: Mapping[str, str]) -> Setting:
    """Return where the ledger and all else that must not be lost is; no ini names that place."""
    named = environ.get("ALMAJOB_STATE_DIR")
    if named:
        return Setting(str(paths.expand(named)), "ALMAJOB_STATE_DIR")
    return Setting(paths.need_directory("state", environ), "default")


def trusted_files(environ: Mapping[str, str]) -> TrustedFiles:
    """Locate the files that the user trusts."""
    found = state_dir(environ)
    # A relative one may have come with what somebody unpacked.
    is_anywhere = found.source != "default" and not paths.is_absolute(environ[found.source])
    return TrustedFiles(None if is_anywhere else Path(found.text, "trusted"))


def _cache_dir(options: Options, environ: Mapping[str, str], general: Mapping[str, Setting]) -> Setting:
    if options.cache_dir is not None:
        named = Setting(options.cache_dir, "--cache-dir")
    elif environ.get("ALMAJOB_CACHE_DIR"):
        named = Setting(environ["ALMAJOB_CACHE_DIR"], "ALMAJOB_CACHE_DIR")
    elif "cache_dir" in general:
        named = general["cache_dir"]
    else:
        return Setting(paths.need_directory("cache", environ), "default")
    if not named.text:
        raise ConfigurationError(
            f"{named.source}: the cache directory has no name.", hint="Name a directory."
        )
    return named._replace(text=str(paths.expand(named.text)))


def _read_only(environ: Mapping[str, str]) -> str:
    text, where = environ.get(READ_ONLY, ""), f"the variable {READ_ONLY}"
    given = {"read_only": Setting(text, where)} if text else {}
    return where if environments.is_yes(given, "read_only", default=False) else ""
