"""``almajob`` and ``python -m almajob``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run almajob; the version is told before anything is imported."""
    if sys.argv[1:] == ["--version"]:
        from almajob import __version__

        print(f"almajob {__version__}")
        return 0
    try:
        from almajob.app import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
