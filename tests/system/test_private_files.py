"""What is ours is private, and what was planted at its place is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from almajob.system.private_files import (
    NotPrivate,
    make_private,
    open_own,
    refuse_open_directory,
    refuse_shared_directory,
)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_what_is_made_is_private_under_any_umask(tmp_path: Path, mask: int) -> None:
    """Each directory that was missing, and the file; its owner can use them all."""
    path = tmp_path / "one" / "two" / "file"
    with _umask(mask):
        make_private(path.parent)
        os.close(open_own(path, os.O_RDWR))
        make_private(path.parent)
    assert [_mode(each) for each in (path.parent.parent, path.parent, path)] == [0o700, 0o700, 0o600]


def test_a_file_that_was_open_is_closed_to_others(tmp_path: Path) -> None:
    """As one may be that an earlier version or another umask left."""
    path = tmp_path / "file"
    path.touch(mode=0o666)
    os.close(open_own(path, os.O_RDONLY))
    assert _mode(path) == 0o600


@pytest.mark.parametrize(
    ("mode", "mode_above", "cure"),
    [
        (0o700, 0o755, None),
        (0o755, 0o775, None),
        (0o1777, 0o755, None),
        (0o700, 0o1777, None),
        (0o777, 0o755, "chmod go-w {}/above/own"),
        (0o770, 0o755, "chmod go-w {}/above/own"),
        (0o700, 0o777, "chmod go-w {}/above"),
    ],
)
@pytest.mark.parametrize("way", ["", "by a link", "below, and missing"])
def test_a_directory_that_others_can_write_to_is_refused(
    tmp_path: Path, mode: int, mode_above: int, cure: str | None, way: str
) -> None:
    """Unless it is sticky, or is above it and only its group can; also where it is reached by a link."""
    own = named = tmp_path / "above" / "own"
    own.mkdir(parents=True)
    if way == "by a link":
        named = tmp_path / "link"
        named.symlink_to(own)
    elif way:
        named = own / "missing"
        # Then it is one of those above.
        cure = cure if mode != 0o770 else None
    own.chmod(mode)
    own.parent.chmod(mode_above)
    if cure is None:
        refuse_open_directory(named)
    else:
        with pytest.raises(NotPrivate, match=r"other users can write to the directory") as caught:
            refuse_open_directory(named)
        assert caught.value.hint == f"Type: {cure.format(tmp_path)}"


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner can do with it what he likes, whatever its mode; root may."""
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    if owner == 0:
        refuse_open_directory(tmp_path)
    else:
        with pytest.raises(NotPrivate, match="belongs to another user"):
            refuse_open_directory(tmp_path)
    with pytest.raises(NotPrivate, match="belongs to another user"):
        refuse_shared_directory(tmp_path, tmp_path.stat())
    with pytest.raises(PermissionError, match="belongs to another user"):
        open_own(tmp_path / "file", os.O_RDWR)
