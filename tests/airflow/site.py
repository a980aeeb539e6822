"""An Airflow of the tests' own: its processes, its database, its DAGs, and its REST API."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.environments import ROOT

PROGRAMS = os.environ.get("ALMAJOB_AIRFLOW", "")
"""The environment that has Airflow and almajob; the tests are for whoever names one."""
HAS_STATE_STORE = not Path(PROGRAMS).name.startswith("3.2")
"""Whether it is of version 3.3 or newer: tasks have a store, and there is ``ResumableJobMixin``."""
TakeJobs = Callable[[str, int], list[str]]
"""Gives so many jobs of a kind, for tests that start them."""
_THINKING = 15.0
_STARTED = 180.0
_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


@dataclass
class Site:
    """An Airflow.

    Attributes:
        home: its directory, with the log of each process.
        database: its address, without the driver.
        variables: more of its environment.
    """

    home: Path
    database: str
    variables: dict[str, str] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)
    _token: str = ""

    def __post_init__(self) -> None:
        self.port = _free_port()
        (self.home / "dags").mkdir(parents=True)
        self._secret = secrets.token_hex(32)

    @property
    def environ(self) -> dict[str, str]:
        """What its processes have as environment, and nothing of the tests' own."""
        settings = {
            ("CORE", "DAGS_FOLDER"): str(self.home / "dags"),
            ("CORE", "LOAD_EXAMPLES"): "False",
            ("CORE", "EXECUTOR"): "LocalExecutor",
            ("CORE", "PARALLELISM"): "3",
            ("CORE", "EXECUTION_API_SERVER_URL"): f"http://127.0.0.1:{self.port}/execution/",
            ("CORE", "SIMPLE_AUTH_MANAGER_ALL_ADMINS"): "True",
            ("CORE", "TEST_CONNECTION"): "Enabled",
            ("DATABASE", "SQL_ALCHEMY_CONN"): self.database.replace(
                "postgresql://", "postgresql+psycopg2://"
            ),
            ("API", "HOST"): "127.0.0.1",
            ("API", "PORT"): str(self.port),
            ("API", "BASE_URL"): f"http://127.0.0.1:{self.port}",
            ("API", "WORKERS"): "1",
            ("API", "SECRET_KEY"): self._secret,
            ("API_AUTH", "JWT_SECRET"): self._secret,
            ("SCHEDULER", "ORPHANED_TASKS_CHECK_INTERVAL"): "20",
            ("SCHEDULER", "SCHEDULER_HEALTH_CHECK_THRESHOLD"): "60",
            ("SCHEDULER", "SCHEDULER_HEARTBEAT_SEC"): "2",
            ("SCHEDULER", "TASK_INSTANCE_HEARTBEAT_TIMEOUT"): "120",
            ("SCHEDULER", "TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL"): "5",
            ("WORKERS", "MIN_HEARTBEAT_INTERVAL"): "2",
            ("TRIGGERER", "JOB_HEARTBEAT_SEC"): "2",
            ("TRIGGERER", "TRIGGERER_HEALTH_CHECK_THRESHOLD"): "40",
            ("DAG_PROCESSOR", "REFRESH_INTERVAL"): "10",
            ("LOGGING", "COLORED_CONSOLE_LOG"): "False",
        }
        return {
            "PATH": f"{PROGRAMS}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "*",
            **{f"AIRFLOW__{section}__{name}": value for (section, name), value in settings.items()},
            **self.variables,
        }

    def connect(self, conn_id: str, **parts: Any) -> None:
        """Add a connection, of which all processes that begin from now on know."""
        self.variables[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(parts)

    def run(self, *argv: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run ``airflow`` to its end."""
        return subprocess.run(
            ["nice", f"{PROGRAMS}/bin/airflow", *argv],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def add_dags(self, *paths: Path) -> None:
        """Put files into its folder of DAGs."""
        for path in paths:
            (self.home / "dags" / path.name).write_bytes(path.read_bytes())

    def start(self, *names: str) -> None:
        """Start parts of it, such as ``scheduler``; each in a session of its own."""
        for name in names:
            with open(self.home / f"{name}.log", "ab") as log:
                self._running[name] = subprocess.Popen(
                    ["nice", f"{PROGRAMS}/bin/airflow", name],
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, *names: str) -> int:
        """Kill parts of it and all that they have begun, as a host's death does; return how many died."""
        killed = 0
        for name in names:
            process = self._running.pop(name)
            for pid in (process.pid, *descendants(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            process.wait()
        return killed

    def stop(self) -> None:
        """Kill all of it."""
        self.kill(*list(self._running))

    def get(self, path: str, base: str = "api/v2", **params: Any) -> Any:
        """Read from the REST API, or from what the browser asks, which is ``ui``."""
        return self._call("GET", path, base, params=params)

    def find(self, path: str) -> Any:
        """Read from the REST API; None where there is nothing."""
        try:
            return self.get(path)
        except RuntimeError:
            return None

    def post(self, path: str, body: Any) -> Any:
        """Send to the REST API."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: Any) -> Any:
        """Change by the REST API."""
        return self._call("PATCH", path, json=body)

    def wait_until_ready(self, *dag_ids: str) -> None:
        """Wait for the REST API, and until it knows the DAGs."""
        for _ in self.ticks(_STARTED):
            with contextlib.suppress(requests.RequestException, RuntimeError):
                if set(dag_ids) <= {each["dag_id"] for each in self.get("dags", limit=100)["dags"]}:
                    break
        else:
            raise TimeoutError(self.logs())
        for dag_id in dag_ids:
            self.patch(f"dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str = "", **conf: Any) -> str:
        """Start a DAG run; return its id."""
        body = {"conf": conf, "logical_date": None, **({"dag_run_id": run_id} if run_id else {})}
        return str(self.post(f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a DAG run."""
        found = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)
        return list(found["task_instances"])

    def task(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the only task instance of a DAG run."""
        (found,) = self.tasks(dag_id, run_id)
        return found

    def wait_for(self, dag_id: str, run_id: str, states: Sequence[str] = (), seconds: float = 300.0) -> Any:
        """Wait until all tasks of a DAG run are in one of the states, or have ended; return them."""
        found: Any = []
        for _ in self.ticks(seconds):
            found = self.tasks(dag_id, run_id)
            if found and all(each["state"] in (states or _ENDED) for each in found):
                return found
        shown = [(each["task_id"], each["state"], each["try_number"]) for each in found]
        raise TimeoutError(f"{shown}\n{self.logs()}")

    def wait_for_run(self, dag_id: str, run_id: str) -> None:
        """Wait until a DAG run, all of whose tasks have ended, has ended itself."""
        for _ in self.ticks(120.0):
            if self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"] in {"success", "failed"}:
                return
        raise TimeoutError(self.logs())

    def answer(self, dag_id: str, run_id: str, option: str = "") -> bool:
        """Answer as a person what a task asks, if it does: with an option, or with the first one.

        A person does not answer at once. Where the scheduler has not heard yet that the task waits, it takes
        a task that goes on for one that was lost, and begins another try.
        """
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/start/-1/hitlDetails"
        asked = self.find(path)
        if not asked or asked["response_received"]:
            return False
        if time.monotonic() - self._asked.setdefault(path, time.monotonic()) < _THINKING:
            return False
        self.patch(path, {"chosen_options": [option or asked["options"][0]], "params_input": {}})
        return True

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task has given."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.get(path, deserialize="false")["value"]

    def task_log(self, dag_id: str, run_id: str) -> str:
        """Return the logs of all tries of a DAG run's tasks."""
        found = (self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}").rglob("*.log")
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(found))

    def logs(self) -> str:
        """Return the ends of the logs of its processes."""
        found = self.home.glob("*.log")
        return "\n".join(f"== {path.name}\n{path.read_text('utf-8', 'replace')[-3000:]}" for path in found)

    def ticks(self, seconds: float) -> Iterator[None]:
        """Go on once a second, until the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield
            time.sleep(1.0)

    def _call(self, method: str, path: str, base: str = "api/v2", **parts: Any) -> Any:
        server = f"http://127.0.0.1:{self.port}"
        if not self._token:
            answer = requests.get(f"{server}/auth/token", timeout=60)
            self._token = answer.json()["access_token"]
        answer = requests.request(
            method,
            f"{server}/{base}/{path}",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=60,
            **parts,
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Return the processes below one, as they are at the moment."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may have blanks.
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            below.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = list(below.get(pid, []))
    for each in found:
        found += below.get(each, [])
    return found
