"""The command line, the environment and almajob.ini as one frozen value, each setting with its source."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from almajob.config import environments, paths
from almajob.config import ini_reader as ini_file
from almajob.config import ini_sections as sections
from almajob.config.environments import (
    DEMO,
    GROUP_SIGN,
    Access,
    Environment,
    LateAfter,
    names_several,
)
from almajob.config.ini_reader import Ini, Setting
from almajob.config.ledger_address import read_ledger
from almajob.config.trusted_files import TrustedFiles, UntrustedFile
from almajob.errors import NAME_STATE_DIR, NO_HOME, ConfigurationError, Refused, UsageError
from almajob.text.frozen import Frozen
from almajob.text.redaction import Sealed
from almajob.text.suggestions import suggest

if TYPE_CHECKING:
    from almajob.text.database_address import DatabaseAddress

LOG = logging.getLogger(__name__)

READ_ONLY = "ALMAJOB_READ_ONLY"
"""The variable that forbids everything but reads."""
NO_INI = "No configuration file was found."
"""Why an environment is not known on a first start."""
INI_LOCK = "set-key.lock"
"""The file in the state directory by which almajob's changes of a configuration file take turns."""
TURN_SECONDS = 10.0
"""How long one of them waits for another."""


def log_warning(text: str) -> None:
    """Log a warning."""
    LOG.warning("%s", text)


class Options(Sealed, Frozen):
    """What the command line, or a program, says of the settings.

    Attributes:
        ini: what a program has in place of a configuration file; none is read then.
    """

    env: str | None = None
    ini_file: str | None = None
    ini: Ini | None = None
    cache_dir: str | None = None
    refresh: bool = False
    ignore_quota: bool = False


