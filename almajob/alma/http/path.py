"""Paths below ``/almaws/v1``: what varies in one is a single segment, and cannot lead to another call."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote

from almajob.errors import NotAlma, Refused

Params = Mapping[str, str | int]
"""By name, what is put into a path or behind it; True and False are ``true`` and ``false``."""

_BASE = "/almaws/v1"
_WORD = re.compile(r"[a-z]+(-[a-z]+)*")
_NAME_IN_BRACES = re.compile(r"\{(\w+)\}")
# What a server may take for the end of a segment once it has undone the percent signs.
_SEPARATORS = re.compile(r"[/\\;]")


def check_id(text: str) -> str:
    """Return an id of Alma's that is one segment of a path as it is.

    Raises:
        NotAlma: it has other characters than letters, digits and ``_``.
    """
    if not re.fullmatch(r"\w+", text, re.ASCII):
        raise NotAlma(
            f"{text!r} is not an Alma id.", hint="Check region or base_url in the configuration file."
        )
    return text


def fill_path(path: str, params: Params) -> tuple[str, dict[str, str]]:
    """Put into a path what its names in braces stand for, each as one segment.

    Args:
        path: as Alma documents it, with or without ``/almaws/v1``: words and names in braces, such as
            ``/users/{user_id}/loans``.
        params: what the names stand for, and the query.

    Returns:
        The path below ``/almaws/v1``, with percent signs, and the query: all that is not in the path.

    Raises:
        Refused: the path has something else in it, or something that cannot be sent stands for a name.
        TypeError: the path is no text, or params no mapping of such names.
    """
    if not isinstance(path, str) or not isinstance(params, Mapping) or not all(map(_is_text, params)):
        raise TypeError("a path is text, and params is a mapping of names")
    query = {name: _write(name, value) for name, value in params.items()}
    start, *parts = path.removeprefix(_BASE).split("/")
    if start or not parts:
        raise _refuse(path, "It does not begin with /.")
    filled = ""
    used = set()
    for part in parts:
        if named := _NAME_IN_BRACES.fullmatch(part):
            used.add(name := named[1])
            if name not in query:
                raise _refuse(path, f"params has no {name}.")
            filled += f"/{_quote_segment(name, query[name])}"
        elif _WORD.fullmatch(part):
            filled += f"/{part}"
        else:
            raise _refuse(path, f"{part!r} is not one of Alma's words, which are lowercase letters.")
    return filled, {name: text for name, text in query.items() if name not in used}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _write(name: str, value: str | int) -> str:
    """Write a parameter as Alma reads it."""
    if not isinstance(value, str | int):
        raise TypeError(f"the parameter {name} is a {type(value).__name__}, not a text or a number")
    if name.strip().lower() == "apikey":
        raise Refused("Do not pass an API key as a parameter.", reason="almajob sends it in a header.")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(f"The parameter {name} is not valid Unicode; nothing was sent.")
    return text


def _quote_segment(name: str, text: str) -> str:
    """Write a text as one segment.

    An escaped ``..`` would be taken for a way up, by requests and by servers.

    Raises:
        Refused: it is empty, a way up, or has control characters.
    """
    problem = (
        "It is empty."
        if not text.strip()
        else "It has a control character."
        if any(unicodedata.category(character) == "Cc" for character in text)
        else "It leads to another path."
        if {".", ".."} & {part.strip() for part in _SEPARATORS.split(text)}
        else ""
    )
    if problem:
        raise Refused(f"{name} cannot be {text!r}; nothing was sent.", reason=problem)
    return quote(text, safe="")


def _refuse(path: str, reason: str) -> Refused:
    return Refused(
        f"{path!r} is not a path of Alma's API; nothing was sent.",
        reason=reason,
        hint='Write it as Alma documents it, such as "/users/{user_id}", with {"user_id": …} in params.',
    )
