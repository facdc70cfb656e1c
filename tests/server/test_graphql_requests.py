"""What is a GraphQL request and what is not: bodies, query strings, methods, and the words they are refused with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.limits import MAX_GRAPHQL_BYTES, MAX_QUERY_STRING_BYTES
from fanin.server.graphql_requests import FIELDS
from fanin.tests.facts import client_of, engine_over, visit, write

JSON = {"content-type": "application/json"}
BOTH_TYPES = pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
TYPENAME = {"data": {"__typename": "Query"}}


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


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of a response that is one error and nothing else."""
    body = response.json()
    assert list(body) == ["errors"]
    (error,) = body["errors"]
    return response.status_code, error["extensions"]["code"], error["message"]


# --- bodies -------------------------------------------------------------------------------------------------------


@BOTH_TYPES
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1", "A request must be a JSON object with a query, not a number"),
        (b"null", "A request must be a JSON object with a query, not null"),
        (b'"x"', "A request must be a JSON object with a query, not a string"),
        (b"true", "A request must be a JSON object with a query, not a boolean"),
        (b"[]", "An array holds 1 to 10 requests, not 0"),
        (b"{}", "query must be a GraphQL document, as a string, not left out"),
        (b'{"query": ""}', "query must be a GraphQL document, as a string, not empty"),
        (b'{"query": " \\n"}', "query must be a GraphQL document, as a string, not empty"),
        (b"\xff\xfe", "The body cannot be read as JSON: it is not UTF-8 from byte 0 on"),
        (b'{"query": "{ caf\xe9 }"}', "The body cannot be read as JSON: it is not UTF-8 from byte 16 on"),
        ('{"query": "{ __typename }"}'.encode("utf-16"), "The body cannot be read as JSON: it is not UTF-8"),
        (b"{nope", "The body cannot be read as JSON: "),
        (b"", "The body cannot be read as JSON: "),
        (b"\x00", "The body cannot be read as JSON: "),
        (b'{"query": "{ __typename }"}\x00', "The body cannot be read as JSON: "),
        (b'{"query": "{ \x00 }"}', "The body cannot be read as JSON: "),
        (b'{"query": "\\ud800"}', "The body cannot be read as JSON: "),
        (b'{"query": "{ __typename }", "variables": NaN}', "The body cannot be read as JSON: "),
        (b"[" * 50_000, "The body cannot be read as JSON: "),
        (b"[" * 40_000 + b"]" * 40_000, "The body cannot be read as JSON: "),
        (b'{"query": ' * 9_000, "The body cannot be read as JSON: "),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_body_that_is_no_request_is_400_with_its_reason(
    warehouse_file: Path, body: bytes, message: str, accept: str
) -> None:
    response = send(warehouse_file, content=body, headers={**JSON, "accept": accept})

    status, code, told = refusal(response)
    assert (status, code, told[: len(message)]) == (400, "bad_request", message)
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"


