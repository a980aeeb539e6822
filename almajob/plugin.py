"""The names that a plugin or a script may import; whatever else is in almajob may change with any version.

docs/plugin-api.md has each with its members, and docs/versions.md what is promised of them. They are imported
when they are first asked for: a command loads what it uses. Type checkers read the imports, Python the table;
a test compares them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from almajob.alma.client import Alma as Alma
    from almajob.alma.job_instances import Counter as Counter
    from almajob.alma.job_instances import Instance as Instance
    from almajob.alma.models import Code as Code
    from almajob.alma.models import Job as Job
    from almajob.alma.models import JobFilter as JobFilter
    from almajob.alma.models import Parameter as Parameter
    from almajob.cli.command import Command as Command
    from almajob.cli.command import Lister as Lister
    from almajob.cli.command import ShowOne as ShowOne
    from almajob.cli.command import ShowSome as ShowSome
    from almajob.cli.console.progress import display as display
    from almajob.cli.context import Context as Context
    from almajob.cli.options.run_options import add_policy_options as add_policy_options
    from almajob.cli.options.run_options import add_wait_options as add_wait_options
    from almajob.cli.options.run_options import policy_of as policy_of
    from almajob.cli.options.run_options import wait_options_of as wait_options_of
    from almajob.cli.options.start_options import add_start_options as add_start_options
    from almajob.cli.options.start_options import start_options_of as start_options_of
    from almajob.cli.options.value_types import condition as condition
    from almajob.cli.options.value_types import duration as duration
    from almajob.cli.options.value_types import non_empty as non_empty
    from almajob.cli.options.value_types import process_id as process_id
    from almajob.cli.options.value_types import whole_number as whole_number
    from almajob.config.environments import Environment as Environment
    from almajob.config.settings import Settings as Settings
    from almajob.entry_points import API_VERSION as API_VERSION
    from almajob.errors import AlmaError as AlmaError
    from almajob.errors import AlmajobError as AlmajobError
    from almajob.errors import AlmaRefused as AlmaRefused
    from almajob.errors import ConfigurationError as ConfigurationError
    from almajob.errors import JobEndedBadly as JobEndedBadly
    from almajob.errors import OutcomeUnknown as OutcomeUnknown
    from almajob.errors import PartlyDone as PartlyDone
    from almajob.errors import QuotaUsedUp as QuotaUsedUp
    from almajob.errors import Refused as Refused
    from almajob.errors import StillRunning as StillRunning
    from almajob.errors import Unreachable as Unreachable
    from almajob.errors import UsageError as UsageError
    from almajob.jobs.counter_conditions import Condition as Condition
    from almajob.jobs.counters import Counters as Counters
    from almajob.jobs.job_lookup import Catalogue as Catalogue
    from almajob.jobs.success_policy import Policy as Policy
    from almajob.notify.notification import Notification as Notification
    from almajob.notify.notifier import Notifier as Notifier
    from almajob.notify.notifier import NotifierContext as NotifierContext
    from almajob.notify.notifier import SendFailed as SendFailed
    from almajob.output.columns import Identifier as Identifier
    from almajob.output.columns import Length as Length
    from almajob.output.columns import WordList as WordList
    from almajob.output.run_views import RUN_COLUMNS as RUN_COLUMNS
    from almajob.output.run_views import run_values as run_values
    from almajob.runs.observers.events import Event as Event
    from almajob.runs.observers.events import Late as Late
    from almajob.runs.observers.events import ObservedAlert as ObservedAlert
    from almajob.runs.observers.events import ObservedCounter as ObservedCounter
    from almajob.runs.observers.events import ObservedEnvironment as ObservedEnvironment
    from almajob.runs.observers.events import ObservedRun as ObservedRun
    from almajob.runs.observers.events import ObservedVerdict as ObservedVerdict
    from almajob.runs.observers.events import RunEnded as RunEnded
    from almajob.runs.observers.events import StartRecorded as StartRecorded
    from almajob.runs.observers.events import StartUnknown as StartUnknown
    from almajob.runs.observers.observer import Observer as Observer
    from almajob.runs.observers.observer import ObserverContext as ObserverContext
    from almajob.runs.observers.observer import RetryLater as RetryLater
    from almajob.runs.parameters.parameters import Parameters as Parameters
    from almajob.runs.run import Run as Run
    from almajob.runs.run_service import Runs as Runs
    from almajob.runs.start_request import Start as Start
    from almajob.runs.start_request import StartOptions as StartOptions
    from almajob.runs.wait.follower import Follower as Follower
    from almajob.runs.wait.watched_run import OpenDisplay as OpenDisplay
    from almajob.runs.wait.watched_run import WaitOptions as WaitOptions
    from almajob.sets.making import MadeSet as MadeSet
    from almajob.store.ledger.text_place import LedgerText as LedgerText
    from almajob.store.plugin_store import PluginStore as PluginStore
    from almajob.system.terminal import asker as asker
    from almajob.system.terminal import confirmer as confirmer
    from almajob.text.redaction import Secret as Secret
else:
    # Hidden from type checkers: with a __getattr__ any name would do for them, and be of any type.
    from importlib import import_module

    _NAMES = {
        "alma.client": ("Alma",),
        "alma.job_instances": ("Counter", "Instance"),
        "alma.models": ("Code", "Job", "JobFilter", "Parameter"),
        "cli.command": ("Command", "Lister", "ShowOne", "ShowSome"),
        "cli.console.progress": ("display",),
        "cli.context": ("Context",),
        "cli.options.run_options": (
            *("add_policy_options", "add_wait_options", "policy_of", "wait_options_of"),
        ),
        "cli.options.start_options": ("add_start_options", "start_options_of"),
        "cli.options.value_types": ("condition", "duration", "non_empty", "process_id", "whole_number"),
        "config.environments": ("Environment",),
        "config.settings": ("Settings",),
        "entry_points": ("API_VERSION",),
        "errors": (
            *("AlmaError", "AlmaRefused", "AlmajobError", "ConfigurationError", "JobEndedBadly"),
            *("OutcomeUnknown", "PartlyDone", "QuotaUsedUp", "Refused", "StillRunning", "Unreachable"),
            *("UsageError",),
        ),
        "jobs.counter_conditions": ("Condition",),
        "jobs.counters": ("Counters",),
        "jobs.job_lookup": ("Catalogue",),
        "jobs.success_policy": ("Policy",),
        "notify.notification": ("Notification",),
        "notify.notifier": ("Notifier", "NotifierContext", "SendFailed"),
        "output.columns": ("Identifier", "Length", "WordList"),
        "output.run_views": ("RUN_COLUMNS", "run_values"),
        "runs.observers.events": (
            *("Event", "Late", "ObservedAlert", "ObservedCounter", "ObservedEnvironment", "ObservedRun"),
            *("ObservedVerdict", "RunEnded", "StartRecorded", "StartUnknown"),
        ),
        "runs.observers.observer": ("Observer", "ObserverContext", "RetryLater"),
        "runs.parameters.parameters": ("Parameters",),
        "runs.run": ("Run",),
        "runs.run_service": ("Runs",),
        "runs.start_request": ("Start", "StartOptions"),
        "runs.wait.follower": ("Follower",),
        "runs.wait.watched_run": ("OpenDisplay", "WaitOptions"),
        "sets.making": ("MadeSet",),
        "store.ledger.text_place": ("LedgerText",),
        "store.plugin_store": ("PluginStore",),
        "system.terminal": ("asker", "confirmer"),
        "text.redaction": ("Secret",),
    }
    _PROMISED = {
        "Command": (
            *("columns", "verdict", "almajob_api", "context", "log", "resume", "environments", "contexts"),
            *("get_parser", "refuse", "take_action"),
        ),
        "Lister": ("brief", "least_needed", "note_if_empty"),
        "ShowOne": (),
        "ShowSome": ("is_one", "is_object"),
        "Context": (
            *("environment", "settings", "options", "catalogue", "runs", "alma", "store"),
            *("environment_store", "now", "of", "policy", "close", "start_on_ids", "settle_set", "make_set"),
        ),
        "Environment": ("name", "kind", "is_production", "base_url", "region", "institution", "source_of"),
        "Settings": ("refresh", "environment_names"),
        "Secret": ("__init__", "reveal"),
        "PluginStore": ("get", "set", "update", "delete", "keys"),
        "Catalogue": ("jobs", "current", "find"),
        "Job": (
            *("id", "name", "type", "category", "description", "content", "schedule", "creator", "next_run"),
            "related_profile",
        ),
        "JobFilter": ("__init__", "type", "category", "profile_id"),
        "Code": ("value", "desc"),
        "Alma": ("call", "pages", "code_table"),
        "Runs": (
            *("start", "look", "look_at_each", "read_latest", "read_history", "find_last", "find_going_on"),
            *("process_id", "follow", "follower", "confirm_together", "resolve_start"),
        ),
        "StartOptions": (
            *("__init__", "run_key", "once_per", "if_running", "rerun_failed", "lock_wait", "wait_for_slot"),
            *("policy", "set_name", "job_name", "allow_unknown", "as_xml", "is_confirmed", "may_ask"),
            *("notify", "for_step"),
        ),
        "Follower": ("follow", "judge_all"),
        "Parameter": ("__init__", "name", "value"),
        "Parameters": ("of", "get", "sent"),
        "WaitOptions": ("__init__", "timeout", "interval", "outage"),
        "Policy": ("accept",),
        "Run": (
            *("instance", "description", "environment", "verdict", "remark", "is_nothing", "is_earlier"),
            *("label", "passed", "counters"),
        ),
        "Instance": (
            *("id", "name", "status", "progress", "submitted_by", "submit_time", "start_time", "end_time"),
            *("alerts", "counters", "job", "result_files", "seconds", "has_ended"),
        ),
        "Counter": ("type", "value", "code", "text"),
        "Counters": (),
        "LedgerText": ("read", "write"),
        "MadeSet": ("id", "name", "count", "rejected", "is_new"),
        "Event": ("id", "at", "run", "environment"),
        "StartRecorded": ("reason",),
        "StartUnknown": ("reason",),
        "RunEnded": ("status", "description", "verdict", "counters", "alerts", "seconds", "usual"),
        "Late": ("seconds", "usual", "limit"),
        "ObservedRun": (
            *("id", "job_id", "job_name", "run_key", "instance_id", "state", "certainty", "tag"),
            *("created_at", "submit_time", "notify"),
        ),
        "ObservedEnvironment": ("name", "kind", "is_production"),
        "ObservedVerdict": ("is_good", "message", "reason", "is_nothing", "hint"),
        "ObservedCounter": ("code", "text", "value"),
        "ObservedAlert": ("code", "text"),
        "ObserverContext": ("options", "settings", "store", "now"),
        "RetryLater": ("__init__",),
        "Notification": ("id", "kind", "subject", "text", "facts"),
        "Notifier": ("on", "context", "log", "check", "send"),
        "NotifierContext": ("name", "options"),
        "SendFailed": ("__init__",),
        **dict.fromkeys(("Identifier", "Length", "WordList"), ()),
        "AlmajobError": ("__init__", "message", "reason", "hint", "exit_code", "kind"),
        "AlmaError": ("code", "text", "tracking_id", "http_status"),
        "AlmaRefused": (),
        "QuotaUsedUp": (),
        **dict.fromkeys(
            (
                *("UsageError", "JobEndedBadly", "Refused", "Unreachable", "ConfigurationError"),
                *("StillRunning", "PartlyDone"),
            ),
            ("__init__",),
        ),
        "OutcomeUnknown": ("__init__", "run_key", "candidates", "copies"),
    }
    """The members of classes that are promised; of classes that are not here, all without an underscore."""
    _SINCE: dict[str, tuple[int, int]] = {}
    """In which version a name, or a member as ``Context.now``, came; 1.0 where it is not here."""
    _HOME_OF = {name: f"almajob.{home}" for home, names in _NAMES.items() for name in names}
    __all__ = list(_HOME_OF)

    def __getattr__(name: str) -> object:
        """Import what is asked for (PEP 562)."""
        if name not in _HOME_OF:
            raise AttributeError(f"almajob.plugin has no {name!r}")
        found = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        """List the names, imported or not, for help() and completion at a prompt."""
        return __all__
