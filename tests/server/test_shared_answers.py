"""Answers that several processes keep together: asked once for all of them, and a store that fails is none."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fanin.app import create_app
from fanin.catalog.accounts import Account
from fanin.catalog.errors import BadRequest
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, ask
from fanin.resolvers import shared_answers
from fanin.resolvers.shared_answers import AWAY_S, Event, SharedAnswers
from fanin.schema.engine import Engine
from fanin.server import redis_answers
from fanin.server.answer_stores import shared_answers as answers_of
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.questions import ask_needed
from fanin.tests.redis_servers import redis_server

SCOPE = Scope("acme", Window(date(2026, 2, 20), date(2026, 3, 18)))
REPORTS = ("countries", "overview", "sources", "pages", "conversions")
ACME = Account("acme", data_stamp="stamp")
QUESTION = ask(SCOPE, "sources")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that all tests here share; each asks for another state of its account."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="US")])
    return tmp_path / "w.duckdb"


@pytest.fixture(autouse=True)
def patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not taken for a store that fails."""
    for name in ("FIND_WITHIN_S", "STORE_WITHIN_S"):
        monkeypatch.setattr(shared_answers, name, 30)
    monkeypatch.setattr(redis_answers, "FIND_WITHIN_S", 30)


def opened(url: str) -> SharedAnswers:
    found = answers_of(ServerSettings(cache_store=url))
    assert found is not None
    return found


async def asked(path: Path, shared: SharedAnswers | None, *reports: str) -> tuple[list[Any], int, int]:
    """The answers of one request to a process that has just begun, its cache hits and its scans."""
    with engine_over(path) as (engine, _):
        return await asked_of(replace(engine, shared=shared), *reports)


async def asked_of(engine: Engine, *reports: str) -> tuple[list[Any], int, int]:
    async with engine.request() as context:
        questions = [ask_needed(SCOPE, report) for report in reports]
        answers = await asyncio.gather(*map(context.loader.load, questions))
        return list(answers), context.loader.sharing.cache_hits, context.loader.sharing.scans


