"""How long a payload takes to be read or refused, and in how much memory.

Run it with ``python -m tests.benchmarks.payloads``.
Each figure is also given against reading the largest real payload, measured in the same run.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Mapping

from almajob.alma import request_body
from almajob.errors import Refused
from almajob.runs.parameters import payload_file
from tests.support.real_payloads import PAYLOADS

_ROUNDS = 15
_LARGEST = payload_file.SIZE_LIMIT
_ENTITIES = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 30))
_ONE = "<parameter><name>n{}</name><value>v</value></parameter>"


def _filled(begin: str, piece: str, end: str = "") -> bytes:
    return (begin + piece * ((_LARGEST - len(begin) - len(end)) // len(piece)) + end).encode()


def cases() -> Mapping[str, bytes]:
    """Return what is read: a real payload, and what somebody would send who means harm."""
    many = "".join(_ONE.format(number) for number in range(17_000))
    attributes = " ".join(f"a{number}=''" for number in range(90_000))
    names = ",\n".join(f'"p{number}": "v"' for number in range(4_999))
    return {
        "M18, 171 parameters, XML": request_body.to_xml(PAYLOADS["M18"]).encode(),
        "M18, JSON": request_body.to_plain_json(PAYLOADS["M18"]).encode(),
        "5,000 parameters, the last null": f'{{{names},\n"x": null}}'.encode(),
        "5,000 parameters, a bad end": f"<job><parameters>{many[:260_000]}".encode(),
        "17,000 parameters, 1 MiB": f"<job><parameters>{many}</parameters></job>".encode(),
        "90,000 attributes": f"<job {attributes[:1_000_000]}/>".encode(),
        "elements side by side, 1 MiB": _filled("<job>", "<id/>"),
        "numbers, 1 MiB": _filled("[", "1,", "1]"),
        "lists side by side, 1 MiB": _filled("[", "[],", "1]"),
        "a name of 1 MiB above": b"x" * 900_000 + b"\n<job>",
        "a billion laughs": f'<!DOCTYPE job [<!ENTITY e0 "ha">{_ENTITIES}]><job>&e29;</job>'.encode(),
        "1 MiB before a DOCTYPE": _filled("<!--", " ", "--><!DOCTYPE x>"),
        "a DOCTYPE in UTF-16": "<!DOCTYPE x><job/>".encode("utf-16"),
        "an element in another, 1 MiB": _filled("<job>", "<a>"),
        "attributes, 1 MiB": _filled("<job ", "".join(f"a{number}='' " for number in range(9)), "/>"),
        "a list in another, 1 MiB": _filled("[", "["),
        "an object of 1 MiB, cut off": _filled("{", '"aaaaaaa":"b",'),
        "one text of 1 MiB": _filled('{"a": "', "x", '"}'),
        "line breaks, 1 MiB": _filled("", "\n"),
        "more than 1 MiB": b"<" * (_LARGEST + 1),
    }


def measured(raw: bytes) -> tuple[str, float, float]:
    """Read one.

    Returns:
        What came of it, the seconds of the fastest of some rounds, and the MiB at most.
    """
    tracemalloc.start()
    outcome = _outcome(raw)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return outcome, min(_timed(lambda: _outcome(raw)) for _ in range(_ROUNDS)), peak


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _outcome(raw: bytes) -> str:
    try:
        payload_file.parse(raw, "x")
    except Refused:
        return "refused"
    return "read"


def main() -> None:
    """Print a line for each."""
    real = 0.0
    print(f"{'payload':34} {'outcome':8} {'ms':>8} {'x real':>8} {'MiB':>6}")
    for name, raw in cases().items():
        outcome, seconds, peak = measured(raw)
        real = real or seconds
        print(f"{name:34} {outcome:8} {seconds * 1000:8.2f} {seconds / real:8.1f} {peak:6.1f}")


if __name__ == "__main__":
    main()
