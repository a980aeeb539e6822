"""Alma's answers, JSON or XML, as one shape: the JSON that Alma documents.

The rules of the XML form were read off pairs of real answers: an element with attributes is an object
whose text is its ``value``; ``<parameters><parameter>`` and its likes are one array under the inner name.
"""

from __future__ import annotations

import json
from typing import Any, cast
from xml.etree import ElementTree

from almajob.text.redaction import redact_all

_ARRAYS = {"parameter", "alert", "counter", "action", "row", "job", "job_instance", "error"}
_WRAPPERS = {"parameters", "alerts", "counters", "actions", "rows"}


class Unreadable(ValueError):
    """The bytes are neither Alma's JSON nor its XML; the message says what they look like."""


def parse(body: bytes) -> dict[str, Any]:
    """Parse one answer, without the secrets that this process knows: a server may echo what it was sent.

    The bytes decide, not the Content-Type: the gateway answers in XML whatever was asked for. It is redacted
    after it was parsed, as the parser undoes escapes, and joins what comments and CDATA sections had parted.

    Raises:
        Unreadable: with what the body looks like, never with its content.
    """
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if not start:
        raise Unreadable("an empty answer")
    if start.startswith(b"{"):
        return _parse_json(body)
    if is_web_page(body):
        raise Unreadable("a web page (HTML)")
    if start.startswith(b"<"):
        return _parse_xml(body)
    raise Unreadable("plain text")


def is_web_page(body: bytes) -> bool:
    """Whether an answer is HTML, by how it begins."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    return start.startswith(b"<!doctype html") or b"<html" in start


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8-sig")
        document = redact_all(json.loads(text), text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("JSON that breaks off or is damaged") from error
    if not isinstance(document, dict):  # pragma: no cover - it starts with a brace
        raise Unreadable("JSON that is not an object")
    return document


class _NoDoctype(ElementTree.TreeBuilder):
    """A tree builder that stops at a DOCTYPE, before any entity of it can be expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Unreadable("XML with a DOCTYPE, which Alma never sends")


def _parse_xml(body: bytes) -> dict[str, Any]:
    parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314  # it refuses every DOCTYPE
    try:
        root = ElementTree.fromstring(body.strip(), parser=parser)  # noqa: S314
        content = _content(root)
        document = content if isinstance(content, dict) else {_name(root): content}
        return cast("dict[str, Any]", redact_all(document))
    except Unreadable:
        raise
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise Unreadable("XML that breaks off or is damaged") from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _content(element: ElementTree.Element) -> Any:
    attributes: dict[str, Any] = dict(element.attrib)
    if not len(element):
        text = element.text or ""
        return {"value": text, **attributes} if attributes else text
    members: dict[str, Any] = {}
    for child in element:
        inner = list(child) if _name(child) in _WRAPPERS else [child]
        for item in inner:
            _add(members, _name(item), _content(item))
    return {**members, **attributes}


def _add(members: dict[str, Any], name: str, content: Any) -> None:
    if name in _ARRAYS:
        members.setdefault(name, []).append(content)
    elif isinstance(before := members.get(name), list):
        # Not copied: a hundred thousand of them would take minutes.
        before.append(content)
    elif name in members:
        members[name] = [before, content]
    else:
        members[name] = content
