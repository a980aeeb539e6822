"""The names that a plugin or a script may import; whatever else is in almajob may change with any version.

docs/writing-a-plugin.md explains each. They are imported when they are first asked for: a command loads what
it uses. Type checkers read the imports, Python the table; a test compares them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from almajob.cli.options.value_types import duration as duration
    from almajob.cli.options.value_types import non_empty as non_empty
    from almajob.cli.options.value_types import process_id as process_id
    from almajob.cli.options.value_types import whole_number as whole_number
    from almajob.errors import AlmaError as AlmaError
    from almajob.errors import AlmajobError as AlmajobError
    from almajob.errors import AlmaRefused as AlmaRefused
    from almajob.errors import ConfigurationError as ConfigurationError
    from almajob.errors import JobEndedBadly as JobEndedBadly
    from almajob.errors import OutcomeUnknown as OutcomeUnknown
    from almajob.errors import QuotaUsedUp as QuotaUsedUp
    from almajob.errors import Refused as Refused
    from almajob.errors import StillRunning as StillRunning
    from almajob.errors import Unreachable as Unreachable
    from almajob.errors import UsageError as UsageError
    from almajob.jobs.success_policy import Policy as Policy
    from almajob.output.columns import Length as Length
    from almajob.output.columns import WordList as WordList
    from almajob.output.run_views import RUN_COLUMNS as RUN_COLUMNS
    from almajob.output.run_views import run_values as run_values
    from almajob.runs.parameters.parameters import Parameters as Parameters
    from almajob.runs.run import Run as Run
    from almajob.runs.start_request import StartOptions as StartOptions
    from almajob.runs.wait.watched_run import WaitOptions as WaitOptions
    from almajob.system.terminal import asker as asker
    from almajob.system.terminal import confirmer as confirmer
else:
    # Hidden from type checkers: with a __getattr__ any name would do for them, and be of any type.
    from importlib import import_module

    _NAMES = {
        "alma.models": ("Parameter",),
        "cli.command": ("Command", "Lister", "ShowOne", "ShowSome"),
        "cli.console.progress": ("display",),
        "cli.context": ("Context",),
        "cli.options.run_options": (
            *("add_policy_options", "add_wait_options", "policy_of", "wait_options_of"),
        ),
        "cli.options.value_types": ("duration", "non_empty", "process_id", "whole_number"),
        "errors": (
            *("AlmaError", "AlmaRefused", "AlmajobError", "ConfigurationError", "JobEndedBadly"),
            *("OutcomeUnknown", "QuotaUsedUp", "Refused", "StillRunning", "Unreachable", "UsageError"),
        ),
        "jobs.success_policy": ("Policy",),
        "output.columns": ("Length", "WordList"),
        "output.run_views": ("RUN_COLUMNS", "run_values"),
        "runs.parameters.parameters": ("Parameters",),
        "runs.run": ("Run",),
        "runs.start_request": ("StartOptions",),
        "runs.wait.watched_run": ("WaitOptions",),
        "system.terminal": ("asker", "confirmer"),
    }
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
