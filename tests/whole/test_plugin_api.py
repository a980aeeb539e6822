"""The plugin API is what docs/plugin-api.md says: whole, documented, and closed in itself."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from typing import Any

import jedi
import pytest

from almajob import plugin
from almajob.cli.plugins.command_manager import Commands
from almajob.entry_points import is_core
from tests.support.environments import ROOT
from tests.tools import plugin_api

NAMES = sorted(dir(plugin))
CLASSES = [name for name in NAMES if plugin_api.find(name).is_class]
# What a display is like is no promise: it is handed from ``display`` to ``follow``.
OPAQUE = {"almajob.runs.wait.watched_run.Display"}


def _members(name: str) -> dict[str, Any]:
    return {f"{name}.{member}": found for member, found in plugin_api.list_members(name).items()}


def test_the_page_has_each_name_once() -> None:
    """Under one of its headings."""
    grouped = [name for names in plugin_api.GROUPS.values() for name in names]
    assert sorted(grouped) == NAMES
    page = (ROOT / "docs" / "plugin-api.md").read_text("utf-8")
    assert sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", CLASSES)
def test_the_page_has_each_member(name: str) -> None:
    """As a row of the table of its class, or under a heading of its own."""
    page = (ROOT / "docs" / "plugin-api.md").read_text("utf-8")
    section = re.split(r"^### ", page.split(f"\n### {name}\n")[1], flags=re.MULTILINE)[0]
    shown = re.findall(r"^\| `(\w+)` \||^#### \w+\.(\w+)$", section, re.MULTILINE)
    assert sorted(map("".join, shown)) == sorted(path.partition(".")[2] for path in _members(name))


def test_what_is_promised_exists() -> None:
    """Each class of the tables, each member, and each later version."""
    assert set(plugin._PROMISED) <= set(CLASSES)  # type: ignore[attr-defined]
    every = {*NAMES, *(member for name in CLASSES for member in _members(name))}
    assert set(plugin._SINCE) <= every  # type: ignore[attr-defined]
    assert all((1, 0) < since <= plugin.API_VERSION for since in plugin._SINCE.values())  # type: ignore[attr-defined]


def test_the_page_shows_what_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a name, a method and an attribute; all else has been there from the start."""
    later = {"Job": (1, 1), "Context.now": (1, 2), "Job.id": (2, 0)}
    monkeypatch.setattr(plugin, "_SINCE", later)
    page = plugin_api.text()
    for heading, version in (("### Job", "1.1"), ("#### Context.now", "1.2")):
        section = page.split(f"\n{heading}\n")[1].split("\n###")[0]
        assert f"Since version {version}." in section
    assert re.search(r"^\| `id` \| .* Since version 2\.0\. \|$", page, re.MULTILINE)
    assert page.count("Since version ") == len(later)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_and_member_is_documented(name: str) -> None:
    """By a docstring, or by its class's."""
    found = plugin_api.find(name)
    assert found.docstring, f"{name} has no docstring"
    if found.is_class:
        described = plugin_api.describe_attributes(found)
        bare = [
            path
            for path, member in _members(name).items()
            if not member.docstring and path.partition(".")[2] not in described
        ]
        assert bare == []


def test_each_class_in_a_signature_is_public() -> None:
    """So that whoever gets a value from the API finds its members on the page, and can name its type."""
    public = {plugin_api.find(name).path for name in NAMES} | OPAQUE
    functions = {name: plugin_api.find(name) for name in NAMES if plugin_api.find(name).is_function}
    members = {path: member for name in CLASSES for path, member in _members(name).items()}
    private = {
        f"{path} names {named}"
        for path, member in {**functions, **members}.items()
        for named in plugin_api.names_in(member)
        if named not in public
    }
    assert private == set()


def test_each_error_in_a_docstring_is_public() -> None:
    """Whoever reads that a method raises it can import it, or has it from Python."""
    members = {path: member for name in CLASSES for path, member in _members(name).items()}
    functions = {name: plugin_api.find(name) for name in NAMES if plugin_api.find(name).is_function}
    unknown = {
        f"{path} raises {error}"
        for path, member in {**functions, **members}.items()
        for error in plugin_api.raised_by(member)
        if error not in NAMES and not hasattr(builtins, error)
    }
    assert unknown == set()


def test_help_shows_the_api() -> None:
    """``pydoc``, and so ``help()``, list every name; ``dir()`` those and no others."""
    done = subprocess.run(
        [sys.executable, "-m", "pydoc", "almajob.plugin"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [name for name in NAMES if not re.search(rf"\b{name}\b", done.stdout)] == []
    assert "Start a job by its name or id, once" in done.stdout
    assert sorted(plugin.__all__) == NAMES  # type: ignore[attr-defined]


def test_an_editor_completes_the_api() -> None:
    """jedi, which many editors ask, knows the names and the members of what they lead to."""
    source = (
        "from almajob.plugin import Context\ndef action(context: Context):\n    context.runs.fol\n"
        "    context.environment.is_p\nfrom almajob.plugin import "
    )
    script = jedi.Script(source)
    assert [each.name for each in script.complete(3, 20)] == ["follow", "follower"]
    assert "is_production" in [each.name for each in script.complete(4, 28)]
    assert set(NAMES) <= {each.name for each in script.complete(5, 27)}


def test_no_core_command_has_a_hyphen_in_its_first_word() -> None:
    """docs/versions.md leaves these words to plugins."""
    core = [each.name for each in Commands().installed if is_core(each.claims[0])]
    assert core
    assert [name for name in core if "-" in name.split(" ")[0]] == []


def test_the_words_that_almajob_may_take_are_not_a_plugins_example() -> None:
    """None of them is a command of today, and the examples of the guide keep away from them."""
    (listed,) = re.findall(r"takes only these other first words: (.*?)\. Any", _versions(), re.DOTALL)
    words = set(re.findall(r"`([\w-]+)`", listed))
    core = {each.name.split(" ")[0] for each in Commands().installed if is_core(each.claims[0])}
    assert words
    assert not words & core


def _versions() -> str:
    return (ROOT / "docs" / "versions.md").read_text("utf-8")
