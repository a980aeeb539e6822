"""Notifiers of other distributions in ``plugin list`` and ``plugin check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.distributions import write_distribution

_GOOD = """
from almajob.plugin import Notifier
class Pager(Notifier):
    almajob_api = (1, 0)
    def send(self, notification):
        pass
"""
_BAD = """
from almajob.plugin import Notifier
class Pager(Notifier):
    on = "bad"
    def check(self, strictly):
        pass
    async def send(self, notification):
        pass
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which distributions are installed."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setenv("PYTHONPATH", str(path))
    return path


def _install(site: Path, name: str, source: str, kind: str = "") -> None:
    write_distribution(site, name, {"almajob.notifiers": {kind or name: f"{name}:Pager"}})
    (site / f"{name}.py").write_text(source, "utf-8")


def _list(almajob: Run) -> dict[tuple[str, str], dict[str, str]]:
    rows = json.loads(almajob("plugin", "list", "-f", "json").out)
    return {(row["name"], row["distribution"]): row for row in rows if row["kind"] == "notifier"}


def test_they_are_listed_with_almajobs_own(almajob: Run, site: Path) -> None:
    """With whose they are, the plugin API that they need, and why one cannot be used."""
    _install(site, "pager", _GOOD)
    _install(site, "broken", "import no_such_module\n")
    _install(site, "thief", _GOOD, "mail")
    listed = _list(almajob)
    assert (listed["pager", "pager"]["state"], listed["pager", "pager"]["api"]) == ("ok", "1.0")
    assert listed["mail", "almajob"]["state"] == "ok"
    assert listed["broken", "broken"]["state"] == "broken"
    assert "no_such_module" in listed["broken", "broken"]["problem"]
    assert (listed["mail", "thief"]["state"], listed["mail", "thief"]["problem"]) == (
        *("refused", "the type is almajob's own"),
    )


def test_a_type_that_two_packages_claim_is_used_by_none(
    almajob: Run, site: Path, write_ini: Callable[[str], Path]
) -> None:
    """Until one of them is disabled."""
    _install(site, "one", _GOOD, "pager")
    _install(site, "two", _GOOD, "pager")
    assert {_list(almajob)["pager", each]["state"] for each in ("one", "two")} == {"clash"}
    ini = "[sandbox]\napi_key = l8xxKEY\n[notify:night]\ntype = pager\n"
    write_ini(ini)
    done = almajob("notify", "test", "night")
    assert done.code == 7
    assert "Several plugins claim it: " in done.err
    assert "one 1.2 (one:Pager)" in done.err
    assert "two 1.2 (two:Pager)" in done.err
    write_ini(f"[almajob]\ndisable_plugins = two\n{ini}")
    assert _list(almajob)["pager", "one"]["state"] == "ok"
    assert almajob("notify", "test", "night").code == 0


def test_the_rules_are_checked(almajob: Run, site: Path) -> None:
    """Nothing of it is called; one that keeps them is fine."""
    _install(site, "pager", _GOOD)
    _install(site, "odd", _BAD)
    assert almajob("plugin", "check", "pager").code == 0
    done = almajob("plugin", "check", "odd", "-f", "json")
    assert done.code == 7
    assert [(row["kind"], row["problem"]) for row in json.loads(done.out)] == [
        ("notifier", "nothing of send is done when it is called: it is async, or yields"),
        ("notifier", "check cannot be called without arguments"),
        ("notifier", "its on is not a tuple of some of start, good, warning, bad, unknown, late"),
    ]
