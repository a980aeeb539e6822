"""A saved run, read for one environment: the job, its parameters, and how its end is judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from almajob.config import environments, paths
from almajob.config.ini_reader import Setting, digest_of, refuse_open_file
from almajob.config.ini_sections import PARAM
from almajob.config.saved_runs import WHAT_IS_STARTED, Saved
from almajob.config.trusted_files import UntrustedFile
from almajob.errors import ConfigurationError
from almajob.jobs import counter_conditions
from almajob.jobs.counter_conditions import Condition
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters, problem_with
from almajob.runs.run_key import PERIODS

ID_AND_NAME = re.compile(r"([MSO][0-9]+)\s+(\S.*)")
"""A job as a saved run names it best: by its id, with the name that it must have."""
_OR = re.compile(r"\sor\s")
_VARIABLE = "{env:"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a saved run means in one environment.

    Attributes:
        job: its id or exact name.
        job_name: the name that the job of that id had when it was saved; empty where nobody knows.
        parameters: of its file, with its own overrides.
        set_name: of the set to work on; empty where it names none.
        accept: statuses that pass besides; empty where the run says nothing.
        fail_if: conditions of which none may be true.
        once_per: hour, day, week or month; empty where it says nothing.
        needs_yes: whether a start in production must be confirmed.
    """

    job: str
    job_name: str = ""
    parameters: Parameters = field(default_factory=Parameters)
    set_name: str = ""
    accept: frozenset[str] = frozenset()
    fail_if: tuple[Condition, ...] = ()
    once_per: str = ""
    expands: bool = False
    as_xml: bool = False
    needs_yes: bool = True


def read(
    saved: Saved, environment: str, check_trust: Callable[[Path, str], UntrustedFile | None]
) -> SavedRun:
    """Read a saved run for an environment, and the file with its parameters.

    Args:
        saved: as it is written.
        environment: for which.
        check_trust: tells whether a file that it names is trusted, by its path and what its content is.

    Raises:
        ConfigurationError: a setting is wrong, says nothing for this environment, or is not to be trusted.
        Refused: the file with its parameters cannot be read.
    """
    here = saved.of(environment)
    if "set" in here and f"{PARAM}{SET_ID}" in here:
        raise ConfigurationError(
            f"{here['set'].source}: set and {PARAM}{SET_ID} name a set, both.", hint="Keep one of them."
        )
    if "job" not in here:
        raise ConfigurationError(
            f"The saved run {saved.name} says no job for {environment}.",
            reason=f"It stands in {saved.path}.",
            hint="Ids differ between environments. Save it for this one, too, with its parameters:\n"
            f"almajob --env {environment} run --job JOB --params FILE --save {saved.name}",
        )
    job = here["job"].text
    both = ID_AND_NAME.fullmatch(job)
    return SavedRun(
        job=both[1] if both else job,
        job_name=both[2] if both else "",
        parameters=_parameters(saved, here, environment, check_trust),
        set_name=environments.text_of(here, "set"),
        accept=environments.read_accept(here),
        fail_if=_conditions(here["fail_if"]) if "fail_if" in here else (),
        once_per=_period(here["once_per"]) if "once_per" in here else "",
        expands=environments.is_yes(here, "expand", default=False),
        as_xml=environments.is_yes(here, "xml", default=False),
        needs_yes=environments.is_yes(here, "confirm", default=True),
    )


def _parameters(
    saved: Saved,
    here: Mapping[str, Setting],
    environment: str,
    check_trust: Callable[[Path, str], UntrustedFile | None],
) -> Parameters:
    found = Parameters()
    elsewhere = next((name for name in saved.section if name.startswith("params@")), None)
    if "params" not in here and elsewhere is not None:
        raise ConfigurationError(
            f"The saved run {saved.name} says no parameters for {environment}.",
            reason=f"It has {elsewhere}, in {saved.path}.",
            hint=f"Add params@{environment} = FILE there; without a file where it takes none.",
        )
    if "params" in here and here["params"].text:
        path = paths.beside(saved.path, here["params"].text)
        # That it cannot be read is told by whoever reads it.
        with suppress(OSError):
            refuse_open_file(path, path.stat(), holds_key=False, reason=WHAT_IS_STARTED)
        is_beside = paths.without_links(path).parent == paths.without_links(saved.path.parent)
        if saved.untrusted and not is_beside:
            saved.untrusted.refuse(
                f"It would send what is in {path} as parameters ({here['params'].source})."
            )
        raw = payload_file.read_bytes(str(path))
        found = payload_file.parse(raw, str(path))
        _refuse_variables(found.given, check_trust(path, digest_of(raw)))
    overrides = []
    for setting, given in here.items():
        if setting.startswith(PARAM):
            name = setting.removeprefix(PARAM)
            problem = problem_with(name, given.text)
            if problem:
                raise ConfigurationError(f"{given.source}: {problem}.")
            overrides.append(Given(name, given.text, given.source))
    _refuse_variables(overrides, saved.untrusted)
    return found.override(overrides)


def _refuse_variables(given: Iterable[Given], untrusted: UntrustedFile | None) -> None:
    """Refuse values with variables in them, which may hold secrets; whether or not they are expanded now."""
    for item in given if untrusted else ():
        if untrusted and _VARIABLE in item.value:
            untrusted.refuse(
                f"It would send a variable of yours as the parameter {item.name} ({item.source})."
            )


def _conditions(given: Setting) -> tuple[Condition, ...]:
    try:
        return tuple(counter_conditions.parse(text) for text in _OR.split(given.text.strip()))
    except ValueError as error:
        raise ConfigurationError(
            f"{given.source}: fail_if: {error}.",
            hint="Write, for example: fail_if = asset_failed > 0 or invoices == 0",
        ) from None


def _period(given: Setting) -> str:
    if given.text not in PERIODS:
        raise ConfigurationError(f"{given.source}: once_per is one of {', '.join(PERIODS)}.")
    return given.text
