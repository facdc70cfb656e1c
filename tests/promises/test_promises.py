"""What was released stays: REST and GraphQL may grow, and nothing that a client was written to goes.

``released-0.1.graphql`` and ``openapi-0.1.json`` are the doors as version 0.1 has them.  A release adds its own pair and leaves
the older ones of its major version in place; see ``docs/promises.md``.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, find_breaking_changes

from fanin.tests.described import DOCUMENT
from fanin.tests.promises.openapi_changes import breaking_changes

HERE = Path(__file__).parent
SDL = (HERE.parents[1] / "schema.graphql").read_text(encoding="utf-8")
SCHEMAS = sorted(HERE.glob("released-*.graphql"))
DOCUMENTS = sorted(HERE.glob("openapi-*.json"))


def version_of(released: Path) -> str:
    return released.stem.partition("-")[2]


def test_every_release_kept_both_its_doors() -> None:
    assert [version_of(path) for path in SCHEMAS] == [version_of(path) for path in DOCUMENTS] == ["0.1"]


@pytest.mark.parametrize("released", SCHEMAS, ids=version_of)
def test_graphql_breaks_nothing_that_was_released(released: Path) -> None:
    old, new = build_schema(released.read_text(encoding="utf-8")), build_schema(SDL)

    assert [change.description for change in find_breaking_changes(old, new)] == []


@pytest.mark.parametrize("released", DOCUMENTS, ids=version_of)
def test_rest_breaks_nothing_that_was_released(released: Path) -> None:
    assert breaking_changes(json.loads(released.read_bytes()), DOCUMENT) == []


# --- what would break ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            r"(type ChannelRow \{.*?)  channel: String!\n",
            r"\1  group: String!\n",
            "Field ChannelRow.channel was removed.",
        ),
        (
            r"(type ChannelRow \{.*?entrances: )Int!",
            r"\1Int",
            "Field ChannelRow.entrances changed type from Int! to Int.",
        ),
        (r"(enum Compare \{.*?)  YOY\n", r"\1", "Enum value Compare.YOY was removed."),
        (r"enum Granularity \{", "enum Grain {", "Granularity was removed."),
        (r"(  accounts: )", r"  accounts(why: String!): ", "A required argument Query.accounts(why:) was added."),
        (r"(input FilterInput \{)", r"\1 why: Int!", "A required field FilterInput.why was added."),
    ],
)
def test_what_breaks_in_graphql_is_named(before: str, after: str, said: str) -> None:
    changed = re.sub(before, after, SDL, count=1, flags=re.DOTALL).replace(
        ": Granularity!", ": Grain!" if "Grain" in after else ": Granularity!"
    )

    changes = find_breaking_changes(build_schema(SDL), build_schema(changed))

    assert said in [change.description for change in changes]


def test_what_is_added_to_graphql_breaks_nothing() -> None:
    grown = SDL
    for before, after in (
        ("type Query {\n", "type Query {\n  novel(how: String): Int\n"),
        ("type ChannelRow {\n", "type ChannelRow {\n  refunds: Decimal\n"),
        ("enum Compare {\n", "enum Compare {\n  DECADE\n"),
        ("input FilterInput {\n", "input FilterInput {\n  note: String\n"),
    ):
        assert before in grown
        grown = grown.replace(before, after)

    assert find_breaking_changes(build_schema(SDL), build_schema(grown)) == []


CHANNELS = "/api/v1/stats/channels"
ENVELOPE = "GET /api/v1/stats/channels: 200"


def operation(document: Any, path: str = CHANNELS, method: str = "get") -> Any:
    return document["paths"][path][method]


def row_of(document: Any) -> Any:
    """The schema of a row of channels."""
    return document["components"]["schemas"]["ChannelsRow"]


def parameter_named(document: Any, name: str) -> Any:
    return next(row for row in operation(document)["parameters"] if row.get("name") == name)


CHANGES: dict[str, tuple[Any, str]] = {
    "a path goes": (lambda d: d["paths"].pop(CHANNELS), f"{CHANNELS} is gone"),
    "a method goes": (lambda d: d["paths"]["/api/v1/stats/funnel"].pop("post"), "POST /api/v1/stats/funnel is gone"),
    "a parameter goes": (
        lambda d: operation(d)["parameters"].remove(parameter_named(d, "compare")),
        f"GET {CHANNELS}: compare is no longer taken",
    ),
    "a parameter is required": (
        lambda d: parameter_named(d, "compare").update(required=True),
        f"GET {CHANNELS}: compare is required now",
    ),
    "a required parameter is new": (
        lambda d: operation(d)["parameters"].append({"name": "x", "in": "query", "required": True, "schema": {}}),
        f"GET {CHANNELS}: x is new and required",
    ),
    "a parameter takes fewer values": (
        lambda d: d["components"]["schemas"]["CompareMode"]["enum"].remove("yoy"),
        f"GET {CHANNELS}: compare: no longer takes yoy",
    ),
    "a page may be smaller only": (
        lambda d: parameter_named(d, "page_size")["schema"].update(maximum=10),
        f"GET {CHANNELS}: page_size: maximum is 10 now",
    ),
    "a member of the answer goes": (
        lambda d: row_of(d)["properties"].pop("bounce_rate"),
        "bounce_rate is gone",
    ),
    "a member may be missing": (
        lambda d: row_of(d)["required"].remove("bounce_rate"),
        "bounce_rate may be missing now",
    ),
    "a member may be null": (
        lambda d: row_of(d)["properties"].update(entrances={"type": ["integer", "null"]}),
        "entrances: may now be null",
    ),
    "a status goes": (lambda d: operation(d)["responses"].pop("403"), f"GET {CHANNELS}: 403 is no longer described"),
    "a header goes": (
        lambda d: operation(d)["responses"]["200"]["headers"].pop("X-Request-ID"),
        f"{ENVELOPE} has no X-Request-ID any more",
    ),
    "a body's member is required": (
        lambda d: d["components"]["schemas"]["PlannedQuery"]["required"].append("depends_on"),
        "depends_on is required now",
    ),
    "a media type goes": (
        lambda d: operation(d, "/api/v1/batch", "post")["responses"]["200"]["content"].pop("application/x-ndjson"),
        "POST /api/v1/batch: 200 is no longer application/x-ndjson",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_breaks_in_rest_is_named(name: str) -> None:
    change, said = CHANGES[name]
    changed = deepcopy(DOCUMENT)
    change(changed)

    found = breaking_changes(DOCUMENT, changed)

    assert [sentence for sentence in found if sentence.endswith(said)] != []


GROWTH: dict[str, Any] = {
    "a path": lambda d: d["paths"].update({"/api/v1/stats/novel": deepcopy(d["paths"][CHANNELS])}),
    "a parameter": lambda d: operation(d)["parameters"].append({"name": "x", "in": "query", "schema": {}}),
    "a value of a parameter": lambda d: d["components"]["schemas"]["CompareMode"]["enum"].append("decade"),
    "a larger page": lambda d: parameter_named(d, "page_size")["schema"].update(maximum=10_000),
    "a member of an answer": lambda d: row_of(d)["properties"].update(refunds={"type": "number"}),
    "a required member of an answer": lambda d: row_of(d)["required"].append("channel"),
    "a member of a body": lambda d: d["components"]["schemas"]["PlannedQuery"]["properties"].update(
        note={"type": "string"}
    ),
    "a status": lambda d: operation(d)["responses"].update({"418": {"description": "a teapot"}}),
}


@pytest.mark.parametrize("name", GROWTH)
def test_what_is_added_to_rest_breaks_nothing(name: str) -> None:
    grown = deepcopy(DOCUMENT)
    GROWTH[name](grown)

    assert breaking_changes(DOCUMENT, grown) == []
    assert grown != DOCUMENT