class Settings(Sealed, Frozen):
    """All that is configured for this invocation.

    Attributes:
        ini: the file that was read, or None.
        env: the name of the environment to use, or None where nobody chose one.
        cache_dir: None where there is no home directory, and nobody named another place.
        state_dir: likewise.
        sections: what the ini says of each environment, by name.
        jobs: what it says of certain jobs, by id or exact name.
        runs: what it says of saved runs, by name; runs.d may have more.
        plugins: what it says for plugins, by their normalized names.
        notifications: what it says of who is notified, and how, by name.
        groups: what it says of groups of environments, by name.
        general: what its section [almajob] says.
        config_dir: where the ini is, or would be; None where there is no such place.
        trusted: the files that the user trusts, where the ini was found in the current directory; None where
            it is the user's own, or was named, and needs no trust.
        warn: logs what is ignored of a configuration file.
        read_only: what forbids everything but reads; empty where nothing does.
        refresh: whether the cache is passed over.
        ledger: what says where the ledger is; None where nothing does, and the state directory has it.
        database: that has the ledger; None where the state directory has it.
        ignores_quota: whether one call may be made although the day's calls are used up.
    """

    ini: Ini | None
    env: Setting | None
    cache_dir: Setting | None
    state_dir: Setting | None
    sections: Mapping[str, Mapping[str, Setting]]
    jobs: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    runs: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    plugins: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    notifications: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    groups: Mapping[str, Mapping[str, Setting]] = MappingProxyType({})
    general: Mapping[str, Setting] = MappingProxyType({})
    config_dir: Path | None = None
    trusted: TrustedFiles | None = None
    warn: Callable[[str], None] = log_warning
    read_only: str = ""
    refresh: bool = False
    ignores_quota: bool = False
    ledger: Setting | None = None
    database: DatabaseAddress | None = None

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

    def need_state_dir(self, message: str) -> str:
        """Return where the ledger and all else that must not be lost is.

        Args:
            message: what there is no place for where there is no such directory.

        Raises:
            ConfigurationError: there is none.
        """
        if self.state_dir is None:
            raise ConfigurationError(f"There is no place for {message}.", reason=NO_HOME, hint=NAME_STATE_DIR)
        return self.state_dir.text

    def accept_of_jobs(self) -> dict[str, frozenset[str]]:
        """Return the statuses that count as a good end of certain jobs, by id or exact name.

        Raises:
            ConfigurationError: one of them cannot.
        """
        given = {job: section for job, section in self.jobs.items() if "accept" in section}
        return {job: environments.read_accept(section) for job, section in given.items()}

    def late_after_of_jobs(self) -> dict[str, LateAfter]:
        """Return when runs of certain jobs count as late, by id or exact name.

        Raises:
            ConfigurationError: it is said wrongly.
        """
        given = {job: environments.read_late_after(section) for job, section in self.jobs.items()}
        return {job: late_after for job, late_after in given.items() if late_after is not None}

    def untrusted_ini(self) -> UntrustedFile | None:
        """Return the ini where it was found in the current directory and is not trusted."""
        return self.check_trust(self.ini.path, self.ini.digest) if self.ini else None

    def check_trust(self, path: Path, digest: str) -> UntrustedFile | None:
        """Return None where a file that belongs to the ini is trusted, or needs no trust."""
        found = self.trusted.check(path, digest) if self.trusted else None
        return found._replace(ini=self.ini.path) if found and self.ini else found

    def keep_trust(self, path: Path, before: bytes, text: bytes, now: float) -> None:
        """Go on trusting a file that is trusted, and whose only change is almajob's own."""
        if self.trusted is None or self.check_trust(path, ini_file.digest_of(before)):
            return
        try:
            self.trusted.keep(path, ini_file.digest_of(text), now)
        except Refused as error:
            LOG.warning("%s", error)

    def environment_names(self) -> list[str]:
        """Name every environment that --env takes."""
        return [*self.sections, DEMO]

    def list_environments(self, text: str) -> list[str]:
        """List the environments that a text names, each once, in its order.

        Args:
            text: what ``--env`` takes: names with commas in between, and groups as ``@NAME``.

        Raises:
            UsageError: a name is empty.
            ConfigurationError: there is no such environment or group, or the group is wrong.
        """
        found: dict[str, None] = {}
        for name in map(str.strip, text.split(",")):
            if not name.strip(GROUP_SIGN):
                raise UsageError(
                    f"{text!r} has an empty name in it.", hint="Write --env a,b,c or --env @GROUP."
                )
            is_group = name.startswith(GROUP_SIGN)
            found.update(dict.fromkeys(self.group(name.removeprefix(GROUP_SIGN)) if is_group else [name]))
        self._refuse_unknown(found, "")
        return list(found)

    def group(self, name: str) -> list[str]:
        """Return the environments of a group, in the order of the configuration file.

        Raises:
            ConfigurationError: there is no such group, or it is empty, or names something else.
        """
        if name not in self.groups:
            known = ", ".join(f"{GROUP_SIGN}{each}" for each in self.groups)
            raise ConfigurationError(
                f"There is no group {GROUP_SIGN}{name}.",
                hint=f"{suggest(name, list(self.groups))} Known groups: {known}.".lstrip()
                if known
                else f"Write in the configuration file: [group:{name}] and, below it, environments = a b c",
            )
        given = self.groups[name].get("environments", Setting("", f"[group:{name}]"))
        members = [each for each in re.split(r"[\s,]+", given.text) if each]
        twice = next((each for each in members if members.count(each) > 1), None)
        nested = next((each for each in members if each.startswith(GROUP_SIGN)), None)
        if not members:
            raise ConfigurationError(
                f"{given.source}: the group {name!r} is empty.",
                hint=f"Write in [group:{name}]: environments = a b c",
            )
        if nested is not None:
            raise ConfigurationError(
                f"{given.source}: {nested} is a group, and a group has environments only.",
                hint=f"Name its environments instead, or use --env {GROUP_SIGN}{name},{nested}.",
            )
        if twice is not None:
            raise ConfigurationError(f"{given.source}: {twice} is named twice.", hint="Keep one of the two.")
        self._refuse_unknown(members, f"{given.source}: ")
        return members

    def _refuse_unknown(self, names: Iterable[str], where: str) -> None:
        """Refuse names of which there is no environment, all of them at once.

        Args:
            where: stands before the message; empty for the command line.
        """
        known = self.environment_names()
        unknown = [name for name in names if name not in known]
        if not unknown:
            return
        if self.ini is None:
            raise self._unknown_environment(unknown[0])
        near = suggest(unknown[0], known) if len(unknown) == 1 else ""
        raise ConfigurationError(
            f"{where or f'{self.ini.path}: '}there is no environment {', '.join(map(repr, unknown))}.",
            hint=f"{near} Known environments: {', '.join(known)}.".lstrip(),
        )

    def environment(self, name: str | None = None) -> Environment:
        """Return the chosen environment, or the one named.

        Raises:
            UsageError: none was chosen.
            ConfigurationError: it is not configured, or not well.
        """
        return self.access(name).environment

    def access(self, name: str | None = None) -> Access:
        """Return an environment with what is said of its key.

        Raises:
            UsageError: none was named or chosen.
            ConfigurationError: it is not configured, or not well.
        """
        if name is None:
            if self.env is None:
                raise UsageError(
                    "Which environment?",
                    reason="" if self.ini else NO_INI,
                    hint=self._advise_on_environments(),
                )
            name = self.env.text
            if names_several(name):
                raise UsageError(
                    f"This is done in one environment, and {self.env.source} names several: {name}.",
                    hint="Name one of them.",
                )
        if name == DEMO:
            return Access(environments.demo())
        if name not in self.sections:
            raise self._unknown_environment(name)
        environment = environments.from_section(name, self.sections[name])
        return environments.read_access(environment, self.sections[name], self.untrusted_ini())

    def _advise_on_environments(self) -> str:
        if self.ini is None:
            return _advise_first_steps("sandbox")
        return (
            f"Add --env NAME (known environments: {', '.join(self.environment_names())}), "
            "or set ALMAJOB_ENV, or env in [almajob] of the configuration file."
        )

    def _unknown_environment(self, name: str) -> ConfigurationError:
        if self.ini is None:
            return ConfigurationError(
                f"There is no environment {name!r}.",
                reason=NO_INI,
                hint=_advise_first_steps(name),
            )
        names = self.environment_names()
        return ConfigurationError(
            f"{self.ini.path} has no environment {name!r}.",
            hint=f"{suggest(name, names)} Known environments: {', '.join(names)}.".lstrip(),
        )


