"""What Airflow reads of this provider: its name, its type of connection with its form, its links."""

from __future__ import annotations

from typing import Any

from almajob import __version__

_NAME = "Ex Libris Alma"
_REGIONS = ("", "na", "eu", "ap", "aps", "ca", "cn")


def get_provider_info() -> dict[str, Any]:
    """Return it as Airflow's schema of providers wants it."""
    return {
        "package-name": "almajob",
        "name": _NAME,
        "description": "Start, follow and judge jobs of `Ex Libris Alma <https://exlibrisgroup.com>`__.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://developers.exlibrisgroup.com/alma/apis/conf/",
                "tags": ["service"],
            }
        ],
        "hooks": _modules("hook"),
        "operators": _modules("run_job", "sets"),
        "sensors": _modules("sensor"),
        "triggers": _modules("trigger"),
        "extra-links": ["almajob.airflow.link.AlmaMonitorJobsLink"],
        "connection-types": [
            {
                "connection-type": "alma",
                "hook-name": _NAME,
                "hook-class-name": "almajob.airflow.hook.AlmaHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "port"],
                    "relabeling": {"password": "API key", "host": "Address"},
                    "placeholders": {"host": "Only without a region, such as http://127.0.0.1:8444"},
                },
                "conn-fields": _FIELDS,
            }
        ],
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    return [{"integration-name": _NAME, "python-modules": [f"almajob.airflow.{name}" for name in names]}]


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": [kind, "null"], **schema},
    }


_FIELDS = {
    "kind": _field(
        "Kind",
        "What the key leads to. In production a task needs is_confirmed=True.",
        enum=["sandbox", "production"],
        default="sandbox",
    ),
    "region": _field("Region", "Of Alma's gateway. Empty where there is an address.", enum=list(_REGIONS)),
    "ledger": _field(
        "Ledger",
        "The id of a connection to the PostgreSQL database that has almajob's ledger. "
        "Without it, each task keeps its own.",
    ),
    "institution": _field("Institution", "Its code, where several share a ledger."),
    "sole_starter": _field(
        "Sole starter",
        "Nobody else starts jobs by the API there. It counts only with a ledger.",
        "boolean",
        default=False,
    ),
    "monitor_jobs": _field(
        "Monitor Jobs",
        "The address of Admin > Monitor Jobs, from your browser; {process_id} is filled in.",
    ),
}
