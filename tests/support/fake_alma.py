"""An Alma that answers what a test says: real HTTP on a loopback port, and a log of what crossed the wire."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "l7xx00canary00canary00canary00canary"
"""The one key of the whole suite; what it must not be written to is searched for it."""

BASE = "/almaws/v1/conf"

STATUS_TABLE = {
    "name": "systemJobStatus",
    "row": [
        {"code": "QUEUED", "description": "Queued (from the table)"},
        {"code": "RUNNING", "description": "Running (from the table)"},
        {"code": "COMPLETED_SUCCESS", "description": "Completed Successfully (from the table)"},
        {"code": "COMPLETED_FAILED", "description": "Completed with Errors (from the table)"},
    ],
}

Answer = Response | Callable[[Request], Response]


def job(job_id: str, name: str, kind: str = "SCHEDULED", category: str = "ERP") -> dict[str, Any]:
    """Make a job as the list shows it."""
    return {
        "id": job_id,
        "name": name,
        "type": {"value": kind, "desc": kind.capitalize()},
        "category": {"value": category, "desc": ""},
        "link": f"https://elsewhere.invalid/almaws/v1/conf/jobs/{job_id}",
    }


def instance(instance_id: str, of: dict[str, Any], status: str, **more: Any) -> dict[str, Any]:
    """Make a run as Alma shows it."""
    return {
        "id": instance_id,
        "name": of["name"],
        "progress": 0,
        "status": {"value": status, "desc": "from the instance"},
        "submitted_by": {"value": "exl_api", "desc": "Ex Libris, API"},
        "submit_time": "2025-10-05T09:11:32.592Z",
        "status_date": "2025-10-05Z",
        "job_info": of,
        **more,
    }


def started(
    of: dict[str, Any], instance_id: str, link: str = "/almaws/v1/conf/jobs/{job}/instances/{id}"
) -> Any:
    """Make the answer to a start."""
    return {
        **of,
        "additional_info": {
            "value": f"Job no. {instance_id} triggered on Sun, 05 Oct 2025 09:11:32 GMT",
            "link": link.format(job=of["id"], id=instance_id),
        },
    }


def error(
    code: str, text: str = "Some text.", tracking: str = "E01-0510091132-ABCDE-AWAE12345"
) -> dict[str, Any]:
    """Make Alma's usual error body."""
    listed = [{"errorCode": code, "errorMessage": text, "trackingId": tracking}]
    return {"errorsExist": True, "errorList": {"error": listed}, "result": None}


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON answer."""
    return Response(json.dumps(document), status, headers, content_type="application/json;charset=UTF-8")


class FakeAlma:
    """Answers by method and path; several answers for one are given in turn, the last one for good."""

    def __init__(self) -> None:
        self._server = HTTPServer(threaded=True)
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.unexpected: list[str] = []

    def __enter__(self) -> FakeAlma:
        self._server.expect_request(re.compile(".*")).respond_with_handler(self._handle)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return str(self._server.url_for("")).rstrip("/")

    def on(self, call: str, *answers: Any, status: int = 200) -> None:
        """Answer a call such as ``GET /jobs/M44``: documents, Responses or functions of the request."""
        method, path = call.split(" ", 1)
        made = [
            item if isinstance(item, Response) or callable(item) else answer(item, status) for item in answers
        ]
        self._answers[method, BASE + path] = made

    def jobs(self, jobs: Sequence[dict[str, Any]]) -> None:
        """Answer the list and each of its jobs."""

        def page(request: Request) -> Response:
            query = {name: values[-1] for name, values in parse_qs(urlsplit(request.url).query).items()}
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
            shown = list(jobs)[offset : offset + limit]
            return answer(({"job": shown} if shown else {}) | {"total_record_count": len(jobs)})

        self.on("GET /jobs", page)
        self.on("GET /general", {"environment_type": "Sandbox", "institution": {"value": "01FAKE_INST"}})
        for item in jobs:
            self.on(f"GET /jobs/{item['id']}", item)
            self.on(f"GET /jobs/{item['id']}/instances", {"total_record_count": 0})

    def many_runs(self, count: int) -> dict[str, str]:
        """Answer so many runs, each of a job of its own; return the jobs' ids by the runs'."""
        self.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
        jobs = {str(9_563_000_000_000 + number): f"S{number}" for number in range(count)}
        for run_id, job_id in jobs.items():
            self.on(
                f"GET /jobs/ALL/instances/{run_id}", instance(run_id, job(job_id, f"Job {job_id}"), "RUNNING")
            )
        return jobs

    def calls(self, method: str | None = None) -> list[str]:
        """List what crossed the wire, such as ``GET /jobs?limit=100&offset=0``."""
        return [
            f"{request.method} {request.full_path.removeprefix(BASE).rstrip('?')}"
            for request in self.requests
            if method in (None, request.method)
        ]

    def reset(self) -> None:
        """Forget the last test."""
        with self._lock:
            self._answers.clear()
            self.requests = []
            self.unexpected = []

    def check(self) -> None:
        """Fail where something was asked for that the test did not expect."""
        assert self.unexpected == []

    def _handle(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get((request.method, request.path))
            if answers is None:
                self.unexpected.append(f"{request.method} {request.full_path}")
                return Response("unexpected", 599)
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        return chosen if isinstance(chosen, Response) else chosen(request)
