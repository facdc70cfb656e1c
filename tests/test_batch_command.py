"""``fanin batch`` and ``fanin validate``: JSON on stdout, progress on stderr, and what the exit code says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from fanin.batch_display import LiveLines, PlainLines, display_for
from fanin.cli import cli
from fanin.rest_compat.plan import Plan, read_plan
from fanin.tests.facts import visit, without, write


@pytest.fixture
def warehouse(tmp_path: Path) -> str:
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-17T10:00")])
    return f"duckdb:///{tmp_path / 'w.duckdb'}"


def query(query_id: str, *depends_on: str, account: str = "acme") -> dict[str, Any]:
    params = {"account_id": account, "start_date": "2026-03-17", "end_date": "2026-03-17"}
    return {"id": query_id, "endpoint": "/stats/channels", "params": params, "depends_on": list(depends_on)}


def fanin(warehouse: str, command: str, *options: str, **body: Any) -> Result:
    return CliRunner().invoke(cli, [command, "-", "--warehouse", warehouse, *options], input=json.dumps(body))


GOOD = [query("a"), query("b", "a")]
PARTIAL = [query("a"), query("bad", account="nowhere"), query("c", "bad")]


@pytest.mark.parametrize(
    ("queries", "exit_code", "status"),
    [(GOOD, 0, "completed"), (PARTIAL, 1, "partial"), ([query("bad", account="nowhere")], 1, "failed")],
)
@pytest.mark.parametrize("options", [(), ("--stream",)])
def test_the_exit_code_says_how_a_batch_ended(
    warehouse: str, queries: list[Any], exit_code: int, status: str, options: tuple[str, ...]
) -> None:
    run = fanin(warehouse, "batch", *options, queries=queries)

    assert run.exit_code == exit_code
    assert json.loads(run.stdout.splitlines()[-1] if options else run.stdout)["status"] == status
    assert run.stderr.splitlines()[-1].startswith(f"{status} in ")


def test_the_answer_is_the_one_of_the_batch_api_and_each_query_has_a_plain_line(warehouse: str) -> None:
    run = fanin(warehouse, "batch", queries=PARTIAL, options={"include_timing": False})

    answer = json.loads(run.stdout)
    assert list(answer) == ["batch_id", "status", "results", "meta", "timestamp"]
    assert list(answer["results"]) == ["a", "bad", "c"]
    assert sorted(run.stderr.splitlines()[:-1]) == [
        "a: success",
        "bad: error  Account not found: nowhere",
        "c: skipped  Skipped: dependency 'bad' did not succeed",
    ]


def test_a_stream_is_a_record_a_line(warehouse: str) -> None:
    run = fanin(warehouse, "batch", "--stream", queries=GOOD)

    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [record["type"] for record in records] == ["plan", "result", "result", "end"]
    assert [record["id"] for record in records[1:3]] == ["a", "b"]


@pytest.mark.parametrize("command", ["batch", "validate"])
def test_a_refused_plan_is_two(warehouse: str, command: str) -> None:
    assert fanin(warehouse, command, queries=[query("a", "a")]).exit_code == 2


def test_a_dry_run_is_a_validation(warehouse: str) -> None:
    dry = fanin(warehouse, "batch", queries=GOOD, options={"dry_run": True})
    bad = fanin(warehouse, "batch", queries=PARTIAL, options={"dry_run": True})

    assert (dry.exit_code, json.loads(dry.stdout)["valid"]) == (0, True)
    assert (bad.exit_code, json.loads(bad.stdout)["valid"]) == (2, False)


def test_a_validation_explains_when_asked(warehouse: str) -> None:
    plain = json.loads(fanin(warehouse, "validate", queries=GOOD).stdout)
    explained = json.loads(fanin(warehouse, "validate", "--explain", queries=GOOD).stdout)

    assert without(explained, "explanation") == plain
    assert explained["explanation"]["scan_count"] == 1
    assert explained["explanation"]["advice"][0]["message"] == "`b` waits for `a` but takes nothing from it"


# --- the display --------------------------------------------------------------------------------------------------

PLAN: Plan = read_plan(json.dumps({"queries": [query("b", "a"), query("a"), query("c", "b")]}).encode())


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(display: LiveLines) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(display.table())
    return [line.split() for line in capture.get().splitlines()]


def test_a_terminal_has_a_line_for_each_query_with_its_state_and_time() -> None:
    clock = Clock()
    display = LiveLines(PLAN, Console(file=io.StringIO(), force_terminal=True), clock)
    queries = {query.id: query for query in PLAN.queries}
    assert shown(display) == [["a", "waiting"], ["b", "waiting"], ["c", "waiting"]]

    display.started(queries["a"])
    clock.now = 0.25
    assert shown(display)[0] == ["a", "running", "250", "ms"]

    display.settled("a", {"status": "success", "data": {}})
    display.started(queries["b"])
    clock.now = 1
    display.settled("b", {"status": "error", "error": {"message": "no [such] account"}})
    display.settled("c", {"status": "skipped", "error": {"message": "Skipped"}})
    assert shown(display) == [
        ["a", "success", "250", "ms"],
        ["b", "error", "750", "ms", "no", "[such]", "account"],
        ["c", "skipped", "Skipped"],
    ]


def test_a_terminal_is_left_with_the_last_state() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=80)

    with display_for(PLAN, console) as display:
        display.settled("a", {"status": "success", "data": {}})

    assert isinstance(display, LiveLines)
    assert "success" in screen.getvalue().split("waiting")[-3]


def test_what_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(display_for(PLAN, Console(file=io.StringIO())), PlainLines)
