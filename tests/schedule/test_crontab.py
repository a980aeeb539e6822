"""Lines of a crontab say what the schedule says, and a real cron runs them as they are meant."""

from __future__ import annotations

import os
import random
import select
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almajob.errors import Refused
from almajob.schedule.crontab import (
    drop_block,
    find_block,
    list_titles,
    make_block,
    make_fields,
    put_block,
)
from almajob.schedule.units import list_start_words
from almajob.text.calendar_times import parse_calendar
from tests.support.schedules import ODD, make_run, make_times

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = ("cron", "unshare", "mount")
_SECONDS = 60
_EACH_MINUTE = "*-11-30 05..08:*"
"""However slowly cron starts, a minute of these is still to come."""


def _matches(fields: tuple[str, ...], moment: datetime) -> bool:
    """Whether cron starts a line with these fields in a minute; it has numbers, ranges and lists only."""

    def has(field: str, number: int) -> bool:
        if field == "*":
            return True
        ends = [part.split("-") for part in field.split(",")]
        return any(int(part[0]) <= number <= int(part[-1]) for part in ends)

    minute, hour, day, month, weekday = fields
    return (
        has(minute, moment.minute)
        and has(hour, moment.hour)
        and has(month, moment.month)
        and has(day, moment.day)
        and has(weekday, moment.isoweekday())
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_fields_name_the_same_times(seed: int) -> None:
    """Minute by minute, over a month from some day on."""
    choose = random.Random(seed)
    times = parse_calendar(make_times(choose, is_for_cron=True), "UTC")
    since = datetime(2026, choose.randint(1, 12), 1, tzinfo=UTC)
    until = since + timedelta(days=8)
    fields, minutes = make_fields(times), (until - since) // timedelta(minutes=1)
    each = (since + timedelta(minutes=n) for n in range(minutes))
    assert [moment for moment in each if _matches(fields, moment)] == [*times.list_between(since, until)]


@pytest.mark.parametrize(
    ("times", "fields"),
    [
        ("Mon..Fri 05:15", "15 5 * * 1-5"),
        ("Sun *:0/30", "0,30 * * * 7"),
        ("*-*-01 06:00", "0 6 1 * *"),
        ("quarterly", "0 0 1 1,4,7,10 *"),
        ("8..18/2:05", "5 8,10,12,14,16,18 * * *"),
    ],
)
def test_the_fields_are_those_that_a_person_would_write(times: str, fields: str) -> None:
    """Without steps, which mean something else for some crons."""
    assert " ".join(make_fields(parse_calendar(times))) == fields


@pytest.mark.parametrize(
    ("times", "zone", "why"),
    [
        ("05:15", "Europe/Zurich", "time zone"),
        ("05:15:30", "", "full minutes"),
        ("2027-*-01 05:15", "", "no years"),
        ("*-*~01 05:15", "", "end of a month"),
        ("Mon *-*-1..7 05:15", "", "mean either"),
    ],
)
def test_what_cron_cannot_say_is_refused(tmp_path: Path, times: str, zone: str, why: str) -> None:
    """With why, and with what can say it."""
    run = make_run(random.Random(1), tmp_path, times="05:15", is_for_cron=True)
    run = run.replace(schedule=run.schedule.replace(times=parse_calendar(times, zone), at=times))
    with pytest.raises(Refused, match=why) as caught:
        make_block(run, "UTC")
    assert "systemd can" in caught.value.hint


def test_the_time_zone_of_the_machine_may_be_named(tmp_path: Path) -> None:
    """It is that of cron."""
    run = make_run(random.Random(1), tmp_path, times="05:15", is_for_cron=True)
    zoned = run.replace(schedule=run.schedule.replace(times=parse_calendar("05:15", "Europe/Zurich")))
    assert make_block(zoned, "Europe/Zurich") == make_block(run, "Europe/Zurich")


def test_a_file_with_a_key_is_refused_and_so_is_a_line_that_is_too_long(tmp_path: Path) -> None:
    """cron would cut it, and start something else."""
    run = make_run(random.Random(1), tmp_path, times="05:15", is_for_cron=True)
    with pytest.raises(Refused, match="api_key_file"):
        make_block(run.replace(key_file="/etc/key"), "UTC")
    with pytest.raises(Refused, match="longer"):
        make_block(run.replace(ini=f"/{'x' * 1000}"), "UTC")


@pytest.mark.parametrize("before", ["", "MAILTO=x\n", "1 2 3 4 5 true", "# END almajob schedule a.b\n\n"])
def test_others_lines_stay_as_they_are(before: str) -> None:
    """Put in, put in again with another text, and taken out."""
    block = "# BEGIN almajob schedule a.b\n1 2 3 4 5 x\n# END almajob schedule a.b\n"
    other = block.replace("a.b", "a.b.c").replace("x", "y")
    crontab = put_block(put_block(before, "a.b", block), "a.b.c", other)
    assert crontab.startswith(before)
    assert list_titles(crontab) == ["a.b", "a.b.c"]
    assert (find_block(crontab, "a.b"), find_block(crontab, "a.b.c")) == (block, other)
    assert put_block(crontab, "a.b", block) == crontab
    changed = put_block(crontab, "a.b", block.replace("x", r"\1\g<0>"))
    assert changed == crontab.replace(" x\n", " \\1\\g<0>\n")
    left = drop_block(drop_block(changed, "a.b"), "a.b.c")
    assert left.rstrip("\n") == before.rstrip("\n")


def _find_faketime() -> str:
    return next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


def _can_make_room() -> bool:
    """Whether a cron can be given directories of its own: as root, where the kernel lets it."""
    if (
        os.geteuid()
        or not _find_faketime()
        or any(shutil.which(name, path=_PATH) is None for name in _PROGRAMS)
    ):
        return False
    words = ["unshare", "--mount", "--pid", "--fork", "mount", "--bind", "/tmp", "/run"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def _run_cron(crontab: str, directory: Path, moment: str) -> Iterator[None]:
    """Run Debian's cron over a crontab of the machine's, and no other, ten times as fast as time."""
    for name in ("cron.d", "spool", "run"):
        (directory / name).mkdir()
    (directory / "cron.d" / "almajob").write_text(crontab, "utf-8")
    binds = {"cron.d": "/etc/cron.d", "spool": "/var/spool/cron", "run": "/run"}
    mounts = [f"mount --bind {shlex.quote(str(directory / name))} {place}" for name, place in binds.items()]
    # Nor what the machine itself has in its crontab.
    mounts.append("mount --bind /dev/null /etc/crontab")
    # The program faketime would leave a semaphore behind, by a number that the next cron has, too.
    faked = f"LD_PRELOAD={_find_faketime()} FAKETIME='@{moment} x10' exec cron -f"
    script = " && ".join([*mounts, faked])
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(
        words,
        env={"PATH": _PATH, "TZ": "UTC"},
    ) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.skipif(not _can_make_room(), reason="a cron of its own needs root, cron, faketime and unshare")
def test_a_real_cron_runs_each_line_as_it_is_meant(tmp_path: Path) -> None:
    """Programs, files and a ledger with blanks, quotes, %, and letters of all scripts, word for word."""
    answers, crontab = {}, ""
    for number, odd in enumerate(ODD):
        room = tmp_path / odd.replace("/", "-")
        room.mkdir(exist_ok=True)
        answers[number] = answer = tmp_path / f"answer-{number}"
        os.mkfifo(answer)
        program = room / f"program {odd.replace('/', '-')}"
        told = f"{shlex.quote(str(answer))}"
        program.write_text(f'#!/bin/sh\nprintf "%s\\0" "$ALMAJOB_STATE_DIR" "$@" >{told}\n', "utf-8")
        program.chmod(0o755)
        run = make_run(random.Random(number), tmp_path, times=_EACH_MINUTE, is_for_cron=True, number=number)
        run = run.replace(program=(str(program),), ini=str(room / odd), state_dir=str(room), is_system=True)
        run = run.replace(user="root")
        crontab = put_block(crontab, run.title, make_block(run, "UTC"))
    # A reader for each, before anybody writes: what is written stays until it is read.
    readers = {number: os.open(path, os.O_RDONLY | os.O_NONBLOCK) for number, path in answers.items()}
    with _run_cron(crontab, tmp_path, "2026-11-30 05:14:55"):
        found = {number: _read_words(reader) for number, reader in readers.items()}
    for number, odd in enumerate(ODD):
        run = make_run(random.Random(number), tmp_path, times=_EACH_MINUTE, is_for_cron=True, number=number)
        room = tmp_path / odd.replace("/", "-")
        splay = ["--splay", f"{run.schedule.splay:g}s"] if run.schedule.splay else []
        assert found[number] == [str(room), "--ini-file", str(room / odd), *list_start_words(run), *splay]


def _read_words(reader: int) -> list[str]:
    """Read what a program has written into a pipe, once it has."""
    try:
        ready, _, _ = select.select([reader], [], [], _SECONDS)
        assert ready, "cron has not started it"
        return os.read(reader, 2**16).decode().split("\0")[:-1]
    finally:
        os.close(reader)
