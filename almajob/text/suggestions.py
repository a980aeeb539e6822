"""What somebody may have meant who wrote a name that does not exist, or half of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

_SHORTEST_PART = 3
"""Characters that a part from within a name must have: shorter ones are in nearly every name."""
_WORD = re.compile(r"[^\W_]+")
_START = r"(?<![^\W_])"
"""Where a word begins."""
_LIKE_WHOLE = 0.6
_LIKE_WORDS = 0.8


def fold(text: str) -> str:
    """Return a text without what is forgiven: case, Unicode form, and blanks at the ends."""
    if text.isascii():
        return text.casefold().strip()
    # Only those who err need it.
    import unicodedata

    # Once more, as what is folded may be composed otherwise.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def find_near(written: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Return the known names that may be meant, best first; none where none is near.

    Those that begin so come first, then those that have it within, then those that have all its words, in any
    order; and only where there are none of these, those that are like it.

    Args:
        count: how many at most; 0 for all.
    """
    wanted = fold(written)
    if not wanted:
        return []
    names = {name: fold(name) for name in known}
    rank = _make_ranking(wanted)
    ranks: dict[str, float | None] = {name: rank(each) for name, each in names.items()}
    if all(rank is None for rank in ranks.values()):
        measure = _make_likeness(wanted)
        ranks = {name: -measure(each) or None for name, each in names.items()}
    near = sorted((rank, names[name], name) for name, rank in ranks.items() if rank is not None)
    found = [name for _best_first, _by_name, name in near]
    return found[:count] if count else found


def _make_ranking(wanted: str) -> Callable[[str], int | None]:
    """Return what ranks a name by how it has what is wanted, 0 as a whole; None where it has not."""
    words = _WORD.findall(wanted)
    begins = re.compile(f"{_START}{re.escape(wanted)}").search
    words_begin = [re.compile(f"{_START}{re.escape(word)}").search for word in words]

    def rank(name: str) -> int | None:
        if wanted in name:
            if name.startswith(wanted):
                return 0 if name == wanted else 1
            if begins(name):
                return 2
            if len(wanted) >= _SHORTEST_PART:
                return 3
        if len(words) > 1 and all(word in name for word in words):
            return 4 if all(begins(name) for begins in words_begin) else None
        return None

    return rank


def _make_likeness(wanted: str) -> Callable[[str], float]:
    """Return what measures how like a name is, from 0 for not at all to 1: as a whole, or word by word."""
    import difflib

    def make_check(text: str, cutoff: float) -> Callable[[str], bool]:
        # As difflib.get_close_matches asks it; what it learns of the text, it learns once.
        matcher = difflib.SequenceMatcher(b=text)
        counts = [(character, text.count(character)) for character in dict.fromkeys(text)]

        def is_close(other: str) -> bool:
            # No more can match than the characters that both have.
            common = sum([min(count, other.count(character)) for character, count in counts])
            if 2.0 * common / (len(text) + len(other)) < cutoff:
                return False
            matcher.set_seq1(other)
            return matcher.ratio() >= cutoff

        return is_close

    is_like = make_check(wanted, _LIKE_WHOLE)
    wanted_words = _WORD.findall(wanted)
    checks = [cache(make_check(word, _LIKE_WORDS)) for word in wanted_words]
    has_words = bool(wanted_words) and all(len(word) >= _SHORTEST_PART for word in wanted_words)

    def measure(name: str) -> float:
        if is_like(name):
            return difflib.SequenceMatcher(None, wanted, name).ratio()
        if not has_words:
            return 0.0
        words = _WORD.findall(name)
        return 0.5 if all(any(map(is_close, words)) for is_close in checks) else 0.0

    return measure


def suggest(written: str, known: Iterable[str]) -> str:
    """Ask whether the known name that is nearest to what was written was meant; empty where none is near."""
    near = find_near(written, known, count=1)
    return f"Did you mean {near[0]}?" if near else ""


def make_matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a name has a text within, whatever the case; with ``*`` or ``?``, as a whole.

    ``*`` is any text and ``?`` any character; all else, brackets too, stands for itself.
    """
    wanted = fold(pattern)
    if not re.search(r"[*?]", wanted):
        return lambda name: wanted in fold(name)
    signs = {"*": ".*", "?": "."}
    whole = re.compile("".join(signs.get(sign) or re.escape(sign) for sign in wanted), re.DOTALL)
    return lambda name: whole.fullmatch(fold(name)) is not None
