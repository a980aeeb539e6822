"""A running simulator, as a test sees it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from almajob.simulator.faults import Faults
    from almajob.simulator.http.request_log import RequestLog
    from almajob.simulator.http.server import Simulator
    from almajob.simulator.institution import Institution
    from almajob.simulator.interruptions import Moment
    from almajob.simulator.planned_answers import PlannedAnswers
    from almajob.simulator.world.clock import Clock


class SimulatedAlma:
    """A running simulator, as a test sees it.

    Attributes:
        institution: everything behind it: worlds, keys, rules, webhooks.
        clock: stands still; ``alma.clock.advance(3600)`` lets an hour pass.
        faults: ``alma.faults.add("reset-after", "POST /conf/jobs/*")`` lets something go wrong once.
        answers: ``alma.answers.add("GET /users/1", {"primary_id": "1"})`` answers what it does not know.
        log: ``alma.log.count("POST /conf/jobs/*")`` counts what crossed the wire, and
            ``alma.log.requests("POST /conf/sets")`` has it.
        send_signal: sends a signal to the command that runs, by its number.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.institution: Institution = simulator.institution
        self.clock: Clock = simulator.institution.clock
        self.faults: Faults = simulator.institution.faults
        self.answers: PlannedAnswers = simulator.institution.answers
        self.log: RequestLog = simulator.institution.log
        self.send_signal: Callable[[int], None] = _signal_main_thread

    @property
    def base_url(self) -> str:
        """Its address, for ``base_url`` in a configuration file."""
        return self._simulator.base_url

    @property
    def ini(self) -> str:
        """An almajob.ini that knows its sandbox and its production."""
        return (
            f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {self.base_url}\n"
            f"[production]\napi_key = simulator-production-key\nbase_url = {self.base_url}\n"
        )

    def set_ending(
        self,
        job: str,
        status: str | None = None,
        *,
        seconds: float | None = None,
        progress: float | None = None,
    ) -> None:
        """Set how the next runs of a job go.

        Args:
            job: its name or id.
            status: with which they end, such as ``COMPLETED_FAILED``.
            seconds: from the submission to the end.
            progress: per cent at the end.

        Raises:
            ValueError: no run can go so.
        """
        from almajob.simulator.world.run import Ending

        self.institution.rules.endings[job] = Ending(status, seconds, progress)

    def interrupt(
        self, on: str, moment: Moment = "after", *, nth: int = 1, number: int = signal.SIGINT
    ) -> None:
        """Press Ctrl-C at a moment: when the command has sent a request, and has no answer to it.

        Args:
            on: the request, as a pattern of method and path, such as ``POST /conf/jobs/*``.
            moment: ``before`` the request is accepted, which it then never is, or ``after`` it was.
            nth: at which of the requests that match, from 1.
            number: another signal, such as ``signal.SIGTERM``.

        Raises:
            ValueError: there is no such moment, or nth is less than 1.
        """
        self.institution.interruptions.add(on, moment, lambda: self.send_signal(number), nth)

    def check(self) -> None:
        """Fail on calls that the simulator does not know, and on what was planned and never happened."""
        unexpected = [f"{entry.method} {entry.path}" for entry in self.log.unexpected_calls()]
        assert not unexpected, f"calls that the simulator does not know: {unexpected}"
        unused = [f"{fault.name} on {fault.on}" for fault in self.faults.list_unused()]
        assert not unused, f"faults that never happened: {unused}"
        answers = [planned.on for planned in self.answers.list_unused()]
        assert not answers, f"answers that nobody asked for: {answers}"
        moments = [f"{each.moment} {each.on}" for each in self.institution.interruptions.list_unused()]
        assert not moments, f"interruptions that never happened: {moments}"


def _signal_main_thread(number: int) -> None:
    """Send a signal to the thread that runs a command in this process; it is woken before any answer is."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, number)
