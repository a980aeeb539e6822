"""A file is there completely, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from almajob.system.atomic_write import AlreadyThere, new_file


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory."""
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_where_something_goes_wrong_nothing_is_left(place: Path, error: type[BaseException]) -> None:
    """What was there before stays."""
    path = place / "out"
    path.write_text("mine")
    with pytest.raises(error), new_file(path, overwrite=True) as file:
        file.write(b"half")
        raise error
    assert path.read_text() == "mine"
    assert list(place.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_what_appeared_meanwhile_is_not_replaced(
    place: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Whether or not the file system has hard links."""
    path = place / "out"

    def no_links(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(AlreadyThere), new_file(path) as file:
        file.write(b"all")
        path.write_text("mine")
    assert path.read_text() == "mine"
    assert list(place.iterdir()) == [path]
    path.unlink()
    with new_file(path) as file:
        file.write(b"all")
    assert path.read_bytes() == b"all"


def test_what_is_no_file_is_never_replaced(place: Path) -> None:
    """A directory, a pipe, a link: even where a file might be."""
    (place / "directory").mkdir()
    os.mkfifo(place / "pipe")
    (place / "target").write_text("mine")
    (place / "link").symlink_to("target")
    for name in ("directory", "pipe", "link"):
        with pytest.raises(OSError, match=r"directory|is a link or a device"):
            new_file(place / name, overwrite=True).__enter__()
    assert (place / "target").read_text() == "mine"
    assert len(list(place.iterdir())) == 4
