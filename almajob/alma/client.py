"""Alma's calls, one method an endpoint: values in, models out.

Source: the Configuration API, https://developers.exlibrisgroup.com/alma/apis/conf/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlencode

from almajob.alma import any_endpoint, request_body
from almajob.alma.changes import Changes
from almajob.alma.http.error_responses import PER_SECOND_THRESHOLD
from almajob.alma.http.file_download import Write
from almajob.alma.http.path import check_id, fill_path
from almajob.alma.http.response import Reading
from almajob.alma.http.session import ATTEMPTS, Body, Session
from almajob.alma.job_instances import Event, Instance, Match, Page, Submission
from almajob.alma.list_pages import Member, page_of_members, read_members
from almajob.alma.models import Code, General, Job, JobFilter, Parameter, code_table_from_json
from almajob.alma.rate_limit.limiter import Permit
from almajob.alma.sets import Set
from almajob.errors import AlmaRefused, ConfigurationError, KeyRefused, NotAlma, NotConfirmed, Refused
from almajob.system.sharing.made_once import Making, made_once
from almajob.text.busy import Busy
from almajob.text.redaction import Sealed

PAGE = 100
"""Alma's largest page."""
ANY_JOB = "ALL"
"""Stands for the job's id where only the instance is known."""
_ADORNMENT_SECONDS = 10.0
_JOB_ID = re.compile(r"[MSO][0-9]+")


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """The one POST that starts a job.

    Attributes:
        base: the address up to ``/almaws/v1``.
        path: below it.
        parameters: in the order in which they are sent.
        as_xml: send them as XML, in the form of Alma's API Information panel; else as JSON.
    """

    base: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    as_xml: bool = False

    method: ClassVar[str] = "POST"
    params: ClassVar[dict[str, str | int]] = {"op": "run"}

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.base}{self.path}?{urlencode(self.params)}"

    @property
    def body(self) -> Body:
        """What is sent."""
        if self.as_xml:
            return request_body.to_xml(self.parameters).encode()
        return request_body.to_document(self.parameters)