def _advise_first_steps(name: str) -> str:
    """Return what to type where there is no ini yet, for an environment of a name."""
    # Another name may be a key that was typed in its place.
    name = name if name in environments.KINDS else "sandbox"
    sample = paths.find_sample()
    return (
        f"To make one with your API key: almajob config set-key {name} --region na\n"
        f"Regions: {', '.join(environments.REGIONS)}.{f' All settings: {sample}' if sample else ''}\n"
        "To try almajob without a key: almajob --env demo list"
    )


def load(
    options: Options,
    environ: Mapping[str, str],
    *,
    may_be_new: bool = False,
    warn: Callable[[str], None] = log_warning,
) -> Settings:
    """Read the ini and settle every setting; nothing is created and no key is fetched.

    Args:
        warn: logs what is ignored.
        may_be_new: whether an ini that somebody named need not be there yet; its directory must.

    Raises:
        ConfigurationError: something in the ini or the environment is wrong.
    """
    ini, is_found_here = (None, False) if options.ini else find_ini(options, environ, may_be_new=may_be_new)
    read = options.ini or ini
    found = sections.sort_sections(read) if read else sections.Sections()
    for note in found.notes:
        warn(note)
    own = paths.find_directory("config", environ)
    ledger, database = read_ledger(found.general, environ)
    return Settings(
        ini=ini,
        env=_chosen_environment(options, environ, found.general, found.environments),
        cache_dir=_cache_dir(options, environ, found.general),
        state_dir=state_dir(environ),
        sections=found.environments,
        jobs=found.jobs,
        runs=found.runs,
        plugins=found.plugins,
        notifications=found.notifications,
        groups=found.groups,
        general=found.general,
        config_dir=ini.path.parent if ini else Path(own) if own else None,
        trusted=trusted_files(environ) if is_found_here else None,
        warn=warn,
        read_only=_read_only(environ),
        refresh=options.refresh,
        ignores_quota=options.ignore_quota,
        ledger=ledger,
        database=database,
    )


