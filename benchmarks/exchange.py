"""One request to an application in process, as a server hands it over: no socket, and no client that reads the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Request:
    """A request as often as one likes."""

    method: str
    path: str
    query_string: bytes = b""
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())

    def with_headers(self, *more: tuple[bytes, bytes]) -> Request:
        return Request(self.method, self.path, self.query_string, self.body, (*self.headers, *more))

    @property
    def text(self) -> bytes:
        """As it goes over a connection that stays open."""
        target = self.path.encode() + (b"?" + self.query_string if self.query_string else b"")
        lines = (b"%b: %b" % header for header in self._all_headers)
        return b"\r\n".join((b"%b %b HTTP/1.1" % (self.method.encode(), target), *lines, b"", self.body))

    @property
    def _all_headers(self) -> Iterable[tuple[bytes, bytes]]:
        yield b"host", b"127.0.0.1"
        yield b"content-type", b"application/json"
        yield b"content-length", str(len(self.body)).encode()
        yield from self.headers


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def exchanged(app: ASGIApp, request: Request) -> Response:
    """The application's answer."""
    sent: list[Message] = []
    unread = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # the client stays
        return unread.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(request), receive, send)
    start, *parts = sent
    return Response(start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in parts))


def _scope(request: Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query_string,
        "root_path": "",
        "scheme": "http",
        "headers": list(request._all_headers),
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
