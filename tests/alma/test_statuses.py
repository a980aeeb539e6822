"""What the words of Alma's status table mean."""

from __future__ import annotations

import pytest

from almajob.alma.statuses import STATUSES, Meaning, has_ended, is_good, meaning

ENDED = {
    *("COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_NO_BULKS", "COMPLETED_FAILED", "FAILED"),
    *("SKIPPED", "SYSTEM_ABORTED", "USER_ABORTED", "MANUAL_HANDLING_REQUIRED"),
}
GOOD = {"COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_NO_BULKS"}


@pytest.mark.parametrize("code", STATUSES)
def test_the_status_decides_and_not_the_end_time(code: str) -> None:
    """FINALIZING with an end time goes on; SYSTEM_ABORTED without one has ended."""
    for has_end_time in (True, False):
        assert has_ended(code, has_end_time=has_end_time) is (code in ENDED)
    assert is_good(code) is (code in GOOD)


def test_an_unknown_word_goes_on_until_there_is_an_end_time() -> None:
    """And it is never a success."""
    assert meaning("BRAND_NEW") is Meaning.UNKNOWN
    assert not has_ended("BRAND_NEW", has_end_time=False)
    assert has_ended("BRAND_NEW", has_end_time=True)
    assert not is_good("BRAND_NEW")
    assert not has_ended("", has_end_time=False)


def test_all_fourteen_codes_are_there() -> None:
    """The table as public clients and Alma's own pages have it."""
    assert len(STATUSES) == 14
