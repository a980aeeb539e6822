"""A format of another distribution that fails or leaves, at every place where it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.distributions import write_distribution
from tests.support.fake_alma import FakeAlma, job
from tests.support.thoroughness import sample

SOURCE = """
import os, sys
def fail():
    {fault}
class Form:
    def __init__(self):
        if "{place}" == "made": fail()
    def add_argument_group(self, parser):
        if "{place}" == "options": fail()
    def emit_list(self, *given):
        if "{place}" == "emit": fail()
    emit_one = emit_list
if "{place}" == "import": fail()
"""
FAULTS = {
    "raise KeyError('no such column')": "KeyError: 'no such column'",
    "sys.exit(0)": "SystemExit: 0",
    "os._exit(0)": "ended the process (exit code 0)",
}
GROUPS = ("cliff.formatter.list", "cliff.formatter.show")
COMMANDS = {"list": ("list",), "show": ("show", "S1")}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Install a format that is faulty at a place."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(name: str, place: str, fault: str) -> None:
        (site / "aj_form.py").write_text(SOURCE.format(place=place, fault=fault), "utf-8")
        write_distribution(site, "almajob-form", {group: {name: "aj_form:Form"} for group in GROUPS})

    return write


@pytest.mark.parametrize(
    ("fault", "place"), sample(list(product(FAULTS, ("emit", "import", "made", "options"))))
)
def test_its_fault_is_its_own_and_no_success(
    site: FakeAlma, almajob: Run, install: Callable[[str, str, str], None], place: str, fault: str
) -> None:
    """Of a list and of one thing: refused before anything is asked, or the result is lost (exit code 1)."""
    install("form", place, fault)
    site.jobs([job("S1", "ERP export")])
    for words in COMMANDS.values():
        done = almajob("--env", "sandbox", *words, "-f", "form")
        assert (done.code, done.out) == (1 if place == "emit" else 7, "")
        assert "almajob-form 1.2 (aj_form:Form): " in done.err
        assert FAULTS[fault] in done.err
        assert "a bug in almajob" not in done.err
    assert bool(site.calls()) is (place == "emit")


@pytest.mark.parametrize("name", sample(["csv", "json", "shell", "table", "value", "yaml"]))
def test_a_claim_on_a_format_of_ours_is_shown(
    site: FakeAlma, almajob: Run, install: Callable[[str, str, str], None], name: str
) -> None:
    """By both commands; the format stays ours."""
    install(name, "emit", "sys.exit(0)")
    (claim,) = [
        row
        for row in json.loads(almajob("plugin", "list", "-f", "json").out)
        if (row["kind"], row["name"]) == ("format", name)
    ]
    assert (claim["distribution"], claim["state"]) == ("almajob-form", "refused")
    assert claim["problem"] == "the format is almajob's own"
    checked = almajob("plugin", "check", name, "-f", "json")
    assert checked.code != 0
    assert "the format is almajob's own" in checked.out
    site.jobs([job("S1", "ERP export")])
    words = COMMANDS["list" if name in ("csv", "table") else "show"]
    done = almajob("--env", "sandbox", *words, "-f", name)
    assert done.code == 0
    assert "ERP export" in done.out
