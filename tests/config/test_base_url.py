"""Where an ini may send the key in the clear: to this machine, and to nothing that only looks like it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from almajob.config import settings
from almajob.config.settings import Options
from almajob.errors import ConfigurationError
from almajob.text.host_names import is_loopback
from tests.support.fake_alma import KEY

Write = Callable[..., Path]

HERE = [
    "http://127.0.0.1:8444",
    "http://127.255.255.254",
    "http://[::1]:8080",
    "http://[0:0:0:0:0:0:0:1]",
    "http://LOCALHOST",
    "http://127.0.0.1/..//alma.example",
    "http://127.0.0.1/@alma.example",
]
ELSEWHERE = [
    "http://alma.example",
    "HTTP://alma.example",
    "http://localhost.evil.example",
    "http://localhost。evil.example",
    "http://localhost.",
    "http://127.0.0.1.nip.io",
    # What else some programs take for 127.0.0.1, and others for a name.
    *("http://2130706433", "http://127.1", "http://0x7f000001", "http://0177.0.0.1", "http://0"),
    *("http://0.0.0.0", "http://[::]", "http://[::ffff:10.0.0.1]", "http://[fe80::1%25lo]"),
    *("http://127.0.0.1%2eevil.example", "http://127.0.0.1%00.evil.example", "http://127.0.0.1;evil.example"),
    # What one parser takes for the host, and another for a name and a password.
    *("http://127.0.0.1@evil.example", "http://127.0.0.1\\@evil.example", "http://127.0.0.1\\.evil.example"),
    *("http://127.0.0.1?@evil.example", "http://127.0.0.1#@evil.example", "http://user:word@127.0.0.1"),
    *("http://[::1]evil.example", "http://[::1].evil.example", "http://evil.example[::1]"),
    *("http:evil.example", "http:/127.0.0.1", "http:///127.0.0.1", "http://127.0.0.1:80:80"),
    # What is no address of a server, with TLS or without.
    *("ftp://127.0.0.1", "127.0.0.1", "http://:p@localhost", "https://[::1", "https://a..b", "https://a:b"),
]


def _base_url(write_ini: Write, url: str) -> str:
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {url}\n")
    found = settings.load(Options(env="sandbox"), os.environ).environment().base_url
    assert found is not None
    return found


@pytest.mark.parametrize("url", HERE)
def test_a_server_on_this_machine_needs_no_tls(write_ini: Write, url: str) -> None:
    """And whoever connects reads the same host in it."""
    host = urllib3.util.parse_url(_base_url(write_ini, url)).host
    assert host is not None
    assert is_loopback(host.strip("[]"))


@pytest.mark.parametrize("url", ELSEWHERE)
def test_what_is_not_certainly_this_machine_needs_tls(write_ini: Write, url: str) -> None:
    """Refused by the ini, before there is a connection; the message names no address and no password."""
    with pytest.raises(ConfigurationError, match=r"in the clear|not the address of a server") as caught:
        _base_url(write_ini, url)
    assert "line 3" in str(caught.value)
    assert "evil.example" not in str(caught.value)
    assert "word" not in str(caught.value)
