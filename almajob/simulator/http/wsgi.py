"""The simulated institution as a WSGI application: callable with or without a socket.

https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from http.client import responses
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from almajob.simulator import admin_api
from almajob.simulator.api import configuration, jobs
from almajob.simulator.api.jobs import Document, Exchange
from almajob.simulator.errors import GatewayRefusal, Refusal
from almajob.simulator.faults import (
    Fault,
    Reset,
    disturb_answer,
    is_json_error,
    replace_answer,
    reshape_error,
    select_api_faults,
)
from almajob.simulator.http.host_check import HostCheck, is_from_elsewhere
from almajob.simulator.http.messages import BODY_LIMIT, Call, Reply, refuse, refuse_at_gateway, reply
from almajob.simulator.http.request_log import Entry
from almajob.simulator.institution import Institution

LOG = logging.getLogger(__name__)

PREFIX = "/almaws/v1"
_DRIP_SECONDS = 0.2
Handled = tuple[str, Document] | Reply
# "{}" stands for one segment of the path, which becomes an argument.
_ROUTES: tuple[tuple[str, str, Callable[..., Handled]], ...] = (
    ("GET", "jobs", jobs.job_list),
    ("GET", "jobs/{}", jobs.job_get),
    ("POST", "jobs/{}", jobs.job_submit),
    ("GET", "jobs/{}/instances", jobs.instance_list),
    ("GET", "jobs/{}/instances/{}", jobs.instance_get),
    ("GET", "jobs/{}/instances/{}/download", jobs.instance_download),
    ("GET", "jobs/{}/instances/{}/events", jobs.instance_events),
    ("GET", "jobs/{}/instances/{}/matches", jobs.instance_matches),
    ("GET", "code-tables", configuration.table_list),
    ("GET", "code-tables/{}", configuration.table_get),
    ("GET", "test", configuration.test_read),
    ("POST", "test", configuration.test_write),
    ("GET", "general", configuration.general),
    ("GET", "integration-profiles", configuration.profile_list),
    ("GET", "integration-profiles/{}", configuration.profile_get),
    ("GET", "sets", configuration.set_list),
    ("POST", "sets", configuration.set_create),
    ("GET", "sets/{}", configuration.set_get),
    ("POST", "sets/{}", configuration.set_change),
    ("PUT", "sets/{}", configuration.set_update),
    ("DELETE", "sets/{}", configuration.set_delete),
    ("GET", "sets/{}/members", configuration.set_members),
)


class Application:
    """The WSGI application.

    Args:
        institution: what it serves.
        hosts: under which hosts it is called; None for any, where the server in front of it checks that.

    Calling it may raise ``Reset``, where a fault resets the connection.
    """

    def __init__(self, institution: Institution, hosts: HostCheck | None = None) -> None:
        self.institution = institution
        self._hosts = hosts
        self._tracking = itertools.count(1)
        # Set when the server stops, so that nothing waits for a slow answer.
        self.stopped = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST") or f"127.0.0.1:{environ.get('SERVER_PORT', '80')}"
        base = f"{environ.get('wsgi.url_scheme', 'http')}://{host}"
        path = environ.get("PATH_INFO", "")
        is_control = f"{path}/".startswith("/simulator/")
        if wrong := self._wrong_sender(environ, base, is_control=is_control):
            # Before anything is counted, logged or goes wrong: to the world behind it, it did not happen.
            refused = admin_api.as_json(wrong.status, {"error": wrong.text})
            answer = refused if is_control else refuse_at_gateway(wrong)
        elif is_control:
            call = _call(environ, path.removeprefix("/simulator").lstrip("/"))
            answer = admin_api.answer(self.institution, call)
        else:
            conf = f"{PREFIX}/conf/"
            below = path.removeprefix(conf) if path.startswith(conf) else "(outside)"
            answer = self._serve(_call(environ, below), path.removeprefix(PREFIX), base)
        if answer.wait:
            self.stopped.wait(answer.wait)
        start_response(f"{answer.status} {responses.get(answer.status, '')}", answer.all_headers)
        return self._drip(answer.body) if answer.drips else [answer.body]

    def _drip(self, body: bytes) -> Iterator[bytes]:
        for place in range(len(body)):
            yield body[place : place + 1]
            self.stopped.wait(_DRIP_SECONDS)

    def _wrong_sender(
        self, environ: WSGIEnvironment, base: str, *, is_control: bool
    ) -> GatewayRefusal | None:
        host = environ.get("HTTP_HOST")
        if host is not None and self._hosts is not None and not self._hosts.allows(host):
            return GatewayRefusal("WRONG_HOST")
        # A link to the simulator's page may be followed; reading below it changes nothing, and a browser does
        # not show the answer to another page.
        only_reads = is_control and environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if not only_reads and is_from_elsewhere(environ, base):
            return GatewayRefusal("CROSS_SITE")
        return None

    def _serve(self, call: Call, path: str, base: str) -> Reply:
        further_page = call.query.get("offset", "0") not in ("", "0")
        institution = self.institution
        faults = institution.faults.take(call.method, path, further_page=further_page)
        asked = Entry(
            institution.clock(),
            call.method,
            path,
            {name: value for name, value in call.query.items() if name != "apikey"},
            status=0,
            key=institution.gateway.name_of(call),
            faults=tuple(faults),
            headers=dict(call.headers),
            raw=call.body,
        )
        unexpected = _route(call) is None and not institution.answers.knows(asked)
        try:
            if institution.interruptions.happen(call.method, path, "before"):
                raise Reset
            answer = replace_answer(faults) or disturb_answer(faults, self._answer(call, asked, base, faults))
        except Reset:
            institution.log.add(asked)
            raise
        if is_json_error(answer):
            shapes = institution.faults.take_shapes(call.method, f"/conf/{'/'.join(call.path)}")
            answer = reshape_error(shapes, answer) if shapes else answer
        institution.log.add(replace(asked, status=answer.status, unexpected=unexpected))
        institution.interruptions.happen(call.method, path, "after")
        return self._add_headers(answer, late=3600 if "clock-off" in faults else 0)

    def _answer(self, call: Call, asked: Entry, base: str, faults: dict[str, Fault]) -> Reply:
        try:
            key = self.institution.gateway.admit(call)
            if (planned := self.institution.answers.take(asked)) is not None:
                return planned
            found = _route(call)
            if found is None:
                raise GatewayRefusal("ROUTING_ERROR")
            if len(call.body) > BODY_LIMIT:
                raise GatewayRefusal("REQUEST_TOO_LARGE")
            handle, arguments = found
            world = self.institution.worlds[key.environment]
            handled = handle(
                Exchange(world, call, base, world.clock(), select_api_faults(faults)), *arguments
            )
            return handled if isinstance(handled, Reply) else reply(call, *handled)
        except GatewayRefusal as refusal:
            return refuse_at_gateway(refusal)
        except Refusal as refusal:
            now = datetime.fromtimestamp(self.institution.clock(), UTC)
            return refuse(call, refusal, f"E01-{now:%d%m%H%M%S}-SIMUL-AWAE{next(self._tracking)}")
        except Exception:
            # A bug of the simulator's must not look like a broken connection.
            LOG.exception("The simulator failed on %s %s", call.method, "/".join(call.path))
            return refuse_at_gateway(GatewayRefusal("GENERAL_ERROR"))

    def refuse(self, refusal: GatewayRefusal, method: str, path: str) -> Reply:
        """Answer what is no request for Alma as its gateway does, and note it."""
        answer = refuse_at_gateway(refusal)
        now = self.institution.clock()
        self.institution.log.add(Entry(now, method, path, {}, answer.status, "none", unexpected=True))
        return self._add_headers(answer)

    def _add_headers(self, answer: Reply, late: float = 0) -> Reply:
        """Add what every answer has: the calls left for the day, perhaps those of a day, and the time."""
        gateway = self.institution.gateway
        calls = [("X-Exl-Api-Remaining", str(gateway.remaining))]
        if gateway.a_day is not None:
            calls.append(("X-Exl-Api-Quota", str(gateway.a_day)))
        date = ("Date", formatdate(self.institution.clock() - late, usegmt=True))
        return replace(answer, headers=(*answer.headers, *calls, date))


def _call(environ: WSGIEnvironment, path: str) -> Call:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    try:
        size = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        size = 0
    return Call(
        environ["REQUEST_METHOD"],
        tuple(path.split("/")) if path else (),
        {
            name.lower(): value
            for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        },
        headers,
        # One byte more than is allowed, to be seen as too many.
        environ["wsgi.input"].read(min(size, BODY_LIMIT + 1)) if size > 0 else b"",
    )


def _route(call: Call) -> tuple[Callable[..., Handled], list[str]] | None:
    for method, pattern, handle in _ROUTES:
        wanted = pattern.split("/")
        if method == call.method and len(wanted) == len(call.path):
            pairs = list(zip(wanted, call.path, strict=True))
            if all(part in ("{}", given) for part, given in pairs):
                return handle, [given for part, given in pairs if part == "{}"]
    return None
