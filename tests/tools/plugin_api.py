"""``docs/plugin-api.md``: all that is reachable through ``almajob.plugin``, read with griffe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import griffe

from almajob import plugin
from almajob.entry_points import API_VERSION
from almajob.errors import AlmajobError

ROOT = Path(__file__).parents[2]
_WIDTH = 100
_HEAD = """\
# The plugin API

<!-- generated from the docstrings of almajob by python -m tests.tools.generated_docs -->

Import these names from `almajob.plugin`. This is version {version} of the API. Everything has been here
since version 1.0, unless it says otherwise. Members that are not on this page are private, and may change
with any version, as may every other module: see [versions.md](versions.md).
[writing-a-plugin.md](writing-a-plugin.md) has examples.
"""
GROUPS: dict[str, tuple[str, ...]] = {
    "Commands": ("Command", "Lister", "ShowOne", "ShowSome"),
    "What a command works with": ("Context", "Environment", "Settings", "Secret", "PluginStore"),
    "Jobs and Alma": ("Catalogue", "Job", "JobFilter", "Alma", "Code"),
    "Starting and following runs": (
        *("Runs", "StartOptions", "Start", "Parameter", "Parameters", "WaitOptions", "Follower", "Policy"),
        *("Condition", "Run", "Counters", "Instance", "Counter", "MadeSet", "LedgerText"),
    ),
    "Observers": (
        *(
            "Observer",
            "ObserverContext",
            "RetryLater",
            "Event",
            "StartRecorded",
            "StartUnknown",
            "RunEnded",
            "Late",
        ),
        *("ObservedRun", "ObservedEnvironment", "ObservedVerdict", "ObservedCounter", "ObservedAlert"),
    ),
    "Notifications": ("Notifier", "NotifierContext", "Notification", "SendFailed"),
    "Options of the command line": (
        *("add_start_options", "start_options_of", "add_wait_options", "wait_options_of"),
        *("add_policy_options", "policy_of"),
        *("non_empty", "duration", "whole_number", "process_id", "condition"),
    ),
    "People at the terminal": ("display", "OpenDisplay", "asker", "confirmer"),
    "Results": ("RUN_COLUMNS", "run_values", "Identifier", "Length", "WordList"),
    "Errors": (
        *("AlmajobError", "UsageError", "JobEndedBadly", "PartlyDone", "AlmaError", "AlmaRefused", "Refused"),
        *("Unreachable", "ConfigurationError", "StillRunning", "OutcomeUnknown", "QuotaUsedUp"),
    ),
    "The version": ("API_VERSION",),
}
"""All names under the headings of the page."""


@cache
def _package() -> Any:
    return griffe.load("almajob", search_paths=[ROOT], allow_inspection=False, docstring_parser="google")


def _ungrouped() -> dict[str, tuple[str, ...]]:
    grouped = {name for names in GROUPS.values() for name in names}
    return {"More": rest} if (rest := tuple(sorted(set(dir(plugin)) - grouped))) else {}


def find(name: str) -> Any:
    """Return what griffe knows of a public name."""
    found = _package()["plugin"].members[name]
    return found.final_target if found.is_alias else found


def promised_of(name: str) -> tuple[str, ...] | None:
    """Return which members of a class are promised; None where all without an underscore are."""
    found: tuple[str, ...] | None = plugin._PROMISED.get(name)  # type: ignore[attr-defined]
    return found


def list_members(name: str) -> dict[str, Any]:
    """Return the promised members of a class by name."""
    found = find(name)
    promised = promised_of(name)
    every = {**found.inherited_members, **found.members}
    if promised is None:
        promised = tuple(member for member in found.members if not member.startswith("_"))
    return {
        member: every[member].final_target if every[member].is_alias else every[member]
        for member in promised
        if member != "__init__"
    }


def describe_attributes(found: Any) -> dict[str, str]:
    """Return what the docstring of a class, and those of its bases, say of its attributes and arguments."""
    described: dict[str, str] = {}
    for each in (*reversed(found.mro()), found):
        for section in _sections(each):
            if section.kind.value in ("attributes", "parameters"):
                described |= {
                    name: item.description for item in section.value for name in re.split(r",\s*", item.name)
                }
    return described


def is_attribute(member: Any) -> bool:
    """Whether a member is read without a call: an attribute, a property, or what is made once."""
    made = {str(decorator.callable_path) for decorator in getattr(member, "decorators", ())}
    return bool(member.is_attribute) or "almajob.system.sharing.made_once.made_once" in made


def names_in(member: Any) -> Iterator[str]:
    """Return the paths of what of almajob a signature or an attribute names."""
    annotations = [member.annotation] if member.is_attribute else [member.returns]
    annotations += [each.annotation for each in getattr(member, "parameters", ())]
    for annotation in annotations:
        if isinstance(annotation, griffe.Expr):
            for part in annotation.iterate(flat=True):
                if isinstance(part, griffe.ExprName) and part.canonical_path.startswith("almajob."):
                    named = _package()[part.canonical_path.removeprefix("almajob.")]
                    if not (named.is_attribute and str(named.value).startswith("TypeVar(")):
                        yield str(named.path)


def raised_by(member: Any) -> Iterator[str]:
    """Return the names of the errors that a docstring tells of."""
    for section in _sections(member):
        if section.kind.value == "raises":
            yield from (str(each.annotation) for each in section.value)


def text() -> str:
    """Write the page."""
    lines = [_HEAD.format(version=".".join(map(str, API_VERSION)))]
    groups = {**GROUPS, **_ungrouped()}
    for title, names in groups.items():
        links = ", ".join(f"[{name}](#{name.lower()})" for name in names)
        lines.append(f"* {title}: {links}")
    for title, names in groups.items():
        lines.append(f"\n## {title}")
        for name in names:
            lines += ["", *_describe(name, find(name))]
    return "\n".join(lines) + "\n"


def _describe(name: str, found: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if found.is_class:
        yield from _describe_class(name, found)
    elif found.is_function:
        yield from [_code(_signature(name, found)), *_document(found)]
    else:
        value = getattr(plugin, name)
        shown = _fold("(", [json.dumps(each) for each in value], ")") if isinstance(value, tuple) else []
        yield from [_code([f"{name} = {shown[0]}", *shown[1:]] if shown else [name]), *_document(found)]
    yield from _since(name)


def _describe_class(name: str, found: Any) -> Iterator[str]:
    promised = promised_of(name)
    bases = ", ".join(str(base) for base in found.bases if str(base) in dir(plugin))
    if promised is None or "__init__" in promised:
        hidden = _hidden_fields(found, promised)
        parameters = [each for each in _parameters_of(found) if each.name not in hidden]
        yield _code(_fold(f"{name}(", _parameters(parameters), ")"))
    else:
        yield _code([f"class {name}({bases})" if bases else f"class {name}"])
    is_made_here = promised is not None and "__init__" not in promised
    yield from _document(found, but=("attributes", *(["parameters"] if is_made_here else [])))
    kind = getattr(plugin, name)
    if issubclass(kind, AlmajobError) and kind is not AlmajobError:
        yield f"A kind of `{bases or kind.__mro__[1].__name__}`. Exit code {kind.exit_code}.\n"
    members = list_members(name)
    described = describe_attributes(found)
    rows = [
        _row(name, each, member, found, described) for each, member in members.items() if is_attribute(member)
    ]
    if rows:
        yield "\n".join(["| attribute | type | meaning |", "|---|---|---|", *rows, ""])
    for each, member in members.items():
        if not is_attribute(member):
            yield f"#### {name}.{each}\n"
            made = ["@classmethod"] if "classmethod" in member.labels else []
            yield _code([*made, *_signature(each, member)])
            yield from [*_document(member), *_since(f"{name}.{each}")]


def _row(name: str, attribute: str, member: Any, found: Any, described: Mapping[str, str]) -> str:
    meaning = described.get(attribute) or _first_paragraph(member)
    since = " ".join(_since(f"{name}.{attribute}")).strip()
    cells = (f"`{attribute}`", f"`{_type_of(member, found)}`", f"{_plain(meaning)} {since}".strip())
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _hidden_fields(found: Any, promised: tuple[str, ...] | None) -> set[str]:
    """Return the fields of a dataclass that are not promised: almajob's own code gives them."""
    if promised is None or "dataclass" not in found.labels:
        return set()
    return {name for name, each in found.members.items() if each.is_attribute} - set(promised)


