"""Reading a JSON body strictly, and telling its values in a message.  Batch rules 1.1 and 1.2.

Strict means: UTF-8, no NaN or Infinity, no number a double cannot hold, no half surrogate pair, at most
``DEEPEST`` levels, and a key written twice in one object is found instead of silently winning.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

from ..catalog.errors import BadRequest

DEEPEST = 64  # levels; a plan needs five, and orjson writes no more than 254
LONGEST_EXCERPT = 64  # characters of a caller's text that a message repeats; a whole query id fits

Path = tuple[str, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[^\s"\[\]{},:]+')
_ESCAPE = re.compile(r"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(?P<half>\\u[dD][89a-fA-F]\w\w)|\\.")


@dataclass(frozen=True, slots=True)
class ParsedJson:
    value: Any
    repeated_keys: tuple[Path, ...]  # ("queries", "2", "params", "period")


def parse_json(body: bytes) -> ParsedJson:
    """The value of a body.  Raises ``BadRequest``, which says where, when the body is no JSON."""
    text = _decoded(body)
    reading = _Reading()
    try:
        value = json.loads(
            text,
            object_pairs_hook=reading.members,
            parse_constant=_refuse_number,
            parse_int=_number(int),
            parse_float=_number(float),
        )
    except json.JSONDecodeError as error:
        raise _no_json(error.msg.removesuffix(" at"), text, error.pos) from None
    except _UnusableNumber as error:
        raise _no_json(
            f"{shortened(error.literal)} is no usable number", text, _position(error.literal, text)
        ) from None
    except RecursionError:
        raise _too_deep() from None
    _refuse_half_pairs(text)
    _refuse_depth(value)
    return ParsedJson(value, tuple(reading.repeated_paths(value)))


def excerpt(value: Any) -> str:
    """A JSON value as a message tells it: short, on one line, containers by their kind only."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(shortened(value))
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return shortened(str(value))


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_EXCERPT else text[: LONGEST_EXCERPT - 1] + "…"


def _decoded(body: bytes) -> str:
    body = body.removeprefix(codecs.BOM_UTF8)  # RFC 8259 §8.1 lets a reader ignore it
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        readable = body[: error.start].decode()
        raise _no_json(f"Byte 0x{body[error.start]:02x} is no UTF-8", readable, len(readable)) from None


def _no_json(what: str, text: str, position: int) -> BadRequest:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return BadRequest(f"The body is no JSON: {what} at line {line}, column {column}")


def _too_deep() -> BadRequest:
    return BadRequest(f"The body is nested more than {DEEPEST} levels deep")


class _UnusableNumber(Exception):
    def __init__(self, literal: str) -> None:
        super().__init__(literal)
        self.literal = literal


def _refuse_number(literal: str) -> NoReturn:
    raise _UnusableNumber(literal)


def _number(read: Callable[[str], int | float]) -> Callable[[str], int | float]:
    """Reads what a double can hold.  Asked first, so ``int`` never meets its limit of digits."""

    def number(literal: str) -> int | float:
        return read(literal) if math.isfinite(float(literal)) else _refuse_number(literal)

    return number


def _position(literal: str, text: str) -> int:
    """Where the first number written like this stands; what looks like it inside a string does not count."""
    return next((token.start() for token in _TOKEN.finditer(text) if token.group().startswith(literal)), 0)


class _Reading:
    """Remembers which objects repeat a key; where they stand is known only once the whole is read."""

    def __init__(self) -> None:
        self._repeating: list[tuple[dict[str, Any], list[str]]] = []

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            times = Counter(key for key, _ in pairs)
            self._repeating.append((members, [key for key in members if times[key] > 1]))
        return members

    def repeated_paths(self, value: Any) -> Iterator[Path]:
        if not self._repeating:
            return
        keys_of = {id(members): keys for members, keys in self._repeating}
        for path, container in _containers(value):
            yield from ((*path, shortened(key)) for key in keys_of.get(id(container), ()))


def _containers(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every object and list with its path, in the order of the text."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, container = waiting.pop()
        yield path, container
        named = container.items() if isinstance(container, dict) else enumerate(container)
        inner = [((*path, shortened(str(name))), child) for name, child in named if isinstance(child, dict | list)]
        waiting.extend(reversed(inner))


def _refuse_half_pairs(text: str) -> None:
    """A lone ``\\ud800`` is a string no UTF-8 answer could repeat."""
    for escape in _ESCAPE.finditer(text):
        if escape["half"]:
            raise _no_json(f"{escape['half']} is half a surrogate pair", text, escape.start())


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [child for child in chain.from_iterable(map(_children, level)) if isinstance(child, dict | list)]
        if not level:
            return
    raise _too_deep()


def _children(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()