class Alma(Sealed):
    """One Alma environment: ``call`` and ``pages`` reach any endpoint; all else is almajob's own.

    Every method may raise ``Unreachable``, ``ConfigurationError`` and ``AlmaError`` with its kinds.

    Args:
        is_production: whether what is changed there needs somebody's consent.

    Attributes:
        changes: what ``call`` has sent to change something.
    """

    def __init__(self, session: Session, *, is_production: bool = False) -> None:
        self._session = session
        self._is_production = is_production
        self._making = Making()
        self.changes = Changes()

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        is_confirmed: bool = False,
        confirm: Callable[[str], bool] | None = None,
    ) -> dict[str, Any]:
        """Call any endpoint of Alma's, such as ``call("GET", "/users/{user_id}", {"user_id": "ada"})``.

        A GET is tried up to four times. All else is sent once, whatever comes of it. Both keep to the rate
        limits, and have a line in the log of calls, with their path and without their query and body.

        Args:
            method: GET, POST, PUT or DELETE.
            path: as Alma documents it, below ``/almaws/v1``: what varies is a name in braces.
            params: what the names in braces stand for, and the query. An id is escaped, so that it can only
                be one segment of the path.
            body: a mapping, which goes as JSON, or XML in bytes; None for none.
            is_confirmed: somebody has agreed to the change. In production, nothing but a GET is sent without
                consent.
            confirm: asks somebody who has not agreed yet, in production only; such as ``asker()``.

        Returns:
            The document of the answer; an empty one if it has no content (HTTP 204). If an endpoint answers
            in XML only, an element that occurs once is not a list.

        Raises:
            OutcomeUnknown: it was sent, and it is unknown whether Alma accepted it. Never for a GET.
            AlmaRefused: Alma refused, and changed nothing.
            QuotaUsedUp: the day's calls are used up; Alma changed nothing.
            Refused: nothing was sent: the environment is read-only (its ``kind`` is ``read_only``), nobody
                has agreed (``not_confirmed``), the path or an id is wrong, or it would start a job.
            AlmaError: Alma does not accept the key (exit code 7), or it failed at a GET (exit code 6).
            ConfigurationError: the key of a sandbox leads to production; nothing was sent.
            Unreachable: nothing was read, or certainly nothing was sent.
        """
        request = any_endpoint.make_request(method, path, params, body)
        if method == "GET":
            return any_endpoint.read(self._session, request.path, request.query)
        self._refuse_unconfirmed(request.name, confirm, is_confirmed=is_confirmed)
        return any_endpoint.write(self._session, request, self.changes)

    def pages(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        member: str = "",
        *,
        may_have_gaps: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Return all members of a list that comes in pages, such as ``pages("/conf/sets")``.

        Each page has 100 members, and up to eight are read at once. The answers need a
        ``total_record_count`` and an array. Members that are there from beginning to end come once. If the
        list shrinks meanwhile, or fewer come than Alma counts, it is read once more for those that are
        missing. One that changes meanwhile may come in both forms. Before you change what you list, take all
        of it: ``list(alma.pages(...))``.

        Args:
            path, params: as for ``call``; almajob adds limit and offset.
            member: the name of the array, where the answer has several.
            may_have_gaps: warn where some may be missing, instead of raising.

        Raises:
            Unreachable: some may be missing, all that came has been returned; or a page could not be read.
            Refused: the path or the array's name is wrong.
        """
        filled, query = fill_path(path, params or {})
        if {"limit", "offset"} & query.keys():
            raise Refused("almajob sets limit and offset itself; nothing was sent.")

        def page_at(offset: int) -> Page[Member]:
            document = any_endpoint.read(self._session, filled, {**query, "limit": PAGE, "offset": offset})
            return page_of_members(document, member, filled)

        return read_members(page_at, filled, self.busy, may_have_gaps=may_have_gaps)

    def _refuse_unconfirmed(
        self, name: str, confirm: Callable[[str], bool] | None, *, is_confirmed: bool
    ) -> None:
        """Refuse a change where none may be made, and one in production that nobody has agreed to.

        Raises:
            ReadOnly: nothing may be changed there.
            NotConfirmed: nobody has agreed.
            ConfigurationError: the key leads to production, and the configuration file says otherwise.
        """
        self._session.refuse_read_only()
        environment = self._session.environment
        # A text such as "no" is true, too.
        if self._is_production and is_confirmed is not True:
            if confirm is not None and True is confirm(f"Send {name} to {_as_production(environment)}?"):
                return
            raise NotConfirmed(
                f"{name} in {environment} was not confirmed; nothing was sent.",
                reason="A change in production must be confirmed.",
                hint="See the command's help for its option to confirm. In Python: is_confirmed=True",
            )
        if not self._is_production and self._leads_to_production:
            raise ConfigurationError(
                f"The key of [{environment}] leads to production; nothing was sent.",
                reason="The configuration file says otherwise.",
                hint="Put a key of the right environment there.\n"
                f"almajob --env {environment} config check shows where a key leads.",
            )

    @made_once
    def _leads_to_production(self) -> bool:
        """Whether Alma says so of the key; one that may not ask is no obstacle."""
        try:
            return self.general().environment_type.lower() == "production"
        except (KeyRefused, AlmaRefused) as refused:
            if refused.code == PER_SECOND_THRESHOLD:
                raise
            return False

    def jobs_page(self, wanted: JobFilter, offset: int) -> Page[Job]:
        """Read the page of the job list that begins behind so many jobs."""
        params: dict[str, str | int] = {**wanted.to_params(), "limit": PAGE, "offset": offset}
        return Page.of(self._session.get("/conf/jobs", params).document, "job", Job.from_json)

    def job(self, job_id: str) -> Job:
        """Read one job, with its description and content."""
        found = Job.from_json(self._session.get(f"/conf/jobs/{check_id(job_id)}").document)
        return found if found.id == job_id else _raise_other("job", job_id, found.id)

    def submit_request(
        self, job_id: str, parameters: Sequence[Parameter] = (), *, as_xml: bool = False
    ) -> SubmitRequest:
        """Return what ``submit`` sends, without sending it."""
        path = f"/conf/jobs/{check_id(job_id)}"
        return SubmitRequest(self._session.url, path, tuple(parameters), as_xml)

    def submit(
        self,
        job_id: str,
        parameters: Sequence[Parameter] = (),
        *,
        as_xml: bool = False,
        permit: Permit | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> Submission:
        """Start a job: one POST, never repeated; the last two as for ``Session.write``."""
        request = self.submit_request(job_id, parameters, as_xml=as_xml)
        reading = self._session.write(
            *(request.method, request.path, request.params, request.body),
            is_start=True,
            permit=permit,
            before_sending=before_sending,
        )
        return replace(Submission.from_json(reading.document), is_replayed=reading.is_replayed)

    def get_start_permit(self) -> Permit:
        """Wait until a start may be sent, as ``Session.get_permit``."""
        return self._session.get_permit(is_start=True)

    def ignore_quota_once(self, *, is_wanted: bool) -> None:
        """Allow one call although the day's are known to be used up, or no more."""
        if self._session.limiter is not None:
            self._session.limiter.ignore_quota_once(is_wanted=is_wanted)

    @property
    def busy(self) -> Busy:
        """What shows people that something is waited for."""
        return self._session.busy

    @property
    def is_quota_low(self) -> bool:
        """Whether few calls are left for the day, so that what can wait should."""
        return self._session.limiter is not None and self._session.limiter.is_low

    @property
    def calls_left(self) -> int | None:
        """How many calls are left for the day, as Alma told last; None where that is not known."""
        limiter = self._session.limiter
        return None if limiter is None else limiter.read_state()[0].quota.left

    def set(self, set_id: str) -> Set:
        """Read one set, with the number of its members."""
        found = Set.from_json(self._session.get(f"/conf/sets/{check_id(set_id)}").document)
        return found if found.id == set_id else _raise_other("set", set_id, found.id)

    def sets_page(self, query: str, offset: int) -> Page[Set]:
        """Read one page of the sets, without their sizes; the query is ``name~My_Set`` or empty."""
        params: dict[str, str | int] = {"q": query} if query else {}
        found = self._session.get("/conf/sets", {**params, "limit": PAGE, "offset": offset})
        return Page.of(found.document, "set", Set.from_json)

    def instances_page(
        self,
        job_id: str,
        *,
        since: date | None = None,
        until: date | None = None,
        status: str = "",
        offset: int,
        patience: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> tuple[Page[Instance], Reading]:
        """Read one page of a job's runs, and the answer's time.

        Args:
            since, until: days of their submission, both included; in whose time zone is not documented.
            status: only with this one, a code of ``systemJobStatus``.
            offset: how many to pass over; Alma gives the newest first.
            patience, attempts: as for ``Session.get``.
        """
        filters = {"submit_date_from": since, "submit_date_to": until}
        params: dict[str, str | int] = {name: day.isoformat() for name, day in filters.items() if day}
        if status:
            params["status"] = status
        params |= {"limit": PAGE, "offset": offset}
        path = f"/conf/jobs/{check_id(job_id)}/instances"
        reading = self._session.get(path, params, patience=patience, attempts=attempts)
        return Page.of(reading.document, "job_instance", Instance.from_json), reading

    def instance(self, instance_id: str, job_id: str = ANY_JOB, *, patience: float | None = None) -> Instance:
        """Read one run of a job; the job need not be known. ``patience`` as for ``Session.get``."""
        reading = self._session.get(_of_run(instance_id, job_id), patience=patience)
        return _as_wanted(reading, instance_id, job_id)

    def look(self, instance_id: str, job_id: str = ANY_JOB, *, patience: float) -> tuple[Instance, Reading]:
        """Read one run, once, and the answer's time; for those who will look again anyway."""
        reading = self._session.get(_of_run(instance_id, job_id), patience=patience, attempts=1)
        return _as_wanted(reading, instance_id, job_id), reading

    def events_page(self, instance_id: str, offset: int) -> Page[Event]:
        """Read one page of a Student Information System run's events: the users that it rejected."""
        found = self._session.get(f"{_of_run(instance_id)}/events", {"limit": PAGE, "offset": offset})
        return Page.of(found.document, "event", Event.from_json)

    def matches_page(self, instance_id: str, population: str, offset: int) -> Page[Match]:
        """Read one page of what an import met in Alma: its SINGLE_MATCHES or MULTI_MATCHES."""
        params: dict[str, str | int] = {"population": population, "limit": PAGE, "offset": offset}
        found = self._session.get(f"{_of_run(instance_id)}/matches", params)
        return Page.of(found.document, "match", Match.from_json)

    def download(self, instance_id: str, *, form: str, line_type: str, write: Write) -> int:
        """Read the file of records that a metadata import loaded.

        Args:
            form: XML or BINARY.
            line_type: which of the report's lines.

        Returns:
            How many bytes came; as many as Alma said that there are.
        """
        params = {"download_format": form, "line_type": line_type}
        return self._session.download(f"{_of_run(instance_id)}/download", params, write)

    def code_table(self, name: str) -> dict[str, str]:
        """Read a code table: code to description; it only adorns, and is not waited for long."""
        path = f"/conf/code-tables/{check_id(name)}"
        return code_table_from_json(self._session.get(path, patience=_ADORNMENT_SECONDS).document)

    def general(self, *, patience: float | None = None) -> General:
        """Ask to which institution and kind of environment the key leads; ``patience`` as for ``get``."""
        return General.from_json(self._session.get("/conf/general", patience=patience).document)

    def test_read(self) -> str:
        """Ask whether the key may read the configuration area, and of which institution."""
        return _read_test_answer(self._session.get("/conf/test").document)

    def test_write(self) -> None:
        """Ask whether the key may write to the configuration area; changes nothing."""
        self._session.write("POST", "/conf/test", {}, {})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _of_run(instance_id: str, job_id: str = ANY_JOB) -> str:
    return f"/conf/jobs/{check_id(job_id)}/instances/{check_id(instance_id)}"


def _as_wanted(reading: Reading, instance_id: str, job_id: str) -> Instance:
    """Read a run; refuse an answer about another one or another job's, and an old one that says it has ended.

    Raises:
        NotAlma: it is one of these.
    """
    found = Instance.from_json(reading.document)
    if found.id != instance_id:
        _raise_other("run", instance_id, found.id)
    named = found.job.id if found.job else ""
    # One that is no id as jobs have them, such as without its letter, says nothing.
    if job_id not in (ANY_JOB, named) and _JOB_ID.fullmatch(named) and _JOB_ID.fullmatch(job_id):
        _raise_other("a run of", job_id, named)
    if reading.is_replayed and found.has_ended:
        raise NotAlma(
            f"The answer about run {instance_id} is outdated.",
            reason="A proxy returned an earlier answer, which does not prove that the run has ended.",
            hint="Set up the proxy not to cache Alma's answers, then try again.",
        )
    return found


def _raise_other(message: str, wanted: str, found: str) -> NoReturn:
    raise NotAlma(
        f"The answer about {message} {wanted} is about {message} {found}."
        if found
        else f"The answer about {message} {wanted} has no {message} in it.",
        hint="Try again. If it persists, check region or base_url in the configuration file.",
    )


def _as_production(environment: str) -> str:
    """Return what a person reads of a production environment, whatever it is called."""
    return environment if environment == "production" else f"{environment}, a production environment"


def _read_test_answer(raw: dict[str, object]) -> str:
    """Of an answer whose form is "subject to changes", give only what is known of it: the institution."""
    found = re.search(r"institutionCode: (\w+)", Code.from_json(raw.get("test", raw)).value)
    return found[1] if found else ""
