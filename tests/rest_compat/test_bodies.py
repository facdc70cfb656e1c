"""The bodies of ``POST /stats/funnel`` and ``POST /stats/query``: whatever is sent, they are read or refused by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.endpoints import FREE_DIMENSIONS, FREE_METRICS
from fanin.catalog.errors import InvalidQuery, StatsError
from fanin.catalog.filters import FREE_FILTERS
from fanin.rest_compat.bodies import read_free_query, read_funnel, read_object
from fanin.rest_compat.execution import execute
from fanin.rest_compat.json_text import DEEPEST
from fanin.schema.context import RequestContext
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

SEEDED = settings(deadline=None, derandomize=True, max_examples=150)

FUNNEL = {"account_id": "acme", "period": "7d", "steps": ["/", "/trail"], "country": ["ES"], "name": "Mine"}
FREE = {
    "account_id": "acme",
    "date_from": "2026-03-01",
    "date_to": "2026-03-18",
    "dimensions": ["utm_source"],
    "metrics": ["entrances", "revenue"],
    "filters": {"country": "ES", "browser_not": ["Safari"]},
    "order_by": [{"field": "entrances", "direction": "asc"}],
    "limit": 5,
    "offset": 1,
    "compare": "previous",
}
Read = Callable[[bytes, RequestContext], Any]


def funnel(body: bytes, context: RequestContext) -> Any:
    query, _ = read_funnel(read_object(body), context)
    return query


def free_query(body: bytes, context: RequestContext) -> Any:
    return read_free_query(read_object(body), context)


READERS: dict[str, tuple[Read, dict[str, Any]]] = {"funnel": (funnel, FUNNEL), "query": (free_query, FREE)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", "/", "/trail", utm_source="google", country="ES")])
    warehouse = DuckDBWarehouse(path)
    yield Engine(warehouse, clock=lambda: NOW)
    warehouse.close()


def outcome(engine: Engine, reader: str, body: bytes) -> str:
    """``answered``, or the code it was refused with; anything but a ``StatsError`` comes through."""

    async def ask() -> str:
        async with engine.request() as context:
            query = READERS[reader][0](body, context)
            json.dumps(await execute(query, context), default=str)
            return "answered"

    try:
        return asyncio.run(ask())
    except StatsError as error:
        return told(error)


def told(error: StatsError) -> str:
    """The code, of an error that is small and can be written."""
    assert len(json.dumps(error.as_json()).encode()) < 100_000
    assert all(len(text) < 2_000 for text in (error.message, *(problem.message for problem in error.detail)))
    return error.code


REFUSED = {"answered", "bad_request", "validation_error", "account_not_found", "not_found"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([10**30, -(10**30), 1e308, 0.5, "\x00", "\u202e", "0" * 5000, "acme", "yoy", "asc", "entrances"])
)
WORDS = st.sampled_from(
    [*FREE, *FUNNEL, *FREE_FILTERS, "country_not", "field", "direction", *FREE_DIMENSIONS, *FREE_METRICS]
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner | WORDS, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def distorted(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """A good body with some members replaced by anything at all, left out, or beside others."""
    members = dict(body)
    for name in draw(st.lists(st.sampled_from([*body]), max_size=3)):
        members[name] = draw(DOCUMENTS)
    for name in draw(st.lists(st.sampled_from([*body]), max_size=1)):
        members.pop(name, None)
    members |= draw(st.dictionaries(WORDS | st.text(max_size=4), DOCUMENTS, max_size=2))
    return json.dumps(members).encode()


SPLINTERS = st.sampled_from(
    [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b'"\\u0000"', b'"\\ud800"', b"\x00", b"\xff", b"\xed\xa0\x80", b"{",
     b"[" * 70, b"]" * 70, b'{"field":1,"field":2}', b",", b":", b'"', b"\\", b"\xef\xbb\xbf", b"/* */", b"null"]
)  # fmt: skip


@st.composite
def splintered(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """The text of a good body with pieces put in or taken out anywhere."""
    text = json.dumps(body).encode()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        until = draw(st.integers(place, min(len(text), place + 10)))
        text = text[:place] + draw(SPLINTERS) + text[until:]
    return text


@pytest.mark.parametrize("reader", READERS)
def test_a_good_body_is_answered(engine: Engine, reader: str) -> None:
    assert outcome(engine, reader, json.dumps(READERS[reader][1]).encode()) == "answered"


@SEEDED
@given(data=st.data(), reader=st.sampled_from([*READERS]))
def test_whatever_is_sent_is_read_or_refused(engine: Engine, data: st.DataObject, reader: str) -> None:
    good = READERS[reader][1]
    body = data.draw(
        st.binary(max_size=200)
        | DOCUMENTS.map(lambda document: json.dumps(document).encode())
        | distorted(good)
        | splintered(good)
    )

    assert outcome(engine, reader, body) in REFUSED


def member(reader: str, name: str, value: str) -> bytes:
    """The good body with one member's JSON text replaced."""
    others = json.dumps({key: inner for key, inner in READERS[reader][1].items() if key != name})
    return f'{others[:-1]}, "{name}": {value}}}'.encode()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"NaN", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":' * 20_000,
     b'{"a": ' + b"9" * 1_000_000 + b"}", b'{"a": ' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}"],
    ids=["empty", "broken", "no UTF-8", "NaN", "NaN inside", "too large a number", "half a pair", "lists", "objects",
         "a million digits", "deep"],
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(engine: Engine, reader: str, body: bytes) -> None:
    assert outcome(engine, reader, body) == "bad_request"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"true"])
