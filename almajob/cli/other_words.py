"""What is typed by those who come from other programs, and what almajob has instead."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_STOP = "Alma has no call that stops a job. Stop it in Alma: Admin > Monitor Jobs, Running."
_LOGS = (
    "almajob status RUN shows a run's counters and alerts.\n"
    "almajob events RUN lists the users that a user job rejected.\n"
    "--log-file FILE keeps almajob's own messages."
)
_KEY = "almajob config set-key sandbox stores an API key; almajob config check tries it."
_COMMANDS = {
    **dict.fromkeys(("start", "submit", "trigger", "exec", "execute"), "almajob run JOB starts a job."),
    **dict.fromkeys(("stop", "cancel", "abort", "kill", "terminate"), _STOP),
    **dict.fromkeys(("log", "logs", "tail"), _LOGS),
    **dict.fromkeys(
        ("watch", "follow", "attach"),
        "almajob wait RUN follows a run to its end; almajob run JOB --wait starts one and follows it.",
    ),
    **dict.fromkeys(("job", "jobs", "ls"), "almajob list lists the jobs, almajob show JOB shows one."),
    **dict.fromkeys(("search", "find", "grep"), "almajob list --name WORD finds jobs by a part of the name."),
    **dict.fromkeys(
        ("rerun", "retry", "restart"), "almajob run JOB starts it again; see also --rerun-failed."
    ),
    **dict.fromkeys(("login", "auth", "key", "keys", "init", "setup", "configure"), _KEY),
    **dict.fromkeys(
        ("env", "envs", "environment", "environments"), "almajob config show lists environments."
    ),
    "ps": "almajob top shows what runs now.",
    "instances": "almajob history JOB lists the runs of a job.",
    **dict.fromkeys(("plugins", "commands"), "almajob plugin list lists every installed command."),
    "version": "almajob --version prints it.",
    "set": "almajob run JOB --set NAME names the set that a job works on.",
}
_OPTIONS = {
    **dict.fromkeys(("--watch", "--follow"), ("--wait", "--watch")),
    **dict.fromkeys(("--environment", "--prod", "--production", "--sandbox"), ("--env",)),
    **dict.fromkeys(("--json", "--csv", "--yaml"), ("--format",)),
    **dict.fromkeys(("--filter", "--search", "--query"), ("--name",)),
    **dict.fromkeys(("--non-interactive", "--batch"), ("--no-input",)),
    **dict.fromkeys(("--instance-id", "--process-id"), ("--id",)),
    "--parameters": ("--params",),
    "--confirm": ("--yes",),
    "--max": ("--limit",),
}
_OF_RUNS = ("list", "show", "settle", "resolve")


def explain_command(word: str) -> str:
    """Return what almajob has instead of a command that it has not; empty where nobody knows."""
    return _COMMANDS.get(word.lower(), "")


def find_option(word: str, known: Collection[str]) -> str:
    """Return the option that is meant by one that a command has not; empty where nobody knows."""
    return next((name for name in _OPTIONS.get(word.lower(), ()) if name in known), "")


def explain_run(words: Sequence[str]) -> str:
    """Return what may be meant by ``almajob run list`` and its like; empty where it is nothing of that."""
    return f"Did you mean almajob runs {words[0]}?" if words and words[0] in _OF_RUNS else ""
