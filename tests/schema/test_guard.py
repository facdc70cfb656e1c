"""The guard refuses what would be expensive, by work that grows no faster than the document."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from graphql import GraphQLError, OperationDefinitionNode, get_introspection_query, parse

from fanin.benchmarks.hostile_documents import HOSTILE, Hostile, circle, doubling
from fanin.catalog.limits import DOCUMENT_LIMITS, DocumentRules
from fanin.schema.documents import Document, read_document
from fanin.schema.guard import Measure, Measured, measured
from fanin.schema.schema import OWN_RULES, schema

RULES = DocumentRules()


def read(text: str, rules: DocumentRules = RULES) -> Document:
    return read_document(text, schema.graphql_schema, rules)


def measured_text(text: str) -> Measured:
    return measured(parse(text), schema.graphql_schema)


def operation_of(text: str) -> Measure:
    return next(m for node, m in measured_text(text).definitions if isinstance(node, OperationDefinitionNode))


def refusals(text: str, rules: DocumentRules = RULES, **variables: Any) -> tuple[GraphQLError, ...]:
    return read(text, rules).refused(None, variables)


def with_limit(name: str, value: int) -> DocumentRules:
    return DocumentRules(limits={**RULES.limits, name: value})


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_document_is_refused_by_the_limit_it_is_over(hostile: Hostile) -> None:
    errors = [error for error in read(hostile.text).refused(None, {}) if error.original_error]

    told = [error.extensions["detail"][0]["field"] for error in errors if error.extensions]
    assert read(hostile.text).refused(None, {}) != ()
    assert told == ([hostile.limit] if hostile.limit else [])


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_the_walk_takes_no_more_steps_than_the_document_has_tokens(hostile: Hostile) -> None:
    try:
        document = parse(hostile.text)
    except GraphQLError:
        return  # what cannot be parsed is not walked

    assert measured(document, schema.graphql_schema).steps <= document.token_count


@pytest.mark.parametrize("levels", [20, 60, 200])
def test_fragments_that_double_are_walked_once_and_counted_in_full(levels: int) -> None:
    found = measured_text(doubling(levels))

    selections, spreads = 1 + 2 * levels + 1, 1 + 2 * levels
    assert found.steps == selections + spreads
    assert operation_of(doubling(levels)).fields == 3 * 2**levels - 1


@pytest.mark.parametrize("length", [2, 150])
def test_fragments_in_a_circle_are_walked_once(length: int) -> None:
    assert measured_text(circle(length)).steps == 1 + 2 * length + 1 + 2 * length


# A document that has seven of what a limit counts.
SEVEN = {
    "max_depth": "{ " + "a { " * 6 + "b" + " }" * 7,
    "max_fields": "{ accounts { a: id b: id c: id ... { id } id } }",
    "max_aliases": "{ accounts { a: id b: id c: id d: id e: id f: id g: id id } }",
    "max_root_fields": "{ a: __typename b: __typename c: __typename ... { d: accounts { id } } ...f } "
    "fragment f on Query { e: __typename f: __typename g: __typename }",
    "max_directives": "query ($a: Int @a) @b { accounts @include(if: true) @c { id @d ... @e { id @f } } }",
    "max_inputs": "query ($a: Int = 1, $b: [Int] = [2, 3]) { stats(accountId: $a, filters: {op: EQ}) { __typename } }",
    "max_comparisons": "{ accounts { id id id } a: __typename }",
}


@pytest.mark.parametrize("limit", SEVEN)
def test_a_document_may_be_as_large_as_its_limit_and_no_larger(limit: str) -> None:
    value = getattr(operation_of(SEVEN[limit]), limit.removeprefix("max_"))

    assert value == (6 if limit == "max_comparisons" else 7)
    assert [error.message for error in refusals(SEVEN[limit], with_limit(limit, value - 1))] == [
        f"The document is over {limit}: {value} where {value - 1} are allowed"
    ]
    assert not any(limit in error.message for error in refusals(SEVEN[limit], with_limit(limit, value)))


def test_length_and_tokens_are_limited_to_the_last_one() -> None:
    text = "{ accounts { id } }"  # 6 tokens, 19 characters

    assert refusals(text, with_limit("max_document_length", 19)) == ()
    assert refusals(text, with_limit("max_document_tokens", 6)) == ()
    assert [error.message for error in refusals(text, with_limit("max_document_length", 18))] == [
        "The document is over max_document_length: 19 where 18 are allowed"
    ]
    assert [error.message for error in refusals(text, with_limit("max_document_tokens", 5))] == [
        "The document is over max_document_tokens: 6 where 5 are allowed"
    ]
    assert [error.message for error in refusals(f"#\n#\n{text}", with_limit("max_document_tokens", 1))] == [
        "The document is over max_document_tokens: 2 where 1 are allowed"
    ]


def test_a_refusal_names_limit_value_and_maximum_in_the_vocabulary() -> None:
    (error,) = refusals("{ accounts { id } }", with_limit("max_depth", 1))

    message = "The document is over max_depth: 2 where 1 are allowed"
    assert error.formatted == {
        "message": message,
        "extensions": {
            "code": "bad_request",
            "message": message,
            "detail": [{"field": "max_depth", "message": message, "type": "limit_exceeded"}],
            "status": 400,
        },
    }


def test_rules_that_measure_log_what_they_would_have_refused(caplog: pytest.LogCaptureFixture) -> None:
    limits = {**RULES.limits, "max_depth": 1, "max_document_tokens": 5, "max_document_length": 10, "max_rows": 1}
    text = '{ stats(accountId: "a") { pages { total } } }'

    with caplog.at_level(logging.WARNING, logger="fanin.schema.guard"):
        told = refusals(text, DocumentRules(limits=limits, enforced=False))

    assert told == ()
    assert [record.getMessage() for record in caplog.records] == [
        "measured, not refused: The document is over max_document_length: 45 where 10 are allowed",
        "measured, not refused: The document is over max_document_tokens: 14 where 5 are allowed",
        "measured, not refused: The document is over max_depth: 3 where 1 are allowed",
        "measured, not refused: The document is over max_rows: 50 where 1 are allowed",
    ]


def test_the_usual_introspection_is_accepted_and_hardly_deep() -> None:
    assert refusals(get_introspection_query()) == ()
    assert operation_of(get_introspection_query()).depth == 1


def test_our_own_documents_are_not_refused_for_their_size() -> None:
    text = "{ " + " ".join(f"a{place}: __typename" for place in range(3_000)) + " }"

    assert refusals(text, OWN_RULES) == ()


def test_fragments_count_as_often_as_they_are_spread() -> None:
    text = """{ a: stats(accountId: "a") { ...tile } b: stats(accountId: "b") { ...tile ... { ...tile } } }
      fragment tile on Stats { p: pages(pageSize: 7) @include(if: true) { rows { path } } devices { __typename } }"""

    told = operation_of(text)

    assert (told.aliases, told.depth, told.root_fields, told.directives) == (2 + 3, 4, 2, 3)
    assert (told.fields, told.inputs, told.rows) == (2 + 4 + 3 * 5, 2 + 3 * 2, 3 * (7 + 50))


@pytest.mark.parametrize(
    ("arguments", "variables", "rows"),
    [
        ("", {}, 50),
        ("(pageSize: 7)", {}, 7),
        ("(pageSize: 5000)", {}, 1_000),  # is refused by the report, so it costs no more than the maximum
        ("(pageSize: 99999999999999999999)", {}, 1_000),
        ("(pageSize: -5)", {}, 1),
        ("(pageSize: null)", {}, 50),
        ("(pageSize: $size)", {"size": 8}, 8),
        ("(pageSize: $size)", {"size": 10**30}, 1_000),
        ("(pageSize: $size)", {"size": "many"}, 50),
        ("(pageSize: $size)", {}, 50),
        ("(pageSize: $nine)", {}, 9),
        ("(pageSize: $nine)", {"nine": 3}, 3),
    ],
)
def test_rows_are_those_the_page_size_allows(arguments: str, variables: dict[str, Any], rows: int) -> None:
    text = f'query ($size: Int, $nine: Int = 9) {{ stats(accountId: "a") {{ pages{arguments} {{ total }} }} }}'
    document = read(text, OWN_RULES)

    measures = [measure for _, measure in measured(parse(text), schema.graphql_schema).definitions]
    defaults = {"nine": 9}
    assert [measure.rows_with({**defaults, **variables}) for measure in measures] == [rows]
    assert [operation.rows(variables) for operation in document.operations] in ([rows], [])


def test_rows_depend_on_the_variables_of_each_execution() -> None:
    text = 'query ($n: Int) { stats(accountId: "a") { query(limit: $n) { total } pages(pageSize: 1000) { total } } }'
    document = read(text, with_limit("max_rows", 1_100))

    assert document.refused(None, {"n": 100}) == ()
    assert [error.message for error in document.refused(None, {"n": 101})] == [
        "The document is over max_rows: 1101 where 1100 are allowed"
    ]


def test_every_limit_of_a_document_has_a_hostile_document() -> None:
    assert {hostile.limit for hostile in HOSTILE} - {None} == set(DOCUMENT_LIMITS)
