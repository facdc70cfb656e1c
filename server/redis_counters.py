"""Opening a Redis-compatible store for counters.  Needs the extra ``fanin[redis]``; only ``entrance.py`` imports it."""

from __future__ import annotations

from ..catalog.plans import WINDOW_S
from .counters import RedisCounters
from .redis_client import open_client

TIMEOUT_S = 0.25  # a request waits no longer to be counted


def open_redis(url: str, *, fails_closed: bool = False) -> RedisCounters:
    """Counters at an address such as ``redis://host:6379/0``.  Nothing is connected yet.  Raises ``BadRequest``."""
    return RedisCounters(open_client(url, "FANIN_RATE_LIMIT_STORE", TIMEOUT_S), WINDOW_S, fails_closed=fails_closed)
