"""``almajob`` and ``python -m almajob``."""

from __future__ import annotations

import sys

from almajob import __version__, stdout


def main() -> int:
    """Run almajob; the version is told before cliff is imported."""
    stdout.ready()
    if sys.argv[1:] == ["--version"]:
        return stdout.finish(0, f"almajob {__version__}\n")
    try:
        from almajob.app import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
