"""``python -m tests.critical``: run the critical tests; fail where one misses a line or branch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from tests.critical.modules import OPTIONS, QUICK, ROOT, modules


def main() -> int:
    tests = sorted({path for paths in modules().values() for path in paths})
    measured = [f"--cov={module.removesuffix('.py').replace('/', '.')}" for module in modules()]
    # A process that a test has left to end by itself may write its figures while they are removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *OPTIONS, "-p", "pytest_cov", *measured),
                *("--cov-branch", "--cov-fail-under=100"),
                *("--cov-report=term-missing", *tests),
            ],
            cwd=ROOT,
            env={**os.environ, **QUICK, "COVERAGE_FILE": f"{directory}/coverage"},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
