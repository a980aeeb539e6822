"""What is read of a webhook message: which run it says has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almajob.alma.http.body_parser import parse
from almajob.alma.models import Code, text
from almajob.runs.wait.end_messages import Message, is_process_id

ACTION = "JOB_END"


def read_message(body: bytes, at: float) -> Message | None:
    """Read a message, in JSON or XML; None where it tells of no end of a run.

    Args:
        at: when it came, in seconds since the epoch.

    Raises:
        Unreadable: it is neither.
    """
    document = parse(body)
    # In XML it has the name of something of which there are several elsewhere.
    if text(_first(document.get("action"))).upper() != ACTION:
        return None
    found = _first(document.get("job_instance"))
    instance = found if isinstance(found, Mapping) else {}
    instance_id = text(instance.get("id")) or text(document.get("id"))
    status = Code.from_json(instance.get("status")).value
    return Message(instance_id, status, at) if is_process_id(instance_id) else None


def _first(raw: Any) -> Any:
    return raw[0] if isinstance(raw, list) and raw else raw
