"""Hostile text in every parameter of every door: it is a value or a fault of the caller's, and never a part of a statement."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fanin.catalog.endpoints import ENDPOINTS, Shape
from fanin.catalog.errors import ERRORS
from fanin.catalog.filters import FILTER_FIELDS, OPERATORS
from fanin.rest_compat.params import PARAMETERS
from fanin.schema.naming import camel_case
from fanin.tests.callers import Ask
from fanin.tests.facts import CountingWarehouse, client_of, engine_over, reached, visit, write
from fanin.tests.questions import NEEDED_ARGUMENTS, READ, path_of
from fanin.warehouse.clickhouse_statements import build_clickhouse_listing, build_fused_statement
from fanin.warehouse.statements import build_listing, build_rows_statement, build_statement
from fanin.warehouse.store import Listing

MARK = "hostile7"

HOSTILE = (
    f"{MARK}'; DROP TABLE sessions; --",
    f'{MARK}" OR 1=1 --',
    f"{MARK}') union select * from accounts; --",
    f"{MARK}$$;{{0}}%s%(a)s\\",
    f"{MARK}\x00\x1b[31m\n\r\u2028\u202e",
    f"{MARK}<script>alert(1)</script>",
    f"../../../../etc/passwd{MARK}",
    f"{MARK}{'(' * 200}",
    f"{MARK}\U0001f600\ufffe",
)
ONE_FOR_ALL = HOSTILE[0] + HOSTILE[4]  # where all of them would take too long

# What an answer would hold if the engine's own words came through; none is a word of ours.
INSIDE = ("SELECT ", "Binder Error", "Parser Error", "Catalog Error", "Conversion Error", "Traceback", "duckdb", ".py")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attacks") / "w.duckdb"
    write(path, "acme", [visit(goals=[reached("form")]), visit("2026-03-11T10:00", utm_source="it's")])
    return path


def asked(path: Path, *asks: Ask) -> tuple[list[httpx.Response], CountingWarehouse]:
    async def run() -> Any:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                answers = []
                for ask in asks:
                    headers: Any = ask.headers
                    answers.append(await client.request(ask.method, ask.address, json=ask.body, headers=headers))
                return answers, warehouse

    return asyncio.run(run())


def check(path: Path, *asks: Ask) -> list[httpx.Response]:
    answers, warehouse = asked(path, *asks)
    for ask, answer in zip(asks, answers, strict=True):
        assert answer.status_code < 500, (ask, answer.text[:500])
        assert not [word for word in INSIDE if word in answer.text], (ask, answer.text[:500])
        for code in codes_in(answer):
            assert ERRORS[code].http_status not in (500, 503, 504), (ask, answer.text[:500])
    for asked_for in warehouse.scans:
        for text in statements(asked_for):
            assert MARK not in text
    return answers


def codes_in(answer: httpx.Response) -> Iterator[str]:
    """Every code of an error, however deep."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("code"), str) and node["code"] in ERRORS:
                yield node["code"]
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    if "json" in answer.headers.get("content-type", ""):
        yield from walk(answer.json())


def statements(asked_for: Any) -> list[str]:
    """What is sent for it to either kind of engine, without the values that are bound."""
    if isinstance(asked_for, Listing):
        return [build_listing(asked_for, 1).text, build_clickhouse_listing(asked_for, 1, 1).text]
    return [
        text
        for scan in asked_for
        for text in (
            build_statement(scan, 1).text,
            build_rows_statement(scan, 1).text,
            build_fused_statement(scan, 1, 1).text,
        )
    ]


def batches_of(queries: list[dict[str, Any]]) -> list[Ask]:
    """As few batches as hold them."""
    numbered = [{"id": f"q{place}", **query} for place, query in enumerate(queries)]
    options = {"include_timing": False}
    return [
        Ask("POST", "/api/v1/batch", {"queries": numbered[start : start + 50], "options": options})
        for start in range(0, len(numbered), 50)
    ]


