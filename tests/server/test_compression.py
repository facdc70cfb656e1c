"""gzip for what is sent whole and long enough, to clients that take it; streams arrive record by record."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fanin.app import create_app
from fanin.rest_compat.streaming import FORMS
from fanin.server.graphiql import STATIC_PATH, static_files
from fanin.tests.callers import Ask, batch, sent
from fanin.tests.facts import engine_over, visit, write

LARGE = Ask("GET", "/graphql?query={settings{reports{name%20meaning}periods{name%20meaning}}}")
SMALL = Ask("GET", "/graphql?query={__typename}")


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit(f"2026-03-17T10:{minute}", f"/page-{minute}") for minute in range(10, 60)])
    return path


def with_headers(ask: Ask, **headers: str) -> Ask:
    return Ask(ask.method, ask.address, ask.body, {**ask.headers, **headers})


def messages(path: Path, ask: Ask, accept_encoding: str) -> list[dict[str, Any]]:
    """What the application sends, message by message."""
    sent_messages: list[dict[str, Any]] = []
    body = json.dumps(ask.body).encode() if ask.body else b""

    async def run() -> None:
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()
            raise AssertionError("never reached")

        async def send(message: Any) -> None:
            sent_messages.append(message)

        headers = {"content-type": "application/json", **ask.headers, "accept-encoding": accept_encoding}
        path_asked, _, query = ask.address.partition("?")
        scope = {
            "type": "http",
            "method": ask.method,
            "path": path_asked,
            "raw_path": path_asked.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        with engine_over(path) as (engine, _):
            await create_app(engine)(scope, receive, send)

    asyncio.run(run())
    return sent_messages


def headers_of(answer: list[dict[str, Any]]) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in answer[0]["headers"]}


def test_a_long_answer_is_gzipped_and_the_same_inside(warehouse_file: Path) -> None:
    plain, packed = (messages(warehouse_file, LARGE, encoding) for encoding in ("identity", "gzip"))

    body = packed[1]["body"]
    assert gzip.decompress(body) == plain[1]["body"]
    assert len(body) < len(plain[1]["body"]) / 3
    headers = headers_of(packed)
    assert (headers["content-encoding"], headers["content-length"]) == ("gzip", str(len(body)))
    assert "content-encoding" not in headers_of(plain)
    assert "Accept-Encoding" in headers["vary"]
    assert "Accept-Encoding" in headers_of(plain)["vary"]


def test_a_very_long_answer_is_gzipped_beside_the_event_loop(warehouse_file: Path) -> None:
    script = Ask("GET", f"{STATIC_PATH}/{static_files()['graphiql.min.js'].hashed_name}")

    plain, packed = (messages(warehouse_file, script, encoding) for encoding in ("identity", "gzip"))

    assert len(plain[1]["body"]) > 900_000
    assert gzip.decompress(packed[1]["body"]) == plain[1]["body"]


@pytest.mark.parametrize(
    ("accept_encoding", "packed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("x-gzip", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("br, zstd", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("notgzip", False),
    ],
)
def test_only_who_takes_gzip_gets_it(warehouse_file: Path, accept_encoding: str, packed: bool) -> None:
    headers = headers_of(messages(warehouse_file, LARGE, accept_encoding))

    assert ("content-encoding" in headers) is packed


def test_a_short_answer_is_sent_as_it_is(warehouse_file: Path) -> None:
    assert "content-encoding" not in headers_of(messages(warehouse_file, SMALL, "gzip"))


def test_every_door_s_long_answers_are_gzipped(warehouse_file: Path) -> None:
    rest = Ask("GET", "/api/v1/stats/pages?account_id=acme&period=30d")

    responses = sent(warehouse_file, *(with_headers(ask, **{"Accept-Encoding": "gzip"}) for ask in (rest, LARGE)))

    assert [response.headers["content-encoding"] for response in responses] == ["gzip", "gzip"]
    assert responses[0].json()["total"] == 50


@pytest.mark.parametrize("media_type", FORMS)
def test_a_stream_is_never_gzipped_and_each_record_is_sent_by_itself(warehouse_file: Path, media_type: str) -> None:
    ask = with_headers(batch("acme", "acme", "acme", report="pages"), Accept=media_type)

    answer = messages(warehouse_file, ask, "gzip")

    headers = headers_of(answer)
    assert headers["content-type"].startswith(media_type)
    assert "content-encoding" not in headers
    kinds = [b'"type":"plan"', *[b'"type":"result"'] * 3, b'"type":"end"']
    assert [kind in message["body"] for kind, message in zip(kinds, answer[1:6], strict=True)] == [True] * 5
    assert [message["more_body"] for message in answer[1:]] == [True] * 5 + [False]
    assert len(answer[2]["body"]) > 1_000  # long enough, had it been the whole answer
