"""Ends the process of a task by SIGKILL: before or after a numbered durable write, or around the POST."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from typing import Any

from almajob.alma.http.session import Session
from almajob.runs.evidence import match_instance, unknown_outcome
from almajob.runs.start import recover
from almajob.store.ledger.ledger import Ledger
from tests.airflow.dags import resumable

SHORT = 12.0
"""How long a start must be missing until it counts as not made, instead of an hour, in seconds."""
_WRITES = ("write", "keep_fact", "amend")


def shorten_doubts() -> None:
    """Let an hour of doubt go by in seconds."""
    looks = (0.5, 1.0, 2.0)
    match_instance.LOOKS = recover.LOOKS = looks  # type: ignore[assignment,attr-defined]
    for module in (match_instance, recover, unknown_outcome):
        module.ABSENT_FOR_GOOD = SHORT  # type: ignore[attr-defined]


def be_mortal(context: Any) -> None:
    """Let a task die once where its DAG run says, such as ``write 3 before`` or ``post after``.

    Each try is on another host: its state directory is empty.
    """
    os.environ["ALMAJOB_STATE_DIR"] = tempfile.mkdtemp(prefix="host-", dir=os.environ["AIRFLOW_HOME"])
    conf = context["dag_run"].conf or {}
    death = _Death(conf.get("dies_at", ""), conf.get("note", ""))
    if not death.where or os.path.exists(death.note):
        return
    if context["ti"].dag_id == "resumable":
        from airflow.sdk.execution_time.context import TaskStateStoreAccessor

        death.wrap("write", TaskStateStoreAccessor, "set")
        death.wrap("post", resumable, "post")
        return
    for name in _WRITES:
        death.wrap("write", Ledger, name)
    true: Any = Session._send

    def send(self: Session, method: str, *args: Any, before_sending: Any = None, **kwargs: Any) -> Any:
        if method != "POST":
            return true(self, method, *args, before_sending=before_sending, **kwargs)

        def before() -> None:
            before_sending()
            # That it is being sent is on disk; not a byte has left.
            death.reach("post", "before")

        found = true(self, method, *args, before_sending=before, **kwargs)
        death.reach("post", "after")
        return found

    setattr(Session, "_send", send)  # noqa: B010  # mypy would not have it otherwise


class _Death:
    """The death of a process, at a place that is reached for the time wanted.

    Args:
        where: what is done, which time, and before or after it.
        note: the path of a file that is there from then on.
    """

    def __init__(self, where: str, note: str) -> None:
        self.where = where
        self.note = note
        self._seen: dict[tuple[str, str], int] = {}

    def reach(self, what: str, when: str) -> None:
        """Die, if this is the place and the time."""
        number = self._seen[what, when] = self._seen.get((what, when), 0) + 1
        if self.where in {f"{what} {number} {when}", f"{what} {when}"}:
            with open(self.note, "x") as file:
                file.write(self.where)
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, what: str, owner: Any, name: str) -> None:
        """Die perhaps before or after a function."""
        true: Callable[..., Any] = getattr(owner, name)

        def act(*args: Any, **kwargs: Any) -> Any:
            self.reach(what, "before")
            found = true(*args, **kwargs)
            self.reach(what, "after")
            return found

        setattr(owner, name, act)
