"""Values of options, read as people write them, or refused in words: each function is for ``type=``.

What only a start or a judgement needs is imported where it is read: a list would load it, too.
"""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from typing import TYPE_CHECKING

from almajob.config.ini_sections import run_name_problem
from almajob.system import clock as clocks
from almajob.text.time_parsing import parse_duration, parse_moment

if TYPE_CHECKING:
    from almajob.alma.rate_limit.quota import Floor
    from almajob.jobs.counter_conditions import Condition

FROM_FILE = "@"
"""How a parameter's value begins that is the name of a file."""
_LONGEST = 10 * 366 * 86400.0


def _refuse(problem: str) -> None:
    if problem:
        raise argparse.ArgumentTypeError(problem)


def non_empty(text: str) -> str:
    """Take a text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Bytes of the command line that are no text in its encoding.
        raise argparse.ArgumentTypeError("is not UTF-8 text") from None
    return text


def whole_number(text: str) -> int:
    """Take a number from 0."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError("must be a whole number, from 0, of 18 digits at most")
    return int(text)


def row_limit(text: str) -> int:
    """Take how many rows are listed: a number, or ``all``, which is 0."""
    return 0 if text.strip().lower() == "all" else whole_number(text)


def calls_or_percent(text: str) -> Floor:
    """Take a number of calls such as ``5000``, or a share of a day's such as ``10%``."""
    from almajob.alma.rate_limit.quota import Floor

    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(%?)", text.strip())
    if found is None or (not found[2] and "." in found[1]):
        raise argparse.ArgumentTypeError("must be a number of calls such as 5000, or a share such as 10%")
    number = float(found[1])
    if not number or (found[2] and number > 100):
        raise argparse.ArgumentTypeError("must be more than 0, and 100% at most")
    return Floor(number, bool(found[2]))


def duration(text: str) -> float:
    """Take a length of time such as ``90``, ``90s``, ``30m``, ``2h`` or ``1d``, in seconds."""
    length = parse_duration(text, ("", "s", "m", "h", "d"))
    if length is None:
        raise argparse.ArgumentTypeError("must be a length of time, such as 90s, 30m, 2h or 1d")
    if length > _LONGEST:
        raise argparse.ArgumentTypeError("must be ten years at most")
    return length


def seconds(text: str) -> float:
    """Take a length of time as ``duration``, but more than none."""
    length = duration(text)
    if not length:
        raise argparse.ArgumentTypeError("must be more than 0")
    return length


def interval(text: str) -> float:
    """Take a length of time of a second or more."""
    length = duration(text)
    if length < 1:
        raise argparse.ArgumentTypeError("must be a second or more")
    return length


def moment(text: str, *, ends_day: bool = False) -> datetime:
    """Take a length of time before now, a local day, which may stand for its end, or a time."""
    try:
        return parse_moment(text, clocks.system().now(), ends_day=ends_day)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def process_id(text: str) -> str:
    """Take a run's id, as it is pasted."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("a Process ID is digits only, such as 9563643080000561")
    return text


def profile_id(text: str) -> str:
    """Take the id of a profile, as it is pasted."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("an id of a profile is digits only, such as 7562275960000561")
    return text


def run_id(text: str) -> str:
    """Take a run's Process ID, as it is pasted, ``@last`` or a run key."""
    return non_empty(text).strip()


def run_key(text: str) -> str:
    """Take a name for a run."""
    from almajob.runs.run_key import find_key_problem

    _refuse(find_key_problem(text))
    return non_empty(text)


def saved_name(text: str) -> str:
    """Take the name of a saved run."""
    _refuse(run_name_problem(text))
    return text


def parameter(text: str) -> tuple[str, str]:
    """Take a parameter as ``NAME=VALUE``."""
    from almajob.runs.parameters.parameters import problem_with

    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not NAME=VALUE")
    name = name.strip()
    _refuse(problem_with(name, value) or ("@ names no file" if value == FROM_FILE else ""))
    return name, value


def status(text: str) -> str:
    """Take one status."""
    from almajob.alma.status_codes import parse_code

    try:
        return parse_code(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def end_statuses(text: str) -> list[str]:
    """Take one status of an end or several, separated by commas."""
    from almajob.alma.status_codes import parse_ends

    try:
        codes = parse_ends(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    _refuse("" if codes else "must not be empty")
    return codes


def condition(text: str) -> Condition:
    """Take a condition on counters, such as ``invoices == 0``; see docs/following.md."""
    from almajob.jobs import condition_parser

    try:
        return condition_parser.parse(non_empty(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
