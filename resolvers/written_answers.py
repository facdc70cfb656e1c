"""Answers as bytes, for a store outside of the process: every value comes back as it was, or nothing does.

JSON, compressed where that saves.  JSON knows no money and no dates, so whatever is no plain value is a list that begins
with a word for what it is; rows that have the same columns are written by column.  What was damaged, cut short, or
written for another question is refused by its digest, before any of it is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import orjson

from ..catalog.accounts import Account
from ..catalog.endpoints import ENDPOINTS
from ..catalog.query import Interval, StatsQuery
from .figures import Answer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = 1  # of what is written here; another form is another key
MAX_WRITTEN_BYTES = 1_000_000  # compressed; larger answers are asked anew
MAX_READ_BYTES = 32_000_000
COMPRESSED_FROM = 1_024  # bytes
DIGEST_BYTES = 16

_PLAIN = (str, int, float, bool, type(None))
_AS_IT_IS, _COMPRESSED = b"j", b"z"


class Unreadable(ValueError):
    """The bytes are no answer to this question."""


def key_of(query: StatsQuery, account: Account) -> bytes:
    """The same for equal questions about an account as it is, in every process of this version.

    Raises ``TypeError`` for a text that cannot be written.
    """
    told = orjson.dumps((query, account), option=orjson.OPT_SORT_KEYS)
    return f"fanin:answers:{_edition()}:{blake2b(told, digest_size=20).hexdigest()}".encode()


@cache
def _edition() -> str:
    """Changes with the version, with what reports there are, and with how answers are written."""
    tables = orjson.dumps((version("fanin"), FORM, ENDPOINTS), option=orjson.OPT_SORT_KEYS)
    return blake2b(tables, digest_size=6).hexdigest()


def write(key: bytes, answer: Answer) -> bytes | None:
    """The answer as it is stored under that key; None when it is too large.  Raises ``TypeError`` for no known value."""
    plain = orjson.dumps(_written(answer))
    compressed = zstd.compress(plain, 1) if len(plain) >= COMPRESSED_FROM else plain
    body = _COMPRESSED + compressed if len(compressed) < len(plain) else _AS_IT_IS + plain
    return None if len(body) > MAX_WRITTEN_BYTES else _digest(key, body) + body


def read(key: bytes, stored: bytes) -> Answer:
    """The answer that was written under that key.  Raises ``Unreadable``."""
    digest, body = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if len(stored) > DIGEST_BYTES + MAX_WRITTEN_BYTES or digest != _digest(key, body):
        raise Unreadable
    try:
        answer = _revived(orjson.loads(_decompressed(body[1:]) if body[:1] == _COMPRESSED else body[1:]))
    except (ArithmeticError, LookupError, TypeError, ValueError, zstd.ZstdError):
        raise Unreadable from None
    if not isinstance(answer, dict):
        raise Unreadable
    return answer


def _digest(key: bytes, body: bytes) -> bytes:
    return blake2b(body, key=blake2b(key, digest_size=32).digest(), digest_size=DIGEST_BYTES).digest()


def _decompressed(data: bytes) -> bytes:
    return zstd.ZstdDecompressor().decompress(data, max_length=MAX_READ_BYTES)


# --- values -------------------------------------------------------------------------------------------------------


def _written(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return ["dict", {name: _written(part) for name, part in value.items()}]
    if kind is list:
        return _written_list(value)
    if kind in _WRITTEN:
        word, text = _WRITTEN[kind]
        return [word, text(value)]
    raise TypeError(f"no way to write {kind.__name__}")


def _written_list(values: list[Any]) -> list[Any]:
    names = list(values[0]) if values and type(values[0]) is dict else None
    if names is None or not all(type(row) is dict and list(row) == names for row in values):
        return _column(values)
    return ["rows", names, [_column([row[name] for row in values]) for name in names], len(values)]


def _column(values: list[Any]) -> list[Any]:
    """Values of one kind are written without a word for each."""
    kinds = set(map(type, values))
    if kinds.issubset(_PLAIN):
        return ["plain", values]
    if len(kinds) == 1 and (kind := kinds.pop()) in _WRITTEN:
        word, text = _WRITTEN[kind]
        return [f"{word}s", [text(value) for value in values]]
    return ["list", [_written(value) for value in values]]


_WRITTEN: dict[type, tuple[str, Callable[[Any], Any]]] = {
    Decimal: ("decimal", str),
    date: ("date", date.isoformat),
    Interval: ("interval", str),
}


def _revived(value: Any) -> Any:
    if type(value) is not list:
        return value
    word, *parts = value
    return _REVIVED[word](*parts)


def _revived_rows(names: list[str], columns: list[Any], height: int) -> list[Answer]:
    revived = zip(*map(_revived, columns), strict=True) if names else ((),) * height
    return [dict(zip(names, values, strict=True)) for values in revived]


_REVIVED: Mapping[str, Callable[..., Any]] = {
    "dict": lambda parts: {name: _revived(part) for name, part in parts.items()},
    "list": lambda parts: [_revived(part) for part in parts],
    "rows": _revived_rows,
    "plain": lambda values: values,
    "decimal": Decimal,
    "decimals": lambda values: [Decimal(value) for value in values],
    "date": date.fromisoformat,
    "dates": lambda values: [date.fromisoformat(value) for value in values],
    "interval": Interval,
    "intervals": lambda values: [Interval(value) for value in values],
}
