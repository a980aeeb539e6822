"""Alma's eight Jobs calls over a world: list, get, submit, instances, instance, download, events, matches.

Paths, parameters, limits and codes: https://developers.exlibrisgroup.com/alma/apis/docs/conf/
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from operator import attrgetter
from typing import Any, TypeVar

from almajob.alma.status_codes import STATUSES
from almajob.simulator.errors import Refusal
from almajob.simulator.http.messages import Call, Reply, document_in, text_of
from almajob.simulator.world import reports
from almajob.simulator.world.job_data import SimulatedJob
from almajob.simulator.world.run import Run
from almajob.simulator.world.world import World

T = TypeVar("T")
Document = dict[str, Any]
# For how long a run cannot be seen under the faults of that name, in seconds.
HIDDEN_SECONDS = 60.0
_DAY = 86400.0
_MARC = (
    '<?xml version="1.0" encoding="UTF-8"?><collection xmlns="http://www.loc.gov/MARC21/slim">'
    "<record><leader>00000nam a2200000 a 4500</leader></record></collection>"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call as the API's functions see it.

    Attributes:
        base: scheme, host and port under which the simulator was called, for absolute links.
        now: the world's time, one for the whole answer.
        faults: the names of the faults that change what is answered to this call.
    """

    world: World
    call: Call
    base: str
    now: float
    faults: frozenset[str] = frozenset()


