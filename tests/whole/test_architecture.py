"""The house rules that a reader relies on: which way imports point, and who may use which library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Any

import almajob

ROOT = Path(almajob.__file__).parent
LAYERS = (
    {"text", "legacy", "entry_points"},
    {"errors"},
    {"system"},
    {"alma"},
    {"config", "store"},
    {"jobs", "completion"},
    {"runs"},
    {"sets", "output", "notify"},
    {"report"},
    {"cli"},
    {"test_kit"},
    {"plugin", "testing", "__main__"},
    {"webhook", "schedule", "airflow"},
    {"commands"},
)
"""From below: a module imports from layers below its own, or from its own folder."""
# The simulator stands beside the house: it uses nothing of it but the words for a status.
SIMULATOR_USERS = ("cli.connections", "testing", "test_kit.", "commands.simulator.")
FENCES = {
    "requests": ("alma.",),
    "urllib3": ("alma.",),
    "diskcache": ("store.",),
    "sqlite3": ("store.",),
    "psycopg": ("store.postgresql.",),
    "keyring": ("config.",),
    "cliff": ("cli.", "output."),
    "cmd2": ("cli.shell",),
    "stevedore": ("cli.plugins.",),
    "waitress": ("webhook.",),
    "argparse": ("cli.", "output.", "commands."),
    "rich": ("cli.console.",),
    "apprise": ("notify.",),
    "jinja2": ("report.",),
    "smtplib": ("notify.",),
    "autopage": ("cli.console.",),
    "airflow": ("airflow.",),
}
BAGS = {"utils", "util", "helpers", "helper", "common", "shared", "base", "misc", "manager"}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        yield name, ast.parse(path.read_text("utf-8"))


def _imports(tree: ast.Module, *, also_for_types: bool = False) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not also_for_types:
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_allowed(name: str, imported: str) -> bool:
    own, other = name.partition(".")[0], imported.partition(".")[0]
    if other == own or other == "__version__":
        return True
    if own == "airflow":
        # As anybody's program: a site could have written it.
        return other == "plugin"
    if own == "simulator":
        return imported.startswith("alma.status_codes") or imported == "alma"
    if other == "simulator":
        return f"{name}.".startswith(SIMULATOR_USERS)
    rank = {folder: number for number, layer in enumerate(LAYERS) for folder in layer}
    return other not in {"commands", "plugin"} and rank[other] < rank[own]


def test_imports_point_from_higher_layers_to_lower() -> None:
    """A module imports lower layers or its own folder; only a few the simulator.

    Nobody imports commands, nor what is for plugins: that promises names, and brings none of its own. The
    provider for Airflow has only those.
    """
    wrong = [
        f"{name} imports {imported}"
        for name, tree in _modules()
        if name
        for imported in _imports(tree)
        if imported.startswith("almajob.") and not _is_allowed(name, imported.removeprefix("almajob."))
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for type checkers: who reads one of them must not have to read the other first."""
    trees = dict(_modules())
    graph = {
        name: {imported.removeprefix("almajob.") for imported in _imports(tree, also_for_types=True)}
        & trees.keys() - {name}
        for name, tree in trees.items()
    }
    TopologicalSorter(graph).prepare()


def test_each_library_stays_behind_its_fence() -> None:
    """So that it could be replaced in one place."""
    wrong = [
        f"{name} imports {imported}"
        for name, tree in _modules()
        if not name.startswith("simulator")
        for imported in _imports(tree)
        for library, users in FENCES.items()
        if imported.partition(".")[0] == library
        and not f"{name}.".startswith(tuple(f"{user.rstrip('.')}." for user in users))
    ]
    assert wrong == []


def test_nothing_is_called_a_bag() -> None:
    """A function without a home shows a missing noun."""
    assert not [name for name, _ in _modules() if name.rpartition(".")[2] in BAGS]


def test_packages_have_empty_inits() -> None:
    """Re-exporting __init__s are where import cycles come from; almajob's own imports what is asked for."""
    for path in ROOT.rglob("__init__.py"):
        if path.parent != ROOT:
            assert path.read_text("utf-8") == "", path
    imports = list(_imports(ast.parse((ROOT / "__init__.py").read_text("utf-8"))))
    assert imports == ["importlib", "importlib.import_module"]


def test_assertions_only_narrow_types() -> None:
    """With -O Python leaves them out, so nothing may happen in one: no call, no attribute but for None."""
    harmless = {"isinstance", "len", "all", "any", "callable"}
    for name, tree in _modules():
        for found in (node.test for node in ast.walk(tree) if isinstance(node, ast.Assert)):
            is_narrowing = isinstance(found, ast.Compare) and isinstance(found.ops[0], ast.Is | ast.IsNot)
            for node in ast.walk(found):
                if isinstance(node, ast.Call):
                    assert isinstance(node.func, ast.Name) and node.func.id in harmless, (
                        f"{name}: {node.lineno}"
                    )
                assert not isinstance(node, ast.Await | ast.NamedExpr | ast.Yield), f"{name}: {node.lineno}"
                assert is_narrowing or not isinstance(node, ast.Attribute), f"{name}: {node.lineno}"


def test_type_checkers_see_the_names_that_plugins_get() -> None:
    """Of ``almajob.plugin`` they read the imports; Python, which imports a name when it is used, a table."""
    (block, *_) = (node for node in dict(_modules())["plugin"].body if isinstance(node, ast.If))
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    plugin: Any = import_module("almajob.plugin")
    assert {name: f"{home}.{name}" for name, home in plugin._HOME_OF.items()} == seen
    assert [name for name in plugin.__all__ if not hasattr(plugin, name)] == []
    assert dir(plugin) == sorted(plugin.__all__)
    assert not hasattr(plugin, "no_such_name")


def test_no_room_is_crowded() -> None:
    """Six modules at the root, twelve in a folder; ``commands`` has one for each command."""
    rooms: dict[Path, list[str]] = {}
    for path in ROOT.rglob("*.py"):
        rooms.setdefault(path.parent.relative_to(ROOT), []).append(path.stem)
    modules = {room: set(names) - {"__init__", "__main__"} for room, names in rooms.items()}
    crowded = {
        str(room): len(names)
        for room, names in modules.items()
        if len(names) > (6 if room == Path() else 12) and room != Path("commands")
    }
    assert crowded == {}
