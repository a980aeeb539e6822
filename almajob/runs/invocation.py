"""The command line that starts and follows runs, as messages name it: how to go on, and its options."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from almajob.errors import AlmajobError, NotConfirmed
from almajob.store.ledger.record import Record

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_Error = TypeVar("_Error", bound=AlmajobError)


@dataclass(frozen=True, slots=True)
class Invocation:
    """Which command line runs belong to; where nothing is said, one of almajob's own commands.

    Attributes:
        resume: returns the command line that goes on with all of it, by the runs that it has asked for so
            far; None where ``almajob wait`` does.
        options: those of the command; None for all that a message may name.
        is_script: there is no command line, and so no option, but a program that uses almajob.
    """

    resume: Callable[[Sequence[Record]], str] | None = None
    options: Collection[str] | None = None
    is_script: bool = False

    def word_resume(self, waiting: str, asked_for: Sequence[Record]) -> str:
        """Return the line that says how to go on.

        Args:
            waiting: the command line that waits for the runs, and does nothing else.
            asked_for: the runs that the command has started or found so far.
        """
        if self.is_script:
            return f"To go on waiting: {waiting}"
        return f"Resume: {self.resume(asked_for) if self.resume else waiting}"

    def fit_hint(self, error: _Error) -> _Error:
        """Return an error without the hints that name options which the command does not have."""
        if self.is_script and isinstance(error, NotConfirmed):
            return error.replace(hint="StartOptions(is_confirmed=True) confirms it.")
        if self.options is None and not self.is_script:
            return error
        lines = error.hint.splitlines()
        kept = [line for line in lines if self._is_possible(line)]
        return error if kept == lines else error.replace(hint="\n".join(kept))

    def _is_possible(self, hint: str) -> bool:
        # What is another command's has that command's options.
        return "almajob " in hint or set(_OPTION.findall(hint)) <= set(self.options or ())
