"""Scheduled runs of all kinds, and programs that stand in for systemctl and crontab."""

from __future__ import annotations

import random
import shlex
import sys
from pathlib import Path

from almajob.runs.saved_schedule import make_schedule
from almajob.schedule.scheduled_run import ScheduledRun

ODD = (
    "plain",
    "two words",
    "50% off %n %%",
    'a "quoted" name',
    "it's",
    "back\\slash\\",
    "$HOME ${USER} $$",
    "Jahresabschluß 作業 العربية",
    "; # = [x] @ -",
    "`id` $(id) & | > *",
)
"""Names that a shell, systemd or cron would take for something else."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ZONES = ("", "UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
_SYSTEMCTL = r"""
import json, os, pathlib, sys
here = pathlib.Path({directory!r})
words = [word for word in sys.argv[1:] if word != "--user"]
if words[0] == "is-system-running":
    print("degraded")
    sys.exit(1)
with (here / "calls").open("a") as calls:
    calls.write(" ".join(["systemctl", *sys.argv[1:]]) + "\n")
on = here / "on"
if words[0] in ("enable", "restart"):
    on.touch()
if words[0] == "disable":
    on.unlink(missing_ok=True)
if words[0].startswith("is-"):
    sys.exit(0 if words[0] != "is-failed" and on.exists() else 3)
if words[0] == "show":
    print((here / "shown").read_text() if (here / "shown").exists() else "")
"""
_CRONTAB = r"""
import pathlib, sys
tab = pathlib.Path({directory!r}, "tab")
if sys.argv[1] == "-l":
    if not tab.exists():
        sys.exit("no crontab for somebody")
    sys.stdout.write(tab.read_text())
elif sys.argv[1] == "-r":
    tab.unlink()
else:
    tab.write_text(sys.stdin.read())
"""


def put_programs(directory: Path) -> None:
    """Put programs into a directory that stand in for systemctl and crontab, and keep what they are told."""
    for name, text in (("systemctl", _SYSTEMCTL), ("crontab", _CRONTAB)):
        (directory / f"{name}.py").write_text(text.replace("{directory!r}", repr(str(directory))), "utf-8")
        line = shlex.join([sys.executable, "-S", str(directory / f"{name}.py")])
        (directory / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n', "utf-8")
        (directory / name).chmod(0o755)


def make_times(choose: random.Random, *, is_for_cron: bool = False) -> str:
    """Make a calendar expression that Alma would not mind: at most five times in an hour."""

    def numbers(low: int, high: int) -> str:
        first = choose.randint(low, high)
        last = choose.randint(first, high)
        step = choose.randint(1, 3)
        forms = [f"{first:02d}", f"{first:02d},{last:02d}", f"{first:02d}..{last:02d}"]
        if first + step <= high:
            forms.append(f"{first:02d}/{step}")
        return choose.choice(forms)

    def weekdays() -> str:
        first = choose.randint(0, 6)
        last = choose.randint(first, 6)
        return choose.choice([DAYS[first], f"{DAYS[first]}..{DAYS[last]}", f"{DAYS[first]},{DAYS[last]}"])

    minute = choose.choice([f"{choose.randint(0, 59):02d}", "00,30", "0/15", "10..13"])
    clock = f"{choose.choice(['*', numbers(0, 23)])}:{minute}"
    days = [f"*-{choose.choice(['*', numbers(1, 12)])}-{numbers(1, 28)}", f"*-*-{numbers(1, 28)}"]
    forms = [clock, f"{weekdays()} {clock}", *(f"{day} {clock}" for day in days)]
    if not is_for_cron:
        forms += [f"*-*~{choose.randint(1, 28):02d} {clock}", f"{weekdays()} *-*~07/1 {clock}"]
        forms += [f"{weekdays()} {days[1]} {clock}", f"{clock}:{choose.randint(0, 59):02d}"]
    return choose.choice(forms)


def make_run(
    choose: random.Random, directory: Path, *, times: str = "", is_for_cron: bool = False, number: int = 0
) -> ScheduledRun:
    """Make a scheduled run with a program, files and a job that have odd names."""
    room = directory / choose.choice(ODD).replace("/", "-")
    room.mkdir(exist_ok=True)
    program = room / choose.choice(ODD).replace("/", "-")
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    at = times or make_times(choose, is_for_cron=is_for_cron)
    splay = choose.choice([0.0, 90.0, 300.0])
    return ScheduledRun(
        name=choose.choice(["invoices", "a.b-c_d", "X9"]) + str(number),
        environment=choose.choice(["production", "my-lab", "a_b"]),
        job=choose.choice([*ODD, "two\nlines", "tab\tand \x1b[31m", ""]),
        schedule=make_schedule(at, "" if is_for_cron else choose.choice(ZONES), splay),
        program=(str(program), *choose.choice([(), ("-m", "almajob")])),
        ini=str(room / choose.choice(ODD)),
        state_dir=choose.choice(["", str(room)]),
        key_file="" if is_for_cron else choose.choice(["", str(room / "the key 100%")]),
        is_system=choose.random() < 0.7,
        user=choose.choice(["almajob", "daemon"]),
    )
