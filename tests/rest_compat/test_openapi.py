"""The API's description is valid, complete and true: what is really answered is what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from starlette.applications import Starlette

from fanin.app import create_app
from fanin.catalog.endpoints import ENDPOINTS, INCLUDES, Endpoint
from fanin.catalog.errors import ERRORS
from fanin.rest_compat.answer_shape import widest_shape
from fanin.rest_compat.error_schemas import codes_of
from fanin.rest_compat.openapi import REFUSED
from fanin.rest_compat.parameter_schemas import PARAMETER_SCHEMAS, parameter_schema
from fanin.rest_compat.params import PARAMETERS, parameters_of
from fanin.rest_compat.response_schemas import answer_name, data_name
from fanin.schema.engine import Engine
from fanin.server.keys import NewKey, create_key
from fanin.server.settings import ServerSettings
from fanin.tests.described import DOCUMENT, OPERATIONS, registered, resolved
from fanin.tests.facts import NOW, client_of, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

IN_A_BATCH = [endpoint for endpoint in ENDPOINTS.values() if endpoint.method == "GET"]
SWITCHES = {
    "compare": "previous",
    "include_totals": "true",
    "include": list(INCLUDES),
    "include_utm": "true",
    "granularity": "hourly",
}


@cache
def validator(schema: str) -> Draft202012Validator:
    """Checks a value against a schema of the document, given as JSON."""
    resource = Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    absolute = json.loads(schema.replace("#/components", "urn:document#/components"))
    return Draft202012Validator(absolute, registry=registry, format_checker=FormatChecker())


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    found = validator(json.dumps(schema)).iter_errors(value)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def named(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.fixture(scope="module")
def engine(sample_warehouse: Path) -> Iterator[Engine]:
    warehouse = DuckDBWarehouse(sample_warehouse)
    yield Engine(warehouse, clock=lambda: NOW)
    warehouse.close()


def send(engine: Engine, method: str, address: str, **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(engine) as client:
            return await client.request(method, address, **request)

    return asyncio.run(ask())


def path_of(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{type}", "add_to_cart")


def asked(endpoint: Endpoint, **params: Any) -> dict[str, Any]:
    """The account, a window that every report takes, and those of the parameters that this one takes."""
    window = {"account_id": "my-site", "period": "7d"}
    return {name: value for name, value in (window | params).items() if name in parameters_of(endpoint)}


# The document


def test_the_document_is_valid_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_operation_has_an_id_of_its_own_and_says_what_it_does() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(set(ids)) == len(ids)
    assert all(name.isalnum() and name[0].islower() for name in ids)
    assert all(operation["summary"] and operation["tags"] for operation in OPERATIONS.values())
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == {
        tag["name"] for tag in DOCUMENT["tags"]
    }


def test_every_registered_route_is_in_the_document_and_the_other_way_round(engine: Engine) -> None:
    assert set(OPERATIONS) == registered(create_app(engine))


def test_every_schema_is_used_and_every_object_says_what_else_it_may_hold() -> None:
    text = json.dumps(DOCUMENT)

    unused = [name for name in DOCUMENT["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text]
    assert unused == []
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema.get("type") != "object" or "additionalProperties" in schema, name


def test_nested_objects_have_names() -> None:
    def inline(schema: Any) -> Iterator[Any]:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                yield schema
            for inner in schema.values():
                yield from inline(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from inline(inner)

    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert list(inline(schema)) in ([], [schema]), name


def test_every_parameter_has_a_schema() -> None:
    assert list(PARAMETER_SCHEMAS) == list(PARAMETERS)


def test_every_error_code_with_a_status_is_told_under_it() -> None:
    told = {code for status in REFUSED for code in codes_of(status)}

    # No address of the document reads other methods or media types.
    elsewhere = {"method_not_allowed", "unsupported_media_type", "binding_failed"}
    assert told | elsewhere == {code for code, row in ERRORS.items() if row.http_status}


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_every_example_is_what_its_schema_says(operation: tuple[str, str]) -> None:
    told = OPERATIONS[operation]
    holders = [told.get("requestBody", {}), *map(resolved, told["responses"].values())]
    media = [media for holder in holders for media in holder.get("content", {}).values()]

    assert media != []
    assert [fault for item in media for fault in faults(item["example"], item["schema"])] == []
    for parameter in map(resolved, told.get("parameters", ())):
        values = [*parameter["schema"].get("examples", ()), *([parameter["example"]] if "example" in parameter else ())]
        assert [fault for value in values for fault in faults(value, parameter["schema"])] == []


@pytest.mark.parametrize(
    "endpoint", [endpoint for endpoint in IN_A_BATCH if widest_shape(endpoint.name)], ids=lambda endpoint: endpoint.name
)
def test_a_schema_has_every_member_that_an_answer_can_have(endpoint: Endpoint) -> None:
    widest = widest_shape(endpoint.name)

    def check(value: Any, schema: dict[str, Any]) -> None:
        schema = resolved(next(iter(schema.get("anyOf", [schema]))))
        if isinstance(value, list):
            check(value[0], schema["items"])
        elif isinstance(value, dict) and "properties" in schema:
            assert set(value) == set(schema["properties"])
            for name, inner in value.items():
                check(inner, schema["properties"][name])

    check(widest, named(data_name(endpoint)))


# Real answers


@pytest.mark.parametrize("endpoint", IN_A_BATCH, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("switched", [False, True], ids=["plain", "with everything"])
@pytest.mark.parametrize(
    "window", [{}, {"period": None, "start_date": "2001-01-01", "end_date": "2001-01-02"}], ids=["busy", "empty"]
)
def test_a_single_answer_is_what_its_schema_says(
    engine: Engine, endpoint: Endpoint, switched: bool, window: dict[str, Any]
) -> None:
    params = {
        name: value for name, value in asked(endpoint, **(SWITCHES if switched else {}), **window).items() if value
    }

    response = send(engine, "GET", f"/api/v1{path_of(endpoint)}", params=params)

    assert response.status_code == 200, response.text
    assert faults(response.json(), named(answer_name(endpoint))) == []


@pytest.mark.parametrize("switched", [False, True], ids=["plain", "with everything"])
@pytest.mark.parametrize("days", [("2026-03-12", "2026-03-18"), ("2001-01-01", "2001-01-02")], ids=["busy", "empty"])
def test_every_report_in_a_batch_is_what_its_schema_says(engine: Engine, switched: bool, days: tuple[str, str]) -> None:
    dates = {"period": None, "start_date": days[0], "end_date": days[1]}
    queries = [
        {
            "id": endpoint.name,
            "endpoint": path_of(endpoint),
            "params": asked(endpoint, **(SWITCHES if switched else {}), **dates),
        }
        for endpoint in IN_A_BATCH
    ]

    assert faults({"queries": queries}, named("BatchPlan")) == []
    answer = send(engine, "POST", "/api/v1/batch", json={"queries": queries}).json()
    assert answer["status"] == "completed"
    assert faults({**answer, "results": {}}, named("BatchAnswer")) == []
    for endpoint in IN_A_BATCH:
        result = answer["results"][endpoint.name]
        assert faults(result["data"], named(data_name(endpoint))) == []
        assert faults({**result, "data": {"data": []}}, named("SucceededQuery")) == []


QUERIES = [
    {"id": "top", "endpoint": "/stats/sources", "params": {"account_id": "my-site", "page_size": 1}},
    {
        "id": "bound",
        "endpoint": "/stats/campaigns",
        "params": {"account_id": "my-site", "utm_source": {"from": "top", "path": "/data/0/utm_source"}},
    },
    {"id": "bad", "endpoint": "/stats/pages", "params": {"site_id": "my-site", "page_size": 0}},
    {"id": "nobody", "endpoint": "/stats/os", "params": {"account_id": "nobody"}},
    {"id": "dependent", "endpoint": "/stats/os", "params": {"account_id": "my-site"}, "depends_on": ["bad"]},
]


def test_failed_and_skipped_queries_are_what_their_schemas_say(engine: Engine) -> None:
    answer = send(engine, "POST", "/api/v1/batch", json={"queries": QUERIES}).json()

    assert [result["status"] for result in answer["results"].values()] == [
        "success", "success", "error", "error", "skipped",
    ]  # fmt: skip
    assert faults(answer, named("BatchAnswer")) == []


def test_every_record_of_a_stream_is_what_its_schema_says(engine: Engine) -> None:
    response = send(
        engine, "POST", "/api/v1/batch", json={"queries": QUERIES}, headers={"accept": "application/x-ndjson"}
    )

    records = [json.loads(line) for line in response.text.splitlines()]
    assert [record["type"] for record in records] == ["plan", *["result"] * 5, "end"]
    assert [fault for record in records for fault in faults(record, named("BatchRecord"))] == []


@pytest.mark.parametrize("queries", [QUERIES, QUERIES[:2], [{"id": "a b"}]], ids=["faults", "valid", "refused"])
def test_a_validation_is_what_its_schema_says(engine: Engine, queries: list[Any]) -> None:
    response = send(engine, "POST", "/api/v1/batch/validate?explain=true", json={"queries": queries})

    assert response.json()["valid"] is (queries == QUERIES[:2])
    assert faults(response.json(), named("ValidationAnswer")) == []


@pytest.mark.parametrize(
    ("method", "address", "request_", "status"),
    [
        ("GET", "/api/v1/stats/pages?account_id=my-site&start_date=2026-01-01", {}, 400),
        ("GET", "/api/v1/stats/pages?account_id=nobody", {}, 404),
        ("GET", "/api/v1/stats/pages?account_id=my-site&segment=nothing", {}, 404),
        ("GET", "/api/v1/stats/pages?page=x&sort_by=y", {}, 422),
        ("POST", "/api/v1/batch", {"content": b"{"}, 400),
        ("POST", "/api/v1/batch", {"content": b" " * 1_100_000}, 413),
        ("POST", "/api/v1/batch", {"json": {"queries": [{"id": "a b"}]}}, 422),
    ],
)
def test_a_refusal_is_what_its_schema_says(
    engine: Engine, method: str, address: str, request_: dict[str, Any], status: int
) -> None:
    response = send(engine, method, address, **request_)

    assert response.status_code == status
    check_refusal(response, method, address.partition("?")[0])


def check_refusal(response: httpx.Response, method: str, path: str) -> None:
    told = resolved(OPERATIONS[method, path]["responses"][str(response.status_code)])
    assert faults(response.json(), told["content"]["application/json"]["schema"]) == []
    required = {name for name, header in told["headers"].items() if resolved(header).get("required")}
    assert {name.lower() for name in required} <= set(response.headers)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/api/v1/stats/os", "", 401),
        ("/api/v1/stats/os", "sm_wrong", 401),
        ("/api/v1/stats/os", "theirs", 403),
        ("/api/v1/batch", "", 401),
    ],
)
def test_a_refusal_at_the_entrance_is_what_its_schema_says(
    engine: Engine, tmp_path: Path, path: str, key: str, status: int
) -> None:
    keys = tmp_path / "keys.json"
    theirs, _ = create_key(keys, NewKey(accounts=("blog",)), NOW)
    method = "POST" if path.endswith("batch") else "GET"
    headers = {"X-API-Key": theirs if key == "theirs" else key}

    response = send_to(create_app(engine, ServerSettings(keys_file=keys)), method, path, headers)

    assert response.status_code == status
    check_refusal(response, method, path)


def test_one_request_too_many_is_what_its_schema_says(engine: Engine) -> None:
    app = create_app(engine, ServerSettings(open_limit=1))

    _, response = (send_to(app, "GET", "/api/v1/stats/os", {}) for _ in range(2))

    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    check_refusal(response, "GET", "/api/v1/stats/os")


def test_a_warehouse_that_cannot_be_read_is_told_as_its_schemas_say(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "my-site", [visit()])
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    (tmp_path / "w.duckdb").write_bytes(b"something else" * 1000)
    broken = Engine(warehouse, clock=lambda: NOW)

    report, probe = (send(broken, "GET", path) for path in ("/api/v1/stats/os?account_id=my-site", "/readyz"))
    warehouse.close()

    assert (report.status_code, probe.status_code) == (503, 503)
    check_refusal(report, "GET", "/api/v1/stats/os")
    assert faults(probe.json(), named("Unavailability")) == []


def send_to(app: Starlette, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fanin.test") as client:
            return await client.request(method, f"{path}?account_id=my-site", headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/health"])
def test_a_probe_is_what_its_schema_says(engine: Engine, probe: str) -> None:
    assert faults(send(engine, "GET", probe).json(), named("Health")) == []


@pytest.mark.parametrize("endpoint", IN_A_BATCH, ids=lambda endpoint: endpoint.name)
def test_the_defaults_told_are_those_taken(engine: Engine, endpoint: Endpoint) -> None:
    defaults = {
        name: json.dumps(schema["default"]).strip('"')
        for name in parameters_of(endpoint)
        if "default" in (schema := parameter_schema(name, endpoint))
    }

    left_out, written = (
        send(engine, "GET", f"/api/v1{path_of(endpoint)}", params=asked(endpoint, **params)).json()
        for params in ({}, defaults)
    )
    assert left_out == written


# Over HTTP


def test_the_document_is_served_with_a_tag_and_not_sent_twice(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit()])
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    engine = Engine(warehouse, clock=lambda: NOW)

    first = send(engine, "GET", "/openapi.json")
    again = send(engine, "GET", "/openapi.json", headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    warehouse.close()

    assert first.json() == DOCUMENT
    assert first.headers["content-type"] == "application/json"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
