"""almajob lists, runs and follows the jobs of Ex Libris Alma, from a command line and from cron."""

__version__ = "0.1.0"
