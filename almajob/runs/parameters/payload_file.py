"""A payload as somebody has it: pasted from Alma's wizard, written as JSON, or another runner's job file.

What a payload is, is seen from its text: XML, JSON, or one of them below some lines that name a job. Every
error says in which file and line it is.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.parsers import expat

from almajob.errors import ParametersRefused
from almajob.jobs.job_lookup import JOB_ID
from almajob.runs.parameters.parameters import Given, Parameters, problem_with, problem_with_repeat
from almajob.system.input_files import read_given

LOG = logging.getLogger(__name__)

SIZE_LIMIT = 2**20
"""Bytes of a payload; the largest real one has some 30,000."""
STDIN = "-"
# What a job has besides its parameters, as Alma gives it. It is passed over, as Alma does when given it.
_JOB_MEMBERS = frozenset(
    {
        *("id", "name", "description", "type", "category", "content", "schedule", "creator", "next_run"),
        *("related_profile", "additional_info", "link"),
    }
)
# The largest real payload has some 180.
_MOST_PARAMETERS = 5000
_CALL = re.compile(
    r"(?:(?P<method>[A-Z]+)\s+)?(?:https?://[^/\s]+)?/almaws/v1/conf/jobs/(?P<job>[^/?\s]+)/?(?P<query>\?\S*)?"
)
_BEGIN = re.compile(r"^[ \t]*[<{\[]", re.MULTILINE)
_LONGEST_HEADING = 100
# Minute, hour and day are numbers or signs; months and days of the week may be words.
_CRON = re.compile(r"@[a-z]+|[-0-9*/,]+\s+[-0-9*/,]+\s+[-0-9*/,?LW]+(\s+[-0-9*/,?LW#A-Za-z]+){2,4}")
_SHOWN = 80
_MOST_NAMED = 3
_ADVICE = "Alma shows a payload in its 'Run a job' wizard, last step, panel API Information."
_MOST_COMMAS = 100_000
_WRAPPERS = ("parameters", "parameter")
# In well-formed JSON every quote is the sign of a string, and commas and colons only part what stands alone.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+')
# All that begins so, but comments and CDATA, declares something: a DOCTYPE, an entity.
_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)")
_LONGEST_TAG = 4096
_DEEPEST = 16
# Begins and ends of elements, comments and CDATA.
_MOST_SIGNS = 10 * _MOST_PARAMETERS
_OPAQUE = {"<!--": "-->", "<![CDATA[": "]]>"}
_PARAMETER = ["job", "parameters", "parameter"]


class _PayloadError(ValueError):
    """A payload that cannot be read: in which line, and why, without a full stop."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Collected(list[Given]):
    """The parameters of one payload, as they are read."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source

    def add(self, name: str, value: str, line: int) -> None:
        problem = problem_with(name, value) or problem_with_repeat(name, self)
        if not problem and len(self) == _MOST_PARAMETERS:
            problem = f"it has more than {_MOST_PARAMETERS} parameters"
        if problem:
            raise _PayloadError(line, problem)
        self.append(Given(name, value, f"{self.source}, line {line}"))

    def of_job(self, job_id: str = "", line: int = 1, ignored: Iterable[str] = ()) -> Parameters:
        names = ", ".join(dict.fromkeys(ignored))
        notes = (f"of the job only the parameters count; ignored: {names}.",) if names else ()
        where = f"{self.source}, line {line}" if job_id else ""
        found = Parameters(tuple(self), job_id, where, notes)
        return replace(found, notes=(*notes, *_note_repeated(found.repeated)))


def _note_repeated(repeated: dict[str, int]) -> Iterator[str]:
    """Name the parameters of which there are several, the first few of them."""
    if not repeated:
        return
    named = [f"{name[:_SHOWN]} ({times} times)" for name, times in list(repeated.items())[:_MOST_NAMED]]
    more = f" and {len(repeated) - _MOST_NAMED} more" if len(repeated) > _MOST_NAMED else ""
    listed = f"{', '.join(named)}{more}"
    yield f"parameters that are there several times are sent as they stand, in order: {listed}."


def read(name: str) -> Parameters:
    """Read a payload from a file, or from stdin where the name is ``-``.

    Raises:
        Refused: it cannot be read, or is none.
    """
    return parse(read_bytes(name), _name_source(name))


def _name_source(name: str) -> str:
    return "standard input" if name == STDIN else name


def read_bytes(name: str) -> bytes:
    """Read a file, or stdin where the name is ``-``; little more than a payload may have.

    Raises:
        Refused: it cannot be read.
    """
    try:
        if name == STDIN:
            if sys.stdin.isatty():
                LOG.info("Reading from the terminal; Ctrl-D ends it.")
            raw = sys.stdin.buffer.read(SIZE_LIMIT + 1)
        else:
            raw, _ = read_given(Path(name).expanduser(), SIZE_LIMIT + 1)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ParametersRefused(
            f"{_name_source(name)} cannot be read; nothing was sent.", reason=f"{why}."
        ) from None
    return raw


def read_value(name: str, parameter: str) -> Given:
    """Read one parameter's value from a file; the line break at its end is not a part of it.

    Raises:
        Refused: it cannot be read, is empty, or Alma could not keep it.
    """
    try:
        value = _decode(read_bytes(name)).removesuffix("\n")
    except _PayloadError as wrong:
        raise ParametersRefused(
            f"{_name_source(name)}, line {wrong.line}: {wrong.message}. Nothing was sent."
        ) from None
    if not value:
        raise ParametersRefused(
            f"{_name_source(name)} is empty, so there is no value for {parameter}; nothing was sent.",
            reason="The program that was to write it may have failed.",
            hint=f"To send an empty value on purpose: --param {parameter}=",
        )
    problem = problem_with(parameter, value)
    if problem:
        raise ParametersRefused(f"{_name_source(name)}: {problem}. Nothing was sent.")
    return Given(parameter, value, _name_source(name))


def parse(raw: bytes, source: str) -> Parameters:
    """Read a payload, whose file messages name as its source.

    Raises:
        Refused: it is none; the message names file and line.
    """
    try:
        found = _parse(_decode(raw), source)
    except _PayloadError as wrong:
        raise ParametersRefused(
            f"{source}, line {wrong.line}: {wrong.message}. Nothing was sent.", hint=_ADVICE
        ) from None
    for note in found.notes:
        LOG.info("%s: %s", source, note)
    return found


def _decode(raw: bytes) -> str:
    """Read bytes as UTF-8; nothing else, as another encoding is how a DOCTYPE is smuggled past a reader."""
    if len(raw) > SIZE_LIMIT:
        raise _PayloadError(1, "it is larger than 1 MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _PayloadError(raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text") from None
    if "\0" in text:
        raise _PayloadError(text.count("\n", 0, text.index("\0")) + 1, "it has a NUL character")
    return text.replace("\r\n", "\n")


def _parse(text: str, source: str) -> Parameters:
    """Parse a payload, and what stands above it."""
    first = _BEGIN.search(text)
    if first is None:
        raise _PayloadError(1, "it has no payload" if text.strip() else "it is empty")
    begin = text.count("\n", 0, first.start())
    if begin > _LONGEST_HEADING:
        raise _PayloadError(_LONGEST_HEADING, "there is too much above the payload")
    heading = _parse_heading(text[: first.start()].split("\n"), source)
    # The lines above stay, empty, so that those of the payload keep their numbers.
    payload = "\n" * begin + text[first.start() :]
    found = (_parse_xml if first[0].endswith("<") else _parse_json)(payload, source)
    if heading.job_id and found.job_id and heading.job_id != found.job_id:
        message = f"the payload is of {found.job_id}, the line above it of {heading.job_id}"
        raise _PayloadError(begin + 1, message)
    named = heading if heading.job_id else found
    notes = (*heading.notes, *found.notes)
    return replace(found, job_id=named.job_id, job_source=named.job_source, notes=notes)


def _parse_heading(lines: Sequence[str], source: str) -> Parameters:
    """Read what stands above a payload: the call, and the name and cron line of other runners' job files."""
    job_id, where = "", ""
    notes: list[str] = []
    names = 0
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        call = _CALL.fullmatch(line)
        if call is not None:
            if job_id:
                raise _PayloadError(number, "a second line names a job")
            job_id, where = _parse_call(call, number), f"{source}, line {number}"
        elif _CRON.fullmatch(line):
            notes.append(f"the cron line {line[:_SHOWN]!r} is ignored: almajob has no schedule of its own.")
        elif "almaws" in line or re.match(r"(GET|POST|PUT|DELETE|PATCH)\b", line):
            raise _PayloadError(
                number, "the call is not that of a start: POST /almaws/v1/conf/jobs/M44?op=run"
            )
        elif names:
            raise _PayloadError(number, "it is no part of a payload")
        else:
            names += 1
            notes.append(f"the name {line[:_SHOWN]!r} is ignored: Alma knows jobs by their ids.")
    return Parameters(job_id=job_id, job_source=where, notes=tuple(notes))


