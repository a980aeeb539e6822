"""The grammar of what is installed: ours comes with almajob, that of plugins is kept in the cache.

Plugins are asked once after something was installed; every other completion loads none of their code.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from almajob import __version__
from almajob.completion.grammar import Grammar
from almajob.entry_points import GROUP, is_core

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Describe = Callable[[], dict[str, Any]]
    """Asks the plugins what can be typed."""

CORE = os.path.join(os.path.dirname(__file__), "grammar.json")
"""Generated from the parsers, and compared with them by a test."""
_KEPT = ".cache.completion"
_SIZE_LIMIT = 8 * 2**20
_NONE: dict[str, Any] = {"options": [], "general": [], "commands": {}}


def grammar(cache: str, describe: Describe) -> Grammar:
    """Return all that can be typed.

    Args:
        describe: asks the plugins, where something was installed since they were asked.
    """
    return Grammar(_core(), _of_plugins(os.path.join(cache, _KEPT), describe))


def core() -> Grammar:
    """Return what can be typed without any plugin."""
    return Grammar(_core())


def _core() -> dict[str, Any]:
    with open(CORE, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def _of_plugins(path: str, describe: Describe) -> Mapping[str, Any]:
    installed = _state()
    try:
        kept = _read(path)
        if kept["installed"] == installed:
            found: dict[str, Any] = kept["grammar"]
            whole = Grammar(found)
            for name in whole.summaries:
                whole.command(name)
            return found
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    made = describe() if _has_plugins() else _NONE
    _keep(path, {"installed": installed, "grammar": made})
    return made


def _state() -> list[Any]:
    """Return the times of the package directories, which change when something is installed or removed."""
    found: list[Any] = [__version__, sys.version]
    for path in sys.path[1:]:
        try:
            found.append([path, os.stat(path).st_mtime_ns])
        except OSError:
            continue
    return found


def _has_plugins() -> bool:
    from importlib.metadata import entry_points

    try:
        return not all(is_core(point) for point in entry_points(group=GROUP))
    except (OSError, ValueError, TypeError):
        # One of them cannot be read; who reads them one by one knows more.
        return True


def _read(path: str) -> Any:
    """Read the file, unless others could have written it, or it is none: a pipe would keep us waiting."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ValueError("it is not ours alone")
    if found.st_size > _SIZE_LIMIT:
        raise ValueError("it is too long")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _keep(path: str, document: dict[str, Any]) -> None:
    """Write it whole or not at all; where that cannot be, plugins are asked again next time."""
    from almajob.system.private_files import make_private, open_own

    made = f"{path}.{os.getpid()}"
    try:
        make_private(os.path.dirname(path))
        descriptor = open_own(made, os.O_WRONLY | os.O_EXCL)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(made, path)
    except (OSError, TypeError, ValueError):
        with suppress(OSError):
            os.unlink(made)
