"""An upstream API that does whatever a test wants next, on a real socket.

Import with ``from fanin.tests.faulty_upstream import …``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Deed = Callable[["Asked", Any, Any], Awaitable[None]]


@dataclass(slots=True)
class Asked:
    """One message as it came."""

    method: str
    path: str  # below the API's address
    params: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class FaultyUpstream:
    """Does the deeds of its script in order, the last one from then on; writes down what it was asked."""

    script: list[Deed] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    left: int = 0  # callers who did not wait for the end

    def does(self, *deeds: Deed) -> FaultyUpstream:
        self.script, self.asked, self.left = list(deeds), [], 0
        return self

    @property
    def messages(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): text.decode() for name, text in scope["headers"]}
        path = scope["path"].removeprefix("/api/v1")
        params = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        asked = Asked(scope["method"], path, params, headers, json.loads(body) if body else None)
        self.asked.append(asked)
        deed = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await deed(asked, receive, send)

    def waits_for_leaving(self) -> Deed:
        """Never answers."""

        async def deed(asked: Asked, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left += 1

        return deed


def replies(body: Any, status: int = 200, **headers: str) -> Deed:
    """A whole reply: JSON, or bytes as they are."""

    async def deed(asked: Asked, receive: Any, send: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        lines = [(name.encode(), text.encode()) for name, text in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content})

    return deed


def answers(results: Mapping[str, Any], **headers: str) -> Deed:
    """Every call by its path, alone or in a batch; a path that is not there is unknown."""

    async def deed(asked: Asked, receive: Any, send: Any) -> None:
        if asked.path != "/batch":
            found = results.get(asked.path)
            reply = (
                replies(found, 200, **headers) if found is not None else replies({"error": {"code": "not_found"}}, 404)
            )
        else:
            reply = replies({"results": {query["id"]: _entry(results, query) for query in asked.body["queries"]}})
        await reply(asked, receive, send)

    return deed


def _entry(results: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    found = results.get(query["endpoint"])
    if found is None:
        return {"status": "error", "error": {"code": "not_found", "message": "secret", "status": 404}}
    return {"status": "success", "data": found}


def without_batch(results: Mapping[str, Any], status: int = 404) -> Deed:
    async def deed(asked: Asked, receive: Any, send: Any) -> None:
        refused = replies({"error": {"code": "not_found", "message": "secret"}}, status)
        await (refused if asked.path == "/batch" else answers(results))(asked, receive, send)

    return deed


async def is_cut(asked: Asked, receive: Any, send: Any) -> None:
    """Half of a body; then the connection is closed."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
    raise ConnectionAbortedError


async def never_ends(asked: Asked, receive: Any, send: Any) -> None:
    """A body without end, until the caller has had enough."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    for _ in range(10_000):
        await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})
        await asyncio.sleep(0)