def test_every_parameter_of_every_report_takes_it_as_a_value_or_refuses_it(path: Path) -> None:
    queries = [
        {"endpoint": path_of(endpoint), "params": {"account_id": "acme", name: ONE_FOR_ALL}}
        for endpoint in READ.values()
        for name, parameter in PARAMETERS.items()
        if parameter.taken_by(endpoint)
    ]

    answers = check(path, *batches_of(queries))

    results = [result for answer in answers for result in answer.json()["results"].values()]
    assert len(results) == len(queries) > 500
    assert {result["status"] for result in results} == {"success", "error"}


@pytest.mark.parametrize("text", HOSTILE)
def test_every_such_text_is_as_harmless_in_a_query_string_as_in_a_batch(path: Path, text: str) -> None:
    params = {name: text for name, parameter in PARAMETERS.items() if parameter.taken_by(ENDPOINTS["sources"])}
    alone = [str(httpx.URL("/api/v1/stats/sources", params={"account_id": "acme", name: text})) for name in params]
    bound = [{"endpoint": "/stats/sources", "params": {"account_id": "acme", name: text}} for name in params]

    answers = check(path, *(Ask("GET", address) for address in alone), *batches_of(bound))

    gets, (batch,) = answers[: len(alone)], answers[len(alone) :]
    by_query = [result["status"] == "success" for result in batch.json()["results"].values()]
    assert [answer.status_code == 200 for answer in gets] == by_query


def test_every_field_and_operator_of_a_filter_takes_it_as_a_value(path: Path) -> None:
    queries = [
        {"endpoint": "/stats/sources", "params": {"account_id": "acme", "filters": f"{field}:{operator}:{text}"}}
        for field in FILTER_FIELDS
        for operator in OPERATORS
        for text in (HOSTILE[0], HOSTILE[5])
    ]

    answers = check(path, *batches_of(queries))

    assert sum(len(answer.json()["results"]) for answer in answers) == len(queries)


def test_every_string_of_a_body_takes_it_or_refuses_it(path: Path) -> None:
    whole: dict[str, dict[str, Any]] = {
        "/api/v1/stats/funnel": {
            "account_id": "acme",
            "name": "n",
            "steps": ["/", "/thanks"],
            "date_from": "2026-03-01",
            "date_to": "2026-03-10",
        },
        "/api/v1/stats/query": {
            "account_id": "acme",
            "date_from": "2026-03-01",
            "date_to": "2026-03-10",
            "dimensions": ["utm_source"],
            "metrics": ["entrances"],
        },
        "/api/v1/batch": {
            "queries": [{"id": "q", "endpoint": "/stats/os", "params": {"account_id": "acme"}, "depends_on": []}],
            "options": {"parallel_limit": 1},
        },
    }
    asks = [
        Ask("POST", address, changed)
        for address, body in whole.items()
        for text in HOSTILE
        for changed in spoiled(body, text)
    ]

    assert len(check(path, *asks)) > 150


