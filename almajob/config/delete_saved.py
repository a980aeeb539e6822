"""Delete saved runs, for one environment or for all, from ``runs.d`` or from the ini."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from almajob.config import ini_text, paths
from almajob.config import saved_runs as saved_settings
from almajob.config.ini_reader import digest_of
from almajob.config.ini_sections import RUN_HEADING
from almajob.config.saved_runs import Saved
from almajob.config.settings import INI_LOCK, TURN_SECONDS, Settings
from almajob.errors import NotFound, Refused
from almajob.system.atomic_write import new_file, reach_disk
from almajob.system.file_lock import LockHeld, lock_file


class Deleted(NamedTuple):
    """What was deleted of a saved run.

    Attributes:
        environment: for which; empty where it was deleted for all.
        path: of the file that it stood in.
        files: those with its parameters, which are gone, too.
    """

    name: str
    environment: str
    path: Path
    files: tuple[Path, ...]


@contextmanager
def take_turn(settings: Settings, path: Path) -> Iterator[None]:
    """Keep every other almajob from changing a file: what saves and deletes runs, and what sets keys.

    Raises:
        Refused: another one does that all the time, or the file's directory cannot be written.
    """
    is_ini = settings.ini is not None and path == settings.ini.path
    directory = Path(settings.need_state_dir("changes of the configuration file")) if is_ini else path.parent
    try:
        with lock_file(directory / (INI_LOCK if is_ini else ".lock"), wait=TURN_SECONDS):
            yield
    except LockHeld:
        raise Refused(f"Another process keeps changing {path}.", hint="Try again.") from None


def delete(settings: Settings, name: str, environment: str = "") -> Deleted:
    """Delete a saved run; every other byte of the file stays as it is.

    Args:
        environment: delete only what is said for it; all where not given.

    Raises:
        NotFound: there is no such run, or it says nothing for this environment.
        Refused: its file is not this user's own, or cannot be written.
        ConfigurationError: the saved runs cannot be read.
    """
    path = saved_settings.find_saved(settings, name).path
    try:
        with take_turn(settings, path):
            refuse_foreign(path, "deleted", "delete the run")
            # As it is now, and not as it was before the turn came.
            raw = path.read_bytes()
            saved = saved_settings.find_saved(settings, name)
            if (
                settings.ini is not None
                and path == settings.ini.path
                and digest_of(raw) != settings.ini.digest
            ):
                raise Refused(f"{path} has changed in the meantime. Nothing was deleted.", hint="Try again.")
            names = _select(saved, environment)
            files = list_payloads(saved, names, settings)
            _write(settings, path, raw, _cut(raw, name, names if len(names) < len(saved.section) else None))
            for file in files:
                with suppress(FileNotFoundError):
                    file.unlink()
    except FileNotFoundError:
        raise NotFound(f"Another process has just deleted {path}.") from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be written; nothing was deleted.", reason=f"{error.strerror}."
        ) from None
    return Deleted(name, environment, path, files)


def _select(saved: Saved, environment: str) -> list[str]:
    """Name the settings that go: those of an environment, or all."""
    found = [name for name in saved.section if not environment or name.endswith(f"@{environment}")]
    if environment and not found:
        there = ", ".join(name or "all environments" for name in saved.environments())
        raise NotFound(
            f"The saved run {saved.name} has nothing of its own for {environment}; nothing was deleted.",
            reason=f"In {saved.path} it is saved for {there}." if there else "",
            hint=f"Without --env it is deleted for all: almajob saved delete {saved.name}",
        )
    return found


def list_payloads(saved: Saved, names: Collection[str], settings: Settings) -> tuple[Path, ...]:
    """List the files with parameters that ``run --save`` wrote and only settings that go name."""
    if saved.path.parent.name != saved_settings.DIRECTORY:
        return ()
    kept = {
        os.path.realpath(paths.beside(other.path, value.text))
        for other in saved_settings.read_all(settings).values()
        for name, value in other.section.items()
        if name.partition("@")[0] == "params"
        and value.text
        and not (other.name == saved.name and name in names)
    }
    found = []
    for name in names:
        setting, _at, environment = name.partition("@")
        own = re.compile(rf"{re.escape(f'{saved.name}.{environment}')}(\.[0-9]+)?\.json")
        if setting == "params" and environment and own.fullmatch(saved.section[name].text):
            found.append(saved.path.with_name(saved.section[name].text))
    return tuple(path for path in found if path.is_file() and os.path.realpath(path) not in kept)


def find_heading(text: str, name: str) -> str:
    """Return the heading of a run's section, as it is written."""
    return next(
        title
        for title in ini_text.parse_sections(text)[0]
        if title.startswith(RUN_HEADING) and title.removeprefix(RUN_HEADING).strip() == name
    )


def _cut(raw: bytes, name: str, settings: Collection[str] | None) -> bytes:
    """Return a file without some settings of a run, or without its section where none are named."""
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = raw.decode("utf-8-sig")
    heading = find_heading(text, name)
    cut = (
        ini_text.remove_section(text, heading)
        if settings is None
        else ini_text.remove_settings(text, heading, settings)
    )
    return mark + cut.encode()


def _write(settings: Settings, path: Path, raw: bytes, text: bytes) -> None:
    is_own = path.parent.name == saved_settings.DIRECTORY
    sections = ini_text.parse_sections(text.decode("utf-8-sig"))[0]
    if is_own and not any(title.startswith(RUN_HEADING) for title in sections):
        path.unlink()
        reach_disk(path.parent)
        return
    with new_file(path, overwrite=True) as file:
        file.write(text)
    settings.keep_trust(path, raw, text, time.time())


def refuse_foreign(path: Path, done: str, wanted: str) -> None:
    """Refuse a file that is not this user's own: a link, or another user's.

    Args:
        done: what was not done, as in "nothing was deleted".
        wanted: what its owner can do.

    Raises:
        Refused: it is.
    """
    if path.is_symlink():
        raise Refused(
            f"{path} is a link; nothing was {done}.",
            hint=f"Edit the file that it leads to: {path.resolve()}",
        )
    if path.lstat().st_uid != os.geteuid():
        raise Refused(
            f"{path} belongs to another user; nothing was {done}.", hint=f"Ask its owner to {wanted}."
        )