def _parse_call(call: re.Match[str], number: int) -> str:
    if call["method"] not in (None, "POST"):
        raise _PayloadError(number, f"a start is a POST, not a {call['method']}")
    if not JOB_ID.fullmatch(call["job"]):
        raise _PayloadError(number, f"{call['job'][:_SHOWN]!r} is no job id, which is M, S or O and digits")
    if call["query"] not in (None, "?", "?op=run"):
        raise _PayloadError(number, "behind the job's id a start has ?op=run, and nothing else")
    return call["job"]


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


# A value, below the line that it is in. An object is a dict of these, an array a list.
_Located = tuple[int, Any]


def _parse_json(text: str, source: str) -> Parameters:
    """Parse JSON in Alma's form, a list of names and values, or a plain object of them."""
    if text.count("[") + text.count("{") > 4 * _MOST_PARAMETERS or text.count(",") > _MOST_COMMAS:
        raise _PayloadError(1, "it has more parts than a payload")
    document = _load_json(text)
    if isinstance(document, dict) and _is_job(document):
        return _parse_job(document, source)
    pairs = document.items() if isinstance(document, dict) else _list_pairs(document)
    return _collect(source, pairs).of_job()


def _collect(source: str, pairs: Iterable[tuple[str, _Located]]) -> _Collected:
    found = _Collected(source)
    for name, (line, raw) in pairs:
        found.add(name, _parse_value(name, raw, line), line)
    return found


