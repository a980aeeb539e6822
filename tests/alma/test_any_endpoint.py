"""Any endpoint of Alma's: what crosses the wire, and what is certain afterwards."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from werkzeug import Response

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.alma.rate_limit.limiter import Limiter
from almajob.alma.rate_limit.rates import Rates
from almajob.alma.rate_limit.shared_state import SharedState
from almajob.errors import (
    AlmajobError,
    AlmaRefused,
    ConfigurationError,
    KeyRefused,
    NotConfirmed,
    NotSent,
    OutcomeUnknown,
    QuotaUsedUp,
    ReadOnly,
    Refused,
)
from almajob.system import clock
from tests.support.fake_alma import KEY, FakeAlma, answer, error
from tests.support.raw_server import RawServer, saying

WRITES = ("POST", "PUT", "DELETE")
SHORT = TimeLimits(connect=2, read=2, total=2)
SANDBOX = {"environment_type": "SANDBOX", "institution": {"value": "01FAKE_INST"}}


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    """A sandbox whose key may not ask where it leads: that is no obstacle."""
    alma.on("GET /general", answer(error("UNAUTHORIZED"), 400))
    made = Alma(Session(alma.url, Key(KEY), SHORT, environment="sandbox"))
    yield made
    made.close()


def test_a_read_is_a_get_that_is_tried_again(
    alma: FakeAlma, connection: Alma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document comes back as it is; the names in braces are not in the query."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    alma.on("GET /sets/7", Response("", 503), {"id": "7", "more": [1]})
    assert connection.call("GET", "/conf/sets/{set_id}", {"set_id": "7", "view": "full"}) == {
        "id": "7",
        "more": [1],
    }
    assert alma.calls() == ["GET /sets/7?view=full"] * 2


def test_a_document_goes_as_json_and_bytes_as_xml(alma: FakeAlma, connection: Alma) -> None:
    """The answer is wanted as JSON in both cases; without a body none is sent."""
    for method in WRITES:
        alma.on(f"{method} /sets/7", {"id": "7"})
    assert connection.call("PUT", "/conf/sets/{id}", {"id": "7"}, {"name": "\u00e9"}) == {"id": "7"}
    connection.call("PUT", "/conf/sets/{id}", {"id": "7"}, MappingProxyType({"name": "\u00e9"}))
    connection.call("POST", "/conf/sets/{id}", {"id": "7", "op": "add_members"}, b"<set/>")
    connection.call("DELETE", "/conf/sets/{id}", {"id": "7"})
    put, again, post, delete = alma.requests[1:]
    assert again.get_data() == put.get_data()
    assert (put.get_json(), put.headers["Content-Type"]) == ({"name": "\u00e9"}, "application/json")
    assert (post.get_data(), post.headers["Content-Type"]) == (b"<set/>", "application/xml")
    assert post.args.to_dict() == {"op": "add_members"}
    assert (delete.method, delete.get_data(), "Content-Type" in delete.headers) == ("DELETE", b"", False)
    assert {request.headers["Accept"] for request in alma.requests} == {"application/json"}


def test_no_content_is_an_empty_document(alma: FakeAlma, connection: Alma) -> None:
    """As Alma answers a DELETE."""
    alma.on("DELETE /sets/7", Response("", 204))
    assert connection.call("DELETE", "/conf/sets/{id}", {"id": "7"}) == {}


def test_an_xml_answer_has_the_shape_of_json(alma: FakeAlma, connection: Alma) -> None:
    """What occurs twice is an array."""
    alma.on("GET /x", Response("<a><b c='1'>2</b><d>3</d><d>4</d></a>", content_type="application/xml"))
    assert connection.call("GET", "/conf/x") == {"b": {"value": "2", "c": "1"}, "d": ["3", "4"]}


@pytest.mark.parametrize(
    ("method", "path", "params", "body", "words"),
    [
        ("PATCH", "/users", {}, None, "not a method"),
        ("get", "/users", {}, None, "not a method"),
        ("GET", "/users", {}, {"a": 1}, "has no body"),
        ("GET", "/users/123", {}, None, "not a path"),
        ("POST", "/conf/jobs/{job_id}", {"job_id": "M44", "op": "run"}, {}, "would start a job"),
        ("POST", "/conf/jobs/{job_id}", {"job_id": "M44"}, b"<job/>", "would start a job"),
        ("POST", "/{a}/{b}/{c}", {"a": "Conf", "b": "JOBS", "c": "M44"}, {}, "would start a job"),
        ("POST", "/{a}", {"a": "conf/jobs/M44/"}, {}, "would start a job"),
        *(
            ("POST", "/conf/{jobs}/{id}", {"jobs": jobs, "id": "M44"}, {}, "would start a job")
            for jobs in ("jobs%2F", "jobs;a=b", "jobs ", "%6aobs", "jobs\\")
        ),
        ("POST", "/conf/md-import-profiles/{id}", {"id": "7", "op": "run"}, None, "would start a job"),
    ],
)
def test_what_must_not_be_sent_is_not(
    alma: FakeAlma, connection: Alma, method: str, path: str, params: Any, body: Any, words: str
) -> None:
    """A start would be in no ledger; the rest is no call of Alma's."""
    with pytest.raises(Refused, match=words) as caught:
        connection.call(method, path, params, body, is_confirmed=True)
    assert caught.value.exit_code == 5
    assert alma.calls() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_job_can_be_read(alma: FakeAlma, connection: Alma, method: str) -> None:
    """Only a POST starts it; what else Alma does with a job is Alma's to say."""
    alma.on(f"{method} /jobs/M44", {"id": "M44"})
    assert connection.call(method, "/conf/jobs/{job_id}", {"job_id": "M44"}) == {"id": "M44"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<set/>", TypeError), ([1], TypeError), ({"a": {1}}, TypeError), ({"a": float("nan")}, ValueError)],
)
def test_what_is_no_document_is_a_bug_of_the_caller(
    alma: FakeAlma, connection: Alma, body: Any, kind: type[Exception]
) -> None:
    """Found before anything is sent."""
    with pytest.raises(kind):
        connection.call("POST", "/conf/sets", body=body)
    assert alma.calls() == []