def run(work: Awaitable[Any]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(within())


@pytest.mark.slow
def test_what_one_process_has_answered_another_does_not_ask(store: str, warehouse_file: Path) -> None:
    async def work() -> Any:
        one, other = opened(store), opened(store)
        alone = await asked(warehouse_file, None, *REPORTS)
        first = await asked(warehouse_file, one, *REPORTS)
        await one.stored()
        second = await asked(warehouse_file, other, *REPORTS)
        lives = [await one.store.client.ttl(key) for key in await one.store.client.keys("fanin:answers:*")]  # type: ignore[attr-defined]
        await one.close()
        await other.close()
        return alone, first, second, one.counts, other.counts, lives

    alone, first, second, own, others, lives = run(work())

    assert first == alone
    assert second == (alone[0], 5, 0)
    assert own == {Event.MISSING: 5, Event.STORED: 5, Event.TOO_LARGE: 0, Event.LEFT_ALONE: 0}
    assert others == {Event.FOUND: 5, Event.LEFT_ALONE: 0}
    assert all(21_000 < life <= 21_600 for life in lives)


@pytest.mark.slow
def test_an_import_makes_what_was_shared_unreachable(store: str, warehouse_file: Path) -> None:
    async def work() -> Any:
        shared = opened(store)
        await asked(warehouse_file, shared, "countries")
        await shared.stored()
        write(warehouse_file, "acme", [visit(country="FR")])
        told = await asked(warehouse_file, shared, "countries")
        await shared.close()
        return told

    (answer,), hits, scans = run(work())

    assert [row["country"] for row in answer["rows"]] == ["ES", "FR", "US"]
    assert (hits, scans) == (0, 1)


@pytest.mark.slow
def test_what_was_found_is_kept_by_the_process_that_found_it(store: str, warehouse_file: Path) -> None:
    async def work() -> Any:
        shared = opened(store)
        await asked(warehouse_file, shared, "countries")
        await shared.stored()
        with engine_over(warehouse_file, cache_bytes=1_000_000) as (engine, _):
            told = [await asked_of(replace(engine, shared=shared), "countries") for _ in range(3)]
        await shared.close()
        return told, shared.counts[Event.FOUND]

    told, found = run(work())

    assert [hits for _, hits, _ in told] == [1, 1, 1]
    assert found == 1


@pytest.mark.slow
def test_what_was_damaged_in_the_store_is_asked_anew_and_replaced(store: str, warehouse_file: Path) -> None:
    async def work() -> Any:
        shared = opened(store)
        first = await asked(warehouse_file, shared, "countries", "sources")
        await shared.stored()
        client: Any = shared.store.client  # type: ignore[attr-defined]
        keys = await client.keys("fanin:answers:*")
        for key in keys:
            await client.set(key, (await client.get(key))[:-1])
        second = await asked(warehouse_file, shared, "countries", "sources")
        await shared.stored()
        third = await asked(warehouse_file, shared, "countries", "sources")
        await shared.close()
        return first, second, third, shared.counts[Event.UNREADABLE]

    first, second, third, unreadable = run(work())

    assert second == first
    assert third == (first[0], 2, 0)
    assert unreadable == 2


@pytest.mark.slow
def test_a_store_that_hangs_is_not_waited_for_and_is_asked_again_later(
    store: str, warehouse_file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [100.0]

    async def work() -> Any:
        shared = opened(store)
        shared.clock = lambda: moment[0]
        before = await asked(warehouse_file, shared, "countries")
        await shared.stored()
        client: Any = shared.store.client  # type: ignore[attr-defined]
        pid = (await client.info("server"))["process_id"]
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(shared_answers, "FIND_WITHIN_S", 0.05)
        try:
            hanging = [await asked(warehouse_file, shared, "countries") for _ in range(2)]
        finally:
            os.kill(pid, signal.SIGCONT)
            monkeypatch.setattr(shared_answers, "FIND_WITHIN_S", 30)
        moment[0] += AWAY_S
        after = await asked(warehouse_file, shared, "countries")
        await shared.close()
        return before, hanging, after, shared.counts

    before, hanging, after, counts = run(work())

    assert hanging == [before, before]
    assert after == (before[0], 1, 0)
    assert (counts[Event.FAILED], counts[Event.LEFT_ALONE], counts[Event.FOUND]) == (1, 1, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "answers are kept per process: their store fails with TimeoutError"
    ]


@pytest.mark.slow
def test_a_store_that_ends_while_it_is_used_ends_no_answer(warehouse_file: Path, tmp_path: Path) -> None:
    async def work() -> Any:
        with redis_server(tmp_path) as url:
            shared = opened(url)
            before = await asked(warehouse_file, shared, "countries")
            await shared.stored()
        after = await asked(warehouse_file, shared, "countries")
        await shared.close()
        return before, after, shared.counts[Event.FAILED]

    before, after, failed = run(work())

    assert (after, failed) == (before, 1)


@pytest.mark.slow
def test_what_became_of_shared_answers_is_in_the_metrics(store: str, warehouse_file: Path) -> None:
    address = "/api/v1/stats/countries?account_id=acme&start_date=2026-02-20&end_date=2026-03-18"

    async def work() -> list[str]:
        told = []
        for _ in range(2):
            shared = opened(store)
            with engine_over(warehouse_file) as (engine, _):
                async with client_of(replace(engine, shared=shared)) as client:
                    await client.get(address)
                    await shared.stored()
                    told.append((await client.get("/metrics")).text)
            await shared.close()
        return told

    first, second = run(work())

    assert _shared(first) == {"missing": 1, "stored": 1}
    assert _shared(second) == {"found": 1}


def _shared(metrics: str) -> dict[str, float]:
    """The counts that are not nothing, by their outcome."""
    found = re.findall(r'fanin_shared_answers_total\{outcome="(\w+)"\} (\S+)', metrics)
    return {outcome: float(count) for outcome, count in found if float(count)}


# --- a store that fails -------------------------------------------------------------------------------------------


@dataclass
class Failing:
    """A store that does the same to everyone; counts how often it was tried."""

    does: Callable[[], Awaitable[Any]]
    tried: list[str] = field(default_factory=list)

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.tried.append("get")
        return await self.does()

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        self.tried.append("put")
        await self.does()

    async def close(self) -> None:
        raise ConnectionError("redis://:password@store.invalid")


async def away() -> Any:
    raise ConnectionError("redis://:password@store.invalid")


async def silent() -> Any:
    await asyncio.Event().wait()


async def short() -> Any:
    return []  # fewer values than keys


FAILURES = {"ConnectionError": away, "TimeoutError": silent, "ValueError": short}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_store_that_fails_is_left_alone_for_a_while_and_every_request_answered(
    warehouse_file: Path, failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_answers, "FIND_WITHIN_S", 0.01)
    moment = [100.0]
    store = Failing(FAILURES[failure])

    async def work() -> Any:
        shared = SharedAnswers(store, clock=lambda: moment[0])
        told = [await asked(warehouse_file, shared, "countries") for _ in range(3)]
        tried = list(store.tried)
        moment[0] += AWAY_S
        told.append(await asked(warehouse_file, shared, "countries"))
        await shared.close()
        return told, tried, shared.counts

    with caplog.at_level(logging.ERROR):
        told, tried, counts = run(work())

    assert [(len(answers[0]["rows"]), hits, scans) for answers, hits, scans in told] == [(2, 0, 1)] * 4
    assert (tried, store.tried) == (["get"], ["get", "get"])
    assert counts == {Event.LEFT_ALONE: 2, Event.FAILED: 2, Event.NOT_STORED: 4}
    assert [record.getMessage() for record in caplog.records] == [
        f"answers are kept per process: their store fails with {failure}"
    ] * 2


def test_a_server_whose_store_is_away_answers_all_the_same(warehouse_file: Path) -> None:
    async def work() -> Any:
        shared = opened("redis://127.0.0.1:1/0")
        told = await asked(warehouse_file, shared, "countries")
        await shared.close()
        return told, shared.counts

    (answers, hits, scans), counts = run(work())

    assert (len(answers[0]["rows"]), hits, scans) == (2, 0, 1)
    assert counts == {Event.LEFT_ALONE: 0, Event.FAILED: 1, Event.NOT_STORED: 1}


def test_more_answers_than_can_be_stored_at_once_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "MOST_WAITING", 3)
    put: list[int] = []

    class Store(Failing):
        async def put(self, values: Mapping[bytes, bytes]) -> None:
            put.append(len(values))

    async def work() -> Any:
        shared = SharedAnswers(Store(away))
        for page in range(1, 6):
            shared.keep(ask(SCOPE, "sources", page=page), ACME, {"rows": []})
        await shared.stored()
        return shared.counts

    assert run(work()) == {Event.NOT_STORED: 2, Event.STORED: 3, Event.TOO_LARGE: 0}
    assert put == [3]


def test_an_account_that_does_not_tell_its_states_apart_is_never_shared() -> None:
    store = Failing(away)
    account = replace(ACME, data_stamp="")

    async def work() -> Any:
        shared = SharedAnswers(store)
        shared.keep(QUESTION, account, {"rows": []})
        await shared.stored()
        return await shared.find({QUESTION: account})

    assert run(work()) == {}
    assert store.tried == []


def test_a_question_that_cannot_be_written_is_not_shared() -> None:
    store = Failing(away)
    question = ask(SCOPE, "sources", search="\ud800")

    async def work() -> Any:
        return await SharedAnswers(store).find({question: ACME})

    assert run(work()) == {}
    assert store.tried == []


def test_the_store_is_off_unless_said_and_its_address_is_never_told(warehouse_file: Path) -> None:
    assert answers_of(read_settings({})) is None
    settings = read_settings({"FANIN_CACHE_STORE": "rediss//:password@host"})
    assert "password" not in repr(settings)

    with engine_over(warehouse_file) as (engine, _), pytest.raises(BadRequest) as refused:
        create_app(engine, settings)

    assert refused.value.message == "FANIN_CACHE_STORE is no address such as redis://host:6379/0"
