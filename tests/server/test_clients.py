"""Clients that others wrote, each against one real server: what they send is understood, what they get is the answer.

Those of node are installed by ``make test`` where there is npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.transport.httpx import HTTPXTransport
from graphql import GraphQLError

from fanin.app import create_app
from fanin.tests.browser import serving
from fanin.tests.facts import bought, engine_over, visit, without, write
from fanin.tests.node import TESTS, node_command, run_node

FOLDER = TESTS / "clients"
CHANNELS = """query Channels($account: ID!) {
  stats(accountId: $account) { channels { total rows { channel entrances revenue } } }
}"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "w.duckdb"
    for account in ("acme", "globex"):
        write(path, account, [visit("2026-03-17T10:00", channel="Direct", goals=[bought(1250)])])
    return path


@pytest.fixture(scope="module")
def address(warehouse_file: Path) -> Iterator[str]:
    with engine_over(warehouse_file) as (engine, _), serving(create_app(engine)) as base_url:
        yield f"{base_url}/graphql"


def channels(entrances: int = 1) -> dict[str, Any]:
    return {"channels": {"total": 1, "rows": [{"channel": "Direct", "entrances": entrances, "revenue": "12.50"}]}}


def test_urql_asks_by_post_and_by_get(address: str) -> None:
    got = json.loads(run_node("clients", "urql.mjs", address, "acme"))

    assert got == {
        "post": {"data": {"stats": channels()}},
        "get": {"data": {"stats": channels()}},
        "refused": {"data": None, "codes": ["account_not_found"]},
        "exchanges": ["POST document", "GET document", "POST document"],
    }


def test_apollo_client_persists_a_query_and_then_asks_by_its_hash_alone(address: str) -> None:
    got = json.loads(run_node("clients", "apollo.mjs", address, "acme"))

    row = {"__typename": "ChannelRow", "channel": "Direct", "entrances": 1, "revenue": "12.50"}
    report = {"__typename": "ChannelReport", "total": 1, "rows": [row]}
    assert got == {
        "miss": {"stats": {"__typename": "Stats", "channels": report}},
        "hit": {"stats": {"__typename": "Stats", "channels": report}},
        "exchanges": ["GET hash", "POST document", "GET hash"],
    }


def test_apollo_client_shows_what_is_there_and_merges_what_was_deferred(address: str) -> None:
    got = json.loads(run_node("clients", "apollo_defer.mjs", address, "acme"))

    first = {"__typename": "Stats", "channels": {"__typename": "ChannelReport", "total": 1}}
    later = {"pages": {"__typename": "PageReport", "total": 1}}
    assert got == {
        "states": [
            {"dataState": "streaming", "data": {"stats": first}},
            {"dataState": "complete", "data": {"stats": first | later}},
        ],
        "exchanges": ["POST document"],
    }


def test_graphql_request_asks_for_one_or_several_and_is_told_why_it_is_refused(address: str) -> None:
    got = json.loads(run_node("clients", "graphql_request.mjs", address, "acme"))

    assert got == {
        "one": {"stats": channels()},
        "refused": {"status": 200, "codes": ["account_not_found"]},
        "array": [{"stats": channels()}, {"stats": {"window": {"days": 30}}}],
        "exchanges": ["POST document", "POST document", "POST documents"],
    }


def test_graphql_ws_is_answered_and_follows_what_an_import_changes(address: str, warehouse_file: Path) -> None:
    command = [*node_command("clients"), "graphql_ws.mjs", address.replace("http", "ws", 1), "globex"]

    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        asked, followed = (json.loads(client.stdout.readline()) for _ in range(2))
        write(warehouse_file, "globex", [visit("2026-03-17T11:00", channel="Direct")])
        afresh = json.loads(client.stdout.readline())

    assert client.returncode == 0
    assert [without(answer, "extensions") for answer in (asked, followed, afresh)] == [
        {"data": {"stats": {"channels": {"total": 1}}}},
        {"data": {"dashboard": channels()}},
        {"data": {"dashboard": channels(entrances=2)}},
    ]


def test_types_made_by_graphql_codegen_compile_strictly(tmp_path: Path) -> None:
    run_node("clients", "codegen.mjs", tmp_path / "fanin.ts")
    shutil.copy(FOLDER / "typed.ts", tmp_path)
    strictly = ["--strict", "--noEmit", "--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler"]

    told = run_node("clients", "node_modules/typescript/bin/tsc", *strictly, tmp_path / "typed.ts")

    assert told == ""


def test_gql_of_python_reads_the_schema_and_checks_a_question_before_it_asks(address: str) -> None:
    client = Client(transport=HTTPXTransport(address), fetch_schema_from_transport=True)

    with client as session:
        answer = session.execute(GraphQLRequest(CHANNELS, variable_values={"account": "acme"}))
        with pytest.raises(GraphQLError, match="Cannot query field 'visitors' on type 'Stats'"):
            session.execute(GraphQLRequest('{ stats(accountId: "acme") { visitors } }'))

    assert answer == {"stats": channels()}
