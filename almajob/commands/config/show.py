"""``almajob config show``: every setting and where it came from; keys hidden."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.config.environments import Environment, LateAfter
from almajob.config.ini_sections import JOB_HEADING, NOTIFY_HEADING, PLUGIN_HEADING, RUN_HEADING, Section
from almajob.config.plugin_choice import DIRECTORY, DISABLED
from almajob.config.plugin_options import may_show
from almajob.errors import ConfigurationError
from almajob.output.columns import Sentence
from almajob.text.redaction import HIDDEN

_Row = tuple[str, str, str]
_SETTING, _OTHER = 28, 11
"""Of the width of a terminal, what the name of a setting needs at most, and each other column at least."""


class ConfigShow(Lister):
    """Show all settings and where they come from; hides keys.

    With --env, only that environment is shown.

    Examples:
      almajob config show
      almajob --env sandbox config show
    """

    columns = ("setting", "value", "source")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        context = self.context
        lists = (
            *(_list_general, _list_environments, _list_jobs, _list_saved_runs),
            *(_list_notifications, _list_plugins),
        )
        rows = (row for each in lists for row in each(context))
        return self.columns, [
            (
                Sentence(setting, least=min(len(setting), _SETTING)),
                Sentence(value, least=_OTHER),
                Sentence(source, least=_OTHER),
            )
            for setting, value, source in rows
        ]


def _list_general(context: Context) -> list[_Row]:
    settings = context.settings
    ini = str(settings.ini.path) if settings.ini else ""
    found = "found" if ini else "none found"
    if ini and settings.trusted is not None:
        found += f" in the current directory, {'not trusted' if settings.untrusted_ini() else 'trusted'}"
    env = settings.env
    ledger = settings.ledger
    return [
        ("ini_file", ini, found),
        ("env", env.text if env else "", env.source if env else "not set"),
        *(
            (name, given.text, given.source) if given else (name, "", "none: there is no home directory")
            for name, given in (("cache_dir", settings.cache_dir), ("state_dir", settings.state_dir))
        ),
        *([("ledger", str(settings.database or ledger.text), ledger.source)] if ledger else []),
        *_list_ledger_password(context),
        *(
            (name, given.text, given.source)
            for name, given in settings.general.items()
            if name in (DIRECTORY, DISABLED)
        ),
        *([("read_only", "yes", settings.read_only)] if settings.read_only else []),
    ]


def _list_ledger_password(context: Context) -> list[_Row]:
    if context.settings.database is None:
        return []
    source = context.ledger_password_source()
    where = f"{source.place} ({source.way})" if source else "PGPASSWORD, or ~/.pgpass, if the database asks"
    return [("ledger_password", HIDDEN if source else "", where)]


def _list_environments(context: Context) -> list[_Row]:
    settings = context.settings
    chosen = settings.env.text if settings.env and settings.env.source == "--env" else None
    if chosen is not None:
        # Refuses a name that is not there.
        settings.environment(chosen)
    return [
        (f"{name}.{setting}", value, source)
        for name in settings.environment_names()
        if chosen in (None, name)
        for setting, value, source in _list_environment(context, name)
    ]


def _list_jobs(context: Context) -> list[_Row]:
    jobs = context.settings.jobs
    return [
        (f"{JOB_HEADING}{job}.{setting}", value.text, value.source)
        for job, section in jobs.items()
        for setting, value in section.items()
    ]


def _list_saved_runs(context: Context) -> list[_Row]:
    try:
        listed = context.saved_runs.list_all(context.named_environment)
    except ConfigurationError as error:
        return [("(wrong)", error.message, "almajob config check")]
    found = {saved.name: saved for saved, _environment in listed}
    return [
        (f"{RUN_HEADING}{name}.{setting}", value.text, value.source)
        for name, saved in found.items()
        for setting, value in saved.section.items()
    ]


def _list_notifications(context: Context) -> list[_Row]:
    return _list_of_others(NOTIFY_HEADING, context.settings.notifications)


def _list_plugins(context: Context) -> list[_Row]:
    return _list_of_others(PLUGIN_HEADING, context.settings.plugins)


def _list_of_others(heading: str, sections: Mapping[str, Section]) -> list[_Row]:
    """List settings that may be secrets, as nobody here knows what they mean."""
    return [
        (f"{heading}{owner}.{name}", given.text if may_show(name, given) else HIDDEN, given.source)
        for owner, section in sections.items()
        for name, given in section.items()
    ]


def _list_environment(context: Context, name: str) -> list[_Row]:
    settings = context.settings
    notify = settings.sections.get(name, {}).get("notify")
    try:
        environment = settings.environment(name)
    except ConfigurationError as error:
        return [("(wrong)", error.message, "almajob config check")]
    url, key = environment.base_url, context.key_source(name)
    if url is None:
        return [("base_url", "the built-in simulator", "built in")]
    way = f" ({key.way})" if key and key.way.startswith("api_key_") else ""
    read_only = context.read_only_by(environment)
    return [
        ("kind", environment.kind, environment.source_of("kind")),
        ("base_url", url, environment.source_of("base_url")),
        ("api_key", "(hidden)" if key else "", f"{key.place}{way}" if key else "not set"),
        *_list_webhook_secrets(context, name),
        *_list_limits(environment),
        ("notify", notify.text if notify else "", notify.source if notify else "not set"),
        ("read_only", "yes" if read_only else "no", read_only or "default"),
    ]


def _list_webhook_secrets(context: Context, name: str) -> Iterator[_Row]:
    for setting, source in context.webhook_secret_sources(name).items():
        way = f" ({source.way})" if source.way.startswith(f"{setting}_") else ""
        yield setting, HIDDEN, f"{source.place}{way}"


def _show_late_after(late_after: LateAfter) -> str:
    if late_after.seconds is not None:
        return f"{late_after.seconds:g}s"
    return "never" if late_after.times is None else f"{late_after.times:g}x"


def _list_limits(environment: Environment) -> Iterator[_Row]:
    limits, rates = environment.limits, environment.rates
    values = {
        "connect_timeout": f"{limits.connect:g} s",
        "read_timeout": f"{limits.read:g} s",
        "deadline": f"{limits.total:g} s",
        "calls_per_second": f"{rates.rate:g}",
        "burst": str(rates.burst),
        "quota_floor": str(rates.floor),
        "institution": environment.institution,
        "tag": "yes" if environment.has_tags else "no",
        "sole_starter": "yes" if environment.is_sole_starter else "no",
        "accept": " ".join(sorted(environment.accept)),
        "late_after": _show_late_after(environment.late_after),
    }
    for setting, value in values.items():
        yield setting, value, environment.source_of(setting)
