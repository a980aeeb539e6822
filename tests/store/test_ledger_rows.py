"""Rows of the ledger: whatever is not as it was written is damage, whichever way it differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from almajob.store import ledger_rows
from almajob.store.diskcache_directory import CacheDirectory
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.ledger_record import State, Step, checksum
from almajob.store.ledger_rows import NewerFormat, RowKey, checked_key, seal
from tests.store.test_ledger_record import new

RECORD = new(id="r7", trail=(Step(State.PREPARED, 2.5, "meant"),))
KEY_HASH = checksum("k")[:16]


class _Rows(dict[str, Any]):
    """What a drawer holds; with an error, what reading it raises."""

    def __init__(
        self, *found: tuple[str, Any], error: Exception | None = None, count: int | None = None
    ) -> None:
        super().__init__(found)
        self._error = error
        self._count = count

    def __iter__(self) -> Iterator[str]:
        if self._error:
            raise self._error
        return super().__iter__()

    def __len__(self) -> int:
        return super().__len__() if self._count is None else self._count

    def get(self, key: str, default: Any = None) -> Any:
        if self._error:
            raise self._error
        return super().get(key, default)


def _drawer(*found: tuple[str, Any], **more: Any) -> CacheDirectory:
    return cast(CacheDirectory, _Rows(*found, **more))


def test_the_key_of_a_row_says_what_its_record_is() -> None:
    """Format, group, milliseconds, environment, job, run key and id; as released almajobs wrote it."""
    key, other = ledger_rows.keys_of(RECORD)
    text, _, check = key.rpartition(":")
    assert text == f"1:open:0000000002500:sandbox:S1:{KEY_HASH}:r7"
    assert (len(check), other.split(":")[1]) == (8, "done")
    assert ledger_rows.row_key(key) == RowKey("open", 2500, "sandbox", "S1", KEY_HASH, "r7")
    ended = RECORD.advance(State.NOT_STARTED, 3.0, "no")
    assert ledger_rows.keys_of(ended) == (other, key)


@pytest.mark.parametrize(
    ("group", "is_open"), [("open", True), ("done", False), ("zzz", False), ("a", False)]
)
def test_only_what_is_called_open_is_open(group: str, is_open: bool) -> None:
    """By its key."""
    row = ledger_rows.row_key(checked_key(group, "1", "sandbox", "S1", "k", "r1"))
    assert row is not None
    assert row.is_open is is_open


def test_a_fact_is_no_record() -> None:
    """Whatever it is called."""
    assert ledger_rows.row_key(checked_key("fact", "place:a:b")) is None


@pytest.mark.parametrize(
    "parts", [["open"], ["open", "x", "e", "j", "k", "r"], ["open", *"1234"], ["done", *"123456"]]
)
def test_a_key_of_other_parts_is_damage(parts: list[str]) -> None:
    """Too few, too many, or no number."""
    with pytest.raises(Damaged, match="one of its keys is not as it was written"):
        ledger_rows.row_key(checked_key(*parts))


def test_all_keys_are_listed() -> None:
    """Three hundred, and none."""
    found = [checked_key("fact", str(number)) for number in range(300)]
    assert ledger_rows.keys(_drawer(*((key, 1) for key in found))) == found
    assert ledger_rows.keys(_drawer()) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_count_that_is_another_is_damage(count: int) -> None:
    """More or fewer than there are."""
    with pytest.raises(Damaged, match="rows are missing, or there twice"):
        ledger_rows.keys(_drawer((checked_key("fact", "a"), 1), count=count))


def test_a_key_that_is_there_twice_is_damage() -> None:
    """SQLite keeps that from happening, as long as its index is whole."""
    key = checked_key("fact", "a")
    twice: Any = [key, key]
    with pytest.raises(Damaged, match="there twice"):
        ledger_rows.keys(twice)


@pytest.mark.parametrize("check", ["00000000", "ffffffff", ""])
def test_a_key_with_another_check_is_damage(check: str) -> None:
    """Whether it is less or more; and nobody takes it for a newer format."""
    with pytest.raises(Damaged, match="one of its keys") as caught:
        ledger_rows.keys(_drawer((f"1:fact:a:{check}", 1)))
    assert not isinstance(caught.value, NewerFormat)


def test_a_key_of_another_format_is_that_of_a_newer_almajob(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its check is right."""
    monkeypatch.setattr(ledger_rows, "FORMAT", 2)
    key = checked_key("fact", "a")
    monkeypatch.undo()
    with pytest.raises(NewerFormat):
        ledger_rows.keys(_drawer((key, 1)))


@pytest.mark.parametrize("error", [UnsafeEntry("x"), TypeError(), ValueError(), AttributeError(), KeyError()])
def test_what_cannot_be_listed_is_damage(error: Exception) -> None:
    """Whatever diskcache falls over."""
    with pytest.raises(Damaged, match="it cannot be listed"):
        ledger_rows.keys(_drawer(error=error))


def test_a_value_is_read_as_it_was_sealed() -> None:
    """Under its own key."""
    key = checked_key("fact", "a")
    assert ledger_rows.unseal(_drawer((key, seal(key, {"x": 1}))), key) == {"x": 1}
    assert ledger_rows.unseal(_drawer((key, seal(key, None))), key) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        ["value"],
        {},
        {"value": 1},
        {"value": 1, "sum": "0" * 64},
        {"value": 1, "sum": "f" * 64},
        seal(checked_key("fact", "b"), 1),
        {**seal(checked_key("fact", "a"), 1), "value": 2},
    ],
)
def test_a_value_that_is_not_as_it_was_sealed_is_damage(value: Any) -> None:
    """Another value, another check, or that of another key."""
    key = checked_key("fact", "a")
    with pytest.raises(Damaged, match="a record is not as it was written"):
        ledger_rows.unseal(_drawer((key, value)), key)


def test_a_record_is_found_whether_it_is_open_or_not() -> None:
    """And is none where it is not there, or nothing that was one."""
    key, other = ledger_rows.keys_of(RECORD)
    ended = RECORD.advance(State.NOT_STARTED, 3.0, "no")
    assert ledger_rows.find_record(_drawer(), RECORD) is None
    assert ledger_rows.find_record(_drawer((key, seal(key, RECORD.to_json()))), ended) == RECORD
    assert ledger_rows.find_record(_drawer((other, seal(other, ended.to_json()))), RECORD) == ended
    with pytest.raises(Damaged, match="a record cannot be read: it is no record"):
        ledger_rows.read(_drawer((key, seal(key, {}))), key)
