"""Live: a subscription's answers over a WebSocket and as server-sent events, from a real server to a real client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Subprotocol

from fanin.app import create_app
from fanin.catalog.limits import MAX_GRAPHQL_BYTES, MAX_LIVE_CONNECTIONS, MAX_SUBSCRIPTIONS
from fanin.server import graphql_socket, live_answers
from fanin.server.keys import revoke_key
from fanin.server.settings import ServerSettings
from fanin.tests.callers import Clock, closed, key_for
from fanin.tests.facts import NOW, CountingWarehouse, engine_over, visit, write
from fanin.tests.served import events_of, payload_of, served

PROTOCOL = Subprotocol("graphql-transport-ws")
FOLLOWED = 'subscription { dashboard(accountId: "acme") { channels { total rows { channel entrances } } } }'
ASKED = '{ stats(accountId: "acme") { channels { total } } }'


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    path = tmp_path / "w.duckdb"
    for account in ("acme", "globex"):
        write(path, account, [visit("2026-03-17T10:00", channel="Direct")])
    return path


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are looked at more often than in earnest, so that no test has to wait."""
    for module in (graphql_socket, live_answers):
        monkeypatch.setattr(module, "CHECK_EVERY_S", 0.05)


def import_more(path: Path, account: str = "acme", at: str = "2026-03-17T11:00") -> None:
    """Import another visit, from another process."""
    code = "import sys; from pathlib import Path; from fanin.tests.facts import visit, write; "
    code += "write(Path(sys.argv[1]), sys.argv[2], [visit(sys.argv[3], channel='Direct')])"
    subprocess.run([sys.executable, "-c", code, str(path), account, at], check=True)


def answer(entrances: int) -> dict[str, Any]:
    rows = [{"channel": "Direct", "entrances": entrances}]
    return {"data": {"dashboard": {"channels": {"total": 1, "rows": rows}}}}


Scenario = Callable[[str, CountingWarehouse], Awaitable[None]]


def play(path: Path, scenario: Scenario, settings: ServerSettings | None = None, clock: Clock | None = None) -> None:
    """Run a scenario with a server's address; nothing may be left running behind it."""

    async def run() -> None:
        with engine_over(path) as (engine, warehouse):
            app = create_app(replace(engine, clock=clock or Clock()), settings or ServerSettings(production=True))
            async with asyncio.timeout(60), served(app) as address:
                await scenario(address, warehouse)
            assert app.state.live._connections == {}
            assert app.state.live._questions == {}
            assert app.state.live._callers.limits._running == {}

    asyncio.run(run())


