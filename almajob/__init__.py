"""almajob lists, runs and follows the jobs of Ex Libris Alma, from a command line and from cron."""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from almajob.cli.connect import connect as connect
    from almajob.cli.console.log_setup import redact_logs as redact_logs
else:
    _HOME_OF = {"connect": "almajob.cli.connect", "redact_logs": "almajob.cli.console.log_setup"}

    def __getattr__(name: str) -> object:
        """Import what is asked for (PEP 562): the command line uses neither."""
        if name not in _HOME_OF:
            raise AttributeError(f"almajob has no {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOME_OF[name]), name)

    def __dir__() -> list[str]:
        """List these names too, for help() and completion at a prompt."""
        return [*globals(), *_HOME_OF]
