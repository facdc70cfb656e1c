"""On whose behalf this request reads, and what it has cost so far.

A context variable, set by the guard in front of the doors and read by ``Engine.request`` below them: a door cannot forget
to pass it on, and a new one is guarded before it is written.  Commands beside the warehouse read everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..catalog.identity import ANYONE, Identity
from ..resolvers.loader import Sharing


@dataclass(frozen=True, slots=True)
class Reader:
    """An identity, and the sharing of every context that was opened for it."""

    identity: Identity
    opened: list[Sharing] = field(default_factory=list)

    @property
    def scans(self) -> int:
        return sum(sharing.scans for sharing in self.opened)

    @property
    def rows(self) -> int:
        return sum(sharing.rows for sharing in self.opened)


_reader: ContextVar[Reader | None] = ContextVar("reader", default=None)


@contextmanager
def reading_as(identity: Identity) -> Iterator[Reader]:
    """Every context opened inside, in tasks started inside too, sees what the identity may read."""
    reader = Reader(identity)
    token = _reader.set(reader)
    try:
        yield reader
    finally:
        _reader.reset(token)


def present_reader() -> Reader:
    return _reader.get() or Reader(ANYONE)
