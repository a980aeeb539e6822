"""The commands and options that can be typed, as a document that is read without any of their code.

Ours comes with almajob, that of plugins is kept in the cache: they are asked once after something was
installed; every other completion loads none of their code.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from almajob import __version__
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


class Value:
    """What can stand as an option's value, or as an argument.

    Attributes:
        word: that stands for it in the help, such as ``JOB``.
        choices: all that it can be; empty where that is not fixed.
        is_many: whether there can be more than one.
    """

    def __init__(self, word: str, choices: Sequence[str] = (), is_many: bool = False) -> None:
        self.word = word
        self.choices = choices
        self.is_many = is_many


class Option:
    """An option: its names, its value (None where it takes none), and its help."""

    def __init__(self, names: Sequence[str], value: Value | None, help: str) -> None:  # noqa: A002
        self.names = names
        self.value = value
        self.help = help


class Command:
    """A command: the first line of its description, its options, its arguments."""

    def __init__(self, summary: str, options: Sequence[Option], arguments: Sequence[Value]) -> None:
        self.summary = summary
        self.options = options
        self.arguments = arguments


class Grammar:
    """All that can be typed.

    Args:
        documents: as ``completion_grammar`` makes them: ours first, then that of plugins.

    Attributes:
        general: the options before a command's name.
    """

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        self._documents = documents
        self.general = self._options(documents[0], documents[0]["general"])
        # Core names cannot be taken.
        self._homes = {name: each for each in reversed(documents) for name in each["commands"]}

    @property
    def summaries(self) -> dict[str, str]:
        """The first line of each command's description, by its name."""
        return {name: self._homes[name]["commands"][name]["summary"] for name in sorted(self._homes)}

    def command(self, name: str) -> Command | None:
        """Return the command of a name; None where there is none."""
        home = self._homes.get(name)
        if home is None:
            return None
        found = home["commands"][name]
        arguments = [Value(*argument) for argument in found["arguments"]]
        return Command(found["summary"], self._options(home, found["options"]), arguments)

    @staticmethod
    def _options(document: Mapping[str, Any], indices: Sequence[int]) -> list[Option]:
        found = [document["options"][index] for index in indices]
        return [Option(names, Value(*value) if value else None, text) for names, value, text in found]


def load_core() -> dict[str, Any]:
    """Read what can be typed without any plugin."""
    with open(CORE, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def load_grammar(cache: str, describe: Describe, chosen: Sequence[Any] = ()) -> Grammar:
    """Return all that can be typed.

    Args:
        describe: asks the plugins, where something was installed or chosen since they were asked.
        chosen: what somebody says of plugins, as JSON; see ``Places.chosen_plugins``.
    """
    return Grammar(load_core(), _load_plugins(os.path.join(cache, _KEPT), describe, list(chosen)))


def _load_plugins(path: str, describe: Describe, chosen: list[Any]) -> Mapping[str, Any]:
    installed = [*_state(), *chosen]
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
    made = describe() if chosen or _has_plugins() else _NONE
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
