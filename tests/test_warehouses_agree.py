"""Whatever the warehouse, the answers are those of the embedded one: every report, filter, comparison, row and listing.

A further warehouse is one more opener.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS, FREE_DIMENSIONS, FREE_METRICS, Shape
from fanin.catalog.errors import BadRequest
from fanin.catalog.filters import FILTER_FIELDS, Filter, make_filter
from fanin.catalog.periods import Compare
from fanin.catalog.query import Granularity, Interval, Scope, SortOrder, StatsQuery, free_columns, make_scope
from fanin.catalog.segments import SEGMENT_OPERATORS, Segment, canonical_filter
from fanin.schema.engine import Engine
from fanin.tests.clickhouse import empty_database, write_clickhouse
from fanin.tests.facts import NOW, bought, engine_over, moment, reached, visit, write
from fanin.tests.questions import ask_needed
from fanin.tests.upstreams import fanin_served
from fanin.warehouse.facts import Session
from fanin.warehouse.upstream import UpstreamWarehouse
from fanin.warehouse.upstream_client import UpstreamClient
from fanin.warehouse.upstream_options import Upstream

ZONES = {"acme": "America/New_York", "other": "Asia/Kathmandu"}

# Some differ in case only, some hold what patterns and statements are made of, some have letters beyond ASCII.
WORDS = [
    "",
    "google",
    "Google",
    "(direct)",
    "news letter",
    "it's",
    "a%b_",
    "x'); --",
    "back\\slash",
    "Café",
    "cafÉ",
    "ΣΑΣ",
]
PATHS = ["/", "/a", "/A/b", "/a?x=1", "/thanks", "/Ünal"]
REFERRERS = ["", "https://www.Google.com/a?b", "http://me@news.example:8080/A", "https://google.com", "Google"]
GOALS = ["cart", "form", "/a", "Café"]


def random_session(dice: random.Random) -> Session:
    """A session of about ten weeks, some of them on the night between two local days."""
    at = moment("2026-01-05T00:00") + dice.randrange(71 * 24 * 3600)
    pages = [f"{dice.choice(PATHS)}={dice.choice(WORDS[:4])}" for _ in range(dice.randrange(0, 5))]
    goals = [
        bought(dice.randrange(10**9), dice.choice(GOALS)) if dice.random() < 0.5 else reached(dice.choice(GOALS))
        for _ in range(dice.randrange(3))
    ]
    made = visit("2026-01-05T00:00", *pages, goals=[replace(goal, at=at + dice.randrange(60)) for goal in goals])
    views = tuple(replace(view, at=view.at - made.start + at) for view in made.page_views) if pages else ()
    return replace(
        made,
        start=at,
        page_views=views,
        **{f"utm_{name}": dice.choice(WORDS) for name in ("source", "medium", "campaign", "term", "content")},
        referrer=dice.choice(REFERRERS),
        channel=dice.choice(["Direct", "Paid Search", "Organic Search"]),
        country=dice.choice(["ES", "US", "Unknown"]),
        device_type=dice.choice(["mobile", "desktop", "tablet"]),
        browser=dice.choice(["Safari", "Chrome"]),
        os=dice.choice(["iOS", "Linux"]),
    )


def facts_of(account: str) -> list[Session]:
    dice = random.Random(account)  # noqa: S311  no secret
    return [random_session(dice) for _ in range(500)]


FACTS = {account: facts_of(account) for account in ZONES}


@contextmanager
def duckdb_engine(folder: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    for account, sessions in FACTS.items():
        write(folder / "w.duckdb", account, sessions, time_zone=ZONES[account])
    with engine_over(folder / "w.duckdb") as (engine, _):
        yield engine


@contextmanager
def clickhouse_engine(folder: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each account in two imports, so that versions and roll-ups of the same days come together."""
    with empty_database(request.getfixturevalue("clickhouse_address")) as place:
        from fanin.warehouse.clickhouse_reading import ClickHouseWarehouse

        for account, sessions in FACTS.items():
            for half in (sessions[::2], sessions[1::2]):
                write_clickhouse(place, account, half, time_zone=ZONES[account])
        warehouse = ClickHouseWarehouse(place)
        try:
            yield Engine(warehouse, clock=lambda: NOW)
        finally:
            warehouse.close()


