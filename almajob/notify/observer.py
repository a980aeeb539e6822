"""almajob's own notifications: an observer like any other, which sends what the configuration file wants."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from almajob.config.paths import own_inis
from almajob.config.settings import Settings
from almajob.errors import AlmajobError, Unreachable, name_error, one_line
from almajob.notify.notification import Notification, classify, make_notification
from almajob.notify.notifier import SendFailed
from almajob.notify.targets import Target, find_names, read_target
from almajob.runs.observers.events import Event, Late, RunEnded, StartRecorded, StartUnknown
from almajob.runs.observers.observer import Observer, RetryLater
from almajob.store.plugin_store import PluginStore
from almajob.system import key_variables
from almajob.text.redaction import redact

_KEPT_SECONDS = 3 * 86400.0

# By names, why nothing can be sent there at the moment: this process, which soon ends, tries it no more.
_down: dict[str, str] = {}


class Notifications(Observer):
    """Notify whoever the configuration file names of starts, ends, and what is unknown or late."""

    time_limit = 240.0

    def start_recorded(self, event: StartRecorded) -> None:
        self._notify(event)

    def start_unknown(self, event: StartUnknown) -> None:
        self._notify(event)

    def run_ended(self, event: RunEnded) -> None:
        self._notify(event)

    def late(self, event: Late) -> None:
        self._notify(event)

    def _notify(self, event: Event) -> None:
        """Send what is to be sent of an event, each to everybody at once.

        Raises:
            RetryLater: some of it could not be sent. What was is remembered.
        """
        settings, kind = self.context.settings, classify(event)
        failures: dict[str, str] = {}
        targets: list[Target] = []
        for name in find_names(settings, event):
            try:
                target = read_target(settings, name, key_variables.environ())
            except AlmajobError as error:
                failures[name] = describe_failure(error)
                continue
            if kind in target.on:
                targets.append(target)
        # Where it is for one alone, the ledger remembers.
        receipts = Receipts(self.context.store, event.id) if len(targets) + len(failures) > 1 else None
        unsent = [target for target in targets if receipts is None or target.name not in receipts.sent]
        if unsent:
            failures |= _send_all(unsent, make_notification(event, name_ini_file(settings)), receipts)
        if failures:
            raise RetryLater("; ".join(f"[notify:{name}] {why}" for name, why in failures.items()))
        if receipts is not None:
            receipts.remove()


class Receipts:
    """Who has got a notification already, where others have not.

    Where none can be kept, one that got it gets it once more when another is tried again.

    Args:
        event: its id.
    """

    def __init__(self, store: PluginStore, event: str) -> None:
        self._store = store
        self._key = f"sent:{event}"
        self._turn = threading.Lock()
        self.sent: list[str] = []
        with contextlib.suppress(AlmajobError):
            self.sent = store.get(self._key, [])

    def add(self, name: str) -> None:
        """Keep that somebody has got it."""
        with self._turn, contextlib.suppress(AlmajobError):
            self.sent = [*self.sent, name]
            self._store.set(self._key, self.sent, expire=_KEPT_SECONDS)

    def remove(self) -> None:
        """Forget them, as everybody has got it."""
        with contextlib.suppress(AlmajobError):
            if self.sent:
                self._store.delete(self._key)


def _send_all(
    targets: Sequence[Target], notification: Notification, receipts: Receipts | None
) -> dict[str, str]:
    """Send a notification to several at once; return the names of those that could not get it, and why."""

    def send(target: Target) -> str:
        if target.name in _down:
            return _down[target.name]
        try:
            target.make().send(notification)
        # Whatever a notifier of another distribution raises.
        except Exception as error:  # noqa: BLE001
            why = describe_failure(error)
            if isinstance(error, SendFailed) and error.is_down:
                _down[target.name] = why
            return why
        if receipts is not None:
            receipts.add(target.name)
        return ""

    with ThreadPoolExecutor(len(targets)) as threads:
        found = dict(zip((each.name for each in targets), threads.map(send, targets), strict=True))
    return {name: why for name, why in found.items() if why}


def describe_failure(error: Exception) -> str:
    """Return why something could not be sent, on one line, without a secret."""
    if isinstance(error, AlmajobError):
        return one_line(f"{error.message} {error.reason}".strip())
    return one_line(redact(str(error))) if isinstance(error, SendFailed) else name_error(error)


@contextlib.contextmanager
def explain_unsent(what: str, name: str, hint: str) -> Iterator[None]:
    """Turn whatever a notifier raises, also one of another distribution, into an error for people.

    Args:
        what: that is sent: ``The sample``.
        name: of the section that says where to.

    Raises:
        AlmajobError: it could not be sent.
    """
    try:
        yield
    except AlmajobError:
        raise
    except Exception as error:  # noqa: BLE001  # a notifier may raise anything
        raise Unreachable(
            f"{what} could not be sent to {name}.", reason=f"{describe_failure(error)}.", hint=hint
        ) from None


def name_ini_file(settings: Settings) -> str:
    """Return the configuration file as a command must name it; empty where it is found without that."""
    if settings.ini is None:
        return ""
    path = str(settings.ini.path.absolute())
    own = own_inis(key_variables.environ())
    return "" if any(os.path.abspath(each) == path for each in own) else path  # noqa: PTH100