@pytest.mark.parametrize(("path", "params"), [(None, {}), ("/conf/sets", [("a", 1)]), ("/conf/sets", {1: 1})])
def test_so_is_what_is_no_path(alma: FakeAlma, connection: Alma, path: Any, params: Any) -> None:
    """The message names what it has to be."""
    with pytest.raises(TypeError, match="a path is text, and params is a mapping of names"):
        connection.call("GET", path, params)
    with pytest.raises(TypeError, match="a path is text, and params is a mapping of names"):
        connection.pages(path, params)
    assert alma.calls() == []


@pytest.mark.parametrize("method", WRITES)
def test_a_read_only_environment_is_only_read(alma: FakeAlma, method: str) -> None:
    """Whoever has agreed to it; nothing crosses the wire."""
    made = Alma(Session(alma.url, Key(KEY), read_only="almajob.ini, line 4"), is_production=True)
    with pytest.raises(ReadOnly):
        made.call(method, "/conf/sets/{id}", {"id": "7"}, is_confirmed=True)
    assert alma.calls() == []


@pytest.mark.parametrize("method", WRITES)
def test_a_change_in_production_needs_consent(alma: FakeAlma, method: str) -> None:
    """In code, or of a person who is asked; reading needs none."""
    alma.on("GET /sets/7", {"id": "7"})
    alma.on(f"{method} /sets/7", {"id": "7"})
    made = Alma(Session(alma.url, Key(KEY), environment="live"), is_production=True)
    asked: list[str] = []

    def call(**consent: Any) -> None:
        made.call(method, "/conf/sets/{id}", {"id": "7"}, **consent)

    def confirm(question: str) -> bool:
        asked.append(question)
        return len(asked) > 1

    made.call("GET", "/conf/sets/{id}", {"id": "7"})
    no_consent: tuple[dict[str, Any], ...] = (
        *({}, {"confirm": None}, {"confirm": confirm}),
        # What is as good as True in Python is not, such as the answer of ``input``.
        *({"is_confirmed": "no"}, {"is_confirmed": 1}, {"confirm": lambda question: "n"}),
    )
    for consent in no_consent:
        with pytest.raises(NotConfirmed) as caught:
            call(**consent)
        assert f"{method} /conf/sets/7 in live was not confirmed; nothing was sent." == caught.value.message
    assert alma.calls() == ["GET /sets/7"]
    call(confirm=confirm)
    assert asked == [f"Send {method} /conf/sets/7 to live, a production environment?"] * 2
    call(is_confirmed=True)
    assert len(asked) == 2
    assert alma.calls() == ["GET /sets/7", *[f"{method} /sets/7"] * 2]


def test_a_key_of_production_in_a_sandbox_changes_nothing(alma: FakeAlma) -> None:
    """Alma is asked before the first change, and only once."""
    alma.on("GET /general", {**SANDBOX, "environment_type": "Production"})
    alma.on("DELETE /sets/7", Response("", 204))
    made = Alma(Session(alma.url, Key(KEY), environment="sandbox"))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"The key of \[sandbox\] leads to production"):
            made.call("DELETE", "/conf/sets/{id}", {"id": "7"}, is_confirmed=True)
    assert alma.calls() == ["GET /general"]
    alma.on("GET /general", SANDBOX)
    other = Alma(Session(alma.url, Key(KEY), environment="sandbox"))
    for _ in range(2):
        other.call("DELETE", "/conf/sets/{id}", {"id": "7"})
    assert alma.calls()[1:] == ["GET /general", "DELETE /sets/7", "DELETE /sets/7"]


