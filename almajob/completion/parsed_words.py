"""The words before the cursor, as far as they tell what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from almajob import legacy
from almajob.completion.grammar import Command, Grammar, Option, Value

# The older script's options, which stood before a command was named.
_OLDER = (
    Option(["--cmd"], Value("COMMAND", ["list", "run", "status"]), ""),
    Option(["--job"], Value("JOB"), ""),
    Option(["--id"], Value("PROCESS_ID"), ""),
)


class ParsedWords:
    """What the words before the cursor say.

    Attributes:
        name: the words of the command's name, as far as they go.
        command: the command that they name; None where they name none yet.
        awaited: the value that comes next in any case; None where none does.
    """

    def __init__(self, grammar: Grammar, words: Sequence[str]) -> None:
        self._grammar = grammar
        self.name: list[str] = []
        self.command: Command | None = None
        self.awaited: Value | None = None
        self._waiting: Option | None = None
        self._many: Value | None = None
        self._values: dict[str, str] = {}
        self._arguments: list[str] = []
        for word in legacy.translate(words, self._takes_value) if "--cmd" in words[:-1] else words:
            self._take(word)

    @property
    def options(self) -> Sequence[Option]:
        """Those that can be used here."""
        return self.command.options if self.command else self._grammar.general

    def option(self, name: str) -> Option | None:
        """Find an option by its name; None where there is none here."""
        older = () if self.name else _OLDER
        return next((option for option in (*self.options, *older) if name in option.names), None)

    def value_of(self, *names: str) -> str:
        """Return what was said with an option; empty where nothing was."""
        return next((self._values[name] for name in names if name in self._values), "")

    def argument(self) -> Value | None:
        """Return the argument that comes next, or one more value of an option; None where none does."""
        if self._many:
            return self._many
        arguments = self.command.arguments if self.command else ()
        if len(self._arguments) < len(arguments):
            return arguments[len(self._arguments)]
        return arguments[-1] if arguments and arguments[-1].is_many else None

    def next_words(self) -> list[tuple[str, str]]:
        """Return the words with which the command's name can go on, each with what it leads to."""
        return [] if self._arguments or self._many else self._words_after(self.name)

    def commands(self) -> list[tuple[str, str]]:
        """Return the words with which the name of a command goes on that is an argument."""
        return self._words_after(self._arguments)

    def _words_after(self, words: Sequence[str]) -> list[tuple[str, str]]:
        begun = "".join(f"{word} " for word in words)
        found: dict[str, str] = {}
        for name, summary in self._grammar.summaries.items():
            if name.startswith(begun):
                word, _, rest = name.removeprefix(begun).partition(" ")
                found[word] = f"{begun}{word} …" if rest else summary
        return list(found.items())

    def _takes_value(self, name: str) -> bool | None:
        found = next((option for option in self._grammar.general if name in option.names), None)
        return None if found is None else found.value is not None

    def _take(self, word: str) -> None:
        if self._waiting:
            self._values.update(dict.fromkeys(self._waiting.names, word))
            self._many = self.awaited if self.awaited and self.awaited.is_many else None
            self._waiting = self.awaited = None
        elif word.startswith("-") and word != "-":
            self._many = None
            self._take_option(*word.partition("="))
        elif self._many:
            return
        elif self.command is None or self._grammar.command(" ".join([*self.name, word])):
            self.name.append(word)
            self.command = self._grammar.command(" ".join(self.name))
        else:
            self._arguments.append(word)

    def _take_option(self, name: str, equals: str, value: str) -> None:
        found = self.option(name)
        if found is None or found.value is None:
            return
        if equals:
            self._values.update(dict.fromkeys(found.names, value))
        else:
            self._waiting, self.awaited = found, found.value
