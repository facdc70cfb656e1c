"""The executor's fast path gives what the ordinary path gives, for any selection."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import strawberry
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig

from fanin.schema.documents import Documents
from fanin.schema.projection import ProjectingExecutor
from fanin.schema.schema import OWN_RULES, Query, schema
from fanin.schema.schema import _value_of as value_of
from fanin.tests.facts import bought, engine_over, reached, visit, write

ordinary = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=value_of))

STATS = schema._schema.type_map["Stats"]


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(
        path,
        "acme",
        [
            visit("2026-03-10T10:00", "/", "/a=Shop", country="ES", goals=[bought(1234), reached("cart")]),
            visit("2026-02-10T10:00", "/a=Shop", utm_source="google", utm_medium="cpc", country="US"),
            visit("2026-03-11T10:00", "/", utm_source="google", utm_medium="cpc", device_type="mobile"),
        ],
    )
    return path


def named_type(kind: Any) -> Any:
    while isinstance(kind, (GraphQLNonNull, GraphQLList)):
        kind = kind.of_type
    return kind


@st.composite
def selections(draw: st.DrawFn, kind: Any, fragments: list[str]) -> str:
    """A random selection on an object type: aliases, repetition, switches, fragments of both sorts, ``__typename``.

    Named fragments are defined in ``fragments``.
    """
    names = draw(st.lists(st.sampled_from([*kind.fields, "__typename"]), min_size=1, max_size=6))
    parts = [draw(st.sampled_from(["__typename", "kind: __typename", ""]))]
    for name in names:
        alias = draw(st.sampled_from(["", "again_"]))  # says all about the field, so that equal names never conflict
        inner = "" if name == "__typename" else _inner(draw, kind.fields[name].type, fragments)
        field = f"{alias and f'{alias}{name}: '}{name}{ARGUMENTS.get((alias, name), '')}{draw(SWITCHES)}{inner}"
        parts.append(_wrapped(draw, field, kind.name, fragments))
    return " ".join(parts)


ARGUMENTS = {
    ("", "microconversion"): '(type: "cart")',
    ("again_", "microconversion"): '(type: "nothing")',
    ("", "funnelSteps"): '(steps: ["/", "/a"])',
    ("again_", "funnelSteps"): '(steps: ["/", "purchase"])',
    ("again_", "sources"): "(pageSize: 1, sortBy: REVENUE)",
    ("again_", "campaigns"): '(search: "nothing")',
    ("again_", "pages"): "(pageSize: 0)",  # refused
    ("again_", "query"): "(dimensions: [COUNTRY], metrics: [ENTRANCES], orderBy: [{field: ENTRANCES}])",
}
SWITCHES = st.sampled_from(
    ["", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: $no)", " @skip(if: $no)"]
)


def _wrapped(draw: st.DrawFn, field: str, kind: str, fragments: list[str]) -> str:
    match draw(st.integers(0, 7)):
        case 0:
            return f"... on {kind}{draw(SWITCHES)} {{ {field} }}"
        case 1:
            return f"...{draw(SWITCHES)} {{ {field} {field} }}"
        case 2:
            name = f"F{len(fragments)}"
            fragments.append(f"fragment {name} on {kind} {{ {field} }}")
            return f"...{name}{draw(SWITCHES)} ...{name}"
        case _:
            return field


def _inner(draw: st.DrawFn, kind: Any, fragments: list[str]) -> str:
    named = named_type(kind)
    return f" {{ {draw(selections(named, fragments))} }}" if isinstance(named, GraphQLObjectType) else ""


@st.composite
def documents(draw: st.DrawFn) -> str:
    assert isinstance(STATS, GraphQLObjectType)
    fragments: list[str] = []
    body = draw(selections(STATS, fragments))
    compare = draw(st.sampled_from(["", ", compare: PREVIOUS"]))
    return (
        f'query ($yes: Boolean = true, $no: Boolean!) {{ stats(accountId: "acme", period: "30d"{compare}) '
        f"{{ {body} w: window {{ days @include(if: $yes) endDate @skip(if: $no) }} }} }} {' '.join(fragments)}"
    )


def execute(which: strawberry.Schema, document: str, path: Path, *given: dict[str, Any]) -> list[tuple[bytes, Any]]:
    """What leaves for each set of variables, in bytes, and the errors; all in one request."""

    async def asked() -> list[tuple[bytes, Any]]:
        with engine_over(path) as (engine, _):
            unlimited = replace(engine, documents=Documents(OWN_RULES))
            async with unlimited.request() as context:
                told = [await which.execute(document, variables, context) for variables in given]
                return [(orjson.dumps(one.data), [error.formatted for error in one.errors or ()]) for one in told]

    return asyncio.run(asked())


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(document=documents())
def test_any_selection_gives_the_same_bytes_on_both_paths_compiled_or_kept(warehouse_file: Path, document: str) -> None:
    switches = [{"no": False}, {"no": True}, {"no": False, "yes": False}, {"no": False}]

    told = execute(ordinary, document, warehouse_file, *switches)

    assert execute(schema, document, warehouse_file, *switches) == told
    assert execute_encoded(document, warehouse_file, *switches) == told * 2


def execute_encoded(document: str, path: Path, *given: dict[str, Any]) -> list[tuple[bytes, Any]]:
    """What ``execute`` tells, written as the HTTP door does, in two requests: the second finds the first one's answers."""

    async def asked() -> list[tuple[bytes, Any]]:
        told = []
        with engine_over(path, cache_bytes=10_000_000) as (engine, _):
            unlimited = replace(engine, documents=Documents(OWN_RULES))
            for _ in range(2):
                async with unlimited.request() as context:
                    read = context.documents.read(document, schema.graphql_schema)
                    told += [await schema.answer(read, variables, context, encoded=True) for variables in given]
        return [(orjson.dumps(one.data), [error.formatted for error in one.errors or ()]) for one in told]

    return asyncio.run(asked())


