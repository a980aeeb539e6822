"""What somebody wants to be started, and where and with what: the two things that a start is decided from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from almajob.alma.client import Alma
from almajob.alma.models import Job, Parameter
from almajob.errors import UsageError
from almajob.jobs.success_policy import Policy
from almajob.runs.job_lock import LOCK_WAIT
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run_key import derive_key, find_key_problem
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import Locks
from almajob.store.ledger.record import Record
from almajob.store.ledger.run_key_forms import PERIODS
from almajob.system import clock as clocks
from almajob.text.busy import Busy, show_nothing

if TYPE_CHECKING:
    from almajob.runs.run import Run

IF_RUNNING = ("refuse", "attach", "start")


class OwnSet(NamedTuple):
    """A set that is made for one start alone, also before it is there.

    Attributes:
        ids: of how many it is made.
        members: how many it must have when the job is started; None before it is made.
    """

    name: str
    ids: int
    members: int | None = None


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a start goes about it.

    Attributes:
        run_key: the user's name for the run; the same name never starts it twice.
        once_per: hour, day, week or month, instead of a name.
        if_running: refuse, attach or start, where a run of the job has not ended.
        rerun_failed: start again where the run of this name ended badly.
        lock_wait: seconds to wait for another process that starts the same job.
        wait_for_slot: seconds to wait where one of Alma's limits is reached.
        policy: what counts as a good end, for ``rerun_failed``; what the configuration file says by default.
        set_name: the exact name of the set to work on, instead of its id among the parameters.
        job_name: the name that the job must have, where it is named by its id; empty for any.
        allow_unknown: send parameters that the last payload of the job had not.
        as_xml: send the parameters as XML.
        is_confirmed: the start has been agreed to, as one in production must be, whatever it turns out to be.
        only_exact: the agreement counts only for a job that is named by its exact name or its id.
        agreed_to: what a person was shown and has agreed to; empty where nobody was asked.
        may_ask: a person at the terminal may be asked; ``ask`` and ``confirm`` count for nothing otherwise.
        requested_at: seconds since the epoch, in whose period ``once_per`` is; now where not given.
        notify: who is notified of the run besides those that the configuration file names: the names of
            sections [notify:NAME].
        step: of a start that comes after another which has not been started yet: what ``for_step`` was given.
        own_set: the set that is made for this start, as ``almajob run --ids`` does.
    """

    run_key: str = ""
    once_per: str = ""
    if_running: str = "refuse"
    rerun_failed: bool = False
    lock_wait: float = LOCK_WAIT
    wait_for_slot: float = 0.0
    policy: Policy | None = None
    set_name: str = ""
    job_name: str = ""
    allow_unknown: bool = False
    as_xml: bool = False
    is_confirmed: bool = False
    only_exact: bool = False
    agreed_to: str = ""
    may_ask: bool = True
    requested_at: float | None = None
    notify: tuple[str, ...] = ()
    step: str = ""
    own_set: OwnSet | None = None

    def __post_init__(self) -> None:
        """Refuse what no command line could say.

        Raises:
            UsageError: an option has a value that it cannot have.
        """
        problem = find_key_problem(self.run_key) if self.run_key else ""
        if problem:
            raise UsageError(f"The run key {problem}.")
        if self.once_per not in ("", *PERIODS) or (self.once_per and self.run_key):
            raise UsageError(f"once_per is one of {', '.join(PERIODS)}, and instead of a run key.")
        if self.if_running not in IF_RUNNING:
            raise UsageError(f"if_running is one of {', '.join(IF_RUNNING)}.")
        if self.rerun_failed and not (self.run_key or self.once_per):
            raise UsageError(
                "--rerun-failed needs to know which run failed.",
                hint="Add --run-key NAME or --once-per PERIOD.",
            )

    def for_step(self, step: str, after: Run | None = None) -> Self:
        """Return the options of another start that belongs to the same work, under a run key of its own.

        One key would stand for one start. That of a step is derived from the run before it: so the same
        command finds the same run of each step again, also if it had no run key itself.

        Args:
            step: a short name for it, such as ``load``.
            after: the run that it comes after, as ``start`` or ``follow`` returned it; not given before it
                has been started, as in ``confirm_together``.

        Raises:
            UsageError: the key is too long then, or has a character that cannot be shown.
        """
        if after is not None and after.record is not None:
            return self._follow(after.record, step)
        run_key = derive_key(self.run_key, 1, step) if self.run_key else ""
        return replace(self, run_key=run_key, step=step)

    def follow_any(self, records: Sequence[Record], is_kept: Callable[[str], bool]) -> Self:
        """Return the options of a step with its run key, derived from the run that it comes after.

        Args:
            records: of the starts before it, in their order.
            is_kept: whether the ledger has a run of this key.
        """
        if not self.step or not records:
            return self
        found = [self._follow(record, self.step) for record in reversed(records)]
        return next((options for options in found if is_kept(options.run_key)), found[0])

    def _follow(self, record: Record, step: str) -> Self:
        run_key = derive_key(record.run_key, record.attempt, step)
        return replace(self, run_key=run_key, once_per="", step="")


@dataclass(frozen=True, slots=True)
class Start:
    """One of several starts that are confirmed together; what it has is what ``Runs.start`` takes.

    Attributes:
        job: its exact name, or its id.
        parameters: in the order in which they are sent.
        options: how it is started.
    """

    job: str
    parameters: Parameters | Sequence[Parameter] = ()
    options: StartOptions = field(default_factory=StartOptions)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What somebody asked for: to start one job once.

    Attributes:
        job: as the job list has it.
        parameters: as they are to be sent.
        options: how to go about it.
        run_key: names the run: the user's name for it, the period's, or a random one.
        is_named: whether the same command has the same run key.
        typed_job: what the job was called, where that is neither its name nor its id.
    """

    job: Job
    parameters: Parameters = field(default_factory=Parameters)
    options: StartOptions = field(default_factory=StartOptions)
    run_key: str = ""
    is_named: bool = False
    typed_job: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The environment in which a job is to be started.

    Attributes:
        environment: its name in the ini.
        kind: sandbox or production.
        identity: tells one Alma and key from another, without giving the key away.
        has_tags: whether runs that can be named get a tag.
        may_infer: whether the only run that fits may be taken for ours.
        has_limits: whether Alma's limits on starts hold.
        command: how almajob is called for this environment, where more than its name is needed.
        policy: what counts as a good end there.
        read_only: what forbids starts there; empty where nothing does.
        institution: what the ini calls the institution; empty where it does not name it.
    """

    environment: str
    kind: str
    identity: str
    has_tags: bool = True
    may_infer: bool = False
    has_limits: bool = True
    command: str = ""
    policy: Policy = field(default_factory=Policy)
    read_only: str = ""
    institution: str = ""

    @property
    def is_production(self) -> bool:
        """Whether a start there needs to be confirmed."""
        return self.kind == "production"

    @property
    def program(self) -> str:
        """How almajob is called for this environment."""
        return self.command or f"almajob --env {self.environment}"


@dataclass(frozen=True, slots=True)
class Deps:
    """Where a start is made, and with what: the connection, the ledger, the locks, the clock.

    Attributes:
        busy: shows people what is waited for meanwhile.
    """

    target: Target
    alma: Alma
    ledger: Ledger
    locks: Locks
    clock: clocks.Clock = field(default_factory=clocks.system)
    busy: Busy = show_nothing
