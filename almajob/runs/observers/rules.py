"""The rules that every observer keeps, which ``almajob plugin check`` applies."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from almajob.entry_points import describe_api
from almajob.runs.observers.call import load_observer
from almajob.runs.observers.events import EVENTS
from almajob.runs.observers.observer import Observer

_LIKE = 0.75


def describe_observer(target: str) -> str:
    """Import an observer; return the version of the plugin API that it says it needs, empty for none.

    Args:
        target: its class, as ``module:Class``.
    """
    return describe_api(load_observer(target))


def check_observer(_name: str, target: str) -> list[str]:
    """Import an observer and return which rules it does not keep; none of its methods is called."""
    return list(find_violations(load_observer(target)))


def find_violations(observer: type[Observer]) -> Iterator[str]:
    """Return which rules an observer does not keep; none of its methods is called."""
    if not takes_one(observer):
        yield "it cannot be made with a context alone"
    wanted = [kind for kind in EVENTS if getattr(observer, kind) is not getattr(Observer, kind)]
    if not wanted:
        yield f"it has none of the methods {', '.join(EVENTS)}"
    for kind in wanted:
        method = getattr(observer, kind)
        if is_done_later(method):
            yield f"nothing of {kind} is done when it is called: it is async, or yields"
        elif not takes_one(method, None):
            yield f"{kind} cannot be called with an event alone"
    for name in vars(observer):
        near = [] if name in EVENTS else difflib.get_close_matches(name, EVENTS, 1, _LIKE)
        if near and inspect.isfunction(getattr(observer, name)):
            yield f"its method {name} is never called; did you mean {near[0]}?"


def is_done_later(method: Any) -> bool:
    """Whether a call of a method does nothing of it yet."""
    return inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method)


def takes_one(called: Any, *first: object) -> bool:
    """Whether something can be called with one argument, after those that it gets anyway."""
    try:
        inspect.signature(called).bind(*first, None)
    except (TypeError, ValueError):
        return False
    return True
