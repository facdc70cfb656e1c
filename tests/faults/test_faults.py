"""Faults of the embedded warehouse, done to it for real while it is served: a clear answer, and recovery without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.catalog.errors import WarehouseUnavailable
from fanin.schema.engine import Engine
from fanin.tests.callers import Ask, batch, get, graphql, refusal
from fanin.tests.facts import NOW, visit, write
from fanin.tests.faults.table import FAULTS, Fault
from fanin.warehouse.duckdb_reading import UNREADABLE, DuckDBWarehouse

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sessions = [visit("2026-03-17T10:00", f"/{number}", referrer=f"https://x{number}") for number in range(500)]
    write(tmp_path / "w.duckdb", "acme", sessions)
    return tmp_path / "w.duckdb"


def served(path: Path, *steps: Any) -> list[httpx.Response]:
    """The answers of one server to requests, with what is done in between; a step that is no request is called."""

    async def run() -> list[httpx.Response]:
        warehouse = DuckDBWarehouse(path)
        app = create_app(Engine(warehouse, clock=lambda: NOW))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        answers = []
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                for step in steps:
                    if callable(step):
                        await asyncio.to_thread(step)
                    else:
                        answers.append(await client.request(step.method, step.address, json=step.body))
        finally:
            warehouse.close()
        return answers

    return asyncio.run(run())


class Happening:
    """A fault that comes and goes."""

    def __init__(self, fault: Fault, path: Path) -> None:
        self._fault, self._path = fault, path
        self._undo: Callable[[], object] = lambda: None

    def come(self) -> None:
        self._undo = self._fault.happen(self._path)

    def go(self) -> None:
        self._undo()


@every_fault
def test_a_fault_that_comes_before_anything_was_read_is_told_and_the_server_recovers(path: Path, fault: Fault) -> None:
    happening = Happening(fault, path)

    during, afterwards = served(path, happening.come, get("acme"), happening.go, get("acme"))

    if fault.is_told:
        assert refusal(during) == (503, "database_unavailable", UNREADABLE)
        assert during.headers["retry-after"] == "30"
    else:
        assert during.status_code == 200
    assert (afterwards.status_code, afterwards.json()["data"]["traffic"]["entrances"]) == (200, 500)


@every_fault
def test_a_fault_that_comes_in_the_midst_harms_nothing_that_is_known_and_the_server_recovers(
    path: Path, fault: Fault
) -> None:
    happening = Happening(fault, path)
    asked = [get("acme"), get("acme", "referrers"), get("acme", "pages")]

    first, *during, afterwards = served(path, asked[0], happening.come, *asked, happening.go, asked[2])

    entrances = first.json()["data"]["traffic"]["entrances"]
    assert entrances == 500
    for answer in during:  # what is open may be read on; what is not is told
        if answer.status_code == 200:
            assert answer.json().get("total", 500) == 500
        else:
            assert refusal(answer) == (503, "database_unavailable", UNREADABLE)
    assert (afterwards.status_code, afterwards.json()["total"]) == (200, 500)


@every_fault
def test_every_door_and_the_probe_tell_a_fault_in_their_own_words_and_nothing_of_the_inside(
    path: Path, fault: Fault
) -> None:
    happening = Happening(fault, path)

    answers = served(path, happening.come, batch("acme"), graphql("acme"), Ask("GET", "/readyz"), happening.go)

    batched, graph, probe = answers
    if not fault.is_told:
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        return
    told = {"code": "database_unavailable", "message": UNREADABLE, "status": 503}
    if batched.status_code == 200:  # the account's own file: the batch is the others' too
        assert batched.json()["results"]["q0"] == {"status": "error", "error": told}
        assert graph.json()["errors"][0]["extensions"] == told
    else:
        assert refusal(batched) == (503, "database_unavailable", UNREADABLE)
        assert (graph.status_code, graph.json()["errors"][0]["extensions"]) == (503, told)
        assert probe.status_code == 503
    for answer in answers:
        assert str(path.parent) not in answer.text
        assert "duckdb" not in answer.text.lower()


@every_fault
def test_a_server_begins_with_a_fault_or_says_in_one_sentence_why_it_does_not(path: Path, fault: Fault) -> None:
    happening = Happening(fault, path)
    happening.come()

    said = why_not(path)

    happening.go()
    assert said is None or (str(path) in said and "\n" not in said)
    assert why_not(path) is None


def why_not(path: Path) -> str | None:
    """Why a server cannot begin."""
    try:
        DuckDBWarehouse(path).close()
    except WarehouseUnavailable as refused:
        return refused.message
    return None
