"""Answers that a test adds to the simulator, to calls that it does not know."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almajob.simulator.http.messages import JSON, Reply
from almajob.simulator.http.request_log import Entry

Document = dict[str, Any] | list[Any] | str | bytes | None


@dataclass(slots=True)
class PlannedAnswer:
    """An answer that a test added, and how often it was given."""

    on: str
    params: Mapping[str, str]
    times: int | None
    answer: Callable[[Entry], Reply]
    given: int = 0

    def matches(self, request: Entry) -> bool:
        """Whether it is the answer to a request, and not used up."""
        return (
            (self.times is None or self.given < self.times)
            and fnmatch.fnmatchcase(f"{request.method} {request.path}", self.on)
            and self.params.items() <= request.query.items()
        )


class PlannedAnswers:
    """The answers that a test added; they come before the simulator's own.

    Of several that match a request, the one that was added first and is not used up is given.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[PlannedAnswer] = []

    def add(
        self,
        on: str,
        document: Document | Callable[[Entry], Document] = None,
        *,
        status: int = 200,
        params: Mapping[str, str] | None = None,
        times: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PlannedAnswer:
        """Answer a call that the simulator does not know, or answer one that it knows in another way.

        Args:
            on: method and path behind ``/almaws/v1``, such as ``GET /users/1``; ``*`` stands for any text.
            document: the body: an object or array for JSON, or a text or bytes as they are; or a function
                that returns one of them for a request, with its ``query``, ``json`` and so on.
            status: the HTTP status.
            params: what the query must have for this answer; it may have more.
            times: how often; None for always.
            headers: further headers of the answer.

        Raises:
            ValueError: the call does not begin with a method and a path, or times is less than 1.
        """
        method, _, path = on.partition(" ")
        if not (method.isupper() and path.startswith(("/", "*"))) or (times is not None and times < 1):
            raise ValueError(f'{on!r}: a call is such as "GET /users/1", and times is 1 or more')
        more = tuple((headers or {}).items())

        def answer(request: Entry) -> Reply:
            found = document(request) if callable(document) else document
            kind = "" if found is None or isinstance(found, bytes) else JSON
            return Reply(status, _encode(found), kind, more)

        lowered = {name.lower(): value for name, value in (params or {}).items()}
        planned = PlannedAnswer(on, lowered, times, answer)
        with self._lock:
            self._planned.append(planned)
        return planned

    def add_list(
        self, on: str, member: str, members: Sequence[Any], *, params: Mapping[str, str] | None = None
    ) -> PlannedAnswer:
        """Answer a call with a list that comes in pages, as Alma's do.

        Args:
            member: the name of the array in each page, such as ``user``.
            members: all of them; a page has ten, or as many as the query's ``limit`` says.
        """

        def page(request: Entry) -> Document:
            first, count = int(request.query.get("offset", 0)), int(request.query.get("limit", 10))
            return {member: list(members[first : first + count]), "total_record_count": len(members)}

        return self.add(on, page, params=params)

    def add_error(
        self,
        on: str,
        code: str,
        text: str,
        *,
        status: int = 400,
        params: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> PlannedAnswer:
        """Answer a call with an error of Alma's; the other arguments are those of ``add``.

        Args:
            code: Alma's code for it, such as ``401861``.
            text: Alma's words.
        """
        error = {"errorCode": code, "errorMessage": text, "trackingId": "E01-0000000000-SIMUL-AWAE0"}
        document = {"errorsExist": True, "errorList": {"error": [error]}, "result": None}
        return self.add(on, document, status=status, params=params, times=times)

    def knows(self, request: Entry) -> bool:
        """Whether there is an answer to a request."""
        with self._lock:
            return any(planned.matches(request) for planned in self._planned)

    def take(self, request: Entry) -> Reply | None:
        """Return the answer to a request, and count it; None where there is none."""
        with self._lock:
            found = next((planned for planned in self._planned if planned.matches(request)), None)
            if found is None:
                return None
            found.given += 1
        return found.answer(request)

    def list_unused(self) -> list[PlannedAnswer]:
        """Return those that were never given."""
        with self._lock:
            return [planned for planned in self._planned if not planned.given]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._planned.clear()


def _encode(document: Document) -> bytes:
    if isinstance(document, bytes):
        return document
    if isinstance(document, str):
        return document.encode()
    return b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
