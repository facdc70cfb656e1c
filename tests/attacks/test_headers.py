"""Every answer of every address says what a browser may do with it: nothing but what it is for."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from fanin.app import create_app
from fanin.server.dashboard import static_files as dashboard_files
from fanin.server.graphiql import static_files as graphiql_files
from fanin.tests.callers import Ask, closed, get, key_for, sent
from fanin.tests.facts import engine_over, visit, write

ANY_PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attacks") / "w.duckdb"
    write(path, "acme", [visit()])
    return path


def addresses(path: Path) -> list[str]:
    """One address for each route there is, with a name that is there where a file is meant."""
    with engine_over(path) as (engine, _):
        routes = [route.path for route in create_app(engine).routes if isinstance(route, Route)]
    some_file = {
        "/dashboard/static/{name}": next(iter(dashboard_files().values())).hashed_name,
        "/graphiql/static/{name}": next(iter(graphiql_files().values())).hashed_name,
    }
    return [re.sub(r"\{[^}]*\}", some_file.get(route, "x"), route) for route in routes]


def check(response: httpx.Response) -> None:
    headers, where = response.headers, f"{response.request.method} {response.request.url}: {response.status_code}"
    assert headers["x-content-type-options"] == "nosniff", where
    assert headers["referrer-policy"] == "no-referrer", where
    assert headers["x-frame-options"] == "DENY", where
    assert headers["cross-origin-resource-policy"] == "same-origin", where
    rules = (rule.strip().partition(" ") for rule in headers["content-security-policy"].split(";"))
    policy = {name: sources for name, _, sources in rules}
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'"), where
    assert not [rule for rule in policy.values() if "unsafe" in rule or "*" in rule or "http" in rule], where
    assert headers["cache-control"] in KEPT, where
    assert "server" not in headers, where
    assert "x-powered-by" not in headers, where


KEPT = {"no-store", "no-cache", "private, no-cache", "public, max-age=31536000, immutable"}


def test_every_address_answers_every_method_with_strict_headers(warehouse_file: Path) -> None:
    walked = addresses(warehouse_file)
    asks = [Ask(method, address) for address in walked for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS")]
    asks += [Ask("GET", address, headers=ANY_PAGE) for address in walked]

    answers = sent(warehouse_file, *asks, Ask("GET", "/nowhere"))

    assert len(walked) > 50
    for answer in answers:
        check(answer)


def test_answers_with_numbers_are_kept_by_no_one_else(warehouse_file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = key_for(keys, "acme")
    document = '/graphql?query={stats(accountId:"acme"){window{days}}}'
    batch = {"queries": [{"id": "q", "endpoint": "/stats/os", "params": {"account_id": "acme"}}]}
    asks = [get("acme"), Ask("GET", document), Ask("POST", "/api/v1/batch", batch), Ask("GET", "/metrics")]

    answers = sent(warehouse_file, *(ask.by(key) for ask in asks), *asks, settings=closed(keys))

    for answer in answers:
        check(answer)
        assert answer.headers["cache-control"] in ("no-store", "private, no-cache")
        if answer.headers["cache-control"] != "no-store":
            assert {"authorization", "x-api-key"} <= set(re.split(r", *", answer.headers["vary"].lower()))


@pytest.mark.parametrize(
    "settings", [pytest.param({"cors_origins": ("https://a.example",)}, id="cors"), pytest.param({}, id="plain")]
)
def test_refusals_of_the_house_have_them_too(
    warehouse_file: Path, tmp_path: Path, settings: dict[str, tuple[str, ...]]
) -> None:
    asks = [get("acme"), get("acme").by("sm_wrong"), Ask("POST", "/graphql", "x"), Ask("GET", "/graphql?query={")]
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST"}

    answers = sent(
        warehouse_file,
        *asks,
        Ask("OPTIONS", "/graphql", headers=preflight),
        settings=closed(tmp_path / "keys.json", allowed_hosts=("fanin.test",), **settings),
    )

    for answer in answers:
        check(answer)
