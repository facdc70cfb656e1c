"""Free queries and custom funnels equal a plain recount of the facts, whatever is asked.  Contract §1.14, §1.17."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.endpoints import FREE_DIMENSIONS, FREE_METRICS
from fanin.catalog.periods import Compare, Window
from fanin.catalog.query import FreeColumns, Scope, SortOrder, StatsQuery, ask, free_columns, make_scope
from fanin.tests.facts import bought, engine_over, moment, reached, visit, write
from fanin.warehouse.facts import GoalKind, Session

ZONE = ZoneInfo("America/New_York")  # so that some sessions belong to the day before their UTC date
PATHS = ["/", "/a", "/b", "/thanks"]
GOALS = ["cart", "form", "/a"]  # one goal is named as a page is
STEPS = sorted({*PATHS, *GOALS, "nowhere"})


def random_sessions(count: int) -> list[Session]:
    """Sessions of a month, with repeated pages, ties in time and few different values."""
    dice = random.Random(7)  # noqa: S311  # no secret
    return [random_session(dice) for _ in range(count)]


def random_session(dice: random.Random) -> Session:
    at = moment("2026-02-20T00:00") + dice.randrange(26 * 24 * 3600)
    start = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    goals = [
        (bought(dice.randrange(5000), dice.choice(GOALS), later) if dice.random() < 0.4 else reached(dice.choice(GOALS), later))
        for later in (
            datetime.fromtimestamp(at + 10 * dice.randrange(5), UTC).strftime("%Y-%m-%dT%H:%M:%S")
            for _ in range(dice.randrange(3))
        )
    ]  # fmt: skip
    return visit(
        start,
        *(dice.choice(PATHS) for _ in range(dice.randrange(1, 6))),
        goals=goals,
        country=dice.choice(["ES", "US", "Unknown"]),
        utm_source=dice.choice(["google", "Bing", "(direct)"]),
        channel=dice.choice(["Direct", "Paid Search"]),
        device_type=dice.choice(["mobile", "desktop"]),
        os=dice.choice(["iOS", "Linux"]),
    )


SESSIONS = random_sessions(400)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", SESSIONS, time_zone=ZONE.key)
    with standing_engine(path) as found:
        yield found


@dataclass
class Answers:
    """One engine for many questions."""

    runner: asyncio.Runner
    engine: Any

    def to(self, report: str, *, days: tuple[date, date], compare: Compare = Compare.NONE, **asked: Any) -> Any:
        async def answer() -> Any:
            async with self.engine.request() as context:
                account = context.account("acme")
                scope = make_scope(account, context.now, start_date=days[0], end_date=days[1], compare=compare)
                return await context.loader.load(ask(scope, report, **asked))

        return self.runner.run(answer())


@contextmanager
def standing_engine(path: Path) -> Iterator[Answers]:
    with engine_over(path) as (engine, _), asyncio.Runner() as runner:
        yield Answers(runner, engine)


def local(session: Session) -> datetime:
    return datetime.fromtimestamp(session.start, ZONE)


def within(days: tuple[date, date]) -> list[Session]:
    return [session for session in SESSIONS if days[0] <= local(session).date() <= days[1]]


windows = st.tuples(st.dates(date(2026, 2, 15), date(2026, 3, 20)), st.integers(0, 30)).map(
    lambda drawn: (drawn[0], drawn[0] + timedelta(days=drawn[1]))
)

# --- free queries -------------------------------------------------------------------------------------------------

READ: Mapping[str, Any] = {
    "date": lambda session: local(session).date(),
    "hour": lambda session: local(session).hour,
    "day_of_week": lambda session: local(session).isoweekday(),
    "channel_group": lambda session: session.channel,
}
SUMS: Mapping[str, Any] = {
    "entrances": lambda session: 1,
    "engaged_entrances": lambda session: len(session.page_views) > 1,
    "page_views": lambda session: len(session.page_views),
    "microconversions": lambda session: sum(goal.kind is GoalKind.MICROCONVERSION for goal in session.goals),
    "conversions": lambda session: sum(goal.kind is GoalKind.CONVERSION for goal in session.goals),
    "revenue": lambda session: sum(goal.amount_cents for goal in session.goals),
}


def value(session: Session, word: str) -> Any:
    return READ[word](session) if word in READ else getattr(session, word)


def recounted(sessions: Iterable[Session], free: FreeColumns) -> list[dict[str, Any]]:
    """Every row of a free query, sorted, counted one session after the other."""
    sums: dict[tuple[Any, ...], Counter[str]] = {} if free.dimensions else {(): Counter()}
    for session in sessions:
        counted = sums.setdefault(tuple(value(session, word) for word in free.dimensions), Counter())
        counted.update({name: int(count(session)) for name, count in SUMS.items()})
    rows = [
        dict(zip(free.dimensions, key, strict=True)) | {name: counted[name] for name in free.metrics}
        | ({"bounce_rate": bounce_rate(counted)} if {"entrances", "engaged_entrances"} <= set(free.metrics) else {})
        for key, counted in sums.items()
    ]  # fmt: skip
    for field, order in [*((word, SortOrder.ASC) for word in reversed(free.dimensions)), *reversed(free.order_by)]:
        rows.sort(key=lambda row, field=field: row[field], reverse=order is SortOrder.DESC)
    return [row | ({"revenue": Decimal(row["revenue"]).scaleb(-2)} if "revenue" in row else {}) for row in rows]


def bounce_rate(counted: Counter[str]) -> float:
    entrances = counted["entrances"]
    bounces = entrances - counted["engaged_entrances"]
    return (20_000 * bounces + entrances) // (2 * entrances) / 100 if entrances else 0.0


@st.composite
def free_questions(draw: st.DrawFn) -> FreeColumns:
    dimensions = draw(st.lists(st.sampled_from([*FREE_DIMENSIONS]), max_size=4, unique=True))
    metrics = draw(st.lists(st.sampled_from(FREE_METRICS), min_size=1, unique=True))
    field, order = st.sampled_from([*dimensions, *metrics]), st.sampled_from(SortOrder)
    orders = draw(st.lists(st.tuples(field, order), max_size=2, unique_by=lambda pair: pair[0]))
    return free_columns(dimensions, metrics, orders, draw(st.integers(0, 5)))


@settings(max_examples=80, deadline=None)
@given(free=free_questions(), limit=st.integers(1, 60), days=windows, compare=st.sampled_from(Compare))
def test_a_free_query_tells_what_a_plain_recount_tells(
    answers: Answers, free: FreeColumns, limit: int, days: tuple[date, date], compare: Compare
) -> None:
    answer = answers.to("query", days=days, compare=compare, free=free, page_size=limit)

    rows = recounted(within(days), free)
    assert answer["rows"] == rows[free.offset : free.offset + limit]
    assert (answer["total"], answer["has_more"]) == (len(rows), free.offset + limit < len(rows))
    earlier = compared_with(days, compare)
    before = recounted(within((earlier.start, earlier.end)), free) if earlier else []
    assert answer["comparison_rows"] == before[free.offset : free.offset + limit]
    assert answer["comparison_total"] == len(before)


def compared_with(days: tuple[date, date], compare: Compare) -> Window | None:
    length = (days[1] - days[0]).days + 1
    if compare is Compare.PREVIOUS:
        return Window(days[0] - timedelta(days=length), days[0] - timedelta(days=1))
    return Window(*(day.replace(year=day.year - 1) for day in days)) if compare is Compare.YOY else None


def test_a_free_query_over_nothing_is_one_row_of_zeros_and_over_a_dimension_none(answers: Answers) -> None:
    never = (date(2020, 1, 1), date(2020, 1, 2))

    whole = answers.to("query", days=never)
    by_country = answers.to("query", days=never, free=free_columns(["country"]))

    zeros = dict.fromkeys(FREE_METRICS, 0) | {"revenue": Decimal("0.00"), "bounce_rate": 0.0}
    assert (whole["rows"], whole["total"]) == ([zeros], 1)
    assert (by_country["rows"], by_country["total"]) == ([], 0)


def test_what_is_asked_beside_a_free_query_does_not_show_in_it(answers: Answers) -> None:
    days = (date(2026, 2, 20), date(2026, 3, 18))
    free = free_columns(["hour", "country"], ["conversions"])

    async def beside() -> Any:
        async with answers.engine.request() as context:
            scope = make_scope(context.account("acme"), context.now, start_date=days[0], end_date=days[1])
            asked = (ask(scope, "sources"), ask(scope, "query", free=free))
            return (await asyncio.gather(*map(context.loader.load, asked)))[1]

    alone = answers.to("query", days=days, free=free)
    assert alone == answers.runner.run(beside())
    assert any(row["conversions"] == 0 for row in alone["rows"])


# --- custom funnels -----------------------------------------------------------------------------------------------


def steps_taken(session: Session, steps: tuple[str, ...]) -> int:
    """How many of the steps a session took in their order, one event for one step."""
    events = [(view.at, 0, view.path) for view in session.page_views]
    events += [(goal.at, 1, goal.name) for goal in session.goals]
    taken = 0
    for *_, name in sorted(events, key=lambda event: event[:2]):
        taken += taken < len(steps) and name == steps[taken]
    return taken


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=2, max_size=5).map(tuple), days=windows)
def test_a_custom_funnel_counts_the_sessions_that_took_its_steps_in_their_order(
    answers: Answers, steps: tuple[str, ...], days: tuple[date, date]
) -> None:
    answer = answers.to("funnel_steps", days=days, steps=steps)

    taken = [steps_taken(session, steps) for session in within(days)]
    counts = [sum(reached > place for reached in taken) for place in range(len(steps))]
    assert [(step["step_number"], step["name"], step["count"]) for step in answer["steps"]] == [
        (place + 1, step, counts[place]) for place, step in enumerate(steps)
    ]
    assert (answer["total_entries"], answer["total_completions"]) == (counts[0], counts[-1])
    rates = [100.0, *(percent(now, before) for before, now in pairwise(counts))]
    lost = [0.0, *(percent(before - now, before) for before, now in pairwise(counts))]
    assert [step["conversion_rate"] for step in answer["steps"]] == rates
    assert [step["drop_off_rate"] for step in answer["steps"]] == lost
    assert answer["overall_conversion_rate"] == percent(counts[-1], counts[0])


def percent(part: int, whole: int) -> float:
    return (20_000 * part + whole) // (2 * whole) / 100 if whole else 0.0


def test_a_step_twice_takes_two_events(answers: Answers, tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-10T10:00", "/", "/"), visit("2026-03-10T11:00", "/", "/a")])
    with standing_engine(tmp_path / "w.duckdb") as found:
        answer = found.to("funnel_steps", days=(date(2026, 3, 10), date(2026, 3, 10)), steps=("/", "/"))

    assert [step["count"] for step in answer["steps"]] == [2, 1]


def test_steps_are_asked_of_one_scope_like_everything_else() -> None:
    scope = Scope("acme", Window(date(2026, 3, 1), date(2026, 3, 2)))

    assert ask(scope, "funnel_steps", steps=["/", "/a"]) == StatsQuery(scope, "funnel_steps", steps=("/", "/a"))
    assert ask(scope, "funnel_steps", steps=["/a", "/"]) != ask(scope, "funnel_steps", steps=["/", "/a"])
