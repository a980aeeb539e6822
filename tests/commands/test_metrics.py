"""``almajob metrics``, and the pages, rules and units that stand beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from almajob.output.metrics import _MEANINGS
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.thoroughness import IN_CI

JOB = "ERP export using profile FINANCE"
ENV = ("--env", "sandbox")
DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "monitoring" / "alerts.yml"
DASHBOARD = DOCS / "monitoring" / "dashboard.json"


def _need(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        reason = f"{program} is not installed here (Debian's package {package})"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_the_file_is_replaced_as_a_whole_and_can_be_read_by_others(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path
) -> None:
    """It has what stdout would; no other file is left beside it, and nothing is asked of Alma."""
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=90)
    assert almajob(*ENV, "run", JOB, "--wait").code == 3
    calls, path = simulated.log.count(), tmp_path / "metrics" / "almajob.prom"
    path.parent.mkdir()
    for _again in range(2):
        assert almajob("metrics", "--to", str(path)).code == 0
    shown = almajob("metrics")
    assert (shown.code, shown.out, shown.err) == (0, path.read_text("utf-8"), "")
    assert os.listdir(path.parent) == ["almajob.prom"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert f'job="{JOB}",class="bad"}} 1\n' in shown.out
    assert 'almajob_starts_open{environment="sandbox"} 0\n' in shown.out
    assert 'almajob_quota_calls_left{environments="sandbox,production"}' in shown.out
    assert "production" not in almajob(*ENV, "metrics").out.replace("sandbox,production", "")
    assert simulated.log.count() == calls


def test_a_wrong_file_is_refused(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """With another name the node exporter would not read it; without a directory it cannot be written."""
    for to, code, part in (
        ("metrics.txt", 2, "does not end with .prom"),
        (str(tmp_path / "no" / "a.prom"), 5, "cannot be written"),
        ("", 2, "must not be empty"),
    ):
        done = almajob("metrics", "--to", to)
        assert (done.code, done.out) == (code, "")
        assert part in done.err


def test_without_anything_there_is_little_to_tell(almajob: Run) -> None:
    """No configuration file, no ledger: no error."""
    done = almajob("metrics")
    assert (done.code, done.err) == (0, "")
    assert "almajob_observer_calls_pending 0\n" in done.out


def test_prometheus_reads_the_metrics_and_the_rules(simulated: SimulatedAlma, almajob: Run) -> None:
    """By its own checker."""
    promtool = _need("promtool", "prometheus")
    assert almajob(*ENV, "run", JOB, "--wait").code == 0
    text = almajob("metrics").out
    for words, given in ((("check", "metrics"), text), (("check", "rules", str(RULES)), "")):
        done = subprocess.run(
            [promtool, *words], input=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done


def test_rules_dashboard_and_page_name_metrics_that_there_are() -> None:
    """Each of them, and no other."""
    named = {
        name
        for path in (RULES, DASHBOARD)
        for name in re.findall(r"\balmajob_[a-z_]+", path.read_text("utf-8"))
    }
    assert named <= set(_MEANINGS)
    page = (DOCS / "monitoring.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(almajob_\w+)`", page, re.MULTILINE)) == set(_MEANINGS)
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert {each["name"] for each in dashboard["templating"]["list"]} == {"datasource", "environment"}


def test_systemd_takes_the_units_of_the_page(tmp_path: Path) -> None:
    """No unknown setting, in the service or its socket."""
    analyze = _need("systemd-analyze", "systemd")
    page = (DOCS / "webhooks.md").read_text("utf-8")
    units = re.findall(r"```ini\n(\[Unit\].*?)```", page, re.DOTALL)
    paths = [tmp_path / f"almajob-webhook.{kind}" for kind in ("service", "socket")]
    for path, unit in zip(paths, units, strict=True):
        path.write_text(unit.replace("/opt/almajob/bin/almajob", "/bin/true"), "utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=yes", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
