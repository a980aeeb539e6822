"""Where in a payload something is wrong; and what both readers hold against it alike."""

from __future__ import annotations

JOB_MEMBERS = frozenset(
    {
        *("id", "name", "description", "type", "category", "content", "schedule", "creator", "next_run"),
        *("related_profile", "additional_info", "link"),
    }
)
"""What a job has besides its parameters, as Alma gives it. It is passed over, as Alma does when given it."""
MOST_PARAMETERS = 5000
"""The largest real payload has some 180."""


class PayloadError(ValueError):
    """A payload that cannot be read.

    Args:
        line: from 1.
        message: is wrong, without a full stop.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
