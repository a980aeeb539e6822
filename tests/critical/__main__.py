"""The modules on which "at most once" and the keys rest, each covered whole by the tests of its own alone.

``python -m tests.critical.__main__`` runs those tests, and fails where a line or a branch of a module is not run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CRITICAL: Mapping[str, Mapping[str, Sequence[str]]] = {
    "classifier": {
        "almajob/runs/evidence/start_outcome.py": ["tests/runs/test_outcome.py"],
        "almajob/runs/evidence/unknown_outcome.py": ["tests/runs/test_doubt.py"],
        "almajob/runs/start/environment_check.py": ["tests/runs/test_proof.py"],
        "almajob/alma/http/error_responses.py": ["tests/alma/test_refusals.py"],
        "almajob/alma/http/transport_errors.py": ["tests/alma/test_failures.py"],
    },
    "ledger": {
        "almajob/store/ledger_record.py": ["tests/store/test_record.py"],
        "almajob/store/ledger_rows.py": ["tests/store/test_rows.py"],
        "almajob/store/ledger.py": ["tests/store/test_ledger.py"],
        "almajob/system/file_lock.py": ["tests/store/test_locks.py"],
        "almajob/store/schema.py": ["tests/store/test_schema.py"],
        "almajob/store/errors.py": ["tests/store/test_failures.py"],
    },
    "limiter": {
        "almajob/alma/rate_limit/decisions.py": ["tests/alma/test_allowance.py"],
        "almajob/alma/rate_limit/limiter.py": ["tests/alma/test_limits.py"],
        "almajob/alma/rate_limit/shared_state.py": [
            "tests/alma/test_account.py",
            "tests/alma/test_limits.py",
        ],
    },
    "secrets": {
        "almajob/text/redaction.py": ["tests/test_secret.py"],
        "almajob/alma/api_key.py": ["tests/alma/test_key.py"],
        "almajob/system/key_variables.py": ["tests/test_variables.py"],
        "almajob/cli/console/excepthook.py": ["tests/test_lastwords.py"],
    },
}
"""By what they are called in the documentation: each module, and its tests."""
# A second of each start goes into plugins of pytest that these tests do not use.
OPTIONS = (
    *("--quiet", "--exitfirst", "--no-header", "-p", "no:cacheprovider"),
    *("-p", "pytest_socket", "-p", "almajob.testing"),
)
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""The variable that goes with ``OPTIONS``."""


def modules() -> dict[str, Sequence[str]]:
    """Give every module with its tests."""
    return {module: tests for part in CRITICAL.values() for module, tests in part.items()}


def main() -> int:
    tests = sorted({path for paths in modules().values() for path in paths})
    measured = [f"--cov={module.removesuffix('.py').replace('/', '.')}" for module in modules()]
    with tempfile.TemporaryDirectory() as directory:
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
