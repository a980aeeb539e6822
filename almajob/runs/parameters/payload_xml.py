"""The XML of Alma's API Information panel: ``<job><parameters><parameter><name>…</name><value>…``.

The form is that of real payloads. The other members of a job, as Alma gives them, are passed over, as Alma
does when it is given them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from almajob.runs.parameters.parameters import Given, Parameters, problem_with
from almajob.runs.parameters.payload_error import JOB_MEMBERS, MOST_PARAMETERS, PayloadError

# All that begins so, but comments and CDATA, declares something: a DOCTYPE, an entity.
_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)")
_LONGEST_TAG = 4096
_DEEPEST = 16
# Begins and ends of elements, comments and CDATA.
_MOST_SIGNS = 10 * MOST_PARAMETERS
_OPAQUE = {"<!--": "-->", "<![CDATA[": "]]>"}
_PARAMETER = ["job", "parameters", "parameter"]


def parsed(text: str, source: str) -> Parameters:
    """Read a payload in XML.

    A declaration is refused before the parser sees a byte: no entity is ever expanded, nothing is fetched.

    Args:
        text: the whole of it.
        source: the name of the file.

    Raises:
        PayloadError: it is none.
    """
    declared = _DECLARATION.search(text)
    if declared:
        line = text.count("\n", 0, declared.start()) + 1
        raise PayloadError(line, "a payload has no DOCTYPE and no declarations")
    _refuse_crowded(text)
    reader = _Reader(source)
    # The text is decoded already: what its prolog says of an encoding must not decide again.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, _attributes: reader.begin(tag, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda _tag: reader.end(parser.CurrentLineNumber)
    parser.CharacterDataHandler = lambda data: reader.text(data, parser.CurrentLineNumber)
    body = text.lstrip()
    above = text.count("\n", 0, len(text) - len(body))
    try:
        parser.Parse(body.encode(), True)
    except expat.ExpatError as error:
        why = expat.ErrorString(error.code)
        raise PayloadError(error.lineno + above, f"the XML is not well-formed: {why}") from None
    except PayloadError as wrong:
        raise PayloadError(wrong.line + above, wrong.message) from None
    finally:
        # Its handlers hold the reader, and they hold the parser.
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    return reader.found(above)


def _refuse_crowded(text: str) -> None:
    """Refuse what would cost the parser more than a payload may: too many elements, or attributes of one."""
    at, signs = text.find("<"), 0
    while at >= 0:
        signs += 1
        begin = next((sign for sign in _OPAQUE if text.startswith(sign, at)), None)
        end = text.find(_OPAQUE[begin] if begin else ">", at)
        # What does not end is for the parser to refuse.
        end = len(text) if end < 0 else end
        if signs > _MOST_SIGNS or (begin is None and end - at > _LONGEST_TAG):
            line = text.count("\n", 0, at) + 1
            raise PayloadError(line, "it has too many elements, or an element too many attributes")
        at = text.find("<", end)


@dataclass
class _Reader:
    """What has been read so far of one payload."""

    source: str
    path: list[str] = field(default_factory=list)
    members: dict[str, tuple[str, int]] = field(default_factory=dict)
    given: dict[str, tuple[str, int]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    job_id: tuple[str, int] = ("", 0)
    begun: int = 0

    def begin(self, tag: str, line: int) -> None:
        tag = tag.rpartition(":")[2]
        if len(self.path) >= _DEEPEST:
            raise PayloadError(line, "its elements are nested too deep")
        problem = self._problem_with(tag[:40])
        if problem:
            raise PayloadError(line, problem)
        self.path.append(tag)
        if self.path == _PARAMETER:
            self.members, self.begun = {}, line
        elif self.path[:-1] == _PARAMETER:
            self.members[tag] = ("", line)
        elif self.path[:-1] == ["job"] and tag in JOB_MEMBERS and tag != "id":
            self.ignored.append(tag)

    def _problem_with(self, tag: str) -> str:
        """Say why an element cannot stand where it does; empty where it can."""
        if not self.path:
            return "" if tag == "job" else f"a payload begins with <job>, not with <{tag}>"
        if self.path == ["job"]:
            is_known = tag == "parameters" or tag in JOB_MEMBERS
            return "" if is_known else f"<job> has <parameters> in it, not <{tag}>"
        if self.path == _PARAMETER[:2]:
            return "" if tag == "parameter" else f"<parameters> has <parameter>s in it, not <{tag}>"
        if self.path == _PARAMETER:
            if tag not in ("name", "value"):
                return f"a parameter has a name and a value, and no {tag!r}"
            return f"a parameter has one {tag}" if tag in self.members else ""
        return f"<{tag}> stands within a {self.path[3]}" if self.path[:3] == _PARAMETER else ""

    def text(self, data: str, line: int) -> None:
        if self.path[:3] == _PARAMETER and len(self.path) == 4:
            before, begun = self.members[self.path[3]]
            self.members[self.path[3]] = (before + data, begun)
        elif self.path == ["job", "id"]:
            self.job_id = (self.job_id[0] + data, line)
        elif (self.path == ["job"] or self.path[:2] == _PARAMETER[:2]) and data.strip():
            raise PayloadError(line, "there is text outside of a name and a value")

    def end(self, line: int) -> None:
        if self.path == _PARAMETER:
            for member in ("name", "value"):
                if member not in self.members:
                    raise PayloadError(self.begun, f"a parameter has no <{member}>")
            (name, _line), (value, _) = self.members["name"], self.members["value"]
            name = name.strip()
            problem = problem_with(name, value)
            if problem:
                raise PayloadError(self.begun, problem)
            if name in self.given:
                raise PayloadError(self.begun, f"the parameter {name} is there twice")
            if len(self.given) == MOST_PARAMETERS:
                raise PayloadError(self.begun, f"it has more than {MOST_PARAMETERS} parameters")
            self.given[name] = (value, self.begun)
        self.path.pop()

    def found(self, above: int) -> Parameters:
        given = tuple(
            Given(name, value, f"{self.source}, line {line + above}")
            for name, (value, line) in self.given.items()
        )
        job_id, line = self.job_id[0].strip(), self.job_id[1] + above
        names = ", ".join(dict.fromkeys(self.ignored))
        notes = (f"of the job only the parameters count; ignored: {names}.",) if names else ()
        return Parameters(given, job_id, f"{self.source}, line {line}" if job_id else "", notes)
