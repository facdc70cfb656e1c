"""Connections, bounded: what a client may send before it is known what it asks, and how long it may keep us waiting.

uvicorn's own protocol closes connections that are idle between requests.  Beside that, a head has to come in time and be of
a size, an answer has to be taken, and there are only so many connections at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..catalog.limits import MAX_BODY_BYTES
from .admission import CROWDED

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HTTPProtocol
else:
    HTTPProtocol = object  # stands before httptools' or h11's protocol: of both only what they have in common is used

HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"

# Beyond the limit so many are still let in, to hear 503 in the documented words; probes among them are answered.
RESERVE = 64

# How long a client that is still sending may go on, unread, so that it gets to read why it was refused.
LINGER_S = 2.0

# What a client has to take of a waiting answer within ``write_ms``.
LEAST_TAKEN_BYTES = 65_536


def bounded_protocol(load: Mapping[str, int], protocol: Any = AutoHTTPProtocol) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol under the limits of ``LOAD_LIMITS``."""
    return type("BoundedProtocol", (_Bounded, protocol), {"load": load})


class _Bounded(HTTPProtocol):
    """One connection."""

    load: Mapping[str, int]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  as uvicorn has it
        super().connection_made(transport)
        self._head_bytes = 0
        self._is_refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._await_head()
        crowd = len(self.connections) - self.load["max_connections"]
        if crowd > 0 and not self._end_an_idle_one():
            self.app = _crowded(self.app)
            if crowd > RESERVE:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    # --- heads ------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if before is None or before.response_complete:
            self._await_head()
        if self._is_refused:
            return
        if self._is_too_large(data):
            self._refuse()
            return
        super().data_received(data)
        if self.cycle is not before or self not in self.connections:  # a head has come, perhaps a WebSocket's
            self._stop_head_timer()
            self._head_bytes = 0

    def _await_head(self) -> None:
        """From the connection's beginning, or from the head's first byte; further bytes give it no more time."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.load["head_ms"] / 1000, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _is_too_large(self, data: bytes) -> bool:
        """Whether the head is, of which these bytes may be a part; the rest of a body that no one reads counts too."""
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            return False  # a body, which is counted where it is read
        before, self._head_bytes = self._head_bytes, self._head_bytes + len(data)
        most = self.load["max_head_bytes"] + (MAX_BODY_BYTES if cycle is not None and cycle.more_body else 0)
        if self._head_bytes <= most:
            return False
        end = data.find(END_OF_HEAD)
        return end < 0 or before + end > most

    def _refuse(self) -> None:
        """Say so, except in the midst of an answer or of what is left of a body; what is still sent is not read."""
        self._is_refused = True
        if self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body):
            self.transport.write(HEAD_TOO_LARGE)
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        if self.transport.can_write_eof() and (self.cycle is None or self.cycle.response_complete):
            self.transport.write_eof()

    # --- answers ----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_taking()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._await_taking()

    def _await_taking(self) -> None:
        """What waits to be written, or to be closed, is given up when the client does not take it."""
        self._stop_write_timer()
        left = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.load["write_ms"] / 1000, self._check_taken, left)

    def _check_taken(self, left: int) -> None:
        if left - self.transport.get_write_buffer_size() < LEAST_TAKEN_BYTES:
            self.transport.abort()
        else:
            self._await_taking()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # --- how many ---------------------------------------------------------------------------------------------------

    @property
    def idle_until(self) -> float | None:
        """When it is closed for being idle; None while it is not."""
        return None if self.timeout_keep_alive_task is None else self.timeout_keep_alive_task.when()

    def _end_an_idle_one(self) -> bool:
        """Make room by ending the connection whose last answer is the longest ago."""
        idle = [other for other in self.connections if isinstance(other, _Bounded) and other.idle_until is not None]
        longest = min(idle, key=lambda other: other.idle_until or 0.0, default=None)
        if longest is None:
            return False
        longest._unset_keepalive_if_required()
        longest.transport.abort()
        return True


def _crowded(app: Any) -> Any:
    """The application, told that the request came over one connection too many."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})[CROWDED] = True
        await app(scope, receive, send)

    return told
