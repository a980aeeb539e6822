"""Attributes that are made on first use, once, also where several threads want the first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from almajob.system.sharing.forks import forget_in_children

if TYPE_CHECKING:
    from typing import Self

Made = TypeVar("Made")


class Making:
    """The lock under which an object makes its attributes; a child that is forked has a new one."""

    def __init__(self) -> None:
        self.forget_parent()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Begin with a free lock: a thread that makes something now does not exist in the child."""
        self.lock = threading.RLock()


class made_once(Generic[Made]):  # noqa: N801  # as property is
    """A ``cached_property`` that is made once. Its object has a ``Making`` as ``_making``.

    ``functools.cached_property`` has no lock from Python 3.12 on; before, one for all objects of a class.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Made: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        # Python looks there first, so this is not called again.
        made = instance.__dict__
        with instance._making.lock:
            if self._name not in made:
                made[self._name] = self._make(instance)
            return made[self._name]
