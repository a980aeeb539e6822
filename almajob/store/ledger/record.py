"""One record of the ledger: what was meant, what became of it, and which steps are lawful.

The states are those of a start that is sent once: PREPARED before anything is sent, SENDING directly before
the first byte, then what the answer proves. What it does not prove is found out by looking.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# To make one takes longer than to use it.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class State(enum.StrEnum):
    """How far a start has come."""

    PREPARED = "PREPARED"
    SENDING = "SENDING"
    STARTED = "STARTED"
    NOT_STARTED = "NOT_STARTED"
    UNKNOWN = "UNKNOWN"
    ADOPTED = "ADOPTED"
    ABSENT = "ABSENT"
    AMBIGUOUS = "AMBIGUOUS"


class Certainty(enum.StrEnum):
    """How sure it is that the instance is the one that was started here.

    CONFIRMED: Alma's answer to the start, or a person, named it. TAGGED: its name has our tag. INFERRED: it
    is the only one that fits, or was attached to. NONE: no instance is known.
    """

    CONFIRMED = "confirmed"
    TAGGED = "tagged"
    INFERRED = "inferred"
    NONE = "none"


OPEN = frozenset({State.PREPARED, State.SENDING, State.UNKNOWN, State.ABSENT, State.AMBIGUOUS})
"""The states of a start whose outcome is still to be found out."""
FINAL = frozenset(State) - OPEN
FIRST = frozenset({State.PREPARED, State.ADOPTED, State.AMBIGUOUS})
"""How a record begins: a start that is meant, an instance that was found instead of starting another, or
several that may be a start which a ledger from a backup has lost."""
NEXT: Mapping[State, frozenset[State]] = {
    State.PREPARED: frozenset({State.SENDING, State.NOT_STARTED}),
    State.SENDING: frozenset({State.STARTED, State.NOT_STARTED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.ADOPTED, State.ABSENT, State.AMBIGUOUS, State.NOT_STARTED}),
    State.ABSENT: frozenset({State.ADOPTED, State.AMBIGUOUS, State.NOT_STARTED}),
    State.AMBIGUOUS: frozenset({State.ADOPTED, State.NOT_STARTED}),
    **{state: frozenset() for state in FINAL},
}
"""Which state may follow which. Directly from UNKNOWN, only a person may say NOT_STARTED."""


class IllegalTransition(ValueError):
    """A state that cannot follow the last one: a bug in almajob, which must not reach the ledger."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of a record's trail: a state, when it was reached (seconds since the epoch), and why."""

    state: State
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instance that could be the one that was started; times as Alma gave them, in ISO 8601."""

    id: str
    name: str
    submit_time: str
    submitted_by: str


@dataclass(frozen=True, slots=True)
class Record:
    """One decision to start one job once.

    Attributes:
        id: names the record to people.
        environment: its name in the ini.
        institution: Alma's code of the institution; empty where the key may not ask for it.
        identity: of Alma's address and the key, which it does not give away.
        kind: sandbox or production, as the ini has it; empty where it was not kept.
        named_institution: what the ini calls the institution; empty where it does not name it.
        run_key: the user's name for the run, or one made here.
        is_named: whether the key was given, so that the same command has the same key.
        attempt: 1, and one more for each wanted re-run under the same key.
        parameters: SHA-256 of what was to be sent, without the tag.
        tag: what was put into the job_name; empty where no tag is possible.
        trail: every state with its time and its reason.
        baseline: the instances that Alma listed before the start.
        sent_at: by Alma's clock, seconds since the epoch; None until it was sent.
        sent_error: seconds by which ``sent_at`` may be off.
        missing_at: this machine's time, seconds since the epoch, of the first complete list without it.
        missing_at_alma: the same by Alma's clock; both None until there was one.
        instance_id: the Process ID; empty until it is known.
        submit_time: of the instance, by Alma, in ISO 8601; empty until it is known.
        candidates: what could be it, where that cannot be told; else its copies, where Alma made some.
        is_told: whether an invocation has ended that named the instance.
        holder: the process that sent it.
        end_status: with which the instance was seen to have ended; empty until it was.
        lasted: seconds from its submission to its end, by Alma; None where that is not known.
        notify: who is notified besides, by names of the ini.
    """

    id: str
    environment: str
    institution: str
    job_id: str
    job_name: str
    run_key: str
    is_named: bool
    attempt: int
    parameters: str
    tag: str
    trail: tuple[Transition, ...]
    baseline: tuple[str, ...] = ()
    sent_at: float | None = None
    sent_error: float = 0.0
    instance_id: str = ""
    submit_time: str = ""
    certainty: Certainty = Certainty.NONE
    candidates: tuple[Candidate, ...] = ()
    is_told: bool = False
    holder: str = ""
    identity: str = ""
    end_status: str = ""
    lasted: float | None = None
    named_institution: str = ""
    kind: str = ""
    missing_at: float | None = None
    missing_at_alma: float | None = None
    notify: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """The state it is in."""
        return self.trail[-1].state

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to be found out."""
        return self.state in OPEN

    @property
    def has_run(self) -> bool:
        """Whether an instance is known that is this run."""
        return self.state in {State.STARTED, State.ADOPTED}

    @property
    def is_attached(self) -> bool:
        """Whether its run was there already, whoever had started it; it may be another record's as well."""
        return self.trail[0].state is State.ADOPTED and self.certainty is Certainty.INFERRED

    @property
    def is_retry_safe(self) -> bool:
        """Whether it is certain that nothing was started."""
        return self.state in {State.PREPARED, State.NOT_STARTED}

    @property
    def outcome(self) -> str:
        """What became of it, in a word or two for people."""
        if self.has_run:
            return f"run {self.instance_id}"
        return "not started" if self.is_retry_safe else "outcome unknown"

    @property
    def created_at(self) -> float:
        """When it was meant, seconds since the epoch."""
        return self.trail[0].at

    def advance(self, state: State, at: float, reason: str, **changes: Any) -> Record:
        """Take the next step.

        Args:
            at: seconds since the epoch.
            changes: other attributes that are known from now on.

        Raises:
            IllegalStep: no such step is lawful.
        """
        if state not in NEXT[self.state]:
            raise IllegalTransition(f"{state} cannot follow {self.state}")
        return replace(self, trail=(*self.trail, Transition(state, at, reason)), **changes)

    def to_json(self) -> dict[str, Any]:
        """Return it in the form in which it is kept."""
        trail, candidates = map(_members, self.trail), map(_members, self.candidates)
        return {**_members(self), "trail": list(trail), "candidates": list(candidates)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Record:
        """Read what ``to_json`` gave.

        Raises:
            ValueError: it is no record, or its trail is not lawful.
        """
        try:
            trail = tuple(
                Transition(State(item["state"]), item["at"], item["reason"]) for item in raw["trail"]
            )
            made = cls(
                **{
                    **raw,
                    "trail": trail,
                    "baseline": tuple(raw["baseline"]),
                    "notify": tuple(raw.get("notify", ())),
                    "certainty": Certainty(raw["certainty"]),
                    "candidates": tuple(Candidate(**item) for item in raw["candidates"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError("it is not a record") from error
        if not is_lawful([step.state for step in trail]):
            raise ValueError("its states do not follow one another")
        return made


def _members(item: Record | Transition | Candidate) -> dict[str, Any]:
    # dataclasses.asdict copies each value deeply, which takes longer than all that a start decides.
    return {name: getattr(item, name) for name in item.__slots__}


def is_lawful(states: list[State]) -> bool:
    """Whether a record may have gone through these states."""
    following = itertools.pairwise(states)
    return bool(states) and states[0] in FIRST and all(after in NEXT[before] for before, after in following)


def alma_of(identity: str) -> str:
    """Return of an identity what tells one Alma from another: address and key, without the section's name."""
    return ":".join(identity.split(":")[-2:])


def checksum(document: Any) -> str:
    """Return the SHA-256 of a JSON document, whatever the order of its members."""
    return hashlib.sha256(_ENCODER.encode(document).encode()).hexdigest()
