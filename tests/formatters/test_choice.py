"""Formatters of other distributions: they are offered, and none of them spoils a result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.fake_alma import FakeAlma, job

GOOD = """
from cliff.formatters.base import ListFormatter
print("NOISE")
class Count(ListFormatter):
    def add_argument_group(self, parser):
        parser.add_argument("--with-words", action="store_true", help="say what is counted")
    def emit_list(self, column_names, data, stdout, parsed_args):
        words = " rows" if parsed_args.with_words else ""
        stdout.write(f"{len(list(data))}{words}\\n")
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with formatters: a good one, broken ones, and one that wants a name of ours."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[cliff.formatter.list]\ncount = aj_count:Count\nbroken = nowhere:X\nending = aj_ending:X\n"
        "json = aj_count:Count\n",
        "utf-8",
    )
    (tmp_path / "aj_count.py").write_text(GOOD, "utf-8")
    (tmp_path / "aj_ending.py").write_text("raise GeneratorExit\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("others")
def test_another_distributions_formatter_works(site: FakeAlma, almajob: Run) -> None:
    """With its own options."""
    site.jobs([job("S1", "a"), job("S2", "b")])
    done = almajob("--env", "sandbox", "list", "-f", "count", "--with-words")
    assert (done.code, done.out) == (0, "2 rows\n")


@pytest.mark.usefixtures("others")
def test_what_it_prints_is_no_part_of_a_result(site: FakeAlma, almajob: Run) -> None:
    """And it cannot take the name of one of ours."""
    site.jobs([job("S1", "a")])
    assert json.loads(almajob("--env", "sandbox", "list", "-f", "json").out)[0]["ID"] == "S1"


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", ["broken", "ending"])
def test_a_broken_one_is_refused_when_it_is_chosen(site: FakeAlma, almajob: Run, name: str) -> None:
    """By name, with its distribution, before anything is asked; all others work."""
    done = almajob("--env", "sandbox", "list", "-f", name)
    assert (done.code, done.out) == (7, "")
    assert f"The format '{name}' cannot be used." in done.err
    assert "other 1.0" in done.err
    assert site.calls() == []