def test_what_is_told_encoded_is_kept_and_told_again_without_the_answer_being_looked_at(warehouse_file: Path) -> None:
    """And by any document that selects the same, whatever it says around it."""
    documents = (
        '{ stats(accountId: "acme") { sources { total rows { word: utmSource entrances } } } }',
        'query Again { stats(accountId: "acme", period: "30d") { mine: sources { ...F } } } '
        "fragment F on SourceReport { total rows { word: utmSource entrances } }",
        '{ stats(accountId: "acme") { sources { total rows { utmSource entrances } } } }',
    )

    async def asked() -> list[bytes]:
        with engine_over(warehouse_file, cache_bytes=10_000_000) as (engine, _):
            told = []
            for document in documents:
                async with engine.request() as context:
                    read = context.documents.read(document, schema.graphql_schema)
                    told.append(orjson.dumps((await schema.answer(read, {}, context, encoded=True)).data))
                    for kept in engine.cache._kept.values():
                        kept.answer["total"] = 99  # whoever looks tells on itself
            return told

    first, again, other = asyncio.run(asked())

    assert again.replace(b"mine", b"sources") == first
    assert (b'"total":99' in first, b'"total":99' in other) == (False, True)


def test_the_order_of_keys_is_the_order_of_the_selection(warehouse_file: Path) -> None:
    document = '{ stats(accountId: "acme") { sources { rows { revenue utmSource b: entrances } total } } }'

    ((told, errors),) = execute(schema, document, warehouse_file, {})

    assert errors == []
    assert list(orjson.loads(told)["stats"]["sources"]["rows"][0]) == ["revenue", "utmSource", "b"]


# --- what is unusual falls back -----------------------------------------------------------------------------------


@strawberry.type
class Thing:
    number: int
    maybe: int | None
    ratio: float | None
    word: str | None
    numbers: list[int | None] | None


def odd_schema(executor: type[ProjectingExecutor] | None, value: Any) -> strawberry.Schema:
    """A schema with one object whose fields hold ``value``."""

    @strawberry.type
    class Root:
        @strawberry.field
        def thing(self) -> Thing | None:
            return value

    return strawberry.Schema(Root, config=StrawberryConfig(default_resolver=value_of), execution_context_class=executor)


USUAL = {"number": 1, "maybe": None, "ratio": 1.5, "word": "x", "numbers": [1, None]}


def odd_values() -> Iterator[Any]:
    yield USUAL
    yield USUAL | {"number": None}
    yield USUAL | {"number": 2**31}
    yield USUAL | {"number": True}
    yield USUAL | {"number": "7"}
    yield USUAL | {"maybe": 7.0}
    yield USUAL | {"ratio": float("nan")}
    yield USUAL | {"ratio": float("inf")}
    yield USUAL | {"ratio": 3}
    yield USUAL | {"word": 5}
    yield USUAL | {"numbers": [1, "x"]}
    yield USUAL | {"numbers": 5}
    yield {"number": 1}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", list(odd_values()), ids=str)
def test_unusual_values_mean_what_they_mean_on_the_ordinary_path(value: Any) -> None:
    document = "{ thing { number maybe ratio word numbers } }"

    fast = odd_schema(ProjectingExecutor, value).execute_sync(document)
    slow = odd_schema(None, value).execute_sync(document)

    assert fast.data == slow.data
    assert [error.formatted for error in fast.errors or ()] == [error.formatted for error in slow.errors or ()]


def test_the_fast_path_is_really_taken(warehouse_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails loudly when the executor's inner names move with a new version."""
    projected: list[str] = []
    original = ProjectingExecutor._projection

    def watched(self: Any, return_type: Any, details: Any) -> Any:
        projection = original(self, return_type, details)
        if projection is not None:
            projected.append(return_type.name)
        return projection

    monkeypatch.setattr(ProjectingExecutor, "_projection", watched)

    execute(
        schema,
        '{ stats(accountId: "acme") { sources { rows { utmSource } } overview { traffic { revenue } } } }',
        warehouse_file,
        {},
    )

    assert sorted(projected) == ["Overview", "SourceReport"]
