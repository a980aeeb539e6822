"""What a plugin keeps: its own, whole, and nobody else's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from almajob.errors import Refused
from almajob.store.plugin_store import PluginStore


@pytest.fixture
def store(tmp_path: Path) -> PluginStore:
    return PluginStore(tmp_path / "plugins", "almajob-Good_One")


def test_values_come_back_as_they_were(store: PluginStore, tmp_path: Path) -> None:
    """Whatever JSON can hold, also in another process's eyes."""
    values = {"a": 1, "b:c": ["x", None, True], "é\n": {"deep": {"er": 1.5}}, "": ""}
    for key, value in values.items():
        store.set(key, value)
    store.close()
    again = PluginStore(tmp_path / "plugins", "almajob_good.one")
    assert {key: again.get(key) for key in again.keys()} == values  # noqa: SIM118  # it is no dict
    again.delete("a")
    again.delete("a")
    assert (again.get("a"), again.get("a", 5)) == (None, 5)
    assert again.keys() == sorted(set(values) - {"a"})


def test_each_distribution_has_its_own(store: PluginStore, tmp_path: Path) -> None:
    """Under its name as PyPI compares names; no name leads elsewhere."""
    store.set("x", 1)
    other = PluginStore(tmp_path / "plugins", "almajob-other")
    assert other.get("x") is None
    assert sorted(path.name for path in (tmp_path / "plugins").iterdir() if path.is_dir()) == [
        *("almajob-good-one", "almajob-other"),
    ]
    assert PluginStore(tmp_path / "plugins", "..").path == tmp_path / "plugins" / "-"


def test_it_is_its_owners_alone(store: PluginStore) -> None:
    """0700 and 0600, under any umask."""
    before = os.umask(0)
    try:
        store.set("x", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((store.path / "cache.db").stat().st_mode) == 0o600


def test_nothing_is_made_before_it_is_used(store: PluginStore) -> None:
    """A plugin that asks for nothing leaves nothing behind."""
    store.close()
    assert not store.path.exists()


def test_what_json_cannot_hold_is_refused(store: PluginStore) -> None:
    """As Python refuses it; what was kept stays."""
    store.set("x", 1)
    with pytest.raises(TypeError):
        store.set("x", {1, 2})
    assert store.get("x") == 1


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100])
def test_a_damaged_store_is_an_error_with_a_cure(store: PluginStore, damage: bytes) -> None:
    """Never begun anew in silence: it is not a cache."""
    store.set("x", 1)
    store.close()
    (store.path / "cache.db").write_bytes(damage)
    with pytest.raises(Refused, match="cannot be used") as refused:
        store.get("x")
    assert refused.value.exit_code == 5
    assert str(store.path) in str(refused.value)


def test_many_processes_keep_their_values(store: PluginStore, tmp_path: Path) -> None:
    """Eight at once, fifty values each, and none is lost."""
    program = (
        "import sys; from pathlib import Path; from almajob.store.plugin_store import PluginStore\n"
        "store = PluginStore(Path(sys.argv[1]), 'almajob-good-one')\n"
        "for number in range(50): store.set(f'{sys.argv[2]}-{number}', number)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "plugins"), str(number)])
        for number in range(8)
    ]
    assert [process.wait(60) for process in running] == [0] * 8
    assert len(store.keys()) == 400
