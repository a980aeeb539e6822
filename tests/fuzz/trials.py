"""How often a property is tried: in CI 10,000 times with the same bytes; elsewhere less often, with others.

A property is a function of bytes, so that Hypothesis and libFuzzer (``tests.fuzz.atheris``) try the same one.
It makes of them what it needs, with ``choices``: ten times as fast as to have each piece drawn by itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thoroughness import IN_CI

Property = Callable[[bytes], None]

MOST = 10_000
_ELSEWHERE = 0.03
"""The share of the trials that everybody has the time for."""
_LONGEST = 5.0
"""Seconds of the processor's time; the slowest takes some thousandths of one."""
_BYTES = st.binary(min_size=16, max_size=160)


def tried(times: int = MOST) -> Callable[[Property], Property]:
    """Try a property so many times in CI; each trial has to end soon."""
    count = times if IN_CI else round(times * _ELSEWHERE)
    # What failed in CI fails there again; a database would only remember what nobody can fetch.
    chosen = settings(max_examples=count, deadline=None, derandomize=IN_CI, database=None)

    def decorate(check: Property) -> Property:
        @functools.wraps(check)
        def soon(data: bytes) -> None:
            begun = time.process_time()
            check(data)
            assert time.process_time() - begun < _LONGEST

        trial: Property = chosen(given(data=_BYTES)(soon))
        return trial

    return decorate
