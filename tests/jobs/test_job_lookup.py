"""A job by its name or id: exactly one, or an error that helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import Job, JobFilter
from almajob.errors import Refused, Unreachable
from almajob.jobs.job_lookup import Catalogue, find_matches, named_like
from almajob.store.cache import Cache
from tests.support.fake_alma import KEY, FakeAlma, answer, error, job

JOBS = [
    job("M1", "00806748 test", "MANUAL"),
    job("M2", "20190311", "MANUAL"),
    job("M3", "gift", "MANUAL", "MARC21BIB_NORMALIZATION"),
    job("M4", "gift", "MANUAL", "UNIMARCBIB_NORMALIZATION"),
    job("M5", "Handle Duplicated Bibs  Job", "MANUAL"),
    job("S6", "ERP export using profile FINANCE"),
    job("S7", "M3"),
    job("M8", "change 852 indicator 1=1 to =0", "MANUAL"),
]
Make = Callable[..., Catalogue]


@pytest.fixture
def make(alma: FakeAlma, tmp_path: Path) -> Iterator[Make]:
    cache = Cache(tmp_path / "cache")
    connection = Alma(Session(alma.url, Key(KEY)))

    def catalogue(*, refresh: bool = False, identity: str = "one") -> Catalogue:
        return Catalogue(lambda: connection, cache, environment="sandbox", identity=identity, refresh=refresh)

    yield catalogue
    cache.close()
    connection.close()


@pytest.mark.parametrize(
    ("text", "job_id"),
    [
        ("00806748 test", "M1"),
        ("M1", "M1"),
        ("20190311", "M2"),
        ("Handle Duplicated Bibs  Job", "M5"),
        ("ERP export using profile FINANCE", "S6"),
        ("M3", "M3"),
        ("change 852 indicator 1=1 to =0", "M8"),
    ],
)
def test_one_job_has_this_name_or_id(alma: FakeAlma, make: Make, text: str, job_id: str) -> None:
    """The first of the list like any other; all digits, two blanks, an equals sign; an id before a name."""
    alma.jobs(JOBS)
    make().jobs()
    assert make().find(text).id == job_id


@pytest.mark.parametrize(
    "text", ["gift", "Gift", "Handle Duplicated Bibs Job", "20190311 ", "erp export", "S99"]
)
def test_a_name_must_match_exactly_one_job(alma: FakeAlma, make: Make, text: str) -> None:
    """Otherwise the candidates with their ids, or the three nearest names."""
    alma.jobs(JOBS)
    alma.on("GET /jobs/S99", error("402216"), status=400)
    with pytest.raises(Refused) as caught:
        make().find(text)
    message = str(caught.value)
    if text == "gift":
        assert "M3" in message
        assert "M4" in message
        assert "--job ID" in message
    else:
        assert len(re.findall(r"'.+?' \([MS]\d+\)", message)) == 3
    assert len(message.splitlines()) <= 6


def test_many_candidates_are_not_all_shown(alma: FakeAlma, make: Make) -> None:
    """Ten are, and how many more there are."""
    alma.jobs([job(f"M{number}", "same") for number in range(30)])
    with pytest.raises(Refused, match="and 20 more"):
        make().find("same")


def test_an_empty_environment_has_no_nearest_name(alma: FakeAlma, make: Make) -> None:
    """And says so."""
    alma.on("GET /jobs", {"total_record_count": 0})
    with pytest.raises(Refused, match="lists no jobs"):
        make().find("x")


def test_a_list_is_kept_and_not_asked_for_again(alma: FakeAlma, make: Make) -> None:
    """One call for many questions; --refresh makes it anew and keeps the new one."""
    alma.jobs(JOBS)
    assert make().jobs() == make().jobs()
    assert len(alma.calls()) == 1
    alma.jobs([*JOBS, job("M9", "new")])
    assert len(make().jobs()) == len(JOBS)
    assert len(make(refresh=True).jobs()) == len(JOBS) + 1
    assert len(make().jobs()) == len(JOBS) + 1
    assert len(alma.calls()) == 2


def test_each_filter_and_each_alma_has_a_list_of_its_own(alma: FakeAlma, make: Make) -> None:
    """Another key or address never sees this one's list."""
    alma.jobs(JOBS)
    make().jobs()
    make().jobs(JobFilter(type="MANUAL"))
    make(identity="two").jobs()
    assert len(alma.calls()) == 3


