"""The systemd units of a scheduled run: its service, its timer, and what notifies when the service fails.

https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html; all of it is in systemd 252.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from almajob.errors import one_line
from almajob.schedule.scheduled_run import ScheduledRun, count_most
from almajob.text.sanitize import sanitize

HEADER = "# Made by almajob schedule install. almajob schedule list shows whether it was changed since."
_LIMIT = timedelta(hours=6)
_RETRIES = 12
"""How often a start is tried again before the service has failed."""
_FEW = 6
_CONFINEMENT = (
    "UMask=0077",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)
"""What also a user's own systemd can do, without more privileges."""
_CONFINEMENT_BY_SYSTEM = (
    "AmbientCapabilities=",
    "CapabilityBoundingSet=",
    "DevicePolicy=closed",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "PrivateUsers=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RemoveIPC=yes",
)
_HOMES = ("/home/", "/root/", "/run/user/")


def name_service(title: str) -> str:
    """Return the file name of the service of a scheduled run."""
    return f"almajob-{title}.service"


def name_timer(title: str) -> str:
    """Return the file name of its timer."""
    return f"almajob-{title}.timer"


def name_failure(title: str) -> str:
    """Return the file name of the service that notifies of a failure; no other unit has an @ in its name."""
    return f"almajob-failed@{title}.service"


def name_units(title: str) -> tuple[str, str, str]:
    """Return the file names of all units of a scheduled run."""
    return name_service(title), name_timer(title), name_failure(title)


def make_units(run: ScheduledRun) -> dict[str, str]:
    """Return the units of a scheduled run, by their file names."""
    texts = (_make_service(run), _make_timer(run), _make_failure(run))
    return dict(zip(name_units(run.title), texts, strict=True))


def _make_service(run: ScheduledRun) -> str:
    starts = count_most(run.schedule.times, _LIMIT)
    # Each start counts, also those that the timer makes. Tries alone must reach the limit, or nobody is told.
    wait = "15min" if starts <= _FEW else "5min"
    return _write(
        *("[Unit]", f"Description={_describe(run)}"),
        *(("Wants=network-online.target", "After=network-online.target") if run.is_system else ()),
        f"OnFailure={name_failure(run.title)}",
        *(f"StartLimitIntervalSec={_LIMIT.seconds // 3600}h", f"StartLimitBurst={_RETRIES + starts}", ""),
        *("[Service]", "Type=oneshot", *_list_surroundings(run)),
        *([f"LoadCredential=almajob_{run.environment}:{_percent(run.key_file)}"] if run.key_file else []),
        f"ExecStart={_word_command([*run.program, *list_start_words(run), '-f', 'json'])}",
        "# Tried again: Alma not reached (6), run goes on (8), start unknown (9), no calls left (10).",
        *("Restart=on-failure", "RestartPreventExitStatus=1 2 3 4 5 7", f"RestartSec={wait}"),
        *_list_confinement(run),
    )


def list_start_words(run: ScheduledRun) -> list[str]:
    """Return the words behind almajob that start a scheduled run."""
    start = ["-q", "--env", run.environment, "run", "--saved", run.name, "--scheduled"]
    return [*start, "--yes", "--wait"]


def _make_timer(run: ScheduledRun) -> str:
    schedule = run.schedule
    zone = f" {schedule.timezone}" if schedule.timezone else ""
    spread = (f"RandomizedDelaySec={schedule.splay:g}s", "FixedRandomDelay=yes") if schedule.splay else ()
    return _write(
        *("[Unit]", f"Description=Time for: {_describe(run)}", ""),
        *("[Timer]", f"OnCalendar={' '.join(schedule.at.split())}{zone}", *spread, "Persistent=yes", ""),
        *("[Install]", "WantedBy=timers.target"),
    )


def _make_failure(run: ScheduledRun) -> str:
    words = [*run.program, "-q", "--env", run.environment, "notify", "failure", run.name]
    return _write(
        *("[Unit]", f"Description=Notify of a failure of: {_describe(run)}"),
        *(("Wants=network-online.target", "After=network-online.target") if run.is_system else ()),
        *("StartLimitIntervalSec=2h", "StartLimitBurst=12", ""),
        *("[Service]", "Type=oneshot", *_list_surroundings(run)),
        f"ExecStart={_word_command(words)}",
        *("Restart=on-failure", "RestartPreventExitStatus=1 2 3 4 5 7", "RestartSec=5min"),
        *_list_confinement(run),
    )


def _describe(run: ScheduledRun) -> str:
    # A backslash at the end would join the next line: the bracket is the end.
    job = sanitize(one_line(run.job)) or "an Alma job"
    return _percent(f"{job} (saved run {run.name}, {run.environment})")


def _list_surroundings(run: ScheduledRun) -> Iterable[str]:
    if run.is_system:
        yield f"User={run.user}"
        yield "StateDirectory=almajob"
        yield "StateDirectoryMode=0700"
        yield "CacheDirectory=almajob"
        yield "CacheDirectoryMode=0700"
    yield f"Environment={_quote(f'ALMAJOB_INI={run.ini}')}"
    state_dir = run.state_dir or ("/var/lib/almajob" if run.is_system else "")
    if state_dir:
        yield f"Environment={_quote(f'ALMAJOB_STATE_DIR={state_dir}')}"
    if run.is_system:
        yield "Environment=ALMAJOB_CACHE_DIR=/var/cache/almajob"
        if run.state_dir:
            yield f"ReadWritePaths={_quote(run.state_dir)}"


def _list_confinement(run: ScheduledRun) -> Iterable[str]:
    yield from _CONFINEMENT
    if run.is_system:
        yield from _CONFINEMENT_BY_SYSTEM
        is_at_home = any(str(Path(path).resolve()).startswith(_HOMES) for path in run.list_paths())
        yield f"ProtectHome={'read-only' if is_at_home else 'yes'}"


def _word_command(words: Sequence[str]) -> str:
    if set(words[0]) & set("\"'\\"):
        # systemd starts no program with such a path itself.
        words = ["/bin/sh", "-c", 'exec "$0" "$@"', *words]
    program, *others = words
    # Variables are not replaced in the program's path.
    return " ".join([_quote(program), *(_quote(word.replace("$", "$$")) for word in others)])


def _quote(text: str) -> str:
    escaped = _percent(text).replace("\\", "\\\\").replace('"', '\\"')
    is_plain = escaped == text and not set(text) & set(" \t'")
    return text if is_plain else f'"{escaped}"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _write(*lines: str) -> str:
    return "\n".join([HEADER, *lines, ""])