def spoiled(node: Any, text: str) -> Iterator[Any]:
    """The body with one of its words, or one of its names, replaced."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield {**node, text: value}
            for changed in spoiled(value, text):
                yield {**node, name: changed}
    elif isinstance(node, list):
        for place, value in enumerate(node):
            for changed in spoiled(value, text):
                yield [*node[:place], changed, *node[place + 1 :]]
        yield [*node, text]
    else:
        yield text


def test_every_string_of_graphql_takes_it_or_refuses_it(path: Path) -> None:
    wrapped = "query($x: String!, $id: ID!, $f: [FilterInput!]) {{ stats({scope}) {{ {selection} }} }}"
    scopes = ("accountId: $id, period: $x", "accountId: $id, segment: $x", "accountId: $id, filters: $f")
    reports = [
        f"{camel_case(name)}{NEEDED_ARGUMENTS.get(endpoint.shape, '')} {{ __typename }}"
        for name, endpoint in ENDPOINTS.items()
        if endpoint.shape not in (Shape.FREE, Shape.SERIES)
    ]
    documents = [wrapped.format(scope=scope, selection=report) for scope in scopes for report in reports[:4]]
    documents += [wrapped.format(scope=scopes[2], selection=report) for report in reports]
    documents += [
        wrapped.format(scope=scopes[0], selection=selection)
        for selection in (
            "sources(search: $x) { total }",
            "microconversion(type: $x) { count }",
            "funnelSteps(steps: [$x, $x]) { steps { count } }",
        )
    ]
    asks = []
    for place, document in enumerate(documents):
        text = HOSTILE[place % len(HOSTILE)]
        filters = [{"field": "UTM_SOURCE", "op": "EQ", "value": text}]
        for variables in ({"x": text, "id": "acme", "f": filters}, {"x": "30d", "id": text, "f": filters}):
            asks.append(Ask("POST", "/graphql", {"query": document, "variables": variables}))
    asks += [Ask("POST", "/graphql", {"query": text, "operationName": text}) for text in HOSTILE]
    asks += [Ask("POST", "/graphql", {"query": f'{{ stats(accountId: "acme", segment: "{MARK}") {{ {MARK} }} }}'})]

    check(path, *asks)


def test_every_header_takes_it_or_refuses_it(path: Path) -> None:
    names = ("accept", "accept-encoding", "content-type", "if-none-match", "origin", "x-request-id", "x-fanin-cost")
    texts = [text.encode("ascii", "ignore").decode().translate({0: None, 10: None, 13: None}) for text in HOSTILE]
    asks = [
        Ask(
            method, "/graphql?query={__typename}", {"query": "{__typename}"} if method == "POST" else None, {name: text}
        )
        for method in ("GET", "POST")
        for name in (*names, "x-api-key", "authorization", "traceparent", "forwarded", "x-forwarded-for")
        for text in texts
    ]

    for answer in check(path, *asks):
        told = {
            name: value for name, value in answer.headers.items() if name != "x-request-id"
        }  # a plain word may stay
        assert MARK not in str(told)


def test_every_address_takes_it_or_refuses_it(path: Path) -> None:
    folders = (
        "/",
        "/api/v1/stats/",
        "/api/v1/stats/microconversions/",
        "/docs/",
        "/dashboard/static/",
        "/graphiql/static/",
    )
    asks = [
        Ask("GET", f"{folder}{quote(text)}?account_id=acme") for folder in folders for text in (*HOSTILE, *PATH_TRICKS)
    ]

    for answer in check(path, *asks):
        assert answer.status_code in (200, 307, 400, 404, 422), answer.request.url
        assert answer.headers.get("location", "http://fanin.test/").startswith("http://fanin.test/")
        assert "root:" not in answer.text


PATH_TRICKS = ("..", "../..", "%2e%2e%2f", "..%5c", "/etc/passwd", "....//", "page.html", "../page.html", ".", "%00")


def test_after_all_that_the_data_are_as_they_were(path: Path) -> None:
    (answer,), _ = asked(path, Ask("GET", "/api/v1/stats/sources?account_id=acme&period=30d"))

    assert {row["utm_source"]: row["entrances"] for row in answer.json()["data"]} == {"(direct)": 1, "it's": 1}


# --- patterns -----------------------------------------------------------------------------------------------------

PATTERNS = {
    "steps that explode elsewhere": ("(a+)+$", 200),
    "alternatives that explode elsewhere": ("(a|aa)+$", 200),
    "repetitions of repetitions": ("((a{100}){100}){100}", 400),
    "a repetition that is too large": ("a{100000}", 400),
    "a pattern that does not close": ("(" * 100, 400),
    "looking back": (r"(a)\1", 400),
    "looking ahead": ("(?=a)b", 400),
    "a pattern as long as may be": ("a" * 500, 200),
    "a pattern that is longer": ("a" * 501, 400),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_matched_in_steps_that_grow_with_the_text_or_refused(path: Path, name: str) -> None:
    pattern, status = PATTERNS[name]
    address = str(httpx.URL("/api/v1/stats/sources", params={"account_id": "acme", "filters": f"path:regex:{pattern}"}))

    (answer,) = check(path, Ask("GET", address))

    assert answer.status_code == status, answer.text
