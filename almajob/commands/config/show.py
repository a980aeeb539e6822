"""``almajob config show``: every setting and where it came from; keys hidden."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.config.environments import Environment
from almajob.config.ini_sections import JOB_HEADING, RUN_HEADING
from almajob.errors import ConfigurationError
from almajob.output.columns import Text

_Row = tuple[str, str, str]


class ConfigShow(Lister):
    """Show every setting and where it came from; keys are hidden.

    With --env only that environment is shown.

    Examples:
      almajob config show
      almajob --env sandbox config show
    """

    columns = ("Setting", "Value", "Source")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        context = self.context
        lists = (_list_general, _list_environments, _list_jobs, _list_saved_runs)
        return self.columns, [tuple(map(Text, row)) for each in lists for row in each(context)]


def _list_general(context: Context) -> list[_Row]:
    settings = context.settings
    ini = str(settings.ini.path) if settings.ini else ""
    found = "found" if ini else "none found"
    if ini and settings.trusted is not None:
        found += f" in the current directory, {'not trusted' if settings.untrusted_ini() else 'trusted'}"
    env = settings.env
    return [
        ("ini_file", ini, found),
        ("env", env.text if env else "", env.source if env else "not set"),
        ("cache_dir", settings.cache_dir.text, settings.cache_dir.source),
        ("state_dir", settings.state_dir.text, settings.state_dir.source),
        *([("read_only", "yes", settings.read_only)] if settings.read_only else []),
    ]


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


def _list_environment(context: Context, name: str) -> list[_Row]:
    settings = context.settings
    try:
        environment = settings.environment(name)
    except ConfigurationError as error:
        return [("(wrong)", error.message, "almajob config check")]
    url, key = environment.base_url, context.key_source(environment)
    if url is None:
        return [("base_url", "the built-in simulator", "built in")]
    way = f" ({key.way})" if key and key.way.startswith("api_key_") else ""
    sources = {setting: given.source for setting, given in settings.sections[name].items()}
    read_only = context.read_only_by(environment)
    return [
        ("kind", environment.kind.text, environment.kind.source),
        ("base_url", url.text, url.source),
        ("api_key", "(hidden)" if key else "", f"{key.place}{way}" if key else "not set"),
        *_list_limits(environment, sources),
        ("read_only", "yes" if read_only else "no", read_only or "default"),
    ]


def _list_limits(environment: Environment, sources: Mapping[str, str]) -> Iterator[_Row]:
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
    }
    for setting, value in values.items():
        yield setting, value, sources.get(setting, "default")
