"""Plugins that are one file each, in the directory that the configuration file names: found, and loaded.

A file is named after its command, so that the names are known without importing anything. It may be loaded
where nobody else can change it, as the configuration file itself.
"""

from __future__ import annotations

import re
import sys
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_loader
from inspect import isabstract
from pathlib import Path

from almajob.cli.command import Command, Lister, ShowOne
from almajob.config.ini_reader import refuse_open_file, refuse_open_place
from almajob.entry_points import GROUP
from almajob.errors import ConfigurationError
from almajob.system.input_files import read_given

_PACKAGE = "plugins_d"
"""Of their modules' names; there is no such package, and no other module has such a name."""
_SIZE_LIMIT = 2**20
_REASON = "It is run as a part of almajob."


def find_files(directory: Path) -> list[EntryPoint]:
    """Return the plugins in a directory, as entry points whose values are the files' paths.

    Raises:
        ConfigurationError: the directory cannot be read.
    """
    try:
        paths = sorted(
            path for path in directory.iterdir() if path.suffix == ".py" and path.name[0] not in "._"
        )
    except OSError as error:
        raise ConfigurationError(
            f"The plugins directory {directory} cannot be read.",
            reason=f"{error.strerror}. It is plugins_dir in the configuration file.",
            hint="Create it, or correct the setting.",
        ) from None
    return [EntryPoint(path.stem, str(path), GROUP) for path in paths]


def load_file(path: Path) -> object:
    """Import a plugin that is one file, once, and return the class of its command.

    Raises:
        ConfigurationError: it cannot be read, others can change it, or it has no command, or several.
        BaseException: whatever the file raises while it is imported.
    """
    name = f"{_PACKAGE}.{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    module = sys.modules.get(name)
    if module is None or module.__file__ != str(path):
        try:
            raw, mode = read_given(path, _SIZE_LIMIT + 1, may_be_pipe=False)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read.", reason=f"{error.strerror}.") from None
        if len(raw) > _SIZE_LIMIT:
            raise ConfigurationError(f"{path} is larger than 1 MiB.", hint="Make it a package.")
        refuse_open_file(path, mode, holds_key=False, reason=_REASON)
        refuse_open_place(path, _REASON)
        loader = _Loader(path, raw)
        spec = spec_from_loader(name, loader)
        assert spec is not None
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return _find_command(path, vars(module), name)


def _find_command(path: Path, names: dict[str, object], module: str) -> type:
    own = [
        each
        for each in names.values()
        if isinstance(each, type)
        and issubclass(each, (Command, Lister, ShowOne))
        and each.__module__ == module
    ]
    # A class that only others come from is none.
    found = [
        each
        for each in dict.fromkeys(own)
        if not isabstract(each) and not any(each in other.__mro__[1:] for other in own)
    ]
    if len(found) != 1:
        classes = f": {', '.join(each.__name__ for each in found)}" if found else ""
        raise ConfigurationError(
            f"{path} has {'several commands' if found else 'no command'}{classes}.",
            reason="A file has one command: a subclass of Command, Lister, ShowOne or ShowSome of "
            "almajob.plugin with a take_action.",
            hint="Put each command into a file of its own."
            if found
            else "Put one into it, or let the file's name begin with _ to leave it out.",
        )
    return found[0]


class _Loader(SourceLoader):
    """Loads what was read and checked, and keeps no bytecode beside it.

    Args:
        raw: what is in the file.
    """

    def __init__(self, path: Path, raw: bytes) -> None:
        self._path = path
        self._raw = raw

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        if path != str(self._path):
            raise OSError
        return self._raw
