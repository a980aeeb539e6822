"""Whether the tests of the critical modules notice an error: each is made, one at a time, and the tests run.

``python -m tests.tools.mutation [MODULE ...]`` makes the errors with cosmic-ray (the extra ``mutation``) in a
copy of the code, prints how many of them the module's own tests notice, and shows the others.
``JOBS=2`` tries two modules at once.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import itertools
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.critical.modules import CRITICAL, OPTIONS, QUICK, ROOT, modules

# Seconds of their own, for each error.
_SLOW = ("test_fifty_processes_share_one_ledger", "test_flipped_bytes_are_never_read_as_something_else")
_ARGUMENTS = (
    *(*OPTIONS, "-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0"),
    *("-k", " and ".join(f"not {name}" for name in _SLOW)),
)
# What the tests need of others, imported once instead of for each error.
_IMPORTED = ("hypothesis.strategies", "requests", "diskcache", "cliff.app", "pytest_httpserver", "werkzeug")
_LEAST = 90
"""Per cent of the errors that have to be noticed."""


def tried(module: str) -> tuple[int, list[str]]:
    """Make every error in one module.

    Returns:
        How many there are, and the changed lines of those that no test notices.
    """
    for name in _IMPORTED:
        importlib.import_module(name)
    tests, code = modules()[module], (ROOT / module).read_text("utf-8")
    count, unnoticed = 0, []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for part in ("almajob", "tests"):
            shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", directory)
        begun = time.monotonic()
        if not _pass(directory, tests, 600):
            raise AssertionError(f"the tests of {module} fail without any error made in it")
        patience = 20 + 5 * (time.monotonic() - begun)
        for operator, changed in _errors(code):
            count += 1
            (directory / module).write_text(changed, "utf-8")
            if _pass(directory, tests, patience):
                unnoticed.append(f"  {operator}\n{_difference(code, changed)}")
    return count, unnoticed


def _errors(code: str) -> Iterator[tuple[str, str]]:
    """Return each error once, with its code; none that Python cannot read or that is of types alone."""
    known = {_meant(code), None}
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        for occurrence in itertools.count():
            try:
                changed = mutate_code(code, kind(), occurrence)
            except AttributeError:
                # It cannot replace an exception whose name has a dot.
                continue
            if changed is None:
                break
            if _meant(changed) not in known:
                known.add(_meant(changed))
                yield name, changed


def _meant(code: str) -> str | None:
    """Return what a module does, whatever its types say; None where it cannot be read."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):
            # cosmic-ray takes the star in a signature for a multiplication.
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults += [default for default in node.kw_defaults if default]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


def _pass(directory: Path, tests: Sequence[str], patience: float) -> bool:
    """Whether all tests pass in that many seconds, in a process of their own."""
    child = os.fork()
    if not child:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        code = 1
        try:
            code = _run(directory, tests)
        finally:
            os._exit(code)
    ending = os.pidfd_open(child)
    in_time, _, _ = select.select([ending], [], [], patience)
    os.close(ending)
    if not in_time:
        os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def _run(directory: Path, tests: Sequence[str]) -> int:
    os.chdir(directory)
    os.environ.update(QUICK)
    sys.dont_write_bytecode = True
    # The copy instead of what this process is made of.
    sys.path[:] = [str(directory), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("almajob", "tests")]:
        del sys.modules[name]
    return int(pytest.main([*_ARGUMENTS, *tests]))


def _difference(code: str, changed: str) -> str:
    lines = difflib.unified_diff(code.splitlines(), changed.splitlines(), n=0, lineterm="")
    return "\n".join(f"    {line}" for line in lines if not line.startswith(("---", "+++")))


def main() -> int:
    named = set(sys.argv[1:])
    chosen = [
        module for part, found in CRITICAL.items() for module in found if not named or named & {part, module}
    ]
    every = noticed = 0
    with ProcessPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        for module, (count, unnoticed) in zip(chosen, pool.map(tried, chosen), strict=True):
            every, noticed = every + count, noticed + count - len(unnoticed)
            print(f"{module}: {count - len(unnoticed)} of {count} noticed", *unnoticed, sep="\n", flush=True)
    print(f"{noticed} of {every} errors were noticed: {100 * noticed / every:.1f} %")
    return 0 if 100 * noticed >= _LEAST * every else 1


if __name__ == "__main__":
    sys.exit(main())
