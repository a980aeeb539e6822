"""Alma's error bodies, in all their forms, as one typed error with our advice.

Application errors come as JSON or XML with HTTP 400, whatever they are about; gateway errors have a word
for a code and come as XML, plain text or a web page, whatever was asked for.
Source: https://developers.exlibrisgroup.com/alma/apis/#error and answers seen in public clients.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from almajob.alma.http import body_parser
from almajob.errors import (
    KEY_PAGE,
    AlmaError,
    AlmaFailed,
    AlmajobError,
    AlmaRefused,
    KeyRefused,
    NotAlma,
    QuotaUsedUp,
)
from almajob.text.redaction import redact

DAILY_THRESHOLD = "DAILY_THRESHOLD"
PER_SECOND_THRESHOLD = "PER_SECOND_THRESHOLD"
RETRIED_STATUSES = frozenset({502, 503, 504})
"""The statuses of a gateway whose Alma is not there just now."""
NO_SUCH_INSTANCE = "402218"
NO_SUCH_JOB = frozenset({"402215", "402216"})
NO_SUCH_SET = frozenset({"60107"})
BAD_QUERY = frozenset({"60106", "40166410"})
# Of code and text of each error but the first.
_LONGEST_OTHER = 150
# As a start's answer names its run.
_RUN_LINK = re.compile(r"/instances/[0-9]+")
_KEY_CODES = frozenset({"UNAUTHORIZED", "FORBIDDEN", "INVALID_REQUEST"})
GATEWAY_REFUSALS = _KEY_CODES | {
    *(DAILY_THRESHOLD, PER_SECOND_THRESHOLD, "ROUTING_ERROR", "REQUEST_TOO_LARGE"),
}
"""The codes with which the gateway says that it did not pass a request on."""

_KEY_ADVICE = (
    f"Check the key at {KEY_PAGE}: area Configuration, the right environment, "
    "Read/write to start jobs, and this machine's address if the key is restricted to some.\n"
    "almajob config check shows which calls it may make."
)
_SLOT_ADVICE = (
    "Alma runs at most 3 jobs started by the API at once, and starts one job at most 5 times an hour.\n"
    "Start it again when one has ended or the hour is over."
)
_PARAMETER_ADVICE = (
    "Alma shows a job's parameters in its 'Run a job' wizard, last step, panel API Information:\n"
    "save them in a file, and add --params FILE. --set NAME names the set that it works on."
)
_SUBMITTABLE = (
    "Of the scheduled jobs only ERP, Metadata Import, Remote Storage, Bursar, Funds Allocation Loader, "
    "General Publishing, Courses and Student Information System may be started by the API."
)
_ALMA_ERROR_ADVICE = "Look in Alma, Admin > Monitor Jobs, before you start it again."
_LIST_ADVICE = "almajob list shows what there is."

ADVICE: dict[str, str] = {
    "402215": f"A job id is M, S or O and digits, such as M44. {_LIST_ADVICE}",
    "402216": f"Ids differ between sandbox and production. {_LIST_ADVICE}",
    "402217": "A date is written YYYY-MM-DD.",
    "402218": "The id is the Process ID in Alma's Monitor Jobs. It is valid in one environment only.",
    "402219": "Try again. If it persists, give Ex Libris Support the tracking id.",
    "402220": "This is a bug in almajob: please report it.",
    "402221": "This is a bug in almajob: please report it.",
    "402222": _SLOT_ADVICE,
    "402223": _SLOT_ADVICE,
    "402224": _ALMA_ERROR_ADVICE,
    "402225": _ALMA_ERROR_ADVICE,
    "402226": _ALMA_ERROR_ADVICE,
    "402228": _PARAMETER_ADVICE,
    "402229": _PARAMETER_ADVICE,
    "402231": "A process chain of several tasks cannot be started by the API: start it in Alma.",
    "402248": _SUBMITTABLE,
    "402249": _SUBMITTABLE,
    "402261": "A set needs a name, and a code of Alma's for what it is of, such as BIB_MMS or ITEM.",
    "402282": "A job may be at work on the set: try again when it has ended.",
    "60205": "Sets can be combined if they are of the same kind, such as two sets of titles.",
    "60206": "Look at both sets in Alma, Admin > Manage Sets, and try again.",
    "60311": "A set of the Network or Community Zone cannot be combined with one of the institution.",
    "402119": "Try again. If it persists, give Ex Libris Support the tracking id.",
    "60347": "The same job, or one it excludes, is running: wait for its end.",
    "60332": "Only jobs of the Student Information System have events.",
    "60333": "Try again. If it persists, give Ex Libris Support the tracking id.",
    "40166410": "Alma does not know this type, category, status or other filter; a category belongs to one "
    "type, and almajob list shows both.",
    "40166411": "This institution does not have that code table.",
    "UNAUTHORIZED": _KEY_ADVICE,
    "FORBIDDEN": _KEY_ADVICE,
    "INVALID_REQUEST": _KEY_ADVICE,
    PER_SECOND_THRESHOLD: "The institution's programs together call Alma too often: try again in a minute.",
    DAILY_THRESHOLD: "Calls are counted per institution, and again from 0 after midnight in its region.",
    "GENERAL_ERROR": "Try again. If it persists, give Ex Libris Support the tracking id.",
    "ROUTING_ERROR": "Check region or base_url of this environment in the configuration file.",
    "REQUEST_TOO_LARGE": "There are more parameters than Alma accepts in one call.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error body says.

    Attributes:
        code: Alma's code, a number as text or a gateway's word.
        text: Alma's message; it varies for one code, so decide by the code.
        tracking_id: for Ex Libris Support; empty where the gateway answered.
        codes: those of all errors in the body, the first one included.
        others: code and text of each error but the first, each once.
    """

    code: str
    text: str
    tracking_id: str = ""
    codes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def refusal_in(document: dict[str, Any]) -> Refusal | None:
    """Find the error in a parsed answer, or None where it is no error body."""
    body = document.get("web_service_result", document)
    if not isinstance(body, dict):
        return None
    listed = body.get("errorList")
    if listed is None and str(body.get("errorsExist", "")).lower() != "true":
        return None
    errors = _errors_in(listed.get("error") if isinstance(listed, dict) else listed)
    fields = errors[0] if errors else {}
    if not fields and listed is not None and str(body.get("errorsExist", "")).lower() == "false":
        return None
    code, text, tracking_id = (
        _one_line(fields.get(name)) for name in ("errorCode", "errorMessage", "trackingId")
    )
    codes = tuple(_one_line(error.get("errorCode")) for error in errors)
    described = list(dict.fromkeys(_describe(error)[:_LONGEST_OTHER] for error in errors))
    return Refusal(code, text, tracking_id, codes, tuple(filter(None, described[1:])))


