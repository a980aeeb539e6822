"""Where schedules are installed: in systemd or in cron, of the machine or of a user; and what is there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from almajob.config.paths import find_directory
from almajob.errors import PartlyDone, Refused
from almajob.schedule import crontab, units
from almajob.schedule.scheduled_run import ScheduledRun
from almajob.schedule.systemctl import (
    CommandFailed,
    answers_yes,
    call,
    is_systemd_running,
    read_crontab,
    systemctl,
)
from almajob.system.atomic_write import new_file, reach_disk
from almajob.text.frozen import Frozen

SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_CRONTAB = Path("/etc/cron.d/almajob")
_LOCAL_TIME = Path("/etc/localtime")
USER_CRONTAB = "crontab"
"""How the user's own crontab is called where others have a path."""
WRITE, KEEP, DELETE, RUN, SKIP = "write", "unchanged", "delete", "run", "not run"
_TIMER = re.compile(r"almajob-([^@]+)\.timer")
_CREDENTIAL = re.compile(r"(?m)^LoadCredential=almajob_[^:\n]+:(.*)$")


class Step(NamedTuple):
    """A file that is written or deleted, or a command that is run.

    Attributes:
        action: ``write``, ``unchanged``, ``delete``, ``run`` or ``not run``.
        target: the path, or the command line.
        do: does it.
    """

    action: str
    target: str
    do: Callable[[], object] | None = None


class Way(Frozen):
    """One of the four ways in which a run can be scheduled.

    Attributes:
        is_system: whether the machine starts it, and not the user's own systemd or crontab.
        is_cron: whether cron does.
    """

    is_system: bool
    is_cron: bool

    @property
    def name(self) -> str:
        """What it is called: ``systemd``, ``systemd --user``, ``cron.d`` or ``crontab``."""
        if self.is_cron:
            return "cron.d" if self.is_system else "crontab"
        return "systemd" if self.is_system else "systemd --user"


WAYS = tuple(Way(is_system=system, is_cron=cron) for cron in (False, True) for system in (True, False))


def list_texts(run: ScheduledRun, way: Way) -> dict[str, str]:
    """Return what is installed of a scheduled run: the text of each file; of a crontab its lines.

    Raises:
        Refused: it cannot be scheduled in this way.
    """
    if way.is_cron:
        return {
            str(SYSTEM_CRONTAB) if way.is_system else USER_CRONTAB: crontab.make_block(run, name_timezone())
        }
    directory = find_units(way)
    return {str(directory / name): text for name, text in units.make_units(run).items()}


def find_units(way: Way) -> Path:
    """Return the directory of units.

    Raises:
        Refused: the user has none.
    """
    if way.is_system:
        return SYSTEM_UNITS
    own = find_directory("config", os.environ)
    if not own:
        raise Refused("There is no place for a user's units.", reason="HOME is not set.", hint="Set HOME.")
    return Path(own).with_name("systemd") / "user"


def name_timezone() -> str:
    """Return the name of the machine's time zone; empty where nobody knows."""
    target = os.path.realpath(_LOCAL_TIME)
    name = target.partition("/zoneinfo/")[2]
    return "UTC" if name in ("Etc/UTC", "UCT", "Etc/UCT", "Zulu") else name