@BOTH_TYPES
@pytest.mark.parametrize(
    ("field", "values", "accepted"),
    [
        ("query", ({"a": 1}, 0, False, ["a"]), "a GraphQL document, as a string"),
        ("operationName", ({"a": 1}, 0, False, ["a"]), "the name of one of the document's operations, as a string"),
        ("variables", ("a", 0, False, ["a"]), "an object with a value for each variable"),
        ("extensions", ("a", 0, False, ["a"]), "an object"),
        ("documentId", ({"a": 1}, 0, False, ["a"]), "the id of a persisted document, as a string"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_with_what_it_accepts(
    warehouse_file: Path, field: str, values: tuple[Any, ...], accepted: str, accept: str
) -> None:
    told = [
        refusal(send(warehouse_file, json={"query": "{ __typename }", field: value}, headers={"accept": accept}))
        for value in values
    ]

    kinds = ("a string" if values[0] == "a" else "an object", "a number", "a boolean", "an array")
    assert told == [(400, "bad_request", f"{field} must be {accepted}, not {kind}") for kind in kinds]


@pytest.mark.parametrize("field", ["operationName", "variables", "extensions", "documentId"])
def test_null_is_the_same_as_leaving_a_field_out(warehouse_file: Path, field: str) -> None:
    answer = send(warehouse_file, json={"query": "{ __typename }", field: None}).json()

    assert answer["data"] == TYPENAME["data"]


@pytest.mark.parametrize("depth", [100, 1_000])
def test_deeply_nested_variables_are_answered_and_never_500(warehouse_file: Path, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    unused = b'{"query": "{ __typename }", "variables": {"a": %s}}' % nested
    document = b"query ($a: ID!, $f: [FilterInput!]) { stats(accountId: $a, filters: $f) { os { total } } }"
    used = [
        b'{"query": "%s", "variables": {"a": "acme", "%s": %s}}' % (document, name, nested) for name in (b"a", b"f")
    ]

    responses = [send(warehouse_file, content=body, headers=JSON) for body in (unused, *used)]

    assert {response.status_code for response in responses} <= {200, 400}
    assert ["errors" in response.json() for response in responses[1:]] == [True, True]


def test_a_nul_inside_a_string_is_a_character_like_any_other(warehouse_file: Path) -> None:
    document = '{ stats(accountId: "a\\u0000b") { os { total } } }'

    (error,) = send(warehouse_file, json={"query": document}).json()["errors"]
    (unreadable,) = send(warehouse_file, json={"query": "{ \x00 }"}).json()["errors"]

    assert error["extensions"]["code"] == "validation_error"
    assert unreadable["extensions"]["code"] == "bad_request"


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "chunked"])
def test_a_body_over_the_limit_is_413_without_being_read_to_its_end(warehouse_file: Path, declared: bool) -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            sent.append(10_000)
            yield b" " * 10_000

    content = b" " * (MAX_GRAPHQL_BYTES + 1) if declared else endless()
    response = send(warehouse_file, content=content, headers=JSON)

    assert refusal(response) == (413, "payload_too_large", "The body is over 100000 bytes")
    assert sum(sent) == (0 if declared else MAX_GRAPHQL_BYTES + 10_000)


def test_a_body_of_just_the_limit_is_read(warehouse_file: Path) -> None:
    body = b'{"query": "{ __typename }"}'.ljust(MAX_GRAPHQL_BYTES)

    assert send(warehouse_file, content=body, headers=JSON).json()["data"] == TYPENAME["data"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.sampled_from(["{ __typename }", "query A { __typename } query B { __typename }", "mutation { x }", "{"])
NEARLY_REQUESTS = st.fixed_dictionaries(
    {}, optional={"query": DOCUMENTS | ANYTHING} | dict.fromkeys((*FIELDS, "other"), ANYTHING)
)
BODIES = st.one_of(
    st.binary(max_size=200),
    (ANYTHING | NEARLY_REQUESTS | st.lists(NEARLY_REQUESTS)).map(lambda sent: json.dumps(sent).encode()),
)


def test_whatever_is_sent_is_answered_by_data_or_errors_and_never_500(warehouse_file: Path) -> None:
    with engine_over(warehouse_file) as (engine, _), asyncio.Runner() as runner:
        client = client_of(engine)

        @given(BODIES)
        @settings(max_examples=150, deadline=None)
        def answered(body: bytes) -> None:
            for accept in ("application/json", "application/graphql-response+json"):
                response = runner.run(client.post("/graphql", content=body, headers={**JSON, "accept": accept}))
                assert response.status_code in (200, 400)
                answers = orjson.loads(response.content)
                for answer in answers if isinstance(answers, list) else [answers]:
                    assert set(answer) in ({"errors"}, {"data", "extensions"}, {"errors", "data", "extensions"})

        answered()
        runner.run(client.aclose())


# --- content types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        (None, "Send the request as application/json, not ''"),
        ("text/plain", "Send the request as application/json, not 'text/plain'"),
        ("application/x-www-form-urlencoded", "Send the request as application/json, not 'application/x-www-form-"),
        ("multipart/form-data; boundary=x", "Send the request as application/json, not 'multipart/form-data'"),
        ("application/graphql", "Send the request as application/json, not 'application/graphql'"),
        ("application/jsonfoo", "Send the request as application/json, not 'application/jsonfoo'"),
        ("application/graphql+json", "Send the request as application/json, not 'application/graphql+json'"),
        ("application/json; charset=iso-8859-1", "Send the request in UTF-8, not 'iso-8859-1'"),
        ("application/json; a=b; charset=klingon", "Send the request in UTF-8, not 'klingon'"),
    ],
)
def test_another_content_type_is_415_so_no_page_can_post_without_asking_first(
    warehouse_file: Path, content_type: str | None, message: str
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    response = send(warehouse_file, content=b'{"query": "{ __typename }"}', headers=headers)

    status, code, told = refusal(response)
    assert (status, code, told[: len(message)]) == (415, "unsupported_media_type", message)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json;charset=UTF-8", 'application/json ; charset="utf8"'],
)
def test_json_in_utf_8_is_read_however_it_is_written(warehouse_file: Path, content_type: str) -> None:
    body = '{"query": "{ __type(name: \\"Run🏃Swim🏊\\") { name } }"}'.encode()

    response = send(warehouse_file, content=body, headers={"content-type": content_type})

    assert response.json()["data"] == {"__type": None}


def test_a_compressed_body_is_415(warehouse_file: Path) -> None:
    response = send(warehouse_file, content=b"\x1f\x8b", headers={**JSON, "content-encoding": "gzip"})

    assert refusal(response) == (415, "unsupported_media_type", "Send the request as it is, not as 'gzip'")


# --- documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_body", "code", "message"),
    [
        ({"query": "{"}, "bad_request", "Syntax Error: "),
        ({"query": "{ nope }"}, "validation_error", "Cannot query field 'nope' on type 'Query'."),
        (
            {"query": "query ($id: ID!) { stats(accountId: $id) { os { total } } }"},
            "validation_error",
            "Variable '$id' has invalid value: ",
        ),
        (
            {"query": "mutation { __typename }"},
            "validation_error",
            "The mutation operation is not supported by the schema.",
        ),
        ({"query": "fragment F on Query { __typename }"}, "validation_error", "Fragment 'F' is never used."),
        (
            {"query": "query A { __typename } query B { __typename }"},
            "bad_request",
            "The document holds several operations: name one in operationName (A, B)",
        ),
        (
            {"query": "query A { __typename }", "operationName": "C"},
            "bad_request",
            "There is no operation 'C' in the document",
        ),
    ],
)
def test_a_document_that_cannot_be_run_is_errors_alone_with_the_status_of_its_type(
    warehouse_file: Path, request_body: dict[str, Any], code: str, message: str
) -> None:
    for accept, status in (("application/json", 200), ("application/graphql-response+json", 400)):
        response = send(warehouse_file, json=request_body, headers={"accept": accept})
        given = refusal(response)
        assert (given[0], given[1], given[2][: len(message)]) == (status, code, message)


