"""How a simulated environment behaves, where that is a matter of choice."""

from __future__ import annotations

from dataclasses import dataclass, field

from almajob.simulator.world.run import Ending


@dataclass(slots=True)
class Rules:
    """How a world behaves where that is a matter of choice.

    Attributes:
        thresholds: whether running jobs and starts an hour are limited, and overlaps refused.
        checks_parameters: whether mandatory parameters are asked for.
        seconds: how long every run lasts; None for as long as its kind takes.
        activity: seconds between runs of the system's and the staff's own; None for none.
        endings: by job id or name, how its next runs go.

    Raises:
        ValueError: the seconds are none.
    """

    thresholds: bool = True
    checks_parameters: bool = True
    seconds: float | None = None
    activity: float | None = None
    endings: dict[str, Ending] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.activity is not None and not self.activity > 0:
            raise ValueError("activity is a number of seconds, more than none")
