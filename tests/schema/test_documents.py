"""A document is read once and kept with what executing it compiles; what is kept is bounded."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.limits import DocumentRules
from fanin.rest_compat.documents import document_of
from fanin.schema import documents as reading
from fanin.schema.documents import FIELD_WEIGHT, Document, Documents
from fanin.schema.projection import MAX_SELECTIONS
from fanin.schema.schema import schema
from fanin.tests.facts import engine_over, visit, write

PRODUCTION = DocumentRules(introspection=False, suggestions=False)


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00", utm_source="google")])
    return path


def read(documents: Documents, text: str) -> Document:
    return documents.read(text, schema.graphql_schema)


def messages(document: Document) -> list[str]:
    return [error.message for error in document.errors]


def test_the_same_text_is_read_once_whether_it_can_be_executed_or_not() -> None:
    documents = Documents()
    texts = ["{ accounts { id } }", "{ nope }", "{", "{ " + "a: b " * 100 + "}"]

    first = [read(documents, text) for text in texts]
    again = [read(documents, text) for text in texts]

    assert all(one is other for one, other in zip(first, again, strict=True))
    assert [bool(document.errors) for document in first] == [False, True, True, True]
    assert len(documents) == 4


def test_the_documents_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_DOCUMENTS", 2)
    documents = Documents()
    a, b = read(documents, "{ a }"), read(documents, "{ b }")

    assert read(documents, "{ a }") is a
    read(documents, "{ c }")

    assert len(documents) == 2
    assert read(documents, "{ a }") is a
    assert read(documents, "{ b }") is not b


def test_a_document_weighs_its_characters_and_its_fields_and_a_heavy_one_drives_out_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = Documents()
    read(documents, "{ accounts { id } }")
    assert documents.weight == 19 + 2 * FIELD_WEIGHT

    monkeypatch.setattr(reading, "MAX_WEIGHT", 500)
    read(documents, "{ accounts { id " + " " * 400 + "} }")
    assert (len(documents), documents.weight) == (0, 0)  # heavier than all that may be kept

    read(documents, "{ accounts { id } }")
    assert (len(documents), documents.weight) == (1, 119)


def test_threads_that_read_at_once_leave_the_weight_of_what_is_kept() -> None:
    documents = Documents()
    texts = [f"{{ a{place % 40}: accounts {{ id }} }}" for place in range(400)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: read(documents, text), texts))

    assert len(documents) == 40
    assert documents.weight == sum(len(text) + 2 * FIELD_WEIGHT for text in set(texts))


def test_production_hides_the_schema_and_suggests_nothing() -> None:
    typos = """{ acounts { id } settings { limits { nam } } stats(acountId: "a", compare: PREVIOS) {
      pages { ... on PageRepor { total } } } }"""
    open_documents, closed = Documents(), Documents(PRODUCTION)

    assert messages(read(open_documents, get_introspection_query())) == []
    assert any("Did you mean" in message for message in messages(read(open_documents, typos)))
    assert messages(read(closed, "{ __schema { types { name } } }")) == [
        "GraphQL introspection has been disabled, but the requested query contained the field '__schema'.",
        "GraphQL introspection has been disabled, but the requested query contained the field 'types'.",
    ]
    assert messages(read(closed, "{ __typename }")) == []
    assert len(messages(read(closed, typos))) >= 5
    assert not any("Did you mean" in message for message in messages(read(closed, typos)))


def test_no_more_than_five_mistakes_are_told() -> None:
    unknown = read(Documents(), "{ " + " ".join(f"nope{place}" for place in range(20)) + " }")
    arguments = "{ " + " ".join(f"a{place}: accounts(no: 1) {{ id }}" for place in range(20)) + " }"

    for document in (unknown, read(Documents(), arguments)):
        assert len(document.errors) == 6
        assert messages(document)[5] == "Too many validation errors, error limit reached. Validation aborted."


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            "query a { accounts { id } } query b { accounts { id } }",
            None,
            "several operations: name one in operationName (a, b)",
        ),
        ("query a { accounts { id } }", "b", "There is no operation 'b' in the document"),
        ("fragment f on Query { accounts { id } }", None, "Fragment 'f' is never used."),
    ],
)
def test_the_operation_must_be_known(text: str, name: str | None, message: str) -> None:
    (error,) = read(Documents(), text).refused(name, {})

    assert message in error.message


def test_each_operation_of_a_document_can_be_executed_by_its_name(warehouse_file: Path) -> None:
    text = "query a { __typename } query b { accounts { id } }"

    assert [asyncio.run(_data(warehouse_file, text, name)) for name in ("a", "b")] == [
        {"__typename": "Query"},
        {"accounts": [{"id": "acme"}]},
    ]


async def _data(path: Path, text: str, name: str) -> Any:
    with engine_over(path) as (engine, _):
        async with engine.request() as context:
            result = await schema.execute(text, context_value=context, operation_name=name)
            assert result.errors is None
            return result.data


# --- what executing compiles --------------------------------------------------------------------------------------

SWITCHED = """query ($yes: Boolean = true) { stats(accountId: "acme") {
  sources { rows { utmSource entrances @include(if: $yes) } total @skip(if: $yes) } } }"""


def executed(path: Path, text: str, *switches: dict[str, Any]) -> tuple[list[Any], Document]:
    """The data of one execution for each set of variables, all of one document."""

    async def ask() -> tuple[list[Any], Document]:
        with engine_over(path) as (engine, _):
            async with engine.request() as context:
                told = [await schema.execute(text, given, context) for given in switches]
                return [result.data for result in told], engine.documents.read(text, schema.graphql_schema)

    return asyncio.run(ask())


def test_a_selection_is_compiled_once_for_each_position_of_its_switches(warehouse_file: Path) -> None:
    on, off = {"yes": True}, {"yes": False}

    data, document = executed(warehouse_file, SWITCHED, {}, on, off, on, off, {})

    told = {"rows": [{"utmSource": "google", "entrances": 1}]}, {"rows": [{"utmSource": "google"}], "total": 1}
    assert [answer["stats"]["sources"] for answer in data] == [told[place] for place in (0, 0, 1, 0, 1, 0)]
    assert [len(selection.projections) for selection in document.selections] == [1, 1]


def test_only_so_many_positions_of_switches_are_kept(warehouse_file: Path) -> None:
    names = [f"s{place}" for place in range(MAX_SELECTIONS + 3)]
    declared = ", ".join(f"${name}: Boolean = false" for name in names)
    fields = " ".join(f"{name}: id @include(if: ${name})" for name in names)
    text = f"query ({declared}) {{ accounts {{ id {fields} }} }}"

    data, document = executed(warehouse_file, text, *({name: True} for name in names))

    assert [list(answer["accounts"][0]) for answer in data] == [["id", name] for name in names]
    assert len(document.selections) == MAX_SELECTIONS


def test_a_variable_that_is_no_switch_compiles_nothing_anew(warehouse_file: Path) -> None:
    text = 'query ($n: Int) { stats(accountId: "acme") { sources(pageSize: $n) { total } } }'

    _, document = executed(warehouse_file, text, *({"n": size} for size in range(1, 20)))

    assert [len(selection.projections) for selection in document.selections] == [1]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_documents_of_rest_are_valid(name: str) -> None:
    assert messages(schema.own_document(document_of(name))) == []