def _load_json(text: str) -> Any:
    def refuse_constant(word: str) -> None:
        raise _PayloadError(1, f"{word} is no JSON")

    try:
        # Python's parser says what is wrong, but not in which line a value is.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse_constant)
        tokens = _locate_tokens(text)
        return _build(next(tokens)[1], tokens)
    except json.JSONDecodeError as error:
        raise _PayloadError(error.lineno, f"the JSON is not well-formed: {error.msg}") from None
    except RecursionError:
        raise _PayloadError(1, "it is nested too deep") from None


def _locate_tokens(text: str) -> Iterator[tuple[int, str]]:
    """Return the tokens of well-formed JSON with their lines; without the commas and colons between them."""
    line, at = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        yield line, found[0]


def _build(first: str, tokens: Iterator[tuple[int, str]]) -> Any:
    """Build the value of well-formed JSON that begins with a token; the rest of it comes from ``tokens``."""
    if first == "{":
        members: dict[str, _Located] = {}
        while (token := next(tokens))[1] != "}":
            line, key = token
            name = json.loads(key)
            if name in members:
                raise _PayloadError(line, f"{name[:_SHOWN]!r} is there twice")
            line, value = next(tokens)
            members[name] = (line, _build(value, tokens))
        return members
    if first == "[":
        items: list[_Located] = []
        while (token := next(tokens))[1] != "]":
            items.append((token[0], _build(token[1], tokens)))
        return items
    return json.loads(first, parse_int=_Number, parse_float=_Number)


