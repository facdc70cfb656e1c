"""GraphQL over a WebSocket, by the protocol ``graphql-transport-ws``: subscriptions, and queries beside them.

A browser cannot set headers, so credentials may come in ``connection_init`` too; until it has come nothing is run.  A
page of another site could open a WebSocket with whatever its visitor may reach, so only pages of this host and of the
origins that may ask are let in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import OperationType
from starlette.datastructures import Headers
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..catalog.errors import StatsError
from ..catalog.identity import Identity
from ..catalog.limits import MAX_GRAPHQL_BYTES, MAX_SUBSCRIPTIONS
from ..catalog.request_ids import present_request_id
from ..schema.engine import Engine
from ..schema.notes import present_notes
from ..schema.reading import reading_as
from .callers import Callers
from .graphiql import GRAPHQL_PATH
from .live_answers import CHECK_EVERY_S, Fresh, LiveAnswers, Present
from .operations import Operation, read_operation, told_refusal
from .persisted_queries import PersistedQueries
from .settings import ServerSettings
from .streamed_answers import CutOff

log = logging.getLogger(__name__)

SUBPROTOCOL = "graphql-transport-ws"
INIT_WITHIN_S = 10.0

Message = Mapping[str, Any]


class Ended(Exception):
    """The connection ends, with the code and the words the other side is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:123].decode(errors="ignore")  # as much as a closing frame holds


def socket_routes(
    engine: Engine, settings: ServerSettings, callers: Callers, live: LiveAnswers
) -> list[WebSocketRoute]:
    """WebSockets at the address of GraphQL."""

    async def connect(websocket: WebSocket) -> None:
        if not may_open(websocket.headers, settings.cors_origins):
            await websocket.close()  # before it was accepted: 403
            return
        if SUBPROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await websocket.accept(SUBPROTOCOL)
        await Conversation(websocket, engine, settings, callers, live).run()

    return [WebSocketRoute(path, connect) for path in (GRAPHQL_PATH, f"{GRAPHQL_PATH}/")]


def may_open(headers: Headers, origins: tuple[str, ...]) -> bool:
    """Whether a page, if it is one that asks, is of this host or of an origin that may ask."""
    origin = headers.get("origin")
    if origin is None or "*" in origins or origin in origins:
        return True
    return origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""


