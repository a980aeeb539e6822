"""The commands and options that can be typed, as a document that is read without any of their code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
        documents: as ``describing.described`` makes them: ours first, then that of plugins.

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