def _is_job(document: dict[str, _Located]) -> bool:
    """Whether it is a job as Alma has it, with or without parameters, and not a plain object of them."""
    _, job_id = document.get("id", (1, ""))
    is_whole = document.keys() <= _JOB_MEMBERS and JOB_ID.fullmatch(str(job_id))
    return bool(is_whole) or any(name in document for name in _WRAPPERS)


def _parse_job(document: dict[str, _Located], source: str) -> Parameters:
    """Read the parameters of a job, and its id; what is null is not there."""
    may_be_null = {*_JOB_MEMBERS, *_WRAPPERS}
    document = {
        name: part for name, part in document.items() if part[1] is not None or name not in may_be_null
    }
    others = [name for name in document if name not in (*_WRAPPERS, "id")]
    for name in others:
        if name not in _JOB_MEMBERS:
            message = f"{name[:_SHOWN]!r} stands beside the parameters; is it one of them?"
            raise _PayloadError(document[name][0], message)
    if all(name in document for name in _WRAPPERS):
        raise _PayloadError(document["parameter"][0], "it has parameters twice")
    id_line, job_id = document.get("id", (1, ""))
    if not isinstance(job_id, str) or isinstance(job_id, _Number):
        raise _PayloadError(id_line, "the id of a job is text")
    line, listed = document.get("parameters", document.get("parameter", (1, [])))
    if "parameters" in document and isinstance(listed, dict) and set(listed) == {"parameter"}:
        line, listed = listed["parameter"]
    if listed is None:
        listed = []
    if isinstance(listed, dict):
        # XML of one parameter, made into JSON.
        listed = [(line, listed)]
    return _collect(source, _list_pairs(listed)).of_job(job_id, id_line, others)


def _list_pairs(listed: Any) -> Iterator[tuple[str, _Located]]:
    """Return the names and values of a list of both."""
    if not isinstance(listed, list):
        raise _PayloadError(1, "the parameters are no list")
    for number, (line, item) in enumerate(listed, start=1):
        if not isinstance(item, dict) or not _is_pair(item):
            raise _PayloadError(line, f"parameter {number} of the list is not of a name and a value")
        # Alma's own form: the name is a code, the value a bare word.
        name = _unwrap(item["name"][1])
        if not isinstance(name, str) or isinstance(name, _Number):
            raise _PayloadError(line, f"the name of parameter {number} of the list is no text")
        yield name, (line, item["value"][1])


def _is_pair(item: dict[str, _Located]) -> bool:
    """Whether an object has a name and a value, and nothing else that is not null."""
    names = {"name", "value"}
    return names <= item.keys() and all(item[other][1] is None for other in item.keys() - names)


def _unwrap(raw: Any) -> Any:
    """Take a value out of ``{"value": …, "desc": …}``."""
    if isinstance(raw, dict) and "value" in raw and raw.keys() <= {"value", "desc"}:
        return raw["value"][1] if isinstance(raw.get("desc", (1, None))[1], str | None) else raw
    return raw


def _parse_value(name: str, raw: Any, line: int) -> str:
    raw = _unwrap(raw)
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return str(raw)
    if raw is None:
        message = f'the value of {name[:_SHOWN]} is null; write "" or "Null", as Alma\'s wizard does'
        raise _PayloadError(line, message)
    raise _PayloadError(line, f"the value of {name[:_SHOWN]} is neither text nor a number, true or false")


