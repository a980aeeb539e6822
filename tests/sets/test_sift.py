"""Ids that are refused are found by asking for fewer at a time, with no more calls than allowed."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from almajob.sets.sift import sift


@given(
    refused=st.lists(st.booleans(), min_size=1, max_size=70),
    most=st.integers(-3, 200),
)
@example(refused=[True], most=0)
@example(refused=[True] * 64, most=200)
def test_each_id_is_taken_refused_or_left(refused: list[bool], most: int) -> None:
    """Each once; refused are only those that are, and with enough calls all of them."""
    ids = [str(number) for number in range(len(refused))]
    bad = [each for each, is_bad in zip(ids, refused, strict=True) if is_bad]
    taken: list[str] = []
    calls = 0

    def take(piece: Sequence[str]) -> bool:
        nonlocal calls
        calls += 1
        if not set(bad).isdisjoint(piece):
            return False
        taken.extend(piece)
        return True

    sifted = sift(ids, take, most)
    assert sorted([*taken, *sifted.refused, *sifted.left], key=int) == ids
    assert sifted.calls == calls <= max(most, 1)
    assert sifted.refused == [each for each in bad if each in sifted.refused]
    if most >= 2 * len(ids):
        assert (sifted.refused, sifted.left) == (bad, [])


def test_one_in_a_thousand_is_found_by_a_few_calls() -> None:
    """Twice for each halving, at most."""
    ids = [str(number) for number in range(1000)]
    sifted = sift(ids, lambda piece: "617" not in piece, 500)
    assert sifted.refused == ["617"]
    assert sifted.calls <= 1 + 2 * 10
