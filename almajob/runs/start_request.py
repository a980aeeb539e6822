"""What somebody wants to be started, and where and with what: the two things that a start is decided from."""

from __future__ import annotations

from dataclasses import dataclass, field

from almajob.alma.client import Alma
from almajob.alma.models import Job
from almajob.errors import UsageError
from almajob.jobs.success_policy import Policy
from almajob.runs.job_lock import LOCK_WAIT, Locks
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run_key import PERIODS, find_key_problem
from almajob.store.ledger import Ledger
from almajob.system import clock as clocks

IF_RUNNING = ("refuse", "attach", "start")


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a start goes about it.

    Attributes:
        run_key: the user's name for the run; the same name never starts it twice.
        once_per: hour, day, week or month, instead of a name.
        if_running: refuse, attach or start, where a run of the job has not ended.
        rerun_failed: start anew where the run of this name ended badly.
        lock_wait: seconds to wait for another process that starts the same job.
        wait_for_slot: seconds to wait where one of Alma's limits is reached.
        policy: what counts as a good end, for ``rerun_failed``; what the ini says where there is none.
        set_name: the exact name of the set to work on, instead of its id among the parameters.
        job_name: the name that the job must have, where it is named by its id; empty for any.
        allow_unknown: send parameters that the last payload of the job had not.
        as_xml: send the parameters as XML.
        is_confirmed: the start has been agreed to, as one in production must be, whatever it turns out to be.
        agreed_to: what a person was shown and has agreed to; empty where nobody was asked.
        requested_at: seconds since the epoch, in whose period ``once_per`` is; now where not given.
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
    agreed_to: str = ""
    requested_at: float | None = None

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


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What somebody asked for: to start one job once.

    Attributes:
        job: as the job list has it.
        parameters: as they are to be sent.
        options: how to go about it.
        run_key: names the run: the user's name for it, the period's, or a random one.
        is_named: whether the same command has the same run key.
    """

    job: Job
    parameters: Parameters = field(default_factory=Parameters)
    options: StartOptions = field(default_factory=StartOptions)
    run_key: str = ""
    is_named: bool = False


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
    """Where a start is made, and with what: the connection, the ledger, the locks, the clock."""

    target: Target
    alma: Alma
    ledger: Ledger
    locks: Locks
    clock: clocks.Clock = field(default_factory=clocks.system)
