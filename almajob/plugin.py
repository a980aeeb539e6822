"""All that a command is made of: subclass Command, Lister, ShowOne or ShowSome; our own do the same.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. Each name is imported when it is first asked for: a command loads what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "alma.client": ("Alma",),
    "alma.models": ("Job", "JobFilter", "Parameter"),
    "alma.request_body": ("to_plain_json", "to_xml"),
    "alma.run_reports": ("Event", "Match"),
    "output.columns": (
        "Alerts",
        "Body",
        "Counters",
        "Fields",
        "GivenParameters",
        "Length",
        "Progress",
        "Text",
        "Time",
        "Words",
        "Yes",
    ),
    "cli.command": ("Command", "Lister", "ShowOne", "ShowSome"),
    "config.environments": ("KINDS", "REGIONS", "Environment"),
    "config.keys.key_location": ("KeyWish",),
    "config.saved_runs": ("Saved",),
    "config.ini_sections": ("JOB_HEADING", "RUN_HEADING"),
    "config.trusted_files": ("Trusted",),
    "completion.shell_scripts": ("SHELLS", "completion_script"),
    "cli.plugins.conformance": ("check_claims", "violations"),
    "cli.context": ("Context",),
    "cli.plugins.plugin_status": ("format_claims", "installed_claims"),
    "cli.options.option_conflicts": (
        "is_bare_start",
        "refuse_all_options",
        "refuse_odd_start",
        "refuse_what_is_not_saved",
    ),
    "errors": (
        "AlmaError",
        "AlmaRefused",
        "AlmajobError",
        "ConfigurationError",
        "JobEndedBadly",
        "OutcomeUnknown",
        "QuotaUsedUp",
        "Refused",
        "StillRunning",
        "Unreachable",
        "UsageError",
    ),
    "cli.console.progress": ("display",),
    "cli.options.global_options": (
        "add_limit_option",
        "add_run_argument",
        "duration",
        "non_empty",
        "process_id",
        "repeat_nothing",
        "run_key",
        "seconds",
        "whole_number",
    ),
    "cli.options.run_options": (
        "add_id_option",
        "add_ids_option",
        "add_policy_options",
        "add_wait_options",
        "moment",
        "policy_of",
        "process_ids",
        "status",
        "wait_options_given",
        "wait_options_of",
    ),
    "jobs.job_lookup": ("named_like",),
    "runs.evidence.unknown_outcome": ("in_doubt", "is_twice"),
    "runs.wait.watched_run": ("Display", "WaitOptions"),
    "jobs.history": ("Period", "history", "since", "until"),
    "runs.start_request": ("IF_RUNNING", "StartOptions"),
    "runs.parameters.parameters": ("Parameters",),
    "runs.start.dry_run": ("Plan",),
    "jobs.success_policy": ("Policy",),
    "runs.ledger_queries": ("find_record", "list_runs"),
    "jobs.run_reports": ("LINE_TYPE", "POPULATIONS", "Download", "download", "events", "matches"),
    "runs.run": ("Run",),
    "runs.run_key": ("PERIODS",),
    "cli.shell": ("run_shell",),
    "cli.options.start_options": (
        "StartArguments",
        "add_guard_options",
        "add_job_options",
        "add_once_options",
        "add_parameter_options",
        "add_patience_options",
        "saved_name",
        "settings_of",
        "wait_as_splayed",
        "start_arguments_of",
    ),
    "store.ledger_record": ("Record",),
    "system.terminal": ("asker", "confirmer"),
    "output.run_views": (
        "BRIEF_COLUMNS",
        "LEDGER_COLUMNS",
        "RECORD_COLUMNS",
        "RUN_COLUMNS",
        "START_COLUMNS",
        "ledger_values",
        "not_started",
        "record_values",
        "run_values",
        "start_values",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"almajob.plugin has no {name!r}")
    found = getattr(import_module(f"almajob.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


__all__ = list(_HOME_OF)
