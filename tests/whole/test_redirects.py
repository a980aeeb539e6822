"""Alma does not redirect: whoever does is not followed, and sees neither the key nor a second start."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from werkzeug import Response

from tests.conftest import Run
from tests.support.fake_alma import BASE, FakeAlma, job
from tests.support.raw_server import RawServer, saying

ERP = job("S1", "ERP export")
STATUSES = (301, 302, 303, 307, 308)
LOCATIONS = {
    "same host": f"{{same}}{BASE}/elsewhere",
    "other host": f"{{other}}{BASE}{{path}}",
    "other scheme": f"https://{{place}}{BASE}{{path}}",
    "no scheme": f"//{{place}}{BASE}{{path}}",
    "relative": "elsewhere",
    "loop": f"{{same}}{BASE}{{path}}",
    "with a name": f"http://user:word@{{place}}{BASE}{{path}}",
    "nothing": "",
}
# Each code leads to both hosts; the other places need one of the two codes that keep a method.
CASES = [(status, where) for status in STATUSES for where in ("same host", "other host")] + [
    (307, where) for where in LOCATIONS if where not in ("same host", "other host")
]


@pytest.fixture
def elsewhere() -> Iterator[RawServer]:
    """Another server, which would answer as Alma does."""
    body = b'{"total_record_count": 0}'
    with RawServer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))) as server:
        yield server


def _redirect(site: FakeAlma, elsewhere: RawServer, path: str, status: int, where: str) -> Response:
    place = f"127.0.0.1:{elsewhere.port}"
    location = LOCATIONS[where].format(same=site.url, other=f"http://{place}", place=place, path=path)
    # As it is, without what werkzeug would make of it.
    response = Response("", status)
    response.autocorrect_location_header = False
    response.headers["Location"] = location
    return response


@pytest.mark.parametrize(("status", "where"), CASES)
def test_a_read_is_not_redirected(
    site: FakeAlma, elsewhere: RawServer, almajob: Run, status: int, where: str
) -> None:
    """One call, exit code 6, and the other server sees nothing."""
    site.on("GET /jobs", _redirect(site, elsewhere, "/jobs", status, where))
    done = almajob("--env", "sandbox", "list")
    assert (done.code, done.out) == (6, "")
    assert f"redirects the request (HTTP {status})" in done.err
    assert len(done.err.splitlines()) <= 6
    assert len(site.requests) == 1
    assert elsewhere.connections == 0


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize(("status", "where"), CASES)
def test_a_start_is_not_redirected(
    site: FakeAlma, elsewhere: RawServer, almajob: Run, status: int, where: str
) -> None:
    """One POST, exit code 9, as nobody knows who answered; the other server sees nothing."""
    site.jobs([ERP])
    site.on("POST /jobs/S1", _redirect(site, elsewhere, "/jobs/S1", status, where))
    done = almajob("--env", "sandbox", "run", "--job", "ERP export", "-f", "json")
    shown = json.loads(done.out)
    assert done.code == 9
    assert (shown["state"], shown["retry_safe"]) == ("ABSENT", False)
    assert f"redirects the request (HTTP {status})" in done.err
    assert len(site.calls("POST")) == 1
    assert elsewhere.connections == 0
