"""``almajob config check``: is the configuration right, and what may the key do?"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from almajob.alma.client import Alma
from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.cli.plugins.command_manager import Commands
from almajob.cli.plugins.plugin_status import plugin_names
from almajob.config.environments import Environment, other_kind
from almajob.config.ini_reader import Setting
from almajob.config.ini_sections import PLUGIN_HEADING
from almajob.config.plugin_choice import DISABLED, split_names
from almajob.config.saved_runs import read_all
from almajob.config.settings import Settings
from almajob.errors import CHECK_KEY, KEY_PAGE, AlmajobError, ConfigurationError, KeyRefused, Refused
from almajob.output.columns import Sentence, Tone
from almajob.output.formats import shown_text
from almajob.system import key_variables
from almajob.text.suggestions import suggest

if TYPE_CHECKING:
    from almajob.cli.many.outcome import Outcome, Part

_Row = tuple[str, str, str]
_FAILED = "failed"
_OF_ALL = ("configuration file", "groups", "saved runs", "notifications", "ledger", "locks")
"""Checks that have nothing to do with an environment."""
_CHECK_WIDTH, _RESULT_WIDTH, _HOST_WIDTH = 13, 8, 29
"""What the columns need at least, of which three fit in 60; the last one for the host of KEY_PAGE."""
# That it may read has been found out: the key itself, its area and its addresses are right.
_NO_WRITING = f"Give the key Read/write for the area Configuration at {KEY_PAGE}"


class ConfigCheck(Lister):
    """Check the configuration file and what the API key may do.

    Changes nothing and starts nothing. Each check is one line with its fix; checks that depend
    on a failed one are left out.

    Exit codes: 0 all is well. 7 something is wrong. 6 Alma could not be reached. 2 no
    environment is named.

    Examples:
      almajob --env sandbox config check
    """

    environments = "each"
    columns = ("check", "result", "fix")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        rows, errors = check(self.context)
        if not any(isinstance(error, ConfigurationError) for error in errors[:1]):
            rows += _check_plugins(self.context.settings, self.app.command_manager)
        # A configuration error, else whatever kept the checks from being made.
        errors.sort(key=lambda error: not isinstance(error, ConfigurationError | KeyRefused))
        self.verdict = errors[0] if errors else None
        return self.columns, [
            (
                Sentence(name, least=_CHECK_WIDTH),
                Sentence(result, Tone.BAD if result.startswith(_FAILED) else None, least=_RESULT_WIDTH),
                Sentence(fix, least=_HOST_WIDTH if KEY_PAGE in fix else _RESULT_WIDTH),
            )
            for name, result, fix in rows
        ]

    def take_in_each(
        self, parsed_args: argparse.Namespace, contexts: Sequence[Context]
    ) -> list[Outcome[Part]]:
        """Check each environment; what is the same for all stands with the first alone."""
        first, *others = super().take_in_each(parsed_args, contexts)
        shown = first.value.rows if first.value else ()

        def leave_out(outcome: Outcome[Part]) -> Outcome[Part]:
            if outcome.value is None:
                return outcome
            rows = [
                row for row in outcome.value.rows if row not in shown or shown_text(row[0]) not in _OF_ALL
            ]
            return replace(outcome, value=outcome.value._replace(rows=rows))

        return [first, *map(leave_out, others)]


def check(context: Context) -> tuple[list[_Row], list[AlmajobError]]:
    """Make every check whose ground holds; one row each, and the errors that were found."""
    rows: list[_Row] = []
    errors: list[AlmajobError] = []

    def passes(name: str, ask: Callable[[], str], fix_of_key: str = "") -> bool:
        try:
            rows.append((name, ask(), ""))
        except AlmajobError as error:
            if fix_of_key and isinstance(error, KeyRefused):
                error = error.replace(hint=fix_of_key)
            errors.append(error)
            result = f"{_FAILED}: {error.message} {error.reason}".strip()
            rows.append((name, result, " ".join(error.hint.splitlines())))
            return False
        return True

    ini_is_right = passes("configuration file", lambda: _check_ini(context))
    if ini_is_right and context.settings.groups:
        passes("groups", lambda: _check_groups(context.settings))
    if ini_is_right and _has_saved_runs(context):
        passes("saved runs", lambda: f"{context.saved_runs.check()} can be read")
    if ini_is_right and _speaks_of_notifications(context):
        passes("notifications", lambda: _check_notifications(context))
    if ini_is_right and passes("ledger", lambda: _check_ledger(context)):
        passes("locks", lambda: _check_locks(context))
    is_configured = ini_is_right and passes("environment", lambda: _describe_environment(context.environment))
    if is_configured and passes("API key", lambda: _find_key(context)):
        alma = context.alma
        if passes("key may read (GET conf/test)", lambda: f"yes {alma.test_read()}".strip(), CHECK_KEY):
            passes("key may start jobs (POST conf/test)", lambda: _test_write(alma, context), _NO_WRITING)
            passes("key leads to (GET conf/general)", lambda: _check_environment(alma, context.environment))
    return rows, errors


def _check_ini(context: Context) -> str:
    ini = context.settings.ini
    # Sections of jobs belong to no environment.
    context.settings.accept_of_jobs()
    context.settings.late_after_of_jobs()
    return f"{ini.path} is readable" if ini else "none found: only the demo environment is known"


def _check_groups(settings: Settings) -> str:
    return ", ".join(f"{name} ({len(settings.group(name))})" for name in settings.groups)


def _check_plugins(settings: Settings, commands: Commands) -> list[_Row]:
    """Return a row for each name of a plugin in the ini that nothing installed has; that is no error."""
    plugins, names = plugin_names(commands)
    disabled = settings.general[DISABLED].text if DISABLED in settings.general else ""
    return [
        *(
            (f"[{PLUGIN_HEADING}{name}]", "no plugin of that name is installed", suggest(name, plugins))
            for name in settings.plugins
            if name not in plugins
        ),
        *(
            (DISABLED, f"no plugin {name} is installed", suggest(name, names))
            for name in split_names(disabled)
            if name not in names
        ),
    ]


def _has_saved_runs(context: Context) -> bool:
    try:
        return bool(context.saved_runs.list_all())
    except AlmajobError:
        # Reading them says why.
        return True


def _check_ledger(context: Context) -> str:
    try:
        return f"usable: {context.check_ledger()}"
    except Refused as refused:
        raise ConfigurationError(refused.message, reason=refused.reason, hint=refused.hint) from None


def _speaks_of_notifications(context: Context) -> bool:
    settings = context.settings
    sections = (*settings.sections.values(), *settings.jobs.values(), *settings.runs.values())
    return bool(settings.notifications) or any("notify" in section for section in sections)


def _list_named(settings: Settings) -> list[tuple[str, str, Setting]]:
    try:
        runs = {name: saved.section for name, saved in read_all(settings).items()}
    except AlmajobError:
        # Reading them says why.
        runs = {}
    from almajob.notify.names import list_uses

    return list(list_uses(settings, runs))


def _check_notifications(context: Context) -> str:
    """Read each section [notify:NAME], and see whether those that are named are there; nothing is sent."""
    from almajob.notify.names import refuse_unknown
    from almajob.notify.targets import read_target

    settings, used = context.settings, set()
    for name, _owner, given in _list_named(settings):
        refuse_unknown(settings, [name], given.source)
        used.add(name)
    for name in settings.notifications:
        read_target(settings, name, key_variables.environ()).make().check()
    unused = [name for name in settings.notifications if name not in used]
    note = f"; used by run --notify alone: {', '.join(unused)}" if unused else ""
    return f"{len(settings.notifications)} can be read{note}"


def _check_locks(context: Context) -> str:
    try:
        return f"usable: {context.check_locks()}"
    except Refused as refused:
        raise ConfigurationError(refused.message, reason=refused.reason, hint=refused.hint) from None


def _describe_environment(environment: Environment) -> str:
    return f"{environment.name} ({environment.kind}) at {environment.base_url or 'the built-in simulator'}"


def _find_key(context: Context) -> str:
    # Connecting fetches the key; nothing is sent yet.
    context.connect()
    source = context.key_source(context.environment.name)
    return f"found ({source.way}: {source.place})" if source else "not needed"


def _test_write(alma: Alma, context: Context) -> str:
    read_only = context.read_only_by(context.environment)
    if read_only:
        return f"not tried: read-only, by {read_only}"
    alma.test_write()
    return "yes"


def _check_environment(alma: Alma, environment: Environment) -> str:
    general = alma.general()
    found = other_kind(general.environment_type, environment.kind)
    if found:
        raise ConfigurationError(
            f"This key leads to {found}, not to {environment.kind}.",
            hint=f"Each environment has a key of its own: almajob config set-key {environment.name}",
        )
    return " ".join(part for part in (general.environment_type, general.institution) if part) or "no answer"
