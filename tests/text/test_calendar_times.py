"""Calendar expressions mean here what they mean to systemd."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from almajob.text.calendar_times import parse_calendar
from tests.support.schedules import ZONES, make_times
from tests.support.thoroughness import sample

_BASES = ("2026-03-28 00:00:00", "2026-10-24 12:00:00", "2026-12-30 23:59:59", "2028-02-28 00:00:00")
_needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's systemd")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _list_ours(text: str, zone: str, base: str, count: int) -> list[str]:
    times, moment = parse_calendar(text, zone), _at(base)
    found: list[str] = []
    while len(found) < count and (following := times.find_next(moment)):
        found.append(f"{following:%Y-%m-%d %H:%M:%S}")
        moment = following
    return found


def _list_theirs(text: str, zone: str, base: str, count: int) -> list[str] | None:
    """Return what systemd says; None where it gives up, as it does for what is years away."""
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--base-time={base} UTC", f"--iterations={count}", f"{text} {zone}"],
        env={"TZ": "UTC", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to determine next elapse" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    return re.findall(r"(?:elapse|#\d+): \w+ (\S+ \S+) UTC", done.stdout)


@_needs_systemd
@pytest.mark.parametrize("seed", sample(range(200)))
def test_the_times_are_those_of_systemd(seed: int) -> None:
    """In all time zones, also where clocks are changed, of days counted from either end of a month."""
    choose = random.Random(seed)
    text, zone, base = make_times(choose), choose.choice(ZONES[1:]), choose.choice(_BASES)
    theirs = _list_theirs(text, zone, base, 5)
    assert theirs is None or _list_ours(text, zone, base, 5) == theirs, (text, zone, base)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("05:15", "2026-11-30 05:15:00"),
        ("Mon..Fri 05:15", "2026-11-30 05:15:00"),
        ("sunday", "2026-12-06 00:00:00"),
        ("*:0/15", "2026-11-30 00:15:00"),
        ("8..18:00", "2026-11-30 08:00:00"),
        ("*-*-01 06:00", "2026-12-01 06:00:00"),
        ("*-*~01 06:00", "2026-11-30 06:00:00"),
        ("Mon *-*~07/1 06:00", "2026-11-30 06:00:00"),
        ("weekly", "2026-12-07 00:00:00"),
        ("Monthly", "2026-12-01 00:00:00"),
        ("2027-02-03", "2027-02-03 00:00:00"),
        ("*-02-29 12:00", "2028-02-29 12:00:00"),
        ("05:15 Europe/Zurich", "2026-11-30 04:15:00"),
    ],
)
def test_what_the_documentation_names_is_understood(text: str, first: str) -> None:
    """Each form with the time that follows a Monday's midnight."""
    zone = "" if "Zurich" in text else "UTC"
    assert _list_ours(text, zone, "2026-11-30 00:00:00", 1) == [first]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a time"),
        ("5", "is not a day"),
        ("Fri..Mon 05:15", "past Sunday"),
        ("Mo 05:15", "not a day of the week"),
        ("24:00", "an hour"),
        ("05:60", "a minute"),
        ("05:15:60", "a second"),
        ("05:15:00.5", "a second"),
        ("*:*/15", "a minute"),
        ("*:50/15", "a minute"),
        ("*-13-01", "a month"),
        ("*-*-32", "a day"),
        ("*-*~29", "from the end"),
        ("*-*~01,02", "from the end"),
        ("*-02-30 05:15", "never comes"),
        ("05:15 05:15", "is not a time"),
        ("05:15 Europe/Nowhere", "is not a time"),
        ("15 5 * * 1-5", "is not a time"),
        ("Mon\n05:15\nX=1", "is not a time"),
        ("\u0660\u0665:\u0661\u0665", "an hour"),
    ],
)
def test_what_is_no_calendar_expression_is_refused(text: str, why: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(ValueError, match=why):
        parse_calendar(text)


def test_a_time_zone_is_named_once_and_exists() -> None:
    """Beside the expression or in it."""
    with pytest.raises(ValueError, match="no time zone 'Europe/Nowhere'"):
        parse_calendar("05:15", "Europe/Nowhere")
    with pytest.raises(ValueError, match="another name"):
        parse_calendar("05:15 UTC", "Europe/Zurich")
    with pytest.raises(ValueError, match="no time zone"):
        parse_calendar("05:15", "../../etc/passwd")


def test_the_last_time_is_found_backwards() -> None:
    """The one that is now, too; none before the first of all."""
    times = parse_calendar("Mon..Fri 05:15", "UTC")
    assert times.find_last(_at("2026-11-30 05:15:00")) == _at("2026-11-30 05:15:00")
    assert times.find_last(_at("2026-11-30 05:14:59")) == _at("2026-11-27 05:15:00")
    assert parse_calendar("2030-01-01 00:00", "UTC").find_last(_at("2026-11-30 00:00:00")) is None


def test_a_time_that_the_clocks_skip_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes twice counts once."""
    times = parse_calendar("02:30", "Europe/Zurich")
    spring = [*times.list_between(_at("2026-03-28 00:00:00"), _at("2026-03-31 00:00:00"))]
    assert spring == [_at("2026-03-28 01:30:00"), _at("2026-03-30 00:30:00")]
    autumn = [*times.list_between(_at("2026-10-24 12:00:00"), _at("2026-10-26 00:00:00"))]
    assert autumn == [_at("2026-10-25 00:30:00")]
