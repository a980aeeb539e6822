"""A small Alma with the behaviours that make a start hard, to check the real code of a start against.

No sockets and no files: the code under test gets this world, its own clock and a ledger in memory, each of
which can be made to stop the process at a given moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, cast

from almajob.alma.client import PAGE, Alma, SubmitRequest
from almajob.alma.http.response import Reading
from almajob.alma.job_instances import Instance, Page, Submission
from almajob.alma.models import Code, General, Job, Parameter
from almajob.alma.rate_limit.limiter import Permit
from almajob.errors import AlmaFailed, AlmaRefused, BrokenOff, KeyRefused, NotAlma, NotSent
from almajob.runs.start_request import Deps, Target
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record
from tests.support.clocks import FastClock
from tests.support.ledgers import list_records
from tests.support.memory_place import MemoryPlace, Shared, Step

DAY = 86_400.0
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
MANUAL = Job("M44", "Export Bibliographic records", Code("MANUAL"))
SCHEDULED = Job("S1", "ERP export", Code("SCHEDULED"))


class Crash(BaseException):
    """The process ends here, as by kill -9: nothing after this happens."""


@dataclass
class Switch:
    """Counts the moments at which a process may die, and lets it die at one of them.

    Attributes:
        key: of the run that the process is to start.
    """

    at: int | None = None
    moments: int = 0
    key: str = ""

    def moment(self) -> None:
        self.moments += 1
        # The dead do nothing more, whatever their code catches.
        if self.at is not None and self.moments >= self.at:
            raise Crash


@dataclass(frozen=True)
class Behaviour:
    """What Alma makes of a start: whether it accepts it, what it answers, when it shows it.

    Attributes:
        accepts: whether a run begins.
        answer: makes what comes back; is given the job and the run's id.
        shows_after: seconds until the run is listed.
        copies: how many runs begin.
        shows_names: whether a run's name has what was sent as job_name.
        took: seconds until the answer.
        lists_fail_for: seconds after the start in which no list can be had.
        lists_lack: whether every other list after the start says that it has more than it shows.
        stopped: seconds for which the process stands still directly before the request leaves.
        replays: whether a proxy answers with what Alma said of an earlier start.
        names_cut: how much of a run's name is shown.
        submit_off: seconds by which Alma's submit times differ from its Date header.
    """

    name: str
    accepts: bool = field(repr=False)
    answer: Callable[[str, str], Any] = field(repr=False)
    shows_after: float = field(default=0.0, repr=False)
    copies: int = field(default=1, repr=False)
    shows_names: bool = field(default=True, repr=False)
    took: float = field(default=0.3, repr=False)
    lists_fail_for: float = field(default=0.0, repr=False)
    lists_lack: bool = field(default=False, repr=False)
    stopped: float = field(default=0.0, repr=False)
    replays: bool = field(default=False, repr=False)
    names_cut: int = field(default=1000, repr=False)
    submit_off: float = field(default=0.0, repr=False)


def _fine(job_id: str, run_id: str) -> Submission:
    return Submission(run_id, job_id, f"Job no. {run_id} triggered on Sun, 22 Nov 2026 12:00:00 GMT")


def _refused(*codes: str, names_run: bool = False) -> Callable[[str, str], Any]:
    def refused(_job: str, _run: str) -> AlmaRefused:
        return AlmaRefused(
            "no",
            code=codes[0],
            codes=codes,
            text="",
            tracking_id="",
            http_status=400,
            names_run=names_run,
        )

    return refused


def _failed(_job: str, _run: str) -> Any:
    return AlmaFailed("failed", code="GENERAL_ERROR", text="", tracking_id="", http_status=500)


def _broken(_job: str, _run: str) -> Any:
    return BrokenOff("broke off")


def _page(_job: str, _run: str) -> Any:
    return NotAlma("a web page")


BEHAVIOURS = (
    Behaviour("fine", True, _fine),
    Behaviour("fine, listed late", True, _fine, shows_after=60),
    Behaviour("not reached", False, lambda _job, _run: NotSent("no connection")),
    Behaviour("refused for good", False, _refused("402228")),
    Behaviour("no slot", False, _refused("402222")),
    Behaviour("accepted, then 500", True, _failed),
    Behaviour("accepted, then dropped", True, _broken),
    Behaviour("accepted, then slow", True, _broken, took=120.0),
    Behaviour("accepted, then a web page", True, _page),
    Behaviour("accepted, no link", True, lambda _job, _run: Submission("", "", "Job no.")),
    Behaviour("accepted, another job's link", True, lambda _job, run: Submission(run, "M999", "Job no.")),
    Behaviour("accepted, an unlisted code", True, _refused("402224")),
    Behaviour("accepted, dropped, listed after 40 s", True, _broken, shows_after=40),
    Behaviour("accepted, dropped, listed after 10 min", True, _broken, shows_after=600),
    Behaviour("dropped before it was read", False, _broken),
    Behaviour("500 before it was read", False, _failed),
    Behaviour("accepted twice, dropped", True, _broken, copies=2),
    Behaviour("accepted, dropped, no lists for a minute", True, _broken, lists_fail_for=60),
    Behaviour("dropped before it was read, no lists for ten minutes", False, _broken, lists_fail_for=600),
    Behaviour(
        "accepted, dropped, listed late, lists with gaps", True, _broken, shows_after=40, lists_lack=True
    ),
    Behaviour("accepted, dropped, names are not shown", True, _broken, shows_names=False),
)
RARE = (
    Behaviour("sent an hour late, dropped, listed late", True, _broken, stopped=3700, shows_after=5),
    Behaviour("sent an hour late, listed late", True, _fine, stopped=3700, shows_after=5),
    Behaviour("sent an hour late, slow, listed late", True, _broken, stopped=3700, took=120, shows_after=125),
    Behaviour("sent three days late, dropped, listed late", True, _broken, stopped=3 * DAY, shows_after=5),
    Behaviour("stood still for an hour, then not sent", False, _broken, stopped=3700),
    Behaviour("a proxy answers with an earlier start", False, _fine, replays=True),
    Behaviour("accepted, and a proxy answers with an earlier start", True, _fine, replays=True),
    Behaviour("sent twice by a proxy, the copy overlaps", True, _refused("60347")),
    Behaviour("sent twice by a proxy, the copy has no slot", True, _refused("402222"), shows_after=1),
    Behaviour("sent twice by a proxy, the copy is one too many", True, _refused("402223")),
    Behaviour("accepted, a listed code and an unlisted one", True, _refused("402228", "402224")),
    Behaviour("accepted, a listed code with a run's link", True, _refused("402228", names_run=True)),
    Behaviour("accepted, dropped, names are cut at 255", True, _broken, names_cut=255),
    Behaviour("accepted, dropped, names are cut at 40", True, _broken, names_cut=40),
    Behaviour("accepted, dropped, names are cut at 16", True, _broken, names_cut=16),
    Behaviour("accepted, dropped, names are cut at 10", True, _broken, names_cut=10),
    Behaviour("accepted, dropped, submit times 2 days behind", True, _broken, submit_off=-2 * DAY),
    Behaviour("accepted, dropped, submit times 5 days behind", True, _broken, submit_off=-5 * DAY),
    Behaviour("accepted, dropped, submit times 3 days ahead", True, _broken, submit_off=3 * DAY),
    Behaviour("dropped before it was read, submit times 3 days behind", False, _broken, submit_off=-3 * DAY),
)
"""What a process that stands still, a proxy, or an Alma with odd names and clocks makes of it."""


@dataclass(frozen=True)
class Stranger:
    """Somebody else who starts the same job: when, relative to our start, and how."""

    name: str
    after: float | None = None
    by: str = "exl_api"
    seconds: float = 1.0


STRANGERS = (
    Stranger("nobody"),
    Stranger("an hour before", after=-3500),
    Stranger("the API, one second after", after=1.0),
    Stranger("the staff, one second after", after=1.0, by="jdoe"),
    Stranger("the API, half a minute after", after=30.0),
)


@dataclass
class Shown:
    """A run in the model's Alma, when it can be seen, and under which key it was started."""

    instance: Instance
    visible_from: float
    is_ours: bool
    ends: float
    key: str = ""


