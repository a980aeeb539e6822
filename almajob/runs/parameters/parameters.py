"""A run's parameters: what is sent, where each was written, and what makes two payloads the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from almajob.alma.models import Parameter
from almajob.errors import Refused, UsageError
from almajob.runs.run_key import JOB_NAME
from almajob.store.ledger.record import checksum

SET_ID = "set_id"
"""The parameter that names the set a manual job works on."""
# What XML 1.0 has no way to write, https://www.w3.org/TR/xml/#charsets; Alma keeps parameters as XML.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_NAME = 500
# What almajob itself reads or writes: of two values nobody could tell which one counts.
_ONLY_ONCE = frozenset({SET_ID, JOB_NAME})


@dataclass(frozen=True, slots=True)
class Given:
    """One parameter, and where it was given.

    Attributes:
        value: as it is sent.
        source: such as ``wizard.xml, line 4`` or ``--param``; empty where that is of no interest.
        meant: as it was meant, where it has the time of the start in it; else None.
        instead_of: the value of the file that this one overrides; None where it overrides none.
    """

    name: str
    value: str
    source: str = ""
    meant: str | None = None
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Parameters:
    """All parameters of one start, in the order in which they are sent.

    Several may have one name: payloads of Alma's older wizards do.

    Attributes:
        given: each of them.
        job_id: of the job that the payload says it is for; empty where it says nothing.
        job_source: where it says so.
        notes: what a person should know of how they were read.
    """

    given: tuple[Given, ...] = ()
    job_id: str = ""
    job_source: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, parameters: Iterable[Parameter], source: str = "") -> Parameters:
        """Make them of bare names and values.

        Raises:
            UsageError: one of them cannot be sent.
        """
        found: list[Given] = []
        for item in parameters:
            problem = problem_with(item.name, item.value) or problem_with_repeat(item.name, found)
            if problem:
                raise UsageError(f"{problem[:1].upper()}{problem[1:]}.")
            found.append(Given(item.name, item.value, source))
        return cls(tuple(found))

    @property
    def sent(self) -> tuple[Parameter, ...]:
        """Names and values as they are sent, without a tag."""
        return tuple(Parameter(item.name, item.value) for item in self.given)

    @property
    def canonical(self) -> str:
        """The same text for the same payload, however it was written and ordered: JSON, sorted by name.

        Alma takes parameters in any order. The time of the start is no part of it: where a value has that
        in it, what was written counts, and that it was to be filled in.
        """
        found = [
            [item.name, item.value] if item.meant is None else [item.name, item.meant, "expanded"]
            for item in self.given
        ]
        return json.dumps(sorted(found), ensure_ascii=True, separators=(",", ":"))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the canonical form."""
        return checksum(json.loads(self.canonical))

    def get(self, name: str) -> str | None:
        """Return a value by its name, or None."""
        return next((item.value for item in self.given if item.name == name), None)

    @property
    def repeated(self) -> dict[str, int]:
        """The names that several parameters have, and how many have each."""
        return {name: times for name, times in Counter(item.name for item in self.given).items() if times > 1}

    def override(self, overrides: Sequence[Given]) -> Parameters:
        """Put others in the place of those of the same name; what is new comes last, in its own order.

        Raises:
            Refused: several have that name.
        """
        repeated = self.repeated
        values = {item.name: item.value for item in self.given}
        instead: dict[str, Given] = {}
        for item in overrides:
            if item.name in repeated:
                raise Refused(
                    f"{item.name} is ambiguous: the payload has {repeated[item.name]} parameters of that "
                    "name. Nothing was sent.",
                    reason=f"{item.source or 'The override'} cannot tell which of them it replaces.",
                    hint="Change the value in the file of the payload.",
                )
            before = instead[item.name].value if item.name in instead else values.get(item.name)
            instead[item.name] = replace(item, instead_of=before)
        kept = [instead.pop(item.name, item) for item in self.given]
        return replace(self, given=(*kept, *instead.values()))


def problem_with_repeat(name: str, before: Iterable[Given]) -> str:
    """Return why a parameter cannot be sent after these; empty where it can."""
    is_wrong = name in _ONLY_ONCE and any(item.name == name for item in before)
    return (
        f"the parameter {name} is there twice, and almajob cannot tell which one counts" if is_wrong else ""
    )


def problem_with(name: str, value: str) -> str:
    """Return why a parameter cannot be sent; empty where it can."""
    if not name.strip():
        return "a parameter has no name"
    if len(name) > _LONGEST_NAME:
        return f"the name of a parameter has more than {_LONGEST_NAME} characters"
    if name != name.strip() or not name.isprintable():
        return f"the name {name[:80]!r} has a blank at its end, or a character that cannot be shown"
    wrong = _UNWRITABLE.search(value)
    return f"the value of {name} has the character {wrong[0]!a}, which Alma cannot keep" if wrong else ""
