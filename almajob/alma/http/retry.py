"""Whether a read that failed is tried again, and when."""

from __future__ import annotations

import logging
import random

from almajob.alma.http.error_responses import PER_SECOND_THRESHOLD
from almajob.alma.http.response import Answer
from almajob.errors import AlmaError, AlmajobError, BrokenOff

LOG = logging.getLogger(__name__)

ATTEMPTS = 4
_RETRY_AFTER_LIMIT = 60.0
RETRIED_STATUSES = frozenset({502, 503, 504})
"""The statuses of a gateway whose Alma is not there just now."""


def retry_pause(attempt: int, error: AlmajobError, answer: Answer | None) -> float | None:
    """Decide whether a read is tried again, and after how many seconds.

    Broken connections, 502, 503, 504 and a per-second threshold pass; all else does not. The pause is
    random between 0 and a bound that doubles ("full jitter"), or what Retry-After says, up to a minute.

    Args:
        attempt: the number of the attempt that failed, from 1.

    Returns:
        Seconds, or None to give up.
    """
    passing = (
        isinstance(error, BrokenOff)
        if answer is None
        else answer.status in RETRIED_STATUSES
        or (isinstance(error, AlmaError) and error.code == PER_SECOND_THRESHOLD)
    )
    if not passing:
        return None
    if answer and answer.retry_after:
        import urllib3

        try:
            return min(urllib3.Retry().parse_retry_after(answer.retry_after), _RETRY_AFTER_LIMIT)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            LOG.debug("Retry-After cannot be read.")
    return random.uniform(0, 0.5 * 2**attempt)  # noqa: S311  # no secret
