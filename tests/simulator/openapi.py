"""Alma's calls as an OpenAPI document: paths, parameters and codes as Ex Libris documents them.

The shapes of the answers are the members of real, captured answers: always there, or there at times.
Source of the calls: https://developers.exlibrisgroup.com/alma/apis/conf/
"""

from __future__ import annotations

from typing import Any

JOB_CODES = ("402215", "402216")
PAGE = ("limit", "offset")
CODED = {
    "type": "object",
    "required": ["value"],
    "properties": {"value": {}, "desc": {"type": "string"}, "link": {"type": "string"}},
    "additionalProperties": False,
}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
TEXT = {"type": "string"}


def _object(always: dict[str, Any], at_times: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(always),
        "properties": {**always, **(at_times or {})},
        "additionalProperties": False,
    }


def _list(name: str, item: dict[str, Any]) -> dict[str, Any]:
    # Where it is empty, the array is left out.
    return _object(
        {"total_record_count": {"type": "integer"}}, {name: {"type": "array", "minItems": 1, "items": item}}
    )


LISTED_JOB = _object({"id": TEXT, "name": TEXT, "type": CODED, "category": CODED, "link": TEXT})
PARAMETER = _object({"name": CODED, "value": TEXT})
JOB = _object(
    {"id": TEXT, "name": TEXT, "description": TEXT, "type": CODED, "category": CODED, "link": TEXT},
    {
        "content": CODED,
        "schedule": CODED,
        "creator": TEXT,
        "next_run": TEXT,
        "related_profile": CODED,
        "parameter": {"type": "array", "minItems": 1, "items": PARAMETER},
        "additional_info": CODED,
    },
)
COUNTER = _object({"type": CODED, "value": TEXT})
ACTION = _object({"type": CODED, "population": CODED, "members": {"type": "integer"}, "link": TEXT})
JOB_INFO = _object(
    {"id": TEXT, "name": TEXT, "description": TEXT, "type": CODED, "category": CODED, "link": TEXT}
)
INSTANCE = _object(
    {
        "id": TEXT,
        "name": TEXT,
        "progress": {"type": "number"},
        "status": CODED,
        "external_id": TEXT,
        "submitted_by": CODED,
        "submit_time": TIME,
        "status_date": TEXT,
        "job_info": JOB_INFO,
        "link": TEXT,
    },
    {
        "start_time": TIME,
        "end_time": TIME,
        "alert": {"type": "array", "minItems": 1, "items": CODED},
        "counter": {"type": "array", "items": COUNTER},
        "action": {"type": "array", "items": ACTION},
    },
)
SET_MEMBERS = {
    "id": TEXT,
    "name": TEXT,
    "description": TEXT,
    "type": CODED,
    "content": CODED,
    "status": CODED,
    "origin": CODED,
    "private": CODED,
    "status_date": TIME,
    "created_by": CODED,
    "created_date": TIME,
    "link": TEXT,
}
SET = _object({**SET_MEMBERS, "number_of_members": CODED}, {"query": CODED})
LISTED_SET = _object(SET_MEMBERS, {"query": CODED})
ROW = _object(
    {"code": TEXT, "description": TEXT, "default": {"type": "boolean"}, "enabled": {"type": "boolean"}}
)
TABLE = _object(
    {
        "name": TEXT,
        "description": TEXT,
        "sub_system": CODED,
        "patron_facing": {"type": "boolean"},
        "language": CODED,
        "scope": _object({"institution_id": CODED, "library_id": CODED}),
        "row": {"type": "array", "items": ROW},
    }
)
MATCH = _object({"incoming_record_id": TEXT, "mms_ids": TEXT})
EVENT = _object({"id": TEXT, "entity": CODED, "message": TEXT})
PROFILE = _object({"id": TEXT, "code": TEXT, "name": TEXT, "type": CODED, "link": TEXT})
MEMBER = _object({"id": TEXT, "description": TEXT, "link": TEXT})