@dataclass
class ModelAlma:
    """Alma, as far as a start sees it; every call is a moment at which the process may die."""

    time: FastClock
    behaviour: Behaviour
    job_: Job
    switch: Switch = field(default_factory=Switch)
    shown: list[Shown] = field(default_factory=list)
    posts: int = 0
    lists: int = 0
    sent_at: float | None = None
    stranger: Stranger = STRANGERS[0]
    stranger_at: float | None = None
    seconds: float = 20.0
    kind: str = "SANDBOX"
    institution: str = "01MODEL_INST"

    def our_runs(self) -> list[str]:
        return [item.instance.id for item in self.shown if item.is_ours]

    def job(self, _job_id: str) -> Job:
        self._call()
        return self.job_

    def general(self) -> General:
        self._call()
        if not self.institution:
            raise KeyRefused("no", code="UNAUTHORIZED", text="", tracking_id="", http_status=400)
        return General(self.kind, self.institution)

    def instance(self, instance_id: str, _job_id: str = "ALL", **_: object) -> Instance:
        self._call()
        return next(self._now(item) for item in self.shown if item.instance.id == instance_id)

    def submit_request(self, job_id: str, parameters: tuple[Parameter, ...] = ()) -> SubmitRequest:
        return SubmitRequest("http://model", f"/conf/jobs/{job_id}", parameters)

    def instances_page(
        self, _job_id: str, *, since: date, until: date, offset: int, **_: object
    ) -> tuple[Page[Instance], Reading]:
        self._call()
        self._stranger_acts()
        now = self.true_now()
        if self.sent_at is not None and now < self.sent_at + self.behaviour.lists_fail_for:
            raise BrokenOff("no list")
        self.lists += 1
        lacking = self.sent_at is not None and self.behaviour.lists_lack and self.lists % 2
        found = [
            self._now(item)
            for item in reversed(self.shown)
            if item.visible_from <= now and since <= _day(item.instance) <= until
        ]
        page = Page(tuple(found[offset : offset + PAGE]), len(found) + bool(lacking))
        return page, Reading({}, now, 0.6)

    def get_start_permit(self) -> Permit:
        return Permit()

    def submit(
        self,
        job_id: str,
        parameters: tuple[Parameter, ...] = (),
        *,
        as_xml: bool = False,
        permit: Permit,
        before_sending: Callable[[], None],
    ) -> Submission:
        self.switch.moment()
        before_sending()
        self.posts += 1
        # The others do not stand still.
        sent, self.sent_at = self.true_now(), self.true_now() + self.behaviour.stopped
        if self.stranger.after is not None and self.stranger.after > 0 and self.stranger_at is None:
            self.stranger_at = sent + self.stranger.after
        self.time.advance(self.behaviour.stopped)
        if self.posts > 1:
            # A trouble passes; what it left behind does not.
            self.behaviour = replace(
                BEHAVIOURS[0],
                shows_names=self.behaviour.shows_names,
                names_cut=self.behaviour.names_cut,
                submit_off=self.behaviour.submit_off,
            )
        run_id = "0"
        if self.behaviour.accepts:
            name = next((item.value for item in parameters if item.name == "job_name"), self.job_.name)
            for _ in range(self.behaviour.copies):
                run_id = self.begin(name if self.behaviour.shows_names else self.job_.name, is_ours=True)
        self.switch.moment()
        self.time.advance(self.behaviour.took)
        self.switch.moment()
        if self.behaviour.replays:
            run_id = self.shown[0].instance.id
        answer = self.behaviour.answer(job_id, run_id)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Submission)
        return answer

    def begin(
        self,
        name: str,
        *,
        is_ours: bool,
        by: str = "exl_api",
        at: float | None = None,
        seconds: float | None = None,
    ) -> str:
        begun = self.true_now() if at is None else at
        run_id = str(7000 + len(self.shown))
        instance = Instance(
            run_id,
            name[: self.behaviour.names_cut],
            Code("RUNNING"),
            submitted_by=Code(by),
            submit_time=datetime.fromtimestamp(begun + self.behaviour.submit_off, UTC),
            job=self.job_,
        )
        lag = self.behaviour.shows_after if is_ours else 0.0
        self.shown.append(
            Shown(
                *(instance, begun + lag, is_ours),
                begun + (self.seconds if seconds is None else seconds),
                self.switch.key if is_ours else "",
            )
        )
        return run_id

    def true_now(self) -> float:
        """Alma's time, which does not jump when this machine's does."""
        return self.time.now() - self.time.jump

    def _call(self) -> None:
        self.switch.moment()
        self.time.advance(0.1)
        self.switch.moment()

    def _stranger_acts(self) -> None:
        if self.stranger_at is not None and self.true_now() >= self.stranger_at:
            at, self.stranger_at = self.stranger_at, None
            self.begin(
                self.job_.name, is_ours=False, by=self.stranger.by, at=at, seconds=self.stranger.seconds
            )

    def _now(self, item: Shown) -> Instance:
        if self.true_now() < item.ends:
            return item.instance
        return replace(
            item.instance,
            status=Code("COMPLETED_SUCCESS"),
            end_time=datetime.fromtimestamp(item.ends, UTC),
        )


