"""nginx, as ``deploy/nginx.conf`` has it, in front of two real gateways that share a store."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from fanin.tests.facts import visit, write
from fanin.tests.processes import Served, serving, until
from fanin.tests.redis_servers import redis_server

ROOT = Path(__file__).parent.parent
CONFIG = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
FOUND = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
GET = "/api/v1/stats/channels?account_id=acme&start_date=2026-03-01&end_date=2026-03-18"
BATCH = {
    "queries": [
        {"id": "q", "endpoint": "/stats/channels", "params": {"account_id": "acme", "start_date": "2026-03-01",
                                                               "end_date": "2026-03-18"}}
    ]
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason="needs nginx")]


@dataclass(slots=True)
class Fleet:
    """Two gateways, and nginx in front of them."""

    folder: Path
    store: str
    gateways: list[Served]
    nginx: str = ""

    def gateway(self, port: int = 0) -> Any:
        options = ("--trusted-proxies", "127.0.0.1", "--rate-limit", "100000", "--drain-seconds", "1")
        listening = ("--port", str(port)) if port else ()
        return serving(self.folder, *options, *listening, environment={"FANIN_RATE_LIMIT_STORE": self.store})

    def get(self, path: str, source: str = "127.0.0.1", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A GET by nginx, from one of the many addresses of the loopback."""
        connection = HTTPConnection(self.nginx, timeout=60, source_address=(source, 0))
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def is_listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def config_for(folder: Path, port: int, gateways: list[Served]) -> str:
    """The very file, with other names and places."""
    text = CONFIG.replace("/tmp/", f"{folder}/").replace("listen 8080;", f"listen 127.0.0.1:{port};")  # noqa: S108
    text = text.replace("access_log /dev/stdout", f"access_log {folder}/access.log")
    for number, gateway in enumerate(gateways, start=1):
        text = text.replace(f"gateway-{number}:8000", gateway.authority)
    assert "gateway-" not in text
    return f"user root;\n{text}" if os.geteuid() == 0 else text  # who else could read the tests' folder


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    folder.chmod(0o755)
    write(folder / "fanin.duckdb", "acme", [visit("2026-03-10T10:00", channel="Direct")])
    with ExitStack() as running:
        fleet = Fleet(folder, running.enter_context(redis_server(folder)), [])
        fleet.gateways = [running.enter_context(fleet.gateway()) for _ in range(2)]
        port, config = free_port(), folder / "nginx.conf"
        config.write_text(config_for(folder, port, fleet.gateways), encoding="utf-8")
        checked = subprocess.run(
            [FOUND or "", "-e", "stderr", "-t", "-q", "-c", config], capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
        nginx = subprocess.Popen(
            [FOUND or "", "-e", "stderr", "-c", config, "-g", "daemon off;"], stderr=subprocess.DEVNULL
        )
        running.callback(nginx.wait, 30)
        running.callback(nginx.send_signal, signal.SIGTERM)
        fleet.nginx = f"127.0.0.1:{port}"
        until(lambda: is_listened_on(port))
        yield fleet


def test_an_answer_is_that_of_a_gateway(fleet: Fleet) -> None:
    status, _, body = fleet.get(GET)

    assert (status, json.loads(body)["data"][0]["entrances"]) == (200, 1)


def test_a_request_keeps_its_id_and_has_one_where_its_caller_gave_none(fleet: Fleet) -> None:
    own, nginx_s = fleet.get(GET, X_Request_ID="mine-1")[1], fleet.get(GET)[1]

    assert own["x-request-id"] == "mine-1"
    assert re.fullmatch(r"[0-9a-f]{32}", nginx_s["x-request-id"])
    logged = (fleet.folder / "access.log").read_text()
    assert [line.split()[2] for line in logged.splitlines() if "mine-1" in line] == ["/api/v1/stats/channels"]


def test_callers_are_counted_by_their_own_address_whatever_they_say_and_by_both_gateways_together(fleet: Fleet) -> None:
    left = [
        int(fleet.get(GET, source, **headers)[1]["x-ratelimit-remaining"])
        for source, headers in (
            *[("127.0.0.2", {})] * 4,
            ("127.0.0.3", {}),
            ("127.0.0.2", {"X_Forwarded_For": "192.0.2.1"}),
        )
    ]

    by_one = [*left[:4], left[5]]
    assert by_one in ([99_999, 99_998, 99_997, 99_996, 99_995], *_around_a_minute(by_one))
    assert left[4] == 99_999


def _around_a_minute(counted: list[int]) -> list[list[int]]:
    """What the same may be when a minute ends in between: counting begins anew, once."""
    return [
        [*range(99_999, 99_999 - before, -1), *range(99_999, 99_999 - (len(counted) - before), -1)]
        for before in range(1, len(counted))
    ]


def test_a_stream_is_sent_as_it_comes(fleet: Fleet) -> None:
    document = 'subscription { dashboard(accountId: "acme") { channels { total } } }'

    async def first() -> tuple[str, bool]:
        async with (
            asyncio.timeout(60),
            httpx.AsyncClient() as http,
            http.stream(
                "POST",
                f"http://{fleet.nginx}/graphql",
                json={"query": document},
                headers={"Accept": "text/event-stream"},
            ) as response,
        ):
            return await anext(response.aiter_text()), response.is_closed

    event, over = asyncio.run(first())

    assert event.startswith("event: next\ndata: {")
    assert not over


def test_a_batch_is_streamed_unbuffered_too(fleet: Fleet) -> None:
    accept = {"Accept": "application/x-ndjson"}
    direct = httpx.post(f"{fleet.gateways[0].address}/api/v1/batch", json=BATCH, headers=accept)
    behind = httpx.post(f"http://{fleet.nginx}/api/v1/batch", json=BATCH, headers=accept)

    assert direct.headers["x-accel-buffering"] == "no"  # which nginx obeys, and keeps to itself
    assert "x-accel-buffering" not in behind.headers
    assert [json.loads(line)["type"] for line in behind.text.splitlines()] == ["plan", "result", "end"]


def test_a_websocket_is_let_through(fleet: Fleet) -> None:
    async def acknowledged() -> Any:
        address = f"ws://{fleet.nginx}/graphql"
        async with asyncio.timeout(60), connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send('{"type": "connection_init"}')
            return json.loads(await socket.recv())

    assert asyncio.run(acknowledged()) == {"type": "connection_ack"}


# --- gateways that go ---------------------------------------------------------------------------------------------

CALLERS = 3
MOST = 150  # requests of each


class Load:
    """Callers that ask one request after the other until they are told to stop; counts what they were told."""

    def __init__(self, fleet: Fleet, *methods: str) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._fleet = fleet
        self._enough = threading.Event()
        self._callers = [threading.Thread(target=self._ask, args=(methods,)) for _ in range(CALLERS)]

    def __enter__(self) -> Load:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for caller in self._callers:
            caller.join()

    def _ask(self, methods: tuple[str, ...]) -> None:
        with httpx.Client(base_url=f"http://{self._fleet.nginx}", timeout=60) as http:
            for number in range(MOST):
                if self._enough.wait(0.02):
                    return
                method = methods[number % len(methods)]
                response = http.get(GET) if method == "GET" else http.post("/api/v1/batch", json=BATCH)
                self.statuses[method, response.status_code] += 1


def test_a_gateway_that_leaves_and_one_that_is_killed_cost_no_request(fleet: Fleet) -> None:
    leaving, killed = fleet.gateways
    with Load(fleet, "GET", "POST") as load:
        until(lambda: load.statuses.total() > 20)
        leaving.process.send_signal(signal.SIGTERM)
        code, _ = leaving.ended()
        asked = load.statuses.total()
        until(lambda: load.statuses.total() > asked + 10 or not any(map(threading.Thread.is_alive, load._callers)))
    assert code == 0
    assert {status for _, status in load.statuses} == {200}
    assert {method for method, _ in load.statuses} == {"GET", "POST"}

    with fleet.gateway(leaving.port):
        time.sleep(2.1)  # for which nginx leaves alone what has failed it
        with Load(fleet, "GET") as load:
            until(lambda: load.statuses.total() > 20)
            killed.process.kill()
            killed.ended()
            asked = load.statuses.total()
            until(lambda: load.statuses.total() > asked + 10 or not any(map(threading.Thread.is_alive, load._callers)))
        assert {status for _, status in load.statuses} == {200}
