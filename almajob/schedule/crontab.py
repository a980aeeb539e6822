"""Lines of a crontab that start a scheduled run, put in and taken out; Debian's cron is meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from almajob.errors import Refused
from almajob.schedule.scheduled_run import ScheduledRun
from almajob.schedule.units import list_start_words
from almajob.text.calendar_times import CalendarTimes, Numbers

_BEGIN, _END = "# BEGIN almajob schedule ", "# END almajob schedule "
_LONGEST_COMMAND = 998


def make_block(run: ScheduledRun, timezone: str) -> str:
    """Return the lines for a scheduled run, from a line that begins them to one that ends them.

    Args:
        timezone: the name of the machine's time zone, which is cron's.

    Raises:
        Refused: cron has no way to say this.
    """
    times = run.schedule.times
    problem = find_cron_problem(times, timezone)
    if not problem and run.key_file:
        problem = "cron loads no file with an API key for it; api_key_file of the environment names one"
    surroundings = [f"ALMAJOB_STATE_DIR={shlex.quote(run.state_dir)}"] if run.state_dir else []
    splay = ["--splay", f"{run.schedule.splay:g}s"] if run.schedule.splay else []
    words = [*run.program, "--ini-file", run.ini, *list_start_words(run), *splay]
    command = " ".join([*surroundings, shlex.join(words), ">/dev/null"]).replace("%", "\\%")
    if not problem and len(command.encode()) > _LONGEST_COMMAND:
        problem = "the command is longer than a line of cron's may be"
    if problem:
        raise Refused(
            f"cron cannot start {run.name} at {run.schedule.at!r}: {problem}.",
            hint="Leave --cron out: systemd can.",
        )
    fields = " ".join(make_fields(times))
    user = f" {run.user}" if run.is_system else ""
    return f"{_BEGIN}{run.title}\n{fields}{user} {command}\n{_END}{run.title}\n"


def find_cron_problem(times: CalendarTimes, timezone: str) -> str:
    """Return why cron cannot start something at these times; empty where it can."""
    if times.timezone not in ("", timezone):
        return f"its time zone is that of the machine ({timezone or 'unknown'}), and not {times.timezone}"
    if times.seconds.list_all(0, 59) != [0]:
        return "it starts programs at full minutes only"
    if times.years.spans:
        return "it knows no years"
    if times.days.from_end:
        return "it counts no days from the end of a month"
    if times.weekdays and times.days.spans:
        return "a day of the month and a day of the week mean either of them there, and not both"
    return ""


def make_fields(times: CalendarTimes) -> tuple[str, ...]:
    """Return the five fields of a crontab's line for times that cron can have."""
    weekdays = _list_ranges([day + 1 for day in sorted(times.weekdays)]) if times.weekdays else "*"
    return (
        *(_word_numbers(times.minutes, 0, 59), _word_numbers(times.hours, 0, 23)),
        *(_word_numbers(times.days, 1, 31), _word_numbers(times.months, 1, 12), weekdays),
    )


def _word_numbers(numbers: Numbers, low: int, high: int) -> str:
    return _list_ranges(numbers.list_all(low, high)) if numbers.spans else "*"


def _list_ranges(numbers: Sequence[int]) -> str:
    """Write numbers as ranges: what begins with * would change the meaning of another field."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ",".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def find_block(crontab: str, title: str) -> str:
    """Return the lines of a scheduled run in a crontab; empty where there are none."""
    found = _pattern(title).search(crontab)
    return found[0] if found else ""


def list_titles(crontab: str) -> list[str]:
    """List the scheduled runs that have lines in a crontab."""
    return re.findall(rf"(?m)^{re.escape(_BEGIN)}(\S+)$", crontab)


def put_block(crontab: str, title: str, block: str) -> str:
    """Return a crontab with the lines of a scheduled run, in their old place where they had one."""
    if find_block(crontab, title):
        return _pattern(title).sub(lambda _found: block, crontab, count=1)
    end = "" if not crontab or crontab.endswith("\n") else "\n"
    return f"{crontab}{end}{block}"


def drop_block(crontab: str, title: str) -> str:
    """Return a crontab without the lines of a scheduled run; every other byte stays as it is."""
    return _pattern(title).sub("", crontab)


def _pattern(title: str) -> re.Pattern[str]:
    name = re.escape(title)
    return re.compile(rf"(?ms)^{re.escape(_BEGIN)}{name}\n.*?^{re.escape(_END)}{name}(?:\n|\Z)")
