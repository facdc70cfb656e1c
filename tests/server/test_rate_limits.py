"""How often one may ask, and what it may cost.  Contract §4.4, §6.35, rule 4.8."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest
from fanin.catalog.identity import Identity, Means
from fanin.catalog.plans import ANONYMOUS, PLANS, Plan
from fanin.resolvers.loader import Sharing
from fanin.schema.reading import Reader
from fanin.server.counters import AWAY_S, Counters, MemoryCounters, RedisCounters
from fanin.server.entrance import EXPOSED_HEADERS, entrance
from fanin.server.rate_limits import RateLimits, Standing, allowance_of
from fanin.server.redis_counters import open_redis
from fanin.server.settings import SETTINGS, ServerSettings, read_settings
from fanin.tests.callers import DOORS, Ask, Clock, batch, closed, get, graphql, key_for, limits, refusal, sent, validate
from fanin.tests.facts import NOW, engine_over, visit, write
from fanin.tests.redis_servers import redis_server

T0 = int(NOW.timestamp())  # the beginning of a minute

every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", "/a", "/b", channel="Direct")])
    return path


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def statuses(path: Path, *asks: Ask, **options: Any) -> list[int]:
    return [response.status_code for response in sent(path, *asks, **options)]


def by_key(plan: str, name: str = "key:1") -> Identity:
    return Identity(name, None, frozenset({"stats:read"}), PLANS[plan], Means.KEY)


# --- headers ------------------------------------------------------------------------------------------------------


@every_door
def test_rule_4_8_every_answer_tells_the_limits(warehouse_file: Path, keys_file: Path, door: Any) -> None:
    key = key_for(keys_file, "acme")
    no_scope = key_for(keys_file, "acme", scopes=("sites:read",))

    responses = sent(
        warehouse_file,
        door("acme").by(key),
        door("other").by(key),
        door("acme").by(no_scope),
        door("acme"),
        settings=closed(keys_file),
    )

    most = 120 if door is get else 240
    told = [limits(response) for response in responses]
    assert told == [[most, most - 1, T0 + 60], [most, most - 2, T0 + 60], [most, most - 1, T0 + 60], [60, 59, T0 + 60]]
    assert all("retry-after" not in response.headers for response in responses)


def test_what_the_router_refuses_tells_the_limits_too(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")
    asks = [Ask("GET", "/api/v1/stats/nothing"), Ask("GET", "/api/nothing"), Ask("DELETE", "/api/v1/batch")]

    responses = sent(warehouse_file, *(ask.by(key) for ask in asks), settings=closed(keys_file))

    assert [response.status_code for response in responses] == [404, 404, 405]
    assert [limits(response)[:2] for response in responses] == [[120, 119], [240, 239], [240, 238]]


def test_probes_and_static_files_are_unlimited_and_uncounted(warehouse_file: Path) -> None:
    probe, page = Ask("GET", "/livez"), Ask("GET", "/graphql", headers={"accept": "text/html"})

    responses = sent(warehouse_file, *[probe] * 5, *[page] * 5, get("acme"), settings=ServerSettings(open_limit=2))

    assert {response.status_code for response in responses} == {200}
    assert "x-ratelimit-limit" not in responses[0].headers
    assert [limits(response)[:2] for response in responses[5:]] == [[2, 2]] * 5 + [[2, 1]]


# --- requests -----------------------------------------------------------------------------------------------------


def test_the_request_over_the_limit_is_429_with_retry_after_until_the_next_minute(warehouse_file: Path) -> None:
    clock = Clock()
    late = get("acme").after(lambda: clock.wait(seconds=42.5))

    first, second, third, fourth = sent(
        warehouse_file,
        get("acme"),
        get("acme"),
        late,
        get("acme").after(lambda: clock.wait(seconds=17.5)),
        settings=ServerSettings(open_limit=2),
        clock=clock,
    )

    assert [first.status_code, second.status_code, fourth.status_code] == [200, 200, 200]
    assert refusal(third) == (
        429,
        "rate_limit_exceeded",
        "Rate limit exceeded: 2 requests per minute; wait for Retry-After seconds",
    )
    assert third.headers["retry-after"] == "18"  # rounded up: earlier would be too early
    assert limits(third) == [2, 0, T0 + 60]
    assert limits(fourth) == [2, 1, T0 + 120]


@every_door
def test_no_door_runs_anything_once_the_limit_is_reached(warehouse_file: Path, door: Any) -> None:
    (_, refused) = sent(warehouse_file, get("acme"), door("acme"), settings=ServerSettings(open_limit=1))

    assert refusal(refused)[:2] == (429, "rate_limit_exceeded")


def test_6_35_a_batch_is_one_slot_of_the_plan_however_many_queries_it_holds(
    warehouse_file: Path, keys_file: Path
) -> None:
    key = key_for(keys_file, "acme")

    small, large = sent(
        warehouse_file, batch("acme").by(key), batch(*["acme"] * 50).by(key), settings=closed(keys_file)
    )

    assert [limits(small)[:2], limits(large)[:2]] == [[240, 239], [240, 238]]


@pytest.mark.parametrize(
    ("plan", "means", "path", "limit"),
    [
        ("free", Means.KEY, "/api/v1/stats/overview", 120),
        ("growth", Means.KEY, "/api/v1/stats/overview", 120),
        ("scale", Means.KEY, "/api/v1/stats/overview", 240),
        ("enterprise", Means.KEY, "/api/v1/stats/overview", 5000),
        ("growth", Means.KEY, "/api/v1/batch", 240),
        ("growth", Means.KEY, "/graphql", 240),
        ("growth", Means.TOKEN, "/api/v1/stats/overview", 240),
        ("enterprise", Means.TOKEN, "/api/v1/batch", 10_000),
    ],
)
def test_plans_and_the_halving_are_as_documented(plan: str, means: Means, path: str, limit: int) -> None:
    identity = Identity("x", plan=PLANS[plan], means=means)

    assert allowance_of(identity, path).requests == limit


def test_half_of_a_small_plan_is_thirty_at_least() -> None:
    identity = Identity("x", plan=Plan("tiny", 40), means=Means.KEY)

    assert allowance_of(identity, "/api/v1/stats/overview").requests == 30


def test_anonymous_callers_have_sixty_by_address() -> None:
    assert allowance_of(Identity("address:x"), "/api/v1/stats/overview").requests == 60 == ANONYMOUS.requests


def test_stats_calls_and_all_others_of_a_key_are_counted_apart(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")
    asks = [get("acme"), batch("acme"), get("acme"), graphql("acme"), validate("acme")]

    responses = sent(warehouse_file, *(ask.by(key) for ask in asks), settings=closed(keys_file))

    assert [limits(response)[:2] for response in responses] == [
        [120, 119],
        [240, 239],
        [120, 118],
        [240, 238],
        [240, 237],
    ]


def test_each_key_is_counted_for_itself(warehouse_file: Path, keys_file: Path) -> None:
    one, other = key_for(keys_file, "acme"), key_for(keys_file, "acme")

    responses = sent(
        warehouse_file, get("acme").by(one), get("acme").by(one), get("acme").by(other), settings=closed(keys_file)
    )

    assert [limits(response)[1] for response in responses] == [119, 118, 119]


def test_guessing_keys_is_limited_by_address_and_harms_no_one_with_a_key(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")
    guesses = [get("acme").by(f"sm_{guess:061}") for guess in range(62)]

    responses = sent(warehouse_file, *guesses, get("acme").by(key), settings=closed(keys_file))

    assert [response.status_code for response in responses] == [401] * 60 + [429, 429, 200]


# --- open servers -------------------------------------------------------------------------------------------------


def test_an_open_server_on_loopback_counts_no_one_and_tells_the_largest_plan_always_full(warehouse_file: Path) -> None:
    asks = [get("acme"), batch("acme"), graphql("acme")] * 40

    variables = {"FANIN_HOST": "127.0.0.1", "FANIN_KEYS": "/none", "FANIN_ALLOWED_HOSTS": "fanin.test"}
    responses = sent(warehouse_file, *asks, settings=read_settings(variables))

    assert {response.status_code for response in responses} == {200}
    assert {tuple(limits(response)) for response in responses} == {(10_000, 10_000, T0 + 60)}


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({"FANIN_HOST": "127.0.0.1"}, None),
        ({"FANIN_HOST": "::1"}, None),
        ({"FANIN_HOST": "localhost"}, None),
        ({"FANIN_HOST": "127.0.0.1", "FANIN_RATE_LIMIT": "7"}, 7),
        ({"FANIN_HOST": "0.0.0.0"}, 60),
        ({"FANIN_HOST": "0.0.0.0", "FANIN_RATE_LIMIT": "7"}, 7),
        ({}, 60),
    ],
)
def test_open_callers_are_limited_unless_only_this_machine_reaches_the_server(
    environment: dict[str, str], limit: int | None
) -> None:
    assert read_settings(environment).open_limit == limit


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "1e3", "1" * 10])
def test_a_rate_limit_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="FANIN_RATE_LIMIT must be a whole number from 1"):
        read_settings({"FANIN_RATE_LIMIT": text})


def test_an_open_server_with_a_limit_counts_by_address(warehouse_file: Path) -> None:
    config = ServerSettings(open_limit=1)

    assert statuses(warehouse_file, get("acme"), get("acme"), settings=config, address="192.0.2.1") == [200, 429]


# --- cost ---------------------------------------------------------------------------------------------------------


def windows(count: int) -> Ask:
    """A batch about so many windows, which is so many scans."""
    ask = batch(*["acme"] * count)
    for place, query in enumerate(ask.body["queries"]):
        query["params"] = {"account_id": "acme", "start_date": "2026-03-01", "end_date": f"2026-03-{place + 1:02}"}
    ask.body["options"]["parallel_limit"] = 10
    return ask


@every_door
def test_once_the_scans_are_used_up_the_next_request_is_429_before_anything_runs(
    warehouse_file: Path, door: Any
) -> None:
    config = ServerSettings(open_limit=3)  # and so 15 scans

    paid, refused = sent(warehouse_file, windows(16), door("acme"), settings=config)

    assert paid.json()["status"] == "completed"  # what was let in is never cut short for its cost
    assert refusal(refused) == (
        429,
        "rate_limit_exceeded",
        "Rate limit exceeded: 15 scans per minute; wait for Retry-After seconds",
    )
    assert limits(refused) == [3, 1, T0 + 60]  # there were requests left
    assert refused.headers["retry-after"] == "60"


def test_a_batch_that_leaves_scans_is_followed_by_another(warehouse_file: Path) -> None:
    assert statuses(warehouse_file, windows(14), windows(1), get("acme"), settings=ServerSettings(open_limit=3)) == [
        200,
        200,
        429,
    ]


def test_cost_is_one_budget_for_all_doors_of_a_key(warehouse_file: Path, keys_file: Path) -> None:
    limits_ = RateLimits(MemoryCounters(), lambda: T0)
    identity = by_key("free")
    reader = Reader(identity, [Sharing(scans=1200)])

    async def run() -> list[Standing]:
        await limits_.settle(reader)
        return [await limits_.count(identity, path) for path in ("/api/v1/stats/overview", "/graphql", "/api/v1/batch")]

    assert [str(standing.refusal) for standing in asyncio.run(run())] == [
        "Rate limit exceeded: 1,200 scans per minute; wait for Retry-After seconds"
    ] * 3


def test_rows_are_a_budget_too() -> None:
    limits_ = RateLimits(MemoryCounters(), lambda: T0)
    identity = by_key("free")

    async def run() -> Standing:
        await limits_.settle(Reader(identity, [Sharing(scans=1, rows=7_000_000), Sharing(scans=1, rows=5_000_000)]))
        return await limits_.count(identity, "/graphql")

    assert str(asyncio.run(run()).refusal).startswith("Rate limit exceeded: 12,000,000 rows per minute")


def test_what_is_under_way_counts_with_what_it_has_cost_so_far_and_once_only() -> None:
    limits_ = RateLimits(MemoryCounters(), lambda: T0)
    identity = by_key("free")
    cost = Sharing()
    reader = Reader(identity, [cost])

    async def refused() -> bool:
        return (await limits_.count(identity, "/graphql")).refusal is not None

    async def run() -> list[bool]:
        limits_.start(reader)
        before = await refused()
        cost.scans = 1200
        during = await refused()
        cost.scans = 1199
        await limits_.settle(reader)
        return [before, during, await refused()]

    assert asyncio.run(run()) == [False, True, False]


def test_requests_sent_all_at_once_are_no_way_around_the_cost(warehouse_file: Path) -> None:
    """Each that is under way counts for one scan at least, before it has made any."""
    limits_ = RateLimits(MemoryCounters(), lambda: T0)
    identity = Identity("address:x", plan=Plan("tiny", 2))  # 10 scans

    async def run() -> list[bool]:
        told = []
        for _ in range(12):
            limits_.start(Reader(identity))
            told.append((await limits_.count(identity, "/graphql", requests=0)).refusal is None)
        return told

    assert asyncio.run(run()) == [True] * 9 + [False] * 3


def test_what_one_caller_costs_is_nothing_to_another() -> None:
    limits_ = RateLimits(MemoryCounters(), lambda: T0)

    async def run() -> Standing:
        await limits_.settle(Reader(by_key("free", "key:1"), [Sharing(scans=9999)]))
        return await limits_.count(by_key("free", "key:2"), "/graphql")

    assert asyncio.run(run()).refusal is None


def test_rows_of_a_scan_are_counted_and_a_check_of_a_plan_costs_nothing(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[tuple[int, int]] = []
    real = RateLimits.settle

    async def settle(self: RateLimits, reader: Reader) -> None:
        charged.append((reader.scans, reader.rows))
        await real(self, reader)

    monkeypatch.setattr(RateLimits, "settle", settle)
    sent(
        warehouse_file,
        validate("acme"),
        batch("acme"),
        batch("acme", "acme", report="pages"),
        graphql("acme"),
        settings=ServerSettings(open_limit=60),
    )

    assert charged == [(0, 0), (1, 1), (1, 2), (1, 1)]


def test_a_request_that_fails_is_charged_and_no_longer_under_way(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("fanin.rest_compat.routes.read_query", broken)
    asks = [get("acme")] * 3

    assert statuses(warehouse_file, *asks, settings=ServerSettings(open_limit=60)) == [500] * 3
    with engine_over(warehouse_file) as (engine, _):
        _, callers = entrance(engine, ServerSettings())
    assert callers.limits._running == {}


# --- counters -----------------------------------------------------------------------------------------------------


def test_counters_start_anew_with_each_window_and_forget_the_last() -> None:
    counters = MemoryCounters()

    async def run() -> list[list[int]]:
        return [
            await counters.add(1, {"a": 1, "b": 2}),
            await counters.add(1, {"a": 1, "b": 0}),
            await counters.add(2, {"a": 1, "b": 0}),
        ]

    assert asyncio.run(run()) == [[1, 2], [2, 2], [1, 0]]
    assert counters._sums == {"a": 1}


def test_a_clock_that_steps_back_grants_nothing() -> None:
    counters = MemoryCounters()

    async def run() -> list[int]:
        return [(await counters.add(window, {"a": 1}))[0] for window in (5, 4, 5)]

    assert asyncio.run(run()) == [1, 2, 3]


def test_memory_is_bounded_and_who_came_first_is_forgotten_first() -> None:
    counters = MemoryCounters(most_names=3)

    async def run() -> None:
        for name in "abcde":
            await counters.add(1, {name: 1})
            await counters.add(1, {f"looked at {name}": 0})

    asyncio.run(run())
    assert list(counters._sums) == ["c", "d", "e"]


@given(st.lists(st.tuples(st.integers(0, 3), st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=1))))
def test_sums_are_sums(steps: list[tuple[int, dict[str, int]]]) -> None:
    steps.sort(key=lambda step: step[0])
    counters = MemoryCounters()
    expected: dict[tuple[int, str], int] = {}

    async def run() -> None:
        for window, amounts in steps:
            for name, amount in amounts.items():
                expected[window, name] = expected.get((window, name), 0) + amount
            assert await counters.add(window, amounts) == [expected[window, name] for name in amounts]

    asyncio.run(run())


@pytest.mark.slow
def test_a_redis_store_counts_for_several_processes_and_forgets_by_itself(tmp_path: Path) -> None:
    async def run(url: str) -> tuple[list[list[int]], list[int]]:
        one, other = open_redis(url), open_redis(url)
        sums = [
            await one.add(7, {"a": 1, "b": 2}),
            await other.add(7, {"a": 1, "b": 0}),
            await one.add(8, {"a": 1, "b": 0}),
        ]
        lives = [await one.client.ttl(f"fanin:limits:7:{name}") for name in "ab"]
        for counters in (one, other):
            await counters.close()
        return sums, lives

    with redis_server(tmp_path) as url:
        sums, lives = asyncio.run(run(url))

    assert sums == [[1, 2], [2, 2], [1, 0]]
    assert all(60 < life <= 120 for life in lives)


@pytest.mark.slow
def test_two_servers_with_one_store_share_a_limit(warehouse_file: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        config = ServerSettings(open_limit=3, rate_limit_store=url)
        one = statuses(warehouse_file, get("acme"), get("acme"), settings=config)
        other = statuses(warehouse_file, get("acme"), get("acme"), settings=config)

    assert [one, other] == [[200, 200], [200, 429]]


class Away:
    """A client whose store is away; counts how often it was tried."""

    def __init__(self) -> None:
        self.tried = 0

    def pipeline(self, transaction: bool) -> Any:
        self.tried += 1
        raise ConnectionError("redis://:password@store.invalid")


def test_while_the_store_is_away_each_process_counts_for_itself_and_tries_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, moment = Away(), [0.0]
    counters: Counters = RedisCounters(client, 60, clock=lambda: moment[0])

    async def run() -> list[int]:
        first = [(await counters.add(1, {"a": 1}))[0] for _ in range(3)]
        moment[0] = AWAY_S
        return [*first, (await counters.add(1, {"a": 1}))[0]]

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(run()) == [1, 2, 3, 4]
    assert client.tried == 2
    assert [record.getMessage() for record in caplog.records] == [
        "rate limits are counted per process: the store fails with ConnectionError"
    ] * 2
    assert "password" not in caplog.text


def test_a_server_whose_store_is_away_answers_all_the_same(warehouse_file: Path) -> None:
    config = ServerSettings(open_limit=2, rate_limit_store="redis://127.0.0.1:1/0")

    assert statuses(warehouse_file, *[get("acme")] * 3, settings=config) == [200, 200, 429]


def test_an_address_that_is_none_is_refused_without_telling_it(warehouse_file: Path) -> None:
    with engine_over(warehouse_file) as (engine, _), pytest.raises(BadRequest) as refused:
        entrance(engine, ServerSettings(rate_limit_store="rediss//:password@host"))

    assert refused.value.message == "FANIN_RATE_LIMIT_STORE is no address such as redis://host:6379/0"


# --- browsers of other origins ------------------------------------------------------------------------------------

ORIGIN = "https://dashboard.example"


def crossing(ask: Ask, origin: str = ORIGIN) -> Ask:
    return Ask(ask.method, ask.address, ask.body, {**ask.headers, "Origin": origin})


def test_a_page_of_an_allowed_origin_may_ask_and_read_the_headers(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")
    config = closed(keys_file, cors_origins=(ORIGIN,))
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
    preflight = Ask("OPTIONS", "/api/v1/batch", headers={"Origin": ORIGIN, **wanted})

    before, answer, refused = sent(
        warehouse_file, preflight, crossing(batch("acme").by(key)), crossing(batch("acme")), settings=config
    )

    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == ORIGIN
    assert [answer.status_code, refused.status_code] == [200, 401]
    for response in (answer, refused):
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-expose-headers"] == ", ".join(EXPOSED_HEADERS)
        assert "access-control-allow-credentials" not in response.headers


def test_a_page_of_another_origin_may_not(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")

    for config in (closed(keys_file), closed(keys_file, cors_origins=(ORIGIN,))):
        (answer,) = sent(warehouse_file, crossing(get("acme").by(key), "https://evil.example"), settings=config)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.example, http://localhost:3000/,https://a.example", ("https://a.example", "http://localhost:3000")),
        ("http://[::1]:8080", ("http://[::1]:8080",)),
    ],
)
def test_origins_are_read_from_the_environment(text: str, origins: tuple[str, ...]) -> None:
    assert read_settings({"FANIN_CORS_ORIGINS": text}).cors_origins == origins


@pytest.mark.parametrize("text", ["a.example", "https://a.example/path", "https://*.example", "ftp://a", "null"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no origin such as"):
        read_settings({"FANIN_CORS_ORIGINS": text})


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")

    assert [name for name in SETTINGS if f"`{name}`" not in readme] == []
