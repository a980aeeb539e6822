"""What the tests of plugins share: a place to install them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on sys.path into which distributions are installed."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return path