def _day(instance: Instance) -> date:
    assert isinstance(instance.submit_time, datetime)
    return instance.submit_time.date()


class ModelLedger(Ledger):
    """The ledger over a place in memory; each change is two moments at which the process may die.

    Args:
        shared: with whom; a host of its own where not given.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self.switch = Switch()
        self.memory = MemoryPlace(shared or Shared(), on_step=self._step)
        self.newest = ""
        super().__init__(self.memory)

    def records(self) -> list[Record]:
        """Return all records, the oldest first."""
        return list_records(self)

    def end_process(self) -> None:
        """End whatever process has used it: it holds nothing any more."""
        self.memory.close()

    def restore(self, rows: dict[str, str]) -> None:
        """Put it back to what a backup has; the name of the newest record stands beside it."""
        self.memory.shared.rows = dict(rows)

    def _read_newest(self) -> str:
        return self.newest

    def _note_newest(self, record: Record) -> None:
        self.newest = record.id

    def _step(self, step: Step) -> None:
        if step in (Step.CHANGE, Step.COMMITTED):
            self.switch.moment()


def make_deps(target: Target, alma: ModelAlma, ledger: ModelLedger, switch: Switch) -> Deps:
    """Return what one process starts with; it dies where the switch says."""
    # All before it are dead.
    ledger.end_process()
    alma.switch = ledger.switch = switch
    return Deps(target, cast(Alma, alma), ledger, ledger.place.locks, alma.time.clock)
