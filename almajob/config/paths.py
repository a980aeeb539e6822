"""Where things are on this machine: the ini, the cache, the state.

The XDG Base Directory Specification says where: https://specifications.freedesktop.org/basedir-spec/
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress

# typing and pathlib take a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_XDG = {
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "state": ("XDG_STATE_HOME", ".local/state"),
    "config": ("XDG_CONFIG_HOME", ".config"),
}


def find_directory(kind: str, environ: Mapping[str, str]) -> str:
    """Return almajob's own directory, where nobody named one; empty where there is no home directory.

    Args:
        kind: of ``config``, the user's own ini; of ``cache``; or of ``state``, what must not be lost.
    """
    variable, below_home = _XDG[kind]
    base = environ.get(variable, "")
    # The specification: a relative path there is invalid and to be ignored.
    if not base.startswith("/"):
        home = environ.get("HOME", "")
        if not home:
            # A systemd service has no HOME.
            with suppress(KeyError):
                home = pwd.getpwuid(os.getuid()).pw_dir
        base = os.path.join(home, below_home) if home.startswith("/") else ""
    return os.path.join(base, "almajob") if base else ""


def find_sample() -> str:
    """Return where the sample of an ini is, in a clone or where it was installed; else nothing."""
    import site
    import sys
    import sysconfig

    clone = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    bases = (sys.prefix, sysconfig.get_path("data"), site.USER_BASE or sys.prefix)
    places = (clone, *(os.path.join(base, "share", "almajob") for base in bases))
    found = (os.path.join(place, "almajob.ini.sample") for place in places)
    return next(filter(os.path.isfile, found), "")


def see_sample() -> str:
    """Return a sentence that names the sample, where there is one."""
    sample = find_sample()
    return f"{sample} explains every setting." if sample else ""


def expand(text: str) -> Path:
    """Make an absolute path of what somebody wrote; ``~`` of an unknown user stays as it is."""
    from pathlib import Path

    return Path(os.path.expanduser(text)).absolute()


def beside(file: Path, text: str) -> Path:
    """Return the path that a file names: absolute, from a home directory, or beside that file."""
    return file.parent / os.path.expanduser(text)


def without_links(path: Path) -> Path:
    """Return where a path leads; unlike Path.resolve(), it raises for no path, such as links in circles."""
    from pathlib import Path

    return Path(os.path.realpath(path))


def is_absolute(text: str) -> bool:
    """Whether what somebody wrote leads to the same place from every directory."""
    return os.path.isabs(os.path.expanduser(text))


def own_inis(environ: Mapping[str, str]) -> list[str]:
    """List the places of the user's own ini and of the machine's, best first."""
    own = find_directory("config", environ)
    return [*([f"{own}/almajob.ini"] if own else []), "/etc/almajob/almajob.ini"]


def inis_here(own: Sequence[str]) -> list[str]:
    """List the place in the current directory that is searched before the user's own.

    One that is the user's own, by a link or as that is the current directory, is left to that: what belongs
    to it is beside it there, and not what somebody else put beside a link.
    """
    try:
        here = os.path.abspath("almajob.ini")
    except FileNotFoundError:
        # The working directory may have been removed.
        return []
    for each in own:
        with suppress(OSError):
            if os.path.samefile(here, each):
                return []
    return [here]
