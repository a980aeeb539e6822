"""Memory does not grow with a file of ids, nor with the members among which ids are sought."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.thoroughness import IN_CI

FEW, MANY = 1000, 1_000_000 if IN_CI else 60_000
MOST = 1.4
"""How much of the memory for few ids many may take: the caches of two temporary files fill at first."""
_READ = """
import sys
from types import SimpleNamespace
from almajob.errors import Refused
from almajob.sets.id_file import read_ids
from almajob.sets.making import MadeSet, list_rejected

try:
    with read_ids(sys.argv[1]) as ids:
        # Every hundredth is not in the set.
        members = ({"id": each} for chunk in ids.chunks() for each in chunk if not each.endswith("00"))
        alma = SimpleNamespace(pages=lambda *_: members)
        found = list_rejected(ids, MadeSet("1", "a", 0), SimpleNamespace(alma=alma))
        print(ids.count, ids.lines, sum(len(list(chunk)) for chunk in ids.chunks()), sum(1 for _ in found))
except Refused as refused:
    print(refused.message)
# Unlike ru_maxrss, this does not count what the process was before its exec.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def _read(path: Path) -> tuple[str, int]:
    """Read a file in a process of its own; return what it said, and the most memory that it had."""
    ended = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True
    )
    said, most = ended.stdout.splitlines()
    return said, int(most)


def _write(path: Path, count: int) -> Path:
    with path.open("w") as file:
        file.writelines(f"{10**12 + number}\n" for number in range(count))
    return path


def test_many_ids_take_the_memory_of_few(tmp_path: Path) -> None:
    """All are read, sent in thousands, and sought among as many members."""
    said, few = _read(_write(tmp_path / "few.txt", FEW))
    assert said == f"{FEW} {FEW} {FEW} {FEW // 100}"
    said, many = _read(_write(tmp_path / "many.txt", MANY))
    assert said == f"{MANY} {MANY} {MANY} {MANY // 100}"
    assert many < MOST * few


def test_a_file_of_two_gigabytes_that_has_no_line(tmp_path: Path) -> None:
    """It is refused by its first bytes, and takes no memory."""
    _said, few = _read(_write(tmp_path / "few.txt", FEW))
    holes = _write(tmp_path / "holes.txt", 2)
    with holes.open("r+b") as file:
        file.truncate(2 * 1024**3)
    said, most = _read(holes)
    # Whoever looks through what a test has left would read all of it.
    holes.unlink()
    assert said == f"{holes}, line 3 has more than 10,000 bytes; nothing was sent."
    assert most < MOST * few
