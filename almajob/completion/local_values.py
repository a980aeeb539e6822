"""What can be named on this machine: environments, saved runs, jobs, runs; looked up without loading much.

A completion has to be there before the key is released, so the ini is only skimmed, and the store's
databases are only read, by SQLite itself. Whatever is wrong with one of them, there is nothing to complete.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from almajob.store import quick_read

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
    """Where things are, as far as completions need to know; ``config.places`` and ``config.ini`` decide.

    Attributes:
        environments: names, the built-in one last.
        env: the environment that is used where none is named; empty where none is.
    """

    def __init__(self, environ: Mapping[str, str], ini_file: str = "", cache_dir: str = "") -> None:
        path = _ini(environ, ini_file)
        ini = _skimmed(path)
        general = ini.get("almajob", {})
        top = ini.pop("", {})
        flat = [name for name in ("sandbox", "production") if f"api_key_{name}" in top]
        sections = [name for name in ini if ":" not in name and name != "almajob"]
        self.environments = [*dict.fromkeys([*flat, *sections]), _BUILT_IN]
        self._headings = list(ini)
        self._config = os.path.dirname(path) if path else _config(environ)
        self.env = environ.get("ALMAJOB_ENV", "") or general.get("env", "")
        named = cache_dir or environ.get("ALMAJOB_CACHE_DIR", "") or general.get("cache_dir", "")
        self.cache = os.path.expanduser(named) or _home(environ, "XDG_CACHE_HOME", ".cache")
        state = environ.get("ALMAJOB_STATE_DIR", "")
        self.state = os.path.expanduser(state) or _home(environ, "XDG_STATE_HOME", ".local/state")

    @property
    def saved(self) -> list[str]:
        """Names of saved runs, from the ini and from the files in ``runs.d`` beside it."""
        directory = os.path.join(self._config, "runs.d")
        of_files = [heading for file in _inis(directory) for heading in _skimmed(file)]
        found = [name for name in [*self._headings, *of_files] if name.startswith("run:")]
        return [name.partition(":")[2].strip() for name in found]


def _home(environ: Mapping[str, str], variable: str, below: str) -> str:
    named = environ.get(variable, "")
    base = named if named.startswith("/") else os.path.join(os.path.expanduser("~"), below)
    return os.path.join(base, "almajob")


def _ini(environ: Mapping[str, str], named: str) -> str:
    named = named or environ.get("ALMAJOB_INI", "")
    if named:
        return os.path.expanduser(named)
    usual = ("almajob.ini", os.path.join(_config(environ), "almajob.ini"), "/etc/almajob/almajob.ini")
    found = list(filter(os.path.exists, usual))
    # Saved runs are beside the user's own, and not beside a link to it.
    return next((path for path in found if not _is_among(path, found[found.index(path) + 1 :])), "")


def _is_among(path: str, others: list[str]) -> bool:
    try:
        return any(os.path.samefile(path, other) for other in others)
    except OSError:
        return False


def _config(environ: Mapping[str, str]) -> str:
    return _home(environ, "XDG_CONFIG_HOME", ".config")


def _inis(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(".ini")]


def _skimmed(path: str) -> dict[str, dict[str, str]]:
    """Read headings and simple settings; what stands before any heading is under the empty one."""
    try:
        # A pipe would keep us waiting.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return {}
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            text = file.read(_INI_SIZE)
    except OSError:
        return {}
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if any(line.splitlines() not in ([], [line]) for line in lines):
        # almajob refuses it, for it has lines within lines.
        return {}
    sections: dict[str, dict[str, str]] = {}
    heading = ""
    for line in map(str.strip, lines):
        if line.startswith("[") and "]" in line:
            heading = line[1 : line.index("]")].strip()
            sections.setdefault(heading, {})
        elif "=" in line and line[:1] not in "#;":
            name, _, value = line.partition("=")
            value = value.partition(" ;")[0].partition(" #")[0]
            sections.setdefault(heading, {})[name.strip().lower()] = value.strip().strip("\"'")
    return sections


def jobs(places: Places, environment: str) -> Found:
    """Name the jobs of an environment, or of all where none is given; and then their ids."""
    listed = [job for drawer in _drawers(places, environment) for job in _job_list(drawer)]
    return [(job["name"], job["id"]) for job in listed] + [(job["id"], job["name"]) for job in listed]


def _drawers(places: Places, environment: str) -> list[str]:
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


def _job_list(drawer: str) -> Iterator[dict[str, str]]:
    # The key of the whole list ends with its three filters, which are empty.
    for document in quick_read.newest(drawer, "1:jobs:%:::", limit=1):
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
        for document in quick_read.newest(ledger, f"1:{group}:%", limit=_MOST_RUNS, by_key=True):
            record = document.get("value") if isinstance(document, dict) else None
            if isinstance(record, dict) and environment in ("", record.get("environment")):
                yield record