# Method and path, query parameters, answer (None where it has no JSON), documented codes.
CALLS: tuple[tuple[str, str, tuple[str, ...], dict[str, Any] | None, tuple[str, ...]], ...] = (
    (
        "get",
        "/jobs",
        (*PAGE, "category", "type", "profile_id"),
        _list("job", LISTED_JOB),
        ("40166410", "402219"),
    ),
    ("get", "/jobs/{job_id}", (), JOB, (*JOB_CODES, "402249")),
    (
        "post",
        "/jobs/{job_id}",
        ("op",),
        JOB,
        (
            *(*JOB_CODES, "402220", "402221", "402222", "402223", "402224", "402225", "402226", "402228"),
            *("402229", "402231", "402248", "402249", "60347"),
        ),
    ),
    (
        "get",
        "/jobs/{job_id}/instances",
        (*PAGE, "submit_date_from", "submit_date_to", "status"),
        _list("job_instance", INSTANCE),
        (*JOB_CODES, "402217", "40166410"),
    ),
    ("get", "/jobs/{job_id}/instances/{instance_id}", (), INSTANCE, (*JOB_CODES, "402218")),
    (
        "get",
        "/jobs/{job_id}/instances/{instance_id}/download",
        ("download_format", "line_type"),
        None,
        (*JOB_CODES, "402218"),
    ),
    (
        "get",
        "/jobs/{job_id}/instances/{instance_id}/events",
        PAGE,
        _list("event", EVENT),
        (*JOB_CODES, "402218", "60332", "60333"),
    ),
    (
        "get",
        "/jobs/{job_id}/instances/{instance_id}/matches",
        (*PAGE, "population"),
        _list("match", MATCH),
        (*JOB_CODES, "402218", "402119", "40166410"),
    ),
    (
        "get",
        "/code-tables",
        (),
        _list("code_table", _object({"name": TEXT, "link": TEXT})),
        ("402119", "40166411"),
    ),
    ("get", "/code-tables/{name}", ("lang", "scope"), TABLE, ("402119", "40166411")),
    ("get", "/test", (), CODED, ()),
    ("post", "/test", (), CODED, ()),
    ("get", "/general", ("expand",), _object({"institution": CODED, "environment_type": TEXT}), ("402119",)),
    (
        "get",
        "/integration-profiles",
        (*PAGE, "type", "q"),
        _list("integration_profile", PROFILE),
        ("40166410", "40166404"),
    ),
    ("get", "/integration-profiles/{id}", (), PROFILE, ("60304",)),
    (
        "get",
        "/sets",
        (*PAGE, "content_type", "set_type", "q", "set_origin"),
        _list("set", LISTED_SET),
        ("40166410", "60106", "60107"),
    ),
    (
        "post",
        "/sets",
        (
            *("population", "job_instance_id", "from_logical_set", "combine", "set1", "set2"),
            *("nz_set_from_iz_set", "filter_set", "indication_rule"),
        ),
        SET,
        (
            *("402119", "500127", "402262", "402263", "402264", "402265", "402266", "402267", "402218"),
            *("60204", "60205", "60206", "60209", "60210", "60311"),
        ),
    ),
    ("get", "/sets/{set_id}", (), SET, ("60107",)),
    (
        "post",
        "/sets/{set_id}",
        ("op", "id_type", "fail_on_invalid_id"),
        SET,
        (
            *("60107", "60111", "60112", "60113", "60114", "60115", "60116", "60117", "60118", "60119"),
            *("60120", "60176", "40166410"),
        ),
    ),
    (
        "put",
        "/sets/{set_id}",
        (),
        SET,
        ("60107", "402261", "402228", "402263", "402269", "402270", "40166408"),
    ),
    ("delete", "/sets/{set_id}", (), None, ("402264", "402282")),
    ("get", "/sets/{set_id}/members", PAGE, _list("member", MEMBER), ("60107", "60108", "60110")),
)
# Where Alma documents no code for what is wrong, the simulator takes the nearest that it has elsewhere:
# 40166410 for a limit or an offset that is none, 402119 for a body that cannot be read.
_PAGED = {path for _method, path, parameters, _answer, _codes in CALLS if "limit" in parameters}
DEVIATIONS: dict[str, tuple[str, ...]] = {
    **{f"get {path}": ("40166410",) for path in sorted(_PAGED)},
    "get /integration-profiles": ("40166410", "60106"),
    "post /jobs/{job_id}": ("402119",),
    "post /sets/{set_id}": ("402119",),
    "put /sets/{set_id}": ("402119",),
    # A set without a name or a content type, and its members, as where a set is changed.
    "post /sets": ("402261", "60113", "60114", "60116", "60118"),
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, Any] = {}
    for method, path, parameters, answer, codes in CALLS:
        in_path = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        described = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in in_path]
        described += [{"name": name, "in": "query", "schema": TEXT} for name in parameters]
        error = _object(
            {
                "errorCode": {"enum": [*codes, *DEVIATIONS.get(f"{method} {path}", ())]},
                "errorMessage": TEXT,
                "trackingId": TEXT,
            }
        )
        refusal = _object(
            {
                "errorsExist": {"enum": [True]},
                "errorList": _object({"error": {"type": "array", "minItems": 1, "items": error}}),
                "result": {"enum": [None]},
            }
        )
        success = {"204": {"description": "gone"}} if method == "delete" else {"200": _answer(answer)}
        paths.setdefault(f"/almaws/v1/conf{path}", {})[method] = {
            "parameters": described,
            "responses": {**success, "400": _answer(refusal), "429": {"description": "too many"}},
        }
    return {"openapi": "3.1.0", "info": {"title": "Alma", "version": "1"}, "paths": paths}


def _answer(schema: dict[str, Any] | None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}} if schema else {"*/*": {}}
    return {"description": "an answer", "content": content}
