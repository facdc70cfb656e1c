"""Who may read what, at every door.  Contract §4.1 to §4.3, §6.25, rule 4.7."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from fanin.app import create_app
from fanin.catalog.endpoints import ENDPOINTS, Shape
from fanin.catalog.identity import NOBODY, Identity
from fanin.server.credentials import anyone_at
from fanin.server.entrance import PUBLIC, is_public
from fanin.server.graphiql import static_files
from fanin.server.keys import ID_LENGTH, revoke_key
from fanin.server.settings import ServerSettings
from fanin.tests.callers import (
    DOORS,
    Ask,
    Clock,
    batch,
    closed,
    get,
    graphql,
    key_for,
    limits,
    refusal,
    sent,
    validate,
)
from fanin.tests.facts import NOW, bought, engine_over, visit, write

every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
every_listed_door = pytest.mark.parametrize(
    "door", ["get", "batch", "streamed batch", "validate", "graphql", "graphql by get"]
)


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tenants") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", "/acme-page", channel="Direct", utm_source="acme-source")])
    secrets = visit(
        "2026-03-17T10:00",
        "/globex-page=Globex-group",
        goals=[bought(777_777, name="globex-goal")],
        utm_source="globex-source",
        utm_campaign="globex-campaign",
        referrer="https://globex.example/",
        channel="Globex-channel",
    )
    write(path, "globex", [secrets], time_zone="Asia/Tokyo", currency="JPY")
    return path


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def denials(door: str, response: httpx.Response) -> list[tuple[str, str]]:
    """Code and message of what one door says of each query it refused."""
    if door == "streamed batch":
        records = [json.loads(line) for line in response.text.splitlines()]
        errors = [record["result"].get("error") for record in records if record["type"] == "result"]
        return [(error["code"], error["message"]) for error in errors if error]
    body = response.json()
    if door == "get":
        return [(body["error"]["code"], body["error"]["message"])]
    if door == "batch":
        assert response.status_code == 200
        errors = [result.get("error") for result in body["results"].values()]
        return [(error["code"], error["message"]) for error in errors if error]
    if door == "validate":
        assert body["valid"] is False
        return [(error["code"], error["message"]) for error in body["errors"]]
    assert body["data"] is None
    assert [error["path"] for error in body["errors"]] == [["stats"]]
    return [(error["extensions"]["code"], error["message"]) for error in body["errors"]]


# --- missing and wrong --------------------------------------------------------------------------------------------


@every_door
def test_rule_4_7_without_credentials_the_whole_request_is_401(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]
) -> None:
    (response,) = sent(warehouse_file, door("acme"), settings=closed(keys_file))

    assert refusal(response) == (401, "unauthorized", "Authentication required")
    assert response.headers["www-authenticate"] == "Bearer"


@every_door
@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ("sm_" + "x" * 61, "Invalid API key"),
        ("sm_", "Invalid API key"),
        ("ak_" + "x" * 61, "Invalid API key format"),
        ("Ünïcode", "Invalid API key format"),
    ],
)
def test_rule_4_7_a_wrong_key_is_401_for_the_whole_request(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask], shown: str, message: str
) -> None:
    key_for(keys_file, "acme")

    (response,) = sent(warehouse_file, door("acme").by(shown), settings=closed(keys_file))

    assert refusal(response) == (401, "unauthorized", message)


@every_door
def test_an_expired_key_is_401(warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]) -> None:
    key = key_for(keys_file, "acme", expires=NOW + timedelta(days=1))
    clock = Clock()

    before, after = sent(
        warehouse_file,
        door("acme").by(key),
        door("acme").by(key).after(lambda: clock.wait(days=1)),
        settings=closed(keys_file),
        clock=clock,
    )

    assert before.status_code != 401
    assert refusal(after) == (401, "unauthorized", "API key has expired")


@every_door
def test_a_key_revoked_under_a_running_server_is_401_at_once(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]
) -> None:
    key = key_for(keys_file, "acme")

    before, after = sent(
        warehouse_file,
        door("acme").by(key),
        door("acme").by(key).after(lambda: revoke_key(keys_file, key[:ID_LENGTH], NOW)),
        settings=closed(keys_file),
    )

    assert before.status_code != 401
    assert refusal(after) == (401, "unauthorized", "Invalid API key")


@every_door
def test_rule_4_7_without_the_scope_the_whole_request_is_403(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]
) -> None:
    key = key_for(keys_file, scopes=("sites:read", "accounts:read"))

    (response,) = sent(warehouse_file, door("acme").by(key), settings=closed(keys_file))

    assert refusal(response) == (403, "forbidden", "Required scope: stats:read")


def test_read_implies_stats_read_and_not_the_reverse(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme", scopes=("read",))

    (response,) = sent(warehouse_file, get("acme").by(key), settings=closed(keys_file))

    assert response.status_code == 200
    assert not Identity("x", scopes=frozenset({"stats:read"})).allows("read")


def test_every_address_but_the_public_ones_asks_for_credentials(warehouse_file: Path, keys_file: Path) -> None:
    with engine_over(warehouse_file) as (engine, _):
        routes = [route for route in create_app(engine).routes if isinstance(route, Route)]
    guarded = [
        Ask(method, re.sub(r"\{\w+(:\w+)?\}", "x", route.path), headers={"accept": "application/json"})
        for route in routes
        for method in sorted(route.methods or ())
        if not is_public(route.path)
    ]
    nowhere = [
        Ask("GET", address)
        for address in ("/metrics", "/api", "/api/v1/batch/", "http://fanin.test//graphql", "/HEALTH")
    ]

    responses = sent(warehouse_file, *guarded, *nowhere, settings=closed(keys_file, open_limit=1000))

    assert len(guarded) > len(ENDPOINTS)
    assert {response.status_code for response in responses} == {401}


# --- how they are shown -------------------------------------------------------------------------------------------


def test_a_key_may_be_shown_in_either_header(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")
    written = [get("acme").by(key), get("acme").bearing(key)]
    odd = [replace(get("acme"), headers={"Authorization": text}) for text in (f"bearer {key}", f"BEARER   {key} ")]

    responses = sent(warehouse_file, *written, *odd, settings=closed(keys_file))

    assert [response.status_code for response in responses] == [200] * 4


def test_the_api_key_wins_when_both_are_sent(warehouse_file: Path, keys_file: Path) -> None:
    of_acme, of_globex = key_for(keys_file, "acme"), key_for(keys_file, "globex")
    wrong = "sm_" + "x" * 61

    allowed, denied, refused = sent(
        warehouse_file,
        get("acme").by(of_acme).bearing(of_globex),
        get("globex").by(of_acme).bearing(of_globex),
        get("acme").by(wrong).bearing(of_acme),
        settings=closed(keys_file),
    )

    assert allowed.status_code == 200
    assert refusal(denied) == (403, "forbidden", "Access denied to account: globex")
    assert refusal(refused) == (401, "unauthorized", "Invalid API key")


@pytest.mark.parametrize("header", ["Basic c206eA==", "Bearer", "Bearer ", "", "Digest x"])
def test_another_scheme_is_no_credential(warehouse_file: Path, keys_file: Path, header: str) -> None:
    ask = replace(get("acme"), headers={"Authorization": header, "X-API-Key": " "})

    (response,) = sent(warehouse_file, ask, settings=closed(keys_file))

    assert refusal(response) == (401, "unauthorized", "Authentication required")


def test_a_token_where_no_tokens_are_taken_is_invalid(warehouse_file: Path, keys_file: Path) -> None:
    (response,) = sent(warehouse_file, get("acme").bearing("a.b.c"), settings=closed(keys_file))

    assert refusal(response) == (401, "unauthorized", "Invalid token")


# --- accounts -----------------------------------------------------------------------------------------------------


@every_listed_door
def test_6_25_an_account_outside_the_key_is_forbidden_in_the_same_words_whether_it_exists_or_not(
    warehouse_file: Path, keys_file: Path, door: str
) -> None:
    key = key_for(keys_file, "acme")

    own, other, unknown = sent(
        warehouse_file,
        *(DOORS[door](account).by(key) for account in ("acme", "globex", "nowhere")),
        settings=closed(keys_file),
    )

    assert own.status_code == 200
    assert denials(door, other) == [("forbidden", "Access denied to account: globex")]
    assert denials(door, unknown) == [("forbidden", "Access denied to account: nowhere")]
    assert other.status_code == unknown.status_code == (403 if door == "get" else 200)


@every_listed_door
def test_only_who_may_read_all_accounts_hears_that_one_is_not_there(
    warehouse_file: Path, keys_file: Path, door: str
) -> None:
    key = key_for(keys_file)

    other, unknown = sent(
        warehouse_file,
        *(DOORS[door](account).by(key) for account in ("globex", "nowhere")),
        settings=closed(keys_file),
    )

    assert other.status_code == 200
    assert denials(door, unknown) == [("account_not_found", "Account not found: nowhere")]


def test_the_keys_own_account_may_not_be_there_yet_and_is_forbidden_like_any_other(
    warehouse_file: Path, keys_file: Path
) -> None:
    key = key_for(keys_file, "to-come")

    (response,) = sent(warehouse_file, get("to-come").by(key), settings=closed(keys_file))

    assert refusal(response) == (403, "forbidden", "Access denied to account: to-come")


def test_rule_4_7_in_a_batch_only_the_query_is_forbidden(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")

    (response,) = sent(warehouse_file, batch("acme", "globex", "acme").by(key), settings=closed(keys_file))

    results = response.json()["results"]
    assert [result["status"] for result in results.values()] == ["success", "error", "success"]
    assert results["q1"]["error"] == {
        "code": "forbidden",
        "message": "Access denied to account: globex",
        "status": 403,
    }


def test_a_key_may_hold_several_accounts(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme", "globex")

    (response,) = sent(warehouse_file, batch("acme", "globex").by(key), settings=closed(keys_file))

    assert response.json()["status"] == "completed"


def test_graphql_lists_only_the_accounts_that_may_be_read(warehouse_file: Path, keys_file: Path) -> None:
    ask = Ask("POST", "/graphql", {"query": "{ accounts { id } }"})
    names = ((), ("acme",), ("acme", "globex"), ("to-come",))

    responses = sent(warehouse_file, *(ask.by(key_for(keys_file, *own)) for own in names), settings=closed(keys_file))

    listed = [[account["id"] for account in response.json()["data"]["accounts"]] for response in responses]
    assert listed == [["acme", "globex"], ["acme"], ["acme", "globex"], []]


# --- open and closed ----------------------------------------------------------------------------------------------


@every_door
def test_an_open_server_asks_for_nothing_and_looks_at_nothing_shown(
    warehouse_file: Path, keys_file: Path, door: Callable[[str], Ask]
) -> None:
    plain, shown = sent(
        warehouse_file, door("acme"), door("acme").by("nonsense"), settings=ServerSettings(keys_file=keys_file)
    )

    assert plain.status_code == shown.status_code
    assert plain.status_code != 401


def test_the_first_key_closes_a_running_server_and_revoking_or_removing_it_opens_nothing(
    warehouse_file: Path, keys_file: Path
) -> None:
    made: list[str] = []

    responses = sent(
        warehouse_file,
        get("acme"),
        get("acme").after(lambda: made.append(key_for(keys_file, "acme"))),
        get("acme").after(lambda: revoke_key(keys_file, made[0][:ID_LENGTH], NOW)),
        get("acme").after(keys_file.unlink),
        settings=ServerSettings(keys_file=keys_file),
    )

    assert [response.status_code for response in responses] == [200, 401, 401, 401]


def test_pages_and_probes_are_read_without_credentials_and_queries_are_not(
    warehouse_file: Path, keys_file: Path
) -> None:
    key_for(keys_file, "acme")
    files = [Ask("GET", f"/graphiql/static/{file.hashed_name}") for file in static_files().values()]
    page = [
        Ask("GET", f"/graphql{rest}", headers={"accept": "text/html"}) for rest in ("", "/", "?query={accounts{id}}")
    ]
    public = [Ask("GET", address) for address in sorted(PUBLIC)]
    asking = [Ask("GET", "/graphql?query={accounts{id}}", headers={"accept": "text/html, application/json"})]

    shown = sent(warehouse_file, *files, *page, *public, settings=closed(keys_file))
    refused = sent(warehouse_file, *asking, settings=closed(keys_file))

    assert {response.status_code for response in shown} <= {200, 404}  # what is not there yet asks for no key either
    assert {response.status_code for response in shown[: len(files) + len(page)]} == {200}
    assert refusal(refused[0]) == (401, "unauthorized", "Authentication required")


def test_probes_tell_how_many_accounts_there_are_only_where_everyone_may_read_them(
    warehouse_file: Path, keys_file: Path
) -> None:
    probes = [Ask("GET", f"/{name}") for name in ("health", "readyz")]

    on_open, on_closed = (sent(warehouse_file, *probes, settings=config) for config in (None, closed(keys_file)))

    assert [response.json() for response in on_open] == [{"status": "ok", "accounts": 2}] * 2
    assert [response.json() for response in on_closed] == [{"status": "ok"}] * 2


def test_a_door_outside_of_the_entrance_would_read_nothing() -> None:
    assert NOBODY.readable({}) == {}
    assert NOBODY.accounts == frozenset()
    assert not NOBODY.allows("stats:read")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:0:1::", "2001:db8::", True),
        ("2001:db8:0:1::", "2001:db8::", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1", True),
    ],
)
def test_whoever_shows_nothing_is_known_by_their_network(one: str, other: str, same: bool) -> None:
    assert (anyone_at(one) == anyone_at(other)) is same


def test_a_caller_on_a_socket_has_no_address_and_a_name_all_the_same() -> None:
    assert anyone_at(None) == anyone_at("")


# --- nothing of others, nothing secret ----------------------------------------------------------------------------

REPORTS = [row.path for row in ENDPOINTS.values() if row.shape is not Shape.FREE and "{" not in row.path]
GLOBEX = re.compile(r"globex-|777|JPY|Tokyo", re.IGNORECASE)
REQUEST_ID = "0b0f6a2e-6c1d-4d53-9a51-3f1f4a1c2e77"

account_ids = st.sampled_from(["acme", "{account}", "{account}"])
params = st.fixed_dictionaries(
    {"account_id": account_ids},
    optional={
        "period": st.sampled_from(["7d", "30d", "last_year", "31x"]),
        "compare": st.sampled_from(["previous", "yoy", "none", "never"]),
        "search": st.sampled_from(["globex", "a"]),
        "page": st.sampled_from([1, 2, 0]),
        "sort_by": st.sampled_from(["entrances", "revenue", "nothing"]),
        "country": st.sampled_from(["ES", "Spain"]),
        "filters": st.sampled_from(["utm_source:contains:globex", "utm_source:regex:(", "channel:ne:Direct"]),
        "segment": st.sampled_from(["mobile", "nothing"]),
        "site_id": account_ids,
        "colour": st.just("red"),
    },
)
batches = st.lists(st.tuples(st.sampled_from([*REPORTS, "/stats/nothing"]), params), min_size=1, max_size=4).map(
    lambda asked: {
        "queries": [
            {
                "id": f"q{place}",
                "endpoint": path,
                "params": given,
                "depends_on": [f"q{place - 1}"] if place == 2 else [],
            }
            for place, (path, given) in enumerate(asked)
        ],
        "options": {"include_timing": False},
    }
)
fields = st.sampled_from(
    ["accounts { id currency }", 'stats(accountId: "{account}") { overview { traffic { entrances } } }']
    + [f'x: stats(accountId: "acme") {{ {name} {{ total }} }}' for name in ("channels", "sources", "nothing")]
    + ['y: stats(accountId: "{account}", period: "31x") { window { days } channels { total } }']
)
funnels = params.map(lambda given: {**given, "steps": ["/globex-page", "globex-goal"]})
tables = st.fixed_dictionaries(
    {
        "account_id": account_ids,
        "date_from": st.just("2026-03-01"),
        "date_to": st.sampled_from(["2026-03-18", "2026-02-01"]),
        "dimensions": st.lists(st.sampled_from(["utm_source", "country", "globex"]), max_size=2, unique=True),
        "metrics": st.sampled_from([["entrances"], ["revenue", "entrances"], ["nothing"]]),
    }
)
requests = st.one_of(
    st.tuples(st.just("POST"), st.just("/api/v1/stats/funnel"), funnels),
    st.tuples(st.just("POST"), st.just("/api/v1/stats/query"), tables),
    st.tuples(st.just("GET"), st.sampled_from(REPORTS).map(lambda path: f"/api/v1{path}"), params),
    st.tuples(st.just("POST"), st.sampled_from(["/api/v1/batch", "/api/v1/batch/validate"]), batches),
    st.tuples(st.just("POST"), st.just("/graphql"), st.lists(fields, min_size=1, max_size=3).map(
        lambda asked: {"query": "{ " + " ".join(asked) + " }"})),
)  # fmt: skip

Send = Callable[[str, str, Any], httpx.Response]


@contextmanager
def standing_server(path: Path, keys_file: Path, key: str) -> Iterator[Send]:
    """One server for many requests by one key."""
    with engine_over(path) as (engine, _), asyncio.Runner() as runner:
        app = create_app(replace(engine, clock=Clock()), closed(keys_file))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://fanin.test",
            headers={"X-API-Key": key, "X-Request-ID": REQUEST_ID},
        )

        def send(method: str, address: str, asked: Any) -> httpx.Response:
            given = {"json": asked} if method == "POST" else {"params": asked}
            return runner.run(client.request(method, address, **given))

        yield send
        runner.run(client.aclose())


@pytest.fixture(scope="module")
def as_acme(warehouse_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    key_for(keys_file, "globex")
    key = key_for(keys_file, "acme", plan="enterprise")
    with standing_server(warehouse_file, keys_file, key) as send:
        yield send


def told_of(send: Send, request: tuple[str, str, Any], account: str) -> tuple[int, str]:
    """Status and body of a request about an account, without its times."""
    method, address, asked = request
    response = send(method, address, json.loads(json.dumps(asked).replace("{account}", account)))
    assert response.status_code < 500, response.text
    untimed = re.sub(r'"(scanMs|total_timing_ms|timing_ms)":[0-9.]+|"ms":\{[^}]*\}', "", response.text)
    return response.status_code, untimed


def unnamed(told: tuple[int, str]) -> tuple[int, str]:
    return told[0], re.sub("globex|nobody", "{account}", told[1])


@settings(max_examples=150, deadline=None)
@given(request=requests)
def test_no_row_name_or_differing_error_of_another_account_appears_at_any_door(
    as_acme: Send, request: tuple[str, str, Any]
) -> None:
    there = told_of(as_acme, request, "globex")
    not_there = told_of(as_acme, request, "nobody")

    assert unnamed(there) == unnamed(not_there)
    asked = json.dumps(request[2])  # a caller's own words come back in what they are told
    assert [word for word in GLOBEX.findall(there[1]) if word.lower() not in asked.lower()] == []


def test_nothing_secret_is_logged(
    warehouse_file: Path, keys_file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, wrong = key_for(keys_file, "acme"), "sm_" + "w" * 61
    token = "eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0LXNpZ25hdHVyZQ"
    config = closed(
        keys_file, jwt_secret="a-secret-that-is-long-enough-for-all", rate_limit_store="redis://:pass@x.invalid/0"
    )

    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    with caplog.at_level(logging.DEBUG):
        asks = [door("acme").by(shown) for door in DOORS.values() for shown in (key, wrong)]
        sent(warehouse_file, *asks, get("acme").bearing(token), settings=closed(keys_file))
        monkeypatch.setattr("fanin.rest_compat.routes.read_query", broken)
        (failed,) = sent(warehouse_file, get("acme").by(key), settings=closed(keys_file))
        logging.getLogger("fanin").debug("%r", config)

    assert failed.status_code == 500
    assert "a fault" in caplog.text  # the log was listening
    for secret in (key, key[ID_LENGTH:], wrong, token, "a-secret-that", "pass@"):
        assert secret not in caplog.text
    assert key not in failed.text


def test_a_failure_of_ours_tells_the_limits_too(
    warehouse_file: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("fanin.rest_compat.routes.read_query", broken)
    key = key_for(keys_file, "acme")

    (response,) = sent(warehouse_file, get("acme").by(key), settings=closed(keys_file))

    assert refusal(response) == (500, "internal_error", "Internal error")
    assert limits(response)[:2] == [120, 119]


def test_whoever_is_refused_is_told_so_before_the_body_is_read(warehouse_file: Path, keys_file: Path) -> None:
    ask = Ask("POST", "/api/v1/batch", {"queries": "x" * 2_000_000})

    (response,) = sent(warehouse_file, ask, settings=closed(keys_file))

    assert refusal(response)[0] == 401


def test_access_is_decided_before_anything_is_asked_of_the_warehouse(warehouse_file: Path, keys_file: Path) -> None:
    key = key_for(keys_file, "acme")

    async def run() -> list[Any]:
        with engine_over(warehouse_file) as (engine, warehouse):
            app = create_app(replace(engine, clock=Clock()), closed(keys_file))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
                for ask in (get("globex"), batch("globex"), validate("globex"), graphql("globex")):
                    await client.request(ask.method, ask.address, json=ask.body, headers={"X-API-Key": key})
                return list(warehouse.scans)

    assert asyncio.run(run()) == []
