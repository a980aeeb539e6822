"""The README's examples work as they stand, in order, in an empty HOME, with nothing but the demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(
    r"```sh\n(.*?)```", README.read_text("utf-8").split("## Examples")[1].split("\n## ")[0], re.DOTALL
)
# They write a line of a shell's own settings.
TYPED = [block for block in BLOCKS if "almajob completion" not in block]


def _type(block: str) -> str:
    """Type lines into bash, which ends at the first that fails; return what they print."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env={**os.environ, "PATH": path, "ALMAJOB_DEMO_SECONDS": "0.5"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_examples_can_be_typed_one_after_the_other() -> None:
    """Each ends with 0, and the last ones print what they promise."""
    examples, scripts = TYPED
    assert examples.count("\nalmajob ") > 15
    assert re.search(r"^COMPLETED_SUCCESS$", _type(examples), re.MULTILINE)
    assert re.fullmatch(r"\d+\n", _type(scripts))


@pytest.mark.parametrize("block", BLOCKS)
def test_no_example_needs_an_alma(block: str) -> None:
    """All are for the demo, or for no environment."""
    assert set(re.findall(r"--env (\w+)", block)) <= {"demo"}