def test_what_is_no_object_is_invalid(engine: Engine, reader: str, body: bytes) -> None:
    assert outcome(engine, reader, body) == "validation_error"


@pytest.mark.parametrize("reader", READERS)
def test_a_key_written_twice_is_refused_by_name(engine: Engine, reader: str) -> None:
    body = member(reader, "account_id", '"acme", "account_id": "other"')

    with pytest.raises(InvalidQuery) as refusal:
        read_object(body)

    assert [(problem.field, problem.type) for problem in refusal.value.detail] == [("body.account_id", "duplicate_key")]
    assert outcome(engine, reader, body) == "validation_error"


@pytest.mark.parametrize("reader", READERS)
def test_null_characters_are_refused_or_match_nothing(engine: Engine, reader: str) -> None:
    name, value = {"funnel": ("steps", '["/", "\\u0000"]'), "query": ("filters", '{"country": "\\u0000"}')}[reader]

    assert outcome(engine, reader, member(reader, name, value)) in REFUSED


@pytest.mark.parametrize(
    ("reader", "name", "value"),
    [
        ("query", "offset", str(10**18)),
        ("query", "offset", "-1"),
        ("query", "offset", "true"),
        ("query", "limit", str(10**30)),
        ("query", "limit", "0.5"),
        ("query", "granularity", "[]"),
        ("query", "granularity", "{}"),
        ("query", "order_by", '[{"field": "entrances", "direction": []}]'),
        ("query", "order_by", '{"field": "entrances"}'),
        ("query", "order_by", "7"),
        ("query", "filters", '{"country": {}}'),
        ("query", "filters", '{"country": []}'),
        ("query", "filters", "[]"),
        ("query", "dimensions", '"date"'),
        ("query", "dimensions", "[[]]"),
        ("query", "date_from", "{}"),
        ("query", "date_from", "[[]]"),
        ("query", "account_id", "{}"),
        ("funnel", "steps", '"/"'),
        ("funnel", "steps", "[1, 2]"),
        ("funnel", "steps", "[]"),
        ("funnel", "name", "[]"),
        ("funnel", "name", '""'),
        ("funnel", "period", "{}"),
        ("funnel", "country", "[{}]"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(engine: Engine, reader: str, name: str, value: str) -> None:
    assert outcome(engine, reader, member(reader, name, value)) in {"bad_request", "validation_error"}


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        ("query", b"{" + b",".join(b'"k%d": 1' % number for number in range(80_000)) + b"}"),
        ("query", member("query", "dimensions", json.dumps(["x"] * 200_000))),
        ("query", member("query", "metrics", json.dumps([f"m{number}" for number in range(90_000)]))),
        ("query", member("query", "order_by", json.dumps([{"field": "x"}] * 60_000))),
        ("query", member("query", "filters", json.dumps({f"f{number}": "x" for number in range(60_000)}))),
        ("query", member("query", "filters", json.dumps({"country": ["x"] * 200_000}))),
        ("funnel", b"{" + b",".join(b'"k%d": 1' % number for number in range(80_000)) + b"}"),
        ("funnel", member("funnel", "steps", json.dumps(["/"] * 200_000))),
        ("funnel", member("funnel", "steps", json.dumps(["/" * 500_000] * 2))),
        ("funnel", member("funnel", "country", json.dumps(["ES"] * 150_000))),
        ("funnel", member("funnel", "filters", json.dumps("country:eq:ES," * 70_000))),
        ("funnel", member("funnel", "name", json.dumps("x" * 10_000_000))),
        ("query", member("query", "account_id", json.dumps("x" * 10_000_000))),
    ],
    ids=["query keys", "dimensions", "metrics", "order_by", "filters", "filter values", "funnel keys", "steps",
         "long steps", "countries", "filter conditions", "ten megabytes of a name", "ten megabytes of an id"],
)  # fmt: skip
def test_much_of_anything_is_refused(engine: Engine, reader: str, body: bytes) -> None:
    assert outcome(engine, reader, body) in {"bad_request", "validation_error"}


def test_only_what_is_read_is_part_of_the_question(engine: Engine) -> None:
    """The name of a funnel is told and not asked, so two names are one question."""

    async def ask() -> Any:
        async with engine.request() as context:
            return [read_funnel(FUNNEL | {"name": name}, context) for name in ("One", "Two")]

    (first, one), (second, two) = asyncio.run(ask())

    assert (first.stats, one, two) == (second.stats, "One", "Two")