@contextmanager
def upstream_engine(folder: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A gateway in front of another fanin over the same facts."""
    for account, sessions in FACTS.items():
        write(folder / "w.duckdb", account, sessions, time_zone=ZONES[account])
    accounts = tuple(Account(account, zone) for account, zone in ZONES.items())
    with fanin_served(folder / "w.duckdb") as address:
        warehouse = UpstreamWarehouse(UpstreamClient(address), Upstream(accounts=accounts))
        yield Engine(warehouse, clock=lambda: NOW)


Opener = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Engine]]

# Every way to have the facts answered; the first is what the others are held against.
OPENERS: dict[str, Opener] = {
    "duckdb": duckdb_engine,
    "clickhouse": clickhouse_engine,
    "upstream": upstream_engine,
}
STANDARD, *OTHERS = OPENERS


@dataclass
class Pair:
    """Two engines over the same facts."""

    runner: asyncio.Runner
    standard: Engine
    other: Engine

    def assert_equal(self, *questions: StatsQuery) -> None:
        """Every answer value by value, types included: money is exact or it is not equal."""
        assert self.equal_answers(*questions) == len(questions)

    def equal_answers(self, *questions: StatsQuery) -> int:
        """The number of questions that were answered, alike; an upstream may say that it cannot be asked the others."""
        told, wanted = (self.runner.run(answers(engine, questions)) for engine in (self.other, self.standard))
        answered = [place for place, own in enumerate(told) if not _cannot_be_asked(own)]
        for place in answered:
            assert repr(told[place]) == repr(wanted[place]), questions[place]
        return len(answered)


def _cannot_be_asked(told: Any) -> bool:
    return isinstance(told, BadRequest) and "the upstream API" in told.message


@pytest.fixture(scope="module", params=OTHERS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        OPENERS[request.param](tmp_path_factory.mktemp(request.param), request) as other,
        OPENERS[STANDARD](tmp_path_factory.mktemp(STANDARD), request) as standard,
        asyncio.Runner() as runner,
    ):
        yield Pair(runner, standard, other)
        runner.run(other.close())


async def answers(engine: Engine, questions: tuple[StatsQuery, ...]) -> list[Any]:
    async with engine.request() as context:
        return list(await asyncio.gather(*map(context.loader.load, questions), return_exceptions=True))


def scope(
    days: tuple[date, date],
    compare: Compare = Compare.NONE,
    filters: tuple[Filter, ...] = (),
    segment: Segment | None = None,
    account: str = "acme",
) -> Scope:
    """The dates are given, so the account's own zone is not asked."""
    return make_scope(
        Account(account), NOW, start_date=days[0], end_date=days[1], compare=compare, filters=filters, segment=segment
    )


def _group(field: str, op: str, value: str) -> tuple[Filter, ...]:
    return (canonical_filter(field, SEGMENT_OPERATORS[op], [value], "segment"),)


LONG = (date(2026, 1, 10), date(2026, 3, 12))  # a whole month and days at both edges
LONG_DAYS = (LONG[1] - LONG[0]).days + 1
WEEK = (date(2026, 2, 9), date(2026, 2, 15))
DAY = (date(2026, 2, 9), date(2026, 2, 9))
NEVER = (date(2025, 1, 1), date(2025, 1, 31))

FILTERS: dict[str, tuple[Filter, ...]] = {
    "nothing": (),
    "one": (make_filter("country", "eq", ["ES"]),),
    "several": (make_filter("utm_source", "in", ["GOOGLE", "café"]), make_filter("browser", "ne", ["Safari"])),
    "text": (make_filter("utm_campaign", "contains", ["O"]), make_filter("path", "not_contains", ["b"])),
    "pattern": (make_filter("landing_page", "regex", ["^/a"]), make_filter("referrer", "not_regex", ["Google"])),
    "none": (make_filter("os", "eq", ["BeOS"]),),
}


@pytest.mark.parametrize("report", ENDPOINTS)
def test_every_report_is_the_same_under_every_filter_and_comparison(pair: Pair, report: str) -> None:
    long = LONG if ENDPOINTS[report].max_days >= LONG_DAYS else (LONG[0], LONG[0] + timedelta(days=30))
    plain = FILTERS["nothing"], FILTERS["one"]

    pair.assert_equal(
        *(ask_needed(scope(long, Compare.PREVIOUS, filters), report) for filters in FILTERS.values()),
        *(ask_needed(scope(WEEK, Compare.YOY, filters, account="other"), report) for filters in plain),
        *(ask_needed(scope(days, Compare.NONE, filters), report) for days in (DAY, NEVER) for filters in plain),
    )


ROWS = [
    {"utm_source": "google"},
    {"country": "ES", "device_type": "mobile"},
    {"utm_medium": "Café", "utm_campaign": "it's"},
    {"path": "/a"},
    {"os": "BeOS"},
]


@pytest.mark.parametrize("report", [name for name, row in ENDPOINTS.items() if row.max_days >= LONG_DAYS])
def test_every_report_is_the_same_inside_rows_of_others(pair: Pair, report: str) -> None:
    pair.assert_equal(
        *(ask_needed(scope(LONG, Compare.PREVIOUS).within(row), report) for row in ROWS),
        *(ask_needed(scope(LONG, filters=FILTERS["one"]).within(row), report) for row in ROWS[:2]),
    )


SEGMENTS = {
    "either": Segment(groups=(_group("utm_medium", "eq", "Google"), _group("referrer_domain", "ends_with", ".com"))),
    "neither": Segment(not_groups=(_group("country", "eq", "ES"), _group("utm_term", "starts_with", "(D"))),
    "both": Segment(groups=(_group("channel", "neq", "Direct"),), not_groups=(_group("path", "contains", "a"),)),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_narrow_to_the_same(pair: Pair, name: str) -> None:
    answered = pair.equal_answers(
        *(
            ask_needed(scope(WEEK, Compare.PREVIOUS, segment=SEGMENTS[name]), report)
            for report in ("overview", "pages", "conversions", "funnel", "query", "funnel_steps")
        )
    )

    assert answered == 6 or (name == "either" and isinstance(pair.other.warehouse, UpstreamWarehouse))


def test_series_have_the_same_points(pair: Pair) -> None:
    pair.assert_equal(
        *(ask_needed(scope(LONG, Compare.PREVIOUS), "time_series", interval=interval) for interval in Interval),
        *(ask_needed(scope(WEEK, filters=FILTERS["one"]), "overview", granularity=given) for given in Granularity),
    )


def test_rows_as_they_are_come_alike(pair: Pair) -> None:
    events = "conversion_events", "microconversion_events"
    paths = ("/", "/a"), ("/a", "form", "/thanks"), ("Café", "/Ünal", "nowhere")
    pair.assert_equal(
        *(ask_needed(scope(WEEK), report, goals=goals, page_size=7, page=2) for report in events for goals in ((), GOALS[:2])),
        *(ask_needed(scope(LONG, filters=FILTERS["several"]), "funnel_steps", steps=steps) for steps in paths),
    )  # fmt: skip


# --- whatever else can be asked -------------------------------------------------------------------------------------

word = st.sampled_from([*WORDS, *PATHS])
fields = st.sampled_from(FILTER_FIELDS)
conditions = st.one_of(
    st.builds(make_filter, fields, st.sampled_from(["eq", "ne"]), st.tuples(word)),
    st.builds(make_filter, fields, st.sampled_from(["in", "not_in"]), st.lists(word, min_size=1, max_size=4)),
    st.builds(make_filter, fields, st.sampled_from(["contains", "not_contains"]), st.tuples(word.filter(bool))),
    st.builds(
        make_filter,
        fields,
        st.sampled_from(["regex", "not_regex"]),
        st.tuples(st.sampled_from(["^/", "o", "^$", "[A-Z]", "a|b", "e.*t", r"\(", "^.{1,3}$", "É", r"\\", "σ"])),
    ),
)
days = st.tuples(st.dates(date(2026, 1, 1), date(2026, 3, 20)), st.integers(0, 30)).map(
    lambda drawn: (drawn[0], drawn[0] + timedelta(days=drawn[1]))
)


@st.composite
def questions(draw: st.DrawFn) -> StatsQuery:
    """Any question of any report: its own parameters as far as it takes them."""
    report = draw(st.sampled_from([*ENDPOINTS]))
    endpoint = ENDPOINTS[report]
    filters = tuple(draw(st.lists(conditions, max_size=2)))
    asked: dict[str, Any] = {}
    if endpoint.page_size is not None:
        asked["page_size"] = draw(st.integers(1, 5))
        asked |= {"page": draw(st.integers(1, 3))} if endpoint.page_size.parameter == "page_size" else {}
    if endpoint.sort:
        asked |= {"sort_by": draw(st.sampled_from(endpoint.sort)), "sort_order": draw(st.sampled_from(SortOrder))}
    if endpoint.search:
        asked["search"] = draw(st.sampled_from(["", "g", "É", "%", "nothing like it"]))
    if endpoint.include:
        asked |= {"include": draw(st.lists(st.sampled_from(["device", "os"]), unique=True)), "include_utm": draw(st.booleans())}  # fmt: skip
    if endpoint.shape is Shape.FREE:
        asked["free"] = free_columns(
            draw(st.lists(st.sampled_from([*FREE_DIMENSIONS]), max_size=4, unique=True)),
            draw(st.lists(st.sampled_from(FREE_METRICS), min_size=1, unique=True)),
        )
    own = scope(draw(days), draw(st.sampled_from(Compare)), filters, account=draw(st.sampled_from([*ZONES])))
    return ask_needed(own.within(draw(st.sampled_from([{}, {}, *ROWS]))), report, **asked)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(questions(), min_size=1, max_size=4))
def test_any_questions_asked_together_are_answered_alike(pair: Pair, asked: list[StatsQuery]) -> None:
    answered = pair.equal_answers(*asked)

    assert answered == len(asked) or isinstance(pair.other.warehouse, UpstreamWarehouse)
