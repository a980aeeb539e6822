"""What an observer of another distribution is made of."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from almajob.config import settings
from almajob.config.plugin_options import read_options
from almajob.config.settings import Options, Settings
from almajob.entry_points import normalize_name
from almajob.runs.observers.events import Late, RunEnded, StartRecorded, StartUnknown
from almajob.store.plugin_store import PluginStore
from almajob.system import clock as clocks
from almajob.system import key_variables
from almajob.text import time_format

T = TypeVar("T")


class RetryLater(Exception):
    """Raised by an observer that could not do its work now, and wants to be called with the event again.

    The next command that works with runs calls it again, and so on for a day. Its text says why, and is shown
    as a warning the first time. What the observer has already done of its work, it must find out itself.
    """


class Home(NamedTuple):
    """Where an observer is called.

    Attributes:
        owner: the name of its distribution.
        state_dir: almajob's state directory.
        ini_file: the configuration file that counted when it happened; empty where it is to be found.
    """

    owner: str
    state_dir: str
    ini_file: str = ""


class ObserverContext:
    """What an observer works with. It has no Alma and no API key."""

    def __init__(self, home: Home, ahead: float = 0.0) -> None:
        self._home = home
        self._ahead = ahead

    @cached_property
    def store(self) -> PluginStore:
        """What the observer's distribution keeps between invocations, its commands included."""
        return PluginStore(Path(self._home.state_dir, "plugins"), self._home.owner)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the command in which it happened, those of the configuration file above all."""
        # Whatever is odd in the file, the command itself warns of.
        options, environ = Options(ini_file=self._home.ini_file or None), key_variables.environ()
        found = settings.load(options, environ, warn=lambda _text: None)
        return found.replace(warn=settings.log_warning)

    def options(self, defaults: T) -> T:
        """Return the plugin's own settings, from the section [plugin:PLUGIN] of the configuration file.

        It is that of the command in which it happened. See ``Context.options``, which does the same.

        Args:
            defaults: an instance of a frozen dataclass of the plugin's, whose fields name the settings.

        Raises:
            ConfigurationError: a value is wrong, a secret cannot be read, or the file was found in the
                current directory and is not trusted.
            TypeError: ``defaults`` is something else.
        """
        plugin, environ = normalize_name(self._home.owner), key_variables.environ()
        return read_options(defaults, plugin, self.settings, environ, lambda _name, read: read())

    def now(self) -> datetime:
        """Return the local time, with its offset; in a test it is the simulator's."""
        return time_format.to_local(clocks.system().now() + self._ahead)


class Observer:
    """What is called when jobs start and end: a subclass has a method for each kind of event that it wants.

    Its module is imported in a process of its own, when there is an event. For each event a new
    object is made there and one method called. Nothing that it does has an influence on a start, a wait or
    an exit code; what it raises is a warning.

    Attributes:
        time_limit: how many seconds a call may take, 300 at most; then its process is ended.
        context: its settings (``options``), its ``store`` and the time (``now``).
        log: the logger of its module; what it logs is among the messages of almajob.
    """

    time_limit: float = 10.0
    context: ObserverContext
    log: logging.Logger

    def __init__(self, context: ObserverContext) -> None:
        self.context = context
        self.log: logging.Logger = logging.getLogger(type(self).__module__)

    def start_recorded(self, event: StartRecorded) -> None:
        """Called when the run of a start is known: Alma has confirmed it, or it was found."""

    def start_unknown(self, event: StartUnknown) -> None:
        """Called when nobody can tell whether a start was made; ``start_recorded`` may follow."""

    def run_ended(self, event: RunEnded) -> None:
        """Called when a command has seen the end of a run that was started from here.

        Where a webhook listener runs, also for each run that was not: ``event.run.is_ours`` tells which.
        """

    def late(self, event: Late) -> None:
        """Called once for a run that goes on for much longer than is usual, while a command waits for it."""
