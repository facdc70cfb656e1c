"""What becomes known of a request while it runs, for whoever tells of it when it has ended: logs, metrics, traces.

A context variable, like the present reader: doors write down what they know without being passed anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..resolvers.loader import Sharing

# A WebSocket may run any number of operations.
MOST_OPERATIONS = 10
MOST_NAME_LENGTH = 80


@dataclass(slots=True)
class RequestNotes:
    """Nothing in here is secret: a caller is a key's id, never a key."""

    caller: str = "-"
    operations: dict[str, None] = field(default_factory=dict)  # names of GraphQL operations, the first few
    queries: int = 0  # of a batch
    cost: Sharing = field(default_factory=Sharing)  # of all contexts that were opened
    trace_id: str = ""

    @property
    def accounts(self) -> list[str]:
        return sorted(self.cost.accounts)

    def name_operation(self, name: str | None) -> None:
        if name and len(self.operations) < MOST_OPERATIONS:
            self.operations[name[:MOST_NAME_LENGTH]] = None


_notes: ContextVar[RequestNotes | None] = ContextVar("notes", default=None)


@contextmanager
def noting() -> Iterator[RequestNotes]:
    """Everything inside, in tasks started inside too, writes into these notes."""
    notes = RequestNotes()
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def present_notes() -> RequestNotes:
    """Those of the request under way; outside of any, as in commands, a sheet that no one reads."""
    return _notes.get() or RequestNotes()