def _page(status: int, text: str = "<html>Bad Gateway</html>") -> Response:
    return Response(text, status, content_type="text/html")


@pytest.mark.parametrize(
    ("came", "kind"),
    [
        (answer(error("402263", "A set of this name exists already."), 400), AlmaRefused),
        (answer(error("UNAUTHORIZED"), 400), KeyRefused),
        (answer(error("DAILY_THRESHOLD"), 429), QuotaUsedUp),
        (answer(error("PER_SECOND_THRESHOLD"), 429), AlmaRefused),
        (answer(error("REQUEST_TOO_LARGE"), 400), AlmaRefused),
        (answer(error("402263"), 409), AlmaRefused),
        (answer(error("402263"), 499), AlmaRefused),
        (answer(error("402263"), 503), OutcomeUnknown),
        (answer(error("402263"), 500), OutcomeUnknown),
        (answer(error("GENERAL_ERROR"), 500), OutcomeUnknown),
        (answer(error("GENERAL_ERROR"), 400), OutcomeUnknown),
        (answer(error("402119"), 400), OutcomeUnknown),
        (
            answer(error("999", "General Error - An error has occurred while processing the request."), 400),
            OutcomeUnknown,
        ),
        (answer(error(""), 400), OutcomeUnknown),
        *((_page(status), OutcomeUnknown) for status in (200, 400, 401, 404, 502, 503, 504)),
        (_page(400, "Invalid API Key"), OutcomeUnknown),
        (Response("", 200), OutcomeUnknown),
        (Response("{", 200), OutcomeUnknown),
        (answer({"id": "7"}, 203), OutcomeUnknown),
        (answer({"id": "7"}, 206), OutcomeUnknown),
        (Response("", 302, {"Location": "https://elsewhere.invalid/"}), OutcomeUnknown),
        (answer({"id": "7"}, 200, {"Age": "5"}), OutcomeUnknown),
        (Response(b" " * (9 << 20), 200), OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("method", WRITES)
def test_what_an_answer_to_a_write_proves(
    alma: FakeAlma, connection: Alma, method: str, came: Response, kind: type[AlmajobError]
) -> None:
    """A refusal only with a code of Alma's that says so; sent once, whatever comes."""
    alma.on(f"{method} /sets/7", came)
    with pytest.raises(AlmajobError) as caught:
        connection.call(method, "/conf/sets/{id}", {"id": "7"}, {"name": "x"})
    assert type(caught.value) is kind
    assert len(alma.calls(method)) == 1
    if kind is OutcomeUnknown:
        assert caught.value.message == f"It is unknown whether Alma accepted {method} /conf/sets/7."
        assert (caught.value.exit_code, caught.value.is_retry_safe) == (9, False)
        assert "job" not in str(caught.value)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"


def _hang_up(_connection: socket.socket, _request: bytes) -> None:
    pass


def _hang(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)


@pytest.mark.parametrize("talk", [_hang_up, _hang, saying(HEAD + b'{"id":'), saying(b"no HTTP\r\n\r\n")])
@pytest.mark.parametrize("method", WRITES)
def test_a_lost_answer_is_an_unknown_outcome(method: str, talk: Callable[..., None]) -> None:
    """Exactly one request reached the server."""
    with RawServer(talk) as server:
        made = Alma(Session(server.url, Key(KEY), TimeLimits(1, 1, 0.4)), is_production=True)
        with pytest.raises(OutcomeUnknown) as caught:
            made.call(method, "/users/{id}", {"id": "ada"}, {}, is_confirmed=True)
        made.close()
        sent = [request.partition(b" HTTP/")[0] for request in server.received if request]
    assert sent == [f"{method} /almaws/v1/users/ada".encode()]
    assert caught.value.message == f"It is unknown whether Alma accepted {method} /users/ada."


def test_what_never_left_is_certain() -> None:
    """Nobody listens: nothing was sent, and the error says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    made = Alma(Session(f"http://127.0.0.1:{port}", Key(KEY), SHORT), is_production=True)
    with pytest.raises(NotSent) as caught:
        made.call("DELETE", "/users/{id}", {"id": "ada"}, is_confirmed=True)
    assert caught.value.exit_code == 6


def test_a_server_that_speaks_no_tls_was_sent_nothing() -> None:
    """The connection broke, but before the request: that is certain, too."""
    with RawServer(saying(b"no TLS at all\r\n\r\n"), patience=0.1) as server:
        made = Alma(Session(server.url.replace("http:", "https:"), Key(KEY), SHORT), is_production=True)
        with pytest.raises(NotSent):
            made.call("PUT", "/users/{id}", {"id": "ada"}, {}, is_confirmed=True)
        made.close()


@pytest.fixture
def production(alma: FakeAlma) -> Iterator[Alma]:
    """One whose writes are answered, and nobody is asked first where the key leads."""
    alma.on("PUT /sets/7", {"id": "7"})
    made = Alma(Session(alma.url, Key(KEY), SHORT), is_production=True)
    yield made
    made.close()


def _raise(error: BaseException) -> Callable[..., Any]:
    def fail(*_given: Any, **_more: Any) -> Any:
        raise error

    return fail


# Where almajob could fail or be interrupted: before a byte has left, and when the answer has come.
BEFORE, AFTER = "almajob.alma.http.connection.connect", "almajob.alma.http.error_responses.read_answer"


def test_an_interrupted_write_is_told(
    alma: FakeAlma, production: Alma, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C after the request has left: the outcome is unknown, and the log says so; before, nothing."""
    for place, words, sent in (
        (BEFORE, "", []),
        (AFTER, "It is unknown whether Alma accepted PUT /conf/sets/7.", ["PUT /sets/7"]),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, _raise(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                production.call("PUT", "/conf/sets/{id}", {"id": "7"}, {}, is_confirmed=True)
        assert alma.calls() == sent
        assert words in caplog.text
        assert bool(words) is ("unknown" in caplog.text)


def test_a_bug_of_almajobs_is_no_proof(
    alma: FakeAlma, production: Alma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alma may have accepted a request whose answer it met; before, it stays the bug that it is."""
    for place, kind, sent in ((BEFORE, RuntimeError, []), (AFTER, OutcomeUnknown, ["PUT /sets/7"])):
        with monkeypatch.context() as patched:
            patched.setattr(place, _raise(RuntimeError("oops")))
            with pytest.raises(kind) as caught:
                production.call("PUT", "/conf/sets/{id}", {"id": "7"}, {}, is_confirmed=True)
        assert alma.calls() == sent
    assert isinstance(caught.value, OutcomeUnknown)
    assert caught.value.reason == "almajob failed on the answer: RuntimeError."


def test_a_write_leaves_the_room_for_starts_alone(alma: FakeAlma) -> None:
    """A second one would have to wait for longer than it may, and a start is let through at once."""
    alma.on("PUT /sets/7", {"id": "7"})
    limiter = Limiter(SharedState(None), Rates(rate=0.01, burst=2), clock.system)
    made = Alma(Session(alma.url, Key(KEY), SHORT, limiter=limiter), is_production=True)
    made.call("PUT", "/conf/sets/{id}", {"id": "7"}, {}, is_confirmed=True)
    with pytest.raises(NotSent, match="rate limit"):
        made.call("PUT", "/conf/sets/{id}", {"id": "7"}, {}, is_confirmed=True)
    made.get_start_permit()
    assert alma.calls() == ["PUT /sets/7"]


def test_the_advice_fits_the_endpoint(alma: FakeAlma, connection: Alma) -> None:
    """A number means something else in each area, and a key has areas of its own."""
    with RawServer(saying(_raw(error("402217", "Invalid user.")))) as server:
        made = Alma(Session(server.url, Key(KEY), SHORT))
        with pytest.raises(AlmaRefused) as caught:
            made.call("GET", "/users/{id}", {"id": "ada"})
        assert caught.value.hint == ""
        made.close()
    alma.on("GET /sets/7", answer(error("402217"), 400))
    with pytest.raises(AlmaRefused) as caught:
        connection.call("GET", "/conf/sets/{id}", {"id": "7"})
    assert caught.value.hint == "A date is written YYYY-MM-DD."
    with RawServer(saying(_raw(error("REQUEST_TOO_LARGE")))) as server:
        made = Alma(Session(server.url, Key(KEY), SHORT))
        with pytest.raises(AlmaRefused) as caught:
            made.call("GET", "/users/{id}", {"id": "ada"})
        assert "more parameters than Alma accepts" in caught.value.hint
        made.close()
    with RawServer(saying(_raw(error("UNAUTHORIZED")))) as server:
        made = Alma(Session(server.url, Key(KEY), SHORT))
        with pytest.raises(KeyRefused, match="does not accept the API key") as refused:
            made.call("GET", "/users/{id}", {"id": "ada"})
        assert "/users/ada" in refused.value.hint
        assert "job" not in refused.value.hint
        made.close()


def _raw(document: dict[str, Any]) -> bytes:
    body = answer(document).get_data()
    head = (
        f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
