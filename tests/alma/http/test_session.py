"""One conversation with Alma: the key, the limits, the retries, and what becomes of broken answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from werkzeug import Response

from almajob.alma.api_key import Key
from almajob.alma.http.response import Answer
from almajob.alma.http.session import Session, retry_pause
from almajob.alma.http.timeouts import TimeLimits
from almajob.errors import AlmaFailed, AlmaRefused, BrokenOff, NotAlma, QuotaUsedUp, Unreachable
from almajob.text.host_names import is_loopback
from tests.support.fake_alma import KEY, FakeAlma, answer, error
from tests.support.raw_server import RawServer

SHORT = TimeLimits(connect=2, read=2, total=2)


@pytest.fixture
def session(alma: FakeAlma, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session with the fake Alma that does not pause between attempts."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    made = Session(alma.url, Key(KEY), SHORT)
    yield made
    made.close()


def test_the_key_travels_in_the_authorization_header_only(alma: FakeAlma, session: Session) -> None:
    """The header has the key, the URL has not, and JSON is asked for."""
    alma.on("GET /test", {"test": "GET - OK"})
    assert session.get("/conf/test", {"limit": 5}).document == {"test": "GET - OK"}
    (request,) = alma.requests
    assert request.headers["Authorization"] == f"apikey {KEY}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"].startswith("almajob/")
    assert KEY not in request.url
    assert request.args.to_dict() == {"limit": "5"}


@pytest.mark.parametrize(
    "broken",
    [
        *(Response("<html>", status, content_type="text/html") for status in (502, 503, 504)),
        # Alma did not process the call.
        answer(error("PER_SECOND_THRESHOLD"), 429),
    ],
)
def test_a_read_is_tried_again_when_a_gateway_fails(
    alma: FakeAlma, session: Session, broken: Response
) -> None:
    """Twice no answer, then one: three calls and no error."""
    alma.on("GET /test", broken, broken, {"test": "ok"})
    assert session.get("/conf/test").document == {"test": "ok"}
    assert len(alma.requests) == 3


def test_a_read_is_tried_four_times_at_most(alma: FakeAlma, session: Session) -> None:
    """A gateway that stays broken ends as an error after the fourth call."""
    alma.on("GET /test", answer(error("GENERAL_ERROR"), 503))
    with pytest.raises(AlmaFailed):
        session.get("/conf/test")
    assert len(alma.requests) == 4


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (error("DAILY_THRESHOLD"), 429, QuotaUsedUp),
        (error("402216"), 400, AlmaRefused),
        (error("GENERAL_ERROR"), 500, AlmaFailed),
    ],
)
def test_other_errors_are_not_tried_again(
    alma: FakeAlma, session: Session, body: dict[str, object], status: int, kind: type[Exception]
) -> None:
    """A spent quota, a refusal and an inner error of Alma's are final: one call."""
    alma.on("GET /test", answer(body, status))
    with pytest.raises(kind):
        session.get("/conf/test")
    assert len(alma.requests) == 1


def test_a_write_is_sent_once_whatever_comes(alma: FakeAlma, session: Session) -> None:
    """A POST that meets a 503 or a threshold is not repeated."""
    for body in (error("GENERAL_ERROR"), error("PER_SECOND_THRESHOLD")):
        alma.on("POST /jobs/S1", answer(body, 503))
        before = len(alma.requests)
        with pytest.raises(AlmaFailed):
            session.write("POST", "/conf/jobs/S1", {"op": "run"}, {})
        assert len(alma.requests) == before + 1
    assert alma.requests[-1].get_data() == b"{}"
    assert alma.requests[-1].headers["Content-Type"] == "application/json"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_a_read_whose_connection_breaks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice dropped, then answered: three connections and no error."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    seen: list[int] = []

    def talk(connection: socket.socket, _request: bytes) -> None:
        seen.append(1)
        if len(seen) == 3:
            connection.sendall(HEAD + b"Content-Length: 14\r\nConnection: close\r\n\r\n" + b'{"test": "ok"}')

    with RawServer(talk) as server:
        session = Session(server.url, Key(KEY), SHORT)
        assert session.get("/conf/test").document == {"test": "ok"}
    assert len(seen) == 3


