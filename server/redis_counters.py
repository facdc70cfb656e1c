"""Opening a Redis-compatible store for counters.  Needs the extra ``fanin[redis]``; only ``entrance.py`` imports it."""

from __future__ import annotations

import redis.asyncio

from ..catalog.errors import BadRequest
from ..catalog.plans import WINDOW_S
from .counters import RedisCounters

TIMEOUT_S = 0.25  # a request waits no longer to be counted


def open_redis(url: str) -> RedisCounters:
    """Counters at an address such as ``redis://host:6379/0``.  Nothing is connected yet.  Raises ``BadRequest``."""
    try:
        client = redis.asyncio.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError:  # its words may hold the password
        raise BadRequest("FANIN_RATE_LIMIT_STORE is no address such as redis://host:6379/0") from None
    return RedisCounters(client, WINDOW_S)
