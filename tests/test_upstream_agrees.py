"""An upstream API gives the answers that the facts behind it give: every report, value by value, money to the cent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS, Shape
from fanin.catalog.errors import BadRequest
from fanin.catalog.filters import Filter, make_filter, parse_filters
from fanin.catalog.periods import Compare
from fanin.catalog.query import Granularity, Interval, Scope, SortOrder, StatsQuery, ask, free_columns, make_scope
from fanin.catalog.segments import SEGMENT_OPERATORS, Segment, canonical_filter, find_segment
from fanin.tests.facts import NOW, bought, client_of, engine_over, reached, visit, write
from fanin.tests.questions import READ, ask_needed, path_of
from fanin.tests.upstreams import fanin_served, gateway_over
from fanin.warehouse.upstream_options import Upstream

ACCOUNT = Account("acme", "Europe/Madrid", "EUR")

# Values that filters have to spell: commas, bars, blanks, quotes, signs of patterns, cases, other scripts, nothing.
ODD = ["google", "Google", "a,b|c", "ends with blank ", '"quoted" (x)*', "ñandú.[a-z]+", "", "日本", "100%"]

FACTS = [
    *(
        visit(f"2026-03-{1 + place % 17:02}T{(5 * place) % 24:02}:10", *(["/a=Shop", "/b", "/c=Blog"][: 1 + place % 3]),
              utm_source=value, utm_medium=["cpc", "organic", "(none)"][place % 3], utm_campaign=ODD[(place + 3) % 9],
              utm_term=ODD[(2 * place) % 9], utm_content=ODD[(place + 5) % 9], country=["ES", "US", "Unknown"][place % 3],
              device_type=["desktop", "mobile", "tablet"][place % 3], browser=["Chrome", "Firefox"][place % 2],
              os=["Windows", "iOS", "Linux"][(place + 1) % 3], channel=["Direct", "Paid Search"][place % 2],
              referrer=["", "https://www.News.example/a?b=1,2", "https://news.example.org/"][place % 3],
              goals=[bought(1234 + 991 * place, at=f"2026-03-{1 + place % 17:02}T{(5 * place) % 24:02}:12"),
                     reached("form", f"2026-03-{1 + place % 17:02}T{(5 * place) % 24:02}:11"),
                     *([reached("add to cart")] if place % 2 else [bought(5, "gift, small")])])
        for place, value in enumerate(ODD * 3)
    ),
    visit("2026-02-10T10:00", "/a=Shop", "/b", utm_source="google", utm_campaign="brand", goals=[bought(1999)]),
    visit("2026-02-11T10:00", "/old", utm_source="gone", country="FR"),
    visit("2025-03-12T23:30", "/a=Shop", "/thanks", utm_source="google", goals=[bought(7, "gift, small"), reached("form")]),
    visit("2026-03-18T06:00", "/", "/thanks", "/About, us", utm_source="today", goals=[reached("form")]),
    visit("2026-03-17T23:30", "/About, us", utm_source="today"),
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, ACCOUNT.id, FACTS, time_zone=ACCOUNT.time_zone)
    return path


@pytest.fixture(scope="module")
def address(warehouse_file: Path) -> Iterator[str]:
    with fanin_served(warehouse_file) as address:
        yield address


def scope(period: str | None = "30d", compare: Compare = Compare.NONE, filters: str = "", **given: Any) -> Scope:
    return make_scope(ACCOUNT, NOW, period=period, compare=compare, filters=parse_filters(filters), **given)


async def answers(engine: Any, queries: Sequence[StatsQuery]) -> list[Any]:
    async with engine.request() as context:
        return await asyncio.gather(*map(context.loader.load, queries))


def assert_agree(path: Path, address: str, *queries: StatsQuery) -> list[Any]:
    """The answers, which are the same from the facts and from the API over them."""

    async def both() -> tuple[list[Any], list[Any]]:
        with engine_over(path) as (engine, _):
            told = await answers(engine, queries)
        async with gateway_over(address, Upstream(accounts=(ACCOUNT,))) as gateway:
            return told, await answers(gateway, queries)

    from_facts, from_upstream = asyncio.run(both())
    for query, one, other in zip(queries, from_facts, from_upstream, strict=True):
        assert other == one, query.report
    return from_facts


def every_report(scope: Scope, **asked: Any) -> list[StatsQuery]:
    return [ask_needed(scope, name, **asked) for name, row in ENDPOINTS.items() if scope.window.days <= row.max_days]


def a_report_of_each_shape(scope: Scope) -> list[StatsQuery]:
    """And one of each fact table."""
    kinds = {(row.shape, row.table): name for name, row in ENDPOINTS.items() if scope.window.days <= row.max_days}
    return [ask_needed(scope, name) for name in kinds.values()]


COMPARISONS = {
    "nothing": ("30d", Compare.NONE),
    "the days before": ("7d", Compare.PREVIOUS),
    "the month before": ("mtd", Compare.PREVIOUS),
    "the whole month before": ("last_month", Compare.PREVIOUS),
    "the week before": ("wtd", Compare.PREVIOUS),
    "the year before": ("ytd", Compare.PREVIOUS),
    "the same days a year ago": ("30d", Compare.YOY),
    "a window it overlaps": (None, Compare.YOY),
    "one day": ("today", Compare.PREVIOUS),
}


@pytest.mark.parametrize("compared", COMPARISONS)
def test_every_report_agrees_beside(warehouse_file: Path, address: str, compared: str) -> None:
    period, compare = COMPARISONS[compared]
    dates: dict[str, Any] = (
        {} if period else {"start_date": NOW.date().replace(year=2024, month=9), "end_date": NOW.date()}
    )

    assert_agree(warehouse_file, address, *every_report(scope(period, compare, **dates)))


FILTERS = [
    "utm_source:eq:google",
    "utm_source:ne:google,country:in:ES|US",
    "utm_campaign:contains:a,device_type:not_in:tablet",
    "utm_source:regex:^.o+,utm_term:not_regex:[0-9]",
    "utm_source:not_contains:oo,utm_source:ne:today",
    "path:contains:a",
    "path:eq:/a,content_grouping:eq:Shop",
    "landing_page:eq:/A,channel:in:Direct|Paid Search",
    "channel:ne:Direct,content_grouping:contains:o",
    "referrer:contains:news,browser:eq:chrome,os:in:ios|linux",
    "utm_content:eq:,country:eq:Unknown",
]


@pytest.mark.parametrize("filters", FILTERS)
def test_reports_agree_under(warehouse_file: Path, address: str, filters: str) -> None:
    only_lists = [
        query for query in every_report(scope(filters=filters, compare=Compare.PREVIOUS)) if query.free is None
    ]

    assert_agree(warehouse_file, address, *only_lists)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("op", ["in", "not_in"])
def test_any_value_can_be_filtered_by(warehouse_file: Path, address: str, op: str, value: str) -> None:
    filters = (make_filter("utm_source", op, [value, "today"]), make_filter("utm_campaign", "ne", [value]))

    assert_agree(
        warehouse_file,
        address,
        *(ask(Scope("acme", scope().window, None, filters), name) for name in ("sources", "funnel")),
    )


ROWS = [
    *({"utm_source": value} for value in ODD),
    {"utm_campaign": "Google", "utm_source": "today"},
    {"path": "/About, us", "content_grouping": ""},
    {"path": "/a", "content_grouping": "Shop"},
    {"landing_page": "/About, us", "content_grouping": ""},
    {"content_grouping": "Blog"},
    {"channel": "Paid Search"},
    {"referrer": "https://www.News.example/a?b=1,2"},
    {"country": "Unknown"},
    {"device_type": "mobile", "browser": "Chrome"},
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_reports_of_a_row_agree(warehouse_file: Path, address: str, row: dict[str, str]) -> None:
    inside = scope("30d", Compare.PREVIOUS).within(row)

    assert_agree(warehouse_file, address, *a_report_of_each_shape(inside))


@pytest.mark.parametrize("segment", ["all-traffic", "paid-search", "direct", "mobile", "referral"])
def test_reports_agree_in_a_segment_of_the_system(warehouse_file: Path, address: str, segment: str) -> None:
    assert_agree(warehouse_file, address, *a_report_of_each_shape(scope(segment=find_segment(segment, "acme", ()))))


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("compare", Compare)
def test_time_series_agree(warehouse_file: Path, address: str, interval: Interval, compare: Compare) -> None:
    assert_agree(warehouse_file, address, ask(scope("90d", compare), "time_series", interval=interval))


def test_pages_sorts_searches_and_columns_agree(warehouse_file: Path, address: str) -> None:
    compared = scope("30d", Compare.PREVIOUS)
    lists = [row for row in ENDPOINTS.values() if row.page_size is not None and row.page_size.parameter == "page_size"]

    assert_agree(
        warehouse_file,
        address,
        *(ask(compared, row.name, page=page, page_size=2) for row in lists if row.max_days > 30 for page in (1, 2, 50)),
        *(ask(compared, row.name, sort_by=sort, sort_order=SortOrder.ASC) for row in lists for sort in row.sort),
        *(ask(compared, row.name, search="O") for row in lists if row.search),
        ask(compared, "pages", include=["device", "channel_group"], page_size=3),
        ask(compared, "landing_pages", include=["os", "browser"], include_utm=True),
        ask(compared, "overview", granularity=Granularity.HOURLY),
        ask(compared, "funnel", page_size=2),
        ask(compared, "microconversions", goals=["form"]),
        ask(compared, "conversion_events", page_size=3, page=2, goals=["gift, small"]),
        ask(compared, "funnel_steps", steps=["/a", "/b", "purchase"]),
        ask(compared, "microconversion", goals=["add to cart"]),
        ask(compared, "microconversion", goals=["never"]),
    )


FREE = {
    "nothing": free_columns(),
    "dates": free_columns(["date"], ["revenue", "entrances"], offset=1),
    "hours": free_columns(["hour"], order_by=[("hour", SortOrder.ASC)]),
    "weekdays": free_columns(["day_of_week", "hour"]),
    "sources by day": free_columns(["utm_source", "date"], order_by=[("date", SortOrder.ASC)]),
    "channels by country": free_columns(["channel_group", "country", "day_of_week"], ["conversions"]),
}


@pytest.mark.parametrize("columns", FREE)
def test_free_queries_agree(warehouse_file: Path, address: str, columns: str) -> None:
    filtered = scope("mtd", Compare.PREVIOUS, "country:ne:US,utm_source:in:google|today")

    assert_agree(
        warehouse_file,
        address,
        ask(scope("30d"), "query", free=FREE[columns], page_size=5),
        ask(filtered, "query", free=FREE[columns]),
        ask(replace(filtered, segment=find_segment("mobile", "acme", ())), "query", free=FREE[columns]),
    )


def test_free_queries_by_moments_take_every_filter(warehouse_file: Path, address: str) -> None:
    matching = scope(filters="utm_source:regex:^g,path:contains:a")

    assert_agree(warehouse_file, address, *(ask(matching, "query", free=FREE[name]) for name in list(FREE)[:4]))


def test_the_suite_asks_every_report() -> None:
    assert {query.report for query in every_report(scope("30d"))} == set(ENDPOINTS)
    assert {row.shape for row in ENDPOINTS.values()} == set(Shape)


# --- by cells -----------------------------------------------------------------------------------------------------


def condition(field: str, op: str, *values: str) -> Filter:
    return canonical_filter(field, SEGMENT_OPERATORS[op], values, "segment")


JOINED_BY_OR = {
    "two groups": Segment(groups=((condition("utm_source", "eq", "Google"),), (condition("country", "neq", "ES"),))),
    "groups of several": Segment(
        groups=(
            (condition("utm_term", "starts_with", "A"), condition("browser", "eq", "Chrome")),
            (condition("utm_campaign", "regex", r"[(,]"), condition("utm_content", "not_contains", "o")),
        )
    ),
    "a not-group of several": Segment(
        groups=((condition("device_type", "in", "mobile", "tablet"),),),
        not_groups=((condition("country", "eq", "US"), condition("utm_source", "ends_with", " ")),),
    ),
}
OF_SESSIONS = [
    "overview",
    "time_series",
    "sources",
    "terms",
    "countries",
    "devices",
    "browsers",
    "channels",
    "top_sources",
]


@pytest.mark.parametrize("name", JOINED_BY_OR)
def test_segments_joined_by_or_agree_where_sessions_are_told_freely(
    warehouse_file: Path, address: str, name: str
) -> None:
    joined = scope("30d", Compare.PREVIOUS, "utm_medium:not_contains:gan", segment=JOINED_BY_OR[name])

    assert_agree(
        warehouse_file,
        address,
        *(ask(joined, report) for report in OF_SESSIONS),
        *(ask(joined.within({"utm_source": "Google"}), report) for report in OF_SESSIONS[:3]),
        *(ask(joined, "query", free=columns) for columns in FREE.values()),
    )


@pytest.mark.parametrize("report", ["pages", "landing_pages", "referrers", "conversions", "funnel", "funnel_steps"])
def test_what_no_report_tells_is_refused_by_name(warehouse_file: Path, address: str, report: str) -> None:
    joined = scope(segment=JOINED_BY_OR["two groups"])

    async def refused() -> None:
        async with gateway_over(address) as gateway:
            await answers(gateway, [ask_needed(joined, report)])

    with pytest.raises(BadRequest, match="this segment joins some by OR"):
        asyncio.run(refused())


def test_free_queries_tell_rows_and_values_apart_by_case(warehouse_file: Path, address: str) -> None:
    patterns = scope(filters="utm_source:regex:^g,utm_campaign:not_contains:o")

    assert_agree(
        warehouse_file,
        address,
        *(ask(scope().within({"utm_source": value}), "query", free=FREE["channels by country"]) for value in ODD),
        *(ask(patterns, "query", free=columns) for columns in FREE.values()),
    )


def test_every_door_tells_the_same_and_a_page_of_reports_is_two_messages(warehouse_file: Path, address: str) -> None:
    queries = [
        {"id": name, "endpoint": path_of(row), "params": {"account_id": "acme", "period": "mtd", "compare": "previous"}}
        for name, row in READ.items()
        if row.on_the_page and row.compare is not None
    ]
    document = """{ stats(accountId: "acme", period: "30d", compare: PREVIOUS) {
      sources(pageSize: 4, search: "g") { total totals { revenue } rows { utmSource revenue revenuePrev within {
        campaigns(pageSize: 2) { rows { utmCampaign entrances within { overview { traffic { revenue bounceRate } } } } } } } }
      timeSeries(interval: WEEK) { points { date entrances entrancesPrev } } } }"""

    async def doors(engine: Any) -> tuple[list[Any], str]:
        async with client_of(engine) as client:
            body = {"queries": queries, "options": {"include_timing": False, "parallel_limit": 10}}
            batch = await client.post("/api/v1/batch", json=body)
            single = await client.get("/api/v1/stats/countries?account_id=acme&compare=yoy&include_totals=true")
            graphql = await client.post("/graphql", json={"query": document})
        told = [batch.json()["results"], single.json(), graphql.json()["data"]]
        return told, batch.headers["server-timing"]

    async def both() -> Any:
        with engine_over(warehouse_file) as (engine, _):
            told, _ = await doors(engine)
        async with gateway_over(address, Upstream(accounts=(ACCOUNT,))) as gateway:
            return told, await doors(gateway)

    from_facts, (from_upstream, timing) = asyncio.run(both())

    assert from_upstream == from_facts
    assert 'desc="2 scans"' in timing
