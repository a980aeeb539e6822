"""Real virtual environments with almajob in them, for plugins to be installed into."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import Result

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "tests" / "plugins"


class VirtualEnvironment:
    """An environment of its own, in which what is installed beside these tests can be imported too.

    Nothing is fetched from anywhere, and almajob itself is not installed a second time.

    Args:
        path: where it is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.python = path / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
        purelib = sysconfig.get_path("purelib", "venv", {"base": str(path), "platbase": str(path)})
        self.packages = Path(purelib)
        # The almajob that is tested comes before any other that may be installed.
        lines = [str(ROOT), *(f"import site; site.addsitedir({each!r})" for each in site.getsitepackages())]
        (self.packages / "beside-the-tests.pth").write_text("\n".join(lines) + "\n", "utf-8")
        self._write_program("almajob", '-m almajob "$@"')
        # No index is asked: what is needed for a build is there.
        offline = "--no-index --no-deps --no-build-isolation --no-cache-dir"
        self._write_program("pip", f'-m pip --isolated --disable-pip-version-check "$@" {offline}')

    def _write_program(self, name: str, arguments: str) -> None:
        program = self._path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{self.python}" {arguments}\n', "utf-8")
        program.chmod(0o755)

    def install(self, *sources: Path) -> None:
        """Install distributions from copies of their sources, which a build would leave its traces in."""
        with tempfile.TemporaryDirectory(dir=self._path) as copies:
            copied = [shutil.copytree(source, Path(copies, source.name)) for source in sources]
            done = self.run("pip", "install", "--quiet", *map(str, copied))
        assert done.code == 0, done.err

    def almajob(self, *argv: str, stdin: str = "") -> Result:
        """Run almajob there."""
        return self.run("almajob", *argv, stdin=stdin)

    def run(
        self, program: str, *argv: str, stdin: str = "", cwd: Path | None = None, merged: bool = False
    ) -> Result:
        """Run a program as somebody does who has activated this environment.

        Args:
            program: its name.
            argv: its arguments.
            stdin: what it reads.
            cwd: where it runs.
            merged: take stderr for stdout, as on a terminal.
        """
        done = subprocess.run(
            [program, *argv],
            env=self._variables(os.environ),
            input=stdin,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr or "")

    def start(self, program: str, *argv: str) -> subprocess.Popen[str]:
        """Start a program as ``run`` does, and go on beside it."""
        return subprocess.Popen(
            [program, *argv],
            env=self._variables(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        ours = ("PYTHON", "PYTEST_", "PIP_")
        kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
        path = f"{self._path / 'bin'}{os.pathsep}{environ['PATH']}"
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self._path)}
