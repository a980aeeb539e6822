"""What can be named on this machine: environments, saved runs, jobs, runs; looked up without loading much.

A completion has to be there before the key is released, so nothing of an ini is checked, and the store's
databases are only read, by SQLite itself. Whatever is wrong with one of them, there is nothing to complete.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping

from almajob.config import paths
from almajob.config.ini_text import TOP, find_half_line, parse_sections
from almajob.store import quick_read, schema

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Found = list[tuple[str, str]]
"""Values that can be typed, each with what it is."""

_JOBS, _SETS = ".cache.jobs.", ".cache.sets."
_MOST_RUNS = 200
_INI_SIZE = 2**20
_BUILT_IN = "demo"
_OF_ENVIRONMENT = ("kind", "region", "domain", "base_url", "api_key")
"""How the settings begin of which an environment has one at least."""


class Places:
    """Where things are, as far as completions need to know; ``config.settings`` decides.

    Attributes:
        environments: names, the built-in one last.
        env: the environment that is used where none is named; empty where none is.
        chosen_plugins: what tells whether somebody chose other plugins since; empty where nobody chooses.
    """

    def __init__(self, environ: Mapping[str, str], ini_file: str = "", cache_dir: str = "") -> None:
        path = _find_ini(environ, ini_file)
        ini = _read_ini(path)
        general = ini.get("almajob", {})
        top = ini.pop(TOP, {})
        flat = [name for name in ("sandbox", "production") if f"api_key_{name}" in top]
        sections = [name for name in ini if name != "almajob" and _is_environment(name, ini[name])]
        self.environments = [*dict.fromkeys([*flat, *sections]), _BUILT_IN]
        self._headings = list(ini)
        self._config = os.path.dirname(path) if path else paths.find_directory("config", environ)
        self.env = environ.get("ALMAJOB_ENV", "") or general.get("env", "")
        named = cache_dir or environ.get("ALMAJOB_CACHE_DIR", "") or general.get("cache_dir", "")
        # Where there is no home directory, below a file, where nothing can be: not in the current directory.
        self.cache = os.path.expanduser(named) or paths.find_directory("cache", environ) or os.devnull
        state = environ.get("ALMAJOB_STATE_DIR", "")
        self.state = os.path.expanduser(state) or paths.find_directory("state", environ) or os.devnull
        self.chosen_plugins = self._find_chosen_plugins(path, general, environ.get("ALMAJOB_PLUGINS", ""))

    def _find_chosen_plugins(self, path: str, general: dict[str, str], variable: str) -> list[Any]:
        directory, disabled = general.get("plugins_dir", ""), general.get("disable_plugins", "")
        if not (variable or directory or disabled):
            return []
        found = os.path.join(self._config, os.path.expanduser(directory)) if directory else ""
        # Whether the file is trusted counts, too.
        times = [_read_time(each) for each in (path, os.path.join(self.state, "trusted"), found)]
        return [variable, path, disabled, *times, _list_plugins(found) if found else []]

    @property
    def notifications(self) -> list[str]:
        """Names of the sections [notify:NAME]."""
        return [name.partition(":")[2].strip() for name in self._headings if name.startswith("notify:")]

    @property
    def groups(self) -> list[str]:
        """Names of the sections [group:NAME]."""
        return [name.partition(":")[2].strip() for name in self._headings if name.startswith("group:")]

    @property
    def saved_runs(self) -> list[str]:
        """Names of saved runs, from the ini and from the files in ``runs.d`` beside it."""
        directory = os.path.join(self._config, "runs.d")
        of_files = [heading for file in _inis(directory) for heading in _read_ini(file)]
        found = [name for name in [*self._headings, *of_files] if name.startswith("run:")]
        return [name.partition(":")[2].strip() for name in found]


def _is_environment(name: str, settings: Mapping[str, str]) -> bool:
    """Whether a section may be an environment; ``config.ini_sections`` knows better, and takes longer."""
    is_ours = not settings or any(setting.startswith(_OF_ENVIRONMENT) for setting in settings)
    return ":" not in name and (is_ours or name in ("sandbox", "production"))


def _find_ini(environ: Mapping[str, str], named: str) -> str:
    named = named or environ.get("ALMAJOB_INI", "")
    if named:
        return os.path.expanduser(named)
    own = paths.own_inis(environ)
    return next(filter(os.path.exists, (*paths.inis_here(own), *own)), "")


def _read_time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _list_plugins(directory: str) -> list[list[Any]]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".py"))
    except OSError:
        return []
    return [[name, _read_time(os.path.join(directory, name))] for name in names]


def _inis(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(".ini")]


def _read_ini(path: str) -> dict[str, dict[str, str]]:
    """Read sections and settings, as far as they can be read."""
    try:
        # A pipe would keep us waiting.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return {}
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            text = file.read(_INI_SIZE)
    except OSError:
        return {}
    # almajob refuses a file that has lines within lines.
    found = {} if find_half_line(text) else parse_sections(text)[0]
    return {
        section.strip(): {name: value for name, (value, _line) in settings.items()}
        for section, settings in found.items()
    }


def jobs(places: Places, environment: str, beginning: str) -> Found:
    """Name the jobs of an environment, or of all where none is given; and then their ids.

    Args:
        beginning: of what is sought; what does not begin so may be there or not.
    """
    # The key of the whole list ends with its three filters, which are empty.
    return _find_listed(places, environment, beginning, _JOBS, "jobs:%:::")


def sets(places: Places, environment: str, beginning: str) -> Found:
    """Name the sets that ``almajob sets list`` showed last, in the way of ``jobs``."""
    return _find_listed(places, environment, beginning, _SETS, "sets:%")


def _find_listed(places: Places, environment: str, beginning: str, kind: str, pattern: str) -> Found:
    """Name what is in the newest lists of a kind, and then the ids of all that.

    Args:
        kind: how the names of their directories begin.
        pattern: of their keys.
    """
    names: Found = []
    ids: Found = []
    # As it stands in JSON; a part without it is not read.
    sought = json.dumps(beginning)[:-1].encode()
    for directory in _directories(places, environment, kind):
        for part in quick_read.newest_list(directory, f"{schema.CACHE_FORMAT}:{pattern}"):
            if sought in part:
                found = _read_part(part)
                names += [(name, own_id) for own_id, name in found if name.startswith(beginning)]
                ids += [(own_id, name) for own_id, name in found if own_id.startswith(beginning)]
    return names + ids


def _read_part(text: bytes) -> Found:
    """Return the ids and names in a part of a list."""
    try:
        part = json.loads(text)
        ids, names = part["ids"], part["names"]
        are_texts = set(map(type, ids)) | set(map(type, names)) <= {str}
        return list(zip(ids, names, strict=True)) if are_texts else []
    except (ValueError, TypeError, LookupError, RecursionError):
        return []


def _directories(places: Places, environment: str, kind: str) -> list[str]:
    if environment:
        return [os.path.join(places.cache, f"{kind}{environment}")]
    try:
        found = sorted(os.listdir(places.cache))
    except OSError:
        return []
    return [
        os.path.join(places.cache, name) for name in found if name.startswith(kind) and ".damaged" not in name
    ]


def instances(places: Places, environment: str) -> Found:
    """Return the Process IDs of what was started from here, newest first."""
    found = [
        (str(record["instance_id"]), f"{record.get('job_name', '')} ({record.get('environment', '')})")
        for record in _records(places, environment)
        if record.get("instance_id")
    ]
    return [*found, ("@last", "what was started last from here")] if found else []


def runs(places: Places, environment: str) -> Found:
    """Return what names a run of the ledger: run keys, then ids; newest first."""
    found = [
        (str(record.get("id", "")), str(record.get("job_name", "")))
        for record in _records(places, environment)
    ]
    return [*run_keys(places, environment), *found]


def run_keys(places: Places, environment: str) -> Found:
    """Return the run keys that were used, newest first."""
    return [
        (str(record["run_key"]), str(record.get("job_name", "")))
        for record in _records(places, environment)
        if record.get("run_key")
    ]


def _records(places: Places, environment: str) -> list[dict[str, Any]]:
    ledger = os.path.join(places.state, "ledger")
    # The index has them by their ids, which begin with the day.
    documents = quick_read.newest(ledger, f"{schema.LEDGER_FORMAT}:record:", limit=_MOST_RUNS)
    records = [document.get("value") for document in documents if isinstance(document, dict)]
    found = [
        record
        for record in records
        if isinstance(record, dict) and environment in ("", record.get("environment"))
    ]
    return sorted(found, key=_made_at, reverse=True)


def _made_at(record: dict[str, Any]) -> float:
    try:
        return float(record["trail"][0]["at"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return 0.0
