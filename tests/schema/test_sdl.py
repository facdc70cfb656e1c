"""The committed schema is the schema, and it reads like a manual."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType

from fanin.catalog.endpoints import ENDPOINTS
from fanin.schema.naming import camel_case
from fanin.schema.schema import schema

COMMITTED = Path(__file__).parent.parent.parent / "schema.graphql"

OURS = [
    kind
    for name, kind in schema._schema.type_map.items()
    if not name.startswith("__") and isinstance(kind, (GraphQLObjectType, GraphQLInputObjectType))
]


def test_schema_graphql_is_the_schema() -> None:
    printed = schema.as_str() + "\n"
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        COMMITTED.write_text(printed, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == printed


@pytest.mark.parametrize("kind", OURS, ids=str)
def test_every_type_field_and_argument_is_described(kind: GraphQLObjectType | GraphQLInputObjectType) -> None:
    assert kind.description
    undescribed = [name for name, field in kind.fields.items() if not field.description]
    arguments = [
        f"{name}({argument})"
        for name, field in kind.fields.items()
        for argument, told in getattr(field, "args", {}).items()
        if not told.description
    ]
    assert undescribed + arguments == []


def test_every_report_of_the_catalog_is_a_nullable_field() -> None:
    stats = schema._schema.type_map["Stats"]
    assert isinstance(stats, GraphQLObjectType)

    reports = {name: str(field.type) for name, field in stats.fields.items() if "indow" not in name}

    assert list(reports) == [camel_case(name) for name in ENDPOINTS]
    assert not any(kind.endswith("!") for kind in reports.values())
