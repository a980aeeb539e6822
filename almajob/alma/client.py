"""Alma's calls, one method an endpoint: values in, models out.

Source: the Configuration API, https://developers.exlibrisgroup.com/alma/apis/conf/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar, NoReturn
from urllib.parse import urlencode

from almajob.alma import request_body
from almajob.alma.http.file_download import Write
from almajob.alma.http.response import Reading
from almajob.alma.http.session import Body, Session
from almajob.alma.job_instances import Event, Instance, Match, Page, Submission
from almajob.alma.models import Code, General, Job, JobFilter, Parameter, code_table_from_json
from almajob.alma.rate_limit.limiter import Permit
from almajob.alma.sets import Set
from almajob.errors import NotAlma

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


class Alma:
    """One Alma environment. Every method may raise what ``Session.get`` and ``Session.post`` raise."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def jobs_page(self, wanted: JobFilter, offset: int) -> Page[Job]:
        """Read the page of the job list that begins behind so many jobs."""
        params: dict[str, str | int] = {**wanted.to_params(), "limit": PAGE, "offset": offset}
        return Page.of(self._session.get("/conf/jobs", params).document, "job", Job.from_json)

    def job(self, job_id: str) -> Job:
        """Read one job, with its description and content."""
        found = Job.from_json(self._session.get(f"/conf/jobs/{_segment(job_id)}").document)
        return found if found.id == job_id else _raise_other("job", job_id, found.id)

    def submit_request(
        self, job_id: str, parameters: Sequence[Parameter] = (), *, as_xml: bool = False
    ) -> SubmitRequest:
        """Return what ``submit`` sends, without sending it."""
        path = f"/conf/jobs/{_segment(job_id)}"
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
        """Start a job: one POST, never repeated; the last two as for ``Session.post``."""
        request = self.submit_request(job_id, parameters, as_xml=as_xml)
        reading = self._session.post(
            request.path, request.params, request.body, permit=permit, before_sending=before_sending
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
    def is_quota_low(self) -> bool:
        """Whether few calls are left for the day, so that what can wait should."""
        return self._session.limiter is not None and self._session.limiter.is_low

    def set(self, set_id: str) -> Set:
        """Read one set, with the number of its members."""
        found = Set.from_json(self._session.get(f"/conf/sets/{_segment(set_id)}").document)
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
    ) -> tuple[Page[Instance], Reading]:
        """Read one page of a job's runs, and the answer's time.

        Args:
            since, until: days of their submission, both included; in whose time zone is not documented.
            status: only with this one, a code of ``systemJobStatus``.
            offset: how many to pass over; Alma gives the newest first.
            patience: as for ``Session.get``.
        """
        filters = {"submit_date_from": since, "submit_date_to": until}
        params: dict[str, str | int] = {name: day.isoformat() for name, day in filters.items() if day}
        if status:
            params["status"] = status
        params |= {"limit": PAGE, "offset": offset}
        path = f"/conf/jobs/{_segment(job_id)}/instances"
        reading = self._session.get(path, params, patience=patience)
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
        path = f"/conf/code-tables/{_segment(name)}"
        return code_table_from_json(self._session.get(path, patience=_ADORNMENT_SECONDS).document)

    def general(self) -> General:
        """Ask which institution and which kind of environment the key leads to."""
        return General.from_json(self._session.get("/conf/general").document)

    def test_read(self) -> str:
        """Ask whether the key may read the configuration area, and of which institution."""
        return _read_test_answer(self._session.get("/conf/test").document)

    def test_write(self) -> None:
        """Ask whether the key may write to the configuration area; changes nothing."""
        self._session.post("/conf/test", {}, {})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _of_run(instance_id: str, job_id: str = ANY_JOB) -> str:
    return f"/conf/jobs/{_segment(job_id)}/instances/{_segment(instance_id)}"


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
            f"The answer about run {instance_id} is an old one.",
            reason="A proxy answered with what Alma said before; that proves no end.",
            hint="Have the proxy pass Alma's answers on as they are; then try again.",
        )
    return found


def _segment(text: str) -> str:
    """Make sure that an id is one segment of the path, and cannot lead to another call.

    Quoting would not do: requests takes ``%2E%2E`` for ``..``.
    """
    if not re.fullmatch(r"\w+", text, re.ASCII):
        raise NotAlma(f"{text!r} is not an id of Alma's.", hint="Check region or base_url in the ini.")
    return text


def _raise_other(message: str, wanted: str, found: str) -> NoReturn:
    raise NotAlma(
        f"The answer about {message} {wanted} is about {message} {found}."
        if found
        else f"The answer about {message} {wanted} has no {message} in it.",
        hint="Try again; if it stays, check region or base_url in the ini.",
    )


def _read_test_answer(raw: dict[str, object]) -> str:
    """Of an answer whose form is "subject to changes", give only what is known of it: the institution."""
    found = re.search(r"institutionCode: (\w+)", Code.from_json(raw.get("test", raw)).value)
    return found[1] if found else ""
