"""Callers for tests: keys made on the spot, a clock that can be moved, and one request for every door.

Import with ``from fanin.tests.callers import …``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from fanin.app import create_app
from fanin.server.keys import NewKey, create_key
from fanin.server.settings import ServerSettings
from fanin.tests.facts import NOW, engine_over

HERE = "192.0.2.1"


@dataclass(slots=True)
class Clock:
    """The tests' own time; it stands still unless moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.  ``before`` runs just ahead of it."""

    method: str
    address: str
    body: Any = None
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None

    def by(self, key: str) -> Ask:
        return replace(self, headers={**self.headers, "X-API-Key": key})

    def bearing(self, token: str) -> Ask:
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {token}"})

    def after(self, *steps: Callable[[], object]) -> Ask:
        return replace(self, before=lambda: [step() for step in steps])


def get(account: str, report: str = "overview") -> Ask:
    return Ask("GET", f"/api/v1/stats/{report}?account_id={account}&period=30d")


def batch(*accounts: str, address: str = "/api/v1/batch", report: str = "channels") -> Ask:
    queries = [
        {"id": f"q{place}", "endpoint": f"/stats/{report}", "params": {"account_id": account, "period": "30d"}}
        for place, account in enumerate(accounts)
    ]
    return Ask("POST", address, {"queries": queries, "options": {"include_timing": False}})


def streamed(*accounts: str) -> Ask:
    return replace(batch(*accounts), headers={"Accept": "application/x-ndjson"})


def validate(*accounts: str) -> Ask:
    return batch(*accounts, address="/api/v1/batch/validate")


def graphql(account: str) -> Ask:
    return Ask("POST", "/graphql", {"query": document(account)})


def document(account: str) -> str:
    return f'{{ stats(accountId: "{account}", period: "30d") {{ channels {{ total rows {{ channel entrances }} }} }} }}'


DOORS: dict[str, Callable[[str], Ask]] = {
    "get": get,
    "batch": batch,
    "streamed batch": streamed,
    "validate": validate,
    "graphql": graphql,
    "graphql by get": lambda account: Ask("GET", f"/graphql?query={document(account)}"),
    "array of queries": lambda account: Ask("POST", "/graphql", [{"query": document(account)}] * 2),
}


def sent(
    path: Path,
    *asks: Ask,
    settings: ServerSettings | None = None,
    clock: Clock | None = None,
    address: str = HERE,
) -> list[httpx.Response]:
    """The responses of one server to several requests, one after the other, from one network address."""

    async def send(client: httpx.AsyncClient, ask: Ask) -> httpx.Response:
        ask.before()
        headers = [
            (name.encode(), text if isinstance(text, bytes) else text.encode()) for name, text in ask.headers.items()
        ]
        return await client.request(ask.method, ask.address, json=ask.body, headers=headers)

    async def run() -> list[httpx.Response]:
        with engine_over(path) as (engine, _):
            app = create_app(replace(engine, clock=clock or Clock()), settings)
            transport = httpx.ASGITransport(app, client=(address, 50_000), raise_app_exceptions=False)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client,
            ):
                return [await send(client, ask) for ask in asks]

    return asyncio.run(run())


def closed(keys_file: Path, **settings: Any) -> ServerSettings:
    """Settings of a server that asks for credentials, whether or not there are any."""
    return ServerSettings(keys_file=keys_file, may_be_open=False, **settings)


def key_for(keys_file: Path, *accounts: str, now: datetime = NOW, **granted: Any) -> str:
    """A new key for some accounts, or for all when none is named."""
    text, _ = create_key(keys_file, NewKey(accounts or None, **granted), now)
    return text


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error in the documented envelope.  Contract §4.3."""
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    return response.status_code, body["error"]["code"], body["error"]["message"]


def limits(response: httpx.Response) -> Sequence[int]:
    """Limit, remaining and reset, as the headers tell them."""
    return [int(response.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")]