def test_retry_after_is_obeyed_on_the_wire(alma: FakeAlma) -> None:
    """A gateway that names no pause at all is asked again at once, where chance would have waited."""
    alma.on("GET /test", *[Response("", 503, {"Retry-After": "0"})] * 3, {"test": "ok"})
    assert Session(alma.url, Key(KEY), SHORT).get("/conf/test").document == {"test": "ok"}
    assert len(alma.requests) == 4


@pytest.mark.parametrize("location", ["http://[::1", "/\udcff\udcfe", "//", "x" * 70_000])
def test_where_a_redirect_leads_is_not_even_read(location: str) -> None:
    """requests would parse it, and fail, although nothing is followed."""

    def talk(connection: socket.socket, _request: bytes) -> None:
        where = location.encode("utf-8", "surrogateescape")[:60_000]
        connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + where + b"\r\n\r\n")

    with RawServer(talk) as server, pytest.raises(NotAlma, match="redirects the request"):
        Session(server.url, Key(KEY), SHORT).write("POST", "/conf/jobs/S1", {"op": "run"}, {})


def test_cookies_are_not_kept(alma: FakeAlma, session: Session) -> None:
    """A session that several threads use must not change."""
    alma.on("GET /test", Response("{}", 200, {"Set-Cookie": "a=b"}))
    session.get("/conf/test")
    session.get("/conf/test")
    assert "Cookie" not in alma.requests[1].headers


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks5://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://:bad"),
        ("HTTPS_PROXY", f"http://{'x' * 70}.example:1"),
        ("REQUESTS_CA_BUNDLE", "/nonexistent.pem"),
    ],
)
def test_a_wrong_setting_of_the_environment_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Proxies and certificates of the machine; at once, without trying again."""
    monkeypatch.setenv(variable, value)
    begun = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        Session("https://alma.invalid", Key(KEY), SHORT).get("/conf/test")
    assert time.monotonic() - begun < 1
    assert variable in caught.value.hint
    assert not isinstance(caught.value, BrokenOff)


@pytest.mark.parametrize(
    ("retry_after", "expected"), [("7", 7.0), ("3600", 60.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)]
)
def test_retry_after_is_honoured_up_to_a_minute(retry_after: str, expected: float) -> None:
    """Seconds or a date, but never the hour that some gateways ask for."""
    unavailable = Answer(503, b"", retry_after)
    assert retry_pause(1, NotAlma("x"), unavailable) == expected


@pytest.mark.parametrize("retry_after", ["soon", "9" * 5000, "Sun, 05 Oct 99999999999 09:11:32 GMT"])
def test_an_unreadable_retry_after_counts_as_none(retry_after: str) -> None:
    """Nonsense in the header leaves the pause to chance, within its bound."""
    pause = retry_pause(1, NotAlma("x"), Answer(503, b"", retry_after))
    assert pause is not None
    assert 0 <= pause <= 1


def test_the_pause_is_random_and_its_bound_doubles() -> None:
    """Full jitter: many processes that failed together do not come back together."""
    for attempt, bound in ((1, 1.0), (2, 2.0), (3, 4.0)):
        pauses = [retry_pause(attempt, BrokenOff("x"), None) for _ in range(200)]
        assert all(pause is not None and 0 <= pause <= bound for pause in pauses)
        assert len(set(pauses)) > 100


def test_no_attempt_begins_after_the_deadline(alma: FakeAlma) -> None:
    """A pause that would outlast the time limit is not made."""
    alma.on("GET /test", Response("", 503, {"Retry-After": "30"}))
    begun = time.monotonic()
    with pytest.raises(NotAlma):
        Session(alma.url, Key(KEY), SHORT).get("/conf/test")
    assert time.monotonic() - begun < 2
    assert len(alma.requests) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/almaws/v1"])
def test_a_base_url_may_end_as_people_write_it(url: str) -> None:
    """With or without a slash or the API's own path."""
    assert Session(url, Key(KEY)).url == "http://127.0.0.1:1/almaws/v1"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("alma.example", False),
    ],
)
def test_loopback_is_this_machine(host: str, here: bool) -> None:
    """Addresses of 127/8, ::1 and the name localhost."""
    assert is_loopback(host) is here
