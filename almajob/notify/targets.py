"""Who is notified: the sections [notify:NAME] of the configuration file, and who names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from almajob.config.ini_reader import Setting
from almajob.config.ini_sections import NOTIFY_HEADING, read_notify, split_notify
from almajob.config.plugin_choice import read_choice
from almajob.config.settings import Settings
from almajob.entry_points import NOTIFIERS, is_contested, is_core_notifier, origin, plugin_of
from almajob.errors import ConfigurationError, name_error
from almajob.notify.names import refuse_unknown
from almajob.notify.notification import KINDS
from almajob.notify.notifier import Notifier, NotifierContext, load_notifier
from almajob.runs.observers.events import Event
from almajob.text.redaction import is_shown_in
from almajob.text.suggestions import suggest


class Target(NamedTuple):
    """A section [notify:NAME].

    Attributes:
        type: the name of its notifier.
        on: of what it wants to be notified.
        make: makes its notifier.
    """

    name: str
    type: str
    on: tuple[str, ...]
    make: Callable[[], Notifier]


def read_target(settings: Settings, name: str, environ: Mapping[str, str]) -> Target:
    """Read a section [notify:NAME], and import its notifier.

    Raises:
        ConfigurationError: there is none, or its type cannot be used.
    """
    refuse_unknown(settings, [name])
    section = settings.notifications[name]
    given = section.get("type")
    kinds = list_types()
    if given is None or given.text not in kinds:
        where = given.source if given else f"[{NOTIFY_HEADING}{name}]"
        # Somebody may have pasted an address there.
        shown = given is not None and not is_shown_in(given.text) and "/" not in given.text
        what = f"there is no type {given.text!r}" if given and shown else "its type is not known"
        meant = suggest(given.text, kinds) if given and shown else ""
        raise ConfigurationError(
            f"{where}: {what}.", hint=f"{meant} Known types: {', '.join(sorted(kinds))}.".lstrip()
        )
    point = _choose(kinds[given.text], given, settings, environ)
    try:
        notifier = load_notifier(point.load, given.text)
    # Whatever a plugin raises.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConfigurationError(
            f"{given.source}: the type {given.text} cannot be loaded.", reason=name_error(error)
        ) from error
    on = _read_kinds(section["on"]) if "on" in section else notifier.on
    return Target(name, given.text, on, lambda: notifier(NotifierContext(name, settings, environ)))


def _choose(
    points: list[EntryPoint], given: Setting, settings: Settings, environ: Mapping[str, str]
) -> EntryPoint:
    """Choose who sends what is of a type: almajob, or the one plugin that has it and is not disabled."""
    choice = read_choice(str(settings.ini.path) if settings.ini else "", environ)
    reasons = [choice.find_reason((point.name, plugin_of(point))) for point in points]
    enabled = [point for point, reason in zip(points, reasons, strict=True) if not reason]
    if not enabled:
        raise ConfigurationError(f"{given.source}: the type {given.text} is disabled by {reasons[0]}.")
    own = [point for point in enabled if is_core_notifier(point)]
    if not own and is_contested(enabled):
        raise ConfigurationError(
            f"{given.source}: the type {given.text} cannot be used.",
            reason=f"Several plugins claim it: {'; '.join(dict.fromkeys(map(origin, enabled)))}.",
            hint="Disable or uninstall all but one of them. To disable one, add to [almajob] of the "
            "configuration file: disable_plugins = NAME",
        )
    return (own or enabled)[0]


def list_types() -> dict[str, list[EntryPoint]]:
    """Return the types of notifiers that are installed, by name, each with all that claim it."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=NOTIFIERS):
        found.setdefault(point.name, []).append(point)
    return found


def find_names(settings: Settings, event: Event) -> list[str]:
    """Return whom an event is for: who is named at its environment, at its job, and with its start."""
    run, found = event.run, [*event.run.notify]
    sections = [settings.sections.get(event.environment.name, {})]
    sections += [settings.jobs[job] for job in (run.job_id, run.job_name) if job in settings.jobs]
    for section in sections:
        found += read_notify(section)
    return list(dict.fromkeys(found))


def _read_kinds(given: Setting) -> tuple[str, ...]:
    words = split_notify(given.text.lower())
    wrong = [word for word in words if word not in KINDS]
    if wrong or not words:
        meant = suggest(wrong[0], KINDS) if wrong else ""
        raise ConfigurationError(
            f"{given.source}: on takes other words.",
            hint=f"{meant} Known words: {', '.join(KINDS)}.".lstrip(),
        )
    return tuple(words)