def find_ini(
    options: Options, environ: Mapping[str, str], *, may_be_new: bool = False
) -> tuple[Ini | None, bool]:
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
                f"{path} cannot be created.",
                reason=f"There is no directory {path.parent}. It was named by {named_by}.",
                hint="Create the directory, or name another file.",
            )
        return Ini(path, {}), False
    own = paths.own_inis(environ)
    for place in (*paths.inis_here(own), *own):
        candidate = Path(place)
        try:
            is_there = candidate.exists()
        except OSError as error:
            # A directory on the way that may not be searched.
            LOG.warning("%s is skipped: %s.", candidate, error.strerror)
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
    if chosen and names_several(chosen.text):
        # One of them may be a production.
        raise ConfigurationError(
            f"{chosen.source}: env = {chosen.text} would make several environments the default.",
            hint="Name one there, and several with --env or ALMAJOB_ENV.",
        )
    if chosen and environments.kind_of(chosen.text, sections.get(chosen.text, {})) == "production":
        raise ConfigurationError(
            f"{chosen.source}: env = {chosen.text} would make production the default.",
            reason="Nothing starts in production unless you say so each time.",
            hint=f"Remove that line and use --env {chosen.text}, or set ALMAJOB_ENV in the script.",
        )
    return chosen


def state_dir(environ: Mapping[str, str]) -> Setting | None:
    """Return where the ledger and all else that must not be lost is, or None; no ini names that place."""
    named = environ.get("ALMAJOB_STATE_DIR")
    if named:
        return Setting(str(paths.expand(named)), "ALMAJOB_STATE_DIR")
    own = paths.find_directory("state", environ)
    return Setting(own, "default") if own else None


def trusted_files(environ: Mapping[str, str]) -> TrustedFiles:
    """Locate the files that the user trusts."""
    found = state_dir(environ)
    if found is None:
        return TrustedFiles(None, NO_HOME)
    # A relative one may have come with what somebody unpacked.
    is_anywhere = found.source != "default" and not paths.is_absolute(environ[found.source])
    return TrustedFiles(None if is_anywhere else Path(found.text, "trusted"))


def _cache_dir(
    options: Options, environ: Mapping[str, str], general: Mapping[str, Setting]
) -> Setting | None:
    if options.cache_dir is not None:
        named = Setting(options.cache_dir, "--cache-dir")
    elif environ.get("ALMAJOB_CACHE_DIR"):
        named = Setting(environ["ALMAJOB_CACHE_DIR"], "ALMAJOB_CACHE_DIR")
    elif "cache_dir" in general:
        named = general["cache_dir"]
    else:
        own = paths.find_directory("cache", environ)
        return Setting(own, "default") if own else None
    if not named.text:
        raise ConfigurationError(
            f"{named.source}: the cache directory has no name.", hint="Name a directory."
        )
    return named.replace(text=str(paths.expand(named.text)))


def _read_only(environ: Mapping[str, str]) -> str:
    text, where = environ.get(READ_ONLY, ""), f"the variable {READ_ONLY}"
    given = {"read_only": Setting(text, where)} if text else {}
    return where if environments.is_yes(given, "read_only", default=False) else ""