def test_a_name_that_the_kept_list_lacks_is_looked_for_in_a_new_one(alma: FakeAlma, make: Make) -> None:
    """A job that was made today is found today."""
    alma.jobs(JOBS)
    make().jobs()
    alma.jobs([*JOBS, job("M9", "new")])
    assert make().find("new").id == "M9"


def test_an_id_is_asked_for_without_the_list(alma: FakeAlma, make: Make) -> None:
    """One call instead of a page for every hundred jobs."""
    alma.jobs(JOBS)
    assert make().find("S6").name == "ERP export using profile FINANCE"
    assert alma.calls() == ["GET /jobs/S6"]


def test_a_list_that_names_another_job_leads_nowhere(alma: FakeAlma, make: Make) -> None:
    """The id belongs to another job by now, or the list was tampered with."""
    alma.jobs(JOBS)
    make().jobs()
    alma.on("GET /jobs/S6", job("S6", "Delete all records"))
    with pytest.raises(Refused, match="S6 is not the job that was asked for") as caught:
        make().current("ERP export using profile FINANCE")
    assert "ERP export" in caught.value.reason


def test_a_name_in_a_list_with_gaps_is_not_believed(alma: FakeAlma, make: Make) -> None:
    """Another job of that name may be in the gap; by its id the job is found all the same."""
    alma.on("GET /jobs", {"job": JOBS, "total_record_count": len(JOBS) + 1})
    alma.on("GET /jobs/S6", JOBS[5])
    with pytest.raises(Refused, match="has gaps"):
        make().find("ERP export using profile FINANCE")
    assert make().find("S6").id == "S6"


def test_a_job_is_read_once_however_it_is_named(alma: FakeAlma, make: Make) -> None:
    """By its id with one call; by a name of the kept list with one, too."""
    alma.jobs(JOBS)
    assert make().current("S6").name == "ERP export using profile FINANCE"
    assert alma.calls() == ["GET /jobs/S6"]
    make().jobs()
    assert make().current("ERP export using profile FINANCE").id == "S6"
    assert alma.calls()[2:] == ["GET /jobs/S6"]


def test_a_list_with_gaps_is_not_kept(alma: FakeAlma, make: Make) -> None:
    """It is asked for again next time."""
    alma.on("GET /jobs", {"job": JOBS, "total_record_count": len(JOBS) + 1})
    make().jobs()
    calls = len(alma.calls())
    make().jobs()
    assert len(alma.calls()) == 2 * calls


def test_an_error_about_an_id_is_not_no_such_job(alma: FakeAlma, make: Make) -> None:
    """Only Alma's own "no such job" is; an Alma that fails has not said so."""
    alma.on("GET /jobs/S6", answer(error("GENERAL_ERROR"), 500))
    with pytest.raises(Exception, match="failed"):
        make().find("S6")
    alma.on("GET /jobs/S6", answer({}, 404))
    with pytest.raises(Unreachable):
        make().find("S6")
    alma.on("GET /jobs/S6", answer(error("402220"), 400))
    with pytest.raises(Exception, match="refused"):
        make().find("S6")


def test_an_empty_list_is_not_kept(alma: FakeAlma, make: Make) -> None:
    """It may be right in a minute."""
    alma.on("GET /jobs", {"total_record_count": 0})
    assert make().jobs() == []
    assert make().jobs() == []
    assert len(alma.calls()) == 2


def test_patterns_are_the_shells_and_the_case_does_not_matter() -> None:
    """Star, question mark, classes; without them the whole name."""
    jobs = [Job(item["id"], item["name"]) for item in JOBS]
    assert [found.id for found in named_like(jobs, "*erp*")] == ["S6"]
    assert [found.id for found in named_like(jobs, "GIF?")] == ["M3", "M4"]
    assert [found.id for found in named_like(jobs, "[02]0*")] == ["M1", "M2"]
    assert named_like(jobs, "gif") == []


def test_a_job_that_is_listed_twice_matches_once() -> None:
    """The list can shift between pages."""
    assert len(find_matches([Job("M1", "a"), Job("M1", "a")], "a")) == 1
