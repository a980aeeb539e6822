"""Every fault does what its name says, once, so many times, or by chance; almajob's session meets each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
import requests

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.errors import AlmajobError
from almajob.simulator.faults import Faults
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock

ERP = "S9563600010000561"
KEY = "simulator-sandbox-key"
HEADERS = {"Authorization": f"apikey {KEY}", "Accept": "application/json"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Institution(Clock(0, 1_760_000_000.0))) as running:
        yield running


def _url(simulator: Simulator, path: str) -> str:
    return f"{simulator.base_url}/almaws/v1/conf{path}"


def _get(simulator: Simulator, path: str = "/test", timeout: float = 5) -> requests.Response:
    return requests.get(_url(simulator, path), headers=HEADERS, timeout=timeout, allow_redirects=False)


def _start(simulator: Simulator, timeout: float = 5) -> requests.Response:
    return requests.post(
        _url(simulator, f"/jobs/{ERP}?op=run"),
        json={},
        headers=HEADERS,
        timeout=timeout,
        allow_redirects=False,
    )


def _started(simulator: Simulator) -> int:
    return len(simulator.institution.sandbox.runs())


# --- when a fault happens ---


def test_a_fault_happens_once_and_only_where_it_is_wanted(simulator: Simulator) -> None:
    """By a pattern of method and path; unused ones are told."""
    faults = simulator.institution.faults
    faults.add("503", "GET /conf/jobs*")
    faults.add("503", "DELETE *")
    assert [_get(simulator, path).status_code for path in ("/test", "/jobs", "/jobs")] == [200, 503, 200]
    assert [fault.on for fault in faults.list_unused()] == ["DELETE *"]
    faults.clear()
    assert faults.list_unused() == []


def test_a_fault_happens_n_times_or_always(simulator: Simulator) -> None:
    """None for always."""
    faults = simulator.institution.faults
    faults.add("503", times=2)
    assert [_get(simulator).status_code for _ in range(3)] == [503, 503, 200]
    faults.add("503", times=None)
    assert {_get(simulator).status_code for _ in range(5)} == {503}


def test_chance_can_be_repeated() -> None:
    """The same seed, the same faults; about as many as the probability says."""

    def happened(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add("503", times=None, probability=0.3)
        return [bool(faults.take("GET", "/conf/test")) for _ in range(300)]

    assert happened(7) == happened(7) != happened(8)
    assert 50 < sum(happened(7)) < 130


def test_a_fault_waits_for_a_call_on_which_it_has_an_effect(simulator: Simulator) -> None:
    """A read does not use up what happens to starts; of two answers one is given at a time."""
    faults = simulator.institution.faults
    for name in ("no-link", "late-start", "listing-lag", "pages-shift", "unknown-status", "error-object"):
        faults.add(name)
    assert _get(simulator).ok
    assert _get(simulator, "/jobs").ok
    assert len(faults.list_unused()) == 6
    assert "additional_info" not in _start(simulator).json()
    faults.clear()
    faults.add("503")
    faults.add("html-200")
    assert [_get(simulator).status_code for _ in range(3)] == [503, 200, 200]
    assert faults.list_unused() == []


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("nonsense", {}),
        ("503", {"times": 0}),
        ("503", {"probability": 2}),
        ("refused", {"on": "POST *"}),
        ("drip", {"seconds": -1}),
    ],
)
def test_what_is_no_fault_is_refused(name: str, more: dict[str, float]) -> None:
    """With the names that there are."""
    with pytest.raises(ValueError, match=r"there are|times is|connection"):
        Faults().add(name, **more)  # type: ignore[arg-type]


# --- what each one does ---

ANSWERED = {
    "accepted-500": (500, True, b"GENERAL_ERROR"),
    "accepted-502": (502, True, b"Bad Gateway"),
    "no-link": (200, True, b'"id"'),
    "relative-link": (200, True, b'"link": "/almaws/v1/conf/jobs/S9563600010000561/instances/'),
    "foreign-link": (200, True, b'"link": "https://elsewhere.invalid/'),
    "per-second": (429, False, b"PER_SECOND_THRESHOLD"),
    "daily": (429, False, b"DAILY_THRESHOLD"),
    "503": (503, False, b"<html>"),
    "503-retry-after": (503, False, b"<html>"),
    "html-200": (200, False, b"Please sign in"),
    "empty": (200, False, b""),
    "html-401": (401, False, b"<html>"),
    "text-key-error": (400, False, b"Invalid API Key"),
    "redirect": (302, False, b""),
    "huge": (200, True, b" " * 1000),
    "gzip-bomb": (200, True, b" " * 1000),
}


@pytest.mark.parametrize(("name", "status", "accepted", "part"), [(n, *rest) for n, rest in ANSWERED.items()])
def test_faults_that_answer(
    simulator: Simulator, name: str, status: int, accepted: bool, part: bytes
) -> None:
    """The status, whether the start was accepted, and what the body is."""
    simulator.institution.faults.add(name, "POST *")
    answer = _start(simulator, timeout=30)
    assert (answer.status_code, _started(simulator)) == (status, int(accepted))
    assert part in answer.content
    assert ("additional_info" in answer.text) is (accepted and status == 200 and name != "no-link")
    assert simulator.institution.log.requests()[-1].faults == (name,)
    if name in ("huge", "gzip-bomb"):
        assert len(answer.content) > 50_000_000
    if name == "503-retry-after":
        assert answer.headers["Retry-After"] == "1"
    if name == "redirect":
        assert "elsewhere.invalid" in answer.headers["Location"]


@pytest.mark.parametrize(
    ("name", "accepted"), [("refused", 0), ("reset-before", 0), ("reset-after", 1), ("accepted-truncated", 1)]
)
def test_faults_that_break_the_connection(simulator: Simulator, name: str, accepted: int) -> None:
    """No whole answer comes; whether the start was accepted cannot be told from outside."""
    simulator.institution.faults.add(name, "*" if name == "refused" else "POST *")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _start(simulator)
    assert _started(simulator) == accepted
    assert _get(simulator).status_code == 200


@pytest.mark.parametrize("name", ["accepted-slow", "drip"])
def test_faults_that_take_their_time(simulator: Simulator, name: str) -> None:
    """The start is accepted at once; nothing holds up the simulator's end."""
    simulator.institution.faults.add(name, "POST *")
    session = Session(simulator.base_url, Key(KEY), TimeLimits(1, 1, 1))
    with pytest.raises(AlmajobError):
        session.write("POST", f"/conf/jobs/{ERP}", {"op": "run"}, {})
    assert _started(simulator) == 1
    begun = time.monotonic()
    simulator.__exit__(None, None, None)
    assert time.monotonic() - begun < 3


