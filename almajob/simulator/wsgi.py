"""Alma's Jobs API as a WSGI application over a world; callable without a socket.

The paths, parameters and error codes are those of Alma's Configuration API,
https://developers.exlibrisgroup.com/alma/apis/conf/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from almajob.alma.statuses import STATUSES
from almajob.simulator.world import INSTITUTION, WorldFile

_BODY_LIMIT = 2**20
_SUBMITTABLE = re.compile(
    r"ERP|Metadata Import|Remote Storage|bursar|Publishing|Users (SYNCHRONIZE|EXPORT|IMPORT)", re.IGNORECASE
)
_UNAUTHORIZED = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<web_service_result xmlns="http://com/exlibris/urm/general/xmlbeans"><errorsExist>true</errorsExist>'
    "<errorList><error><errorCode>UNAUTHORIZED</errorCode>"
    "<errorMessage>API-key not defined or not configured to allow this API.</errorMessage>"
    "</error></errorList></web_service_result>"
)


class Refusal(Exception):
    """An error of Alma's: code and text. All that is wrong with a request is HTTP 400."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Application:
    """The WSGI application.

    Args:
        world: what it serves.
        key: the API key that it takes.
    """

    def __init__(self, world: WorldFile, key: str) -> None:
        self._world = world
        self._key = key

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_AUTHORIZATION") != f"apikey {self._key}":
            # The gateway answers in XML whatever was asked for.
            return _answer(start_response, "400 Bad Request", "application/xml", _UNAUTHORIZED)
        try:
            document, status = self._route(environ), "200 OK"
        except Refusal as refusal:
            document, status = _error(refusal), "400 Bad Request"
        return _answer(start_response, status, "application/json", json.dumps(document))

    def _route(self, environ: WSGIEnvironment) -> dict[str, Any]:
        path = environ.get("PATH_INFO", "").removeprefix("/almaws/v1/conf/").split("/")
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        match [environ["REQUEST_METHOD"], *path]:
            case ["GET", "jobs"]:
                return self._jobs(query)
            case ["GET", "jobs", job_id]:
                return self._job(job_id)
            case ["POST", "jobs", job_id]:
                return self._submit(job_id, query, environ)
            case ["GET", "jobs", job_id, "instances"]:
                return self._instances(job_id, query)
            case ["GET", "jobs", job_id, "instances", instance_id]:
                return self._instance(job_id, instance_id)
            case ["GET", "code-tables", "systemJobStatus"]:
                return _status_table()
            case ["GET" | "POST" as method, "test"]:
                institution = f" - institutionCode: {INSTITUTION}" if method == "GET" else ""
                return {"test": f"{method} - OK{institution}"}
            case ["GET", "general"]:
                return self._world.general()
            case _:
                raise Refusal("402119", "General error.")

    def _jobs(self, query: dict[str, str]) -> dict[str, Any]:
        wanted_type = query.get("type", "").upper()
        if wanted_type not in ("", "MANUAL", "SCHEDULED", "OTHER"):
            raise Refusal("40166410", "Invalid type.")
        known = {job["category"]["value"] for job in self._world.jobs()}
        if query.get("category") and query["category"] not in known:
            raise Refusal("40166410", "Invalid category.")
        found = [
            self._world.listed(job)
            for job in self._world.jobs()
            if wanted_type in ("", job["type"]["value"])
            and query.get("category", "") in ("", job["category"]["value"])
            # No job of this world belongs to an integration profile.
            and not query.get("profile_id")
        ]
        return _page("job", found, query)

    def _job(self, job_id: str) -> dict[str, Any]:
        if not re.fullmatch(r"[MSO]\d+", job_id):
            raise Refusal(
                "402215",
                f"Invalid format for job_id. Value: {job_id}. "
                "Valid format: Job type prefix (S,M,O) followed by digits",
            )
        job = self._world.job(job_id)
        if job is None:
            raise Refusal("402216", "Invalid job id.")
        return job

    def _submit(self, job_id: str, query: dict[str, str], environ: WSGIEnvironment) -> dict[str, Any]:
        if "op" not in query:
            raise Refusal("402220", "Operation was not provided.")
        if query["op"] != "run":
            raise Refusal("402221", "Operation is not supported.")
        job = self._job(job_id)
        if job["type"]["value"] != "MANUAL" and not _SUBMITTABLE.search(job["name"]):
            raise Refusal("402248", "Cannot submit scheduled job.")
        parameters = _parameters(environ)
        made = self._world.submit(job, parameters)
        link = f"/almaws/v1/conf/jobs/{job_id}/instances/{made.id}"
        return {
            **job,
            "parameter": parameters,
            "additional_info": {"value": _sentence(made.id, made.submitted), "link": link},
            "link": f"/almaws/v1/conf/jobs/{job_id}",
        }

    def _instances(self, job_id: str, query: dict[str, str]) -> dict[str, Any]:
        job = self._job(job_id)
        # Newest first.
        found = [item for item in reversed(self._world.submissions()) if item.job_id == job["id"]]
        return _page("job_instance", [self._world.instance(item) for item in found], query)

    def _instance(self, job_id: str, instance_id: str) -> dict[str, Any]:
        if job_id != "ALL":
            self._job(job_id)
        for item in self._world.submissions():
            if item.id == instance_id and job_id in ("ALL", item.job_id):
                return self._world.instance(item)
        raise Refusal("402218", "Invalid job instance id.")


def _sentence(instance_id: str, submitted: float) -> str:
    return f"Job no. {instance_id} triggered on {formatdate(submitted, usegmt=True)}"


def _page(name: str, items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    try:
        limit, offset = int(query.get("limit", "10")), int(query.get("offset", "0"))
    except ValueError:
        raise Refusal("40166410", "Invalid limit or offset.") from None
    if not 0 <= limit <= 100 or offset < 0:
        raise Refusal("40166410", "Invalid limit or offset.")
    shown = items[offset : offset + limit]
    # Alma leaves the array out where it is empty.
    return ({name: shown} if shown else {}) | {"total_record_count": len(items)}


def _parameters(environ: WSGIEnvironment) -> list[dict[str, Any]]:
    size = min(int(environ.get("CONTENT_LENGTH") or 0), _BODY_LIMIT)
    try:
        document = json.loads(environ["wsgi.input"].read(size) or b"{}")
        return [
            {"name": {"value": str(item["name"]["value"])}, "value": str(item.get("value", ""))}
            for item in document.get("parameter", [])
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refusal("402119", "General error.") from None


def _status_table() -> dict[str, Any]:
    return {
        "name": "systemJobStatus",
        "description": "System Job Status",
        "row": [
            {"code": code, "description": status.description, "default": False, "enabled": True}
            for code, status in STATUSES.items()
        ],
    }


def _error(refusal: Refusal) -> dict[str, Any]:
    error = {"errorCode": refusal.code, "errorMessage": refusal.text, "trackingId": "E01-DEMO-00000-AWAE1"}
    return {"errorsExist": True, "errorList": {"error": [error]}, "result": None}


def _answer(start_response: StartResponse, status: str, kind: str, text: str) -> list[bytes]:
    body = text.encode()
    start_response(status, [("Content-Type", f"{kind};charset=UTF-8"), ("Content-Length", str(len(body)))])
    return [body]
