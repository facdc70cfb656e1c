"""GraphQL over HTTP: statuses, media types and bad bodies, and what an error may say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.limits import LIMITS
from fanin.schema.naming import camel_case
from fanin.tests.facts import client_of, engine_over, visit, write

RESPONSE_JSON = {"accept": "application/graphql-response+json"}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", country="ES"), visit("2026-03-17T11:00", country="US")])
    return path


def send(path: Path, method: str = "POST", address: str = "/graphql", **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return await client.request(method, address, **request)

    return asyncio.run(ask())


def ask(path: Path, document: str, **variables: Any) -> dict[str, Any]:
    return send(path, json={"query": document, "variables": variables}).json()


def test_accounts_are_listed_with_their_days(warehouse_file: Path) -> None:
    answer = ask(warehouse_file, "{ accounts { id timeZone currency firstDay lastDay } }")

    assert answer["data"] == {
        "accounts": [
            {"id": "acme", "timeZone": "UTC", "currency": "EUR", "firstDay": "2026-03-17", "lastDay": "2026-03-17"}
        ]
    }


def test_the_settings_node_tells_the_limits(warehouse_file: Path) -> None:
    answer = ask(warehouse_file, "{ settings { limits { name value } reports { name path } periods { name } } }")

    settings = answer["data"]["settings"]
    assert {limit["name"]: limit["value"] for limit in settings["limits"]} == {
        name: value for name, (value, _) in LIMITS.items()
    }
    assert {report["name"]: report["path"] for report in settings["reports"]} == {
        camel_case(name): endpoint.path for name, endpoint in ENDPOINTS.items()
    }
    assert len(settings["periods"]) == 18


def test_filters_narrow_every_report_below(warehouse_file: Path) -> None:
    document = """query ($filters: [FilterInput!]) { stats(accountId: "acme", filters: $filters) {
      overview { traffic { entrances } } countries { rows { country } } } }"""

    answer = ask(warehouse_file, document, filters=[{"field": "COUNTRY", "op": "EQ", "values": ["es"]}])

    assert answer["data"]["stats"] == {
        "overview": {"traffic": {"entrances": 1}},
        "countries": {"rows": [{"country": "ES"}]},
    }


def test_a_failure_stays_local_to_its_field(warehouse_file: Path) -> None:
    document = '{ stats(accountId: "acme") { channels { total } pages(pageSize: 5000) { total } } }'

    answer = ask(warehouse_file, document)

    assert answer["data"] == {"stats": {"channels": {"total": 1}, "pages": None}}
    assert answer["errors"] == [
        {
            "message": "page_size must be between 1 and 1000, got 5000",
            "locations": [{"line": 1, "column": 49}],
            "path": ["stats", "pages"],
            "extensions": {
                "code": "validation_error",
                "message": "page_size must be between 1 and 1000, got 5000",
                "detail": [
                    {
                        "field": "page_size",
                        "message": "page_size must be between 1 and 1000, got 5000",
                        "type": "out_of_range",
                    }
                ],
                "status": 422,
            },
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('accountId: "nowhere"', "account_not_found"),
        ('accountId: "no slug!"', "validation_error"),
        ('accountId: "acme", period: "31x"', "bad_request"),
        ('accountId: "acme", startDate: "2026-01-01"', "bad_request"),
        ('accountId: "acme", startDate: "2020-01-01", endDate: "2026-01-01"', "bad_request"),
        ('accountId: "acme", filters: [{field: OS, op: REGEX, values: ["(?=x)"]}]', "bad_request"),
    ],
)
def test_errors_speak_the_vocabulary_of_the_contract(warehouse_file: Path, arguments: str, code: str) -> None:
    answer = ask(warehouse_file, f"{{ stats({arguments}) {{ overview {{ traffic {{ entrances }} }} }} }}")

    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]


def test_what_fails_unexpectedly_says_nothing_of_its_inside(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any, **__: Any) -> Any:
        raise RuntimeError("SELECT secret FROM /somewhere/inside")

    monkeypatch.setattr("fanin.schema.stats.ask", explode)

    answer = ask(warehouse_file, '{ stats(accountId: "acme") { os { total } } }')

    assert answer["data"] == {"stats": {"os": None}}
    assert answer["errors"][0]["message"] == "Internal error"
    assert answer["errors"][0]["extensions"]["code"] == "internal_error"
    assert "secret" not in str(answer)


@pytest.mark.parametrize("body", [b"1", b"null", b'"x"', b"[]", b"{}", b"\xff\xfe", b"{nope", b"", b'{"query": 5}'])
def test_a_body_that_is_no_request_is_400_and_never_500(warehouse_file: Path, body: bytes) -> None:
    response = send(warehouse_file, content=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"


def test_a_body_over_the_limit_is_413_and_a_foreign_type_415(warehouse_file: Path) -> None:
    large = send(warehouse_file, content=b" " * 200_000, headers={"content-type": "application/json"})
    foreign = send(warehouse_file, content=b"{ __typename }", headers={"content-type": "application/jsonfoo"})

    assert (large.status_code, foreign.status_code) == (413, 415)


@pytest.mark.parametrize(
    ("accept", "media_type", "status"),
    [
        ("", "application/json", 200),
        ("*/*", "application/json", 200),
        ("application/json", "application/json", 200),
        ("application/graphql-response+json", "application/graphql-response+json", 400),
        ("application/json;q=0.5, application/graphql-response+json", "application/graphql-response+json", 400),
        ("application/graphql-response+json;q=0.1, application/json", "application/json", 200),
    ],
)
def test_the_answer_comes_in_the_type_asked_for(
    warehouse_file: Path, accept: str, media_type: str, status: int
) -> None:
    response = send(warehouse_file, json={"query": "{ nope }"}, headers={"accept": accept})

    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.status_code == status
    assert "data" not in response.json()


def test_neither_type_accepted_is_406(warehouse_file: Path) -> None:
    assert send(warehouse_file, json={"query": "{ __typename }"}, headers={"accept": "text/csv"}).status_code == 406


def test_several_operations_need_a_name(warehouse_file: Path) -> None:
    document = "query A { __typename } query B { accounts { id } }"

    unnamed = send(warehouse_file, json={"query": document}, headers=RESPONSE_JSON)
    named = send(warehouse_file, json={"query": document, "operationName": "A"}, headers=RESPONSE_JSON)
    missing = send(warehouse_file, json={"query": document, "operationName": "C"}, headers=RESPONSE_JSON)

    assert (unnamed.status_code, named.json()["data"], missing.status_code) == (400, {"__typename": "Query"}, 400)


def test_get_asks_with_the_query_string(warehouse_file: Path) -> None:
    document = "query ($a: ID!) { stats(accountId: $a) { channels { total } } }"

    response = send(warehouse_file, "GET", params={"query": document, "variables": '{"a": "acme"}'})

    assert response.json()["data"] == {"stats": {"channels": {"total": 1}}}


def test_other_methods_are_405_with_allow(warehouse_file: Path) -> None:
    response = send(warehouse_file, "DELETE")

    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_a_browser_gets_graphiql_even_with_a_query_in_the_address(warehouse_file: Path) -> None:
    response = send(warehouse_file, "GET", "/graphql?query={accounts{id}}", headers={"accept": "text/html,*/*;q=0.8"})

    assert response.headers["content-type"].startswith("text/html")
    assert "acme" not in response.text
