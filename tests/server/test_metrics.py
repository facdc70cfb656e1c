"""Metrics: what they count, who may read them, and that no label is a caller's text."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fanin.app import create_app
from fanin.catalog.errors import BadRequest
from fanin.server.metrics import METRICS, Kind
from fanin.server.metrics_page import MetricsServer
from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, batch, closed, get, key_for, sent
from fanin.tests.facts import NOW, engine_over, visit, write
from fanin.tests.gated import gated

TOKEN = "a token of metrics"
METRICS_PAGE = Ask("GET", "/metrics")


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit()])
    write(tmp_path / "w.duckdb", "other", [visit(), visit("2026-03-11T10:00")])
    return tmp_path / "w.duckdb"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and labels' values, sorted by the labels' names, to value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def measured(path: Path, *asks: Ask, settings: ServerSettings | None = None) -> Mapping[tuple[str, ...], float]:
    return samples(sent(path, *asks, METRICS_PAGE, settings=settings)[-1].text)


def test_metrics_count_what_was_asked_and_what_it_cost(warehouse_file: Path) -> None:
    asks = [batch("acme", "acme", "other"), get("acme"), get("none"), batch("acme")]

    answers = sent(warehouse_file, *asks, METRICS_PAGE)
    told = samples(answers[-1].text)

    requests = {labels[1:]: value for labels, value in told.items() if labels[0] == "fanin_requests_total"}
    assert requests == {
        ("POST", "/api/v1/batch", "200"): 2,
        ("GET", "/api/v1/stats/overview", "200"): 1,
        ("GET", "/api/v1/stats/overview", "404"): 1,
    }
    assert told["fanin_sent_bytes_total", "/api/v1/batch"] == sum(
        int(answers[place].headers["content-length"]) for place in (0, 3)
    )
    assert told["fanin_request_seconds_count", "/api/v1/batch"] == 2
    assert told["fanin_questions_total",] == 5
    assert told["fanin_questions_identical_total",] == 1
    assert told["fanin_scan_seconds_count", "rollup"] == 4
    assert (told["fanin_request_scans_sum", "/api/v1/batch"], told["fanin_request_scans_count", "/api/v1/batch"]) == (
        3,
        2,
    )
    assert (told["fanin_accounts",], told["fanin_data_versions",], told["fanin_warehouse_readable",]) == (2, 2, 1)
    assert told["fanin_data_seen_timestamp_seconds",] == NOW.timestamp()
    assert told["fanin_requests_under_way",] == 1
    assert told["fanin_resident_memory_bytes",] > 10_000_000


def test_every_metric_is_told_and_no_other(warehouse_file: Path) -> None:
    answer = sent(warehouse_file, get("acme"), METRICS_PAGE)[-1]

    kinds = {family.name: family.type for family in text_string_to_metric_families(answer.text)}
    assert kinds == {
        row.name.removesuffix("_total"): row.kind.value if row.kind in (Kind.COUNTER, Kind.HISTOGRAM) else "gauge"
        for row in METRICS.values()
    }
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_who_runs_waits_and_is_turned_away_is_told_while_it_lasts(warehouse_file: Path) -> None:
    load = {**ServerSettings().load, "max_running": 1, "max_running_per_account": 1, "max_waiting": 1}
    load["max_waiting_per_account"] = 1

    async def run() -> tuple[list[int], Mapping[tuple[str, ...], float]]:
        with gated(warehouse_file, "acme", "other") as (engine, gates):
            app = create_app(engine, ServerSettings(load=load))
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                asking = [asyncio.create_task(client.get(get("acme").address))]
                await gates.has_started("acme")
                asking += [asyncio.create_task(client.get(get(account).address)) for account in ("other", "other")]
                refused = await asking[2]
                told = samples((await client.get("/metrics")).text)
                gates.open("acme")
                gates.open("other")
                return [response.status_code for response in [*await asyncio.gather(*asking[:2]), refused]], told

    statuses, told = asyncio.run(run())

    assert statuses == [200, 200, 503]
    assert [told[f"fanin_requests_{name}",] for name in ("running", "waiting", "turned_away_total")] == [1, 1, 1]
    assert (told["fanin_scans_running",], told["fanin_scans_waiting",]) == (1, 0)


def test_an_import_is_seen_and_an_unreadable_warehouse_too(warehouse_file: Path) -> None:
    def import_more() -> None:
        write(warehouse_file, "acme", [visit("2026-03-12T10:00")])

    def damage() -> None:
        broken = warehouse_file.with_suffix(".new")
        broken.write_bytes(b"no warehouse" * 1000)
        broken.replace(warehouse_file)

    asks = [METRICS_PAGE, METRICS_PAGE.after(import_more), METRICS_PAGE.after(damage)]
    before, after, damaged = (samples(answer.text) for answer in sent(warehouse_file, *asks))

    assert (before["fanin_data_versions",], after["fanin_data_versions",]) == (2, 3)
    assert [told["fanin_warehouse_readable",] for told in (before, after, damaged)] == [1, 1, 0]


def test_no_label_is_what_a_caller_writes(warehouse_file: Path) -> None:
    asks = [Ask("GET", f"/nowhere/{number}") for number in range(5)]
    asks += [Ask("GET", f"/api/v1/stats/unknown-{number}?account_id=acme") for number in range(5)]
    asks += [Ask("GET", f"/api/v1/stats/microconversions/goal-{number}?account_id=acme") for number in range(5)]
    asks += [Ask(f"ODD{number}", "/graphql") for number in range(5)]

    answer = sent(warehouse_file, *asks, METRICS_PAGE)[-1]

    requests = {
        labels[1:]: value for labels, value in samples(answer.text).items() if labels[0] == "fanin_requests_total"
    }
    assert requests == {
        ("GET", "none", "404"): 5,
        ("GET", "/api/v1/stats/{path:path}", "404"): 5,
        ("GET", "/api/v1/stats/microconversions/{type}", "200"): 5,
        ("other", "/graphql", "405"): 5,
    }
    assert not any(word in answer.text for word in ("acme", "other-", "goal-", "unknown-", "ODD", "192.0.2.1"))


# --- who may read them --------------------------------------------------------------------------------------------


def test_an_open_server_tells_everyone(warehouse_file: Path) -> None:
    (answer,) = sent(warehouse_file, METRICS_PAGE)

    assert answer.status_code == 200


def test_a_server_with_keys_tells_those_who_may_read_all_accounts(warehouse_file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    one, every = key_for(keys, "acme"), key_for(keys)

    asks = [METRICS_PAGE, METRICS_PAGE.by("sm_wrong"), METRICS_PAGE.by(one), METRICS_PAGE.by(every)]
    answers = sent(warehouse_file, *asks, settings=closed(keys))

    assert [answer.status_code for answer in answers] == [401, 401, 403, 200]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[2].json()["error"] == {
        "code": "forbidden",
        "message": "Metrics tell of all accounts; show a key for all of them",
    }


@pytest.mark.parametrize("is_open", [True, False])
def test_where_there_is_a_token_nothing_else_will_do(warehouse_file: Path, tmp_path: Path, is_open: bool) -> None:
    keys = tmp_path / "keys.json"
    every = key_for(keys)
    settings = replace(ServerSettings() if is_open else closed(keys), metrics_token=TOKEN)
    shown = [METRICS_PAGE, METRICS_PAGE.by(every), METRICS_PAGE.bearing(every), METRICS_PAGE.bearing(f"{TOKEN}x")]

    answers = sent(warehouse_file, *shown, METRICS_PAGE.bearing(TOKEN), settings=settings)

    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 200]
    assert TOKEN not in "".join(answer.text for answer in answers)
    assert TOKEN not in repr(settings)


def test_guessing_is_slow_and_those_who_may_are_never_counted(warehouse_file: Path, tmp_path: Path) -> None:
    settings = closed(tmp_path / "keys.json", metrics_token=TOKEN)
    guesses = [METRICS_PAGE.bearing("wrong")] * 61

    answers = sent(warehouse_file, *guesses, *[METRICS_PAGE.bearing(TOKEN)] * 2, settings=settings)

    assert [answer.status_code for answer in answers] == [*[401] * 60, 429, 200, 200]


def fetched(port: int, path: str = "/metrics", token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # ours
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_port_of_its_own_tells_them_and_nothing_else() -> None:
    server = MetricsServer("127.0.0.1", 0, lambda: b"metrics", TOKEN)
    try:
        answers = [fetched(server.port), fetched(server.port, token="wrong"), fetched(server.port, token=TOKEN)]
        elsewhere = fetched(server.port, "/graphql", token=TOKEN)
        with pytest.raises(BadRequest, match="cannot be listened on for metrics"):
            MetricsServer("127.0.0.1", server.port, lambda: b"", "")
    finally:
        server.close()

    assert [status for status, _ in answers] == [401, 401, 200]
    assert answers[2][1] == "metrics"
    assert elsewhere == (404, '{"error":{"code":"not_found","message":"There is /metrics here, and nothing else"}}')


def test_beside_a_port_of_its_own_there_is_no_other(warehouse_file: Path) -> None:
    (answer,) = sent(warehouse_file, METRICS_PAGE, settings=ServerSettings(metrics_port=9100))

    assert answer.status_code == 404


@pytest.mark.slow
def test_whoever_of_several_workers_is_asked_tells_the_sums_of_all(warehouse_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fanin", "serve", "--port", "0", "--workers", "2", "--metrics-port", "0"]
    command += ["--warehouse", str(warehouse_file), "--log-format", "json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FANIN_")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            told = [server.stderr.readline() for _ in range(3)]
            port = int(told[0].strip().rpartition(":")[2])
            own_port = int(told[2].strip().removesuffix("/metrics").rpartition(":")[2])
            for _ in range(6):
                assert fetched(port, "/api/v1/stats/os?account_id=acme&period=30d")[0] == 200
            deadline = time.monotonic() + 120
            counted = {("fanin_processes",): 2, ("fanin_questions_total",): 6}
            while not counted.items() <= (seen := samples(fetched(own_port)[1])).items():
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=60)

    assert seen["fanin_requests_total", "GET", "/api/v1/stats/os", "200"] == 6
    assert log.count('"path":"/api/v1/stats/os"') == 6
    assert "Traceback" not in log


def test_what_is_looked_at_is_looked_at_while_the_server_runs(warehouse_file: Path) -> None:
    async def run() -> bytes:
        with engine_over(warehouse_file) as (engine, _):
            app = create_app(engine)
            async with app.router.lifespan_context(app):
                await asyncio.sleep(0)
                return app.state.metrics.told()

    assert samples(asyncio.run(run()).decode())["fanin_accounts",] == 2
