"""Two worlds that one tenant must not be able to tell apart: in one there is another tenant, in the other there never was.

``north`` asks the same of both.  In the first, ``south`` and an operator who reads everything ask at the same moment, so that
caches are warm from them, reads are under way for them, and documents are kept for them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from fanin.app import create_app
from fanin.catalog.segments import read_segments
from fanin.server.keys import NewKey, create_key
from fanin.tests.callers import Ask, closed
from fanin.tests.facts import NOW, CountingWarehouse, bought, engine_over, reached, visit, write
from fanin.warehouse.facts import Session

NORTH, SOUTH, NOWHERE = "north", "south", "sauth"  # the last one is as long as the one it is mistaken for

# In every value of south's, and in none of north's.
MARK = "qq"

REQUEST_ID = "5f0c5a52-9d0c-4f3e-8f42-6f6d4f3b9a11"

SEGMENTS = f"""
[[segments]]
slug = "{MARK}-buyers"
account = "{SOUTH}"
conditions = [{{field = "utm_source", op = "eq", value = "{MARK}source1"}}]
"""


def visits(mark: str, days: int, each: int) -> list[Session]:
    """Every dimension's values begin with the mark."""
    return [
        visit(
            f"2026-03-{day:02}T1{place % 10}:00",
            f"/{mark}/a={mark}group",
            f"/{mark}/b",
            goals=[
                bought(100 + place, f"{mark}purchase", at=f"2026-03-{day:02}T1{place % 10}:01"),
                reached(f"{mark}goal", at=f"2026-03-{day:02}T1{place % 10}:02"),
            ],
            **{
                name: f"{mark}{name.removeprefix('utm_')}{place % 3}"
                for name in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "browser", "os")
            },
            referrer=f"https://{mark}.example/",
            country="ES" if mark == MARK else "FR",
        )
        for day in range(1, days + 1)
        for place in range(each)
    ]


@dataclass(frozen=True, slots=True)
class World:
    """One server with all that its tenants have filled by now."""

    app: Any
    warehouse: CountingWarehouse
    keys: dict[str, str]  # by tenant; ``operator`` reads all accounts

    async def answer(self, ask: Ask, tenant: str, request_id: str = REQUEST_ID) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 50_000), raise_app_exceptions=False)
        shown = {"X-API-Key": self.keys[tenant], "X-Request-ID": request_id, "Accept-Encoding": "identity"}
        headers = [(name, text) for name, text in {**shown, **ask.headers}.items()]
        async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
            return await client.request(ask.method, ask.address, json=ask.body, headers=headers)


@contextmanager
def two_worlds(folder: Path) -> Iterator[tuple[World, World]]:
    """The world with both tenants, and the one with ``north`` alone."""
    keys_file = folder / "keys.json"
    granted = {NORTH: (NORTH,), SOUTH: (SOUTH,), "operator": None}
    keys = {
        tenant: create_key(keys_file, NewKey(accounts, plan="enterprise"), NOW)[0]
        for tenant, accounts in granted.items()
    }
    (folder / "segments.toml").write_text(SEGMENTS)
    for name, tenants in (("both", (NORTH, SOUTH)), ("alone", (NORTH,))):
        if NORTH in tenants:
            write(folder / name / "w.duckdb", NORTH, visits("nn", 17, 2))
        if SOUTH in tenants:
            write(folder / name / "w.duckdb", SOUTH, visits(MARK, 13, 5), time_zone="Asia/Tokyo", currency="JPY")
    with ExitStack() as held:
        worlds = []
        for name, segments in (("both", read_segments(folder / "segments.toml")), ("alone", ())):
            opened = engine_over(folder / name / "w.duckdb", cache_bytes=4_000_000)
            engine, warehouse = held.enter_context(opened)
            app = create_app(replace(engine, segments=segments), closed(keys_file))
            worlds.append(World(app, warehouse, keys))
        yield worlds[0], worlds[1]


def told(response: httpx.Response, *, with_costs: bool = True) -> tuple[int, dict[str, str], list[str]]:
    """All that a caller can see but what no two runs have in common: times, and in what order a stream's records came."""
    headers = {name: re.sub(r"dur=[\d.]+", "dur=0", text) for name, text in response.headers.items()}
    headers.pop("content-length", None)
    if headers.get("etag", "").startswith("W/"):
        headers["etag"] = "W/"  # made from the stamp of the account's data, which is never the same twice
    text = _timeless(response.text)
    if not with_costs:
        headers.pop("server-timing", None)
        text = re.sub(r'"fanin":\{"fields".*?\}\}', "", text)
    return response.status_code, headers, sorted(text.splitlines())


def _timeless(text: str) -> str:
    text = re.sub(r'"(timing_ms|total_timing_ms|scanMs)":[\d.]+', r'"\1":0', text)
    return re.sub(r'"ms":\{[^}]*\}', '"ms":{}', text)


def swapped(ask: Ask) -> Ask:
    """The same with the tenants changed places."""
    return _renamed(ask, {NORTH: SOUTH, SOUTH: NORTH})


def mistaken(ask: Ask) -> Ask:
    """The same about an account that is not there where it was about the other tenant's."""
    renamed = _renamed(ask, {SOUTH: NOWHERE})
    if isinstance(renamed.body, dict) and "extensions" in renamed.body:
        renamed.body["extensions"] = persisted(renamed.body["query"])
    return renamed


def persisted(text: str) -> dict[str, Any]:
    """What names a document by its hash."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}


def _renamed(ask: Ask, names: dict[str, str]) -> Ask:
    pattern = re.compile("|".join(names))

    def renamed(node: Any) -> Any:
        if isinstance(node, str):
            return pattern.sub(lambda found: names[found[0]], node)
        if isinstance(node, dict):
            return {renamed(name): renamed(value) for name, value in node.items()}
        return [renamed(value) for value in node] if isinstance(node, list) else node

    return replace(ask, address=renamed(ask.address), body=renamed(ask.body))


def text_of(ask: Ask) -> str:
    return f"{ask.address} {ask.body} {ask.headers}"


async def at_once(*waiting: Any) -> list[Any]:
    return list(await asyncio.gather(*waiting))
