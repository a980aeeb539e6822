"""Where things are on this machine: the ini, the cache, the state.

The XDG Base Directory Specification says where: https://specifications.freedesktop.org/basedir-spec/
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

from almajob.errors import ConfigurationError


def _xdg(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    named = environ.get(variable, "")
    # The specification: a relative path there is invalid and to be ignored.
    if named.startswith("/"):
        return Path(named)
    home = environ.get("HOME", "") or _passwd_home()
    if not home.startswith("/"):
        raise ConfigurationError(
            "There is no home directory to keep things in.",
            reason=f"Neither HOME nor {variable} is set.",
            hint="Set HOME, or ALMAJOB_CACHE_DIR and ALMAJOB_STATE_DIR.",
        )
    return Path(home, below_home)


def _passwd_home() -> str:
    """Return the home directory of the user database: a systemd service has no HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def expanded(text: str) -> Path:
    """Make an absolute path of what somebody wrote; ``~`` of an unknown user stays as it is."""
    return Path(os.path.expanduser(text)).absolute()  # noqa: PTH111  # Path's own raises there


def beside(file: Path, text: str) -> Path:
    """Return the path that a file names: absolute, from a home directory, or beside that file."""
    return file.parent / os.path.expanduser(text)  # noqa: PTH111  # as above


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the cache directory where nobody named one."""
    return _xdg(environ, "XDG_CACHE_HOME", ".cache") / "almajob"


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of what must not be lost, where nobody named one."""
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "almajob"


def config_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of the user's own ini."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "almajob"


def without_links(path: Path) -> Path:
    """Return where a path leads; unlike Path.resolve(), it raises for no path, such as links in circles."""
    return Path(os.path.realpath(path))


def is_absolute(text: str) -> bool:
    """Whether what somebody wrote leads to the same place from every directory."""
    return os.path.isabs(os.path.expanduser(text))  # noqa: PTH111, PTH117  # as above


def own_inis(environ: Mapping[str, str]) -> list[Path]:
    """List the places of the user's own ini and of the machine's, best first."""
    own = [Path("/etc/almajob/almajob.ini")]
    with contextlib.suppress(ConfigurationError):
        own.insert(0, config_dir(environ) / "almajob.ini")
    return own


def inis_here(own: Sequence[Path]) -> list[Path]:
    """List the place in the current directory that is searched before the user's own.

    One that is the user's own, by a link or as that is the current directory, is left to that: what belongs
    to it is beside it there, and not what somebody else put beside a link.

    Args:
        own: the places of those.
    """
    try:
        here = Path("almajob.ini").absolute()
    except FileNotFoundError:
        # The working directory may have been removed.
        return []
    return [] if any(_is_same(here, each) for each in own) else [here]


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
