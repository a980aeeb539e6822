"""``python -m tests.tools.words``: whether almajob's names and docstrings keep the house's words.

No docstring begins with Give, Say, Tell or Let: plain English says Return, Print, Send. No module is named by
a bare participle, and few functions are: ``held`` does not say what is done, ``defer_signals`` does. The help
of a command is its class's docstring, and text for users; it is left out.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FUNCTIONS_NAMED_BY_PARTICIPLES = 0.02
"""The largest share, as a part of all functions and methods."""
_TRANSLATED = re.compile(r"(Give|Say|Tell|Let)s?\b")
_IRREGULAR = {
    *("told", "held", "kept", "known", "said", "given", "found", "sent", "made"),
    *("taken", "read", "written", "seen", "shown", "meant", "left", "lost", "begun"),
    *("gone", "drawn", "bound", "cut", "set", "put", "done", "thrown", "chosen"),
    *("broken", "typed", "untold", "spoken", "hidden", "grown", "understood", "built"),
}
# These are verbs, or nouns, that only look like participles.
_NO_PARTICIPLES = {"read", "set", "put", "cut", "speed", "feed", "need", "embed", "seed", "proceed", "shed"}


def is_participle(name: str) -> bool:
    """Whether a name is one past participle and nothing else."""
    word = name.strip("_")
    return (word in _IRREGULAR or bool(re.fullmatch(r"[a-z]+ed", word))) and word not in _NO_PARTICIPLES


def find_odd_docstrings(tree: ast.Module) -> Iterator[int]:
    """Return the lines of docstrings that begin as translated ones do."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) or _is_command(node):
            continue
        if _TRANSLATED.match(ast.get_docstring(node) or ""):
            yield node.body[0].lineno


def _is_command(node: ast.AST) -> bool:
    bases = node.bases if isinstance(node, ast.ClassDef) else ()
    return any(ast.unparse(base) in {"Command", "Lister", "ShowOne", "ShowSome"} for base in bases)


def find_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Return all functions and methods of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def main() -> int:
    """Print every place that breaks a rule, and the share of functions named by participles."""
    docstrings, modules, participles, functions = [], [], [], 0
    for path in sorted((ROOT / "almajob").rglob("*.py")):
        place, tree = path.relative_to(ROOT), ast.parse(path.read_text("utf-8"))
        docstrings += [
            f"{place}:{line}: begins with Give, Say, Tell or Let" for line in find_odd_docstrings(tree)
        ]
        modules += [f"{place}: a module named by a participle"] if is_participle(path.stem) else []
        found = list(find_functions(tree))
        functions += len(found)
        participles += [f"{place}:{node.lineno}: {node.name}" for node in found if is_participle(node.name)]
    share = len(participles) / functions
    is_too_many = share > FUNCTIONS_NAMED_BY_PARTICIPLES
    print(*docstrings, *modules, *(participles if is_too_many or "--all" in sys.argv else ()), sep="\n")
    print(f"{len(participles)} of {functions} functions are named by a participle: {share:.1%}")
    return 1 if docstrings or modules or is_too_many else 0


if __name__ == "__main__":
    sys.exit(main())