def test_one_of_several_operations_is_run_by_its_name(warehouse_file: Path) -> None:
    document = "query A { __typename } query B { accounts { id } }"

    answers = [send(warehouse_file, json={"query": document, "operationName": name}).json() for name in "AB"]

    assert [answer["data"] for answer in answers] == [{"__typename": "Query"}, {"accounts": [{"id": "acme"}]}]


# --- query strings ------------------------------------------------------------------------------------------------


def test_get_asks_with_the_query_string_where_empty_is_absent(warehouse_file: Path) -> None:
    params = {
        "query": "query ($a: ID!) { stats(accountId: $a) { channels { total } } }",
        "variables": '{"a": "acme"}',
        "operationName": "",
        "extensions": "",
    }

    response = send(warehouse_file, "GET", params=params)

    assert response.json() == {"data": {"stats": {"channels": {"total": 1}}}}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "query must be a GraphQL document, as a string, not left out"),
        ({"query": ""}, "query must be a GraphQL document, as a string, not left out"),
        ({"query": "{ __typename }", "variables": "{a"}, "variables cannot be read as JSON: "),
        ({"query": "{ __typename }", "variables": "[1]"}, "variables must be an object with a value for each variable"),
        ({"query": "{ __typename }", "extensions": "5"}, "extensions must be an object, not a number"),
        ({"query": ["{ __typename }", "{ accounts { id } }"]}, "query is given more than once"),
    ],
)
def test_a_query_string_that_is_no_request_is_400(warehouse_file: Path, params: dict[str, Any], message: str) -> None:
    status, code, told = refusal(send(warehouse_file, "GET", params=params))

    assert (status, code, told[: len(message)]) == (400, "bad_request", message)


