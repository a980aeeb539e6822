"""A payload as somebody has it: pasted from Alma's wizard, written as JSON, or another runner's job file.

What a payload is, is seen from its text: XML, JSON, or one of them below some lines that name a job. Every
error says in which file and line it is.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from almajob.errors import Refused
from almajob.jobs.job_lookup import JOB_ID
from almajob.runs.parameters import payload_json, payload_xml
from almajob.runs.parameters.parameters import Given, Parameters, problem_with
from almajob.runs.parameters.payload_error import PayloadError
from almajob.system.input_files import read_given

LOG = logging.getLogger(__name__)

SIZE_LIMIT = 2**20
"""Bytes of a payload; the largest real one has some 30,000."""
STDIN = "-"
_CALL = re.compile(
    r"(?:(?P<method>[A-Z]+)\s+)?(?:https?://[^/\s]+)?/almaws/v1/conf/jobs/(?P<job>[^/?\s]+)/?(?P<query>\?\S*)?"
)
_BEGIN = re.compile(r"^[ \t]*[<{\[]", re.MULTILINE)
_LONGEST_HEADING = 100
# Minute, hour and day are numbers or signs; months and days of the week may be words.
_CRON = re.compile(r"@[a-z]+|[-0-9*/,]+\s+[-0-9*/,]+\s+[-0-9*/,?LW]+(\s+[-0-9*/,?LW#A-Za-z]+){2,4}")
_SHOWN = 80
_ADVICE = "Alma shows a payload in its 'Run a job' wizard, last step, panel API Information."


def read(name: str) -> Parameters:
    """Read a payload from a file, or from stdin where the name is ``-``.

    Raises:
        Refused: it cannot be read, or is none.
    """
    return parsed(read_bytes(name), _called(name))


def _called(name: str) -> str:
    return "standard input" if name == STDIN else name


def read_bytes(name: str) -> bytes:
    """Read a file, or stdin where the name is ``-``; little more than a payload may have.

    Raises:
        Refused: it cannot be read.
    """
    try:
        if name == STDIN:
            if sys.stdin.isatty():
                LOG.info("Reading from the terminal; Ctrl-D ends it.")
            raw = sys.stdin.buffer.read(SIZE_LIMIT + 1)
        else:
            raw, _ = read_given(Path(name).expanduser(), SIZE_LIMIT + 1)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Refused(f"{_called(name)} cannot be read; nothing was sent.", reason=f"{why}.") from None
    return raw


def value_from(name: str, parameter: str) -> Given:
    """Read one parameter's value from a file; the line break at its end is not a part of it.

    Raises:
        Refused: it cannot be read, is empty, or Alma could not keep it.
    """
    try:
        value = _text(read_bytes(name)).removesuffix("\n")
    except PayloadError as wrong:
        raise Refused(f"{_called(name)}, line {wrong.line}: {wrong.message}. Nothing was sent.") from None
    if not value:
        raise Refused(
            f"{_called(name)} is empty, so there is no value for {parameter}; nothing was sent.",
            reason="The program that was to write it may have failed.",
            hint=f"To send an empty value on purpose: --param {parameter}=",
        )
    problem = problem_with(parameter, value)
    if problem:
        raise Refused(f"{_called(name)}: {problem}. Nothing was sent.")
    return Given(parameter, value, _called(name))


def parsed(raw: bytes, source: str) -> Parameters:
    """Read a payload.

    Args:
        raw: at most ``SIZE_LIMIT`` bytes.
        source: the name of the file, for messages.

    Raises:
        Refused: it is none; the message names file and line.
    """
    try:
        found = _parsed(_text(raw), source)
    except PayloadError as wrong:
        raise Refused(
            f"{source}, line {wrong.line}: {wrong.message}. Nothing was sent.", hint=_ADVICE
        ) from None
    for note in found.notes:
        LOG.info("%s: %s", source, note)
    return found


def _text(raw: bytes) -> str:
    """Read bytes as UTF-8; nothing else, as another encoding is how a DOCTYPE is smuggled past a reader."""
    if len(raw) > SIZE_LIMIT:
        raise PayloadError(1, "it is larger than 1 MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PayloadError(raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text") from None
    if "\0" in text:
        raise PayloadError(text.count("\n", 0, text.index("\0")) + 1, "it has a NUL character")
    return text.replace("\r\n", "\n")


def _parsed(text: str, source: str) -> Parameters:
    first = _BEGIN.search(text)
    if first is None:
        raise PayloadError(1, "it has no payload" if text.strip() else "it is empty")
    begin = text.count("\n", 0, first.start())
    if begin > _LONGEST_HEADING:
        raise PayloadError(_LONGEST_HEADING, "there is too much above the payload")
    heading = _heading(text[: first.start()].split("\n"), source)
    # The lines above stay, empty, so that those of the payload keep their numbers.
    payload = "\n" * begin + text[first.start() :]
    read_one = payload_xml.parsed if first[0].endswith("<") else payload_json.parsed
    found = read_one(payload, source)
    if heading.job_id and found.job_id and heading.job_id != found.job_id:
        raise PayloadError(
            begin + 1, f"the payload is of {found.job_id}, the line above it of {heading.job_id}"
        )
    named = heading if heading.job_id else found
    return replace(
        found,
        job_id=named.job_id,
        job_source=named.job_source,
        notes=(*heading.notes, *found.notes),
    )


def _heading(lines: Sequence[str], source: str) -> Parameters:
    """Read what stands above a payload: the call, and the name and cron line of other runners' job files."""
    job_id, where = "", ""
    notes: list[str] = []
    names = 0
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        call = _CALL.fullmatch(line)
        if call is not None:
            if job_id:
                raise PayloadError(number, "a second line names a job")
            job_id, where = _job_in(call, number), f"{source}, line {number}"
        elif _CRON.fullmatch(line):
            notes.append(f"the cron line {line[:_SHOWN]!r} is ignored: almajob has no schedule of its own.")
        elif "almaws" in line or re.match(r"(GET|POST|PUT|DELETE|PATCH)\b", line):
            raise PayloadError(
                number, "the call is not that of a start: POST /almaws/v1/conf/jobs/M44?op=run"
            )
        elif names:
            raise PayloadError(number, "it is no part of a payload")
        else:
            names += 1
            notes.append(f"the name {line[:_SHOWN]!r} is ignored: Alma knows jobs by their ids.")
    return Parameters(job_id=job_id, job_source=where, notes=tuple(notes))


def _job_in(call: re.Match[str], number: int) -> str:
    if call["method"] not in (None, "POST"):
        raise PayloadError(number, f"a start is a POST, not a {call['method']}")
    if not JOB_ID.fullmatch(call["job"]):
        raise PayloadError(number, f"{call['job'][:_SHOWN]!r} is no job id, which is M, S or O and digits")
    if call["query"] not in (None, "?", "?op=run"):
        raise PayloadError(number, "behind the job's id a start has ?op=run, and nothing else")
    return call["job"]
