"""Where a key leads: asked once a day, so that a production key in the wrong place starts nothing."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

from almajob.alma.client import Alma
from almajob.alma.http.error_responses import PER_SECOND_THRESHOLD
from almajob.config.environments import KINDS, other_kind
from almajob.errors import AlmajobError, AlmaRefused, ConfigurationError, KeyRefused
from almajob.store.ledger.ledger import Ledger

LOG = logging.getLogger(__name__)

_DAY = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What Alma said of a key.

    Attributes:
        institution: its code; empty where the key may not ask.
        environment_type: Alma's word.
        asked_at: seconds since the epoch.
    """

    institution: str
    environment_type: str
    asked_at: float


def recall(ledger: Ledger, key: str) -> Proof | None:
    """Return what was said of a key last, however long ago."""
    with ledger.read() as view:
        kept = view.fact(_name_fact(key))
    return Proof(**kept) if isinstance(kept, dict) else None


def find_proof(alma: Alma, ledger: Ledger, key: str, now: float) -> Proof:
    """Return what is known of a key, by its fingerprint; Alma is asked once a day.

    What it said before counts where it is silent.

    Raises:
        AlmajobError: nothing is known, and there was no answer; nothing was started.
    """
    known = recall(ledger, key)
    if known is not None and 0 <= now - known.asked_at < _DAY:
        return known
    try:
        return _ask(alma, ledger, key, now, known)
    except AlmajobError as error:
        if known is None:
            raise
        LOG.info("It cannot be checked now where the key leads: %s", error.message)
        return known


def _ask(alma: Alma, ledger: Ledger, key: str, now: float, known: Proof | None) -> Proof:
    """Ask Alma where a key leads, and keep the answer; a key that may not ask is no obstacle."""
    try:
        general = alma.general()
    except (KeyRefused, AlmaRefused) as refused:
        if refused.code == PER_SECOND_THRESHOLD:
            raise
        LOG.info("The key may not ask which environment it leads to; that is not checked.")
        proof = replace(known, asked_at=now) if known else Proof("", "", now)
    else:
        proof = Proof(general.institution, general.environment_type, now)
        if proof.environment_type.lower() not in KINDS:
            LOG.info("Alma calls the environment %r; that proves nothing.", proof.environment_type)
    kept: dict[str, Any] = asdict(proof)
    ledger.keep_fact(_name_fact(key), kept)
    return proof


def refuse_contradiction(proof: Proof, environment: str, kind: str) -> None:
    """Refuse, as a configuration error, a key that clearly leads elsewhere."""
    found = other_kind(proof.environment_type, kind)
    if found:
        raise ConfigurationError(
            f"The key of [{environment}] leads to {found}, not to {kind}. Nothing was started.",
            reason=f"Alma reports this for the institution {proof.institution or 'that the key belongs to'}.",
            hint=f"Put the key of {environment} there; keys are made per environment.\n"
            f"almajob --env {environment} config check shows where a key leads.",
        )


def _name_fact(key: str) -> str:
    return f"place:{key}"
