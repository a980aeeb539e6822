"""What sends notifications in one way, such as by mail: the class from which each such way is derived."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import EntryPoint
from typing import TypeVar

from almajob.config.ini_reader import hold_notify_secret
from almajob.config.ini_sections import NOTIFY_HEADING
from almajob.config.plugin_options import SectionOwner, read_section
from almajob.config.settings import Settings
from almajob.entry_points import describe_api, require_api
from almajob.notify.notification import KINDS, Notification
from almajob.text.redaction import Secret

T = TypeVar("T")
COMMON = ("type", "on")
"""The settings that every section [notify:NAME] may have, whatever its type."""


class SendFailed(Exception):
    """Raised by a notifier that could not send a notification; its text says why, without any secret.

    Args:
        text: shown to people.
        is_down: whether nothing else can be sent at the moment either, as nobody answers.
    """

    def __init__(self, text: str, *, is_down: bool = False) -> None:
        super().__init__(text)
        self.is_down = is_down


class NotifierContext:
    """What a notifier works with: its section [notify:NAME] of the configuration file.

    Attributes:
        name: of the section.
    """

    def __init__(self, name: str, settings: Settings, environ: Mapping[str, str]) -> None:
        self.name = name
        self._settings = settings
        self._environ = environ

    def options(self, defaults: T) -> T:
        """Return the settings of the section, as ``Context.options`` returns those of a plugin.

        A secret ``token`` comes from the first of ``token_command``, ``token_file``, ``token_keyring = yes``,
        systemd's credential ``almajob_notify_NAME_token``, the variable ``ALMAJOB_NOTIFY_<NAME>__TOKEN``
        and ``token``.

        Args:
            defaults: an instance of a frozen dataclass, whose fields name the settings. A name that Python
                keeps for itself has an underscore behind it: ``from_``.

        Raises:
            ConfigurationError: a value is wrong, a secret cannot be read, or the file was found in the
                current directory and is not trusted.
            TypeError: ``defaults`` is something else.
        """
        heading = f"{NOTIFY_HEADING}{self.name}"
        owner = SectionOwner(f"[{heading}]", heading, partial(hold_notify_secret, self.name), COMMON)
        section = self._settings.notifications.get(self.name, {})
        return read_section(defaults, section, owner, self._settings, self._environ, _fetch)


class Notifier:
    """Sends notifications in one way. A subclass is named in the entry point group ``almajob.notifiers``.

    An object is made for each notification.

    Attributes:
        on: of what it notifies where its section does not say: of ``start``, ``good``, ``warning``, ``bad``,
            ``unknown`` and ``late``.
        context: its settings.
        log: the logger of its module.
    """

    on: tuple[str, ...] = ("bad", "unknown", "late")
    context: NotifierContext
    log: logging.Logger

    def __init__(self, context: NotifierContext) -> None:
        self.context = context
        self.log: logging.Logger = logging.getLogger(type(self).__module__)

    def check(self) -> None:
        """Read the settings, and send nothing.

        Raises:
            ConfigurationError: one of them is missing or wrong.
        """

    def send(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            SendFailed: it could not be sent. It is tried again for a day.
            ConfigurationError: a setting is wrong. Likewise.
        """
        raise NotImplementedError


def load_notifier(load: Callable[[], object], name: str) -> type[Notifier]:
    """Import a notifier.

    Args:
        load: imports it.
        name: of its type.

    Raises:
        TypeError: it is none.
        ValueError: it needs another version of almajob's plugin API.
    """
    found = load()
    if not (isinstance(found, type) and issubclass(found, Notifier)):
        raise TypeError(f"{name} is not a subclass of Notifier of almajob.plugin")
    require_api(found)
    return found


def _fetch(_name: object, read: Callable[[], Secret]) -> Secret:
    return read()


def describe_notifier(target: str) -> str:
    """Import a notifier; return the version of the plugin API that it says it needs, empty for none.

    Args:
        target: its class, as ``module:Class``.
    """
    return describe_api(load_notifier(EntryPoint("", target, "").load, target))


def check_notifier(_name: str, target: str) -> list[str]:
    """Import a notifier and return which rules it does not keep; none of its methods is called."""
    return list(_find_violations(load_notifier(EntryPoint("", target, "").load, target)))


def _find_violations(notifier: type[Notifier]) -> Iterator[str]:
    # Who sends a notification does not need it.
    from almajob.runs.observers.rules import is_done_later, takes_one

    if not takes_one(notifier):
        yield "it cannot be made with a context alone"
    if notifier.send is Notifier.send:
        yield "it has no method send"
    elif is_done_later(notifier.send):
        yield "nothing of send is done when it is called: it is async, or yields"
    elif not takes_one(notifier.send, None):
        yield "send cannot be called with a notification alone"
    if not takes_one(notifier.check):
        yield "check cannot be called without arguments"
    on: object = notifier.on
    if not isinstance(on, tuple) or not on or not set(on) <= set(KINDS):
        yield f"its on is not a tuple of some of {', '.join(KINDS)}"
