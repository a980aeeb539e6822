"""A job list that is kept is the list that was read, and finds in it what is sought."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.models import Code, Job
from almajob.jobs import kept_jobs
from almajob.jobs.job_lookup import find_matches
from almajob.store import json_rows

_TEXT = st.text(max_size=6)
_CODES = st.builds(Code, st.sampled_from(["MANUAL", "SCHEDULED", "\u00fc", ""]), _TEXT)
_IDS = st.from_regex(r"[MSO][0-9]{1,4}", fullmatch=True)
JOBS = st.lists(
    st.tuples(_IDS, _TEXT, _CODES, _CODES).map(lambda columns: Job(*columns)),
    unique_by=lambda job: job.id,
    max_size=12,
)


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Any:
    """Few jobs fill several parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_jobs, "_ROWS", 5)
        yield


def _keep(jobs: list[Job]) -> list[bytes]:
    return list(map(json_rows.encode, kept_jobs.to_parts(jobs)))


def _spell(jobs: list[Job]) -> list[Any]:
    return [(job, job.type.desc, job.category.desc) for job in jobs]


@given(JOBS)
def test_a_list_comes_back_as_it_was(jobs: list[Job]) -> None:
    """In its order, with the words of its types and categories."""
    assert _spell(kept_jobs.read_parts(_keep(jobs))) == _spell(jobs)


@given(JOBS, st.data())
def test_what_is_sought_is_found_as_in_the_whole_list(jobs: list[Job], data: st.DataObject) -> None:
    """Every id and every name, and whatever is neither."""
    known = [text for job in jobs for text in (job.id, job.name)]
    text = (
        data.draw(st.sampled_from(known) if known else _TEXT)
        if data.draw(st.booleans())
        else data.draw(_TEXT)
    )
    assert find_matches(kept_jobs.read_parts_with(_keep(jobs), text), text) == find_matches(jobs, text)


_GOOD: dict[str, Any] = {"ids": ["M1"], "names": ["a"], "kinds": [["MANUAL", "", "X", ""]], "kind_of": [0]}
_ODD: list[dict[str, Any]] = [
    {"ids": []},
    {"ids": [7]},
    {"ids": None},
    {"names": [None]},
    {"names": ["a", "b"]},
    {"kinds": []},
    {"kinds": [["MANUAL"]] * 2, "kind_of": [9]},
    {"kinds": [[1, 2, 3, 4]]},
    {"kinds": [["a"] * 9]},
    {"kind_of": ["0"]},
    {"kind_of": [0, 0]},
    {"kind_of": [[0]]},
]


@pytest.mark.parametrize(
    "part",
    [
        *(b"", b"{", b"7", b"null", b"[]", b"{}", b"[" * 100_000, b"9" * 10_000, b"\xff"),
        *(json.dumps({**_GOOD, **odd}).encode() for odd in _ODD),
    ],
)
def test_what_is_no_list_of_jobs_is_refused(part: bytes) -> None:
    """Whoever wrote it; half of it is not used."""
    with pytest.raises(ValueError, match="not a list of jobs"):
        kept_jobs.read_parts([*_keep([Job("M1", "a")]), part])