class Client:
    """The other side of a WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        text = await self.connection.recv()
        assert isinstance(text, str)
        return json.loads(text)

    async def follow(self, document: str = FOLLOWED, name: str = "1", **payload: Any) -> None:
        await self.say(id=name, type="subscribe", payload={"query": document, **payload})

    async def end(self) -> tuple[int, str]:
        """How the server closed it."""
        with suppress(ConnectionClosedError):
            async for _ in self.connection:
                pass
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


@asynccontextmanager
async def talking(address: str, *, key: str = "", init: Any = None, **headers: str) -> AsyncIterator[Client]:
    """A client that has been acknowledged."""
    shown = headers | ({"X-API-Key": key} if key else {})
    async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL], additional_headers=shown) as connection:
        client = Client(connection)
        await client.say(type="connection_init", **({"payload": init} if init else {}))
        assert await client.hear() == {"type": "connection_ack"}
        yield client


def test_an_import_in_another_process_brings_a_fresh_answer(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow()
            assert await client.hear() == {"id": "1", "type": "next", "payload": answer(1)}
            await asyncio.to_thread(import_more, warehouse_file)
            assert await client.hear() == {"id": "1", "type": "next", "payload": answer(2)}
            await client.say(id="1", type="complete")
            await client.say(type="ping")
            assert await client.hear() == {"type": "pong"}

    play(warehouse_file, scenario)


def test_an_import_into_another_account_brings_none(warehouse_file: Path) -> None:
    async def scenario(address: str, warehouse: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow()
            await client.hear()
            await asyncio.to_thread(import_more, warehouse_file, "globex")
            await asyncio.to_thread(import_more, warehouse_file, "acme", "2026-03-17T12:00")
            assert (await client.hear())["payload"] == answer(2)
        assert len(warehouse.scans) == 2

    play(warehouse_file, scenario)


def test_two_subscribers_to_one_question_cost_one_scan_per_version(warehouse_file: Path) -> None:
    async def scenario(address: str, warehouse: CountingWarehouse) -> None:
        async with talking(address) as one, talking(address) as other:
            await one.follow(variables={})
            await one.hear()
            await other.follow(name="2")
            assert (await other.hear())["payload"] == answer(1)
            assert len(warehouse.scans) == 1
            await asyncio.to_thread(import_more, warehouse_file)
            assert [(await client.hear())["payload"] for client in (one, other)] == [answer(2)] * 2
            assert len(warehouse.scans) == 2

    play(warehouse_file, scenario)


def test_a_query_over_a_websocket_is_answered_once(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow(ASKED)
            payload = {"data": {"stats": {"channels": {"total": 1}}}}
            assert await client.hear() == {"id": "1", "type": "next", "payload": payload}
            assert await client.hear() == {"id": "1", "type": "complete"}

    play(warehouse_file, scenario)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("subscription {", "bad_request"),
        ('subscription { dashboard(accountId: "acme") { nope } }', "validation_error"),
        ("subscription ($a: ID!) { dashboard(accountId: $a) { os { total } } }", "validation_error"),
        ('subscription { dashboard(accountId: "acme") { ... @defer { os { total } } } }', "validation_error"),
        ("", "bad_request"),
        ("subscription A { dashboard(accountId: 1) { os { total } } } query B { __typename }", "bad_request"),
    ],
)
def test_what_cannot_be_followed_is_told_by_an_error_alone(warehouse_file: Path, document: str, code: str) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow(document)
            told = await client.hear()
            assert (told["id"], told["type"]) == ("1", "error")
            assert [error["extensions"]["code"] for error in told["payload"]][:1] == [code]
            await client.follow(ASKED)  # the id is free again
            assert (await client.hear())["type"] == "next"

    play(warehouse_file, scenario)


def test_an_account_that_is_not_there_is_told_once_and_completes(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow(FOLLOWED.replace("acme", "nowhere"))
            told = await client.hear()
            assert (told["type"], told["payload"]["data"]) == ("next", None)
            assert [error["extensions"]["code"] for error in told["payload"]["errors"]] == ["account_not_found"]
            assert await client.hear() == {"id": "1", "type": "complete"}

    play(warehouse_file, scenario)


# --- the protocol's closing codes -------------------------------------------------------------------------------


SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOWED}}


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ([SUBSCRIBE], (4401, "Unauthorized")),
        ([{"type": "connection_init"}, {"type": "connection_init"}], (4429, "Too many initialisation requests")),
        ([{"type": "connection_init"}, SUBSCRIBE, SUBSCRIBE], (4409, "Subscriber for 1 already exists")),
        ([{"type": "connection_init"}, {"type": "start"}], (4400, "There is no message of type 'start'")),
        ([{"type": "connection_init"}, {"type": "subscribe"}], (4400, "subscribe needs an id: a string")),
        (
            [{"type": "connection_init"}, {"type": "subscribe", "id": "1"}],
            (4400, "subscribe needs a payload: an object with a query"),
        ),
        ([[]], (4400, "A message must be an object with a type")),
        (["{"], (4400, "A message must be JSON, as text")),
        ([b"{}"], (4400, "A message must be JSON, as text")),
        (["x" * (MAX_GRAPHQL_BYTES + 1)], (1009, f"A message is over {MAX_GRAPHQL_BYTES} bytes")),
        (
            [{"type": "connection_init"}, *({**SUBSCRIBE, "id": str(n)} for n in range(MAX_SUBSCRIPTIONS + 1))],
            (4429, f"At most {MAX_SUBSCRIPTIONS} operations at once"),
        ),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_how(
    warehouse_file: Path, messages: list[Any], end: tuple[int, str]
) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as connection:
            for message in messages:
                await connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
            assert await Client(connection).end() == end

    play(warehouse_file, scenario)


def test_a_client_that_says_nothing_is_not_waited_for(warehouse_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql_socket, "INIT_WITHIN_S", 0.01)

    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as connection:
            assert await Client(connection).end() == (4408, "Connection initialisation timeout")

    play(warehouse_file, scenario)


def test_a_fault_of_ours_ends_the_connection_without_telling_its_inside(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(graphql_socket, "read_operation", broken)

    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow()
            assert await client.end() == (1011, "Internal error")

    play(warehouse_file, scenario)
    assert "inside" in caplog.text


def test_variables_that_no_one_declared_may_be_anything(warehouse_file: Path) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]

    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow(variables={"unused": deep})
            assert (await client.hear())["payload"] == answer(1)

    play(warehouse_file, scenario)


@pytest.mark.parametrize("protocols", [None, ["graphql-ws"]])
def test_another_protocol_is_not_acceptable(warehouse_file: Path, protocols: Any) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with connect(f"ws://{address}/graphql", subprotocols=protocols) as connection:
            assert await Client(connection).end() == (4406, "Subprotocol not acceptable")

    play(warehouse_file, scenario)


def test_a_caller_has_so_many_connections_and_no_more(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        connections = [
            await connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) for _ in range(MAX_LIVE_CONNECTIONS)
        ]
        async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as one_too_many:
            assert await Client(one_too_many).end() == (4429, "At most 20 live connections at once")
        for connection in connections:
            await connection.close()

    play(warehouse_file, scenario)


def test_a_server_that_stops_says_so(warehouse_file: Path) -> None:
    async def run() -> None:
        with engine_over(warehouse_file) as (engine, _):
            async with asyncio.timeout(60), httpx.AsyncClient() as http:
                async with served(create_app(engine)) as address:
                    following = talking(address)
                    client = await following.__aenter__()
                    await client.follow()
                    await client.hear()
                    response = await http.send(
                        http.build_request(
                            "POST",
                            f"http://{address}/graphql",
                            json={"query": FOLLOWED},
                            headers={"accept": "text/event-stream"},
                        ),
                        stream=True,
                    )
                    chunks = response.aiter_text()
                    first = await anext(chunks)
                assert [text async for text in client.connection] == []  # not even that it is complete
                assert await client.end() == (1001, "The server is stopping")
                assert [chunk async for chunk in chunks] == []
                assert payload_of(first.removesuffix("\n\n"))["data"] == answer(1)["data"]
                await following.__aexit__(None, None, None)

    asyncio.run(run())


# --- who may ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "end"),
    [
        ({}, (4403, "Authentication required")),
        ({"X-API-Key": "nonsense"}, (4403, "Invalid API key format")),
        ({"Authorization": "Bearer sm_" + "x" * 61}, (4403, "Invalid API key")),
    ],
)
def test_without_a_key_nothing_is_followed(
    warehouse_file: Path, tmp_path: Path, shown: dict[str, str], end: tuple[int, str]
) -> None:
    key_for(tmp_path / "keys.json", "acme")

    async def scenario(address: str, warehouse: CountingWarehouse) -> None:
        for headers, payload in ((shown, {}), ({}, shown)):
            async with connect(
                f"ws://{address}/graphql", subprotocols=[PROTOCOL], additional_headers=headers
            ) as connection:
                client = Client(connection)
                await client.say(type="connection_init", payload=payload)
                assert await client.end() == end
        assert warehouse.scans == []

    play(warehouse_file, scenario, closed(tmp_path / "keys.json"))


def test_a_key_in_the_first_message_is_as_good_as_one_in_a_header(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "acme")

    async def scenario(address: str, _: CountingWarehouse) -> None:
        for init in ({"X-API-Key": key}, {"authorization": f"Bearer {key}"}):
            async with talking(address, init=init) as client:
                await client.follow()
                assert (await client.hear())["payload"] == answer(1)
                await client.follow(FOLLOWED.replace("acme", "globex"), "2")
                told = await client.hear()
                assert [error["extensions"]["code"] for error in told["payload"]["errors"]] == ["forbidden"]

    play(warehouse_file, scenario, closed(tmp_path / "keys.json", production=True))


def test_a_revoked_key_ends_what_it_began(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "acme")

    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address, key=key) as client, httpx.AsyncClient() as http:
            await client.follow()
            await client.hear()
            headers = {"accept": "text/event-stream", "x-api-key": key}
            async with http.stream(
                "POST", f"http://{address}/graphql", json={"query": FOLLOWED}, headers=headers
            ) as response:
                chunks = response.aiter_text()
                first = await anext(chunks)
                revoke_key(tmp_path / "keys.json", key[:11], NOW)
                assert await client.end() == (4403, "Invalid API key")
                *_events, last = events_of(first + "".join([chunk async for chunk in chunks]))
                assert [error["extensions"]["code"] for error in last["errors"]] == ["unauthorized"]

    play(warehouse_file, scenario, closed(tmp_path / "keys.json", production=True))


@pytest.mark.parametrize(
    ("origin", "settings", "let_in"),
    [
        ("http://{address}", ServerSettings(), True),
        ("https://evil.example", ServerSettings(), False),
        ("null", ServerSettings(), False),
        ("https://good.example", ServerSettings(cors_origins=("https://good.example",)), True),
        ("https://evil.example", ServerSettings(cors_origins=("https://good.example",)), False),
        ("https://any.example", ServerSettings(cors_origins=("*",)), True),
    ],
)
def test_pages_of_other_sites_are_kept_out(
    warehouse_file: Path, origin: str, settings: ServerSettings, let_in: bool
) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        if let_in:
            async with talking(address, Origin=origin.format(address=address)):
                return
        with pytest.raises(InvalidStatus) as refused:
            async with talking(address, Origin=origin):
                pass
        assert refused.value.response.status_code == 403

    play(warehouse_file, scenario, settings)


def test_a_name_the_server_does_not_go_by_is_refused(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        port = address.partition(":")[2]
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                f"ws://evil.example:{port}/graphql",
                subprotocols=[PROTOCOL],
                host="127.0.0.1",  # type: ignore[arg-type]
            ):
                pass
        assert refused.value.response.status_code == 403

    play(warehouse_file, scenario, ServerSettings(on_loopback=True))


# --- what it costs ------------------------------------------------------------------------------------------------


def test_each_operation_is_a_request_and_a_first_answer_without_budget_is_refused(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with talking(address) as client:  # one request
            for name in ("1", "2"):
                await client.follow(ASKED, name)
                assert [(await client.hear())["type"] for _ in range(2)] == ["next", "complete"]
            await client.follow(ASKED, "3")
            told = await client.hear()
            assert [error["extensions"]["code"] for error in told["payload"]] == ["rate_limit_exceeded"]

    play(warehouse_file, scenario, ServerSettings(open_limit=3))


def test_a_fresh_answer_without_budget_comes_when_there_is_room_again(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_answers, "BEAT_EVERY_S", 0.05)
    clock = Clock()

    async def scenario(address: str, warehouse: CountingWarehouse) -> None:
        async with talking(address) as client:
            await client.follow()
            await client.hear()
            async with httpx.AsyncClient(base_url=f"http://{address}") as http:
                while (await http.post("/graphql", json={"query": ASKED})).status_code == 200:
                    pass
            before = len(warehouse.scans)
            await asyncio.to_thread(import_more, warehouse_file)
            await asyncio.sleep(0.7)  # longer than it takes to see the import
            assert len(warehouse.scans) == before
            clock.wait(seconds=60)
            assert (await client.hear())["payload"] == answer(2)

    play(warehouse_file, scenario, ServerSettings(open_limit=9, production=True), clock)


# --- as server-sent events ----------------------------------------------------------------------------------------


def test_an_event_stream_brings_fresh_answers_too(warehouse_file: Path) -> None:
    async def scenario(address: str, _: CountingWarehouse) -> None:
        async with (
            httpx.AsyncClient() as http,
            http.stream(
                "POST",
                f"http://{address}/graphql",
                json={"query": FOLLOWED},
                headers={"accept": "text/event-stream", "accept-encoding": "gzip"},
            ) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert "content-encoding" not in response.headers
            chunks = response.aiter_text()
            assert payload_of((await anext(chunks)).removesuffix("\n\n")) == answer(1)
            await asyncio.to_thread(import_more, warehouse_file)
            assert payload_of((await anext(chunks)).removesuffix("\n\n")) == answer(2)
        await asyncio.sleep(0.2)  # for the server to see that its client has gone

    play(warehouse_file, scenario)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "multipart/mixed", "multipart/mixed, application/json"])
def test_a_subscription_is_no_single_answer(warehouse_file: Path, accept: str) -> None:
    async def scenario(address: str, warehouse: CountingWarehouse) -> None:
        async with httpx.AsyncClient(base_url=f"http://{address}", headers={"accept": accept}) as http:
            response = await http.post("/graphql", json={"query": FOLLOWED})
            told = "A subscription is answered as text/event-stream, or over a WebSocket"
            assert (response.status_code, response.json()["errors"][0]["message"]) == (406, told)
            array = await http.post("/graphql", json=[{"query": FOLLOWED}], headers={"accept": "*/*"})
            assert (array.status_code, array.json()[0]["errors"][0]["message"]) == (200, told)
            get = await http.get("/graphql", params={"query": FOLLOWED}, headers={"accept": "*/*"})
            assert (get.status_code, get.headers["allow"]) == (405, "POST")
        assert warehouse.scans == []

    play(warehouse_file, scenario)
