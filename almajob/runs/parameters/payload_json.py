"""A payload in JSON: in Alma's form, as a list of names and values, or as a plain object of them.

Numbers are sent as they are written, so that an id of sixteen digits stays one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from almajob.jobs.job_lookup import JOB_ID
from almajob.runs.parameters.parameters import Given, Parameters, problem_with
from almajob.runs.parameters.payload_error import JOB_MEMBERS, MOST_PARAMETERS, PayloadError

_MOST_COMMAS = 100_000
_WRAPPERS = ("parameters", "parameter")
# In well-formed JSON every quote is the sign of a string.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<key>\s*:)?|[{}\[\]]')


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def parsed(text: str, source: str) -> Parameters:
    """Read a payload in JSON.

    Args:
        text: the whole of it.
        source: the name of the file.

    Raises:
        PayloadError: it is none.
    """
    if text.count("[") + text.count("{") > 4 * MOST_PARAMETERS or text.count(",") > _MOST_COMMAS:
        raise PayloadError(1, "it has more parts than a payload")
    document = _loaded(text)
    if _is_job(document):
        return _of_job(text, source, document)
    if isinstance(document, Mapping):
        lines = _lines(text, depth=1, of_keys=True)
        return Parameters(_given(source, lines, document.items(), len(document)))
    return Parameters(_listed(text, source, document, depth=1))


def _loaded(text: str) -> Any:
    twice = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        found = dict(pairs)
        twice = twice or len(found) != len(pairs)
        return found

    try:
        document = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
            object_pairs_hook=members,
        )
    except json.JSONDecodeError as error:
        raise PayloadError(error.lineno, f"the JSON is not well-formed: {error.msg}") from None
    except RecursionError:
        raise PayloadError(1, "it is nested too deep") from None
    except ValueError as error:
        raise PayloadError(1, str(error)) from None
    if twice:
        _refuse_twice(text)
    return document


def _refuse_twice(text: str) -> None:
    """Refuse a name that an object has twice, with the line of the second one."""
    names: list[set[str]] = []
    for found in _TOKEN.finditer(text):
        if found[0] in ("{", "["):
            names.append(set())
        elif found[0] in ("}", "]"):
            names.pop()
        elif found["key"]:
            name = json.loads(found[0].removesuffix(found["key"]))
            if name in names[-1]:
                line = text.count("\n", 0, found.start()) + 1
                raise PayloadError(line, f"{name[:80]!r} is there twice")
            names[-1].add(name)


def _is_job(document: Any) -> bool:
    """Whether it is a job as Alma has it, with or without parameters, and not a plain object of them."""
    if not isinstance(document, Mapping):
        return False
    is_whole = set(document) <= JOB_MEMBERS and JOB_ID.fullmatch(str(document.get("id", "")))
    return bool(is_whole) or any(name in document for name in _WRAPPERS)


def _of_job(text: str, source: str, document: Mapping[str, Any]) -> Parameters:
    """Read the parameters of a job, and its id."""
    lines = dict(zip(document, _lines(text, depth=1, of_keys=True), strict=False))
    others = [name for name in document if name not in (*_WRAPPERS, "id")]
    for name in others:
        if name not in JOB_MEMBERS:
            what = f"{name[:80]!r} stands beside the parameters; is it one of them?"
            raise PayloadError(lines[name], what)
    if all(name in document for name in _WRAPPERS):
        raise PayloadError(lines["parameter"], "it has parameters twice")
    job_id = document.get("id", "")
    if not isinstance(job_id, str) or isinstance(job_id, _Number):
        raise PayloadError(lines["id"], "the id of a job is text")
    listed, depth = document.get("parameter", []), 2
    if "parameters" in document:
        listed = document["parameters"]
        if isinstance(listed, Mapping) and set(listed) == {"parameter"}:
            listed, depth = listed["parameter"], 3
    if isinstance(listed, Mapping):
        # XML of one parameter, made into JSON.
        listed, depth = [listed], depth - 1
    notes = (f"of the job only the parameters count; ignored: {', '.join(others)}.",) if others else ()
    where = f"{source}, line {lines['id']}" if job_id else ""
    return Parameters(_listed(text, source, listed, depth=depth, begin=_begin(text)), job_id, where, notes)


def _begin(text: str) -> int:
    """Find where the parameters of a job begin: other members may have objects in them, too."""
    keys = (found for found, _line in _tokens(text, depth=1) if found["key"])
    return next((key.start() for key in keys if json.loads(key[0].removesuffix(key["key"])) in _WRAPPERS), 0)


def _listed(text: str, source: str, listed: Any, *, depth: int, begin: int = 0) -> tuple[Given, ...]:
    """Read a list of names and values; ``depth`` is that of its objects, which come after ``begin``."""
    if not isinstance(listed, list):
        raise PayloadError(1, "the parameters are no list")
    first, again = (_lines(text, depth=depth, of_keys=False, begin=begin) for _ in range(2))
    return _given(source, first, _pairs(listed, again), len(listed))


def _given(source: str, lines: Iterator[int], pairs: Any, count: int) -> tuple[Given, ...]:
    if count > MOST_PARAMETERS:
        raise PayloadError(1, f"it has more than {MOST_PARAMETERS} parameters")
    given: dict[str, Given] = {}
    for name, raw in pairs:
        line = next(lines, 1)
        value = _value(name, raw, line)
        problem = problem_with(name, value)
        if not problem and name in given:
            problem = f"the parameter {name} is there twice"
        if problem:
            raise PayloadError(line, problem)
        given[name] = Given(name, value, f"{source}, line {line}")
    return tuple(given.values())


def _pairs(items: list[Any], lines: Iterator[int]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items, start=1):
        line = next(lines, 1)
        if not isinstance(item, Mapping) or set(item) != {"name", "value"}:
            raise PayloadError(line, f"parameter {number} of the list is not of a name and a value")
        # Alma's own form: the name is a code, the value a bare word.
        name = _bare(item["name"])
        if not isinstance(name, str) or isinstance(name, _Number):
            raise PayloadError(line, f"the name of parameter {number} of the list is no text")
        yield name, item["value"]


def _bare(raw: Any) -> Any:
    """Take a value out of ``{"value": …, "desc": …}``."""
    if isinstance(raw, Mapping) and "value" in raw and set(raw) <= {"value", "desc"}:
        return raw["value"] if isinstance(raw.get("desc", ""), str) else raw
    return raw


def _value(name: str, raw: Any, line: int) -> str:
    raw = _bare(raw)
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return str(raw)
    if raw is None:
        what = f'the value of {name[:80]} is null; write "" or "Null", as Alma\'s wizard does'
        raise PayloadError(line, what)
    raise PayloadError(line, f"the value of {name[:80]} is neither text nor a number, true or false")


def _no_constant(word: str) -> str:
    raise ValueError(f"{word} is no JSON")


def _lines(text: str, *, depth: int, of_keys: bool, begin: int = 0) -> Iterator[int]:
    """Return the lines of the names, or of the objects, that stand at a depth, in their order."""
    for found, line in _tokens(text, depth=depth, begin=begin):
        if found["key"] if of_keys else found[0] == "{":
            yield line


def _tokens(text: str, *, depth: int, begin: int = 0) -> Iterator[tuple[re.Match[str], int]]:
    """Return the strings, and the objects that begin, at a depth of well-formed JSON, with their lines.

    Args:
        text: the whole of it.
        depth: 1 is within the outermost.
        begin: 0, or where a member of the outermost begins.
    """
    level, line, at = int(begin > 0), 1, 0
    for found in _TOKEN.finditer(text, begin):
        if found[0] in ("}", "]"):
            level -= 1
            continue
        if level == depth:
            line += text.count("\n", at, found.start())
            at = found.start()
            yield found, line
        if found[0] in ("{", "["):
            level += 1
