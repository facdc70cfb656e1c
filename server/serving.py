"""The server process: uvicorn, which lets whoever follows something go before it closes their connections."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn

from ..catalog.limits import MAX_GRAPHQL_BYTES

# Of requests under way when the server is asked to stop; live ones end by themselves.
GRACE_S = 10


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """How the application is served, whatever starts it."""
    return uvicorn.Config(
        app,
        log_level="warning",
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
