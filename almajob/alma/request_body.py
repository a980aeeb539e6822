"""The body of a start, in the two forms that Alma takes: JSON, and the XML of its API Information panel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from almajob.alma.models import Parameter
from almajob.text.sanitize import spell_invisible

_OF_A_JOB = {"id", "parameter", "parameters"}


def to_document(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return a start's body for JSON; without parameters an empty object, as scheduled jobs take it."""
    return {"parameter": [item.to_json() for item in parameters]} if parameters else {}


def to_xml(parameters: Sequence[Parameter]) -> str:
    """Return a start's body as the panel shows it: no prolog, indented by tabs.

    What could not be seen in it, such as a mark that turns the reading order, is a character reference.
    """
    if not parameters:
        return "<job/>"
    listed = "\n".join(
        f"\t\t<parameter>\n\t\t\t<name>{_escape_text(item.name)}</name>\n"
        f"\t\t\t<value>{_escape_text(item.value)}</value>\n\t\t</parameter>"
        for item in parameters
    )
    return f"<job>\n\t<parameters>\n{listed}\n\t</parameters>\n</job>"


def to_plain_json(parameters: Sequence[Parameter]) -> str:
    """Return parameters as a plain object, a line each, to be edited; what cannot be seen is escaped.

    Where several have one name, or one would make it look like a whole job, it is a list of names and values.
    """
    found: Any = {item.name: item.value for item in parameters}
    if len(found) < len(parameters) or not _OF_A_JOB.isdisjoint(found):
        found = [{"name": item.name, "value": item.value} for item in parameters]
    text = json.dumps(found, indent=2, ensure_ascii=False)
    return spell_invisible(text, _unicode_escaped, keep="\n")


def _unicode_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escape_text(text: str) -> str:
    return spell_invisible(escape(text, quote=False), lambda character: f"&#{ord(character)};", keep="\n\t")