@dataclass(slots=True)
class Conversation:
    """One WebSocket, from its acceptance to its end."""

    websocket: WebSocket
    engine: Engine
    settings: ServerSettings
    callers: Callers
    live: LiveAnswers
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)  # operations by their ids
    held: ExitStack = field(default_factory=ExitStack)  # its place among the connections of a caller

    @property
    def persisted(self) -> PersistedQueries:
        return self.settings.persisted_queries

    async def run(self) -> None:
        """Until either side ends it; whatever still runs ends with it."""
        with self.held:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._until_the_server_stops())
                    tasks.create_task(self._converse(tasks))
            except* Ended as ended:
                with suppress(RuntimeError, WebSocketDisconnect):  # it may have gone by itself in the meantime
                    first: Any = ended.exceptions[0]
                    await self.websocket.close(first.code, first.reason)
            except* WebSocketDisconnect:
                pass
            except* Exception as failed:
                log.error("request %s: a WebSocket failed unexpectedly", present_request_id(), exc_info=failed)
                with suppress(RuntimeError, WebSocketDisconnect):
                    await self.websocket.close(1011, "Internal error")

    async def _until_the_server_stops(self) -> None:
        await self.live.closing.wait()
        raise Ended(1001, "The server is stopping")

    async def _converse(self, tasks: asyncio.TaskGroup) -> None:
        self._count_as(self.callers.anyone(self.websocket))
        present = await self._initialised()
        self._count_as(self._known(present))
        tasks.create_task(self._while_allowed(present))
        while True:
            await self._obey(await self._received(), present, tasks)

    # --- the beginning --------------------------------------------------------------------------------------------

    async def _initialised(self) -> Present:
        """Who is there, by ``connection_init``, which is answered.  Raises ``Ended``."""
        try:
            async with asyncio.timeout(INIT_WITHIN_S):
                message = await self._received()
                while message["type"] in ("ping", "pong"):
                    await self._obey_beat(message)
                    message = await self._received()
        except TimeoutError:
            raise Ended(4408, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Ended(4401, "Unauthorized")
        present = self.live.presenting(self.websocket, shown(self.websocket.headers, message.get("payload")))
        identity = self._known(present)
        standing = await self.callers.count(identity, None, GRAPHQL_PATH)
        if standing.refusal:
            raise Ended(4429, standing.refusal.message)
        await self._send({"type": "connection_ack"})
        return present

    def _known(self, present: Present) -> Identity:
        try:
            return present()
        except StatsError as error:
            raise Ended(4403, error.message) from None

    def _count_as(self, identity: Identity) -> None:
        """Count the connection as that caller's, and no longer as another's.  Raises ``Ended`` for one too many."""
        self.held.close()
        present_notes().caller = identity.name
        try:
            self.held.enter_context(self.live.connected(identity.name))
        except StatsError as error:
            raise Ended(4429, error.message) from None

    async def _while_allowed(self, present: Present) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self._known(present)

    # --- messages -------------------------------------------------------------------------------------------------

    async def _received(self) -> Message:
        """The next message.  Raises ``Ended`` for what is none, ``WebSocketDisconnect`` when the other side has gone."""
        event = await self.websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text = event.get("text") or ""
        if len(text.encode()) > MAX_GRAPHQL_BYTES:
            raise Ended(1009, f"A message is over {MAX_GRAPHQL_BYTES} bytes")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Ended(4400, "A message must be JSON, as text") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Ended(4400, "A message must be an object with a type")
        return message

    async def _send(self, message: Message) -> None:
        await self.websocket.send_text(orjson.dumps(message).decode())

    async def _obey(self, message: Message, present: Present, tasks: asyncio.TaskGroup) -> None:
        match message["type"]:
            case "ping" | "pong":
                await self._obey_beat(message)
            case "subscribe":
                self._begin(message, present, tasks)
            case "complete":
                if task := self.running.pop(_id_of(message), None):
                    task.cancel()
            case "connection_init":
                raise Ended(4429, "Too many initialisation requests")
            case unknown:
                raise Ended(4400, f"There is no message of type '{unknown[:40]}'")

    async def _obey_beat(self, message: Message) -> None:
        if message["type"] == "ping":
            await self._send({"type": "pong"})

    # --- operations -----------------------------------------------------------------------------------------------

    def _begin(self, message: Message, present: Present, tasks: asyncio.TaskGroup) -> None:
        operation_id = _id_of(message)
        if not isinstance(message.get("payload"), dict):
            raise Ended(4400, "subscribe needs a payload: an object with a query")
        if operation_id in self.running:
            raise Ended(4409, f"Subscriber for {operation_id[:80]} already exists")
        if len(self.running) >= MAX_SUBSCRIPTIONS:
            raise Ended(4429, f"At most {MAX_SUBSCRIPTIONS} operations at once")
        self.running[operation_id] = tasks.create_task(self._answer(operation_id, message["payload"], present))

    async def _answer(self, operation_id: str, payload: Mapping[str, Any], present: Present) -> None:
        """All answers to one operation, and that it is complete; errors alone where nothing of it could be run."""
        try:
            identity = self._known(present)
            standing = await self.callers.count(identity, None, GRAPHQL_PATH)
            if standing.refusal:
                raise standing.refusal
            with reading_as(identity):
                operation = read_operation(payload, self.persisted)
            async with aclosing(self._answers(operation, present)) as answers:
                async for fresh in answers:
                    if fresh.outcome.refused:
                        await self._tell_errors(operation_id, fresh.outcome.errors)
                        return
                    body = fresh.body(tells_cost=not self.settings.production)
                    await self._send({"id": operation_id, "type": "next", "payload": body})
            await self._end(operation_id, {"type": "complete"})
        except StatsError as error:
            await self._tell_errors(operation_id, [told_refusal(error)])
        except CutOff:
            pass  # the whole connection ends, and says why

    async def _answers(self, operation: Operation, present: Present) -> AsyncGenerator[Fresh, None]:
        """Those of a subscription, or the one of a query."""
        if OperationType.SUBSCRIPTION not in operation.kinds(self.engine):
            yield await self.live.execute(operation, present())
            return
        with self.live.slot(present()):
            async with aclosing(self.live.answers(operation, present)) as answers:
                async for fresh in answers:
                    if fresh is not None:
                        yield fresh

    async def _tell_errors(self, operation_id: str, errors: Iterable[Mapping[str, Any]]) -> None:
        await self._end(operation_id, {"type": "error", "payload": list(errors)})

    async def _end(self, operation_id: str, message: Message) -> None:
        """Say the last word, after which the id may be used again."""
        self.running.pop(operation_id, None)
        await self._send({"id": operation_id, **message})


def _id_of(message: Message) -> str:
    if not isinstance(message.get("id"), str) or not message["id"]:
        raise Ended(4400, f"{message['type']} needs an id: a string")
    return message["id"]


def shown(headers: Headers, payload: Any) -> Headers:
    """The credentials of the handshake, or those of ``connection_init``, in any case, where it has some."""
    given = (
        {name.lower(): text for name, text in payload.items() if isinstance(text, str)}
        if isinstance(payload, dict)
        else {}
    )
    credentials = {name: given[name] for name in ("x-api-key", "authorization") if given.get(name)}
    return Headers(credentials) if credentials else headers