def _parse_xml(text: str, source: str) -> Parameters:
    """Parse the XML of Alma's API Information panel: ``<job><parameters><parameter><name>…</name><value>…``.

    A declaration is refused before the parser sees a byte: no entity is ever expanded, nothing is fetched.
    """
    declared = _DECLARATION.search(text)
    if declared:
        line = text.count("\n", 0, declared.start()) + 1
        raise _PayloadError(line, "a payload has no DOCTYPE and no declarations")
    _refuse_crowded(text)
    body = text.lstrip()
    above = text.count("\n", 0, len(text) - len(body))
    reader = _Reader(source)
    # The text is decoded already: what its prolog says of an encoding must not decide again.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, _attributes: reader.begin(tag, parser.CurrentLineNumber + above)
    parser.EndElementHandler = lambda _tag: reader.end()
    parser.CharacterDataHandler = lambda data: reader.text(data, parser.CurrentLineNumber + above)
    try:
        parser.Parse(body.encode(), True)
    except expat.ExpatError as error:
        why = expat.ErrorString(error.code)
        raise _PayloadError(error.lineno + above, f"the XML is not well-formed: {why}") from None
    finally:
        # Its handlers hold the reader, and they hold the parser.
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    job_id, line = reader.job_id
    return reader.given.of_job(job_id.strip(), line, reader.ignored)


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
            raise _PayloadError(line, "it has too many elements, or an element too many attributes")
        at = text.find("<", end)


class _Reader:
    """What has been read so far of one payload in XML."""

    def __init__(self, source: str) -> None:
        self.given = _Collected(source)
        self.ignored: list[str] = []
        self.job_id = ("", 0)
        self._path: list[str] = []
        self._members: dict[str, str] = {}
        self._begun = 0

    def begin(self, tag: str, line: int) -> None:
        tag = tag.rpartition(":")[2]
        if len(self._path) >= _DEEPEST:
            raise _PayloadError(line, "its elements are nested too deep")
        problem = self._problem_with(tag[:40])
        if problem:
            raise _PayloadError(line, problem)
        self._path.append(tag)
        if self._path == _PARAMETER:
            self._members, self._begun = {}, line
        elif self._path[:-1] == _PARAMETER:
            self._members[tag] = ""
        elif self._path[:-1] == ["job"] and tag in _JOB_MEMBERS and tag != "id":
            self.ignored.append(tag)

    def _problem_with(self, tag: str) -> str:
        """Return why an element cannot stand where it does; empty where it can."""
        if not self._path:
            return "" if tag == "job" else f"a payload begins with <job>, not with <{tag}>"
        if self._path == ["job"]:
            is_known = tag == "parameters" or tag in _JOB_MEMBERS
            return "" if is_known else f"<job> has <parameters> in it, not <{tag}>"
        if self._path == _PARAMETER[:2]:
            return "" if tag == "parameter" else f"<parameters> has <parameter>s in it, not <{tag}>"
        if self._path == _PARAMETER:
            if tag not in ("name", "value"):
                return f"a parameter has a name and a value, and no {tag!r}"
            return f"a parameter has one {tag}" if tag in self._members else ""
        return f"<{tag}> stands within a {self._path[3]}" if self._path[:3] == _PARAMETER else ""

    def text(self, data: str, line: int) -> None:
        if self._path[:3] == _PARAMETER and len(self._path) == 4:
            self._members[self._path[3]] += data
        elif self._path == ["job", "id"]:
            self.job_id = (self.job_id[0] + data, line)
        elif (self._path == ["job"] or self._path[:2] == _PARAMETER[:2]) and data.strip():
            raise _PayloadError(line, "there is text outside of a name and a value")

    def end(self) -> None:
        if self._path == _PARAMETER:
            for member in ("name", "value"):
                if member not in self._members:
                    raise _PayloadError(self._begun, f"a parameter has no <{member}>")
            self.given.add(self._members["name"].strip(), self._members["value"], self._begun)
        self._path.pop()
