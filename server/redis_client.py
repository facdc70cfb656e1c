"""A client of a Redis-compatible store that no request waits for long.  Needs the extra ``fanin[redis]``."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..catalog.errors import BadRequest


def open_client(url: str, variable: str, timeout_s: float) -> Any:
    """A client for an address such as ``redis://host:6379/0``, named by a variable.  Nothing is connected yet.

    A connection that went stale is replaced once, at once; the client's own waits between attempts would be longer than
    a request may take.  Raises ``BadRequest``.
    """
    try:
        return redis.asyncio.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 1)
        )
    except ValueError:  # its words may hold the password
        raise BadRequest(f"{variable} is no address such as redis://host:6379/0") from None
