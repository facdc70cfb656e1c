"""Entity tags of GETs that were answered before: from the same vantage the same question still has the same answer."""

from __future__ import annotations

from collections.abc import Hashable

from ..schema.engine import Engine
from ..schema.remembered import Remembered
from ..schema.vantages import Vantage
from .operations import Operation, question_of

MOST_BYTES = 2_000_000
_PER_TAG = 1_024

Told = tuple[Hashable, str, Vantage]  # what was asked, the type it was answered in, and from where it was looked at


class ToldTags:
    """Those of a process."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._tags: Remembered[Told, str] = Remembered(most_bytes)

    def find(self, operation: Operation, media_type: str, engine: Engine) -> str | None:
        """The tag of what would be answered now, where that is known.  Raises ``WarehouseUnavailable``."""
        if not engine.answers_hold:
            return None
        return self._tags.find((question_of(operation), media_type, engine.vantage))

    def keep(self, operation: Operation, media_type: str, vantage: Vantage, tag: str) -> None:
        weight = _PER_TAG + len(operation.document) + len(str(operation.variables))
        self._tags.keep((question_of(operation), media_type, vantage), tag, weight)
