"""What the tests of completion share: a line to complete, and jobs that are in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from almajob.alma.models import Job
from almajob.completion.protocol import answer
from almajob.jobs.kept_jobs import to_parts
from almajob.store.cache import Cache

Complete = Callable[..., list[str]]
Keep = Callable[..., Path]


def _nothing_is_installed(_ini_file: str) -> dict[str, object]:
    return {"options": [], "general": [], "commands": {}}


@pytest.fixture
def complete() -> Complete:
    """Complete the last of some words, and give the candidates, or ``FILES``."""

    def completed(*words: str) -> list[str]:
        kind, *lines = answer("fish", ["almajob", *words], _nothing_is_installed).splitlines()
        if kind == "files":
            assert lines == []
            return ["FILES"]
        assert kind == "words"
        return [line.partition("\t")[0] for line in lines]

    return completed


@pytest.fixture
def keep() -> Keep:
    """Put the jobs of an environment into the cache, M1, M2 and so on; gives their cache directory."""

    def kept(environment: str, names: Iterable[str], directory: Path | None = None) -> Path:
        directory = directory or Path.home() / ".cache" / "almajob"
        cache = Cache(directory)
        jobs = [Job(f"M{number}", name) for number, name in enumerate(names, start=1)]
        cache.put_list(f"jobs.{environment}", "jobs:some-alma:::", to_parts(jobs))
        cache.close()
        return directory / f".cache.jobs.{environment}"

    return kept
