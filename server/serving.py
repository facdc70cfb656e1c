"""The server process: uvicorn, which lets whoever follows something go before it closes their connections."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette

from ..catalog.limits import MAX_GRAPHQL_BYTES

# Of requests under way when the server is asked to stop; live ones end by themselves.
GRACE_S = 10


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """How the application is served, whatever starts it."""
    return uvicorn.Config(
        app,
        log_config=None,  # messages go where all others go (log_output.py)
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws_max_size=MAX_GRAPHQL_BYTES,
        timeout_graceful_shutdown=GRACE_S,
        **options,
    )


class Server(uvicorn.Server):
    """Serves an application whose ``state.live`` is told first when it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        live = getattr(getattr(self.config.app, "state", None), "live", None)
        if live is not None:
            await live.close()
        await super().shutdown(sockets)


def leave_before_stopping(app: Starlette) -> None:
    """The same for a worker process, whose server is made by uvicorn: it hears of its end by a signal, and we before it.

    To be called inside the running loop, when the server listens to its signals.
    """
    loop = asyncio.get_running_loop()
    leaving: set[asyncio.Task[None]] = set()  # the loop itself would forget them

    def chain(ending: signal.Signals) -> None:
        stop = signal.getsignal(ending)

        async def leave(number: int) -> None:
            await app.state.live.close()
            if callable(stop):
                stop(number, None)

        def begin(number: int) -> None:
            leaving.add(loop.create_task(leave(number)))

        signal.signal(ending, lambda number, _frame: loop.call_soon_threadsafe(begin, number))

    for ending in (signal.SIGINT, signal.SIGTERM):
        chain(ending)
