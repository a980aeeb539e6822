"""The calls that stand beside the Jobs API: code tables, test, general, sets, integration profiles."""

from __future__ import annotations

import re
from typing import Any

from almajob.alma.status_codes import STATUSES
from almajob.simulator.api import set_sources
from almajob.simulator.api.jobs import Document, Exchange, page
from almajob.simulator.errors import Refusal
from almajob.simulator.http.messages import Reply, document_in, text_of
from almajob.simulator.world import reports
from almajob.simulator.world.job_data import PROFILES
from almajob.simulator.world.journal import Event
from almajob.simulator.world.run import API
from almajob.simulator.world.sets import CONTENTS, SimulatedSet
from almajob.simulator.world.world import INSTITUTION

_MOST_MEMBERS = 1000
_FIXED_TABLES: dict[str, dict[str, str]] = {
    "systemJobStatus": {code: status.description for code, status in STATUSES.items()},
    "JobsApiJobTypes": {"MANUAL": "Manual", "SCHEDULED": "Scheduled", "OTHER": "Other"},
    "SetContentType": CONTENTS,
    "SystemJobReportAlertMessage": dict((reports.SUCCESS, reports.ERROR)),
    "WebhookEvents": {"JOB_END": "Job end"},
}


def test_read(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/test."""
    return "test", {"value": f"GET - OK - institutionCode: {INSTITUTION}"}


def test_write(exchange: Exchange) -> tuple[str, Document]:
    """POST /conf/test."""
    return "test", {"value": "POST - OK"}


def general(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/general."""
    return "general", {
        "institution": {"value": INSTITUTION, "desc": "Simulated Library"},
        "environment_type": exchange.world.environment,
    }


def _tables(exchange: Exchange) -> dict[str, dict[str, str]]:
    jobs = exchange.world.jobs
    return {
        **_FIXED_TABLES,
        "HPaTaskChain.type": {job.category: job.category_description for job in jobs if job.type == "MANUAL"},
        "systemJobsGroups": {job.category: job.category_description for job in jobs if job.type != "MANUAL"},
    }


def table_list(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/code-tables."""
    listed = [
        {"name": name, "link": f"{exchange.base}/almaws/v1/conf/code-tables/{name}"}
        for name in _tables(exchange)
    ]
    return "code_tables", {"code_table": listed, "total_record_count": len(listed)}


def table_get(exchange: Exchange, name: str) -> tuple[str, Document]:
    """GET /conf/code-tables/{codeTableName}."""
    rows = _tables(exchange).get(name)
    if rows is None:
        raise Refusal("40166411", name[:50])
    return "code_table", {
        "name": name,
        "description": name,
        "sub_system": {"value": "INFRA", "desc": "Infra"},
        "patron_facing": False,
        "language": {"value": exchange.call.query.get("lang") or "en", "desc": "English"},
        "scope": {
            "institution_id": {"value": INSTITUTION, "desc": "Simulated Library"},
            "library_id": {"value": "", "desc": ""},
        },
        "row": [
            {"code": code, "description": text, "default": False, "enabled": True}
            for code, text in rows.items()
        ],
    }


def profile_list(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/integration-profiles."""
    query = exchange.call.query
    if query.get("type", "") not in ("", *(kind for _id, _code, _name, kind in PROFILES)):
        raise Refusal("40166404")
    _field, code = _read_query(query.get("q", ""), ("code", "name"))
    found = [
        _profile(exchange, profile)
        for profile in PROFILES
        if query.get("type", "") in ("", profile[3]) and code.lower() in " ".join(profile[1:3]).lower()
    ]
    return "integration_profiles", page(exchange, "integration_profile", found)


def profile_get(exchange: Exchange, profile_id: str) -> tuple[str, Document]:
    """GET /conf/integration-profiles/{id}, to which a job's related_profile links."""
    found = next((profile for profile in PROFILES if profile[0] == profile_id), None)
    if found is None:
        raise Refusal("60304")
    return "integration_profile", _profile(exchange, found)


def _profile(exchange: Exchange, profile: tuple[str, str, str, str]) -> Document:
    profile_id, code, name, kind = profile
    return {
        "id": profile_id,
        "code": code,
        "name": name,
        "type": {"value": kind, "desc": kind.capitalize()},
        "link": f"{exchange.base}/almaws/v1/conf/integration-profiles/{profile_id}",
    }


def set_list(exchange: Exchange) -> tuple[str, Document]:
    """GET /conf/sets."""
    query = exchange.call.query
    field, sought = _read_query(query.get("q", ""), ("name", "created_by"))
    words = sought.replace("_", " ").lower()
    content, kind = query.get("content_type", ""), query.get("set_type", "").upper()
    if (content and content not in CONTENTS) or kind not in ("", "ITEMIZED", "LOGICAL"):
        raise Refusal("40166410")
    found = [
        item
        for item in exchange.world.sets
        if (words in item.name.lower() if field == "name" else sought.lower() in API[0])
        and content in ("", item.content)
        and kind in ("", "LOGICAL" if item.logical else "ITEMIZED")
    ]
    return "sets", page(exchange, "set", found, lambda item: _show(exchange, item, whole=False))


def _read_query(query: str, names: tuple[str, ...]) -> tuple[str, str]:
    """Read ``name~words``: the field and the words; nothing is sought in the first field."""
    if not query:
        return names[0], ""
    found = re.fullmatch(r"(\w+)~(.*)", query)
    if not found or found[1] not in names:
        raise Refusal("60106")
    return found[1], found[2]


def set_get(exchange: Exchange, set_id: str) -> tuple[str, Document]:
    """GET /conf/sets/{set_id}."""
    return "set", _show(exchange, _find_set(exchange, set_id))


def _show(exchange: Exchange, found: SimulatedSet, *, whole: bool = True) -> Document:
    return found.document(exchange.base, exchange.now, whole=whole)


def set_members(exchange: Exchange, set_id: str) -> tuple[str, Document]:
    """GET /conf/sets/{set_id}/members."""
    found = _find_set(exchange, set_id)
    link = f"{exchange.base}/almaws/v1/bibs"
    return "members", page(
        exchange,
        "member",
        found.members_at(exchange.now),
        lambda member: {"id": member, "description": f"Record {member}", "link": f"{link}/{member}"},
    )


def set_create(exchange: Exchange) -> tuple[str, Document]:
    """POST /conf/sets: an itemized set, empty, with members, or from other sets or an import."""
    document = document_in(exchange.call)
    name, content = text_of(document.get("name")), text_of(document.get("content"))
    if not name or content not in CONTENTS:
        raise Refusal("402261")
    if text_of(document.get("type")).upper() not in ("", "ITEMIZED"):
        raise Refusal("402262")
    private = text_of(document.get("private")) or "false"
    if private not in ("true", "false"):
        raise Refusal("60209")
    members = _member_ids(document, needed=False)

    def decide() -> Event:
        sets = exchange.world.sets
        source = set_sources.find_source(exchange)
        if source is not None and source.content != content:
            raise Refusal("402265")
        if any(item.name == name for item in sets):
            raise Refusal("402263")
        return {
            "kind": "set",
            "id": sets.next_id(),
            "at": exchange.now,
            "name": name,
            "content": content,
            "description": text_of(document.get("description")),
            "members": members if source is None else list(source.members),
            "is_private": private == "true",
            "fills": 0.0 if source is None else source.seconds,
        }

    return set_get(exchange, exchange.world.happen(decide)["id"])


def set_change(exchange: Exchange, set_id: str) -> tuple[str, Document]:
    """POST /conf/sets/{set_id}?op=add_members, delete_members or replace_members."""
    operation = exchange.call.query.get("op", "")
    if operation not in ("add_members", "delete_members", "replace_members"):
        raise Refusal("60111")
    if _find_set(exchange, set_id).logical:
        raise Refusal("60112")
    skips = exchange.call.query.get("fail_on_invalid_id") == "false"
    code = "60120" if exchange.call.query.get("id_type") else "60116"
    given = _member_ids(document_in(exchange.call), needed=True, skips=skips, odd=code)

    if len(set(given)) < len(given) and not skips:
        raise Refusal("60119")

    def decide() -> Event:
        before = _find_set(exchange, set_id).members
        if operation == "add_members" and not skips and not set(given).isdisjoint(before):
            raise Refusal("60115")
        match operation:
            case "add_members":
                after = [*before, *given]
            case "delete_members":
                gone = set(given)
                if not skips and not gone.issubset(before):
                    raise Refusal("60117")
                after = [member for member in before if member not in gone]
            case _:
                after = given
        return {"kind": "members", "id": set_id, "members": list(dict.fromkeys(after))}

    exchange.world.happen(decide)
    return set_get(exchange, set_id)


def set_update(exchange: Exchange, set_id: str) -> tuple[str, Document]:
    """PUT /conf/sets/{set_id}: another name and description; its members stay."""
    document = document_in(exchange.call)
    name = text_of(document.get("name"))
    if not name:
        raise Refusal("402228")

    def decide() -> Event:
        found = _find_set(exchange, set_id)
        if any(item.name == name and item.id != found.id for item in exchange.world.sets):
            raise Refusal("402263")
        return {
            "kind": "rename set",
            "id": found.id,
            "name": name,
            "description": text_of(document.get("description")),
        }

    exchange.world.happen(decide)
    return set_get(exchange, set_id)


def set_delete(exchange: Exchange, set_id: str) -> Reply:
    """DELETE /conf/sets/{set_id}."""

    def decide() -> Event:
        if set_id not in exchange.world.sets:
            raise Refusal("402264")
        return {"kind": "drop set", "id": set_id}

    exchange.world.happen(decide)
    return Reply(204)


def _find_set(exchange: Exchange, set_id: str) -> SimulatedSet:
    found = exchange.world.sets.find(set_id)
    if found is None:
        raise Refusal("60107", set_id[:30])
    return found


def _member_ids(
    document: dict[str, Any], *, needed: bool, skips: bool = False, odd: str = "60116"
) -> list[str]:
    # In XML the wrapper is gone by now.
    members = document.get("members", document)
    listed = members.get("member") if isinstance(members, dict) else members
    listed = [listed] if isinstance(listed, dict) else listed or []
    if not isinstance(listed, list) or (needed and not listed):
        raise Refusal("60113")
    if len(listed) > _MOST_MEMBERS:
        raise Refusal("60118")
    ids = [text_of(item.get("id")) if isinstance(item, dict) else "" for item in listed]
    if not all(ids):
        raise Refusal("60114")
    valid = [member for member in ids if re.fullmatch("[0-9]{1,20}", member)]
    if len(valid) < len(ids) and not skips:
        raise Refusal(odd)
    return valid
