"""No value that a command can reach has a form in which a key would be shown."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml

from almajob import plugin
from almajob.cli.context import Context
from almajob.config.keys.key_location import KeyRequest
from almajob.config.settings import Options
from almajob.text.redaction import Sealed, Secret, _Known
from tests.conftest import Run
from tests.support.canary import key_in
from tests.support.distributions import write_distribution, write_plugin
from tests.support.fake_alma import KEY, FakeAlma, job
from tests.support.formats import print_in

_FORMATS = ("table", "json", "yaml", "value", "shell", "csv")
_ENDS = (str, bytes, int, float, complex, type(None), type, PurePath)
_CODE = (
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.CodeType,
)


TOKEN = "a-token-of-a-plugin-0123456789"
"""What a plugin may have as a secret of its own."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """The settings of a plugin, two of which are secret."""

    token: Secret | None = None
    hook: Secret | None = None


class Open:
    """What none of almajob's objects may be: one that has the key as it is."""

    def __init__(self) -> None:
        self.key = KEY


def _walk(roots: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield whatever can be reached from some objects by attributes, private too, by keys and places."""
    seen: dict[int, Any] = {}
    found = deque(roots.items())
    while found:
        path, each = found.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        yield path, each
        if isinstance(each, _ENDS + _CODE):
            continue
        # The text of a Secret is where the way ends: it is what all else keeps from being shown.
        for name in dir(each):
            if name.startswith("__"):
                continue
            if isinstance(each, Secret) and name == "_text":
                continue
            try:
                found.append((f"{path}.{name}", getattr(each, name)))
            except Exception:  # noqa: BLE001  # a property that cannot be read shows nothing
                continue
        if isinstance(each, dict | types.MappingProxyType) or type(each).__module__.startswith("almajob."):
            found.extend(_list_items(path, each))
        elif isinstance(each, list | tuple | AbstractSet | deque):
            found.extend((f"{path}[{place}]", item) for place, item in enumerate(each))


def _list_items(path: str, each: Any) -> list[tuple[str, Any]]:
    if not isinstance(each, Mapping):
        return []
    return [(f"{path}[{name!r}]", part) for name, value in each.items() for part in (name, value)]


_SERIALISATIONS: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "vars": lambda value: repr(vars(value)),
    "dict": lambda value: repr(dict(value)),
    "list": lambda value: repr(list(value)),
    "asdict": lambda value: repr(dataclasses.asdict(value)),
    "_asdict": lambda value: repr(value._asdict()),
    "getstate": lambda value: repr(value.__getstate__()),
    "copy": lambda value: repr(vars(copy.copy(value))),
    "pickle": pickle.dumps,
    "json.dumps": json.dumps,
    "json of its attributes": lambda value: json.dumps(value, default=vars),
    "json of its text": lambda value: json.dumps(value, default=str),
    "yaml.dump": yaml.dump,
}


def _list_leaks(value: Any) -> list[str]:
    """Name the ways in which the key gets out of a value."""
    ways = dict(_SERIALISATIONS)
    ways |= {form: partial(print_in, form) for form in _FORMATS}
    return [name for name, write in ways.items() if key_in(_write(write, value), [KEY, TOKEN])]


def _write(write: Callable[[Any], Any], value: Any) -> str | bytes:
    try:
        written: str | bytes = write(value)
    except Exception as error:  # noqa: BLE001  # that it cannot be written so is as good; but not with the key
        return str(error)
    return written


def test_the_probe_finds_a_key_in_the_open() -> None:
    """Of an object, of one in a list, and of a text; the walk comes upon it, too."""
    leaks = _list_leaks(Open())
    assert {"vars", "copy", "pickle", "json of its attributes", "yaml.dump"} <= set(leaks)
    # Formats blank out what they print once the key is known; it is not, here.
    assert set(_FORMATS) <= set(_list_leaks(KEY))
    reached = dict(_walk({"root": [types.SimpleNamespace(inner={"x": Open()})]}))
    assert KEY in reached.values()


@pytest.fixture
def context(alma: FakeAlma, write_ini: Callable[[str], Path]) -> Iterator[Context]:
    """A context that was used: with keys of a file and of a variable, and open connections."""
    alma.jobs([job("S1", "ERP export")])
    write_ini(
        f"[sandbox]\napi_key = {KEY}\nbase_url = {alma.url}\n"
        f"[lab]\nkind = sandbox\nbase_url = {alma.url}\n"
        f"[command]\nkind = production\nregion = eu\napi_key_command = cat {KEY}\n[run:x]\njob = S1\n"
        f"[plugin:almajob]\ntoken = {TOKEN}\n"
    )
    environ = {**os.environ, "ALMAJOB_API_KEY_LAB": KEY, "ALMAJOB_PLUGIN_ALMAJOB__HOOK": TOKEN}
    with Context(Options(env="sandbox"), environ) as made:
        for each in (made, made.of("lab")):
            assert len(each.catalogue.jobs()) == 1
            assert each.ledger
            assert each.runs
            assert each.saved_runs
        assert made.store
        yield made


def test_nothing_that_a_command_can_reach_shows_a_key(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Printed in any format, formatted, pickled, copied, written as JSON or YAML; nor do its parts."""
    roots = {
        "context": context,
        "access": context.settings.access(),
        "key_source": context.key_source("lab"),
        "options": context.options(Choices()),
        "new_key": context.new_key(KeyRequest("sandbox")),
        **{name: getattr(plugin, name) for name in dir(plugin)},
    }
    # Nor is it for the lack of one that formats would blank out.
    monkeypatch.setattr("almajob.text.redaction._known", _Known())
    reached, leaks, kinds = 0, [], set()
    for path, each in _walk(roots):
        reached += 1
        kinds.add(type(each))
        if isinstance(each, str | bytes):
            # The command may hold a key, and is what a command is told by: its text is the one exception.
            if key_in(each, [KEY, TOKEN]) and not path.endswith("['api_key_command'].text"):
                leaks.append(path)
        elif not isinstance(each, _ENDS + _CODE):
            leaks += [f"{path}: {way}" for way in _list_leaks(each)]
    assert not leaks
    assert reached > 1000
    named = {kind.__name__ for kind in kinds if issubclass(kind, Sealed)}
    assert named >= {
        *("Context", "Connections", "Session", "Alma", "Settings", "Ini", "Setting", "Options", "Access"),
        *("KeySource", "NewKey", "Variables", "Secret", "Key"),
    }


_PROBE = """
from dataclasses import dataclass
from almajob.plugin import Identifier, Length, Lister, Secret, ShowOne, WordList

@dataclass(frozen=True)
class Options:
    token: Secret

VALUES = {
    "settings": lambda context: context.settings,
    "access": lambda context: context.settings.access(),
    "setting": lambda context: context.settings.sections["sandbox"]["api_key"],
    "key": lambda context: context.settings.access().api_key.key,
    "source": lambda context: context.key_source("sandbox"),
    "context": lambda context: context,
    "alma": lambda context: context.alma,
    "sections": lambda context: context.settings.sections,
    "nested": lambda context: [{"a": (1, context.settings.ini)}],
    "cell": lambda context: Identifier(context.settings),
    "name": lambda context: {context.settings.env: 1},
    "words": lambda context: WordList([context.settings]),
    "length": lambda context: Length(context.settings.env),
    "options": lambda context: WordList([[{"a": Options(Secret("of a plugin"))}]]),
}

class What:
    columns = ("id", "found")
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("what")
        return parser

class Probe(What, ShowOne):
    "Return what may hold a key."
    def take_action(self, parsed_args):
        return self.columns, (1, VALUES[parsed_args.what](self.context))

class ProbeList(What, Lister):
    "The same in a row."
    def take_action(self, parsed_args):
        return self.columns, [(1, VALUES[parsed_args.what](self.context))]

class Environment(ShowOne):
    "Return the environment whole."
    columns = ("environment", "is_production")
    def take_action(self, parsed_args):
        environment = self.context.environment
        return self.columns, (environment, environment.kind == "production")

class Prints(Lister):
    "Print the key, which it has read itself, in every way."
    columns = ("id", "text", "parts")
    def take_action(self, parsed_args):
        import base64, sys
        key = self.context.settings.access().api_key.key.reveal()
        print("by print:", key)
        print("by app:", key.upper(), file=self.app.stdout)
        sys.stdout.writelines([f"in lines: {base64.b64encode(key.encode()).decode()}\\n"])
        return self.columns, ((row, f"the key is {key}", {key: [key.encode()]}) for row in range(3))
"""
_COMMANDS = {
    "probe": "Probe",
    "probe list": "ProbeList",
    "probe environment": "Environment",
    "probe prints": "Prints",
}


_FORMAT = """
from cliff.formatters.base import ListFormatter, SingleFormatter

class Format(ListFormatter, SingleFormatter):
    "What another distribution prints."
    def add_argument_group(self, parser):
        pass
    def emit_list(self, column_names, data, stdout, parsed_args):
        for row in data:
            self.emit_one(column_names, row, stdout, parsed_args)
    def emit_one(self, column_names, data, stdout, parsed_args):
        for cell in data:
            print(cell, getattr(cell, "machine_readable", list)(), file=stdout)
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: FakeAlma, almajob: Run) -> Run:
    """Run the commands of a plugin that returns what it should not."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    write_plugin(path, "almajob-probe", "almajob_probe", _PROBE, _COMMANDS)
    point = {"other": "almajob_probe_format:Format"}
    formats = {f"cliff.formatter.{group}": point for group in ("list", "show")}
    write_distribution(path, "almajob-probe-format", formats)
    (path / "almajob_probe_format.py").write_text(_FORMAT, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(path))
    return lambda *words: almajob("--env", "sandbox", "probe", *words)


@pytest.mark.parametrize("form", _FORMATS)
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("settings", "Settings"),
        ("access", "Access"),
        ("setting", "Setting"),
        ("key", "Secret"),
        ("source", "KeySource"),
        ("context", "Context"),
        ("alma", "Alma"),
        ("sections", "Setting"),
        ("nested", "Ini"),
        ("cell", "Settings"),
        ("name", "Setting"),
        ("words", "Settings"),
        ("length", "Setting"),
        ("options", "Secret"),
    ],
)
def test_a_format_refuses_what_may_hold_a_key(probe: Run, what: str, kind: str, form: str) -> None:
    """By the names of its column and its kind, as the bug of the command that it is; nothing is printed."""
    done = probe(*(["list"] if form == "csv" else []), what, "-f", form)
    assert done.code == 1
    assert "found" not in done.out.replace('"found"', "") or form in {"shell", "yaml"}
    assert f"column 'found': {kind} may hold secrets, and is not printed\n" in done.err
    assert "a bug in the command 'probe" in done.err