def read_text(path: Path) -> str:
    """Read a file that may be missing; empty then.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Refused(f"{path} cannot be read.", reason=f"{error.strerror}.") from None


def read_lines(way: Way) -> str:
    """Read the crontab of a way; empty where there is none.

    Raises:
        Refused: it cannot be read.
    """
    return read_text(SYSTEM_CRONTAB) if way.is_system else read_crontab()


def plan_install(run: ScheduledRun, way: Way) -> list[Step]:
    """Plan what installs a scheduled run; what is there already, as it should be, is left alone.

    Raises:
        Refused: it cannot be scheduled in this way, or what is there cannot be read.
    """
    texts = list_texts(run, way)
    if way.is_cron:
        (block,) = texts.values()
        before = read_lines(way)
        return [_change_crontab(way, before, crontab.put_block(before, run.title, block))]
    steps = [
        Step(KEEP, path)
        if read_text(Path(path)) == text
        else Step(WRITE, path, partial(_put, Path(path), text))
        for path, text in texts.items()
    ]
    timer = units.name_timer(run.title)
    is_new = any(step.action == WRITE for step in steps)
    is_running = is_systemd_running(is_system=way.is_system)
    asked = partial(systemctl, is_system=way.is_system)
    commands = [asked("daemon-reload"), asked("enable", timer), asked("restart", timer)]
    if not is_new and is_running:
        is_on = all(
            answers_yes(asked(question, "--quiet", timer)) for question in ("is-enabled", "is-active")
        )
        commands = [] if is_on else commands[1:]
    return [*steps, *(_make_command(words, is_running) for words in commands)]


def plan_remove(title: str, way: Way) -> list[Step]:
    """Plan what removes a scheduled run; nothing where it is not installed in this way.

    Raises:
        Refused: what is there cannot be read.
    """
    if way.is_cron:
        before = read_lines(way)
        after = crontab.drop_block(before, title)
        return [] if after == before else [_change_crontab(way, before, after)]
    directory = find_units(way)
    paths = [path for name in units.name_units(title) if os.path.lexists(path := directory / name)]
    if not paths:
        return []
    is_running = is_systemd_running(is_system=way.is_system)
    asked = partial(systemctl, is_system=way.is_system)
    timer, others = units.name_timer(title), (units.name_service(title), units.name_failure(title))
    # First of all nothing may start any more. What Persistent= remembers of the last time goes, too.
    first = [asked("disable", "--now", timer), asked("clean", "--what=state", timer)]
    deletions = [Step(DELETE, str(path), partial(_delete, path)) for path in paths]
    if not is_running:
        link = directory / "timers.target.wants" / timer
        links = [Step(DELETE, str(link), partial(_delete, link))] if link.is_symlink() else []
        return [*links, *deletions]
    last = [asked("daemon-reload")]
    failed = [words for name in others if answers_yes(words := asked("is-failed", "--quiet", name))]
    last += [asked("reset-failed", words[-1]) for words in failed]
    return [
        *(_make_command(words, is_running) for words in first),
        *deletions,
        *(_make_command(words, is_running) for words in last),
    ]


def _change_crontab(way: Way, before: str, after: str) -> Step:
    if way.is_system:
        path = str(SYSTEM_CRONTAB)
        if after == before:
            return Step(KEEP, path)
        if not after:
            return Step(DELETE, path, partial(_delete, SYSTEM_CRONTAB))
        return Step(WRITE, path, partial(_put, SYSTEM_CRONTAB, after))
    if after == before:
        return Step(KEEP, USER_CRONTAB)
    words = ["crontab", "-"] if after else ["crontab", "-r"]
    return Step(RUN, " ".join(words), partial(call, words, after or None))


def _make_command(words: list[str], is_running: bool) -> Step:
    return Step(RUN, " ".join(words), partial(call, words)) if is_running else Step(SKIP, " ".join(words))


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path, overwrite=True, mode=0o644) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    reach_disk(path.parent)


def carry_out(steps: list[Step]) -> None:
    """Do what was planned, in its order.

    Raises:
        Refused: the first of it failed, and nothing was done.
        PartlyDone: something of it failed later.
    """
    done: list[str] = []
    for step in steps:
        try:
            if step.do is not None:
                step.do()
                done.append(f"{step.action} {step.target}")
        except (CommandFailed, OSError) as error:
            strerror = getattr(error, "strerror", None)
            reason = f"{step.target}: {strerror}." if strerror else f"{error}."
            if not done:
                raise Refused(
                    "Nothing was changed.", reason=reason, hint="Root can, or choose --user."
                ) from None
            raise PartlyDone(
                "The schedule is changed in part only.",
                reason=f"Done: {', '.join(done)}. Then: {reason}",
                hint="The same command again goes on.",
            ) from None


def find_key_file(title: str, way: Way) -> str:
    """Return the file from which the installed service of a run gets its API key; empty where from none."""
    if way.is_cron:
        return ""
    found = _CREDENTIAL.search(read_text(find_units(way) / units.name_service(title)))
    return found[1].replace("%%", "%") if found else ""


def read_installed(title: str, way: Way) -> dict[str, str]:
    """Return what is installed of a scheduled run, as ``list_texts`` does; nothing where nothing is.

    Raises:
        Refused: it cannot be read.
    """
    if way.is_cron:
        found = crontab.find_block(read_lines(way), title)
        return {str(SYSTEM_CRONTAB) if way.is_system else USER_CRONTAB: found} if found else {}
    directory = find_units(way)
    texts = {str(directory / name): read_text(directory / name) for name in units.name_units(title)}
    return {path: text for path, text in texts.items() if text}


def list_titles(way: Way) -> Iterator[str]:
    """List the scheduled runs that are installed in a way.

    Raises:
        Refused: that cannot be read.
    """
    if way.is_cron:
        yield from crontab.list_titles(read_lines(way))
        return
    try:
        names = sorted(path.name for path in find_units(way).iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(f"{find_units(way)} cannot be read.", reason=f"{error.strerror}.") from None
    yield from (found[1] for name in names if (found := _TIMER.fullmatch(name)))
