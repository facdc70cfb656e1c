"""Isolation: whatever a tenant asks at whatever door, nothing tells it of another.

The other tenant's rows, counts, names and errors do not appear, and neither does its absence: a world without it answers
the same.  That covers what no one thinks of: suggestions, costs, caches, tags, limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.tests.callers import DOORS as ONE_OF_EACH
from fanin.tests.callers import Ask
from fanin.tests.isolation.random_asks import DOORS
from fanin.tests.isolation.two_worlds import (
    MARK,
    NORTH,
    NOWHERE,
    SOUTH,
    World,
    at_once,
    mistaken,
    persisted,
    swapped,
    text_of,
    told,
    two_worlds,
)

RANDOMLY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    with two_worlds(tmp_path_factory.mktemp("worlds")) as pair:
        yield pair


@pytest.fixture(scope="module")
def worlds_with_an_operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    with two_worlds(tmp_path_factory.mktemp("worlds")) as pair:
        yield pair


@pytest.mark.parametrize("door", DOORS)
@RANDOMLY
@given(data=st.data())
def test_a_world_with_another_tenant_answers_as_one_without_it(
    door: str, data: st.DataObject, worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, alone = worlds
    ask = data.draw(DOORS[door])
    is_warm = data.draw(st.booleans())  # from the other's having asked before

    async def run() -> tuple[Any, Any]:
        if is_warm:
            await both.answer(ask, SOUTH, "before")
        others = both.answer(ask, SOUTH, "same"), both.answer(swapped(ask), SOUTH, "swapped")
        _, answer, _ = await at_once(others[0], both.answer(ask, NORTH), others[1])
        return answer, await alone.answer(ask, NORTH)

    answer, expected = loop.run_until_complete(run())

    assert told(answer) == told(expected)
    if MARK not in text_of(ask):
        assert MARK not in answer.text + str(answer.headers)


@pytest.mark.parametrize("door", DOORS)
@RANDOMLY
@given(data=st.data())
def test_what_an_operator_asks_of_all_accounts_shows_a_tenant_nothing_of_others(
    door: str, data: st.DataObject, worlds_with_an_operator: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    """But for what it costs: what the operator has read of the tenant's own account is kept for the tenant too."""
    both, alone = worlds_with_an_operator
    ask = data.draw(DOORS[door])

    async def run() -> tuple[Any, Any]:
        await both.answer(ask, "operator", "before")
        _, answer = await at_once(both.answer(ask, "operator", "same"), both.answer(ask, NORTH))
        return answer, await alone.answer(ask, NORTH)

    answer, expected = loop.run_until_complete(run())

    assert told(answer, with_costs=False) == told(expected, with_costs=False)


