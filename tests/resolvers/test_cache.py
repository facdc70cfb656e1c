"""Answers that are kept: never seen in the numbers, never stale, never more than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.errors import BadRequest
from fanin.catalog.filters import Filter, Match, make_filter
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope
from fanin.resolvers.cache import MOST_FORMS, AnswerCache, size_of
from fanin.resolvers.loader import Sharing
from fanin.schema.engine import Engine
from fanin.server.settings import CACHE_MB, room_bytes
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.questions import ask_needed
from fanin.warehouse.manifest import folder_of

DAYS = Window(date(2026, 2, 20), date(2026, 3, 18))
ROOM = 10_000_000


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="US")])
    write(tmp_path / "w.duckdb", "other", [visit(country="ES")])
    return tmp_path / "w.duckdb"


def scope(account: str = "acme", *conditions: Any) -> Scope:
    return Scope(account, DAYS, filters=conditions)


async def asked(engine: Engine, *reports: str, **scoped: Any) -> tuple[list[Any], Sharing]:
    """The answers of one request, and what it shared."""
    async with engine.request() as context:
        questions = [ask_needed(scope(**scoped), report) for report in reports]
        return list(await asyncio.gather(*map(context.loader.load, questions))), context.loader.sharing


def over(path: Path, work: Callable[[Engine, list[Any]], Any], cache_bytes: int = ROOM) -> Any:
    async def run() -> Any:
        with engine_over(path, cache_bytes=cache_bytes) as (engine, warehouse):
            return await work(engine, warehouse.scans)

    return asyncio.run(run())


@pytest.mark.parametrize("report", ENDPOINTS)
def test_an_answer_that_was_kept_is_the_answer_and_takes_no_scan(warehouse_file: Path, report: str) -> None:
    async def work(engine: Engine, scans: list[Any]) -> Any:
        (first,), _ = await asked(engine, report)
        before = len(scans)
        (second,), sharing = await asked(engine, report)
        return first, second, len(scans) - before, sharing

    first, second, scans, sharing = over(warehouse_file, work)

    assert second == first
    assert scans == 0
    assert (sharing.fields, sharing.distinct, sharing.cache_hits, sharing.scans, sharing.rows) == (1, 1, 1, 0, 0)


def test_only_what_is_not_kept_is_scanned_for(warehouse_file: Path) -> None:
    async def work(engine: Engine, scans: list[Any]) -> Any:
        await asked(engine, "countries", "sources")
        _, sharing = await asked(engine, "countries", "sources", "mediums")
        return sharing, scans[-1][0].groupings

    sharing, groupings = over(warehouse_file, work)

    assert (sharing.distinct, sharing.cache_hits, sharing.scans) == (3, 2, 1)
    assert groupings == (("utm_medium",),)


def test_another_account_and_another_filter_are_other_questions(warehouse_file: Path) -> None:
    async def work(engine: Engine, _: list[Any]) -> Any:
        await asked(engine, "overview")
        (other,), first = await asked(engine, "overview", account="other")
        async with engine.request() as context:
            question = ask_needed(scope("acme", make_filter("country", "eq", ["US"])), "overview")
            filtered = await context.loader.load(question)
            return other, filtered, first.cache_hits, context.loader.sharing.cache_hits

    other, filtered, *hits = over(warehouse_file, work)

    assert (other["traffic"]["entrances"], filtered["traffic"]["entrances"], hits) == (1, 1, [0, 0])


def test_after_an_import_nothing_stale_is_told_and_other_accounts_are_still_kept(warehouse_file: Path) -> None:
    async def work(engine: Engine, _: list[Any]) -> Any:
        await asked(engine, "countries")
        await asked(engine, "countries", account="other")
        write(warehouse_file, "acme", [visit(country="IT")])
        (answer,), own = await asked(engine, "countries")
        _, others = await asked(engine, "countries", account="other")
        return [row["country"] for row in answer["rows"]], own.cache_hits, others.cache_hits

    assert over(warehouse_file, work) == (["ES", "IT", "US"], 0, 1)


def test_a_warehouse_made_anew_under_a_running_server_is_never_mixed_up_with_the_old_one(warehouse_file: Path) -> None:
    async def work(engine: Engine, _: list[Any]) -> Any:
        await asked(engine, "countries")
        made_anew = warehouse_file.with_name("new")
        write(made_anew, "acme", [visit(country="PT")])  # the same account, the same version
        for file in folder_of(made_anew).iterdir():
            file.replace(folder_of(warehouse_file) / file.name)
        made_anew.replace(warehouse_file)
        (answer,), sharing = await asked(engine, "countries")
        return [row["country"] for row in answer["rows"]], sharing.cache_hits

    assert over(warehouse_file, work) == (["PT"], 0)


def test_failures_are_never_kept(warehouse_file: Path) -> None:
    async def work(engine: Engine, _scans: list[Any]) -> Any:
        wrong = ask_needed(scope("acme", Filter("path", Match.REGEX, False, ("(",))), "countries")
        outcomes: list[Any] = []
        for _ in range(2):
            async with engine.request() as context:
                outcomes += await asyncio.gather(context.loader.load(wrong), return_exceptions=True)
                outcomes.append(context.loader.sharing.cache_hits)
        return [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes]

    assert over(warehouse_file, work) == [BadRequest, 0, BadRequest, 0]


def test_the_longest_unasked_makes_room_and_the_size_never_exceeds_the_budget() -> None:
    account = Account("acme")
    questions = [ask_needed(scope(), report) for report in ("countries", "sources", "mediums")]
    answer = {"rows": ["x" * 1000] * 10}
    cache = AnswerCache(2 * (2_048 + size_of(answer)))

    cache.keep(questions[0], account, answer)
    cache.keep(questions[1], account, answer)
    cache.find(questions[0], account)
    cache.keep(questions[2], account, answer)

    assert [cache.find(question, account) is not None for question in questions] == [True, False, True]
    assert cache.size_bytes == 2 * (2_048 + size_of(answer))


def test_an_answer_larger_than_the_budget_is_not_kept() -> None:
    cache = AnswerCache(10_000)

    cache.keep(ask_needed(scope(), "countries"), Account("acme"), {"rows": ["x" * 20_000]})

    assert cache.size_bytes == 0


def test_a_batch_tells_what_was_kept_and_its_body_is_the_same(warehouse_file: Path) -> None:
    queries = [
        {"id": name, "endpoint": ENDPOINTS[name].path, "params": {"account_id": "acme"}} for name in ("os", "pages")
    ]

    async def work(engine: Engine, _: list[Any]) -> Any:
        async with client_of(engine) as client:
            body = {"queries": queries, "options": {"include_timing": False}}
            return [await client.post("/api/v1/batch", json=body) for _ in range(2)]

    first, second = over(warehouse_file, work)

    assert second.json()["results"] == first.json()["results"]
    assert 'cache;desc="0 kept, 0 joined"' in first.headers["server-timing"]
    assert 'cache;desc="2 kept, 0 joined"' in second.headers["server-timing"]
    assert 'source;desc="1 rollup"' in first.headers["server-timing"]
    assert 'source;desc="nothing read"' in second.headers["server-timing"]
    assert '"0 scans"' in second.headers["server-timing"]


@pytest.mark.parametrize(("said", "room"), [({}, 64_000_000), ({CACHE_MB: "0"}, 0), ({CACHE_MB: "5"}, 5_000_000)])
def test_the_room_is_what_the_environment_says(said: dict[str, str], room: int) -> None:
    assert room_bytes(CACHE_MB, said) == room


@pytest.mark.parametrize("said", ["-1", "1.5", "many", "9999999"])
def test_room_that_is_no_number_of_megabytes_is_refused(said: str) -> None:
    with pytest.raises(BadRequest, match="FANIN_CACHE_MB must be a whole number of megabytes"):
        room_bytes(CACHE_MB, {CACHE_MB: said})


def test_forms_of_an_answer_are_kept_with_it_and_count_as_it_does() -> None:
    account = Account("acme")
    questions = [ask_needed(scope(), report) for report in ("countries", "sources")]
    answer = {"rows": ["x" * 1000]}
    cache = AnswerCache(2 * (2_048 + size_of(answer)) + 512 + 100)

    cache.keep_form(questions[0], account, "data", b"unheard of")
    cache.keep(questions[0], account, answer)
    cache.keep_form(questions[0], account, "data", b"x" * 100)
    cache.keep_form(questions[0], account, "data", b"y" * 100)
    cache.keep(questions[1], account, answer)

    assert cache.find_form(questions[0], account, "data") == b"x" * 100
    assert cache.find_form(questions[0], account, "envelope") is None
    assert cache.find_form(questions[0], Account("acme", data_version=1), "data") is None
    assert cache.size_bytes == 2 * (2_048 + size_of(answer)) + 512 + 100

    cache.keep_form(questions[1], account, "data", b"z" * 100)  # was asked for less recently, and so has to go

    assert [cache.find(question, account) is None for question in questions] == [False, True]
    assert cache.size_bytes == 2_048 + size_of(answer) + 512 + 100


def test_of_one_answer_the_first_of_too_many_forms_makes_room() -> None:
    account, question = Account("acme"), ask_needed(scope(), "countries")
    cache = AnswerCache(ROOM)

    cache.keep(question, account, {})
    for number in range(MOST_FORMS + 1):
        cache.keep_form(question, account, number, b"x" * 100)

    kept = [number for number in range(MOST_FORMS + 1) if cache.find_form(question, account, number)]
    assert kept == list(range(1, MOST_FORMS + 1))
    assert cache.size_bytes == 2_048 + size_of({}) + MOST_FORMS * (512 + 100)
