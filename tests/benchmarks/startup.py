"""How long whole almajob processes take: ``python -m tests.benchmarks.startup [--rounds 30]``.

What is committed, installed as users have it, with the job lists of two institutions in the cache: the
built-in one, and ``large``, with 1,000 jobs. The fastest of some rounds is compared with that of
``python -c pass`` in the same virtual environment. The exit code is 1 where a limit is missed. Needs a
package index.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution

ROOT = Path(__file__).parents[2]
JOBS = 1000
MORE = 200

PASS = "python -c pass"
CLIFF = "python -c 'import cliff.app'"
VERSION = "almajob --version"
COMPLETION = "almajob __complete fish almajob --env large run --job User"
JSON = "almajob --env sandbox list -f json"
TABLE = "almajob --env sandbox list"
LARGE = "almajob --env large list -f json"
HELP = "almajob --help"
_JOB = "Users EXPORT using profile SIS"
PRINTED = {
    PASS: "",
    CLIFF: "",
    VERSION: "almajob ",
    COMPLETION: "User",
    JSON: _JOB,
    TABLE: _JOB,
    LARGE: _JOB,
    HELP: "Usage: almajob",
}
"""What each command prints, among other things; the figure of one that did not would mean nothing."""

Process = tuple[str, str]
"""A virtual environment, by the name of its directory, and a command in it."""
PLAIN, CROWDED = "plain", "crowded"
BASE = (PLAIN, PASS)
ROWS: tuple[tuple[Process, Process, float | None], ...] = (
    (BASE, BASE, None),
    ((PLAIN, CLIFF), BASE, None),
    ((PLAIN, VERSION), BASE, 1.3),
    ((PLAIN, COMPLETION), BASE, 3),
    ((PLAIN, JSON), BASE, 9.5),
    ((PLAIN, JSON), (PLAIN, CLIFF), 1.2),
    ((PLAIN, TABLE), BASE, 10),
    ((PLAIN, LARGE), BASE, None),
    ((PLAIN, HELP), BASE, None),
    ((CROWDED, JSON), (PLAIN, JSON), 1.1),
    ((CROWDED, TABLE), (PLAIN, TABLE), 1.1),
)
"""What is measured, what with, and how many times as long it may take."""


def _environ(home: Path) -> dict[str, str]:
    """Return what every process sees: little, so that nobody's settings are measured."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": os.environ.get("LANG", "C.UTF-8")}


def _is_for_pip(variable: str) -> bool:
    """Whether pip may need it to reach its index."""
    return variable.startswith(("PIP_", "SSL_CERT_")) or variable.lower().endswith(("_proxy", "_ca_bundle"))


def _source(work: Path) -> Path:
    """Return the project's files without what was built or installed in their midst."""
    source = work / "source"
    if (ROOT / ".git").exists() and shutil.which("git"):
        archive = work / "source.tar"
        subprocess.run(["git", "-C", ROOT, "archive", "--output", archive, "HEAD"], check=True)
        shutil.unpack_archive(archive, source, filter="data")
    else:
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
    return source


def _install(source: Path, venv: Path, home: Path) -> None:
    """Make a virtual environment with almajob in it."""
    found = {name: value for name, value in os.environ.items() if _is_for_pip(name)}
    environ = {**found, **_environ(home)}
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--compile"]
    subprocess.run([sys.executable, "-m", "venv", venv], cwd=home, env=environ, check=True)
    # The console scripts that an old pip writes import more.
    for what in (["--upgrade", "pip"], [str(source)]):
        subprocess.run([*pip, *what], cwd=home, env=environ, check=True)


def _crowd(venv: Path) -> None:
    """Put distributions beside almajob that have nothing to do with it."""
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv)}))
    for number in range(MORE):
        name = f"other{number:03}"
        main = f"{name} = {name}:main"
        files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n{'Text. ' * 300}\n",
            "RECORD": "".join(f"{name}{end},,\n" for end in (".py", "-1.0.dist-info/METADATA")),
            "entry_points.txt": f"[console_scripts]\n{main}\n\n[other.plugins]\n{main}\n",
            "top_level.txt": f"{name}\n",
        }
        directory = packages / f"{name}-1.0.dist-info"
        directory.mkdir()
        for file, text in files.items():
            (directory / file).write_text(text, "utf-8")
        (packages / f"{name}.py").write_text("def main() -> None:\n    pass\n", "utf-8")


def _configure(home: Path, **running: Simulator) -> None:
    ini = home / ".config/almajob/almajob.ini"
    ini.parent.mkdir(parents=True)
    ini.touch(0o600)
    sections = [
        f"[{name}]\nkind = sandbox\napi_key = {each.key}\nbase_url = {each.base_url}\n"
        for name, each in running.items()
    ]
    ini.write_text("".join(sections), "utf-8")


def _seconds(work: Path, process: Process) -> float:
    """Run a command once, and see that it did what it is measured for."""
    venv, command = process
    program, *arguments = shlex.split(command)
    words = [str(work / venv / "bin" / program), *arguments]
    home = work / "home"
    environ = _environ(home)
    begun = time.perf_counter()
    done = subprocess.run(
        words, cwd=home, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - begun
    if done.returncode or PRINTED[command] not in done.stdout:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}{done.stdout[:1000]}")
    return taken


def _measured(rounds: int) -> dict[Process, float]:
    """Return the seconds of each process, the fastest of some rounds."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Simulator(Institution()) as sandbox,
        Simulator(Institution(job_count=JOBS)) as large,
    ):
        work = Path(directory)
        home = work / "home"
        home.mkdir()
        source = _source(work)
        for venv in (PLAIN, CROWDED):
            _install(source, work / venv, home)
        _crowd(work / CROWDED)
        _configure(home, sandbox=sandbox, large=large)
        for process in ((PLAIN, TABLE), (CROWDED, TABLE), (PLAIN, LARGE)):
            _seconds(work, process)
        logs = [each.institution.log for each in (sandbox, large)]
        calls = [log.total for log in logs]
        assert all(calls), "the lists did not come from these simulators"
        processes = dict.fromkeys(process for process, _, _ in ROWS)
        # In turns, so that whatever else the machine does meets all of them.
        taken = [{process: _seconds(work, process) for process in processes} for _ in range(rounds)]
        assert [log.total for log in logs] == calls, "the lists did not come from the cache"
    return {process: min(each[process] for each in taken) for process in processes}


def _told(ratio: float, reference: Process) -> str:
    if reference == BASE:
        return f"{ratio:.2f}"
    if reference == (PLAIN, CLIFF):
        return f"{ratio:.2f} x `import cliff.app`"
    return f"{(ratio - 1) * 100:.1f} % more"


def _report(best: Mapping[Process, float]) -> bool:
    """Print a table in Markdown, and say whether every limit is kept."""
    missed = False
    print(f"| command | ms (minimum) | x `{PASS}` | wanted | ok? |\n|---|---:|---:|---:|---|")
    for process, reference, limit in ROWS:
        ratio = best[process] / best[reference]
        wanted = verdict = ""
        if limit is not None:
            wanted, verdict = f"<= {_told(limit, reference)}", "yes" if ratio <= limit else "no"
            missed |= ratio > limit
        name = f"`{process[1]}`" + (f", {MORE} more distributions" if process[0] == CROWDED else "")
        print(f"| {name} | {best[process] * 1000:.1f} | {_told(ratio, reference)} | {wanted} | {verdict} |")
    return not missed


def main() -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="how often each command is run (default: 30)")
    return 0 if _report(_measured(parser.parse_args().rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
