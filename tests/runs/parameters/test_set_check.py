"""The set of a start: found by exactly its name; there, fitting and not empty, or nothing is sent."""

from __future__ import annotations

import pytest
from werkzeug import Response

from almajob.alma.client import Alma
from almajob.alma.models import Code, Job
from almajob.errors import KeyRefused, Refused, Unreachable
from almajob.runs.parameters import set_check
from tests.support.fake_alma import FakeAlma, answer, error

EXPORT = Job("M44", "Export records", Code("MANUAL"), content=Code("BIB_MMS", "All Titles"))
IMPORT = Job(
    "M50173", "Import", Code("MANUAL"), content=Code("IMPORT_RESEARCH_ASSETS_FILES", "Research assets")
)


def _set(content: str = "BIB_MMS", members: object = 3) -> dict[str, object]:
    count = {} if members is None else {"number_of_members": {"value": members, "link": "x"}}
    return {"id": "7", "name": "Theses", "content": {"value": content, "desc": "Kind"}, **count}


@pytest.mark.parametrize("content", ["BIB_MMS", "IE", "IED", "IEE", "IEP", "SOMETHING_NEW"])
@pytest.mark.parametrize("members", [1, "12", None])
def test_a_set_that_fits_is_given(connection: Alma, alma: FakeAlma, content: str, members: object) -> None:
    """Titles of any kind fit a job on titles; what nobody knows is not held against it."""
    alma.on("GET /sets/7", _set(content, members))
    found = set_check.check(connection, EXPORT, "7")
    assert found is not None
    assert (found.name, found.members) == ("Theses", int(str(members)) if members else None)


@pytest.mark.parametrize("content", ["ITEM", "USER", "HOLDING", "PO_LINE", "IEPA"])
def test_a_set_of_other_records_is_refused(connection: Alma, alma: FakeAlma, content: str) -> None:
    """With what it is of, and what the job works on."""
    alma.on("GET /sets/7", _set(content))
    with pytest.raises(Refused, match=r"The set 'Theses' \(7\) does not fit") as caught:
        set_check.check(connection, EXPORT, "7")
    assert (
        f"It is of Kind ({content}); 'Export records' works on All Titles (BIB_MMS)." in caught.value.reason
    )


def test_a_job_with_a_content_of_its_own_takes_any_set(connection: Alma, alma: FakeAlma) -> None:
    """Real jobs have such contents; they say nothing about sets."""
    alma.on("GET /sets/7", _set("ITEM"))
    assert set_check.check(connection, IMPORT, "7")


@pytest.mark.parametrize("members", [0, "0"])
def test_an_empty_set_is_refused(connection: Alma, alma: FakeAlma, members: object) -> None:
    """Zero as a number, or as text."""
    alma.on("GET /sets/7", _set(members=members))
    with pytest.raises(Refused, match="has no members; nothing was sent"):
        set_check.check(connection, EXPORT, "7")


@pytest.mark.parametrize("set_id", ["", "Null", " 7", "7\n", "../users/1", "\uff17"])
def test_what_is_no_id_is_not_asked_for(connection: Alma, set_id: str) -> None:
    """Nothing crosses the wire."""
    with pytest.raises(Refused, match="set_id is"):
        set_check.check(connection, EXPORT, set_id)


def test_a_job_on_a_set_is_not_started_without_one() -> None:
    """Where Alma says what kind of set; of others nobody can tell."""
    with pytest.raises(Refused, match=r"works on a set of All Titles \(BIB_MMS\)") as caught:
        set_check.refuse_missing(EXPORT)
    assert "--set NAME" in caught.value.hint
    set_check.refuse_missing(IMPORT)
    set_check.refuse_missing(Job("S1", "ERP", Code("SCHEDULED"), content=Code("BIB_MMS")))


def test_a_set_that_is_not_there_is_refused(connection: Alma, alma: FakeAlma) -> None:
    """With Alma's own words; another failure of the call is that failure."""
    alma.on("GET /sets/7", answer(error("60107", "Invalid set ID."), 400), answer(error("FORBIDDEN"), 403))
    with pytest.raises(Refused, match="There is no set 7 here") as caught:
        set_check.check(connection, EXPORT, "7")
    assert "60107" in str(caught.value)
    with pytest.raises(KeyRefused):
        set_check.check(connection, EXPORT, "7")


def _listed(*names: str) -> dict[str, object]:
    listed = [
        {"id": str(number), "name": name, "content": {"value": "ITEM"}} for number, name in enumerate(names)
    ]
    return {**({"set": listed} if names else {}), "total_record_count": len(names)}


def test_a_set_is_found_by_exactly_its_name(connection: Alma, alma: FakeAlma) -> None:
    """Alma finds words; blanks are asked for as underscores."""
    alma.on("GET /sets", _listed("My sets", "My set", "Not my set"))
    assert set_check.find(connection, "My set").id == "1"
    assert alma.requests[0].args["q"] == "name~My_set"


@pytest.mark.parametrize("name", ["A, B & C", "100 %", "ends."])
def test_a_name_with_other_signs_is_looked_for_in_all(connection: Alma, alma: FakeAlma, name: str) -> None:
    """Nobody says how Alma's query takes them."""
    alma.on("GET /sets", _listed("other", name))
    assert set_check.find(connection, name).id == "1"
    assert "q=" not in alma.calls("GET")[0]


def test_where_the_words_find_nothing_all_are_looked_through(connection: Alma, alma: FakeAlma) -> None:
    """An answer without the set, and a query that Alma refuses."""
    alma.on("GET /sets", _listed(), _listed("My set"), answer(error("60106"), 400), _listed("My set"))
    assert [set_check.find(connection, "My set").id for _ in range(2)] == ["0", "0"]


def test_no_set_and_several_sets_are_refused(connection: Alma, alma: FakeAlma) -> None:
    """With the nearest names, or the ids."""
    alma.on("GET /sets", _listed("My sets"), _listed("My sets"), _listed("My set", "My set"))
    with pytest.raises(Refused, match="There is no set 'My set'") as caught:
        set_check.find(connection, "My set")
    assert "'My sets'" in caught.value.reason
    with pytest.raises(Refused, match="2 sets are called 'My set'") as caught:
        set_check.find(connection, "My set")
    assert "0 (ITEM); 1 (ITEM)" in caught.value.reason


def test_an_alma_that_is_away_is_not_a_missing_set(connection: Alma, alma: FakeAlma) -> None:
    """Exit code 6: nothing was started."""
    alma.on("GET /sets/7", Response("<html>", 502))
    with pytest.raises(Unreachable):
        set_check.check(connection, EXPORT, "7")
