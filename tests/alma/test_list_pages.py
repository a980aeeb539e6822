"""The members of any list that comes in pages, also while it changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug import Request, Response

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.errors import AlmaRefused, NotAlma, Refused, Unreachable
from tests.support.fake_alma import KEY, FakeAlma, answer, error
from tests.support.forks import fork

PATH = "/conf/sets/{set_id}/members"
PARAMS = {"set_id": "7"}


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    made = Alma(Session(alma.url, Key(KEY)))
    yield made
    made.close()


def _members(count: int) -> list[dict[str, Any]]:
    return [{"id": str(number)} for number in range(count)]


def _serve(alma: FakeAlma, listed: Callable[[], list[dict[str, Any]]], count: int | None = None) -> None:
    """Answer each page of what is listed just then; Alma may count something else."""

    def page(request: Request) -> Response:
        offset, limit = int(request.args["offset"]), int(request.args["limit"])
        members = listed()
        shown = members[offset : offset + limit]
        total = len(members) if count is None else count
        return answer(({"member": shown} if shown else {}) | {"total_record_count": total})

    alma.on("GET /sets/7/members", page)


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (100, 1), (101, 2), (1234, 13)])
def test_every_member_comes_in_order(alma: FakeAlma, connection: Alma, count: int, calls: int) -> None:
    """By as few calls as pages of a hundred allow."""
    _serve(alma, lambda: _members(count))
    assert list(connection.pages(PATH, PARAMS)) == _members(count)
    assert len(alma.calls()) == calls


def test_nothing_is_read_before_it_is_wanted(alma: FakeAlma, connection: Alma) -> None:
    """Who takes the first member only has read one page."""
    _serve(alma, lambda: _members(1000))
    pages = connection.pages(PATH, PARAMS)
    assert alma.calls() == []
    assert next(pages) == {"id": "0"}
    assert len(alma.calls()) == 1


def test_a_forked_child_reads_on(alma: FakeAlma, connection: Alma) -> None:
    """What the parent has begun, while the parent does too: each gets the rest."""
    _serve(alma, lambda: _members(2000))
    pages = connection.pages(PATH, PARAMS)
    begun = [next(pages) for _ in range(150)]
    wait = fork(lambda: len(list(pages)))
    assert begun + list(pages) == _members(2000)
    assert wait() == 1850


def test_a_machine_without_threads_reads_one_page_after_the_other(
    alma: FakeAlma, connection: Alma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them come, in order."""

    def refuse(_threads: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("multiprocessing.pool.ThreadPool", refuse)
    _serve(alma, lambda: _members(1234))
    assert list(connection.pages(PATH, PARAMS)) == _members(1234)
    assert [int(request.args["offset"]) for request in alma.requests] == list(range(0, 1234, 100))


def test_the_query_is_sent_with_each_page(alma: FakeAlma, connection: Alma) -> None:
    """The names in braces are not."""
    _serve(alma, lambda: _members(150))
    list(connection.pages(PATH, {**PARAMS, "q": "a b"}))
    assert [request.args.to_dict() for request in alma.requests] == [
        {"q": "a b", "limit": "100", "offset": "0"},
        {"q": "a b", "limit": "100", "offset": "100"},
    ]


class _Changing:
    """A list that changes after each page of it that was served."""

    def __init__(
        self, members: list[dict[str, Any]], change: Callable[[list[dict[str, Any]]], object]
    ) -> None:
        self._members = members
        self._change = change
        self._lock = threading.Lock()

    def __call__(self) -> list[dict[str, Any]]:
        with self._lock:
            now = self._members[:]
            self._change(self._members)
            return now


@pytest.mark.parametrize("count", [100, 900, 950, 1000, 1700])
def test_a_growing_list_shows_each_member_once(alma: FakeAlma, connection: Alma, count: int) -> None:
    """Those that were there from the beginning; new ones push them on."""
    new = iter(range(10**6, 2 * 10**6))
    listed = _Changing(_members(count), lambda members: members.insert(0, {"id": str(next(new))}))
    _serve(alma, listed)
    found = [member["id"] for member in connection.pages(PATH, PARAMS)]
    assert len(found) == len(set(found))
    assert set(found) >= {str(number) for number in range(count)}


def test_a_list_that_shrank_is_read_once_more(alma: FakeAlma, connection: Alma) -> None:
    """One member is deleted while it is read: the one that its gap hid comes all the same, and none twice."""
    left = [True]

    def shrink(members: list[dict[str, Any]]) -> None:
        if left:
            left.clear()
            del members[5]

    _serve(alma, _Changing(_members(150), shrink))
    found = [member["id"] for member in connection.pages(PATH, PARAMS)]
    assert len(found) == len(set(found))
    assert set(found) == {str(number) for number in range(150)}
    assert len(alma.calls()) == 5


def test_a_list_that_goes_on_shrinking_is_an_error(
    alma: FakeAlma, connection: Alma, caplog: pytest.LogCaptureFixture
) -> None:
    """Or, where it was said that gaps do not matter, a warning; all that came has been returned."""
    _serve(alma, _Changing(_members(350), lambda members: members.pop(0)))
    came = []
    with pytest.raises(Unreachable, match="changed while it was read") as caught:
        came += [member["id"] for member in connection.pages(PATH, PARAMS)]
        pytest.fail("nothing was raised")
    assert caught.value.exit_code == 6
    _serve(alma, _Changing(_members(350), lambda members: members.pop(0)))
    with caplog.at_level(logging.WARNING):
        came += [member["id"] for member in connection.pages(PATH, PARAMS, may_have_gaps=True)]
    assert len(came) > 300
    assert "Some of its members may be missing" in caplog.text


@pytest.mark.parametrize("count", [151, 20_000, 10_000_000])
def test_a_count_that_is_wrong_ends(alma: FakeAlma, connection: Alma, count: int) -> None:
    """Alma counts more than it lists: not many calls, and an error after all that there is."""
    _serve(alma, lambda: _members(150), count)
    came = []
    with pytest.raises(Unreachable, match=f"Alma counted {count}, and 150 came"):
        for member in connection.pages(PATH, PARAMS):
            came.append(member)
    assert came == _members(150)
    assert len(alma.calls()) <= 34


def test_the_same_page_again_and_again_ends(alma: FakeAlma, connection: Alma) -> None:
    """As where an endpoint knows no offset."""
    alma.on("GET /sets/7/members", {"member": _members(100), "total_record_count": 5000})
    came = []
    with pytest.raises(Unreachable):
        for member in connection.pages(PATH, PARAMS):
            came.append(member)
    assert came == _members(100)
    assert len(alma.calls()) <= 18


@pytest.mark.parametrize(
    ("document", "member", "kind", "words"),
    [
        ({"id": "7"}, "", NotAlma, "is not a page of a list"),
        ({"a": [{}], "b": [{}], "total_record_count": 1}, "", Refused, "has several arrays"),
        ({"a": [{}], "total_record_count": 1}, "b", Refused, "has no b"),
    ],
)
def test_what_is_no_list_is_refused(
    alma: FakeAlma, connection: Alma, document: Any, member: str, kind: type[Exception], words: str
) -> None:
    """With what it has instead."""
    alma.on("GET /sets/7/members", document)
    with pytest.raises(kind, match=words):
        list(connection.pages(PATH, PARAMS, member))


def test_one_of_several_arrays_can_be_named(alma: FakeAlma, connection: Alma) -> None:
    """By the argument ``member``."""
    alma.on("GET /sets/7/members", {"a": [{"x": 1}], "b": [{"y": 2}], "total_record_count": 1})
    assert list(connection.pages(PATH, PARAMS, "b")) == [{"y": 2}]


def test_a_page_that_is_refused_ends_it(alma: FakeAlma, connection: Alma) -> None:
    """What came before has been returned."""

    def page(request: Request) -> Response:
        if request.args["offset"] == "0":
            return answer({"member": _members(100), "total_record_count": 300})
        return answer(error("60107"), 400)

    alma.on("GET /sets/7/members", page)
    came = []
    with pytest.raises(AlmaRefused):
        for member in connection.pages(PATH, PARAMS):
            came.append(member)
    assert came == _members(100)


def test_limit_and_offset_are_almajobs() -> None:
    """A page of another size would not be followed by the next."""
    made = Alma(Session("http://127.0.0.1:9", Key(KEY)))
    for name in ("limit", "offset"):
        with pytest.raises(Refused, match="limit and offset itself"):
            made.pages("/conf/sets", {name: 5})
