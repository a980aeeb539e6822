"""One form for each kind of value that a command may return, the same in every format."""

from __future__ import annotations

import array
import collections
import csv
import dataclasses
import enum
import io
import ipaddress
import json
import re
import shlex
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as day_time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import yaml
from cliff.columns import FormattableColumn

from almajob.output.columns import Identifier, Time, as_column
from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.formats import print_in


class Colour(enum.StrEnum):
    RED = "deep red"


class OldColour(str, enum.Enum):  # noqa: UP042  # as they were before StrEnum
    RED = "deep red"


class Level(enum.IntEnum):
    HIGH = 3


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Shape(enum.Enum):
    ROUND = {"corners": (0,)}


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Count(int):
    def __str__(self) -> str:
        return "many"


class Share(float): ...


class Moment(datetime): ...


@dataclasses.dataclass
class Sent:
    at: timedelta = timedelta(hours=1)
    token: str = dataclasses.field(default="left out of its repr, and of this", repr=False)


class Point(NamedTuple):
    x: int = 1
    y: str = "b"


class Cell(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return "for people"


_BERLIN = ZoneInfo("Europe/Berlin")
VALUES: dict[str, tuple[Any, Any]] = {
    "nothing": (None, None),
    "yes": (True, True),
    "whole": (5, 5),
    "large": (10**30, 10**30),
    "number": (1.5, 1.5),
    "not a number": (float("nan"), None),
    "infinite": (float("-inf"), None),
    "text": ("a b", "a b"),
    "no text": ("", None),
    "escapes": ("é\x1b[31m\n\t'\"", "é\x1b[31m\n\t'\""),
    "surrogate": ("a\udc80b", "a\udc80b"),
    "StrEnum": (Colour.RED, "deep red"),
    "Enum of texts": (OldColour.RED, "deep red"),
    "IntEnum": (Level.HIGH, 3),
    "Flag": (Rights.READ | Rights.WRITE, 3),
    "Enum": (Shape.ROUND, {"corners": [0]}),
    "class of text": (Text("really"), "really"),
    "class of whole": (Count(7), 7),
    "class of number": (Share(2.5), 2.5),
    "class of NaN": (Share("nan"), None),
    "day": (date(2026, 3, 1), "2026-03-01"),
    "time with zone": (datetime(2026, 7, 1, 12, tzinfo=_BERLIN), "2026-07-01T10:00:00.000Z"),
    "local time": (datetime(2026, 7, 1, 12), "2026-07-01T10:00:00.000Z"),
    "class of time": (Moment(2026, 7, 1, 12, tzinfo=UTC), "2026-07-01T12:00:00.000Z"),
    "first time": (
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        "0001-01-01T00:00:00.000+05:00",
    ),
    "time of day": (day_time(12, 5), "12:05:00"),
    "length of time": (timedelta(minutes=1.5), 90),
    "part of a second": (timedelta(milliseconds=1500), 1.5),
    "Decimal": (Decimal("1.10"), "1.10"),
    "Fraction": (Fraction(1, 3), "1/3"),
    "Path": (Path("/a b"), "/a b"),
    "UUID": (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "network": (ipaddress.ip_network("10.0.0.0/24"), "10.0.0.0/24"),
    "bytes": (b"caf\xc3\xa9 \xff", "café \\xff"),
    "list": ([1, "a", None], [1, "a", None]),
    "tuple": ((1, ("a",)), [1, ["a"]]),
    "set": ({"b", "a"}, ["a", "b"]),
    "frozenset": (frozenset({10, 9}), [10, 9]),
    "deque": (collections.deque([1]), [1]),
    "range": (range(3), [0, 1, 2]),
    "array": (array.array("i", [1, 2]), [1, 2]),
    "keys": ({"a": 1}.keys(), ["a"]),
    "dictionary": ({"b": [Level.HIGH]}, {"b": [3]}),
    "its names": (
        {Colour.RED: 1, Level.HIGH: 2, None: 3, True: 4, date(2026, 3, 1): 5},
        {"deep red": 1, "3": 2, "null": 3, "true": 4, "2026-03-01": 5},
    ),
    "dataclass": (Sent(), {"at": 3600}),
    "its class": (Sent, str(Sent)),
    "named tuple": (Point(), {"x": 1, "y": "b"}),
    "nested": (
        [{"when": (Moment(2026, 7, 1, tzinfo=UTC), Sent())}],
        [{"when": ["2026-07-01T00:00:00.000Z", {"at": 3600}]}],
    ),
    "error": (ValueError("it is wrong"), "it is wrong"),
    "cell": (Cell({"a": Colour.RED}), {"a": "deep red"}),
    "our cell": (Identifier(Colour.RED), "deep red"),
}


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("name", VALUES)
def test_a_value_has_one_form_in_every_format(name: str) -> None:
    """What JSON has a form for; in the formats of texts a text as it is, and all else as JSON writes it."""
    value, plain = VALUES[name]
    assert json.loads(print_in("json", value)) == [{"x": plain}]
    assert yaml.safe_load(print_in("yaml", value)) == [{"x": plain}]
    text = plain if isinstance(plain, str) else "" if plain is None else json.dumps(plain, ensure_ascii=False)
    assert list(csv.reader(io.StringIO(print_in("csv", value), newline=""))) == [["x"], [text]]
    assert shlex.split(print_in("shell", value)) == [f"x={text}"]
    if name not in ("escapes", "surrogate"):
        assert print_in("value", value) == f"{text}\n"
    assert len(print_in("table", value).splitlines()) == 5, "and it has one for people"


@pytest.mark.parametrize(("value", "people"), [(date(2026, 3, 1), "2026-03-01"), (None, "")])
def test_a_day_is_shown_as_it_is(value: date | None, people: str) -> None:
    """A day has no zone and no time since."""
    assert Time(value).human_readable() == people
    assert Time(value).machine_readable() == (people or None)
    assert as_column(date(2026, 3, 1)).human_readable() == "2026-03-01"


def _list_documented() -> list[tuple[str, str]]:
    """Return the expressions of the guide's table of values, and the JSON of each."""
    guide = Path(__file__).parents[2].joinpath("docs/inside-a-command.md").read_text("utf-8")
    section = guide.partition("## Values\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    listed = [(words, plain.strip("`| ")) for words, plain in rows]
    # Of several, those that are expressions and no more; in words the second kind has none.
    return [
        (code, plain)
        for words, plain in listed
        for code in re.findall(
            "`([^`]+)`", words.partition(", with ")[0].partition("`: ")[0].partition(" likewise ")[0]
        )
        if code not in ("repr=False",)
    ]


class Hue(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Place:
    x: int
    y: int


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(("code", "plain"), _list_documented())
def test_the_table_of_the_guide_is_right(code: str, plain: str) -> None:
    """Each value of it is printed as the JSON beside it."""
    names = {
        "UTC": UTC,
        "date": date,
        "datetime": datetime,
        "timedelta": timedelta,
        "Decimal": Decimal,
        "Colour": Hue,
        "Point": Place,
    }
    assert json.loads(print_in("json", eval(code, names))) == [{"x": json.loads(plain)}]


def test_a_set_is_printed_in_the_same_order_every_time() -> None:
    """Whatever order Python has it in today."""
    assert json.loads(print_in("json", [set("fedcba"), {3, "x", None}])) == [
        {"x": [list("abcdef"), ["x", 3, None]]}
    ]


_PLUGIN = """
from enum import StrEnum
from almajob.plugin import Lister, Refused, ShowOne

class Colour(StrEnum):
    RED = "red"

class Wrong:
    def __str__(self):
        raise TypeError("it has no text")

class Colours(ShowOne):
    "Show a colour."
    columns = ("colour", "known")
    def take_action(self, parsed_args):
        return self.columns, (Colour.RED, {Colour.RED: [Colour.RED]})

class Broken(ShowOne):
    "Show what cannot be shown."
    columns = ("colour", "broken")
    def take_action(self, parsed_args):
        return self.columns, (Colour.RED, Wrong())

class Empty(Lister):
    "Find nothing, and fail."
    columns = ("colour",)
    def take_action(self, parsed_args):
        self.verdict = Refused("The colours cannot be counted.")
        return self.columns, ()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, almajob: Run) -> Run:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    commands = {"colours": "Colours", "broken": "Broken", "nothing": "Empty"}
    write_plugin(path, "almajob-colours", "almajob_colours", _PLUGIN, commands)
    return almajob


def test_yaml_takes_the_enums_of_a_plugin(plugin: Run) -> None:
    """As values, in them, and as the names of their members."""
    done = plugin("colours", "-f", "yaml")
    assert (done.code, done.err) == (0, "")
    assert yaml.safe_load(done.out) == {"colour": "red", "known": {"red": ["red"]}}


def test_a_value_that_cannot_be_shown_is_named_by_its_column(plugin: Run) -> None:
    """As the bug of the command that it is."""
    done = plugin("broken", "-f", "json")
    assert (done.code, done.out) == (1, "")
    assert "a bug in the command 'broken'" in done.err
    assert "TypeError: column 'broken': it has no text" in done.err


@pytest.mark.parametrize(("form", "out"), [("table", ""), ("json", "[]\n"), ("csv", '"colour"\n')])
def test_a_list_that_failed_without_rows_is_not_told_as_empty(plugin: Run, form: str, out: str) -> None:
    """Programs get their empty list, people the error alone."""
    done = plugin("nothing", "-f", form)
    assert (done.code, done.out) == (5, out)
    assert done.err == "almajob: The colours cannot be counted.\n"
