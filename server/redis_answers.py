"""Answers in a Redis-compatible store.  Needs the extra ``fanin[redis]``; only ``answer_stores.py`` imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..resolvers.shared_answers import FIND_WITHIN_S, SharedAnswers
from .redis_client import open_client

FORGOTTEN_AFTER_S = 6 * 3_600  # an answer outlives its data version by no more


@dataclass(frozen=True, slots=True)
class RedisAnswers:
    """One round trip for all keys of a tick.  The store forgets by itself."""

    client: Any  # redis.asyncio.Redis, whose own types are looser than none

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return await self.client.mget(keys)

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value, ex=FORGOTTEN_AFTER_S)
            await pipeline.execute()

    async def close(self) -> None:
        await self.client.aclose()


def open_redis_answers(url: str) -> SharedAnswers:
    """Answers at an address such as ``redis://host:6379/0``.  Nothing is connected yet.  Raises ``BadRequest``."""
    return SharedAnswers(RedisAnswers(open_client(url, "FANIN_CACHE_STORE", FIND_WITHIN_S)))
