"""Admission: how much one process takes on at once, and how long a body may take to come.

Who waits for whom is decided by account in ``Engine.request``, the one place where every door begins its work; here are
the numbers, and what is known before a door is reached.  Probes ask nothing of the engine, so none of it holds for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive, Scope

from ..catalog.errors import RequestTimeout
from ..resolvers.turns import Turns

CROWDED = "crowded"  # set in the state of requests that came over one connection too many (connections.py)


def admission(load: Mapping[str, int]) -> Turns:
    """The turns that requests take, under the limits of ``LOAD_LIMITS``."""
    return Turns(
        load["max_running"],
        load["max_running_per_account"],
        most_waiting=load["max_waiting"],
        most_waiting_per_account=load["max_waiting_per_account"],
        patience_s=load["max_wait_ms"] / 1000,
        soon_s=load["soon_ms"] / 1000,
    )


def is_crowded(scope: Scope) -> bool:
    return scope.get("state", {}).get(CROWDED, False)


def body_in_time(receive: Receive, body_ms: int) -> Receive:
    """The same messages; raises ``RequestTimeout`` when the body has not come within so many milliseconds from now."""
    loop = asyncio.get_running_loop()
    until = loop.time() + body_ms / 1000
    has_come = False

    async def receive_in_time() -> Message:
        nonlocal has_come
        if has_come:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout(f"The body did not come within {body_ms} ms") from None
        has_come = not message.get("more_body", False)
        return message

    return receive_in_time
