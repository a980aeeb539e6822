"""JOB_END messages to a listener, as Alma's webhook integration sends them.

Signature, challenge, time-out and retries: https://developers.exlibrisgroup.com/alma/integrations/webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from almajob.simulator.http.host_check import is_loopback
from almajob.simulator.http.messages import to_xml
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.lifecycle import instant
from almajob.simulator.world.run import Run
from almajob.simulator.world.world import INSTITUTION, World

SECONDS = 5.0
"""A listener that takes longer has failed."""
RETRIES = (3600.0, 3 * 3600.0, 6 * 3600.0)
"""After how many seconds a message that failed is sent again; then never."""
_AT_ONCE = 8


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


def signature(secret: bytes, body: bytes) -> str:
    """Sign a message: base64 of HMAC-SHA256 over its bytes."""
    return base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()


class Webhooks:
    """Sends a message at the end of every run, once somebody listens.

    Attributes:
        hosts: listeners may be on these, besides this machine; in small letters. Whoever can call the control
            API could have any server of the network called otherwise.
    """

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
        self.hosts: set[str] = set()
        clock.watch(self.deliver_due)

    def listen(self, url: str, secret: str, form: str = "json") -> bool:
        """Send to this URL from now on, as ``json`` or ``xml``, if it answers the challenge.

        Returns:
            Whether the listener gave the challenge back; if not, nothing is sent.

        Raises:
            ValueError: it is no URL, its host may not be called, or there is no such form.
        """
        parts = urlsplit(url)
        whole = url.isascii() and url.isprintable() and " " not in url
        if (
            not whole
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or form not in ("json", "xml")
        ):
            raise ValueError("a listener has an http or https URL, and takes json or xml")
        _ = parts.port
        if not is_loopback(parts.hostname) and parts.hostname not in self.hosts:
            raise ValueError(
                f"a listener is on this machine; start the simulator with --webhook-host {parts.hostname} "
                "to send messages there"
            )
        if not _answers_challenge(url):
            return False
        with self._lock:
            self.url, self._secret, self._form = url, secret.encode(), form
            now = self._clock()
            self._seen, self._waiting = {}, []
            for name, world in self._worlds.items():
                runs = world.runs()
                self._seen[name] = len(runs)
                self._waiting += [(world, run) for run in runs if not run.has_ended(now)]
        return True

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
            # After a long step of the clock a message may be due several times.
            while due := [
                message for message in self.messages if message.due is not None and message.due <= now
            ]:
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    list(pool.map(self._send, due))

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
                self.messages.append(Message(run.id, self._body(run), run.ends))
            else:
                going_on.append((world, run))
        self._waiting = going_on

    def _body(self, run: Run) -> bytes:
        # Webhooks have links without a host.
        instance = run.instance("", self._clock())
        document: dict[str, Any] = {
            "id": run.id,
            "action": "JOB_END",
            "institution": {"value": INSTITUTION, "desc": "Simulated Library"},
            "time": instance.get("end_time", instant(self._clock())),
            "job_instance": instance,
        }
        return to_xml("webhook", document) if self._form == "xml" else json.dumps(document).encode()

    def _send(self, message: Message) -> None:
        headers = {
            "Content-Type": f"application/{self._form}",
            "X-Exl-Signature": signature(self._secret, message.body),
        }
        status, _ = _ask("POST", self.url, message.body, headers)
        message.answers.append(status)
        # 4xx is the listener's own no; all else but success is tried again.
        failed = not 200 <= status < 300 and not 400 <= status < 500
        attempts = len(message.answers)
        again = failed and attempts <= len(RETRIES) and message.due is not None
        message.due = (message.due or 0) + RETRIES[attempts - 1] if again else None


def _answers_challenge(url: str) -> bool:
    word = secrets.token_hex(8)
    separator = "&" if "?" in url else "?"
    _, answer = _ask("GET", f"{url}{separator}challenge={word}", b"", {})
    try:
        return bool(json.loads(answer)["challenge"] == word)
    except (ValueError, TypeError, KeyError):
        # Alma takes the bare word as well.
        return answer.strip() == word.encode()


def _ask(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Make one request within five seconds; no redirects, no proxies.

    Returns:
        The status and the body, or 0 and nothing where no whole answer came in time.
    """
    found: list[tuple[int, bytes]] = []

    def ask() -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        target = parts._replace(scheme="", netloc="").geturl() or "/"
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            found.append((answer.status, answer.read(65536)))
        except (OSError, http.client.HTTPException, ValueError):
            found.append((0, b""))
        finally:
            connection.close()

    # Its own time-out is one for each packet; a listener that drips would never reach it.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else (0, b"")
