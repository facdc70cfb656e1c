"""A second fanin for tests, served on a real socket beside the test's own loop, and gateways in front of it.

Import with ``from fanin.tests.upstreams import …``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn

from fanin.app import create_app
from fanin.schema.engine import Engine
from fanin.server.settings import ServerSettings
from fanin.tests.facts import NOW, engine_over
from fanin.warehouse.upstream import UpstreamWarehouse
from fanin.warehouse.upstream_client import ClientLimits, Pace, UpstreamClient
from fanin.warehouse.upstream_options import Upstream


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An application on a free port of 127.0.0.1, in a thread of its own; gives its origin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def fanin_served(path: Path, settings: ServerSettings | None = None, now: datetime = NOW) -> Iterator[str]:
    """fanin over a file, at the address that a gateway is given."""
    with engine_over(path, now) as (engine, _), serving(create_app(engine, settings)) as origin:
        yield f"{origin}/api/v1"


@asynccontextmanager
async def gateway_over(
    address: str,
    upstream: Upstream | None = None,
    *,
    limits: ClientLimits | None = None,
    pace: Pace | None = None,
    cache_bytes: int = 0,
    now: datetime = NOW,
) -> AsyncIterator[Engine]:
    """The engine of a gateway in front of an API; it keeps no replies unless it is given room for them."""
    client = UpstreamClient(address, limits, cache_bytes=cache_bytes, pace=pace)
    engine = Engine(UpstreamWarehouse(client, upstream or Upstream(), pace), clock=lambda: now)
    try:
        yield engine
    finally:
        await engine.close()
