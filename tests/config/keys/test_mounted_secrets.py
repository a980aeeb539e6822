"""Keys in files that a container platform mounts: root's, and for a group of the process to read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.config import ini_reader
from almajob.config.environments import Access, Environment
from almajob.config.ini_reader import Setting
from almajob.config.keys import api_keys
from almajob.errors import ConfigurationError
from almajob.system.private_files import is_root_only
from tests.support.fake_alma import KEY
from tests.support.other_users import GROUP, UID, as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files as root does")

Mounted = Callable[..., Path]


@pytest.fixture
def volume() -> Iterator[Path]:
    """A directory that all can reach, and only root can change."""
    directory = Path(tempfile.mkdtemp(prefix="almajob-secret-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def mounted(volume: Path) -> Mounted:
    """Mount a secret as Kubernetes does: links, in a sticky directory, that lead into another one."""

    def mount(mode: int, text: str = f"{KEY}\n", *, group: int = GROUP) -> Path:
        volume.chmod(0o1777)
        data = volume / "..2026_01_01"
        data.mkdir(0o755)
        (volume / "..data").symlink_to(data.name)
        (data / "key").write_text(text, "utf-8")
        os.chown(data / "key", 0, group)
        (data / "key").chmod(mode)
        link = volume / "key"
        link.symlink_to("..data/key")
        return link

    return mount


def read_key(path: Path) -> str:
    given = Setting(str(path), "almajob.ini, line 1")
    environment = Access(Environment("lab", "sandbox"), api_key_file=given)
    return f"found {len(api_keys.find(environment, {}).reveal())}"


FOUND = f"found {len(KEY)}"


@pytest.mark.parametrize("mode", [0o440, 0o444, 0o640, 0o644])
@pytest.mark.parametrize(("group", "groups"), [(GROUP, ()), (1, (GROUP,))], ids=["own", "another of its own"])
def test_a_mounted_secret_is_read(mounted: Mounted, mode: int, group: int, groups: tuple[int, ...]) -> None:
    """Its mode cannot be changed from there, and only root can change what is in it."""
    path = mounted(mode)
    assert as_user(lambda: read_key(path), group=group, groups=groups) == FOUND


def test_an_ini_with_a_key_may_be_mounted_so(mounted: Mounted) -> None:
    """As the key file."""
    path = mounted(0o440, f"[lab]\nkind = sandbox\nregion = na\napi_key = {KEY}\n")
    assert as_user(lambda: ini_reader.read(path, "--ini-file").sections["lab"]["region"].text) == "na"


def test_a_secret_for_others_is_refused_with_the_ways_that_work(mounted: Mounted) -> None:
    """A chmod is not offered, which that user could not do; each way that is named is one."""
    path = mounted(0o444)
    told = as_user(lambda: read_key(path), group=1)
    assert "can be read or changed by other users of this machine (mode 0444)" in told
    assert "chmod" not in told
    assert f"api_key_command = cat {path}" in told
    assert "ALMAJOB_API_KEY_LAB" in told
    # There such a file would be refused, too.
    assert "CREDENTIALS_DIRECTORY" not in told
    assert len(told.splitlines()) <= 6

    def find_by_command() -> str:
        given = Setting(f"cat {path}", "almajob.ini, line 1")
        environment = Access(Environment("lab", "sandbox"), api_key_command=given)
        return f"found {len(api_keys.find(environment, {}).reveal())}"

    assert as_user(find_by_command, group=1) == FOUND


def test_a_secret_of_a_list_of_users_is_told_of_the_credentials_directory(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its group is none of the process's; the system lets it in by a list, as systemd does."""
    path = mounted(0o440)
    found = os.stat(path)
    monkeypatch.setattr("os.geteuid", lambda: UID)
    monkeypatch.setattr("os.getegid", lambda: 1)
    monkeypatch.setattr("os.getgroups", lambda: [1])
    with pytest.raises(ConfigurationError, match="mode 0440") as caught:
        ini_reader.refuse_open_file(path, found, holds_key=True)
    assert "CREDENTIALS_DIRECTORY with a file almajob_<ENV>" in caught.value.hint


def _give_away(path: Path, _volume: Path) -> None:
    os.chown(path, UID + 1, -1)


def _let_group_write(path: Path, _volume: Path) -> None:
    path.chmod(0o460)


def _open_directory(path: Path, _volume: Path) -> None:
    path.resolve().parent.chmod(0o777)


def _give_directory_away(path: Path, _volume: Path) -> None:
    os.chown(path.resolve().parent, UID + 1, -1)


def _give_link_away(path: Path, _volume: Path) -> None:
    os.chown(path, UID + 1, -1, follow_symlinks=False)


def _open_volume(_path: Path, volume: Path) -> None:
    volume.chmod(0o777)


def _go_round(path: Path, volume: Path) -> None:
    path.unlink()
    path.symlink_to("again")
    (volume / "again").symlink_to("key")


CHANGES = (
    *(_give_away, _let_group_write, _open_directory, _give_directory_away, _give_link_away, _open_volume),
    _go_round,
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_user_can_change_is_refused(
    mounted: Mounted, volume: Path, change: Callable[[Path, Path], None]
) -> None:
    """The file, a link on the way, or a directory."""
    path = mounted(0o440)
    assert is_root_only(path)
    change(path, volume)
    assert not is_root_only(path)
    assert as_user(lambda: read_key(path)) != FOUND


def test_a_path_may_lead_up_and_down(mounted: Mounted, volume: Path) -> None:
    """Only where it leads counts, and what it passes."""
    path = mounted(0o440)
    (volume / "up").symlink_to(f"{volume}//./..data/../key")
    assert is_root_only(volume / "up")
    assert is_root_only(f"{volume}/../{volume.name}/key")
    assert not is_root_only(volume / "missing")
    assert not is_root_only(path / "below")


def test_root_is_told_to_change_the_mode(mounted: Mounted) -> None:
    """Where it can: the file is its own, on a disk that can be written to."""
    path = mounted(0o444)
    with pytest.raises(ConfigurationError, match="mode 0444") as caught:
        read_key(path)
    assert caught.value.hint == f"Type: chmod 600 {path}"


def test_root_reads_a_secret_that_it_cannot_change(mounted: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a container that runs as root: such volumes are read-only."""
    path = mounted(0o444, group=os.getegid())

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr("os.statvfs", lambda _path: ReadOnly)
    assert read_key(path) == FOUND
