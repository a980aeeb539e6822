"""What crosses the wire: requests as values, documents as JSON or XML.

The JSON form is the one that Alma documents; its XML form follows from it by a few rules, read off pairs of
real answers: ``value`` is the text of its element, its neighbours are attributes, and an array has a wrapper.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from almajob.simulator.errors import GatewayRefusal, Refusal

BODY_LIMIT = 2**20
_PROLOG = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_ERROR_NAMESPACE = "http://com/exlibris/urm/general/xmlbeans"
# https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WRAPPED = {"parameter", "alert", "counter", "action", "row"}
_ATTRIBUTES = ("link", "total_record_count", "xmlns")
JSON = "application/json;charset=UTF-8"
XML = "application/xml;charset=UTF-8"
HTML = "text/html;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to Alma's API.

    Attributes:
        method: GET, POST, PUT or DELETE.
        path: the segments behind ``/almaws/v1/conf``.
        query: the last value of each parameter; names in lower case.
        headers: names in lower case.
        body: as it came.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def wants_json(self) -> bool:
        """Alma answers in XML unless JSON is asked for."""
        return (
            self.query.get("format") == "json" or "application/json" in self.headers.get("accept", "").lower()
        )

    @property
    def key(self) -> str:
        """The API key, from the header or the query."""
        word, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if word.lower() == "apikey" else self.query.get("apikey", "")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, before it meets a socket.

    Attributes:
        length: the Content-Length that is sent; the body's own where it is None, more where it breaks off.
        wait: seconds before the first byte.
        drips: whether the body comes a byte at a time.
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    wait: float = 0.0
    drips: bool = False

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """The headers, with the type and the length of the body."""
        length = len(self.body) if self.length is None else self.length
        return [
            *([("Content-Type", self.content_type)] if self.content_type else []),
            *self.headers,
            *([("Content-Length", str(length))] if self.status != 204 else []),
        ]


def reply(call: Call, root: str, document: Mapping[str, Any]) -> Reply:
    """Answer with a document, in the form that was asked for."""
    if call.wants_json:
        return Reply(200, json.dumps(document, ensure_ascii=False).encode(), JSON)
    return Reply(200, to_xml(root, document), XML)


def refuse(call: Call, refusal: Refusal, tracking_id: str) -> Reply:
    """Answer with one of Alma's errors, in the form that was asked for."""
    error = {"errorCode": refusal.code, "errorMessage": refusal.text, "trackingId": tracking_id}
    if call.wants_json:
        document = {"errorsExist": True, "errorList": {"error": [error]}, "result": None}
        return Reply(400, json.dumps(document).encode(), JSON)
    return Reply(400, _error_xml(error), XML)


def refuse_at_gateway(refusal: GatewayRefusal) -> Reply:
    """Answer with one of the gateway's errors: XML, without a tracking id."""
    error = {"errorCode": refusal.code, "errorMessage": refusal.text}
    return Reply(refusal.status, _error_xml(error), XML)


def _error_xml(error: Mapping[str, str]) -> bytes:
    """Write an error body in XML, the only one with a namespace."""
    body = {"xmlns": _ERROR_NAMESPACE, "errorsExist": True, "errorList": {"error": [error]}}
    return to_xml("web_service_result", body)


def to_xml(root: str, document: Mapping[str, Any]) -> bytes:
    """Write a document in Alma's XML form."""
    element = ElementTree.Element(root)
    _fill(element, document)
    text: str = ElementTree.tostring(element, encoding="unicode")
    return (_PROLOG + text).encode()


def _fill(element: ElementTree.Element, content: Any) -> None:
    if not isinstance(content, Mapping):
        element.text = _text(content)
        return
    if set(content) <= {"value", "desc", "link"}:
        element.text = _text(content.get("value"))
        element.attrib.update({name: _text(content[name]) for name in ("desc", "link") if name in content})
        return
    for name, value in content.items():
        if name in _ATTRIBUTES:
            element.set(name, _text(value))
        elif isinstance(value, list):
            parent = ElementTree.SubElement(element, f"{name}s") if name in _WRAPPED else element
            for item in value:
                _fill(ElementTree.SubElement(parent, name), item)
        elif value is not None:
            _fill(ElementTree.SubElement(element, name), value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else _NO_XML.sub("?", str(value))


class _NoDoctype(ElementTree.TreeBuilder):
    """Stops at a DOCTYPE, before any entity of it can be expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Refusal("402119")


def document_in(call: Call) -> dict[str, Any]:
    """Read the body of a request, JSON or XML, as one shape: names to texts, objects or lists.

    Raises:
        Refusal: it is neither, or not what Alma takes.
    """
    body = call.body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        return {}
    try:
        if body.startswith(b"<"):
            parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314  # it refuses every DOCTYPE
            return _members(ElementTree.fromstring(body, parser=parser))  # noqa: S314
        document = json.loads(body)
        # Half a surrogate pair is JSON, but no text that could ever be answered.
        json.dumps(document, ensure_ascii=False).encode()
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        raise Refusal("402119") from None
    if not isinstance(document, dict):
        raise Refusal("402119")
    return document


def _members(element: ElementTree.Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name == "parameters" or name == "members":
            found[name.removesuffix("s")] = [_members(item) for item in child]
        elif len(child):
            found[name] = _members(child)
        else:
            found[name] = child.text or ""
    return found


def text_of(value: object) -> str:
    """Read a member that may be a bare value or an object with a value."""
    inner = value.get("value") if isinstance(value, dict) else value
    return "" if inner is None or isinstance(inner, (dict, list)) else str(inner)
