"""A state of the rate limit, by the flat fields in which it is kept."""

from __future__ import annotations

from typing import Any

from almajob.alma.rate_limit import rate_state
from almajob.alma.rate_limit.rate_state import RateState

FIELDS = tuple(RateState().to_json())


def make_state(*values: Any, **fields: Any) -> RateState:
    known = {**RateState().to_json(), **dict(zip(FIELDS, values, strict=False)), **fields}
    state = rate_state.from_json(known)
    assert state.to_json() == known
    return state


def change(state: RateState, **fields: Any) -> RateState:
    return make_state(**{**state.to_json(), **fields})
