"""The whole job list, while it shifts under the reader."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date

import pytest
from werkzeug import Request, Response

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import JobFilter
from almajob.alma.pagination import read_instances, read_jobs
from almajob.errors import AlmaRefused
from tests.support.fake_alma import KEY, FakeAlma, answer, error, instance, job

JOBS = [job(f"S{number}", f"Job {number}") for number in range(1, 1001)]


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    made = Alma(Session(alma.url, Key(KEY)))
    yield made
    made.close()


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (1000, 10)])
def test_n_jobs_take_a_hundredth_of_n_calls(alma: FakeAlma, connection: Alma, count: int, calls: int) -> None:
    """Every job comes, in Alma's order, by as few calls as its page size allows."""
    alma.jobs(JOBS[:count])
    jobs, complete = read_jobs(connection, JobFilter())
    assert [found.id for found in jobs] == [item["id"] for item in JOBS[:count]]
    assert complete
    assert len(alma.calls()) == calls


def test_the_filters_are_almas_own(alma: FakeAlma, connection: Alma) -> None:
    """type, category and profile_id are sent under these names, on every page; empty ones are not sent."""
    alma.jobs(JOBS[:150])
    read_jobs(connection, JobFilter(type="SCHEDULED", category="ERP", profile_id="77"))
    for request in alma.requests:
        sent = request.args.to_dict()
        assert (sent["type"], sent["category"], sent["profile_id"]) == ("SCHEDULED", "ERP", "77")
    read_jobs(connection, JobFilter(type="MANUAL"))
    assert set(alma.requests[-1].args) == {"type", "limit", "offset"}


def test_eight_pages_are_under_way_at_once_and_no_more(alma: FakeAlma, connection: Alma) -> None:
    """Eight answers are held until eight have come; a ninth would break the barrier."""
    together = threading.Barrier(8)
    now, most, lock = [0], [0], threading.Lock()

    def page(request: Request) -> Response:
        offset = int(request.args["offset"])
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        if offset:
            together.wait(timeout=10)
        with lock:
            now[0] -= 1
        return answer({"job": JOBS[offset % 1000 : offset % 1000 + 100], "total_record_count": 1700})

    alma.on("GET /jobs", page)
    read_jobs(connection, JobFilter())
    assert most[0] == 8


@pytest.mark.parametrize("total", [20_000, 10_000_000])
def test_a_wrong_count_does_not_lead_to_endless_pages(alma: FakeAlma, connection: Alma, total: int) -> None:
    """Alma counts more than it lists: pages that are all empty end the reading."""

    def page(request: Request) -> Response:
        offset = int(request.args["offset"])
        return answer({"job": JOBS[offset : offset + 50] if offset < 50 else [], "total_record_count": total})

    alma.on("GET /jobs", page)
    jobs, complete = read_jobs(connection, JobFilter())
    assert (len(jobs), complete) == (50, False)
    assert len(alma.calls()) == 2 * 9


def test_one_page_again_and_again_is_not_read_for_ever(alma: FakeAlma, connection: Alma) -> None:
    """A broken gateway's answer to every call: what it lists comes once, and the list is not complete."""
    run = instance("77", JOBS[0], "RUNNING")
    alma.on("GET /jobs", {"job": JOBS[:12], "total_record_count": 10**9})
    alma.on("GET /jobs/S1/instances", {"job_instance": [run], "total_record_count": 10**9})
    jobs, complete = read_jobs(connection, JobFilter())
    assert (len(jobs), complete) == (12, False)
    assert len(alma.calls()) == 2 * 9
    day = date(2025, 10, 5)
    listing = read_instances(connection, "S1", since=day, until=day)
    assert ([found.id for found in listing.instances], listing.is_complete) == (["77"], False)
    assert len(alma.calls()) == 2 * 9 + 2


@pytest.mark.parametrize(
    ("there", "counted", "calls", "is_complete"),
    [
        (0, 0, 1, True),
        (99, 99, 1, True),
        # A count that ends where a page does may be one that does not go on.
        (100, 100, 2, True),
        (150, 100, 2, True),
        (200, 100, 3, True),
        (200, 200, 3, True),
        (101, 101, 2, True),
        (100, 101, 2, False),
    ],
)
def test_runs_behind_a_full_page_are_seen(
    alma: FakeAlma, connection: Alma, there: int, counted: int, calls: int, is_complete: bool
) -> None:
    """Only a page with room left proves that a run is not there; a short list costs no call more."""
    runs = [instance(str(number), JOBS[0], "RUNNING") for number in range(1, there + 1)]

    def page(request: Request) -> Response:
        offset = int(request.args["offset"])
        return answer({"job_instance": runs[offset : offset + 100], "total_record_count": counted})

    alma.on("GET /jobs/S1/instances", page)
    day = date(2025, 10, 5)
    listing = read_instances(connection, "S1", since=day, until=day)
    assert (len(listing.instances), listing.is_complete) == (there, is_complete)
    assert len(alma.calls()) == calls


def test_a_first_page_of_one_job_is_no_size_to_go_on_by(alma: FakeAlma, connection: Alma) -> None:
    """Twenty thousand calls for a list are none that Alma's owner would forgive."""
    alma.on("GET /jobs", {"job": JOBS[:1], "total_record_count": 20_000})
    jobs, complete = read_jobs(connection, JobFilter())
    assert (len(jobs), complete) == (1, False)
    assert len(alma.calls()) == 2


def test_a_job_that_comes_twice_is_listed_once(alma: FakeAlma, connection: Alma) -> None:
    """A job inserted meanwhile shifts the pages: one comes twice, and none is lost after a second reading."""
    calls = []

    def page(request: Request) -> Response:
        offset = int(request.args["offset"])
        calls.append(offset)
        # Only during the first reading is the second page shifted by one.
        shift = 1 if offset and len(calls) <= 2 else 0
        return answer(
            {"job": JOBS[offset - shift : offset - shift + 100][: 120 - offset], "total_record_count": 120}
        )

    alma.on("GET /jobs", page)
    jobs, complete = read_jobs(connection, JobFilter())
    assert complete
    assert [found.id for found in jobs] == [item["id"] for item in JOBS[:120]]
    assert calls == [0, 100, 0, 100]


def test_a_list_that_stays_short_is_said_to_be(
    alma: FakeAlma, connection: Alma, caplog: pytest.LogCaptureFixture
) -> None:
    """Alma counts more than it lists: what came is given, with a warning."""
    alma.on("GET /jobs", {"job": JOBS[:5], "total_record_count": 6})
    with caplog.at_level("WARNING", "almajob"):
        jobs, complete = read_jobs(connection, JobFilter())
    assert (len(jobs), complete) == (5, False)
    assert "counts 6 jobs and listed 5" in caplog.text


def test_a_page_that_fails_fails_the_list(alma: FakeAlma, connection: Alma) -> None:
    """Nine tenths of a list are no list."""

    def page(request: Request) -> Response:
        if request.args["offset"] == "500":
            return answer(error("402219"), 400)
        offset = int(request.args["offset"])
        return answer({"job": JOBS[offset : offset + 100], "total_record_count": 1000})

    alma.on("GET /jobs", page)
    with pytest.raises(AlmaRefused):
        read_jobs(connection, JobFilter())
