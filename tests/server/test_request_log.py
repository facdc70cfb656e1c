"""A line for each request: what is in it, what never is, and that nothing in it ends it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.catalog.errors import BadRequest
from fanin.server.log_output import JsonLines, LogOutput, TextLines, in_ascii, printable
from fanin.server.redaction import redacted
from fanin.server.request_log import FIELDS
from fanin.server.settings import read_settings
from fanin.tests.callers import DOORS, Ask, batch, closed, get, graphql, key_for, sent
from fanin.tests.facts import engine_over, visit, without, write

KEY = "sm_" + "Ab1" * 20 + "Z"


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit("2026-03-11T10:00", country="US")])
    return tmp_path / "w.duckdb"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """What has been logged so far, as JSON."""
    with caplog.at_level(logging.DEBUG, "fanin"):
        yield lambda: [json.loads(JsonLines().format(record)) for record in caplog.records]


def requests_of(logged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in logged if line["event"] == "request"]


def test_a_request_is_one_line_that_tells_who_asked_what_and_what_it_cost(
    warehouse_file: Path, tmp_path: Path, lines: Any
) -> None:
    keys = tmp_path / "keys.json"
    key = key_for(keys, "acme")

    (response,) = sent(warehouse_file, batch("acme", "acme").by(key), settings=closed(keys))

    (line,) = requests_of(lines())
    assert set(line) == {"time", "level", "event", *FIELDS}
    assert list(line)[3:] == list(FIELDS)
    assert without(line, "time", "ms", "scan_ms") == {
        "level": "info",
        "event": "request",
        "request_id": response.headers["x-request-id"],
        "method": "POST",
        "path": "/api/v1/batch",
        "status": 200,
        "bytes": len(response.content),
        "caller": f"key:{key[:11]}",
        "accounts": ["acme"],
        "operations": [],
        "queries": 2,
        "reports": 2,
        "identical": 1,
        "cache_hits": 0,
        "joined": 0,
        "scans": 1,
        "sources": {"rollup": 1},
        "rows": 1,
    }
    assert line["time"].endswith("Z")
    assert line["ms"] >= line["scan_ms"] > 0


def test_a_named_operation_is_in_the_line_of_its_request(warehouse_file: Path, lines: Any) -> None:
    document = 'query Mine { stats(accountId: "acme") { overview { traffic { entrances } } } }'

    sent(warehouse_file, Ask("POST", "/graphql", {"query": document}), graphql("acme"))

    assert [(line["operations"], line["accounts"], line["reports"]) for line in requests_of(lines())] == [
        (["Mine"], ["acme"], 1),
        ([], ["acme"], 1),
    ]


def test_refusals_failures_and_probes_have_a_level_of_their_own(
    warehouse_file: Path, tmp_path: Path, lines: Any
) -> None:
    keys = tmp_path / "keys.json"
    key_for(keys, "acme")

    asks = [get("acme").by(KEY), *(Ask("GET", address) for address in ("/livez", "/metrics", "/nowhere"))]
    sent(warehouse_file, *asks, settings=closed(keys))

    assert [(line["level"], line["status"], line["caller"], line["path"]) for line in requests_of(lines())] == [
        ("info", 401, "address:192.0.2.1", "/api/v1/stats/overview"),
        ("debug", 200, "-", "/livez"),
        ("info", 401, "-", "/metrics"),
        ("info", 401, "address:192.0.2.1", "/nowhere"),
    ]


def test_what_fails_for_our_own_reasons_is_an_error_with_its_status(warehouse_file: Path, lines: Any) -> None:
    async def ask() -> None:
        with engine_over(warehouse_file) as (engine, _):
            broken: Any = replace(engine, clock=lambda: 1 / 0)
            transport = httpx.ASGITransport(create_app(broken), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                await client.get("/graphql?query={accounts{id}}", headers={"X-Request-ID": "mine"})

    asyncio.run(ask())

    request, message = sorted(lines(), key=lambda line: line["event"], reverse=True)
    assert (request["level"], request["status"], request["request_id"]) == ("error", 500, "mine")
    assert (message["message"], message["logger"]) == ("request mine failed", "fanin.server.house")
    assert "ZeroDivisionError" in message["traceback"]


def test_no_line_of_any_door_holds_a_key_a_query_string_or_a_value(
    warehouse_file: Path, tmp_path: Path, lines: Any
) -> None:
    keys = tmp_path / "keys.json"
    key = key_for(keys, "acme")
    secret = "jane.doe@example.com"
    asks = [
        *(door("acme").by(key) for door in DOORS.values()),
        get("acme").by(KEY),
        get("acme").bearing("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"),
        Ask("GET", f"/api/v1/stats/overview?account_id=acme&utm_source={secret}&api_key={KEY}").by(key),
        Ask("GET", f"/somewhere/{KEY}").by(key),
        Ask("GET", f"/api/v1/stats/microconversions/{secret}?account_id=acme").by(key),
        Ask(
            "POST",
            "/graphql",
            {"query": "query($x: ID!) { stats(accountId: $x) { window { days } } }", "variables": {"x": secret}},
        ).by(key),
    ]

    sent(warehouse_file, *asks, settings=closed(keys))

    logged = lines()
    text = json.dumps(logged)
    assert len(requests_of(logged)) == len(asks)
    for hidden in (key, KEY, key[11:], KEY[11:], "eyJ", secret, "account_id=", "utm_source"):
        assert hidden not in text
    assert f"/somewhere/{KEY[:11]}…" in [line["path"] for line in requests_of(logged)]


HOSTILE = "a\nb\r\x1b[2J\x7f\x9b1m\u2028\u202e\ud800é"


def test_nothing_a_caller_writes_ends_a_line_or_speaks_to_a_terminal(lines: Any) -> None:
    record = logging.LogRecord("fanin", logging.INFO, __file__, 1, "%s", (HOSTILE,), None)

    as_json, as_text = JsonLines().format(record), TextLines().format(record)

    assert as_json.isascii()
    assert as_json.isprintable()
    assert json.loads(as_json)["message"] == HOSTILE
    assert as_text.isprintable()
    assert as_text.endswith(r"a\nb\r\x1b[2J\x7f\x9b1m\u2028\u202e\ud800é")


@pytest.mark.parametrize("log_format", [JsonLines, TextLines])
def test_a_hostile_path_stays_in_its_line(
    warehouse_file: Path, caplog: pytest.LogCaptureFixture, log_format: type[logging.Formatter]
) -> None:
    with caplog.at_level(logging.INFO, "fanin"):
        sent(warehouse_file, Ask("GET", "/x%0A%7B%22level%22%3A%22error%22%7D%1B%5B31m%E2%80%A8" + "y" * 1000))

    (record,) = [record for record in caplog.records if record.name == "fanin.requests"]
    line = log_format().format(record)
    assert line.isprintable()
    assert line.count("y") < 250


def test_plain_text_is_written_as_it_is() -> None:
    assert printable("Zürich 1 – ok") == "Zürich 1 – ok"
    assert in_ascii({"a": "b"}) == '{"a":"b"}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"key {KEY} is wrong", f"key {KEY[:11]}… is wrong"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("clickhouse://user:pa55@host:8123/db", "clickhouse://***@host:8123/db"),
        ("redis://:pa55@host", "redis://***@host"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl", "[token]"),
        ("password=hunter2&a=b", "password=***&a=b"),
        ("duckdb:///var/fanin.duckdb has no table x", "duckdb:///var/fanin.duckdb has no table x"),
    ],
)
def test_what_is_secret_wherever_it_stands_is_left_out(text: str, told: str) -> None:
    assert redacted(text) == told


def test_logging_calls_as_many_functions_for_a_thousand_rows_as_for_one(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "one", [visit(utm_source="a")])
    write(tmp_path / "w.duckdb", "many", [visit(utm_source=f"s{number:03}") for number in range(100)])
    ours = ("observing.py", "request_log.py", "log_output.py", "metrics.py", "notes.py", "redaction.py")
    output = LogOutput(io.StringIO())
    output.setFormatter(JsonLines())
    log = logging.getLogger("fanin.requests")
    counts = {}

    def calls(account: str) -> int:
        seen = 0

        def count(frame: Any, event: str, _: Any) -> None:
            nonlocal seen
            seen += event == "call" and frame.f_code.co_filename.endswith(ours)

        sys.setprofile(count)
        try:
            (response,) = sent(
                tmp_path / "w.duckdb", Ask("GET", f"/api/v1/stats/sources?account_id={account}&page_size=100")
            )
        finally:
            sys.setprofile(None)
        counts[account] = len(response.json()["data"])
        return seen

    log.addHandler(output)
    log.setLevel(logging.INFO)
    try:
        calls("one")  # what is called once only is called here
        assert calls("one") == calls("many") > 0
    finally:
        log.removeHandler(output)
        log.setLevel(logging.NOTSET)
        output.flush()
    assert counts == {"one": 1, "many": 100}


def test_a_reader_who_has_stopped_holds_nothing_up_and_costs_lines_that_are_counted() -> None:
    reading, written = threading.Event(), io.StringIO()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            reading.wait(10)
            return written.write(text)

    output = LogOutput(Stuck(), most_lines=10)
    record = logging.LogRecord("fanin", logging.ERROR, __file__, 1, "line", None, None)
    for _ in range(15):
        output.handle(record)

    assert output.dropped == 5
    reading.set()
    output.flush()
    assert written.getvalue().splitlines() == ["line"] * 10


def test_lines_are_written_in_their_order() -> None:
    stream = io.StringIO()
    output = LogOutput(stream)
    for number in range(100):
        output.handle(logging.LogRecord("fanin", logging.INFO, __file__, 1, str(number), None, None))

    output.flush()

    assert stream.getvalue().splitlines() == [str(number) for number in range(100)]


def test_a_websocket_has_an_id_of_its_own(warehouse_file: Path, lines: Any) -> None:
    async def connect() -> None:
        with engine_over(warehouse_file) as (engine, _):
            sent: list[Any] = []
            messages = [{"type": "websocket.connect"}]

            async def receive() -> Any:
                return messages.pop(0)

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {"type": "websocket", "path": "/graphql", "headers": [], "subprotocols": [], "query_string": b""}
            await create_app(engine)(scope, receive, send)
            assert sent[-1]["code"] == 4406

    asyncio.run(connect())

    (line,) = requests_of(lines())
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/graphql", 101)
    assert str(uuid.UUID(line["request_id"])) == line["request_id"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FANIN_LOG_FORMAT", "xml", "FANIN_LOG_FORMAT: 'xml' is none of text, json"),
        ("FANIN_LOG_LEVEL", "loud", "FANIN_LOG_LEVEL: 'loud' is none of debug, info, warning, error"),
        ("FANIN_METRICS_PORT", "many", "FANIN_METRICS_PORT must be a port from 0 to 65535, got 'many'"),
        ("FANIN_METRICS_PORT", "65536", "FANIN_METRICS_PORT must be a port from 0 to 65535, got '65536'"),
    ],
)
def test_a_setting_that_cannot_be_is_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_settings({variable: value})

    assert refused.value.message == said
