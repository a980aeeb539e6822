"""Whether the tests of the critical modules notice an error: each is made, one at a time, and the tests run.

``python -m tests.mutation [MODULE ...]`` makes the errors with cosmic-ray (the extra ``mutation``) in a copy
of the code, prints how many of them the module's own tests notice, and shows the others.
"""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.critical import CRITICAL, PYTEST, QUICK, ROOT, modules

# Ten seconds for each error would be too much.
_SLOW = ("test_fifty_processes_share_one_ledger", "test_flipped_bytes_are_never_read_as_something_else")
_CONFIGURATION = """\
[cosmic-ray]
module-path = {module!r}
timeout = {timeout}
excluded-modules = []
test-command = {command!r}
[cosmic-ray.distributor]
name = "local"
"""
_LEAST = 90
"""Per cent of the errors that have to be noticed."""


def tried(module: str) -> tuple[int, list[str]]:
    """Make every error in one module.

    Returns:
        How many there are, and the changed lines of those that no test notices.
    """
    tests = modules()[module]
    command = [*PYTEST, "-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0", *tests]
    command += ["-k", " and ".join(f"not {name}" for name in _SLOW)]
    environ = {**os.environ, **QUICK, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for part in ("almajob", "tests"):
            shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", directory)
        begun = time.monotonic()
        subprocess.run(command, cwd=directory, env=environ, check=True, stdout=subprocess.DEVNULL)
        timeout = 20 + 5 * (time.monotonic() - begun)
        (directory / "cosmic-ray.toml").write_text(
            _CONFIGURATION.format(module=module, timeout=timeout, command=shlex.join(command))
        )
        for step in ("init", "exec"):
            cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli", step, "cosmic-ray.toml", "session.sqlite"]
            subprocess.run(cosmic_ray, cwd=directory, env=environ, check=True)
            if step == "init":
                _pass_over_what_is_no_error(directory)
        return _result(directory / "session.sqlite")


def _pass_over_what_is_no_error(directory: Path) -> None:
    """Pass over what Python refuses to read, and what changes nothing but types and signs in a signature."""
    with use_db(str(directory / "session.sqlite"), WorkDB.Mode.open) as session:
        for item in session.work_items:
            (mutation,) = item.mutations
            code = (directory / mutation.module_path).read_text("utf-8")
            operator = get_operator(mutation.operator_name)(**mutation.operator_args)
            try:
                changed = mutate_code(code, operator, mutation.occurrence)
            except AttributeError:
                # It cannot replace an exception whose name has a dot.
                changed = None
            if changed is None or _meant(changed) in (None, _meant(code)):
                session.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def _meant(code: str) -> str | None:
    """Give what a module does, whatever its types say; None where it cannot be read."""
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


def _result(session: Path) -> tuple[int, list[str]]:
    with use_db(str(session), WorkDB.Mode.open) as done:
        tried = [pair for pair in done.completed_work_items if pair[1].worker_outcome is WorkerOutcome.NORMAL]
    unnoticed = [_told(*pair) for pair in tried if pair[1].test_outcome is TestOutcome.SURVIVED]
    return len(tried), sorted(unnoticed)


def _told(item: WorkItem, result: WorkResult) -> str:
    lines = [
        line
        for line in (result.diff or "").splitlines()
        if line[:1] in "+-" and line[1:3] not in ("--", "++")
    ]
    (mutation,) = item.mutations
    return "\n".join(
        [f"    {mutation.start_pos[0]:4} {mutation.operator_name}", *(f"      {line}" for line in lines)]
    )


def _named(arguments: list[str]) -> Iterator[str]:
    for part, found in CRITICAL.items():
        yield from (module for module in found if not arguments or module in arguments or part in arguments)


def main() -> int:
    chosen = list(_named(sys.argv[1:]))
    every = noticed = 0
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        for module, (count, unnoticed) in zip(chosen, pool.map(tried, chosen), strict=True):
            every, noticed = every + count, noticed + count - len(unnoticed)
            print(f"{module}: {count - len(unnoticed)} of {count} noticed", *unnoticed, sep="\n", flush=True)
    print(f"{noticed} of {every} errors were noticed: {100 * noticed / every:.1f} %")
    return 0 if 100 * noticed >= _LEAST * every else 1


if __name__ == "__main__":
    sys.exit(main())
