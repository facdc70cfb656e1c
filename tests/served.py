"""A real server inside the test's own event loop, so that a test can hold a scan back and read what was sent before.

Import with ``from fanin.tests.served import …``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import uvicorn

from fanin.server.serving import Server

Payload = dict[str, Any]


@asynccontextmanager
async def served(app: Any, **config: Any) -> AsyncIterator[str]:
    """Serve an application, or what a whole configuration says, on a free port of 127.0.0.1; gives host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        whole = isinstance(app, uvicorn.Config)
        server = Server(app if whole else uvicorn.Config(app, log_config=None, access_log=False, **config))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def parts_of(body: str) -> list[Payload]:
    """The payloads of a ``multipart/mixed`` body with the boundary ``-``."""
    first, *parts, last = body.split("\r\n---")
    assert (first.removeprefix("---"), last) == (first[3:], "--\r\n")
    return [json.loads(text.partition("\r\n\r\n")[2]) for text in [first.removeprefix("---"), *parts]]


def events_of(body: str) -> list[Payload]:
    """The payloads of a whole stream of server-sent events."""
    *events, rest = body.split("\n\n")
    assert (rest, events.pop()) == ("", "event: complete\ndata: ")
    return [payload_of(event) for event in events if event != ":"]


def payload_of(event: str) -> Payload:
    name, data = event.split("\n")
    assert name == "event: next"
    return json.loads(data.removeprefix("data: "))


def folded(payloads: Iterable[Payload]) -> Payload:
    """The one answer that the payloads of an operation amount to, as a client makes it."""
    answer: Payload = {}
    places: dict[str, list[Any]] = {}
    for payload in payloads:
        answer = answer or {name: deepcopy(payload[name]) for name in ("errors", "data") if name in payload}
        places |= {pending["id"]: pending["path"] for pending in payload.get("pending", ())}
        for given in payload.get("incremental", ()):
            _merge(_at(answer["data"], [*places[given["id"]], *given.get("subPath", ())]), given["data"])
        for told in (*payload.get("incremental", ()), *payload.get("completed", ())):
            answer["errors"] = [*answer.get("errors", ()), *told.get("errors", ())]
        for done in payload.get("completed", ()):
            del places[done["id"]]
    assert places == {}
    return answer if answer.get("errors") else {"data": answer["data"]}


def _at(data: Any, path: Iterable[Any]) -> Any:
    for key in path:
        data = data[key]
    return data


def _merge(into: Any, given: Any) -> None:
    for name, value in given.items():
        if isinstance(into.get(name), dict) and isinstance(value, dict):
            _merge(into[name], value)
        else:
            into[name] = value
