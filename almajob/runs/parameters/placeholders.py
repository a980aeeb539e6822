"""``--expand``: what is filled into values when a run is started: the day, the time, a variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from almajob.errors import ParametersRefused, Refused
from almajob.runs.parameters.parameters import Given, Parameters, problem_with
from almajob.system.key_variables import SECRET_VARIABLES

_BRACES = re.compile(r"\{\{|\}\}|\{(?P<word>[^{}]*)\}|[{}]")
_MOST_BRACES = 1000
_LONGEST = 2**20
# https://docs.python.org/3/library/datetime.html#format-codes
_DIRECTIVE = re.compile("%[aAwdbBmyYHIMpSfzZjUWcxXGuV%]")
_ADVICE = (
    "--expand knows {date:FORMAT}, such as {date:%Y-%m-%d}, {env:NAME} and {epoch_ms}; "
    "a brace that is meant is written twice."
)


def expand(parameters: Parameters, now: datetime, environ: Mapping[str, str]) -> Parameters:
    """Fill in what stands in braces in the values, in local time; names stay as they are.

    What a variable holds is a part of what is meant. The time of the start is not: the same run, asked for
    again a second later, is still the same.

    Raises:
        Refused: there is something else in braces, or a variable is not set.
    """
    return replace(parameters, given=tuple(_fill(item, now, environ) for item in parameters.given))


def _fill(item: Given, now: datetime, environ: Mapping[str, str]) -> Given:
    if item.value.count("{") > _MOST_BRACES:
        raise _wrong(item, "it has too many braces")
    meant = _BRACES.sub(lambda found: _variable(item, found, environ), item.value)
    has_time = any(found["word"] is not None for found in _BRACES.finditer(meant))
    sent = _BRACES.sub(lambda found: _moment(item, found, now), meant)
    problem = problem_with(item.name, sent)
    if problem or len(sent) > _LONGEST:
        raise _wrong(item, problem or "it becomes too long")
    return replace(item, value=sent, meant=meant if has_time else None)


def _variable(item: Given, found: re.Match[str], environ: Mapping[str, str]) -> str:
    """Fill in a variable; its own braces are meant. All else is left for ``_moment``."""
    word = found["word"] or ""
    if not word.startswith("env:"):
        return found[0]
    name = word.removeprefix("env:")
    if name not in environ:
        raise _wrong(item, f"the variable {name!r} is not set")
    if name.startswith(SECRET_VARIABLES):
        raise _wrong(item, "it has an API key in it" if "API_KEY" in name else "it has a secret in it")
    problem = problem_with(item.name, environ[name])
    if problem:
        raise _wrong(item, problem)
    return environ[name].replace("{", "{{").replace("}", "}}")


def _moment(item: Given, found: re.Match[str], now: datetime) -> str:
    """Fill in what is of the start's time, and the braces that are meant."""
    word = found["word"]
    if found[0] in ("{{", "}}"):
        return found[0][0]
    if word == "epoch_ms":
        return str(int(now.timestamp() * 1000))
    if word is None or not word.startswith("date:"):
        raise _wrong(item, f"it has {found[0]!r} in it")
    form = word.removeprefix("date:")
    # What the platform does not know it would leave as it is.
    if not re.search("%[a-zA-Z]", form) or _DIRECTIVE.sub("", form).count("%"):
        raise _wrong(item, f"{form!r} is no form of a date")
    return now.strftime(form)


def _wrong(item: Given, reason: str) -> Refused:
    where = f"{item.source}: " if item.source else ""
    return ParametersRefused(f"{where}the value of {item.name} cannot be expanded: {reason}.", hint=_ADVICE)