@pytest.mark.parametrize("what", ["settings", "words", "nested"])
def test_what_may_hold_a_key_is_refused_while_sorting(probe: Run, what: str) -> None:
    """By the name of its column, too."""
    done = probe("list", what, "-f", "json", "--sort-column", "id", "--sort-column", "found")
    assert (done.code, done.out) == (1, "")
    assert "TypeError: column 'found': " in done.err
    assert "may hold secrets, and is not printed\n" in done.err


@pytest.mark.parametrize("form", _FORMATS[:5])
def test_an_environment_can_be_printed_whole(probe: Run, form: str) -> None:
    """It has nothing secret in it; its key is elsewhere."""
    done = probe("environment", "-f", form)
    assert done.code == 0, done.err
    assert "localhost" in done.out or form == "table"
    if form == "json":
        assert (
            done.row["environment"].items() >= {"name": "sandbox", "kind": "sandbox", "region": None}.items()
        )
        assert done.row["is_production"] is False


@pytest.mark.parametrize("options", [(), ("--max-width", "40"), ("-c", "text", "--max-width", "24")])
@pytest.mark.parametrize("form", ["table", "json", "yaml", "value", "csv"])
def test_a_key_that_a_plugin_prints_is_blanked_out(probe: Run, form: str, options: tuple[str, ...]) -> None:
    """As a value and within one, by print, in capitals, in base64; a table does not cut it in two before."""
    if form != "table" and "--max-width" in options:
        options = ()
    done = probe("prints", "-f", form, *options)
    assert done.code == 0, done.err
    for part in (KEY, KEY[:12], KEY[-12:]):
        assert not key_in(done.out, [part])
    assert done.out.startswith("by print: (hidden)\nby app: (hidden)\nin lines: (hidden)")
    if not options:
        assert done.out.count("the key is (hidden)") == 3
    if form == "json":
        assert json.loads(done.out[done.out.index("[") :])[2] == {
            "id": 2,
            "text": "the key is (hidden)",
            "parts": {"(hidden)": ["(hidden)"]},
        }


def test_the_format_of_another_distribution_gets_no_key(probe: Run) -> None:
    """It works in a process of its own, to which no key is sent."""
    done = probe("settings", "-f", "other")
    assert (done.code, done.out) == (1, "")
    assert "column 'found': Settings may hold secrets, and is not printed\n" in done.err
    done = probe("prints", "-f", "other")
    assert done.code == 0, done.err
    assert done.out.count("the key is (hidden) the key is (hidden)\n") == 3
    assert not key_in(done.out, [KEY, KEY[:12], KEY[-12:]])