def test_bytes_in_a_query_string_that_are_no_utf_8_are_refused_and_never_500(warehouse_file: Path) -> None:
    addresses = [f"/graphql?query={text}" for text in ("%FF%FE", "%7B%00%7D", "%ED%A0%80", "%")]

    answers = [send(warehouse_file, "GET", address) for address in addresses]

    assert [refusal(answer)[:2] for answer in answers] == [(200, "bad_request")] * 4


def test_a_query_string_over_the_limit_is_414(warehouse_file: Path) -> None:
    query = "query={__typename}&unread="

    just, over = (
        send(warehouse_file, "GET", f"/graphql?{query.ljust(length, '+')}")
        for length in (MAX_QUERY_STRING_BYTES, MAX_QUERY_STRING_BYTES + 1)
    )

    assert just.json() == TYPENAME
    assert refusal(over) == (
        414,
        "payload_too_large",
        "The query string is over 32768 bytes; send the request by POST",
    )


@BOTH_TYPES
@pytest.mark.parametrize(
    ("document", "name", "kind"),
    [
        ("mutation { __typename }", "", "mutation"),
        ("subscription { __typename }", "", "subscription"),
        ("query A { __typename } mutation B { __typename }", "B", "mutation"),
    ],
)
def test_a_get_that_would_write_is_405_and_sent_to_post(
    warehouse_file: Path, document: str, name: str, kind: str, accept: str
) -> None:
    request: dict[str, Any] = {
        "params": {"query": document, "operationName": name},
        "headers": {"accept": accept},
    }

    got, head = (send(warehouse_file, method, **request) for method in ("GET", "HEAD"))

    assert refusal(got) == (405, "method_not_allowed", f"A GET is for queries; send a {kind} by POST")
    assert (head.status_code, got.headers["allow"], head.headers["allow"]) == (405, "POST", "POST")


def test_a_query_beside_a_mutation_may_be_asked_by_get(warehouse_file: Path) -> None:
    params = {"query": "query A { __typename } mutation B { __typename }", "operationName": "A"}

    (error,) = send(warehouse_file, "GET", params=params).json()["errors"]  # by the schema, which has none

    assert error["extensions"]["code"] == "validation_error"


# --- methods ------------------------------------------------------------------------------------------------------


def test_head_is_get_without_a_body(warehouse_file: Path) -> None:
    address = "/graphql?query={accounts{id}}"

    got, head = (send(warehouse_file, method, address) for method in ("GET", "HEAD"))

    same = ("content-type", "content-length", "etag", "cache-control", "vary")
    assert [got.headers[name] for name in same] == [head.headers[name] for name in same]
    assert (got.status_code, head.status_code) == (200, 200)


def test_options_tells_the_methods(warehouse_file: Path) -> None:
    response = send(warehouse_file, "OPTIONS")

    assert (response.status_code, response.headers["allow"], response.content) == (204, "GET, HEAD, OPTIONS, POST", b"")
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_every_answer_is_utf_8_json_and_says_what_it_depends_on(warehouse_file: Path) -> None:
    responses = [
        send(warehouse_file, json={"query": "{ __typename }"}),
        send(warehouse_file, content=b"1", headers=JSON),
        send(warehouse_file, "GET", "/graphql?query={__typename}"),
    ]

    for response in responses:
        orjson.loads(response.content.decode())
        assert response.headers["vary"] == "Accept, Accept-Encoding, Authorization, X-API-Key"


def test_a_warehouse_that_cannot_be_read_is_503_with_the_time_to_come_back(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit()])

    async def ask() -> list[httpx.Response]:
        with engine_over(path) as (engine, _):
            path.write_bytes(b"something else" * 1000)
            async with client_of(engine) as client:
                post = await client.post("/graphql", json={"query": "{ __typename }"})
                return [post, await client.get("/graphql?query={__typename}")]

    for response in asyncio.run(ask()):
        assert refusal(response) == (503, "database_unavailable", "The warehouse cannot be read now; try again")
        assert response.headers["retry-after"] == "30"
