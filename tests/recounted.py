"""Random sessions of a month and one engine over them, for tests that recount every answer one session after the other.

Import with ``from fanin.tests.recounted import …``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fanin.catalog.periods import Compare
from fanin.catalog.query import ask, make_scope
from fanin.tests.facts import bought, engine_over, moment, reached, visit
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


SUMS: Mapping[str, Any] = {
    "entrances": lambda session: 1,
    "engaged_entrances": lambda session: len(session.page_views) > 1,
    "page_views": lambda session: len(session.page_views),
    "microconversions": lambda session: sum(goal.kind is GoalKind.MICROCONVERSION for goal in session.goals),
    "conversions": lambda session: sum(goal.kind is GoalKind.CONVERSION for goal in session.goals),
    "revenue": lambda session: sum(goal.amount_cents for goal in session.goals),
}
