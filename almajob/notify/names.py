"""Names of sections [notify:NAME], where other settings and options name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from almajob.config.ini_reader import Setting
from almajob.config.ini_sections import NOTIFY_HEADING, Section, split_notify
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError
from almajob.text.redaction import is_shown_in
from almajob.text.suggestions import suggest

SETTING = "notify"


def refuse_unknown(settings: Settings, names: Sequence[str], where: str = "") -> None:
    """Refuse names that no section has.

    Args:
        where: they stand; empty where that is plain.

    Raises:
        ConfigurationError: there is no such section.
    """
    for name in names:
        if name not in settings.notifications:
            known = list(settings.notifications)
            meant = suggest(name, known) if known else ""
            others = f"Known names: {', '.join(known)}." if known else "It says who is notified, and how."
            # Somebody may have pasted an address there.
            is_plain = not is_shown_in(name) and "/" not in name
            shown = f"section [{NOTIFY_HEADING}{name}]" if is_plain else "such section"
            begin = f"{where}: the" if where else "The"
            raise ConfigurationError(
                f"{begin} configuration file has no {shown}.",
                hint=f"{meant} {others}".lstrip(),
            )


def list_uses(settings: Settings, runs: Mapping[str, Section]) -> Iterator[tuple[str, str, Setting]]:
    """List the names that are used, each with the section that names it, and the setting.

    Args:
        runs: the sections of saved runs, by name.
    """
    for form, sections in (("{}", settings.sections), ("job:{}", settings.jobs), ("run:{}", runs)):
        for owner, section in sections.items():
            for setting, given in section.items():
                if setting.partition("@")[0] == SETTING:
                    for name in split_notify(given.text):
                        yield name, form.format(owner), given
