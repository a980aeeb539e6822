"""What the words of Alma's status table mean."""

from __future__ import annotations

import pytest

from almajob.alma.status_codes import (
    STATUSES,
    Meaning,
    has_ended,
    is_good,
    meaning,
    parse_code,
    parse_ends,
)

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


@pytest.mark.parametrize(
    "word", ["COMPLETED_\u017fUCCESS", "F\u0130NALIZING", "runn\u0131ng", "S\u212aIPPED"]
)
def test_only_letters_of_ascii_are_small_and_capital(word: str) -> None:
    """A long s is no S and a dotless i no I, though Python's upper and casefold make them so."""
    assert meaning(word) is Meaning.UNKNOWN
    assert not is_good(word)
    assert not has_ended(word, has_end_time=False)
    with pytest.raises(ValueError, match=f"'{word}' is not a status. Did you mean [A-Z_]+. Known statuses: "):
        parse_code(word)
    assert meaning("completed_success") is Meaning.SUCCESS


@pytest.mark.parametrize("code", STATUSES)
def test_a_status_is_read_as_its_code_or_in_almas_words(code: str) -> None:
    """Whatever the case; only an end can be one of several."""
    for word in (code, code.lower(), STATUSES[code].description, STATUSES[code].description.upper()):
        assert parse_code(f" {word} ") == code
        if code in ENDED:
            assert parse_ends(f"{word},FAILED,") == [code, "FAILED"]
        else:
            with pytest.raises(ValueError, match=f"{code} is not the status of an end"):
                parse_ends(f"FAILED,{word}")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("COMPLETED_FAIL", "COMPLETED_FAILED"),
        ("Completed with Error", "COMPLETED_FAILED"),
        ("sucess", "COMPLETED_SUCCESS"),
        ("BOGUS", ""),
        ("?", ""),
        ("", ""),
    ],
)
def test_what_is_no_status_is_told_with_all_that_are(word: str, meant: str) -> None:
    """And with the one that may be meant; as it was typed."""
    with pytest.raises(ValueError, match="is not a status") as caught:
        parse_code(word)
    told = str(caught.value)
    assert told.startswith(f"{word!r} is not a status. {f'Did you mean {meant}? ' if meant else ''}Known")
    assert told.endswith(", ".join(STATUSES))


def test_all_fourteen_codes_are_there() -> None:
    """The table as public clients and Alma's own pages have it."""
    assert len(STATUSES) == 14
