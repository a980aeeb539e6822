"""What may be shown nowhere: texts that hide themselves, and their removal from whatever is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

HIDDEN = "(hidden)"
# What Alma's keys look like (l7xx or l8xx and 32 hex digits), and what stands where a key does.
_KEY_SHAPE = r"(?i)l[78]xx[0-9a-z]{8,}"
_BEHIND_ITS_NAME = r"""(?i)(api[-_]?key(?:[=: "']|%20|%3d)+)[\w-]{12,}"""
_IN_ITS_VARIABLE = r"(?i)(almajob_(?:(?:api_key|plugin|notify)_\w+|ledger_password)=)\S+"
SHORTEST = 8
"""From this many characters on, a secret is blanked out of texts."""
_RUN = 15
"""So many letters and digits of a secret in a row are blanked out in every disguise; Alma's keys have 36."""
_BLOCK = 8
"""Letters and digits that are looked up at once; every run has a whole block of the text in it."""
_DEEPEST = 3
"""How often escapes are undone: those of an address, in XML, in JSON."""
_LONGEST = 2**16
"""Characters of a text up to which it is worth finding out where in it a secret stands."""
_MANY = 1000
"""Marks of escapes in a text, from which on it is not looked at each of them first."""
# By their marks, as to look for those is quick. A NUL fills the place of what was undone, so that the rest
# stays where it was.
_HEX = r"\0*[0-9A-Fa-f]"
_ESCAPES = {
    "%": _HEX * 2,
    "\\": rf"\0*(?:u{_HEX * 4}|x{_HEX * 2}|[abfnrtv])",
    "&": rf"\0*(?:#\0*(?:[xX](?:{_HEX}){{1,40}}|(?:\0*[0-9]){{1,40}})\0*;?|[A-Za-z\0]{{2,40}};)",
}
_ESCAPE = "|".join(re.escape(mark) + rest for mark, rest in _ESCAPES.items())
_FOLDED = bytes(code | 0x20 if chr(code).isupper() else code for code in range(256))
_MARKS = bytes(code for code in range(256) if not (code < 128 and chr(code).isalnum()))


def _list_secret_parts(text: str) -> list[str]:
    """List what is blanked out of a secret: of a web address not its host, which every message may name."""
    address = re.match(r"(?i)https?://(?:([^/?#@]*)@)?[^/?#@]*(.*)", text, re.DOTALL)
    found = [part for part in address.groups() if part] if address else []
    if not found or any(len(part) < SHORTEST for part in found):
        found = [text]
    return [part for part in found if len(part) >= SHORTEST]


class _Known:
    """The secrets that this process knows, in every form that is looked for.

    Attributes:
        spellings: as a message of ours may have them.
        short: those of them that have no run of their own.
        runs: pieces of them without case and marks, also in base64 and as hex digits.
        blocks: pieces of those.
    """

    __slots__ = ("blocks", "runs", "short", "spellings")

    def __init__(self) -> None:
        self.spellings: set[str] = set()
        self.short: set[str] = set()
        self.runs: set[bytes] = set()
        self.blocks: set[int] = set()

    def add(self, text: str) -> None:
        """Look for a secret from now on."""
        spellings = _spellings(text)
        self.spellings.update(spellings)
        self.short.update(each for each in spellings if len(_letters(each)) < _RUN)
        for form in _list_forms(text):
            self.runs.update(_pieces(form, _RUN))
            self.blocks.update(int.from_bytes(piece, sys.byteorder) for piece in _pieces(form, _BLOCK))


_known = _Known()


class Sealed:
    """What holds a secret, or may hold one: it shows its kind and no more, and is written nowhere.

    It cannot be pickled, and ``-f`` refuses it in a column.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{HIDDEN}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce_ex__(self, protocol: object = None) -> NoReturn:
        raise TypeError(f"{type(self).__name__} may hold a secret, and is written nowhere")

    __getstate__ = __reduce__ = __reduce_ex__


class Secret(Sealed):
    """A text that shows itself nowhere: printed, formatted, in a traceback or in a file it is ``(hidden)``.

    From now on it is also blanked out of every text that this process shows. One of fewer than eight
    characters is not: it is not a key of Alma's (36 characters) but a word of a test server, such as "test",
    and every message that has the word would be spoilt.

    From now on this process, and what it starts, leaves no core file, in which the text would stand.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        forbid_core_dumps()
        self._text = text
        for part in _list_secret_parts(text):
            _known.add(part)

    def reveal(self) -> str:
        """Return the text itself; for the one place that needs it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        # Takes as long whether the first character differs or the last.
        return hmac.compare_digest(*(each._text.encode("utf-8", "surrogatepass") for each in (self, other)))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def forbid_core_dumps() -> None:
    """Lower the limit of core files, so that the memory of this process stays on no disk when it crashes."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    # One byte is no core, so no file is written. It is not 0, as Linux hands cores to a program, where
    # core_pattern says so, under any limit but this one: fs/coredump.c.
    with suppress(OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (1 if hard else 0, hard))


def redact(text: str) -> str:
    """Blank out every secret known to this process, and whatever looks like a key."""
    text = re.sub(_KEY_SHAPE, HIDDEN, _redact_known(text))
    for named in (_BEHIND_ITS_NAME, _IN_ITS_VARIABLE):
        text = re.sub(named, rf"\1{HIDDEN}", text)
    return text


def redact_all(document: Any, source: str = "") -> Any:
    """Blank out every secret known to this process in a document's texts, and in the names of its members.

    Args:
        document: of mappings and lists.
        source: the JSON that it was read from, if it was; it need not be written anew then to be searched.
    """
    if not source or r"\u" in source or ("\\" in source and _known.short):
        import json

        # With few escapes, and those that a spelling has.
        source = json.dumps(document, ensure_ascii=False)
    return _redact_members(document) if _is_known_in(source) else document


def redact_lines(text: str) -> str:
    """Blank out every secret known to this process in lines that are printed; quickly, as hardly any has one.

    Escapes in them are not undone: what prints a key escapes nothing in it.
    """
    is_clean = not _may_have_run(_letters(text)) and not any(each in text for each in list(_known.short))
    return text if is_clean else "".join(map(_redact_known, text.splitlines(keepends=True)))


def is_shown_in(text: str) -> bool:
    """Whether a text has a secret in it that this process knows, or what looks like a key of Alma's."""
    return _redact_known(text) != text or bool(re.search(_KEY_SHAPE, text))


def _redact_members(document: Any) -> Any:
    match document:
        case str():
            return _redact_known(document)
        case list():
            return [_redact_members(each) for each in document]
        case dict():
            return {_redact_known(name): _redact_members(each) for name, each in document.items()}
    return document


def _redact_known(text: str) -> str:
    # The longest first, as one may be a part of another. A list, as another thread may add to the set.
    for spelling in sorted(list(_known.spellings), key=len, reverse=True):  # noqa: C414  # atomic, unlike sorted()
        text = text.replace(spelling, HIDDEN)
    parts, done = [], 0
    for begin, end in sorted(_find_runs(text)):
        if begin >= done:
            parts += [text[done:begin], HIDDEN]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _is_known_in(text: str) -> bool:
    """Whether a secret is in a text, or may be: quickly, as nearly every text has none."""
    for reading in _undo_escapes(text):
        plain = reading.replace("\0", "")
        if any(spelling in plain for spelling in list(_known.short)) or _may_have_run(_letters(plain)):
            return True
    return False


def _find_runs(text: str) -> Iterator[tuple[int, int]]:
    """Find where pieces of a secret stand in a text, in capitals, escapes, quotes, or on several lines."""
    for reading in _undo_escapes(text):
        letters = _letters(reading)
        if not _may_have_run(letters):
            continue
        found = [at for at in range(len(letters) - _RUN + 1) if letters[at : at + _RUN] in _known.runs]
        if found and len(text) > _LONGEST:
            yield 0, len(text)
        elif found:
            places = [place.span() for place in re.finditer(r"[0-9A-Za-z]\0*", reading)]
            yield from ((places[at][0], places[at + _RUN - 1][1]) for at in found)


def _may_have_run(letters: bytes) -> bool:
    if len(letters) < _RUN:
        return False
    # As whole numbers, which is the quickest way.
    return not _known.blocks.isdisjoint(memoryview(letters[: len(letters) // _BLOCK * _BLOCK]).cast("Q"))


def _undo_escapes(text: str) -> Iterator[str]:
    """Yield a text as it is, then with its escapes undone, as often as it has any; its length stays."""
    yield text
    for _ in range(_DEEPEST):
        if not _has_escapes(text):
            return
        text = re.sub(_ESCAPE, _undo_escape, text)
        yield text


def _has_escapes(text: str) -> bool:
    """Whether a text has escapes, or may have; to ask ``re.search`` would take ten times as long."""
    for mark, rest in _ESCAPES.items():
        if text.count(mark) > _MANY:
            return True
        escape, at = re.compile(rest), text.find(mark)
        while at >= 0:
            if escape.match(text, at + 1):
                return True
            at = text.find(mark, at + 1)
    return False


def _undo_escape(escape: re.Match[str]) -> str:
    spelled = escape[0].replace("\0", "")
    if spelled[0] == "&":
        import html

        read = html.unescape(spelled)
    elif spelled[0] == "\\" and len(spelled) == 2:
        read = " "
    else:
        read = chr(int(spelled.lstrip("%\\ux"), 16))
    return read.ljust(len(escape[0]), "\0") if len(read) < len(spelled) else escape[0]


def _letters(text: str) -> bytes:
    """Return the ASCII letters and digits of a text, in small letters."""
    return text.encode("ascii", "ignore").translate(_FOLDED, _MARKS)


def _pieces(text: bytes, length: int) -> Iterator[bytes]:
    return (text[at : at + length] for at in range(len(text) - length + 1))


def _list_forms(text: str) -> Iterator[bytes]:
    """List what is left of a secret in a text that has it: as it is, its own escapes undone, packed."""
    import binascii

    raw = text.encode("utf-8", "surrogatepass")
    yield from map(_letters, _undo_escapes(text))
    yield raw.hex().encode()
    for offset in range(3):
        packed = binascii.b2a_base64(bytes(offset) + raw)
        # Without the characters that depend on what stands before and behind.
        yield _letters(packed[-(-offset * 4 // 3) : (offset + len(raw)) * 8 // 6].decode())


def _spellings(text: str) -> set[str]:
    """List the ways in which a text may stand in a message: as it is, in quotes, in JSON, in an address.

    Nothing here writes base64 but what goes into the headers for a proxy, which are not shown.
    """
    if re.fullmatch(r"[\w.~-]+", text, re.ASCII):
        return {text}
    from urllib.parse import quote

    escaped = text.replace("\\", "\\\\")
    in_quotes = {escaped.replace(mark, f"\\{mark}") for mark in "'\""}
    in_address = {quote(text, safe, errors="replace") for safe in ("/", "")}
    return {text, escaped, *in_quotes, *in_address}
