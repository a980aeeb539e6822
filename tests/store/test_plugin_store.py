"""What a plugin keeps: its own, whole, and nobody else's."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from almajob.errors import Refused
from almajob.store.plugin_store import PluginStore
from almajob.system import clock as clocks


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


@pytest.mark.parametrize("owner", ["../x", "/tmp/x", "a/b", "", "x\0"])
def test_the_name_of_a_distribution_does_not_lead_elsewhere(tmp_path: Path, owner: str) -> None:
    """Its metadata may say anything."""
    with pytest.raises(ValueError, match="cannot be the name of a directory"):
        PluginStore(tmp_path / "plugins", owner)


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


def test_what_expires_is_gone_by_almajobs_clock(store: PluginStore) -> None:
    """Not a second earlier; what is set again, or without a time, stays."""
    store.set("short", 1, expire=60)
    store.set("again", 1, expire=60)
    store.set("kept", 1, expire=60)
    clocks.system().sleep(59)
    store.set("again", 2, expire=60)
    store.set("kept", 2)
    assert store.keys() == ["again", "kept", "short"]
    assert store.get("short") == 1
    clocks.system().sleep(2)
    assert (store.get("short"), store.get("short", 7)) == (None, 7)
    assert store.keys() == ["again", "kept"]
    assert store.update("short", lambda value: [value], default="none") == ["none"]


def test_what_has_expired_takes_no_room(store: PluginStore) -> None:
    """Whoever keeps a mark for each run, and never looks at it again, fills no disk."""
    for number in range(20):
        store.set(f"run {number}", "x", expire=10)
        clocks.system().sleep(11)
    store.set("last", "x", expire=10)
    with sqlite3.connect(store.path / "cache.db") as database:
        assert database.execute("SELECT count(*) FROM Cache").fetchone() == (1,)


def test_an_update_keeps_the_time_of_an_entry(store: PluginStore) -> None:
    """It is the same entry, with another value."""
    store.set("tries", 1, expire=60)
    clocks.system().sleep(40)
    assert store.update("tries", lambda value: value + 1) == 2
    clocks.system().sleep(21)
    assert store.get("tries") is None


def test_no_update_of_many_processes_is_lost(store: PluginStore, tmp_path: Path) -> None:
    """Eight at once, two hundred times each, with two threads in each."""
    program = (
        "import sys; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path\n"
        "from almajob.store.plugin_store import PluginStore\n"
        "store = PluginStore(Path(sys.argv[1]), 'almajob-good-one')\n"
        "add = lambda _number: store.update('count', lambda value: value + 1, default=0)\n"
        "with ThreadPoolExecutor(2) as pool: list(pool.map(add, range(200)))\n"
    )
    store.set("count", 0)
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "plugins")]) for _number in range(8)
    ]
    assert [process.wait(120) for process in running] == [0] * 8
    assert store.get("count") == 1600


@pytest.mark.parametrize(
    "error", [KeyError("mine"), OSError("mine"), ValueError("mine"), KeyboardInterrupt()]
)
def test_what_a_change_raises_is_the_plugins_and_leaves_the_value(
    store: PluginStore, error: BaseException
) -> None:
    """It is not told as a fault of the store; nobody waits for it afterwards."""
    store.set("x", 1)

    def fail(_value: object) -> object:
        raise error

    with pytest.raises(type(error)) as raised:
        store.update("x", fail)
    assert raised.value is error
    assert PluginStore(store.path.parent, "almajob-good-one").update("x", lambda value: value + 1) == 2


def test_each_environment_may_have_its_own(tmp_path: Path) -> None:
    """Apart from one another and from what belongs to none, whatever the environments are called."""
    names = ("", "a", "a:b", "a%3Ab", "../x")
    stores = {name: PluginStore(tmp_path / "plugins", "almajob-good", name) for name in names}
    for name, each in stores.items():
        each.set("b:key", name)
        each.set("key", name)
    for name, each in stores.items():
        assert (each.keys(), each.get("key"), each.get("b:key")) == (["b:key", "key"], name, name)
    assert {path.name for path in (tmp_path / "plugins").iterdir()} == {"README", "almajob-good"}


@pytest.mark.parametrize("key", [5, None, b"x", ("a", "b")])
def test_a_key_is_text(store: PluginStore, key: Any) -> None:
    """Nothing else is taken for one, and made text of."""
    for use in (
        store.get,
        store.delete,
        lambda each: store.set(each, 1),
        lambda each: store.update(each, str),
    ):
        with pytest.raises(TypeError, match="a key of the store is text, and not "):
            use(key)


@pytest.mark.parametrize("key", ["x" * 1001, "half a \ud800 character"])
def test_a_key_has_its_limits(store: PluginStore, key: str) -> None:
    """A fault of the plugin; the store is not to blame."""
    with pytest.raises(ValueError, match=r"1,000 characters|surrogates"):
        store.set(key, 1)


def test_a_value_has_its_limits(store: PluginStore) -> None:
    """What is too large or is no JSON keeps the old value."""
    store.set("x", 1)
    with pytest.raises(ValueError, match="16 MiB"):
        store.set("x", "x" * 2**24)
    with pytest.raises(TypeError):
        store.update("x", lambda _value: {1, 2})
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            store.set("x", 2, expire=seconds)
    assert store.get("x") == 1


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100])
def test_a_damaged_store_is_never_updated(store: PluginStore, damage: bytes) -> None:
    """The change is not even asked."""
    store.set("x", 1)
    store.close()
    (store.path / "cache.db").write_bytes(damage)
    with pytest.raises(Refused, match="cannot be used"):
        store.update("x", lambda _value: pytest.fail("it was asked"))