def job_list(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/jobs."""
    query, world = exchange.call.query, exchange.world
    wanted_type = query.get("type", "").upper()
    if wanted_type not in ("", "MANUAL", "SCHEDULED", "OTHER"):
        raise Refusal("40166410", "type")
    category = query.get("category", "")
    if category and category not in {job.category for job in world.jobs}:
        raise Refusal("40166410", "category")
    # An empty profile_id filters nothing, as in Alma, where it answers with unrelated jobs.
    profile = query.get("profile_id", "")
    found: Sequence[SimulatedJob] = world.jobs
    # Of many jobs each page is asked for by itself.
    if wanted_type or category or profile:
        found = [
            job
            for job in world.jobs
            if wanted_type in ("", job.type)
            and category in ("", job.category)
            and (not profile or (job.type == "SCHEDULED" and job.profile_id == profile))
        ]
    if "pages-shift" in exchange.faults and found:
        # A job was added before this page while the list was read.
        found = [replace(found[0], id=f"M{exchange.now:.0f}", name="00 added meanwhile"), *found]
    return "jobs", page(exchange, "job", found, lambda job: job.list_entry(exchange.base))


def job_get(exchange: Exchange, job_id: str) -> tuple[str, Document]:
    """GET /conf/jobs/{job_id}."""
    return "job", find_job(exchange, job_id).detail(exchange.base)


def job_submit(exchange: Exchange, job_id: str) -> tuple[str, Document]:
    """POST /conf/jobs/{job_id}?op=run."""
    operation = exchange.call.query.get("op")
    if operation != "run":
        raise Refusal("402221" if operation else "402220")
    job = find_job(exchange, job_id)
    parameters = _parameters(exchange.call)
    run = exchange.world.submit(job, parameters)
    document = job.detail(exchange.base)
    link = document.pop("link")
    if parameters:
        document["parameter"] = [{"name": {"value": name}, "value": value} for name, value in parameters]
    if "no-link" not in exchange.faults:
        document["additional_info"] = {
            "value": f"Job no. {run.id} triggered on {formatdate(run.submitted, usegmt=True)}",
            "link": f"{_link_base(exchange)}/almaws/v1/conf/jobs/{job.id}/instances/{run.id}",
        }
    return "job", {**document, "link": link}


def _link_base(exchange: Exchange) -> str:
    if "relative-link" in exchange.faults:
        return ""
    return "https://elsewhere.invalid" if "foreign-link" in exchange.faults else exchange.base


def instance_list(exchange: Exchange, job_id: str) -> tuple[str, Document]:
    """GET /conf/jobs/{job_id}/instances, newest first."""
    query, now = exchange.call.query, exchange.now
    job = find_job(exchange, job_id)
    status = query.get("status", "")
    if status and status not in STATUSES:
        raise Refusal("40166410", "status")
    first, last = (_date(query.get(name, "")) for name in ("submit_date_from", "submit_date_to"))
    runs = exchange.world.runs(job.id)
    if "listing-lag" in exchange.faults:
        runs = [run for run in runs if now - run.submitted >= HIDDEN_SECONDS]
    if first is not None:
        runs = runs[bisect_left(runs, first, key=attrgetter("submitted")) :]
    if last is not None:
        # The last day is included.
        runs = runs[: bisect_left(runs, last + _DAY, key=attrgetter("submitted"))]
    if status:
        runs = [run for run in runs if (run.plan.status if now >= run.ends else run.state(now)) == status]
    return "job_instances", page(exchange, "job_instance", runs[::-1], lambda run: _instance(exchange, run))


def instance_get(exchange: Exchange, job_id: str, instance_id: str) -> tuple[str, Document]:
    """GET /conf/jobs/{job_id}/instances/{instance_id}; the job may be ALL."""
    return "job_instance", _instance(exchange, find_run(exchange, job_id, instance_id))


def instance_download(exchange: Exchange, job_id: str, instance_id: str) -> Reply:
    """GET …/instances/{instance_id}/download: the records that an import loaded."""
    run = find_run(exchange, job_id, instance_id)
    kind = exchange.call.query.get("download_format", "XML").upper()
    if not reports.is_import(run.job) or kind not in ("XML", "BINARY"):
        raise Refusal("402218")
    body = _MARC.encode() if kind == "XML" else b"00026nam a2200025 a 4500\x1e\x1d"
    name = f"{run.id}.{'xml' if kind == 'XML' else 'mrc'}"
    content_type = "application/xml" if kind == "XML" else "application/octet-stream"
    return Reply(200, body, content_type, (("Content-Disposition", f'attachment; filename="{name}"'),))


def instance_events(exchange: Exchange, job_id: str, instance_id: str) -> tuple[str, Document]:
    """GET …/instances/{instance_id}/events: the users that a SIS job rejected."""
    run = find_run(exchange, job_id, instance_id)
    if not reports.is_sis(run.job):
        raise Refusal("60332")
    events = [
        {
            "id": f"{run.id}-{number}",
            "entity": {"value": f"user{number:03d}", "desc": "User"},
            "message": "The user group is not valid.",
        }
        for number in range(12)
    ]
    return "events", page(exchange, "event", events)


def instance_matches(exchange: Exchange, job_id: str, instance_id: str) -> tuple[str, Document]:
    """GET …/instances/{instance_id}/matches: what an import found already there."""
    run = find_run(exchange, job_id, instance_id)
    population = exchange.call.query.get("population", "")
    if population not in ("SINGLE_MATCHES", "MULTI_MATCHES"):
        raise Refusal("40166410", "Population value is invalid.")
    if not reports.is_import(run.job):
        raise Refusal("402119")
    each = 1 if population == "SINGLE_MATCHES" else 2
    count = dict(reports.POPULATIONS)[population]
    found = [
        {
            "incoming_record_id": f"in-{run.id}-{number}",
            "mms_ids": ",".join(
                str(99_100_000_000_561 + (number * each + item) * 10_000) for item in range(each)
            ),
        }
        for number in range(count)
    ]
    return "matches", page(exchange, "match", found)


def find_job(exchange: Exchange, job_id: str) -> SimulatedJob:
    """Find a job by its id, or refuse as Alma does."""
    if not re.fullmatch(r"[MSO][0-9]{1,20}", job_id):
        raise Refusal("402215")
    job = exchange.world.job(job_id)
    if job is None:
        raise Refusal("402216")
    return job


def find_run(exchange: Exchange, job_id: str, instance_id: str) -> Run:
    """Find a run by its id and its job's, which may be ALL, or refuse as Alma does."""
    if job_id != "ALL":
        find_job(exchange, job_id)
    run = exchange.world.run(instance_id)
    if run is None or job_id not in ("ALL", run.job.id):
        raise Refusal("402218")
    if "late-start" in exchange.faults and exchange.now - run.submitted < HIDDEN_SECONDS:
        raise Refusal("402218")
    return run


def page(
    exchange: Exchange, name: str, items: Sequence[T], show: Callable[[T], Any] = lambda item: item
) -> Document:
    """Return the page of a list that was asked for: 10 items where no limit is given, 100 at most."""
    query = exchange.call.query
    limit, offset = query.get("limit") or "10", query.get("offset") or "0"
    if not re.fullmatch("[0-9]{1,9}", limit) or not re.fullmatch("[0-9]{1,9}", offset) or int(limit) > 100:
        raise Refusal("40166410", "limit or offset")
    shown = [show(item) for item in items[int(offset) : int(offset) + int(limit)]]
    # Alma leaves the array out where it is empty.
    return ({name: shown} if shown else {}) | {"total_record_count": len(items)}


def _instance(exchange: Exchange, run: Run) -> Document:
    document = run.instance(exchange.base, exchange.now)
    if "unknown-status" in exchange.faults:
        document["status"] = {"value": "BRAND_NEW_STATUS"}
    return document


def _date(text: str) -> float | None:
    """Read a day as the time at which it begins."""
    if not text:
        return None
    try:
        return datetime.strptime(text.removesuffix("Z"), "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal("402217") from None


def _parameters(call: Call) -> list[tuple[str, str]]:
    """Read a start's parameters; the other members of a job that is sent back are passed over."""
    listed = document_in(call).get("parameter") or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise Refusal("402119")
    return [(text_of(item.get("name")), text_of(item.get("value"))) for item in listed]
