"""The loader and the planner: what is asked once, what is fused, and how failure stays local."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.accounts import Account
from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.errors import InternalError, StatsError, WarehouseUnavailable
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare
from fanin.catalog.query import StatsQuery, ask, make_scope
from fanin.resolvers.gate import ScanGate
from fanin.resolvers.loader import StatsLoader
from fanin.schema.context import RequestContext
from fanin.tests.facts import CountingWarehouse, bought, engine_over, reached, visit, write
from fanin.tests.questions import ask_needed
from fanin.warehouse.store import Listing, ListingResult, Scan, ScanResult, Scans, Snapshot

FACTS = [
    visit("2026-03-10T10:00", "/", "/a", utm_source="google", country="ES", goals=[bought(100), reached("cart")]),
    visit("2026-02-10T10:00", "/b", utm_source="bing", country="US"),
]


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", FACTS)
    write(tmp_path / "w.duckdb", "other", FACTS[:1])
    return tmp_path / "w.duckdb"


def run(
    path: Path, work: Callable[[RequestContext, CountingWarehouse], Awaitable[Any]], *, max_scans: int = 10
) -> tuple[Any, list[Scans]]:
    async def asked() -> Any:
        with engine_over(path) as (engine, warehouse):
            async with engine.request(max_scans) as context:
                return await work(context, warehouse), [
                    scan for scan in warehouse.scans if not isinstance(scan, Listing)
                ]

    return asyncio.run(asked())


def question(context: RequestContext, report: str, account: str = "acme", **scope: Any) -> StatsQuery:
    return ask_needed(make_scope(context.account(account), context.now, **scope), report)


def load_all(*reports: str, **scope: Any) -> Callable[[RequestContext, CountingWarehouse], Awaitable[Any]]:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        return await asyncio.gather(
            *(context.loader.load(question(context, report, **scope)) for report in reports), return_exceptions=True
        )

    return work


def test_the_same_question_twice_is_asked_once(warehouse_file: Path) -> None:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        one, other = question(context, "sources"), question(context, "sources")
        answers = await asyncio.gather(context.loader.load(one), context.loader.load(other))
        return answers, context.loader.sharing

    (answers, sharing), scans = run(warehouse_file, work)

    assert answers[0] is answers[1]
    assert (sharing.fields, sharing.distinct, sharing.identical, sharing.scans) == (2, 1, 1, 1)
    assert len(scans) == 1


def test_rule_3_2_all_sixteen_reports_are_one_scan_of_every_table(warehouse_file: Path) -> None:
    _, scans = run(warehouse_file, load_all(*(name for name, row in ENDPOINTS.items() if row.on_the_page)))

    assert [[scan.table for scan in together] for together in scans] == [list(Table)]


def test_rule_3_2_every_report_there_is_still_makes_one_scan_and_comparison_rides_along(warehouse_file: Path) -> None:
    _, scans = run(warehouse_file, load_all(*ENDPOINTS, compare=Compare.PREVIOUS))

    assert [[len(scan.windows) for scan in together] for together in scans] == [[2, 2, 2]]


def test_reports_with_and_without_a_comparison_share_a_scan(warehouse_file: Path) -> None:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        return await asyncio.gather(
            context.loader.load(question(context, "sources")),
            context.loader.load(question(context, "mediums", compare=Compare.PREVIOUS)),
            context.loader.load(question(context, "channels", compare=Compare.YOY)),
        )

    _, scans = run(warehouse_file, work)

    assert [[len(scan.windows) for scan in together] for together in scans] == [[3]]


@pytest.mark.parametrize(
    "different",
    [
        {"account": "other"},
        {"period": "7d"},
        {"filters": [make_filter("country", "eq", ["ES"])]},
    ],
)
def test_another_account_window_or_filter_is_another_scan(warehouse_file: Path, different: dict[str, Any]) -> None:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        same, other = question(context, "sources"), question(context, "sources", **different)
        return await asyncio.gather(context.loader.load(same), context.loader.load(other))

    _, scans = run(warehouse_file, work)

    assert len(scans) == 2


def test_pages_of_different_size_and_order_share_a_scan_and_agree(warehouse_file: Path) -> None:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        scope = make_scope(context.account("acme"), context.now, period="90d")
        return await asyncio.gather(
            *(context.loader.load(ask(scope, "sources", page_size=size)) for size in (1, 50)),
            context.loader.load(ask(scope, "sources", sort_by="revenue", search="o")),
        )

    (short, long, _), scans = run(warehouse_file, work)

    assert short["rows"] == long["rows"][:1]
    assert len(scans) == 1


def test_what_is_expected_later_is_read_by_the_first_scan(warehouse_file: Path) -> None:
    async def work(context: RequestContext, _: CountingWarehouse) -> Any:
        first, later = question(context, "overview", compare=Compare.PREVIOUS), question(context, "sources")
        context.loader.expect([first, later])
        await context.loader.load(first)
        return await context.loader.load(later)

    answer, scans = run(warehouse_file, work)

    assert [row["utm_source"] for row in answer["rows"]] == ["google"]
    assert len(scans) == 1


@pytest.mark.parametrize("report", ENDPOINTS)
def test_sharing_is_never_visible_in_the_numbers(warehouse_file: Path, report: str) -> None:
    days = {"start_date": date(2026, 2, 10), "end_date": date(2026, 3, 12)}  # as many as single goals are told of

    alone, _ = run(warehouse_file, load_all(report, **days))
    together, _ = run(warehouse_file, load_all(*ENDPOINTS, **days))

    assert alone[0] == together[list(ENDPOINTS).index(report)]


# --- failure ------------------------------------------------------------------------------------------------------


class Troubled:
    """A real snapshot on which some scans fail, hang or are slow, as a broken disk would make them."""

    def __init__(self, inner: Snapshot, trouble: Callable[[Scan], Awaitable[None]]) -> None:
        self._inner = inner
        self._trouble = trouble
        self.scans: list[Scans] = []

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._inner.accounts

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        self.scans.append(scans)
        for scan in scans:
            await self._trouble(scan)
        return await self._inner.scan_together(scans)

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._inner.fetch(listing)


@asynccontextmanager
async def troubled(
    path: Path, trouble: Callable[[Scan], Awaitable[None]], max_scans: int = 10
) -> AsyncIterator[tuple[RequestContext, Troubled]]:
    with engine_over(path) as (engine, warehouse):
        snapshot = Troubled(warehouse.snapshot(), trouble)
        loader = StatsLoader(snapshot, ScanGate(), max_scans)
        try:
            yield RequestContext(snapshot.accounts, loader, engine.clock()), snapshot
        finally:
            await loader.close()


async def _reading_referrers_fails(scan: Scan) -> None:
    if ("referrer",) in scan.groupings:
        raise WarehouseUnavailable("a bad block")


def test_rule_3_4_a_failing_scan_is_retried_query_by_query_and_only_the_guilty_one_fails(warehouse_file: Path) -> None:
    async def asked() -> tuple[list[Any], int]:
        async with troubled(warehouse_file, _reading_referrers_fails) as (context, snapshot):
            questions = [question(context, report) for report in ("sources", "referrers", "countries")]
            answers = await asyncio.gather(*map(context.loader.load, questions), return_exceptions=True)
            return answers, len(snapshot.scans)

    answers, scans = asyncio.run(asked())

    assert [type(answer) for answer in answers] == [dict, WarehouseUnavailable, dict]
    assert scans == 4  # the shared one, then each alone


def test_errors_are_never_cached(warehouse_file: Path) -> None:
    failures = [WarehouseUnavailable("once")]

    async def fail_once(scan: Scan) -> None:
        if failures:
            raise failures.pop()

    async def asked() -> Any:
        async with troubled(warehouse_file, fail_once) as (context, _):
            with pytest.raises(WarehouseUnavailable):
                await context.loader.load(question(context, "sources"))
            return await context.loader.load(question(context, "sources"))

    assert asyncio.run(asked())["total"] == 1


def test_every_waiter_gets_an_error_of_its_own(warehouse_file: Path) -> None:
    async def asked() -> list[Any]:
        async with troubled(warehouse_file, _reading_referrers_fails) as (context, _):
            one, other = question(context, "referrers"), question(context, "referrers")
            return list(
                await asyncio.gather(context.loader.load(one), context.loader.load(other), return_exceptions=True)
            )

    first, second = asyncio.run(asked())

    assert isinstance(first, WarehouseUnavailable)
    assert isinstance(second, WarehouseUnavailable)
    assert first is not second


def test_what_fails_without_a_name_is_an_internal_error_that_says_nothing(
    warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(scan: Scan) -> None:
        raise RuntimeError("SELECT secret FROM inside")

    async def asked() -> Any:
        async with troubled(warehouse_file, explode) as (context, _):
            await context.loader.load(question(context, "sources"))

    with pytest.raises(InternalError) as raised:
        asyncio.run(asked())

    assert str(raised.value) == "Internal error"
    assert "SELECT secret" in caplog.text


def test_a_waiter_that_leaves_does_not_take_the_answer_from_the_others(warehouse_file: Path) -> None:
    async def asked() -> Any:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def wait(scan: Scan) -> None:
            started.set()
            await go_on.wait()

        async with troubled(warehouse_file, wait) as (context, snapshot):
            leaving = asyncio.create_task(context.loader.load(question(context, "sources")))
            staying = asyncio.create_task(context.loader.load(question(context, "sources")))
            await started.wait()
            leaving.cancel()
            go_on.set()
            return await staying, len(snapshot.scans)

    answer, scans = asyncio.run(asked())

    assert (answer["total"], scans) == (1, 1)


def test_closing_ends_running_scans_and_leaves_no_one_hanging(warehouse_file: Path) -> None:
    async def asked() -> tuple[Any, bool]:
        started, cancelled = asyncio.Event(), asyncio.Event()

        async def hang(scan: Scan) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with troubled(warehouse_file, hang) as (context, _):
            waiting = asyncio.create_task(context.loader.load(question(context, "sources")))
            await started.wait()
        return (await asyncio.gather(waiting, return_exceptions=True))[0], cancelled.is_set()

    outcome, cancelled = asyncio.run(asked())

    assert isinstance(outcome, StatsError)
    assert cancelled


def test_rule_2_2_an_answer_is_ready_when_its_own_scan_is_though_another_asked_with_it_is_not(
    warehouse_file: Path,
) -> None:
    async def asked() -> tuple[int, bool]:
        go_on = asyncio.Event()

        async def hold_the_quarter(scan: Scan) -> None:
            if scan.windows[0].days == 90:
                await go_on.wait()

        async with troubled(warehouse_file, hold_the_quarter) as (context, _):
            slow = asyncio.create_task(context.loader.load(question(context, "pages", period="90d")))
            quick = await asyncio.create_task(context.loader.load(question(context, "sources")))
            waiting = not slow.done()
            go_on.set()
            await slow
            return quick["total"], waiting

    assert asyncio.run(asyncio.wait_for(asked(), timeout=60)) == (1, True)


def test_rule_2_4_no_more_scans_are_in_flight_than_allowed(warehouse_file: Path) -> None:
    async def asked() -> int:
        in_flight = 0
        most = 0

        async def count(scan: Scan) -> None:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0)
            in_flight -= 1

        async with troubled(warehouse_file, count, max_scans=2) as (context, snapshot):
            periods = ("7d", "30d", "90d", "12m", "ytd")
            questions = [question(context, "sources", period=period) for period in periods]
            await asyncio.gather(*map(context.loader.load, questions))
            assert len(snapshot.scans) == 5
        return most

    assert asyncio.run(asked()) == 2


def test_the_gate_lets_one_account_have_its_part_only_and_forgets_it_afterwards() -> None:
    async def asked() -> tuple[list[str], tuple[int, int]]:
        gate = ScanGate(per_process=3, per_account=2)
        order: list[str] = []
        release = asyncio.Event()

        async def hold(account: str, name: str) -> None:
            async with gate.slot(account):
                order.append(name)
                await release.wait()

        tasks = [asyncio.create_task(hold("a", f"a{number}")) for number in range(3)]
        tasks.append(asyncio.create_task(hold("b", "b0")))
        for _ in range(5):
            await asyncio.sleep(0)
        inside = list(order)
        release.set()
        await asyncio.gather(*tasks)
        return inside, (gate.running, gate.waiting)

    inside, left = asyncio.run(asked())

    assert inside == ["a0", "a1", "b0"]
    assert left == (0, 0)


def test_rule_5_1_an_answer_is_ready_as_soon_as_its_own_scans_are(warehouse_file: Path) -> None:
    async def asked() -> Any:
        async def hang(scan: Scan) -> None:
            if scan.windows[0].days == 90:
                await asyncio.Event().wait()

        async with troubled(warehouse_file, hang) as (context, _):
            waiting = asyncio.create_task(context.loader.load(question(context, "sources", period="90d")))
            answer = await context.loader.load(question(context, "sources", period="30d"))
            assert not waiting.done()
            waiting.cancel()
            return answer

    assert asyncio.run(asked())["total"] == 1


def test_rule_2_6_a_closed_loader_starts_nothing_more(warehouse_file: Path) -> None:
    async def nothing(scan: Scan) -> None:
        return

    async def asked() -> tuple[list[Any], list[Scans]]:
        async with troubled(warehouse_file, nothing) as (context, snapshot):
            waiting = asyncio.create_task(context.loader.load(question(context, "sources")))
            await asyncio.sleep(0)  # asked, and not yet sent anywhere
            await context.loader.close()
            return list(await asyncio.gather(waiting, return_exceptions=True)), snapshot.scans

    outcomes, scans = asyncio.run(asked())

    assert [type(outcome) for outcome in outcomes] == [InternalError]
    assert scans == []
