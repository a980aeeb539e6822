"""JOB_END messages to a listener, as Alma's webhook integration sends them.

Signature, challenge, time-out and retries: https://developers.exlibrisgroup.com/alma/integrations/webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from almajob.simulator.clock import Clock
from almajob.simulator.lifecycle import instant
from almajob.simulator.wire import to_xml
from almajob.simulator.world import INSTITUTION, Run, World

SECONDS = 5.0
"""A listener that takes longer has failed."""
RETRIES = (3600.0, 3 * 3600.0, 6 * 3600.0)
"""After how many seconds a message that failed is sent again; then never."""


@dataclass(slots=True)
class Message:
    """One message and what became of it.

    Attributes:
        due: when it is sent next, seconds since the epoch; None when that is over.
        answers: the HTTP status of each attempt; 0 for none within five seconds.
    """

    run_id: str
    body: bytes
    due: float | None
    answers: list[int] = field(default_factory=list)


class Webhooks:
    """Sends a message at the end of every run, once somebody listens."""

    def __init__(self, worlds: Mapping[str, World], clock: Clock) -> None:
        self._worlds = worlds
        self._clock = clock
        self._lock = threading.RLock()
        self.url = ""
        self._secret = b""
        self._form = "json"
        self._seen: dict[str, int] = {}
        self._waiting: list[tuple[World, Run]] = []
        self.messages: list[Message] = []
        clock.watch(self.deliver_due)

    def listen(self, url: str, secret: str, form: str = "json") -> bool:
        """Send to this URL from now on, if it answers the challenge.

        Args:
            url: http or https.
            secret: for the signatures.
            form: json or xml.

        Returns:
            Whether the listener gave the challenge back.

        Raises:
            ValueError: it is no URL, or there is no such form.
        """
        if urllib.parse.urlsplit(url).scheme not in ("http", "https") or form not in ("json", "xml"):
            raise ValueError("a listener has an http or https URL, and takes json or xml")
        with self._lock:
            self.url, self._secret, self._form = url, secret.encode(), form
            self._seen = {name: len(world.runs()) for name, world in self._worlds.items()}
            self._waiting.clear()
        return self._challenge()

    def forget(self) -> None:
        """Send nothing any more."""
        with self._lock:
            self.url = ""
            self._waiting.clear()
            self.messages.clear()

    def deliver_due(self) -> None:
        """Send what is due: first messages of runs that have ended, and those that are to be sent again."""
        if not self.url:
            return
        with self._lock:
            self._notice_ends()
            now = self._clock()
            for message in self.messages:
                if message.due is not None and message.due <= now:
                    self._send(message)

    def _notice_ends(self) -> None:
        now = self._clock()
        for name, world in self._worlds.items():
            runs = world.runs()
            self._waiting.extend((world, run) for run in runs[self._seen.get(name, 0) :])
            self._seen[name] = len(runs)
        going_on = []
        for world, waiting in self._waiting:
            run = world.run(waiting.id) or waiting
            if run.has_ended(now):
                self.messages.append(Message(run.id, self._body(world, run), now))
            else:
                going_on.append((world, run))
        self._waiting = going_on

    def _body(self, world: World, run: Run) -> bytes:
        # Webhooks have links without a host.
        instance = world.instance(run, "")
        document: dict[str, Any] = {
            "id": run.id,
            "action": "JOB_END",
            "institution": {"value": INSTITUTION, "desc": "Simulated Library"},
            "time": instance.get("end_time", instant(self._clock())),
            "job_instance": instance,
        }
        return to_xml("webhook", document) if self._form == "xml" else json.dumps(document).encode()

    def _send(self, message: Message) -> None:
        signature = base64.b64encode(hmac.new(self._secret, message.body, hashlib.sha256).digest()).decode()
        headers = {"Content-Type": f"application/{self._form}", "X-Exl-Signature": signature}
        status, _ = self._ask(urllib.request.Request(self.url, message.body, headers, method="POST"))  # noqa: S310
        message.answers.append(status)
        # 4xx is the listener's own no; all else but success is tried again.
        failed = not 200 <= status < 300 and not 400 <= status < 500
        attempts = len(message.answers)
        again = failed and attempts <= len(RETRIES)
        message.due = self._clock() + RETRIES[attempts - 1] if again else None

    def _challenge(self) -> bool:
        word = secrets.token_hex(8)
        separator = "&" if "?" in self.url else "?"
        _, answer = self._ask(urllib.request.Request(f"{self.url}{separator}challenge={word}"))  # noqa: S310
        try:
            return bool(json.loads(answer)["challenge"] == word)
        except (ValueError, TypeError, KeyError):
            # Alma takes the bare word as well.
            return answer.strip() == word.encode()

    @staticmethod
    def _ask(request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read(65536)
        except urllib.error.HTTPError as error:
            return error.code, b""
        except OSError:
            return 0, b""
