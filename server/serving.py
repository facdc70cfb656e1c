"""The server process: uvicorn, which first says that it leaves, then lets go of whoever follows something, then stops.

Asked to stop, it is no longer ready but serves on for the time that a balancer needs to notice; then it takes no new
connection, ends subscriptions with the code that says so, and gives what is under way a bounded time to finish.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from ..catalog.errors import BadRequest
from ..catalog.limits import LOAD_LIMITS, MAX_GRAPHQL_BYTES, defaults_of
from .connections import bounded_protocol
from .settings import TRUSTED_PROXIES

GRACE_S = 10
TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server process takes leave, what load it takes, and whose word about a client's address it believes."""

    drain_s: int = 0  # served on after being asked to stop, while saying that it is not ready
    grace_s: int = GRACE_S  # of requests under way after that
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks
    load: Mapping[str, int] = field(default_factory=lambda: defaults_of(LOAD_LIMITS))


def read_proxies(text: str) -> tuple[str, ...]:
    """Addresses and networks, joined by commas.  Raises ``BadRequest`` for what is none."""
    proxies = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise BadRequest(f"{TRUSTED_PROXIES}: '{proxy[:80]}' is no address or network such as 10.0.0.0/8") from None
    return proxies


def server_config(app: Any, manners: Manners | None = None, **options: Any) -> uvicorn.Config:
    """How the application is served, whatever starts it."""
    manners = manners or Manners()
    return uvicorn.Config(
        app,
        http=bounded_protocol(manners.load),
        timeout_keep_alive=manners.load["idle_ms"] / 1000,  # pyright: ignore[reportArgumentType]  seconds, whole or not
        log_config=None,  # messages go where all others go (log_output.py)
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        ws_max_size=MAX_GRAPHQL_BYTES,
        timeout_graceful_shutdown=manners.grace_s,
        proxy_headers=bool(manners.trusted_proxies),
        forwarded_allow_ips=list(manners.trusted_proxies),
        **options,
    )


class Server(uvicorn.Server):
    """Serves an application whose ``state`` tells its ``readiness`` and ``live`` subscriptions.

    It stops at a signal, or once it is ``asked`` to.
    """

    def __init__(self, config: uvicorn.Config, drain_s: float = 0, asked: Callable[[], bool] = lambda: False) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._asked = asked

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._asked()
        return await super().on_tick(counter)

    async def main_loop(self) -> None:
        await super().main_loop()
        if readiness := self._told("readiness"):
            readiness.leave()
        # Whoever keeps a connection open asks for its next request elsewhere.
        self.config.encoded_headers.append((b"connection", b"close"))
        until = time.monotonic() + self._drain_s
        while time.monotonic() < until and len(self._captured_signals) < 2:  # a second signal: at once
            await self.on_tick(0)
            await asyncio.sleep(TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        if live := self._told("live"):
            await live.close()
        await super().shutdown(sockets)

    def _told(self, name: str) -> Any:
        return getattr(getattr(self.config.app, "state", None), name, None)
