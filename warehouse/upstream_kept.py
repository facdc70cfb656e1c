"""Replies kept for as long as their own headers allow, per credentials.  RFC 9111, from a private cache's point of view.

Nothing is kept that says ``no-store``.  What has gone stale but has an ETag is asked for again on the condition that it
has changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_OWN_BYTES = 2_048  # of a call and its place in the table


@dataclass(frozen=True, slots=True)
class Kept:
    data: Any
    etag: str
    fresh_until: float
    size_bytes: int


class KeptReplies:
    """Bounded in bytes; what no one asked for the longest makes room.  ``now`` tells seconds that only rise."""

    def __init__(self, budget_bytes: int, now: Callable[[], float]) -> None:
        self._budget_bytes = budget_bytes
        self._now = now
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.size_bytes = 0

    def fresh(self, key: Hashable) -> Kept | None:
        """What may be told without asking."""
        kept = self._find(key)
        return kept if kept is not None and self._now() < kept.fresh_until else None

    def etag(self, key: Hashable) -> str:
        """What to ask with, so that an unchanged answer need not be sent; empty when there is none."""
        kept = self._find(key)
        return kept.etag if kept is not None else ""

    def keep(self, key: Hashable, headers: Mapping[str, str], data: Any, body_bytes: int) -> None:
        """Keep a reply's data, if its headers allow that and give a reason to."""
        self._drop(key)
        lifetime_s, etag = lifetime_of(headers), headers.get("etag", "")
        size_bytes = _OWN_BYTES + 10 * body_bytes  # values take several times their text
        if lifetime_s is None or not (lifetime_s or etag) or size_bytes > self._budget_bytes:
            return
        self._kept[key] = Kept(data, etag, self._now() + lifetime_s, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._budget_bytes:
            self._drop(next(iter(self._kept)))

    def renewed(self, key: Hashable, headers: Mapping[str, str]) -> Kept | None:
        """What the reply "not modified" is about, fresh again; None when it has made room meanwhile."""
        kept = self._find(key)
        if kept is None:
            return None
        self._kept[key] = replace(kept, fresh_until=self._now() + (lifetime_of(headers) or 0.0))
        return kept

    def _find(self, key: Hashable) -> Kept | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _drop(self, key: Hashable) -> None:
        if (dropped := self._kept.pop(key, None)) is not None:
            self.size_bytes -= dropped.size_bytes


def lifetime_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply stays fresh; 0 when it must be asked for each time, None when it must not be kept."""
    directives = dict(_directive(word) for word in headers.get("cache-control", "").split(",") if word.strip())
    if "no-store" in directives or headers.get("vary", "").strip() == "*":
        return None
    if "no-cache" in directives:
        return 0.0
    return max(0.0, _seconds(directives.get("max-age", "")) - _seconds(headers.get("age", "")))


def _directive(word: str) -> tuple[str, str]:
    name, _, value = word.strip().partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _seconds(text: str) -> float:
    return float(text) if text.strip().isdecimal() and len(text) < 10 else 0.0
