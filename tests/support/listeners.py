"""Webhook listeners as real processes, and messages as Alma sends them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SECRET = "a-secret-of-the-webhook-Canary_47"
"""With which messages are signed; never written anywhere but into an ini."""
_PATIENCE = 60.0


class Listener:
    """A listener that runs.

    Attributes:
        port: on which it listens.
        told: the lines that it has written to stderr.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            self.told.append(line)
            if found := re.search(r"Listening on http://127\.0\.0\.1:(\d+)/", line):
                break
        else:
            raise AssertionError(self.told)
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.told.extend(self.process.stderr)

    def ask(
        self, method: str, path: str = "/", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Make a request of its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def send(self, body: bytes, signature: str | None = None) -> int:
        """Send a message, signed with the secret if not given otherwise, and return the status."""
        return self.ask("POST", body=body, headers=sign(body) if signature is None else _header(signature))[0]

    @property
    def pending(self) -> int:
        """How many messages are not decided yet."""
        return int(json.loads(self.ask("GET", "/healthz")[1])["messages_pending"])

    def end(self) -> tuple[int, str]:
        """End it as systemd does; return its exit code and all that it has written."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        return code, "".join(self.told)


@contextmanager
def serve(*options: str, environ: Mapping[str, str] | None = None) -> Iterator[Listener]:
    """Run ``almajob webhook serve`` on a free port, for the length of a block."""
    words = ("--env", "sandbox", "webhook", "serve", "--listen", "127.0.0.1:0", *options)
    process = subprocess.Popen(
        [sys.executable, "-m", "almajob", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    try:
        yield Listener(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(_PATIENCE)


def _header(signature: str) -> dict[str, str]:
    return {"X-Exl-Signature": signature, "Content-Type": "application/json"}


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a message."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return _header(base64.b64encode(digest).decode())


def make_message(instance_id: str, status: str = "COMPLETED_SUCCESS", **more: Any) -> bytes:
    """Make a message of the end of a run."""
    instance = {"id": instance_id, "status": {"value": status}, "job_info": {"id": "S1", "name": "A job"}}
    return json.dumps({"id": instance_id, "action": "JOB_END", "job_instance": instance, **more}).encode()


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait until something is so, which other processes do."""
    end = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def write_listener_ini(path: Path, base_url: str, key: str = "simulator-sandbox-key") -> Path:
    """Write an ini for a listener's environment."""
    path.touch(0o600)
    path.write_text(
        f"[sandbox]\napi_key = {key}\nbase_url = {base_url}\nwebhook_secret = {SECRET}\n", "utf-8"
    )
    return path