def test_faults_of_what_is_seen(simulator: Simulator) -> None:
    """A run that starts late, a listing that lags, an unknown status, shifted pages, a wrong date."""
    faults, clock = simulator.institution.faults, simulator.institution.clock
    run_id = _start(simulator).json()["additional_info"]["link"].rsplit("/", 1)[1]
    faults.add("late-start", times=None)
    faults.add("listing-lag", times=None)
    one, listed = f"/jobs/ALL/instances/{run_id}", f"/jobs/{ERP}/instances"
    assert "402218" in _get(simulator, one).text
    assert _get(simulator, listed).json() == {"total_record_count": 0}
    clock.advance(61)
    assert _get(simulator, one).json()["id"] == run_id
    assert _get(simulator, listed).json()["total_record_count"] == 1
    faults.clear()
    faults.add("unknown-status")
    assert _get(simulator, one).json()["status"] == {"value": "BRAND_NEW_STATUS"}
    last = _get(simulator, "/jobs?limit=10").json()["job"][-1]
    faults.add("pages-shift", "GET /conf/jobs")
    shifted = _get(simulator, "/jobs?limit=10&offset=10").json()
    assert (shifted["job"][0], shifted["total_record_count"]) == (last, 89)
    faults.clear()
    faults.add("clock-off")
    late, right = (parsedate_to_datetime(_get(simulator).headers["Date"]) for _ in range(2))
    assert (right - late).total_seconds() == 3600


@pytest.mark.parametrize("name", ["error-object", "errors-exist-text"])
def test_faults_of_the_shape_of_an_error(simulator: Simulator, name: str) -> None:
    """The other forms in which errors have been seen; almajob reads them all the same."""
    simulator.institution.faults.add(name)
    document = _get(simulator, "/jobs/X").json()
    assert isinstance(document["errorList"]["error"], dict) is (name == "error-object")
    assert (document["errorsExist"] == "true") is (name == "errors-exist-text")
    simulator.institution.faults.add(name)
    with pytest.raises(AlmajobError, match="402215"):
        Alma(Session(simulator.base_url, Key(KEY))).instance("1", "X")