@pytest.mark.parametrize("door", DOORS)
@RANDOMLY
@given(data=st.data())
def test_an_account_of_another_is_answered_as_one_that_is_not_there(
    door: str, data: st.DataObject, worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, _ = worlds
    ask = data.draw(DOORS[door].filter(lambda ask: mistaken(ask) != ask) if door != "pages" else DOORS[door])

    async def run() -> tuple[Any, Any]:
        return await both.answer(ask, NORTH), await both.answer(mistaken(ask), NORTH)

    forbidden, missing = loop.run_until_complete(run())

    status, headers, lines = told(forbidden, with_costs=False)  # beside it one's own account may have been asked
    other_status, other_headers, other_lines = told(missing, with_costs=False)
    without_counts = [{n: t for n, t in h.items() if not _counts(n)} for h in (headers, other_headers)]
    assert (status, without_counts[0]) == (other_status, without_counts[1])
    assert sorted(line.replace(SOUTH, NOWHERE) for line in lines) == sorted(other_lines)


def _counts(header: str) -> bool:
    """Headers that differ between two requests of one caller by their order alone, or by the account's name in a body."""
    return header in ("x-ratelimit-remaining", "etag")


@pytest.mark.parametrize("door", ONE_OF_EACH)
def test_a_question_about_anothers_account_is_one_of_no_data(
    door: str, worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, _ = worlds
    asked = len(both.warehouse.scans)

    answer = loop.run_until_complete(both.answer(ONE_OF_EACH[door](SOUTH), NORTH))

    assert "forbidden" in answer.text
    assert len(both.warehouse.scans) == asked


def test_what_one_tenant_has_kept_by_its_hash_another_does_not_find(
    worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, _ = worlds
    text = "{ settings { limits { name } } accounts { id } }"
    kept = Ask("POST", "/graphql", {"query": text, "extensions": persisted(text)})
    recalled = Ask("POST", "/graphql", {"extensions": persisted(text)})

    async def run() -> list[Any]:
        return [
            (await both.answer(ask, tenant)).json()
            for ask, tenant in ((kept, SOUTH), (recalled, NORTH), (recalled, "operator"), (recalled, SOUTH))
        ]

    first, foreign, operators, own = loop.run_until_complete(run())

    assert first["data"] == own["data"]
    assert [account["id"] for account in own["data"]["accounts"]] == [SOUTH]
    for refused in (foreign, operators):
        assert refused == {
            "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
        }


def test_the_tag_of_anothers_answer_matches_nothing_but_an_equal_answer(
    worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, _ = worlds
    asks = [
        Ask("GET", f'/graphql?query={{stats(accountId:"{SOUTH}",period:"30d"){{overview{{traffic{{entrances}}}}}}}}'),
        Ask("GET", f"/api/v1/stats/sources?account_id={SOUTH}&period=30d"),
        Ask("GET", "/graphql?query={accounts{id}}"),
    ]

    async def run() -> list[int]:
        statuses = []
        for ask in asks:
            owned = await both.answer(ask, SOUTH)
            assert owned.status_code == 200
            held = {"If-None-Match": owned.headers.get("etag", '"none"')}
            asked = await both.answer(Ask(ask.method, ask.address, headers=held), NORTH)
            assert MARK not in asked.text
            statuses.append(asked.status_code)
        return statuses

    assert loop.run_until_complete(run()) == [200, 403, 200]


# --- subscriptions ------------------------------------------------------------------------------------------------


async def conversation(world: World, tenant: str, *documents: str) -> list[Any]:
    """What a WebSocket of the tenant hears of each operation, one after the other."""
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [(b"x-api-key", world.keys[tenant].encode())],
        "subprotocols": ["graphql-transport-ws"],
        "client": ("192.0.2.1", 50_000),
        "query_string": b"",
    }
    running = asyncio.create_task(world.app(scope, to_app.get, from_app.put))

    async def say(**message: Any) -> None:
        await to_app.put({"type": "websocket.receive", "text": orjson.dumps(message).decode()})

    async def hear() -> Any:
        return orjson.loads((await asyncio.wait_for(from_app.get(), 20))["text"])

    await to_app.put({"type": "websocket.connect"})
    assert (await from_app.get())["type"] == "websocket.accept"
    await say(type="connection_init")
    assert await hear() == {"type": "connection_ack"}
    heard = []
    for place, text in enumerate(documents):
        await say(type="subscribe", id=str(place), payload={"query": text})
        message = await hear()
        while message.get("payload", {}) == {}:
            message = await hear()
        heard.append(message)
        if message["type"] == "next":
            message["payload"].get("extensions", {}).clear()
            await say(type="complete", id=str(place))
    await to_app.put({"type": "websocket.disconnect", "code": 1000})
    await running
    return heard


def test_a_subscription_tells_of_ones_own_account_whoever_follows_the_same(
    worlds: tuple[World, World], loop: asyncio.AbstractEventLoop
) -> None:
    both, alone = worlds
    followed = [
        f'subscription {{ dashboard(accountId: "{account}", period: "30d") {{ sources {{ rows {{ utmSource entrances }} }} }} }}'
        for account in (SOUTH, NORTH, NOWHERE)
    ]

    async def run() -> tuple[Any, Any, Any]:
        owned, heard = await at_once(conversation(both, SOUTH, *followed), conversation(both, NORTH, *followed))
        return owned, heard, await conversation(alone, NORTH, *followed)

    owned, heard, expected = loop.run_until_complete(run())

    assert MARK in str(owned[0])
    assert heard == expected
    assert MARK not in str(heard)
    foreign, _, missing = (str({**message, "id": ""}) for message in heard)
    assert foreign.replace(SOUTH, NOWHERE) == missing
