"""All that a command is made of: subclass Command, Lister, ShowOne or ShowSome; our own do the same.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``.
"""

from __future__ import annotations

from almajob.alma.api import Alma, JobFilter
from almajob.alma.models import Job, Parameter
from almajob.alma.payloads import to_plain_json, to_xml
from almajob.alma.reports import Event, Match
from almajob.columns import (
    Alerts,
    Body,
    Counters,
    Fields,
    GivenParameters,
    Length,
    Progress,
    Text,
    Time,
    Words,
    Yes,
)
from almajob.command import Command, Lister, ShowOne, ShowSome
from almajob.config.environments import Environment
from almajob.config.saved import Saved
from almajob.config.sections import JOB_HEADING, RUN_HEADING
from almajob.context import Context
from almajob.contradictions import (
    is_bare_start,
    refuse_all_options,
    refuse_odd_start,
    refuse_what_is_not_saved,
)
from almajob.errors import (
    AlmajobError,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    StillRunning,
    UsageError,
)
from almajob.live import display
from almajob.options import (
    add_limit_option,
    add_run_argument,
    duration,
    non_empty,
    process_id,
    run_key,
    seconds,
    whole_number,
)
from almajob.runoptions import (
    add_id_option,
    add_ids_option,
    add_policy_options,
    add_wait_options,
    moment,
    policy_of,
    process_ids,
    status,
    wait_options_given,
    wait_options_of,
)
from almajob.runs.catalogue import named_like
from almajob.runs.doubt import in_doubt, is_twice
from almajob.runs.followed import Display, WaitOptions
from almajob.runs.history import Period, history, since, until
from almajob.runs.intention import IF_RUNNING, StartOptions
from almajob.runs.parameters import Parameters
from almajob.runs.plan import Plan
from almajob.runs.policy import Policy
from almajob.runs.records import find as find_record
from almajob.runs.records import listed
from almajob.runs.reports import LINE_TYPE, POPULATIONS, Download, download, events, matches
from almajob.runs.run import Run
from almajob.runs.runkey import PERIODS
from almajob.startoptions import (
    Wish,
    add_guard_options,
    add_job_options,
    add_once_options,
    add_parameter_options,
    add_patience_options,
    saved_name,
    settings_of,
    wish_of,
)
from almajob.store.record import Record
from almajob.terminal import asker, confirmer
from almajob.views import (
    BRIEF_COLUMNS,
    LEDGER_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    START_COLUMNS,
    ledger_values,
    not_started,
    record_values,
    run_values,
    start_values,
)

__all__ = [
    "BRIEF_COLUMNS",
    "IF_RUNNING",
    "JOB_HEADING",
    "LEDGER_COLUMNS",
    "LINE_TYPE",
    "PERIODS",
    "POPULATIONS",
    "RECORD_COLUMNS",
    "RUN_COLUMNS",
    "RUN_HEADING",
    "START_COLUMNS",
    "Alerts",
    "Alma",
    "AlmajobError",
    "Body",
    "Command",
    "ConfigurationError",
    "Context",
    "Counters",
    "Display",
    "Download",
    "Environment",
    "Event",
    "Fields",
    "GivenParameters",
    "Job",
    "JobFilter",
    "Length",
    "Lister",
    "Match",
    "OutcomeUnknown",
    "Parameter",
    "Parameters",
    "Period",
    "Plan",
    "Policy",
    "Progress",
    "Record",
    "Refused",
    "Run",
    "Saved",
    "ShowOne",
    "ShowSome",
    "StartOptions",
    "StillRunning",
    "Text",
    "Time",
    "UsageError",
    "WaitOptions",
    "Wish",
    "Words",
    "Yes",
    "add_guard_options",
    "add_id_option",
    "add_ids_option",
    "add_job_options",
    "add_limit_option",
    "add_once_options",
    "add_parameter_options",
    "add_patience_options",
    "add_policy_options",
    "add_run_argument",
    "add_wait_options",
    "asker",
    "confirmer",
    "display",
    "download",
    "duration",
    "events",
    "find_record",
    "history",
    "in_doubt",
    "is_bare_start",
    "is_twice",
    "ledger_values",
    "listed",
    "matches",
    "moment",
    "named_like",
    "non_empty",
    "not_started",
    "policy_of",
    "process_id",
    "process_ids",
    "record_values",
    "refuse_all_options",
    "refuse_odd_start",
    "refuse_what_is_not_saved",
    "run_key",
    "run_values",
    "saved_name",
    "seconds",
    "settings_of",
    "since",
    "start_values",
    "status",
    "to_plain_json",
    "to_xml",
    "until",
    "wait_options_given",
    "wait_options_of",
    "whole_number",
    "wish_of",
]
