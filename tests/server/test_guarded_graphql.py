"""What a server tells its GraphQL callers beside the data: limits, costs, mistakes and failures, in production and not."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from graphql import get_introspection_query

from fanin.app import create_app
from fanin.benchmarks.hostile_documents import HOSTILE
from fanin.catalog.errors import BadRequest
from fanin.catalog.limits import DOCUMENT_LIMITS, DocumentRules
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.facts import account_file, engine_over, visit, write

OPEN = {"FANIN_HOST": "127.0.0.1", "FANIN_ALLOWED_HOSTS": "fanin.test"}
TILES = '{ stats(accountId: "acme") { a: sources { total } b: sources { total } pages { total } } }'


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", country="ES")])
    return path


def send(path: Path, settings: ServerSettings | None = None, method: str = "POST", **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        with engine_over(path) as (engine, _):
            transport = httpx.ASGITransport(create_app(engine, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                return await client.request(method, "/graphql", **request)

    return asyncio.run(ask())


def settings_of(**variables: str) -> ServerSettings:
    return read_settings({**OPEN, **variables})


def production() -> ServerSettings:
    return settings_of(FANIN_PRODUCTION="1")


# --- what it cost -------------------------------------------------------------------------------------------------


def test_an_answer_tells_what_was_shared_and_how_long_each_report_took(warehouse_file: Path) -> None:
    cost = send(warehouse_file, json={"query": TILES}).json()["extensions"]["fanin"]

    taken = cost.pop("ms")
    assert isinstance(cost.pop("scanMs"), float)
    assert cost == {"fields": 3, "identical": 1, "scans": 1, "sources": {"rollup": 1}, "cacheHits": 0}
    assert list(taken) == ["stats.a", "stats.b", "stats.pages"]
    assert {type(ms) for ms in taken.values()} == {float}


def test_a_report_that_failed_took_its_time_too(warehouse_file: Path) -> None:
    document = '{ stats(accountId: "acme") { pages(pageSize: 5000) { total } } }'

    cost = send(warehouse_file, json={"query": document}).json()["extensions"]["fanin"]

    assert (cost["fields"], cost["scans"], list(cost["ms"])) == (0, 0, ["stats.pages"])


@pytest.mark.parametrize(
    ("settings", "header", "told"),
    [
        (None, None, True),
        (None, "1", True),
        (None, "0", False),
        (None, "false", False),
        (production(), None, False),
        (production(), "0", False),
        (production(), "1", True),
        (production(), "True", True),
    ],
)
def test_costs_are_told_when_asked_and_in_development_unless_refused(
    warehouse_file: Path, settings: ServerSettings | None, header: str | None, told: bool
) -> None:
    headers = {} if header is None else {"X-Fanin-Cost": header}

    answer = send(warehouse_file, settings, json={"query": TILES}, headers=headers).json()

    assert list(answer) == (["data", "extensions"] if told else ["data"])


# --- production ---------------------------------------------------------------------------------------------------


def test_production_knows_neither_introspection_nor_suggestions_nor_graphiql(warehouse_file: Path) -> None:
    introspection = send(warehouse_file, production(), json={"query": get_introspection_query()})
    typo = send(warehouse_file, production(), json={"query": "{ acounts { id } }"})
    asking = {"query": '{ stats(accountId: "acme") { countries { total } } }'}
    browser = send(warehouse_file, production(), "GET", params=asking, headers={"accept": "text/html, */*"})

    assert "introspection has been disabled" in introspection.json()["errors"][0]["message"]
    assert "data" not in introspection.json()
    assert [error["message"] for error in typo.json()["errors"]] == ["Cannot query field 'acounts' on type 'Query'."]
    assert (browser.status_code, browser.json()["error"]["code"]) == (404, "not_found")


def test_production_suggests_nothing_for_variables_either(warehouse_file: Path) -> None:
    document = 'query ($c: Compare) { stats(accountId: "acme", compare: $c) { window { days } } }'
    request = {"query": document, "variables": {"c": "PREVIOS"}}

    told = [send(warehouse_file, settings, json=request).json()["errors"][0] for settings in (None, production())]

    assert ["Did you mean" in error["message"] for error in told] == [True, False]


def test_development_knows_all_of_them(warehouse_file: Path) -> None:
    introspection = send(warehouse_file, json={"query": get_introspection_query()})
    typo = send(warehouse_file, json={"query": "{ acounts { id } }"})
    browser = send(warehouse_file, method="GET", headers={"accept": "text/html"})

    assert "errors" not in introspection.json()
    assert "Did you mean 'accounts'?" in typo.json()["errors"][0]["message"]
    assert browser.headers["content-type"].startswith("text/html")


# --- limits -------------------------------------------------------------------------------------------------------


def test_a_document_over_a_limit_is_refused_as_what_cannot_be_executed(warehouse_file: Path) -> None:
    settings = settings_of(FANIN_GRAPHQL_LIMITS="max_aliases=1")
    headers = {"accept": "application/graphql-response+json"}

    response = send(warehouse_file, settings, json={"query": TILES}, headers=headers)

    message = "The document is over max_aliases: 2 where 1 are allowed"
    assert response.status_code == 400
    assert response.json() == {
        "errors": [
            {
                "message": message,
                "extensions": {
                    "code": "bad_request",
                    "message": message,
                    "detail": [{"field": "max_aliases", "message": message, "type": "limit_exceeded"}],
                    "status": 400,
                },
            }
        ]
    }


def test_a_guard_that_measures_executes_what_is_over_a_limit(
    warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(FANIN_GRAPHQL_LIMITS="max_aliases=1", FANIN_GRAPHQL_GUARD="measure")

    answer = send(warehouse_file, settings, json={"query": TILES}).json()

    assert answer["data"] == {"stats": {"a": {"total": 1}, "b": {"total": 1}, "pages": {"total": 1}}}
    assert "measured, not refused: The document is over max_aliases: 2 where 1 are allowed" in caplog.messages


def test_the_settings_node_tells_the_limits_in_force(warehouse_file: Path) -> None:
    settings = settings_of(FANIN_GRAPHQL_LIMITS="max_depth=9, max_rows=7")

    answer = send(warehouse_file, settings, json={"query": "{ settings { limits { name value } } }"}).json()

    told = {limit["name"]: limit["value"] for limit in answer["data"]["settings"]["limits"]}
    expected = {name: value for name, (value, _) in DOCUMENT_LIMITS.items()} | {"max_depth": 9, "max_rows": 7}
    assert {name: told[name] for name in expected} == expected


def test_settings_are_read_from_the_environment() -> None:
    read = settings_of(FANIN_PRODUCTION="yes", FANIN_GRAPHQL_GUARD="measure", FANIN_GRAPHQL_LIMITS="max_depth=3,")

    limits = {name: value for name, (value, _) in DOCUMENT_LIMITS.items()} | {"max_depth": 3}
    assert read.production
    assert read.documents == DocumentRules(limits, enforced=False, introspection=False, suggestions=False)
    assert (settings_of().production, settings_of().documents) == (False, DocumentRules())


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FANIN_GRAPHQL_LIMITS": "depth=3"}, "FANIN_GRAPHQL_LIMITS: 'depth' is no limit; accepted: max_document_length"),
        ({"FANIN_GRAPHQL_LIMITS": "max_depth=0"}, "FANIN_GRAPHQL_LIMITS: max_depth must be a whole number from 1"),
        ({"FANIN_GRAPHQL_LIMITS": "max_depth"}, "FANIN_GRAPHQL_LIMITS: max_depth must be a whole number from 1, got ''"),
        ({"FANIN_GRAPHQL_GUARD": "off"}, "FANIN_GRAPHQL_GUARD: 'off' is no mode; accepted: enforce, measure"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        settings_of(**variables)

    assert message in refusal.value.message


def test_hostile_documents_are_refused_while_a_question_between_them_is_answered(warehouse_file: Path) -> None:
    asked = [hostile.text for hostile in HOSTILE]
    asked.insert(len(asked) // 2, TILES)

    async def ask() -> tuple[list[httpx.Response], int]:
        with engine_over(warehouse_file) as (engine, warehouse):
            transport = httpx.ASGITransport(create_app(engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                sent = (client.post("/graphql", json={"query": text}) for text in asked)
                return list(await asyncio.gather(*sent)), len(warehouse.scans)

    answers, scans = asyncio.run(ask())

    answered = [answer.json() for answer in answers if "data" in answer.json()]
    assert [answer["data"] for answer in answered] == [
        {"stats": {"a": {"total": 1}, "b": {"total": 1}, "pages": {"total": 1}}}
    ]
    assert {answer.status_code for answer in answers} <= {200, 413}
    assert scans == 1


# --- failures -----------------------------------------------------------------------------------------------------


def run(statement: str, path: Path) -> None:
    with duckdb.connect(str(account_file(path))) as connection:
        connection.execute(statement)


def lose_zone(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"UTC"', b'"Nowhere/Else"'))


# What is done to the warehouse, and what it breaks.
DAMAGE = {
    "codes that stand for nothing": (
        partial(run, "UPDATE sessions SET country = 99999"),
        ["stats", "countries"],
        "IndexError",
    ),
    "a zone there is not": (lose_zone, ["stats"], "ZoneInfoNotFoundError"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_fails_unexpectedly_says_no_more_than_the_id_under_which_the_log_has_it(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    harm, path, inside = DAMAGE[damage]
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-17T10:00", country="ES")])
    harm(tmp_path / "w.duckdb")
    filtered = 'filters: [{field: OS, op: NE, values: ["BeOS"]}]'  # so that the facts are read, not their roll-ups
    document = f'{{ stats(accountId: "acme", {filtered}) {{ countries {{ rows {{ country }} }} }} }}'

    response = send(tmp_path / "w.duckdb", json={"query": document}, headers={"x-request-id": "order-66"})

    (error,) = response.json()["errors"]
    locations = error.pop("locations")
    assert len(locations) == 1
    assert error == {
        "message": "Internal error",
        "path": path,
        "extensions": {"code": "internal_error", "message": "Internal error", "status": 500, "request_id": "order-66"},
    }
    assert response.headers["x-request-id"] == "order-66"
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage().partition(": ")[0] for record in logged] == ["request order-66"]
    assert logged[0].exc_info is not None
    assert logged[0].exc_info[0] is not None
    assert logged[0].exc_info[0].__name__ == inside


def test_what_the_caller_got_wrong_is_not_logged_as_a_failure(
    warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for document in ("{ nope }", "{", '{ stats(accountId: "nowhere") { window { days } } }'):
        send(warehouse_file, json={"query": document})

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
