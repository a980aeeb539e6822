"""What a saved run looks like: the names of its columns, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almajob.config.environments import text_of
from almajob.config.ini_reader import Setting
from almajob.config.saved_runs import Saved
from almajob.output.columns import Cell, Identifier, Sentence, Text
from almajob.text.sanitize import sanitize

SAVED_COLUMNS = ("name", "environment", "job", "params", "set", "ids", "once_per", "confirm", "file")
NOTHING_SAVED = "No runs are saved. almajob run --save NAME saves one."
SAVED_BRIEF = ("name", "environment", "job", "set", "once_per", "confirm")
"""Of SAVED_COLUMNS what a table shows."""
SAVED_LEAST_NEEDED = ("confirm", "once_per", "set")
"""Of SAVED_BRIEF what a narrow table leaves out first."""


def saved_values(saved: Saved, environment: str) -> tuple[Any, ...]:
    """Return what a saved run is in an environment, in the order of SAVED_COLUMNS."""
    settings = saved.of(environment)
    texts = (text_of(settings, name) for name in ("job", "params", "set", "ids"))
    once_per, confirm = text_of(settings, "once_per"), text_of(settings, "confirm", "yes")
    return (
        *(Identifier(saved.name), Identifier(environment), *map(Text, texts)),
        *(Identifier(once_per), Identifier(confirm), Sentence(str(saved.path))),
    )


class SavedSettings(Cell[Mapping[str, Setting]]):
    """The settings of a saved run: as they are written for people, an array for programs."""

    def human_readable(self) -> str:
        return "\n".join(sanitize(f"{name} = {given.text}".rstrip()) for name, given in self._value.items())

    def machine_readable(self) -> Any:
        return [
            {
                "setting": name.partition("@")[0],
                "environment": name.partition("@")[2] or None,
                "value": given.text or None,
                "source": given.source,
            }
            for name, given in self._value.items()
        ]
