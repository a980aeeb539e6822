"""``almajob config check``: is the ini right, and what may the key do?"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from almajob.alma.client import Alma
from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.config.environments import Environment, other_kind
from almajob.errors import AlmajobError, ConfigurationError, KeyRefused, Refused

_Row = tuple[str, str, str]


class ConfigCheck(Lister):
    """Check the ini and what the key may do; changes nothing and starts nothing.

    Each check is one line with its cure; where one fails, those that need it are not made.
    Exit code 0: all is well. 7: something is not. 6: Alma could not be reached. 2: no environment.

    Examples:
      almajob --env sandbox config check
    """

    columns = ("Check", "Result", "Cure")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        rows, errors = check(self.context)
        # A configuration error, else whatever kept the checks from being made.
        errors.sort(key=lambda error: not isinstance(error, ConfigurationError | KeyRefused))
        self.verdict = errors[0] if errors else None
        return self.columns, rows


def check(context: Context) -> tuple[list[_Row], list[AlmajobError]]:
    """Make every check whose ground holds; one row each, and the errors that were found."""
    rows: list[_Row] = []
    errors: list[AlmajobError] = []

    def passes(name: str, ask: Callable[[], str]) -> bool:
        try:
            rows.append((name, ask(), ""))
        except AlmajobError as error:
            errors.append(error)
            rows.append(
                (name, f"failed: {error.message} {error.reason}".strip(), error.hint.partition("\n")[0])
            )
            return False
        return True

    ini_is_right = passes("ini file", lambda: _check_ini(context))
    if ini_is_right and _has_saved_runs(context):
        passes("saved runs", lambda: f"{context.saved_runs.check()} can be read")
    if ini_is_right:
        passes("locks", lambda: _check_locks(context))
    is_configured = ini_is_right and passes("environment", lambda: _describe_environment(context.environment))
    if is_configured and passes("API key", lambda: _find_key(context)):
        alma = context.alma
        if passes("key may read (GET conf/test)", lambda: f"yes {alma.test_read()}".strip()):
            passes("key may start jobs (POST conf/test)", lambda: _test_write(alma, context))
            passes("key leads to (GET conf/general)", lambda: _check_environment(alma, context.environment))
    return rows, errors


def _check_ini(context: Context) -> str:
    ini = context.settings.ini
    # Sections of jobs belong to no environment.
    context.settings.accept_of_jobs()
    return f"{ini.path} is readable" if ini else "none; only the demo environment is known"


def _has_saved_runs(context: Context) -> bool:
    try:
        return bool(context.saved_runs.list_all())
    except AlmajobError:
        # Which is told by whoever reads them.
        return True


def _check_locks(context: Context) -> str:
    try:
        return f"usable: {context.check_locks()}"
    except Refused as refused:
        raise ConfigurationError(refused.message, reason=refused.reason, hint=refused.hint) from None


def _describe_environment(environment: Environment) -> str:
    where = environment.base_url.text if environment.base_url else "the built-in simulator"
    return f"{environment.name} ({environment.kind.text}) at {where}"


def _find_key(context: Context) -> str:
    # Connecting fetches the key; nothing is sent yet.
    context.connect(context.environment)
    source = context.key_source(context.environment)
    return f"found ({source.way}: {source.place})" if source else "not needed"


def _test_write(alma: Alma, context: Context) -> str:
    read_only = context.read_only_by(context.environment)
    if read_only:
        return f"not tried: read-only, by {read_only}"
    alma.test_write()
    return "yes"


def _check_environment(alma: Alma, environment: Environment) -> str:
    general = alma.general()
    found = other_kind(general.environment_type, environment.kind.text)
    if found:
        raise ConfigurationError(
            f"This key leads to {found}, not to {environment.kind.text}.",
            hint=f"Put the key of {environment.name} there; keys are made per environment.",
        )
    return " ".join(part for part in (general.environment_type, general.institution) if part) or "no answer"
