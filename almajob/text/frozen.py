"""Frozen values with named fields, for classes that nearly every command needs."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class _FrozenType(type):
    """Make a slot of each annotated name of a class, and remember the defaults."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _FrozenType:
        own = [
            field
            for field, kind in namespace.get("__annotations__", {}).items()
            if not str(kind).startswith("ClassVar")
        ]
        inherited = [field for base in bases for field in getattr(base, "_fields", ())]
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        for base in bases:
            defaults = {**getattr(base, "_defaults", {}), **defaults}
        fields = {"_fields": (*inherited, *own), "_defaults": defaults, "__slots__": tuple(own)}
        return super().__new__(cls, name, bases, {**namespace, **fields})


class Frozen(metaclass=_FrozenType):
    """A value whose fields are set once: what a frozen dataclass is, at a tenth of its time to define.

    It compares by type and fields, and is no tuple: it cannot be iterated, or equal a text.
    """

    _fields: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, Any]]

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._fields, values, strict=False))
        found = {**self._defaults, **given, **named}
        missing = [field for field in self._fields if field not in found]
        if (
            missing
            or len(values) > len(self._fields)
            or len(found) > len(self._fields)
            or given.keys() & named
        ):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}, each once")
        for field, value in found.items():
            object.__setattr__(self, field, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def replace(self, **changes: Any) -> Self:
        """Return another value that differs in the fields named.

        Raises:
            TypeError: there is no such field.
        """
        return type(self)(**{**dict(zip(self._fields, self._values(), strict=True)), **changes})

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({fields})"

    def __getstate__(self) -> dict[str, Any]:
        return dict(zip(self._fields, self._values(), strict=True))

    def __setstate__(self, state: dict[str, Any]) -> None:
        for field, value in state.items():
            object.__setattr__(self, field, value)
