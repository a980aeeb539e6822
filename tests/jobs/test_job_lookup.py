"""A job by its name or id: exactly one, or an error that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.models import Job, JobFilter
from almajob.errors import Refused, Unreachable
from almajob.jobs.job_lookup import Catalogue, NoSuchJob, UnclearJob, find_matches, named_like
from almajob.store.cache import Cache
from tests.support.clocks import FastClock
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
    ("text", "kind", "candidates", "told"),
    [
        ("gift", UnclearJob, ["M3", "M4"], "2 jobs have the name or id 'gift'.\n  They are: M3 (MARC21"),
        (" GIFT", UnclearJob, ["M3", "M4"], "2 jobs match ' GIFT'."),
        (
            "Handle Duplicated Bibs Job",
            NoSuchJob,
            ["M5"],
            "'Handle Duplicated Bibs  Job' (M5)?",
        ),
        ("export", NoSuchJob, ["S6"], "Did you mean: 'ERP export using profile FINANCE' (S6)?"),
        ("profile", NoSuchJob, ["S6"], "Did you mean"),
        ("S99", NoSuchJob, [], "No job has the name or id 'S99'.\n  almajob --env sandbox list --name"),
        ("nonsense", NoSuchJob, [], "No job has the name or id 'nonsense'.\n  almajob"),
    ],
)
def test_a_name_must_match_one_job(
    alma: FakeAlma, make: Make, text: str, kind: type[UnclearJob], candidates: list[str], told: str
) -> None:
    """Otherwise the candidates with their ids, or what may be meant; nothing where nothing is near."""
    alma.jobs(JOBS)
    alma.on("GET /jobs/S99", error("402216"), status=400)
    with pytest.raises(Refused) as caught:
        make().find(text)
    assert type(caught.value) is kind
    assert [job.id for job in caught.value.candidates] == candidates
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 6


@pytest.mark.parametrize(
    ("text", "job_id"),
    [
        ("m8", "M8"),
        ("erp EXPORT using profile Finance", "S6"),
        (" 20190311\t", "M2"),
        ("handle duplicated bibs  job", "M5"),
        ("e\u0301xport combin\u0301e", "S9"),
        ("\u00c9XPORT COMBI\u0143E", "S9"),
        ("finance", "S6"),
    ],
)
def test_what_is_no_other_name_is_forgiven(
    alma: FakeAlma, make: Make, caplog: pytest.LogCaptureFixture, text: str, job_id: str
) -> None:
    """Case, Unicode form, blanks at the ends, and a profile's name alone; which job it is, is told."""
    alma.jobs([*JOBS, job("S9", "\u00e9xport combi\u0144e")])
    with caplog.at_level("INFO"):
        found = make().find(text)
    assert found.id == job_id
    assert [record.getMessage() for record in caplog.records if record.getMessage().startswith("Using ")] == [
        f"Using the job {found.name!r} ({job_id}) for {text!r}."
    ]


def test_the_exact_name_is_never_passed_over_for_one_that_is_forgiven(
    alma: FakeAlma, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Two jobs may differ by nothing else; nor is one forgiven by a list that may be old."""
    alma.jobs([job("M1", "Loans"), job("M2", "loans"), job("M3", "LOANS ")])
    make().jobs()
    with caplog.at_level("INFO"):
        assert [make().find(name).id for name in ("Loans", "loans", "LOANS ")] == ["M1", "M2", "M3"]
    assert "taken for" not in caplog.text
    with pytest.raises(UnclearJob, match="3 jobs match 'LoanS'"):
        make().find("LoanS")
    alma.jobs([job("M1", "Loans")])
    make(refresh=True).jobs()
    alma.jobs([job("M1", "Loans"), job("M4", "LOANS")])
    assert make().find("LOANS").id == "M4"


def test_a_forgiven_name_in_a_list_with_gaps_is_not_believed(alma: FakeAlma, make: Make) -> None:
    """The job of exactly this name may be in the gap."""
    alma.on("GET /jobs", {"job": JOBS, "total_record_count": len(JOBS) + 1})
    with pytest.raises(Refused, match="has gaps"):
        make().find("erp EXPORT using profile Finance")


@pytest.mark.parametrize(
    ("listed", "related", "told"),
    [
        ([JOBS[5]], "7562275960000561", ""),
        ([JOBS[5]], "", ""),
        ([JOBS[5]], "7562275970000561", "1 jobs are of the profile"),
        ([JOBS[5], JOBS[6]], "", "2 jobs are of the profile 7562275960000561.\n  They are: S6"),
        ([], "", "No job is of the profile 7562275960000561."),
    ],
)
def test_a_profile_finds_its_one_job(
    alma: FakeAlma, make: Make, listed: list[dict[str, Any]], related: str, told: str
) -> None:
    """Asked of Alma each time; what Alma says of the job itself must not speak against it."""
    alma.on("GET /jobs", {"job": listed, "total_record_count": len(listed)})
    alma.on("GET /jobs/S6", {**JOBS[5], "related_profile": {"value": related}})
    if not told:
        assert make().of_profile("7562275960000561").id == "S6"
        assert alma.calls()[0].startswith("GET /jobs?")
        assert "profile_id=7562275960000561" in alma.calls()[0]
        return
    with pytest.raises(UnclearJob) as caught:
        make().of_profile("7562275960000561")
    assert told in str(caught.value)


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


def test_a_kept_list_says_its_age(
    alma: FakeAlma, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With -v, and with what reads it again; one that was just fetched says nothing."""
    alma.jobs(JOBS)
    caplog.set_level("DEBUG", "almajob.jobs")
    make().jobs()
    told = [record for record in caplog.records if record.name.startswith("almajob.")]
    assert not told
    time = FastClock()
    monkeypatch.setattr("almajob.system.clock.SYSTEM", time.clock)
    time.advance(3 * 3600 + 60)
    make().jobs()
    assert caplog.messages[-1] == (
        "The job list of sandbox was read from Alma 3 h ago; --refresh reads it again."
    )


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


def test_a_part_of_the_name_or_a_pattern_finds_jobs() -> None:
    """With a star or a question mark and no other sign; the case does not matter."""
    jobs = [Job(item["id"], item["name"]) for item in JOBS]
    assert [found.id for found in named_like(jobs, "*erp*")] == ["S6"]
    assert [found.id for found in named_like(jobs, "GIF?")] == ["M3", "M4"]
    assert [found.id for found in named_like(jobs, "EXPORT")] == ["S6"]
    assert named_like(jobs, "[02]0*") == []
    assert named_like(jobs, "gif*x") == []


def test_a_job_that_is_listed_twice_matches_once() -> None:
    """The list can shift between pages."""
    assert len(find_matches([Job("M1", "a"), Job("M1", "a")], "a")) == 1
