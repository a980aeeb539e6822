"""``python -m tests.tools.messages``: all that almajob says to people, on one page, to be read aloud.

First what goes wrong most, as it is printed: the situations of ``tests/whole/test_messages.py``. Then all
there is, read from the source, so that none can be missing: each error with its reason and its hint, each
line of the log that people see, each help text. What is filled in is in braces, and of two forms both
are shown.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import almajob
from almajob.errors import AlmajobError

ROOT = Path(almajob.__file__).parent
Names = dict[str, list[ast.expr]]
"""What the names of a function are assigned."""
_PARTS = ("message", "reason", "hint")
_LOGGED = {"info", "warning", "error"}
_LOGGERS = {"LOG", "log", "_log"}
_REFUSALS = {"ArgumentTypeError", "ValueError", "CannotJudge"}
"""Errors of the parser and the readers whose words reach people within another message."""
BANNED = {
    r"\bthe ini\b": "the configuration file",
    r"\bcures?\b": "fix",
    r"\bnearest\b": "did you mean",
    r"\bif it stays\b": "if it persists",
    r"\btell(s|ing)? each\b|\btells more\b|\bis told\b|\bare told\b": "log, show, print",
    r"\bwhat was kept so\b|\bkept so\b": "saved",
    r"\bdoes not stand\b|\bdo not stand\b": "do not pass",
    r"(?<!there )\b(is|are) no\b(?! longer)": "is not a",
    r"\bby whomever\b|\bwhomever\b": "no matter who",
    r"\bsay (which|by)\b": "choose one",
    r"\bspeaks? against\b": "suspicious",
    r"\bgoes by chance\b": "random",
    r"\bthere are: ": "known",
    r"\banew\b": "again",
    r"\bas long as it takes\b": "without a limit",
    r"\bof which there\b": "",
    r"\bjust now\b": "now",
    r"\bin doubt\b": "unknown outcome",
    r"\bas (it stands|they stand)\b": "unchanged",
}
"""What sounds translated, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Message:
    """One text.

    Attributes:
        place: the module and the line.
        kind: the error's class with its exit code, ``log`` with its level, or ``help``.
        parts: what it says, a line each.
    """

    place: str
    kind: str
    parts: tuple[str, ...]


def find_messages() -> Iterator[Message]:
    """Read all texts from the source, module by module."""
    errors = _error_classes()
    for path in sorted(ROOT.rglob("*.py")):
        if "simulator" in path.relative_to(ROOT).parts[:1]:
            continue
        for call, names in _find_calls(ast.parse(path.read_text("utf-8")), {}):
            found = _read_call(call, names, errors)
            if found:
                yield Message(f"{path.relative_to(ROOT.parent)}:{call.lineno}", *found)


def find_banned(text: str) -> list[str]:
    """Return what a text has of what sounds translated, with what to write instead."""
    return [
        f"{found[0]!r}, rather {instead!r}"
        for pattern, instead in BANNED.items()
        for found in [re.search(pattern, text, re.IGNORECASE)]
        if found
    ]


def _find_calls(node: ast.AST, names: Names) -> Iterator[tuple[ast.Call, Names]]:
    """Find all calls, each with what the names of its function are assigned."""
    if isinstance(node, ast.FunctionDef):
        names = {}
        for inner in ast.walk(node):
            for target in inner.targets if isinstance(inner, ast.Assign) else ():
                if isinstance(inner, ast.Assign) and isinstance(target, ast.Name):
                    names.setdefault(target.id, []).append(inner.value)
    if isinstance(node, ast.Call):
        yield node, names
    for child in ast.iter_child_nodes(node):
        yield from _find_calls(child, names)


def _error_classes() -> dict[str, int]:
    for module in pkgutil.walk_packages([str(ROOT)], "almajob."):
        # The provider needs Airflow, and has no errors of its own.
        if not module.name.endswith(("__main__", ".testing")) and ".airflow." not in module.name:
            importlib.import_module(module.name)

    def below(kind: type[AlmajobError]) -> Iterator[type[AlmajobError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    return {kind.__name__: kind.exit_code for kind in below(AlmajobError)}


def _read_call(call: ast.Call, names: Names, errors: dict[str, int]) -> tuple[str, tuple[str, ...]] | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = {word.arg: _render(word.value, names) for word in call.keywords if word.arg in _PARTS}
    texts = [_render(argument, names) for argument in call.args]
    if name in errors or (name == "replace" and named):
        parts = [*texts[:1], *(named[part] for part in _PARTS if part in named)]
        return f"{name}, exit code {errors[name]}" if name in errors else "changed", tuple(parts)
    if name in _REFUSALS and texts:
        return name, tuple(texts[:1])
    if isinstance(call.func, ast.Attribute) and name in _LOGGED:
        owner = call.func.value
        if getattr(owner, "id", getattr(owner, "attr", "")) in _LOGGERS and texts:
            return f"log {name}", (_fill(texts[0], texts[1:]),)
    helps = [_render(word.value, names) for word in call.keywords if word.arg in ("help", "description")]
    return ("help", tuple(helps)) if helps else None


def _fill(text: str, values: list[str]) -> str:
    for value in values:
        text = text.replace("%s", value, 1) if "%s" in text else text
    return text


def _render(node: ast.expr, names: Names, depth: int = 0) -> str:
    """Write an expression as the text that it makes."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_render(value, names, depth) for value in values)
        case ast.FormattedValue(value=value):
            inner = _render(value, names, depth)
            return inner if " " in inner and not isinstance(value, ast.Call) else f"{{{ast.unparse(value)}}}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _render(left, names, depth) + _render(right, names, depth)
        case ast.IfExp(body=body, orelse=other):
            forms = [form for form in (_render(body, names, depth), _render(other, names, depth)) if form]
            return forms[0] if len(forms) == 1 else f"({' | '.join(forms)})"
        case ast.Name(id=name) if depth < 3:
            found = names.get(name, [])
            return " | ".join(_render(value, names, depth + 1) for value in found) if found else f"{{{name}}}"
    return f"{{{ast.unparse(node)}}}"


def main() -> None:
    """Print the page; what sounds translated is marked."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-qs", "tests/whole/test_messages.py", "-k", "explained"],
        cwd=ROOT.parent,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    for message in find_messages():
        text = "\n    ".join(message.parts)
        marks = "".join(f"\n  !! {found}" for found in find_banned(text))
        print(f"{message.place}  {message.kind}\n    {text}{marks}\n")


if __name__ == "__main__":
    main()
