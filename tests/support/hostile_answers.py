"""Answers to one read that no Alma gives, and the exit code of the command that gets them.

0 is for what can be read for all its oddity, 6 for what is no answer of Alma's, 4 for what says that it is an
error.
"""

from __future__ import annotations

import gzip
import zlib

PAGE = b'{"job": [{"id": "M1", "name": "a"}], "total_record_count": 1}'
_HEAD = b"HTTP/1.1 200 OK\r\n"


def _reply(body: bytes = PAGE, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def _only(header: bytes) -> bytes:
    """Make an answer without any other header."""
    return _HEAD + header + b"\r\n\r\n" + PAGE


def _chunks(rest: bytes) -> bytes:
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest


def _job(members: bytes) -> bytes:
    return _reply(b'{"job": [{' + members + b'}], "total_record_count": 1}')


def _packed(body: bytes, encoding: bytes) -> bytes:
    return _reply(body, b"Content-Encoding: " + encoding)


def _laughing() -> bytes:
    """A document of a thousand bytes whose entities stand for a billion."""
    entities = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    return b'<!DOCTYPE jobs [<!ENTITY a0 "ha">' + entities + b"]><jobs><job><id>&a9;</id></job></jobs>"


_CHUNK = b"%x\r\n%s\r\n" % (len(PAGE), PAGE)
_DEEP = 100_000
_MANY = 100_000
_MEGABYTE = b"x" * 2**20

ANSWERS: dict[str, tuple[int, bytes]] = {
    # The status line.
    "nothing": (6, b""),
    "HTTP 0.9": (6, PAGE),
    "HTTP 3.7": (6, b"HTTP/3.7 200 OK\r\n\r\n" + PAGE),
    "HTTP 2": (6, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
    "HTTP 2 preface": (6, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an alert of TLS": (6, b"\x15\x03\x01\x00\x02\x02\x46"),
    "status 099": (6, _reply(status=b"099 Odd")),
    "status 999": (6, _reply(b"{}", status=b"999 Odd")),
    "status 2000": (6, _reply(status=b"2000 OK")),
    "status -200": (6, _reply(status=b"-200 OK")),
    "status abc": (6, _reply(status=b"abc")),
    "status in superscript": (6, _reply(status="²00 OK".encode())),
    "a reason of 1 MB": (6, _reply(status=b"200 " + _MEGABYTE)),
    "204": (6, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": (6, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "101": (6, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
    "1,000 times 100": (0, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + _reply()),
    # Headers.
    "100,000 headers": (6, _HEAD + b"X: y\r\n" * _MANY + b"\r\n" + PAGE),
    "a header of 1 MB": (6, _only(b"X: " + _MEGABYTE)),
    "a name of 1 MB": (6, _only(_MEGABYTE + b": x")),
    "a header without a colon": (0, _only(b"nonsense")),
    "control characters in a header": (0, _only(b"X: \x00\x1b[2J\xff")),
    "headers that nobody can read": (
        0,
        _reply(
            PAGE,
            b"Date: Sun, 99 Foo 99999 99:99:99 GMT",
            b"Retry-After: " + b"9" * 5000,
            b"X-Exl-Api-Remaining: " + b"9" * 5000,
            b"Set-Cookie: " + b"a=b; " * 10_000,
        ),
    ),
    # Where the body ends.
    "too long": (6, _only(b"Content-Length: 1000")),
    "far too long": (6, _only(b"Content-Length: 99999999999999999999")),
    "too short": (6, _only(b"Content-Length: 5")),
    "two lengths": (6, _only(b"Content-Length: 61\r\nContent-Length: 5")),
    "a negative length": (0, _only(b"Content-Length: -1")),
    "a length of 5,000 digits": (0, _only(b"Content-Length: " + b"9" * 5000)),
    "a length that is none": (0, _only("Content-Length: ²".encode())),
    "chunks without a size": (6, _chunks(b"zz\r\n{}\r\n0\r\n\r\n")),
    "a negative chunk": (6, _chunks(b"-2\r\n{}\r\n0\r\n\r\n")),
    "a huge chunk": (6, _chunks(b"FFFFFFFFFFFFFFFFFFFF\r\n{}")),
    "no last chunk": (6, _chunks(_CHUNK)),
    "an extension of 1 MB": (6, _chunks(b"2;" + _MEGABYTE + b"\r\n{}\r\n0\r\n\r\n")),
    "100,000 trailers": (0, _chunks(_CHUNK + b"0\r\n" + b"X: y\r\n" * _MANY + b"\r\n")),
    # How it is packed.
    "gzip that is none": (6, _packed(PAGE, b"gzip")),
    "gzip that breaks off": (6, _packed(gzip.compress(PAGE)[:-12], b"gzip")),
    "deflate that is none": (6, _packed(b"\xff" * 9, b"deflate")),
    "gzip in gzip six times over": (
        6,
        _packed(gzip.compress(gzip.compress(PAGE)), b", ".join([b"gzip"] * 6)),
    ),
    "1,000 encodings": (6, _packed(PAGE, b", ".join([b"gzip"] * 1000))),
    "50,000 members of gzip": (6, _packed(gzip.compress(b" ") * 50_000, b"gzip")),
    "a deflate bomb": (6, _packed(zlib.compress(b" " * 50_000_000), b"deflate")),
    "50 MB without a length": (6, _HEAD + b"\r\n{" + b" " * 50_000_000),
    # JSON.
    "JSON 100,000 deep": (6, _reply(b'{"a":' * _DEEP + b"1" + b"}" * _DEEP)),
    "arrays 100,000 deep": (6, _reply(b'{"a":' + b"[" * _DEEP + b"]" * _DEEP + b"}")),
    "a number of 5,000 digits": (6, _job(b'"id": ' + b"9" * 5000)),
    "a count of 5,000 digits": (0, _reply(b'{"job": [], "total_record_count": "' + b"9" * 5000 + b'"}')),
    "an infinite count": (0, _reply(b'{"job": [], "total_record_count": 1e999}')),
    "a count of a trillion": (0, _reply(PAGE[:-1] + b"000000000000}")),
    "a negative count": (0, _reply(PAGE[:-2] + b"-1}")),
    "numbers that are none": (0, _job(b'"id": NaN, "name": -Infinity')),
    "a member twice": (0, _reply(b'{"job": [], "job": [{"id": "M1"}], "total_record_count": 1}')),
    "half a surrogate pair": (0, _job(rb'"id": "M1", "name": "\ud800"')),
    "control characters": (0, _job(rb'"id": "M1", "name": "\u001b[2J\u0000\u202e"')),
    "a character's number of 5,000 digits": (0, _job(b'"id": "M1", "name": "&#' + b"9" * 5000 + b';"')),
    "bytes that are no UTF-8": (6, _job(b'"id": "M1", "name": "\xff"')),
    "UTF-16": (6, _reply(PAGE.decode().encode("utf-16"))),
    "UTF-32": (6, _reply(PAGE.decode().encode("utf-32"))),
    "a byte order mark": (0, _reply(b"\xef\xbb\xbf" + PAGE)),
    "two documents": (6, _reply(PAGE + PAGE)),
    "a zero byte at the end": (6, _reply(PAGE + b"\x00")),
    "jobs that are none": (0, _reply(b'{"job": [true, null, [[1]], {"id": {"value": {}}, "name": ["a"]}]}')),
    "an error of arrays": (4, _reply(b'{"errorsExist": true, "errorList": {"error": [[["x"]]]}}')),
    "an error of 1 MB": (
        4,
        _reply(
            b'{"errorsExist": true, "errorList": {"error": [{"errorMessage": "'
            + b"y\\n" * 350_000
            + b'"}]}}',
            status=b"400 Bad Request",
        ),
    ),
    # XML.
    "XML 100,000 deep": (6, _reply(b"<a>" * _DEEP + b"</a>" * _DEEP)),
    "a billion laughs": (6, _reply(_laughing())),
    "an entity that is a file": (
        6,
        _reply(b'<!DOCTYPE jobs [<!ENTITY x SYSTEM "file:///etc/passwd">]><jobs><id>&x;</id></jobs>'),
    ),
    "an entity of another server": (
        6,
        _reply(b'<!DOCTYPE jobs SYSTEM "http://127.0.0.1:9/x"><jobs total_record_count="0"/>'),
    ),
    "a file to be included": (
        0,
        _reply(
            b'<jobs xmlns:xi="http://www.w3.org/2001/XInclude">'
            b'<xi:include href="file:///etc/passwd" parse="text"/></jobs>'
        ),
    ),
    "an attribute twice": (6, _reply(b'<jobs a="1" a="2"/>')),
    "an encoding that there is not": (6, _reply(b'<?xml version="1.0" encoding="nonsense"?><jobs/>')),
    "XML in UTF-7": (6, _reply(b'<?xml version="1.0" encoding="utf-7"?><jobs/>')),
    "10,000 attributes": (0, _reply(b"<jobs " + b" ".join(b'a%d="1"' % n for n in range(10_000)) + b"/>")),
}

_TEN_MEGABYTES = gzip.compress(b" " * 10_000_000)

BOMBS: dict[str, bytes] = {
    "gzip, 1 GB": _packed(_TEN_MEGABYTES * 100, b"gzip"),
    "deflate, 100 MB": _packed(zlib.compress(b" " * 100_000_000, 1), b"deflate"),
    "gzip in gzip, 10 GB": _packed(gzip.compress(_TEN_MEGABYTES * 1000), b"gzip, gzip"),
    "50 MB": _reply(b" " * 50_000_000),
    "50 MB in one chunk": _chunks(b"%x\r\n" % 50_000_000 + b" " * 50_000_000 + b"\r\n0\r\n\r\n"),
    "a header of 50 MB": _only(b"X: " + b"x" * 50_000_000),
}
"""Answers that would fill the memory of whoever believes them."""
