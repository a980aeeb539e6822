"""What can be named on this machine: environments, saved runs, jobs, runs; looked up without loading much.

A completion has to be there before the key is released, so nothing of an ini is checked, and the store's
databases are only read, by SQLite itself. Whatever is wrong with one of them, there is nothing to complete.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from almajob.config import paths
from almajob.config.ini_text import TOP, find_half_line, parse_sections
from almajob.store import quick_read, schema

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Found = list[tuple[str, str]]
"""Values that can be typed, each with what it is."""

_JOBS = ".cache.jobs."
_MOST_RUNS = 200
_INI_SIZE = 2**20
_BUILT_IN = "demo"


class Places:
    """Where things are, as far as completions need to know; ``config.settings`` decides.

    Attributes:
        environments: names, the built-in one last.
        env: the environment that is used where none is named; empty where none is.
    """

    def __init__(self, environ: Mapping[str, str], ini_file: str = "", cache_dir: str = "") -> None:
        path = _find_ini(environ, ini_file)
        ini = _read_ini(path)
        general = ini.get("almajob", {})
        top = ini.pop(TOP, {})
        flat = [name for name in ("sandbox", "production") if f"api_key_{name}" in top]
        sections = [name for name in ini if ":" not in name and name != "almajob"]
        self.environments = [*dict.fromkeys([*flat, *sections]), _BUILT_IN]
        self._headings = list(ini)
        self._config = os.path.dirname(path) if path else paths.find_directory("config", environ)
        self.env = environ.get("ALMAJOB_ENV", "") or general.get("env", "")
        named = cache_dir or environ.get("ALMAJOB_CACHE_DIR", "") or general.get("cache_dir", "")
        self.cache = os.path.expanduser(named) or paths.find_directory("cache", environ)
        state = environ.get("ALMAJOB_STATE_DIR", "")
        self.state = os.path.expanduser(state) or paths.find_directory("state", environ)

    @property
    def saved_runs(self) -> list[str]:
        """Names of saved runs, from the ini and from the files in ``runs.d`` beside it."""
        directory = os.path.join(self._config, "runs.d")
        of_files = [heading for file in _inis(directory) for heading in _read_ini(file)]
        found = [name for name in [*self._headings, *of_files] if name.startswith("run:")]
        return [name.partition(":")[2].strip() for name in found]


def _find_ini(environ: Mapping[str, str], named: str) -> str:
    named = named or environ.get("ALMAJOB_INI", "")
    if named:
        return os.path.expanduser(named)
    own = paths.own_inis(environ)
    return next(filter(os.path.exists, (*paths.inis_here(own), *own)), "")


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


def jobs(places: Places, environment: str) -> Found:
    """Name the jobs of an environment, or of all where none is given; and then their ids."""
    listed = [job for directory in _directories(places, environment) for job in _job_list(directory)]
    return [(job["name"], job["id"]) for job in listed] + [(job["id"], job["name"]) for job in listed]


def _directories(places: Places, environment: str) -> list[str]:
    if environment:
        return [os.path.join(places.cache, f"{_JOBS}{environment}")]
    try:
        found = sorted(os.listdir(places.cache))
    except OSError:
        return []
    return [
        os.path.join(places.cache, name)
        for name in found
        if name.startswith(_JOBS) and ".damaged" not in name
    ]


def _job_list(directory: str) -> Iterator[dict[str, str]]:
    # The key of the whole list ends with its three filters, which are empty.
    for document in quick_read.newest(directory, f"{schema.CACHE_FORMAT}:jobs:%:::", limit=1):
        for job in document if isinstance(document, list) else ():
            if isinstance(job, dict) and isinstance(job.get("id"), str) and isinstance(job.get("name"), str):
                yield job


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


def _records(places: Places, environment: str) -> Iterator[dict[str, Any]]:
    ledger = os.path.join(places.state, "ledger")
    for group in ("open", "done"):
        for document in quick_read.newest(
            ledger, f"{schema.LEDGER_FORMAT}:{group}:%", limit=_MOST_RUNS, by_key=True
        ):
            record = document.get("value") if isinstance(document, dict) else None
            if isinstance(record, dict) and environment in ("", record.get("environment")):
                yield record
