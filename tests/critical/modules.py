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
    "calls": {
        "almajob/alma/any_endpoint.py": ["tests/alma/test_any_endpoint.py"],
        "almajob/alma/http/path.py": ["tests/alma/http/test_path.py"],
    },
    "ledger": {
        "almajob/store/ledger/record.py": ["tests/store/ledger/test_record.py"],
        "almajob/store/ledger/ledger.py": [
            "tests/store/ledger/test_ledger.py",
            "tests/store/ledger/test_announcements.py",
        ],
        "almajob/store/ledger/gap.py": ["tests/store/ledger/test_ledger.py"],
        "almajob/store/ledger/look_ups.py": ["tests/store/ledger/test_look_ups.py"],
        "almajob/store/ledger/run_key_forms.py": ["tests/store/ledger/test_look_ups.py"],
        "almajob/store/ledger/sealed_rows.py": ["tests/store/ledger/test_sealed_rows.py"],
        "almajob/store/ledger/series.py": ["tests/store/ledger/test_series.py"],
        "almajob/store/ledger/view.py": [
            "tests/store/ledger/test_view.py",
            "tests/store/ledger/test_ledger.py",
        ],
        "almajob/store/directory/directory_place.py": ["tests/store/directory/test_directory_place.py"],
        "almajob/store/directory/directory_rows.py": ["tests/store/directory/test_directory_place.py"],
        "almajob/store/directory/file_locks.py": ["tests/store/directory/test_file_locks.py"],
        "almajob/store/directory/migration.py": [
            "tests/store/directory/test_migration.py",
            "tests/store/directory/test_directory_place.py",
        ],
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
