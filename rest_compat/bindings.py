"""Values between queries as a request writes them: ``{"from": "top", "path": "/data/0/utm_source"}``.  Batch rule 5.2.

A binding stands where a parameter's value would stand, or where one of several values would.  ``path`` is a JSON
Pointer (RFC 6901) into the ``data`` of the query it is taken ``from``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MEMBERS = ("from", "path")

Pointer = tuple[str, ...]
Written = tuple[str, int | None, dict[str, Any]]  # the parameter, the place in its list, the object as written

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Binding:
    """A value of ``parameter`` that is taken from the ``data`` of the query ``source``."""

    parameter: str
    place: int | None  # in the parameter's list; None: the binding is all there is
    source: str
    path: str

    @property
    def field(self) -> str:
        """Where it stands inside ``params``."""
        return field_of(self.parameter, self.place)

    @property
    def pointer(self) -> Pointer:
        return pointer_of(self.path)


def field_of(parameter: str, place: int | None) -> str:
    return parameter if place is None else f"{parameter}.{place}"


def is_binding(value: Any) -> bool:
    """Whether an object is meant as one: with neither member it is only a value no query string can carry."""
    return isinstance(value, dict) and any(name in value for name in MEMBERS)


def written_bindings(params: Mapping[str, Any]) -> Iterator[Written]:
    """What is meant as a binding, well written or not, in the order of the text."""
    for parameter, value in params.items():
        if is_binding(value):
            yield parameter, None, value
        elif isinstance(value, list):
            yield from ((parameter, place, item) for place, item in enumerate(value) if is_binding(item))


def bindings_of(params: Mapping[str, Any]) -> tuple[Binding, ...]:
    """The bindings of a query whose structure has been found right."""
    return tuple(
        Binding(parameter, place, value["from"], value["path"]) for parameter, place, value in written_bindings(params)
    )


def is_pointer(text: str) -> bool:
    return _POINTER.fullmatch(text) is not None


def pointer_of(path: str) -> Pointer:
    """The steps of a JSON Pointer; ``~1`` stands for a slash and ``~0`` for a tilde.  RFC 6901 §4."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:])


def index_of(step: str) -> int | None:
    """The place in a list that a step names, None where it names none."""
    return int(step) if _INDEX.fullmatch(step) else None


def value_at(data: Any, pointer: Pointer) -> Any:
    """What lies at the pointer.  Raises ``LookupError`` where nothing does."""
    for step in pointer:
        data = _child(data, step)
    return data


def _child(data: Any, step: str) -> Any:
    if isinstance(data, Mapping):
        return data[step]
    if isinstance(data, list) and (index := index_of(step)) is not None:
        return data[index]
    raise LookupError(step)
