"""The ``data`` of a query as the JSON it leaves as: spliced into whatever is answered, read only where someone looks inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson


class Encoded(Mapping[str, Any]):
    """An object of JSON, kept as its text."""

    __slots__ = ("_members", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._members: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __repr__(self) -> str:
        return repr(self._read)

    @property
    def _read(self) -> Mapping[str, Any]:
        members = self._members
        if members is None:
            members = self._members = orjson.loads(self.text)
        return members


def encode(content: Any) -> bytes:
    """The JSON of an answer; what in it is encoded already goes in as it is."""
    return orjson.dumps(content, default=_spliced)


def decoded(content: Any) -> Any:
    """An answer with nothing encoded left in it."""
    return orjson.loads(encode(content))


def _spliced(value: Any) -> orjson.Fragment:
    if isinstance(value, Encoded):
        return orjson.Fragment(value.text)
    raise TypeError
