"""Lists that come in pages: the pages behind the first, most of them at once, and the members of any list."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, TypeVar

from almajob.alma.http.timeouts import AT_ONCE
from almajob.alma.job_instances import Page
from almajob.alma.models import Json, items, whole_number
from almajob.errors import NotAlma, Refused, Unreachable
from almajob.system.deadline import SLICE
from almajob.system.sharing.stop import raise_if_stopped
from almajob.text.busy import Busy, count_items

LOG = logging.getLogger(__name__)
T = TypeVar("T")

MOST_PAGES = 1000
"""How many pages of a list are read at most where its count may be anything."""
# Alma could answer smaller pages than were asked for, but hardly smaller than its own default.
_SMALLEST_PAGE = 10


def read_further_pages(
    page_at: Callable[[int], Page[T]], first: Page[T], identify: Callable[[T], Hashable], most: int
) -> Iterator[Page[T]]:
    """Read the pages behind the first one, eight at a time, and return them in their order.

    Where the list has grown or shrunk meanwhile, the eight are read again, one after the other: a page that
    is read before the one in front of it misses what moves from that one to it. It ends where pages bring
    nothing new, whatever Alma counts.

    Args:
        page_at: reads the page that begins at an offset.
        identify: tells the members apart.
        most: how many pages there may be.
    """
    step = len(first.items)
    if first.total is None or step < _SMALLEST_PAGE or step >= first.total:
        return
    known = set(map(identify, first.items))
    total, offset, last = first.total, step, step * most
    while at_once := range(offset, min(total, last, offset + AT_ONCE * step), step):
        pages = _read_at_once(page_at, at_once)
        if any(page.total not in (None, total) for page in pages):
            pages = list(map(page_at, at_once))
        total = pages[-1].total or total
        offset = at_once[-1] + step
        yield from pages
        listed = {identify(item) for page in pages for item in page.items}
        if listed <= known:
            # Alma counts more than it lists, or gives one page again and again.
            return
        known |= listed


def _read_at_once(page_at: Callable[[int], Page[T]], offsets: Sequence[int]) -> list[Page[T]]:
    # Unlike those of concurrent.futures, its threads do not hold up Ctrl-C, nor the end of the process.
    from multiprocessing.pool import ThreadPool

    try:
        # No longer than for these pages: whoever reads on may be a forked child, which has no threads.
        pool = ThreadPool(len(offsets))
    except (RuntimeError, AttributeError):
        # There are not so many threads for us; ThreadPool falls over what it had made by then.
        return list(map(page_at, offsets))
    contexts = [(copy_context(), offset) for offset in offsets]
    with pool:
        # What they log is of this thread's environment.
        asked = pool.map_async(lambda own: own[0].run(page_at, own[1]), contexts, chunksize=1)
        while not asked.ready():
            asked.wait(SLICE)
            raise_if_stopped()
        return asked.get()


class Member(NamedTuple):
    """A member of a list, told apart from the others by all that it has."""

    digest: bytes
    document: dict[str, Any]


def read_members(
    page_at: Callable[[int], Page[Member]], path: str, busy: Busy, *, may_have_gaps: bool
) -> Iterator[dict[str, Any]]:
    """Read the members of a list, each once, as their pages come.

    The list has no snapshot. One that grows while it is read shows some members twice; one that shrinks
    leaves some out. So where it has shrunk, or fewer came than Alma counts, it is read once more, for those
    that are missing.

    Args:
        page_at: reads the page that begins at an offset.
        path: of the list, for people.
        busy: shows people how far it is read, while a page is waited for.
        may_have_gaps: warn where some may be missing after that, instead of raising.

    Raises:
        Unreachable: some may be missing; all that came has been given.
    """
    name = path.rpartition("/")[2]
    found: set[bytes] = set()
    total = listed = 0
    for _round in range(2):
        with busy(partial(count_items, name, 0, None)):
            first = page_at(0)
        total = first.total or 0
        this_time: set[bytes] = set()
        has_shrunk = False
        further = read_further_pages(page_at, first, _digest_of, total)
        page: Page[Member] | None = first
        while page is not None:
            has_shrunk |= (page.total or 0) < total
            this_time.update(map(_digest_of, page.items))
            for member in page.items:
                if member.digest not in found:
                    found.add(member.digest)
                    yield member.document
            with busy(partial(count_items, name, len(found), total)):
                page = next(further, None)
        listed = len(this_time)
        if listed >= total and not has_shrunk:
            return
    problem = f"The list {path} changed while it was read: Alma counted {total}, and {listed} came."
    if not may_have_gaps:
        raise Unreachable(
            problem,
            reason="Some of its members may be missing.",
            hint="Try again when the list changes less often.",
        )
    LOG.warning("%s Some of its members may be missing.", problem)


def _digest_of(member: Member) -> bytes:
    return member.digest


def page_of_members(raw: Json, name: str, path: str) -> Page[Member]:
    """Read a page of any list.

    Args:
        raw: the answer.
        name: of its array; empty for the only one that it has.
        path: of the call, for messages.

    Raises:
        NotAlma: it is no page of a list.
        Refused: it has several arrays, or none of this name.
    """
    total = whole_number(raw.get("total_record_count"), -1)
    if total < 0:
        raise NotAlma(
            f"The answer to GET {path} is not a page of a list.",
            reason="It has no total_record_count.",
            hint="Use call to read it.",
        )
    arrays = [key for key, value in raw.items() if isinstance(value, list)]
    if not name and len(arrays) > 1:
        raise _wrong_member(path, "has several arrays", arrays)
    if name and name not in raw and arrays:
        raise _wrong_member(path, f"has no {name}", arrays)
    listed = items(raw, name or "".join(arrays))
    return Page(tuple(map(_make_member, listed)), total)


def _make_member(document: Mapping[str, Any]) -> Member:
    text = json.dumps(document, sort_keys=True)
    return Member(hashlib.blake2b(text.encode(), digest_size=16).digest(), dict(document))


def _wrong_member(path: str, problem: str, arrays: list[str]) -> Refused:
    return Refused(
        f"The answer to GET {path} {problem}.",
        hint=f"Name the one to read: member={' or '.join(map(repr, arrays))}.",
    )
