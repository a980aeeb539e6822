"""What a task makes of what it is given: by mistake, by Airflow, and as parameters."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from tests.airflow.site import PROGRAMS
from tests.support.environments import ROOT

ERP = "ERP export using profile FINANCE"
_PROGRAM = """
import json, sys
from types import SimpleNamespace
from airflow.sdk import Connection
from almajob.airflow.hook import AlmaHook
from almajob.airflow.run_job import AlmaRunJobOperator
from almajob.airflow.sensor import AlmaJobRunSensor

url, key, cases = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

class Store(dict):
    def set(self, key, value, **kwargs):
        self[key] = value

def find(_cls, conn_id):
    return Connection(conn_id=conn_id, conn_type="alma", host=url, password=key, extra='{"kind": "sandbox"}')

AlmaHook.get_connection = classmethod(find)
for name, kwargs in cases:
    of = {"run": AlmaRunJobOperator, "sensor": AlmaJobRunSensor}[name]
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=0, xcom_push=lambda *_given: None
    )
    event, context = kwargs.pop("event", None), {"ti": ti, "task_state_store": Store()}
    task = of(task_id="t", **kwargs)
    try:
        task.execute(context) if event is None else task.execute_complete(context, event)
        print(json.dumps(["success", ""]))
    except BaseException as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""
_SINCE = {"since": "2026-11-30T05:00:00+01:00"}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("run", {"job": "No such job"}, "No job has the name or id"),
    ("run", {"job": ERP, "ids": "99700000000561"}, "ids is a list, and not"),
    ("run", {"job": ERP, "ids": None}, "ids is a list, and not None"),
    ("run", {"job": ERP, "set_id": "None", "allow_unknown": True}, "The set has no id or name."),
    ("run", {"job": ERP, "parameters": None}, "parameters is a mapping, or pairs"),
    ("run", {"job": ERP, "parameters": "a=b"}, "parameters is a mapping, or pairs"),
    ("run", {"job": ERP, "parameters": {"a": None}}, "The parameter a has no value."),
    ("run", {"job": ERP, "fail_if": "invoices =="}, "invoices =="),
    ("run", {"job": ERP, "fail_if": 3}, "3 is neither a text nor a list of texts."),
    ("run", {"job": ERP, "interval": 0}, "interval is a number of seconds, more than 0."),
    ("run", {"job": ERP, "once_per": "day"}, "once_per needs a connection with a ledger"),
    (
        "run",
        {"job": ERP, "ids": ["1"], "delete_set": "good", "wait_for_end": False},
        "delete_set needs wait_for_end",
    ),
    ("sensor", _SINCE, "Name a run by its process_id, or a job."),
    ("sensor", {"job": ERP, "since": "yesterday"}, "since is a time in ISO 8601 with its offset"),
    ("sensor", {"job": ERP, "since": "2026-11-30T05:00:00"}, "since is a time in ISO 8601 with its offset"),
    ("sensor", {"job": ERP, **_SINCE, "fail_if": "invoices =="}, "invoices =="),
]


def _execute(
    simulator: Simulator, home: Path, *cases: tuple[str, dict[str, Any]], key: str = ""
) -> list[Any]:
    if not PROGRAMS:
        pytest.fail("ALMAJOB_AIRFLOW does not name an environment with Airflow: see .ci/airflow")
    done = subprocess.run(
        [
            f"{PROGRAMS}/bin/python",
            *("-c", _PROGRAM, simulator.base_url, key or simulator.key, json.dumps(cases)),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('["')]
    return [json.loads(line) for line in lines]


def test_a_mistake_fails_the_task_at_once(tmp_path: Path) -> None:
    """Another try would be the same mistake."""
    with Simulator(Institution()) as simulator:
        found = _execute(simulator, tmp_path, *((name, kwargs) for name, kwargs, _text in CASES))
        posts = simulator.institution.log.count("POST *")
    for (_name, kwargs, text), (kind, message) in zip(CASES, found, strict=True):
        assert (kind, text in message) == ("AirflowFailException", True), (kwargs, kind, message)
        assert "almajob " not in message
    assert posts == 0


def test_a_wrong_key_fails_the_task_at_once(tmp_path: Path) -> None:
    """And is not in the message."""
    key = f"l7xx{'0' * 32}"
    with Simulator(Institution()) as simulator:
        ((kind, message),) = _execute(simulator, tmp_path, ("run", {"job": ERP}), key=key)
    assert kind == "AirflowFailException", message
    assert key not in message


def test_an_hour_without_alma_is_no_end_of_the_time(tmp_path: Path) -> None:
    """The trigger gives up after one; the task looks, and goes on waiting for a run that goes on."""
    gave_up = {"deadline": None, "is_over": True}
    with Simulator(Institution()) as simulator:
        simulator.institution.rules.seconds = 600.0
        sandbox = simulator.institution.sandbox
        job = next(each for each in sandbox.jobs if each.name == ERP)
        event = {**gave_up, "process_id": sandbox.submit(job, ()).id}
        later = {**event, "deadline": time.time() + 3600}
        run, sensor = {"job": ERP, "event": event}, {"job": ERP, **_SINCE, "event": later}
        found = _execute(simulator, tmp_path, ("run", run), ("sensor", sensor))
        over = {**event, "deadline": 1.0}
        found += _execute(simulator, tmp_path, ("run", {**run, "event": over}))
    kinds = [kind for kind, _message in found]
    assert kinds == ["TaskDeferred", "TaskDeferred", "AirflowException"], found
    assert "execution_timeout was over" in found[-1][1]


def test_parameters_are_written_as_alma_does(tmp_path: Path) -> None:
    """What is true is ``true``; conditions and statuses may be one text."""
    given = {"parameters": {"a": True, "n": 3}, "allow_unknown": True, "accept": "COMPLETED_WARNING"}
    with Simulator(Institution()) as simulator:
        simulator.institution.rules.checks_parameters = False
        job = "M44"
        ((kind, message),) = _execute(
            simulator, tmp_path, ("run", {"job": job, **given, "set_id": "", "wait_for_end": False})
        )
        (sent,) = [call for call in simulator.institution.log.requests() if call.method == "POST"]
    assert kind == "success", message
    body = json.loads(sent.body)
    values = {each["name"]["value"]: each["value"] for each in body["parameter"]}
    assert (values["a"], values["n"]) == ("true", "3")