def _parameters_of(found: Any) -> list[Any]:
    """Return the parameters of a constructor, of a NamedTuple's too."""
    if list(found.parameters):
        return list(found.parameters)
    init = found.inherited_members.get("__init__")
    if init is not None:
        return list(init.parameters)
    return [
        griffe.Parameter(each.name, annotation=each.annotation, default=each.value, kind=_EITHER)
        for each in found.members.values()
        if each.is_attribute and "instance-attribute" in each.labels
    ]


_EITHER = griffe.ParameterKind.positional_or_keyword


def _since(path: str) -> Iterator[str]:
    since: Mapping[str, tuple[int, int]] = plugin._SINCE  # type: ignore[attr-defined]
    if path in since:
        yield f"Since version {'.'.join(map(str, since[path]))}.\n"


def _type_of(attribute: Any, found: Any) -> str:
    """Return the type of an attribute: its own, or that of the argument of its name."""
    given = {each.name: each.annotation for each in found.parameters}
    own = attribute.annotation if attribute.is_attribute else attribute.returns
    shown = str(own or given[attribute.name])
    is_of_class = shown.startswith("ClassVar[")
    return shown.removeprefix("ClassVar[")[:-1] if is_of_class else shown


def _code(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```\n"])


def _signature(name: str, function: Any) -> list[str]:
    returns = f" -> {function.returns}" if function.returns is not None else ""
    parameters = [each for each in function.parameters if each.name not in ("self", "cls")]
    return _fold(f"def {name}(", _parameters(parameters), f"){returns}: ...")


def _fold(begin: str, parts: list[str], end: str) -> list[str]:
    line = f"{begin}{', '.join(parts)}{end}"
    return [line] if len(line) <= _WIDTH else [begin, *(f"    {part}," for part in parts), end]


def _parameters(parameters: Iterable[Any]) -> list[str]:
    parts: list[str] = []
    is_keyword_only = False
    for each in parameters:
        if each.name == "self":
            continue
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(each.kind.value, "")
        if each.kind.value == "keyword-only" and not is_keyword_only:
            parts.append("*")
        is_keyword_only = is_keyword_only or each.kind.value == "keyword-only" or stars == "*"
        annotation = "" if each.annotation is None else f": {each.annotation}"
        has_default = each.default is not None and not stars
        equals = " = " if annotation else "="
        default = f"{equals}{_value(each.default)!r}" if has_default else ""
        parts.append(f"{stars}{each.name}{annotation}{default}")
    return parts


class _Name(str):
    """A value that is shown as it is written."""

    __slots__ = ()
    __repr__ = str.__str__


def _value(expression: Any) -> Any:
    """Return a default value, as a constant's value where it is one's name."""
    if isinstance(expression, griffe.ExprName):
        found = _package()[expression.canonical_path.removeprefix("almajob.")]
        return _value(found.value) if found.is_attribute else _Name(expression)
    # As ruff writes it, which formats the code in Markdown too.
    return _Name(str(expression).replace("'", '"'))


def _sections(found: Any) -> list[Any]:
    return found.docstring.parsed if found.docstring else []


def _document(found: Any, but: tuple[str, ...] = ()) -> Iterator[str]:
    for section in _sections(found):
        kind = section.kind.value
        if kind in but:
            continue
        if kind == "text":
            yield f"{_paragraphs(section.value)}\n"
        elif kind in ("parameters", "attributes"):
            yield "\n".join(f"* `{each.name}`: {_plain(each.description)}" for each in section.value) + "\n"
        elif kind == "raises":
            rows = [f"* `{each.annotation}`: {_plain(each.description)}" for each in section.value]
            yield "\n".join(["Raises:\n", *rows]) + "\n"
        elif kind in ("returns", "yields"):
            yield f"{kind.capitalize()}: {_plain(' '.join(each.description for each in section.value))}\n"
        elif kind == "admonition":
            yield f"{section.title}: {_plain(section.value.description)}\n"
        else:
            raise ValueError(f"{found.path} has a section {kind!r}, of which this page knows nothing")


def _first_paragraph(found: Any) -> str:
    return next((str(each.value) for each in _sections(found) if each.kind.value == "text"), "")


def _paragraphs(said: str) -> str:
    return "\n\n".join(_plain(part) for part in re.split(r"\n\s*\n", said))


def _plain(said: str) -> str:
    """Write a paragraph of a docstring as Markdown on one line."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(said.split()))
