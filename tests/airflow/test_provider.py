"""What Airflow knows of the provider: its metadata, its connection, its form, its test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from almajob.airflow.provider_info import get_provider_info
from almajob.simulator.http.server import Simulator
from tests.airflow.site import PROGRAMS, Site


def test_the_metadata_are_as_airflow_wants_them(site: Site) -> None:
    """By the schema for what is installed, and by the stricter one for what Airflow's own providers write."""
    (place,) = Path(PROGRAMS).glob("lib/python3.*/site-packages/airflow")
    info = get_provider_info()
    jsonschema.validate(info, json.loads((place / "provider_info.schema.json").read_text("utf-8")))
    strict = json.loads((place / "provider.yaml.schema.json").read_text("utf-8"))
    for name in (
        "connection-types",
        "hooks",
        "operators",
        "sensors",
        "triggers",
        "extra-links",
        "integrations",
    ):
        jsonschema.validate(
            info[name], {**strict["properties"][name], "definitions": strict.get("definitions", {})}
        )


def test_airflow_lists_the_hook_and_the_link(site: Site) -> None:
    """``airflow providers`` says so, without an error."""
    hooks = json.loads(site.run("providers", "hooks", "--output", "json").stdout)
    (found,) = [each for each in hooks if each["connection_type"] == "alma"]
    assert (found["hook_name"], found["conn_id_attribute_name"]) == ("Ex Libris Alma", "alma_conn_id")
    assert found["class"] == "almajob.airflow.hook.AlmaHook"
    assert "almajob.airflow.link.AlmaMonitorJobsLink" in site.run("providers", "links").stdout


def test_the_form_has_the_fields_of_an_alma(running: Site) -> None:
    """As the browser gets it; and no field that means nothing."""
    (form,) = [
        each for each in running.get("connections/hook_meta", base="ui") if each["connection_type"] == "alma"
    ]
    assert form["hook_name"] == "Ex Libris Alma"
    fields = form["standard_fields"]
    assert fields["password"]["title"] == "API key" and fields["host"]["title"] == "Address"
    assert [fields[name]["hidden"] for name in ("login", "port", "url_schema")] == [True, True, True]
    own = form["extra_fields"]
    assert set(own) == {"kind", "region", "ledger", "institution", "sole_starter", "monitor_jobs"}
    assert own["kind"]["schema"]["enum"] == ["sandbox", "production"]


@pytest.mark.parametrize(
    ("extra", "password", "message"),
    [
        ({"kind": "sandbox"}, "", "01SIM_INST (SANDBOX)"),
        ({"kind": "production"}, "", "leads to SANDBOX"),
        ({"kind": "sandbox"}, "l7xx00000000000000000000000000000000", "does not accept the API key"),
        ({"kind": "sandbox", "ledger": "alma_ledger"}, "", "01SIM_INST (SANDBOX)"),
        ({"kind": "sandbox", "ledger": "no_such"}, "", "no_such"),
    ],
)
def test_the_button_tests_a_connection(
    running: Site, simulator: Simulator, extra: dict[str, Any], password: str, message: str
) -> None:
    """With one call, and with the ledger if one is named."""
    found = running.post(
        "connections/test",
        {
            "connection_id": "alma_tried",
            "conn_type": "alma",
            "host": simulator.base_url,
            "password": password or simulator.key,
            "extra": json.dumps(extra),
        },
    )
    assert message in found["message"]
    assert found["status"] is message.startswith("01SIM")