def _describe(error: dict[str, Any]) -> str:
    return " ".join(filter(None, (_one_line(error.get(name)) for name in ("errorCode", "errorMessage"))))


def _errors_in(listed: object) -> list[dict[str, Any]]:
    if isinstance(listed, list):
        return [error for each in listed for error in _errors_in(each)]
    return [listed] if isinstance(listed, dict) else []


def _one_line(value: object) -> str:
    # Before it is cut: half a key would not be known as one.
    return redact(" ".join(str(value).split()))[:500] if value is not None else ""


def read_answer(http_status: int, body: bytes, host: str) -> dict[str, Any] | AlmajobError:
    """Parse one answer, whose body is decoded: the document of a success, or the error that it is."""
    try:
        document = body_parser.parse(body)
    except body_parser.Unreadable as unreadable:
        return _unreadable(http_status, body, str(unreadable), host)
    refusal = refusal_in(document)
    if refusal is None:
        # A part of an answer (206), or one that somebody in between has changed (203), proves nothing.
        return document if http_status == 200 else _no_alma_error(http_status, host)
    kind, message = _judge(http_status, refusal.code)
    return kind(
        message,
        hint=next((ADVICE[code] for code in (refusal.code, *refusal.codes) if code in ADVICE), ""),
        code=refusal.code,
        codes=refusal.codes,
        others=refusal.others,
        text=refusal.text,
        tracking_id=refusal.tracking_id,
        http_status=http_status,
        names_run=bool(_RUN_LINK.search(json.dumps(document))),
    )


def error_in(http_status: int, body: bytes, host: str) -> AlmajobError | None:
    """Judge one answer, as ``read_answer``; None where it is a success."""
    found = read_answer(http_status, body, host)
    return found if isinstance(found, AlmajobError) else None


def _judge(http_status: int, code: str) -> tuple[type[AlmaError], str]:
    if code in _KEY_CODES:
        return KeyRefused, "Alma does not accept the API key for this call."
    if code == DAILY_THRESHOLD:
        return QuotaUsedUp, "The institution's API calls for today are used up."
    if http_status >= 500:
        return AlmaFailed, "Alma failed while it worked on the request."
    return AlmaRefused, "Alma refused the request."


def _unreadable(http_status: int, body: bytes, looks_like: str, host: str) -> AlmajobError:
    if 300 <= http_status < 400:
        return _no_alma_error(http_status, host)
    refuse_key = partial(KeyRefused, code="", tracking_id="", http_status=http_status)
    # The old gateway's plain-text answer to a bad key.
    if http_status == 400 and body.strip() == b"Invalid API Key":
        return refuse_key(
            "Alma does not accept the API key for this call.", hint=_KEY_ADVICE, text="Invalid API Key"
        )
    # Alma's own host (INSTITUTION.alma.exlibrisgroup.com) answers so; the API lives at the gateway.
    if http_status == 401:
        return refuse_key(
            f"{host} does not accept API keys.",
            reason=f"It answered with {looks_like}, as Alma's own host does.",
            hint="The API is at the regional gateway.\n"
            "Set region in the configuration file, or correct base_url.",
            text="Unauthorized",
        )
    return NotAlma(
        f"{host} did not answer as Alma does.",
        reason=f"HTTP {http_status} with {looks_like}.",
        hint="A proxy or a sign-in page may be in between, or base_url may be wrong. "
        "If not, try again in a few minutes.",
    )


def _no_alma_error(http_status: int, host: str) -> AlmajobError:
    if 300 <= http_status < 400:
        return NotAlma(
            f"{host} redirects the request (HTTP {http_status}).",
            reason="Alma does not redirect, and the key must not be sent elsewhere.",
            hint="Check region or base_url in the configuration file.",
        )
    if 200 <= http_status < 300:
        return NotAlma(
            f"{host} answered HTTP {http_status}, which is not a complete answer.",
            hint="Try again in a few minutes. A proxy or a cache may be in between.",
        )
    return NotAlma(
        f"{host} answered HTTP {http_status} without one of Alma's error codes.",
        hint="Try again in a few minutes.\n"
        "If it persists, check region or base_url in the configuration file.",
    )
