"""A simulated institution: sandbox and production behind one address, and the means to disturb them."""

from __future__ import annotations

from pathlib import Path

from almajob.simulator.faults import Faults
from almajob.simulator.gateway import Gateway
from almajob.simulator.http.request_log import RequestLog
from almajob.simulator.interruptions import Interruptions
from almajob.simulator.planned_answers import PlannedAnswers
from almajob.simulator.webhooks import Webhooks
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.job_data import PRODUCTION, SANDBOX
from almajob.simulator.world.journal import FileJournal
from almajob.simulator.world.world import Rules, World


class Institution:
    """Everything that one simulator serves.

    Args:
        clock: the time of both environments.
        rules: how both behave.
        job_count: how many jobs each has; the built-in ones where not given.
        seed: of the faults' probabilities.
        sandbox: the sandbox's world, where it is not to be a new one.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        rules: Rules | None = None,
        *,
        job_count: int | None = None,
        seed: int = 0,
        sandbox: World | None = None,
    ) -> None:
        self.clock = clock or (sandbox.clock if sandbox else Clock())
        self.rules = rules or (sandbox.rules if sandbox else Rules())
        self._job_count = job_count
        self._is_kept = sandbox is not None
        self.faults = Faults(seed)
        self.answers = PlannedAnswers()
        self.interruptions = Interruptions()
        self.log = RequestLog()
        self.gateway = Gateway(self.clock)
        self.worlds = {
            SANDBOX: sandbox or self._world(SANDBOX),
            PRODUCTION: self._world(PRODUCTION),
        }
        self.webhooks = Webhooks(self.worlds, self.clock)

    @property
    def sandbox(self) -> World:
        """The sandbox."""
        return self.worlds[SANDBOX]

    @property
    def production(self) -> World:
        """Production."""
        return self.worlds[PRODUCTION]

    def reset(self) -> None:
        """Begin anew: no runs, faults or added answers, no log, all of the day's calls; the clock goes on.

        Raises:
            ValueError: the sandbox is kept in a file, for others too.
        """
        if self._is_kept:
            raise ValueError("a world that is kept in a file is not reset; remove the file")
        self.rules.endings.clear()
        self.faults.clear()
        self.answers.clear()
        self.interruptions.clear()
        self.log.clear()
        self.gateway = Gateway(self.clock)
        self.worlds.update({name: self._world(name) for name in self.worlds})
        self.webhooks.forget()

    def _world(self, environment: str) -> World:
        return World(environment, self.clock, rules=self.rules, job_count=self._job_count)


DEMO_SECONDS = 9.0
"""How long a run of the demo lasts: long enough to be followed, and too short to be waited for."""


def demo(path: Path | None, seconds: float = DEMO_SECONDS) -> Institution:
    """Make the institution of ``--env demo``, whose runs end within seconds.

    Alma's limits do not hold in it: who tries something out starts the same job many times.

    Args:
        path: of the file in which its sandbox is kept; without one it is forgotten at the end.
        seconds: how long each run lasts.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: it is not a simulator's world.
    """
    rules = Rules(thresholds=False, checks_parameters=False, seconds=seconds)
    clock = Clock()
    return Institution(
        clock, rules, sandbox=World(SANDBOX, clock, FileJournal(path) if path else None, rules)
    )
