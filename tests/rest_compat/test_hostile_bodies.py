"""Bad input at the real door: whatever is sent, the answer is an envelope or a batch, never a 5xx and never a hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import ERRORS
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW, client_of, visit, write
from fanin.tests.random_plans import plans
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

SEEDED = settings(deadline=None, derandomize=True, max_examples=80)
LONGEST_S = 20

ADDRESSES = st.sampled_from(["/api/v1/batch", "/api/v1/batch/validate", "/api/v1/batch/validate?explain=true"])
ACCEPTED = st.sampled_from(["*/*", "application/x-ndjson", "text/event-stream", "application/x-ndjson;q=\x7f", ""])


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBWarehouse]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", utm_source="google")])
    opened = DuckDBWarehouse(path)
    yield opened
    opened.close()


def post(warehouse: DuckDBWarehouse, address: str, content: Any, accept: str = "*/*") -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(Engine(warehouse, clock=lambda: NOW)) as client, asyncio.timeout(LONGEST_S):
            headers = {"accept": accept, "content-type": "application/json"}
            return await client.post(address, content=content, headers=headers)

    return asyncio.run(ask())


def check(response: httpx.Response) -> None:
    """An envelope with a documented code, a validation, a batch, or a stream with an end."""
    assert response.status_code in (200, 400, 413, 422), response.text[:300]
    kind = response.headers["content-type"].split(";")[0]
    if kind == "application/x-ndjson":
        assert json.loads(response.text.splitlines()[-1])["type"] == "end"
    elif kind == "text/event-stream":
        assert response.text.split("\n\n")[-2].startswith("event: end\n")
    else:
        check_json(response, json.loads(response.text, parse_constant=pytest.fail))


def check_json(response: httpx.Response, body: Any) -> None:
    if response.status_code != 200:
        assert set(body) == {"error", "request_id"}
        assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "detail"}
        assert ERRORS[body["error"]["code"]].http_status == response.status_code
        assert len(body["error"]["message"]) < 2_000
    elif "valid" in body:
        assert body["valid"] is (body["errors"] == [])
    else:
        codes = {result["error"]["code"] for result in body["results"].values() if "error" in result}
        assert codes <= set(ERRORS) - {"internal_error"}
        assert sum(body["meta"][name] for name in ("successful", "failed", "skipped")) == len(body["results"])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([10**30, -(10**30), 1e308, "\x00", "\u202e", "0" * 5000, "/stats/pages", "q0", "../.."])
)
MEMBERS = st.sampled_from(
    ["id", "endpoint", "params", "depends_on", "queries", "options", "from", "path", "deadline_ms", "account_id"]
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def distorted(draw: st.DrawFn) -> bytes:
    """A plan of which some part has been replaced by anything at all."""
    body = draw(plans("acme", bindings=True))
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = body
        while True:
            key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                break
            holder = inner
        holder[key] = draw(DOCUMENTS)
        if not body:
            break
    return json.dumps(body).encode()


SPLINTERS = st.sampled_from(
    [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b'"\\u0000"', b'"\\ud800"', b"\x00", b"\xff", b"\xed\xa0\x80", b"{",
     b"[" * 70, b"]" * 70, b'{"id":1,"id":2}', b",", b":", b'"', b"\\", b"\xef\xbb\xbf", b"/* */", b"null"]
)  # fmt: skip


@st.composite
def splintered(draw: st.DrawFn) -> bytes:
    """The text of a plan with pieces put in or taken out anywhere."""
    body = json.dumps(draw(plans("acme", most=3, bindings=True))).encode()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(body)))
        until = draw(st.integers(place, min(len(body), place + 10)))
        body = body[:place] + draw(SPLINTERS) + body[until:]
    return body


@st.composite
def repeating(draw: st.DrawFn) -> bytes:
    """A plan with a key written twice."""
    text = json.dumps(draw(plans("acme", most=3)))
    name = draw(st.sampled_from(["id", "params", "account_id", "queries", "options", "parallel_limit"]))
    return text.replace(f'"{name}":', f'"{name}": {draw(st.integers())}, "{name}":').encode()


OPTIONS = st.dictionaries(
    st.sampled_from(["fail_fast", "parallel_limit", "include_timing", "dry_run", "deadline_ms", "failFast"]), SCALARS
)


@st.composite
def with_any_options(draw: st.DrawFn) -> bytes:
    return json.dumps({**draw(plans("acme", bindings=True)), "options": draw(OPTIONS)}).encode()


@st.composite
def tangled(draw: st.DrawFn) -> bytes:
    """Queries that wait for and take from anyone, themselves and nobody included."""
    ids = [f"q{number}" for number in range(draw(st.integers(1, 8)))]
    anyone = st.sampled_from([*ids, "nobody", ""])
    taken = st.fixed_dictionaries({"from": anyone, "path": st.sampled_from(["/data/0/utm_source", "/x", "", "~"])})
    entries = [
        {
            "id": query_id,
            "endpoint": "/stats/sources",
            "params": {"account_id": draw(st.just("acme") | taken), "search": draw(st.none() | taken)},
            "depends_on": draw(st.lists(anyone, max_size=3)),
        }
        for query_id in ids
    ]
    return json.dumps({"queries": entries}).encode()


BODIES = (
    st.binary(max_size=200)
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | distorted()
    | splintered()
    | repeating()
    | with_any_options()
    | tangled()
)


@SEEDED
@given(address=ADDRESSES, accept=ACCEPTED, body=BODIES)
def test_whatever_is_sent_is_answered_in_an_envelope(
    warehouse: DuckDBWarehouse, address: str, accept: str, body: bytes
) -> None:
    check(post(warehouse, address, body, accept))


@SEEDED
@given(body=distorted() | splintered() | tangled() | with_any_options())
def test_rule_1_1_both_addresses_find_the_same_faults(warehouse: DuckDBWarehouse, body: bytes) -> None:
    run, validated = (post(warehouse, f"/api/v1{address}", body) for address in ("/batch", "/batch/validate"))

    if run.status_code == 200:
        told = run.json()
        if "results" in told:
            refused = {error["query_id"] for error in validated.json()["errors"]}
            assert refused.isdisjoint(name for name, result in told["results"].items() if result["status"] == "success")
    elif validated.status_code == 200:
        detail = run.json()["error"]["detail"]
        assert [fault["message"] for fault in detail] == [fault["message"] for fault in validated.json()["errors"]]
    else:
        assert run.json()["error"] == validated.json()["error"]


MANY = b'{"id": "q", "endpoint": "/stats/os", "params": {}},'


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"queries":' * 20_000,
        b'{"queries": [' + b"[" * 60 + b"]" * 60 + b"]}",
        b'{"queries": [' + MANY * 15_000 + b"{}]}",
        b'{"queries": [{"id": "q", "endpoint": "/stats/os", "params": {'
        + b",".join(b'"p%d": %d' % (number, number) for number in range(60_000))
        + b"}}]}",
        b'{"queries": [{"id": "q", "endpoint": "/stats/os", "params": {"utm_source": ['
        + b'{"from": "q", "path": "/data/0"},' * 25_000
        + b"1]}}]}",
        b'{"queries": [{"id": "q", "endpoint": "/stats/os", "params": {"search": {"from": "x", "path": "'
        + b"/a" * 400_000
        + b'"}}}]}',
        b'{"queries": [{"id": "q", "endpoint": "/stats/os", "params": {}, "depends_on": ['
        + b'"a",' * 200_000
        + b'"a"]}]}',
        b'{"a": ' + b"9" * 1_000_000 + b"}",
        b'{"a": "' + b"\\u0000" * 170_000 + b'"}',
    ],
    ids=["lists", "objects", "deep", "queries", "params", "bindings", "path", "depends_on", "number", "nulls"],
)
@pytest.mark.parametrize("address", ["/api/v1/batch", "/api/v1/batch/validate"])
def test_a_mebibyte_of_anything_is_answered(warehouse: DuckDBWarehouse, address: str, body: bytes) -> None:
    assert len(body) <= 1024 * 1024
    check(post(warehouse, address, body))


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 65_536


@pytest.mark.parametrize("address", ["/api/v1/batch", "/api/v1/batch/validate"])
@pytest.mark.parametrize("content", [b" " * 10_000_000, _chunks], ids=["with its length", "in chunks"])
def test_rule_1_1_ten_megabytes_are_too_many_before_they_are_parsed(
    warehouse: DuckDBWarehouse, address: str, content: Any
) -> None:
    response = post(warehouse, address, content(160) if callable(content) else content)

    assert response.status_code == 413
    check(response)
