"""How the help groups almajob's own commands, the common ones first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HEADINGS = {
    "Jobs": ("list", "show", "run", "saved", "wait", "status", "top", "history", "report", "params"),
    "Sets, records and users": ("sets", "events", "matches", "download"),
    "Runs started from here": ("runs", "schedule", "check", "notify", "ledger"),
    "Webhooks and monitoring": ("webhook", "metrics"),
    "Setting up": ("config", "quota", "cache", "completion", "shell"),
    "Plugins and testing": ("plugin", "simulator"),
}
"""Commands under their headings; the first word of a group's commands stands for all of them."""
SUMMARIES = {
    "cache": "Show or clear the cached lists.",
    "config": "Set up environments and API keys, and check them.",
    "ledger": "Set up, check, copy and back up the ledger: all runs started from here.",
    "notify": "See who is notified of starts and ends, try it, and list what could not be sent yet.",
    "plugin": "Begin a plugin, and list and check those that are installed.",
    "runs": "Look up what was started from here, and settle what is unclear.",
    "saved": "List, show and delete saved runs.",
    "schedule": "Start saved runs at set times, and list what is due.",
    "sets": "List, make, change and delete sets of records.",
    "simulator": "Try and test against a simulated Alma.",
    "webhook": "Take Alma's messages on the ends of runs, and try that out.",
}
"""What the commands of a group are for, by their first word."""
_OTHERS = "Other commands"


def group_names(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of almajob's own commands under their headings, in the order of the help."""
    names = sorted(names)
    grouped = {
        heading: [name for first in firsts for name in names if first in (name, name.split(" ")[0])]
        for heading, firsts in HEADINGS.items()
    }
    placed = {name for found in grouped.values() for name in found}
    grouped[_OTHERS] = [name for name in names if name not in placed]
    return {heading: found for heading, found in grouped.items() if found}


def find_group(names: Iterable[str], words: Iterable[str]) -> str:
    """Return the longest beginning of the words with which names of commands begin; empty where none does."""
    names = list(names)
    found = ""
    for beginning in _beginnings(words):
        if any(name.startswith(f"{beginning} ") for name in names):
            found = beginning
    return found


def _beginnings(words: Iterable[str]) -> Iterator[str]:
    so_far: list[str] = []
    for word in words:
        if word.startswith("-"):
            return
        so_far.append(word)
        yield " ".join(so_far)
