"""A payload in JSON: in Alma's form, as a list of names and values, or as a plain object of them.

Numbers are sent as they are written, so that an id of sixteen digits stays one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from almajob.runs.lines import Wrong
from almajob.runs.parameters import Given, Parameters, problem_with

_JOB_MEMBERS = {
    *("id", "name", "description", "type", "category", "content", "schedule", "creator", "next_run"),
    *("related_profile", "additional_info", "link"),
}


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Twice(ValueError):
    """An object with two members of one name."""


def parsed(text: str, source: str) -> Parameters:
    """Read a payload in JSON.

    Args:
        text: the whole of it.
        source: the name of the file.

    Raises:
        Wrong: it is none.
    """
    try:
        document = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
            object_pairs_hook=_members,
        )
    except json.JSONDecodeError as error:
        raise Wrong(error.lineno, f"the JSON is not well-formed: {error.msg}") from None
    except _Twice as twice:
        raise Wrong(_line_of(text, str(twice)), f"{str(twice)[:80]!r} is there twice") from None
    except RecursionError:
        raise Wrong(1, "it is nested too deep") from None
    except ValueError as error:
        raise Wrong(1, str(error)) from None
    given: dict[str, Given] = {}
    for name, raw in _pairs(document):
        line = _line_of(text, name)
        value = _value(name, raw, line)
        problem = problem_with(name, value)
        if not problem and name in given:
            problem = f"the parameter {name} is there twice"
        if problem:
            raise Wrong(line, problem)
        given[name] = Given(name, value, f"{source}, line {line}")
    return _payload(text, source, document, tuple(given.values()))


def _payload(text: str, source: str, document: Any, given: tuple[Given, ...]) -> Parameters:
    """Put them together with what a whole job says besides."""
    if not isinstance(document, Mapping) or not ("parameter" in document or "parameters" in document):
        return Parameters(given)
    others = [name for name in document if name not in ("parameter", "parameters", "id")]
    unknown = [name for name in others if name not in _JOB_MEMBERS]
    if unknown:
        line = _line_of(text, unknown[0])
        raise Wrong(line, f"{unknown[0][:80]!r} stands beside the parameters; is it one of them?")
    notes = (f"of the job only the parameters count; ignored: {', '.join(others)}.",) if others else ()
    job_id = document.get("id", "")
    if not isinstance(job_id, str) or isinstance(job_id, _Number):
        raise Wrong(_line_of(text, "id"), "the id of a job is text")
    where = f"{source}, line {_line_of(text, 'id')}" if job_id else ""
    return Parameters(given, job_id, where, notes)


def _pairs(document: Any) -> Iterator[tuple[str, Any]]:
    """Give names and values of whichever form it is."""
    if isinstance(document, Mapping):
        if "parameters" in document:
            inner = document["parameters"]
            yield from _pairs({"parameter": inner["parameter"]} if _is_wrapper(inner) else _listed(inner))
        elif "parameter" in document:
            found = document["parameter"]
            yield from _listed_pairs([found] if isinstance(found, Mapping) else _listed(found))
        else:
            yield from document.items()
    else:
        yield from _listed_pairs(_listed(document))


def _is_wrapper(inner: Any) -> bool:
    return isinstance(inner, Mapping) and set(inner) == {"parameter"}


def _listed(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise Wrong(1, "the parameters are no list")
    return found


def _listed_pairs(items: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items, start=1):
        if not isinstance(item, Mapping) or not {"name", "value"} <= set(item):
            raise Wrong(1, f"parameter {number} of the list has no name and value")
        name = item["name"]
        # Alma's own form: the name is a code, the value a bare word.
        if isinstance(name, Mapping):
            name = name.get("value")
        if not isinstance(name, str) or isinstance(name, _Number):
            raise Wrong(1, f"the name of parameter {number} of the list is no text")
        yield name, item["value"]


def _value(name: str, raw: Any, line: int) -> str:
    if isinstance(raw, Mapping) and set(raw) <= {"value", "desc"} and "value" in raw:
        raw = raw["value"]
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return str(raw)
    if raw is None:
        raise Wrong(line, f'the value of {name[:80]} is null; write "" or "Null", as Alma\'s wizard does')
    raise Wrong(line, f"the value of {name[:80]} is neither text nor a number, true or false")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _no_constant(word: str) -> str:
    raise ValueError(f"{word} is no JSON")


def _line_of(text: str, name: str) -> int:
    """Find the line in which a name is written first; that of the beginning where it is written otherwise."""
    at = text.find(json.dumps(name, ensure_ascii=False))
    at = text.find(json.dumps(name)) if at < 0 else at
    return text.count("\n", 0, at) + 1 if at >= 0 else 1
