"""Find the ids that Alma refuses: it is asked for fewer and fewer at a time, as it does not name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Sifted(NamedTuple):
    """What became of ids.

    Attributes:
        refused: those that were refused one by one, in their order.
        left: those that were not asked for any more, and not taken.
        calls: how many it took.
    """

    refused: list[str]
    left: list[str]
    calls: int


def sift(ids: Sequence[str], take: Callable[[Sequence[str]], bool], most: int) -> Sifted:
    """Have ids taken, and find those that are refused.

    Args:
        take: has some taken, and returns whether they were; if one is refused, none is.
        most: the calls that it may take; the first is made in any case.
    """
    refused: list[str] = []
    left: list[str] = []
    calls, pieces = 0, [ids]
    while pieces:
        piece = pieces.pop()
        if calls and calls >= most:
            left += piece
            continue
        calls += 1
        if take(piece):
            continue
        half = len(piece) // 2
        if half:
            pieces += [piece[half:], piece[:half]]
        else:
            refused += piece
    return Sifted(refused, left, calls)
