"""The modules on which "at most once" and the keys rest, each covered whole by the tests of its own alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CRITICAL: Mapping[str, Mapping[str, Sequence[str]]] = {
    "classifier": {
        "almajob/runs/evidence/start_outcome.py": ["tests/runs/evidence/test_start_outcome.py"],
        "almajob/runs/evidence/unknown_outcome.py": ["tests/runs/evidence/test_unknown_outcome.py"],
        "almajob/runs/start/environment_check.py": ["tests/runs/start/test_environment_check.py"],
        "almajob/alma/http/error_responses.py": ["tests/alma/http/test_error_responses.py"],
        "almajob/alma/http/transport_errors.py": ["tests/alma/http/test_transport_errors.py"],
    },
    "ledger": {
        "almajob/store/ledger_record.py": ["tests/store/test_ledger_record.py"],
        "almajob/store/ledger.py": ["tests/store/test_ledger.py"],
        "almajob/system/file_lock.py": [
            "tests/system/test_file_lock.py",
            "tests/alma/rate_limit/test_limiter.py",
        ],
        "almajob/store/schema.py": ["tests/store/test_schema.py"],
        "almajob/store/errors.py": ["tests/store/test_errors.py"],
    },
    "limiter": {
        "almajob/alma/rate_limit/circuit_breaker.py": ["tests/alma/rate_limit/test_rate_state.py"],
        "almajob/alma/rate_limit/daily_quota.py": ["tests/alma/rate_limit/test_rate_state.py"],
        "almajob/alma/rate_limit/rate_state.py": ["tests/alma/rate_limit/test_rate_state.py"],
        "almajob/alma/rate_limit/token_bucket.py": ["tests/alma/rate_limit/test_rate_state.py"],
        "almajob/alma/rate_limit/limiter.py": ["tests/alma/rate_limit/test_limiter.py"],
        "almajob/alma/rate_limit/shared_state.py": [
            "tests/alma/rate_limit/test_shared_state.py",
            "tests/alma/rate_limit/test_limiter.py",
        ],
    },
    "secrets": {
        "almajob/text/redaction.py": ["tests/text/test_redaction.py"],
        "almajob/alma/api_key.py": ["tests/alma/test_api_key.py"],
        "almajob/system/key_variables.py": ["tests/system/test_key_variables.py"],
        "almajob/cli/console/excepthook.py": ["tests/cli/console/test_excepthook.py"],
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
    """Return every module with its tests."""
    return {module: tests for part in CRITICAL.values() for module, tests in part.items()}
